"""Where a block is inserted by default in the backbones of the paper, and what of it is the paper's.

Importing this module loads no tensor library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from talan_core.config import TalanConfig


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The default configuration of a block on one backbone.

    Args:
        hub_id: The backbone on the Hub.
        hidden_size: Its width d.
        num_layers: Number of its decoder layers.
        parameters: Number of its parameters, experts included; a test computes it from the architecture.
        config: The configuration.
        paper: The fields of the configuration that Zhang et al. (2026) state for this backbone. All others are ours.
        note: What the paper says and what we decided, in a sentence.
    """

    hub_id: str
    hidden_size: int
    num_layers: int
    parameters: int
    config: TalanConfig
    paper: frozenset[str]
    note: str


_LAYER: Final = frozenset({"layer"})
_REST: Final = (
    "Everything else is ours: T = 2 because the paper finds the largest mean gain there, the rest is the default; the "
    "paper chose a configuration per backbone and benchmark, which the text that we have does not list."
)

OPERATING_POINTS: Final = {
    point.hub_id: point
    for point in (
        OperatingPoint(
            hub_id="Qwen/Qwen3-8B",
            hidden_size=4096,
            num_layers=36,
            parameters=8_190_735_360,
            config=TalanConfig(layer=4),
            paper=_LAYER,
            note=f"The paper inserts at layer 4. {_REST}",
        ),
        OperatingPoint(
            hub_id="Qwen/Qwen3-32B",
            hidden_size=5120,
            num_layers=64,
            parameters=32_762_123_264,
            config=TalanConfig(layer=12),
            paper=_LAYER,
            note=f"The paper inserts at layer 12. {_REST}",
        ),
        OperatingPoint(
            hub_id="Qwen/Qwen3-30B-A3B",
            hidden_size=2048,
            num_layers=48,
            parameters=30_532_122_624,
            config=TalanConfig(layer=0),
            paper=_LAYER,
            note=f"The paper inserts at the embedding output. {_REST}",
        ),
        OperatingPoint(
            hub_id="deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
            hidden_size=5120,
            num_layers=64,
            parameters=32_763_876_352,
            config=TalanConfig(layer=0),
            paper=_LAYER,
            note=f"The paper inserts at the embedding output. {_REST}",
        ),
        OperatingPoint(
            hub_id="meta-llama/Llama-3.2-1B",
            hidden_size=2048,
            num_layers=16,
            parameters=1_235_814_400,
            config=TalanConfig(layer=2),
            paper=frozenset(),
            note=(
                "The paper probes transfer here (LoRA and rsLoRA, seven paired seeds) without stating a layer: 2 of 16 "
                f"is an eighth of the depth, our default share. {_REST}"
            ),
        ),
    )
}
"""The operating points by Hub id."""


def operating_point(hub_id: str) -> TalanConfig:
    """Return the default configuration of a block on a backbone: the table's, or `TalanConfig()`.

    Args:
        hub_id: A Hub id; case does not matter.
    """
    known = {name.lower(): point.config for name, point in OPERATING_POINTS.items()}
    return known.get(hub_id.lower(), TalanConfig())
