"""LoRA on the value projections alone: ``--treat value_lora``, ``--treat 'talan+value_lora[r=4]'``."""

from dataclasses import dataclass
from typing import ClassVar

from talan_core.partners import PeftPartner


@dataclass(frozen=True, kw_only=True)
class ValueLora(PeftPartner):
    """Its options are its fields."""

    kind: ClassVar[str] = "value_lora"
    r: int = 8

    def peft_config(self, backbone, seed):
        """Return PEFT's configuration."""
        from peft import LoraConfig

        return LoraConfig(task_type="CAUSAL_LM", r=self.r, lora_alpha=2 * self.r, target_modules=["v_proj"])
