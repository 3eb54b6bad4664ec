"""The baselines that are no adapters of PEFT: nothing, everything, and methods that edit activations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from talan_core.errors import UserError
from talan_core.partners.base import PlainPartner

ALL_LAYERS: Final = "all"
_NUMBERS: Final = re.compile(r"\d{1,4}(;\d{1,4})*", re.ASCII)
_WEIGHTS: Final = ("untied", "shared")
_LAYER: Final = "must be an integer from 0, or a fraction of the depth in [0, 1)"


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
    layers at a few positions of the prompt, which is `Reft`; one place and all positions are ours, so that arm and
    block differ in what they write and not in where. W starts as R and b as zero, so that the edit starts as exactly
    nothing (ours).

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
class Reft(PlainPartner):
    """LoReFT where Wu et al. (2024) put it: on the outputs of several layers, at a few tokens of the prompt.

    The formula is that of `LoReft`; places and what is shared are those of the authors' package pyreft. Answers are not
    edited, so that generating costs what the backbone costs. In packed rows each example has its own places. Whoever
    runs a model outside training and generation says where prompts end, see `talan_core.prompt_places`. Not covered:
    dropout on the edited states, and lm-eval's own scoring of choices, which does not say it.

    Args:
        r: Rank.
        layers: "all", or numbers of decoder layers with semicolons between them, as in "2;5;8".
        first: Tokens that are edited at the beginning of the prompt.
        last: Tokens that are edited at its end.
        weights: "untied" gives first and last tokens edits of their own, "shared" one edit per layer.
    """

    kind: ClassVar[str] = "reft"
    is_mergeable: ClassVar[bool] = False

    r: int = 4
    layers: str = ALL_LAYERS
    first: int = 5
    last: int = 5
    weights: str = "untied"

    def __post_init__(self) -> None:
        """Write equal numbers alike, so that equal options give equal names."""
        if _NUMBERS.fullmatch(self.layers) is not None:
            object.__setattr__(self, "layers", ";".join(map(str, sorted(map(int, self.layers.split(";"))))))

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = self._too_small("r")
        found += [f"{name}={value}: must be at least 0" for name, value in self._places() if value < 0]
        if self.first == 0 and self.last == 0:
            found.append("first=0 and last=0: nothing would be edited")
        if self.layers != ALL_LAYERS and (_NUMBERS.fullmatch(self.layers) is None or self._repeats()):
            found.append(f'layers={self.layers}: must be "all" or different numbers, as in 2;5;8')
        if self.weights not in _WEIGHTS:
            found.append(f"weights={self.weights}: must be {' or '.join(_WEIGHTS)}")
        return found

    def numbers(self, num_layers: int) -> tuple[int, ...]:
        """Return the numbers of the layers whose outputs are edited.

        Args:
            num_layers: How many decoder layers the backbone has.

        Raises:
            UserError: It has no layer of such a number.
        """
        if self.layers == ALL_LAYERS:
            return tuple(range(num_layers))
        found = tuple(map(int, self.layers.split(";")))
        if found[-1] >= num_layers:
            raise UserError(
                f"reft[layers={self.layers}] does not fit: the backbone has {num_layers} decoder layers.",
                f"Type numbers from 0 to {num_layers - 1}, or layers=all.",
            )
        return found

    def _places(self) -> tuple[tuple[str, int], ...]:
        return (("first", self.first), ("last", self.last))

    def _repeats(self) -> bool:
        numbers = self.layers.split(";")
        return len(set(map(int, numbers))) < len(numbers)


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
