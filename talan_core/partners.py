"""The adapters that TALAN is trained with, as arms write them: "lora", "dora[r=16]", "rslora".

A partner is one frozen dataclass here, whose fields are its options, and one entry in `PARTNERS`. Importing this module
loads neither torch nor PEFT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftConfig


class Partner(Protocol):
    """An adapter of PEFT with its options."""

    kind: ClassVar[str]

    def problems(self) -> list[str]:
        """Name each option that is out of range."""

    def peft_config(self) -> PeftConfig:
        """Build PEFT's configuration for a causal language model (loads PEFT)."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """LoRA (Hu et al., 2022) on all linear layers but the output head.

    Args:
        r: Rank.
        alpha: Scale; the update is multiplied by alpha / r.
        dropout: Dropout probability on the adapter's input, in [0, 1).
    """

    kind: ClassVar[str] = "lora"

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = [
            f"{name}={getattr(self, name)}: must be at least 1" for name in ("r", "alpha") if getattr(self, name) < 1
        ]
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout={self.dropout}: must be in [0, 1)")
        return found

    def peft_config(self) -> PeftConfig:
        """Build PEFT's configuration for a causal language model (loads PEFT)."""
        from peft import LoraConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules="all-linear",
            use_dora=self.kind == "dora",
            use_rslora=self.kind == "rslora",
        )


@dataclass(frozen=True, kw_only=True)
class Dora(Lora):
    """DoRA (Liu et al., 2024): LoRA on the direction of each weight, its magnitude learned. Options as in `Lora`."""

    kind: ClassVar[str] = "dora"


@dataclass(frozen=True, kw_only=True)
class RsLora(Lora):
    """Rank-stabilised LoRA (Kalajdzievski, 2023): the update is scaled by alpha / sqrt(r). Options as in `Lora`."""

    kind: ClassVar[str] = "rslora"


PARTNERS: Final[Mapping[str, type[Lora]]] = {partner.kind: partner for partner in (Lora, Dora, RsLora)}
"""The partners by the name that an arm uses."""
