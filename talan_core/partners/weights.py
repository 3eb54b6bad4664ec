"""The other adapters of PEFT that change weights. Arms are parsed before PEFT is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from talan_core.errors import UserError
from talan_core.partners.base import PeftPartner, all_linear, check_block_size, leaf_names

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

_ATTENTION_OUT = ("k_proj", "v_proj", "qkv_proj")
_FEEDFORWARD_IN = ("down_proj",)


@dataclass(frozen=True, kw_only=True)
class IA3(PeftPartner):
    """IA3 (Liu et al., 2022): learned factors on keys, values, and the inner activations of the feed-forward layers.

    Where a backbone computes query, key and value in one matrix, all three are scaled. Experts of mixture-of-experts
    models are not linear layers in transformers and are left alone.
    """

    kind: ClassVar[str] = "ia3"
    rate_factor: ClassVar[float] = 30.0

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import IA3Config  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        outputs, inputs = leaf_names(backbone, _ATTENTION_OUT), leaf_names(backbone, _FEEDFORWARD_IN)
        if not outputs:
            raise UserError(
                f"ia3 finds no {', '.join(_ATTENTION_OUT)} in {type(backbone).__name__}.",
                "Use another partner, for example lora.",
            )
        return IA3Config(task_type="CAUSAL_LM", target_modules=[*outputs, *inputs], feedforward_modules=inputs)


@dataclass(frozen=True, kw_only=True)
class LoHa(PeftPartner):
    """LoHa (Hyeon-Woo et al., 2022): the element-wise product of two low-rank products is added to each weight.

    Args:
        r: Rank of each product.
        alpha: Scale; the update is multiplied by alpha / r.
        dropout: Probability of dropping a rank of the update, in [0, 1).
    """

    kind: ClassVar[str] = "loha"

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [*self._too_small("r", "alpha"), *self._no_probability()]

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import LoHaConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return LoHaConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            alpha=self.alpha,
            rank_dropout=self.dropout,
            target_modules=all_linear(backbone),
        )


@dataclass(frozen=True, kw_only=True)
class LoKr(LoHa):
    """LoKr (Yeh et al., 2024): a Kronecker product with a low-rank factor is added to each weight. Options: `LoHa`."""

    kind: ClassVar[str] = "lokr"

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import LoKrConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return LoKrConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            alpha=self.alpha,
            rank_dropout=self.dropout,
            target_modules=all_linear(backbone),
        )


@dataclass(frozen=True, kw_only=True)
class Oft(PeftPartner):
    """OFT (Qiu et al., 2023): each weight is turned by a block-diagonal orthogonal matrix.

    Args:
        block: Size of the blocks; must divide the input width of every linear layer.
    """

    kind: ClassVar[str] = "oft"

    block: int = 16

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [] if self.block > 1 else [f"block={self.block}: must be at least 2"]

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import OFTConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        check_block_size(self.kind, self.block, backbone)
        return OFTConfig(task_type="CAUSAL_LM", r=0, oft_block_size=self.block, target_modules=all_linear(backbone))


@dataclass(frozen=True, kw_only=True)
class Boft(Oft):
    """BOFT (Liu et al., 2024): OFT with one butterfly factor. Options as in `Oft`."""

    kind: ClassVar[str] = "boft"

    block: int = 4

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import BOFTConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        check_block_size(self.kind, self.block, backbone)
        return BOFTConfig(task_type="CAUSAL_LM", boft_block_size=self.block, target_modules=all_linear(backbone))


@dataclass(frozen=True, kw_only=True)
class Hra(PeftPartner):
    """HRA (Yuan et al., 2024): each weight is turned by a chain of Householder reflections.

    The chain starts as pairs that cancel, so before training the outputs equal the backbone's up to rounding only.

    Args:
        r: Number of reflections; even, so that they can cancel.
    """

    kind: ClassVar[str] = "hra"

    r: int = 8

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [] if self.r >= 1 and self.r % 2 == 0 else [f"r={self.r}: must be an even number from 2"]

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import HRAConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return HRAConfig(task_type="CAUSAL_LM", r=self.r, target_modules=all_linear(backbone))


@dataclass(frozen=True, kw_only=True)
class Miss(PeftPartner):
    """MiSS (Kang and Yin, 2024): one small matrix, repeated over the inputs, is added to each weight.

    Args:
        r: Rank.
        dropout: Dropout probability on the adapter's input, in [0, 1).
    """

    kind: ClassVar[str] = "miss"

    r: int = 16
    dropout: float = 0.0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return [*self._too_small("r"), *self._no_probability()]

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import MissConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        return MissConfig(
            task_type="CAUSAL_LM", r=self.r, miss_dropout=self.dropout, target_modules=all_linear(backbone)
        )


@dataclass(frozen=True, kw_only=True)
class Ln(PeftPartner):
    """LN-tuning (Zhao et al., 2024): the norms of the residual stream are trained, nothing else.

    Norms of another width, such as those on the queries and keys of a head, stay as they are.
    """

    kind: ClassVar[str] = "ln"

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import LNTuningConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del seed
        width = backbone.config.get_text_config().hidden_size
        norms = {
            name.rpartition(".")[2]
            for name, module in backbone.named_modules()
            if "Norm" in type(module).__name__
            and getattr(module, "weight", None) is not None
            and tuple(module.weight.shape) == (width,)
        }
        if not norms:
            raise UserError(
                f"ln finds no norms in {type(backbone).__name__}.", "Use another partner, for example lora."
            )
        return LNTuningConfig(task_type="CAUSAL_LM", target_modules=sorted(norms))
