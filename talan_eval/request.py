"""What a user may ask of ``compare``: declared once, for the command line and whatever else starts a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time
from typing import Any


def _ask(default: Any, text: str, *, listed: bool = False) -> Any:  # noqa: ANN401 - dataclasses.field is typed by its default
    """Declare an option; a listed one is a text with commas, and may be a list in an experiment file."""
    return field(default=default, metadata={"help": text, "listed": listed})


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """The options of ``talan-eval compare``, as typed; nothing is checked yet."""

    base: str = _ask("lora", "Arm to compare with, such as lora, dora, rslora[r=16].")
    treat: str = _ask("talan+lora", "Arm under test, such as talan+lora, talan[slots=4]+dora.")
    seeds: str = _ask("7", "A count (7 means seeds 0 to 6) or a list (0,3,5).", listed=True)
    backbone: str = _ask("micro", "micro, smollm2-135m, a directory, or a Hub id.")
    tasks: str | None = _ask(
        None, "Benchmarks, separated by commas; the four bundled twins when left out.", listed=True
    )
    limit: int | None = _ask(None, "Evaluate only the first so many items of each benchmark.")
    data_dir: Path | None = _ask(None, "Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR).")
    out: Path | None = _ask(None, "Results directory; results/<name> when left out.")
    json: Path | None = _ask(None, "Write result.json to this file as well.")
    steps: int | None = _ask(None, "Optimizer steps of each training; the backbone's recipe when left out.")
    batch_size: int | None = _ask(None, "Examples in a training step; the backbone's recipe when left out.")
    learning_rate: float | None = _ask(None, "Peak learning rate; the backbone's recipe when left out.")
    eval_batch: int | None = _ask(None, "Prompts answered at a time; the backbone's when left out.")
    train_tasks: str | None = _ask(
        None,
        "Benchmarks whose worked solutions adapters are trained on; those of --tasks when left out.",
        listed=True,
    )
    workers: int | None = _ask(None, "Processes that train and evaluate side by side; chosen when left out.")
    retries: int = _ask(1, "How often a failed fine-tuning or evaluation is tried again before it is given up.")
    executor: str = _ask("local", "local (processes on this machine) or ray (a Ray cluster; needs the extra ray).")
    ray_address: str | None = _ask(None, "Ray cluster to use, such as auto; one is started here when left out.")
    gpus_per_run: float = _ask(1.0, "GPUs of one fine-tuning on Ray; 0.5 puts two on a GPU.")
    dry_run: bool = _ask(
        default=False, text="Show the grid, what is there already, and estimates from a pilot; write nothing."
    )
    device: str = _ask("auto", "cpu, cuda, or auto.")
