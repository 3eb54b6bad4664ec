"""What users do today, step 1: fine-tune one adapter with TRL; against_loop.py calls it once for each arm and seed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]  # only this comparison needs it


def main() -> None:
    """Train and save one adapter."""
    parser = argparse.ArgumentParser()
    for name in ("model", "data", "out", "dtype"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--dora", action="store_true")
    for name in ("seed", "steps", "batch-size", "max-length"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    asked = parser.parse_args()
    rows = [json.loads(line) for line in Path(asked.data).read_text(encoding="utf-8").splitlines()]
    config = SFTConfig(
        output_dir=asked.out,
        max_steps=asked.steps,
        per_device_train_batch_size=asked.batch_size,
        learning_rate=asked.learning_rate,
        max_length=asked.max_length,
        model_init_kwargs={"dtype": asked.dtype},
        seed=asked.seed,
        bf16=False,
        fp16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    trainer = SFTTrainer(
        model=asked.model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, use_dora=asked.dora, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    trainer.save_model(asked.out)


if __name__ == "__main__":
    main()
