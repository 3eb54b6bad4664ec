"""The prompt-learning baselines of PEFT: virtual tokens before the sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from talan_core.partners.base import PeftPartner

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

_REFUSES = "it puts virtual tokens before the sequence, which the block's memory would read as part of it"


@dataclass(frozen=True, kw_only=True)
class PrefixTuning(PeftPartner):
    """Prefix tuning (Li and Liang, 2021): trained keys and values before the sequence, in every layer.

    Its outputs differ from the backbone's from the start.

    Args:
        tokens: Number of virtual tokens.
    """

    kind: ClassVar[str] = "prefix"
    is_mergeable: ClassVar[bool] = False
    rate_factor: ClassVar[float] = 30.0
    recomputes: ClassVar[bool] = False
    refuses_block: ClassVar[str] = _REFUSES

    tokens: int = 16

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return self._too_small("tokens")

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import PrefixTuningConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del backbone, seed
        return PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.tokens)


@dataclass(frozen=True, kw_only=True)
class PromptTuning(PrefixTuning):
    """Prompt tuning (Lester et al., 2021): trained embeddings before the sequence. Options as in `PrefixTuning`."""

    kind: ClassVar[str] = "prompt"
    is_mergeable: ClassVar[bool] = False
    takes_quantized: ClassVar[frozenset[str]] = frozenset({"4bit", "8bit"})
    recomputes: ClassVar[bool] = True

    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration; see `PeftPartner.peft_config`."""
        from peft import PromptTuningConfig  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

        del backbone, seed
        return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.tokens)
