"""What a user may ask of ``compare``: declared once, for the command line and whatever else starts a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time
from typing import Any


def _ask(default: Any, text: str) -> Any:  # noqa: ANN401 - dataclasses.field is typed by its default
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """The options of ``talan-eval compare``, as typed; nothing is checked yet."""

    base: str = _ask("lora", "Arm to compare with, such as lora, dora, rslora[r=16].")
    treat: str = _ask("talan+lora", "Arm under test, such as talan+lora, talan[slots=4]+dora.")
    seeds: str = _ask("7", "A count (7 means seeds 0 to 6) or a list (0,3,5).")
    backbone: str = _ask("micro", "micro, smollm2-135m, a directory, or a Hub id.")
    tasks: str | None = _ask(None, "Benchmarks, separated by commas; the four bundled twins when left out.")
    limit: int | None = _ask(None, "Evaluate only the first so many items of each benchmark.")
    data_dir: Path | None = _ask(None, "Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR).")
    out: Path | None = _ask(None, "Results directory; results/<name> when left out.")
    json: Path | None = _ask(None, "Write result.json to this file as well.")
    steps: int | None = _ask(None, "Optimizer steps of each training; the backbone's recipe when left out.")
    batch_size: int | None = _ask(None, "Examples in a training step; the backbone's recipe when left out.")
    learning_rate: float | None = _ask(None, "Peak learning rate; the backbone's recipe when left out.")
    eval_batch: int | None = _ask(None, "Prompts answered at a time; the backbone's when left out.")
    train_tasks: str | None = _ask(
        None, "Benchmarks whose worked solutions adapters are trained on; those of --tasks when left out."
    )
    workers: int | None = _ask(None, "Processes that train and evaluate side by side; chosen when left out.")
    retries: int = _ask(1, "How often a failed fine-tuning or evaluation is tried again before it is given up.")
    device: str = _ask("auto", "cpu, cuda, or auto.")
