"""The baselines that are no adapters of PEFT: nothing, everything, and two methods that edit activations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from talan_core.partners.base import PlainPartner

_LAYER = "must be an integer from 0, or a fraction of the depth in [0, 1)"


def _layer_problems(layer: float | None) -> list[str]:
    whole = layer is None or (isinstance(layer, int) and layer >= 0)
    return [] if whole or (isinstance(layer, float) and 0.0 <= layer < 1.0) else [f"layer={layer}: {_LAYER}"]


@dataclass(frozen=True, kw_only=True)
class Base(PlainPartner):
    """The backbone as it is. Alone it is the untuned baseline; "talan+base" trains a block and nothing else."""

    kind: ClassVar[str] = "base"


@dataclass(frozen=True, kw_only=True)
class Full(PlainPartner):
    """Full fine-tuning: every weight of the backbone is trained.

    The original weights are kept in main memory, because switching the arm off must give the backbone back.
    """

    kind: ClassVar[str] = "full"
    rate_factor: ClassVar[float] = 0.1
    trains_backbone: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class LoReft(PlainPartner):
    """LoReFT (Wu et al., 2024): h + R^T (W h + b - R h) with an orthonormal R of r rows.

    It edits the input of one decoder layer, the block's own attach point, at every position. Wu et al. edit several
    layers at a few positions of the prompt; one place and all positions are ours, so that the two methods differ in
    what they write and not in where. W starts as R and b as zero, so that the edit starts as exactly nothing (ours).

    Args:
        r: Rank.
        layer: Where, as `TalanConfig.layer`; None takes the backbone's operating point.
    """

    kind: ClassVar[str] = "loreft"
    is_mergeable: ClassVar[bool] = False

    r: int = 4
    layer: int | float | None = None

    def __post_init__(self) -> None:
        """Write equal numbers alike, so that equal options give equal names."""
        if self.layer == 0:
            object.__setattr__(self, "layer", 0)

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [*self._too_small("r"), *_layer_problems(self.layer)]

    def layer_of(self, default: float) -> int | float | None:
        """Return the layer; see `PlainPartner.layer_of`."""
        return default if self.layer is None else self.layer


@dataclass(frozen=True, kw_only=True)
class ActAdd(PlainPartner):
    """Mean-difference steering (Turner et al., 2023; Zou et al., 2023): h + scale * v at one place, at every position.

    v is the mean hidden state over the tokens of the right completions minus that over the tokens of wrong ones. The
    wrong completion of a prompt is the one that the training data reject, where they are preferences, and else another
    item's right one. Nothing is trained by gradients. The contrast and the number of pairs are ours;
    `talan_core.training.steering` computes v. At the embedding output both means are over the same tokens, and v would
    be zero whatever the data; so where the operating point is layer 0, this writes to layer 1.

    Args:
        scale: Factor on v.
        pairs: Training items that v is computed from (all of them if there are fewer).
        layer: Where, as `TalanConfig.layer`, from layer 1; None takes the backbone's operating point.
    """

    kind: ClassVar[str] = "actadd"
    is_mergeable: ClassVar[bool] = False
    lowest_layer: ClassVar[int] = 1
    refuses_block: ClassVar[str] = "its vector is a difference of means, and no gradient would train the block"

    scale: float = 1.0
    pairs: int = 64
    layer: int | float | None = None

    def __post_init__(self) -> None:
        """Write equal numbers alike, so that equal options give equal names."""
        if self.layer == 0:
            object.__setattr__(self, "layer", 0)
        object.__setattr__(self, "scale", float(self.scale))

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = [] if math.isfinite(self.scale) else [f"scale={self.scale}: must be a finite number"]
        if self.pairs <= 1:
            found.append(f"pairs={self.pairs}: must be at least 2, to have another item's completion")
        if self.layer == 0:
            found.append("layer=0: the contrast of the embedding output is zero whatever the data; from layer=1")
        return [*found, *_layer_problems(self.layer)]

    def layer_of(self, default: float) -> int | float | None:
        """Return the layer; see `PlainPartner.layer_of`."""
        return default if self.layer is None else self.layer
