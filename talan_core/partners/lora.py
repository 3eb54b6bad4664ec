"""The LoRA family: a product of two small matrices added to each weight. Arms are parsed before PEFT is loaded."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from talan_core.partners.base import PeftPartner, all_linear, linear_layers

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

_BIASES = ("none", "all", "lora_only")
_NEVER_RUN = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Lora(PeftPartner):
    """LoRA (Hu et al., 2022) on all linear layers but the output head.

    Args:
        r: Rank.
        alpha: Scale; the update is multiplied by alpha / r.
        dropout: Dropout probability on the adapter's input, in [0, 1).
        bias: Which biases of the backbone are trained too: none, all, or lora_only (those of adapted layers).
        extra: So many ranks more than `r` in all, handed out one a layer in the model's order, and again from the first
            one; the scale of each update stays. It makes arms of equal size, see `talan_core.size.matched_lora`.
    """

    kind: ClassVar[str] = "lora"
    takes_quantized: ClassVar[frozenset[str]] = frozenset({"4bit", "8bit"})

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    bias: str = "none"
    extra: int = 0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = [*self._too_small("r", "alpha"), *self._no_probability()]
        if self.extra < 0:
            found.append(f"extra={self.extra}: must be at least 0")
        if self.bias not in _BIASES:
            found.append(f"bias={self.bias}: must be one of {', '.join(_BIASES)}")
        return found

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import LoraConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            bias=cast("Any", self.bias),
            target_modules=all_linear(backbone),
            **self._ranks(backbone),
            **self._variant(),
        )

    def _variant(self) -> dict[str, Any]:
        return {}

    def _ranks(self, backbone: PreTrainedModel) -> dict[str, Any]:
        """Return the layers that have more than `r` ranks, in PEFT's form: by the pattern that their name matches."""
        if not self.extra:
            return {}
        names = [name for name, _ in linear_layers(backbone)]
        every, rest = divmod(self.extra, len(names))
        ranks = {re.escape(name): self.r + every + (place < rest) for place, name in enumerate(names)}
        more = {name: rank for name, rank in ranks.items() if rank > self.r}
        return {"rank_pattern": more, "alpha_pattern": {name: self._alpha_of(rank) for name, rank in more.items()}}

    def _alpha_of(self, rank: int) -> float:
        """Return the alpha with which a layer of another rank has the same scale alpha / r."""
        return self.alpha * rank / self.r


@dataclass(frozen=True, kw_only=True)
class Dora(Lora):
    """DoRA (Liu et al., 2024): LoRA on the direction of each weight, its magnitude learned. Options as in `Lora`."""

    kind: ClassVar[str] = "dora"
    takes_quantized: ClassVar[frozenset[str]] = frozenset({"4bit"})

    def _variant(self) -> dict[str, Any]:
        return {"use_dora": True}


@dataclass(frozen=True, kw_only=True)
class RsLora(Lora):
    """Rank-stabilised LoRA (Kalajdzievski, 2023): the update is scaled by alpha / sqrt(r). Options as in `Lora`."""

    kind: ClassVar[str] = "rslora"

    def _variant(self) -> dict[str, Any]:
        return {"use_rslora": True}

    def _alpha_of(self, rank: int) -> float:
        return float(self.alpha * math.sqrt(rank / self.r))


@dataclass(frozen=True, kw_only=True)
class Pissa(Lora):
    """PiSSA (Meng et al., 2024): LoRA that starts as the principal components of each weight. Options as in `Lora`.

    PEFT takes these components out of the backbone's weights, so before training the outputs equal the backbone's up to
    rounding only, and loading decomposes the weights again: bit-equal on the same kind of device, not across kinds.
    """

    kind: ClassVar[str] = "pissa"
    takes_quantized: ClassVar[frozenset[str]] = frozenset()

    def _variant(self) -> dict[str, Any]:
        return {"init_lora_weights": "pissa"}


@dataclass(frozen=True, kw_only=True)
class AdaLora(PeftPartner):
    """AdaLoRA (Zhang et al., 2023): singular values are pruned while training, until `r` per layer are left on average.

    Pruning begins after a tenth of the steps and ends a fifth before the last one; `talan_core.training.partner_steps`
    sets this when training starts (the shares are ours).

    Args:
        r: Average rank at the end.
        init_r: Rank at the start.
        alpha: Scale of the update.
        dropout: Dropout probability on the adapter's input, in [0, 1).
    """

    kind: ClassVar[str] = "adalora"
    takes_quantized: ClassVar[frozenset[str]] = frozenset({"4bit"})

    r: int = 8
    init_r: int = 12
    alpha: int = 16
    dropout: float = 0.0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = [*self._too_small("r", "init_r", "alpha"), *self._no_probability()]
        if self.init_r < self.r:
            found.append(f"init_r={self.init_r}: must be at least r={self.r}")
        return found

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import AdaLoraConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return AdaLoraConfig(
            task_type="CAUSAL_LM",
            init_r=self.init_r,
            target_r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=all_linear(backbone),
            total_step=_NEVER_RUN,  # set when training starts, once the number of steps is known
        )


@dataclass(frozen=True, kw_only=True)
class Vera(PeftPartner):
    """VeRA (Kopiczko et al., 2024): one random pair of matrices for all layers, only two scaling vectors are trained.

    The random matrices are drawn from the run's seed and saved in the checkpoint.

    Args:
        r: Rank of the shared matrices.
        dropout: Dropout probability on the adapter's input, in [0, 1).
    """

    kind: ClassVar[str] = "vera"
    rate_factor: ClassVar[float] = 10.0

    r: int = 256
    dropout: float = 0.0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [*self._too_small("r"), *self._no_probability()]

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import VeraConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        return VeraConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            vera_dropout=self.dropout,
            target_modules=all_linear(backbone),
            projection_prng_key=seed,
            save_projection=True,
        )
