"""Which backbones there are, where each comes from, and its operating point.

Importing this module loads no tensor library: a command line can check a name before anything heavy starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from talan_core.backbones.operating_points import operating_point
from talan_core.config import TalanConfig
from talan_core.errors import UserError, unknown_name
from talan_core.training_settings import Dtype, TrainingSettings

Kind = Literal["embedded", "built", "smollm2", "hub", "directory"]
MICRO_WEIGHTS: Final = Path(__file__).parent / "micro" / "weights"
MINI_WEIGHTS: Final = Path(__file__).parent / "micro" / "mini_weights"
SMOLLM2_HUB_ID: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """A backbone that a user named, before it is loaded.

    Attributes:
        name: As shown in tables.
        kind: Where it comes from.
        location: Directory or Hub id.
        training: The default recipe of an adapter on it. Ours, for every backbone.
        talan: The default operating point of a TALAN block on it; `talan_core.backbones.operating_points` says what of
            it is the paper's. Ours for every backbone that is not in that table.
        eval_batch: Prompts that are answered at a time.
        threads: CPU threads of one worker; None divides the machine among the workers.
    """

    name: str
    kind: Kind
    location: str
    training: TrainingSettings
    talan: TalanConfig
    eval_batch: int
    threads: int | None

    @property
    def dtype(self) -> Dtype:
        """Type in which the backbone is loaded, trained and evaluated."""
        return self.training.dtype


_MICRO = BackboneSpec(
    name="micro",
    kind="embedded",
    location=str(MICRO_WEIGHTS),
    training=TrainingSettings(steps=96, batch_size=8, learning_rate=3e-3, max_length=320),
    talan=TalanConfig(),
    eval_batch=64,
    threads=1,
)
_MINI = BackboneSpec(
    name="mini",
    kind="built",
    location=str(MINI_WEIGHTS),
    training=TrainingSettings(steps=96, batch_size=8, learning_rate=1e-3, max_length=320),
    talan=TalanConfig(),
    eval_batch=64,
    threads=1,
)
_SMOLLM2 = BackboneSpec(
    name="smollm2-135m",
    kind="smollm2",
    location=SMOLLM2_HUB_ID,
    training=TrainingSettings(steps=24, batch_size=4, learning_rate=5e-4, max_length=512, dtype="bfloat16"),
    talan=TalanConfig(),
    eval_batch=30,
    threads=None,
)
BY_NAME: Final = {spec.name: spec for spec in (_MICRO, _MINI, _SMOLLM2)}


def find_backbone(name: str) -> BackboneSpec:
    """Return what is known of a backbone.

    Args:
        name: ``micro``, ``mini``, ``smollm2-135m``, a directory with a Hugging Face model, or a Hub id ``owner/model``.

    Returns:
        Its specification. Whether a Hub id exists is only known when it is loaded.

    Raises:
        UserError: The name is none of these, or the directory holds no model.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    general = TrainingSettings(
        steps=200,
        batch_size=8,
        learning_rate=2e-4,
        max_length=1024,
        dtype="bfloat16",
        autocast=True,
        logits="targets",
        encoding="drawn",
        packing="auto",
    )
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(
                f"The directory {name!r} holds no model: it has no config.json.",
                "Type --backbone with a directory saved by save_pretrained.",
            )
        return BackboneSpec(path.resolve().name, "directory", str(path.resolve()), general, TalanConfig(), 16, None)
    if _HUB_ID.fullmatch(name) and not name.startswith("."):
        return BackboneSpec(name, "hub", name, general, operating_point(name), 16, None)
    raise unknown_name("backbone", name, [*BY_NAME, "a directory", "a Hub id such as Qwen/Qwen3-8B"])
