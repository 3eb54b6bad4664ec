"""What a user may ask of ``compare``: declared once, for the command line and whatever else starts a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time
from typing import Any, Final, Literal

Use = Literal["training", "logs", "both"]


def _ask(default: Any, text: str, use: Use = "training", *, listed: bool = False) -> Any:  # noqa: ANN401 - dataclasses.field is typed by its default
    """Declare an option; a listed one is a text with commas, and may be a list in an experiment file."""
    return field(default=default, metadata={"help": text, "use": use, "listed": listed})


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """The options of ``talan-eval compare``, as typed; nothing is checked yet.

    A comparison either trains its arms or reads the logs of both. Every option says which of the two it is for.
    """

    base: str = _ask("lora", "Arm to compare with, such as lora, dora, rslora[r=16].")
    treat: str = _ask("talan+lora", "Arm under test, such as talan+lora, talan[slots=4]+dora.")
    seeds: str = _ask("7", "A count (7 means seeds 0 to 6) or a list (0,3,5).", listed=True)
    backbone: str = _ask("micro", "micro, smollm2-135m, a directory, or a Hub id.")
    tasks: str | None = _ask(
        None,
        "Benchmarks, separated by commas; the four bundled twins, or all that are logged, when left out.",
        "both",
        listed=True,
    )
    limit: int | None = _ask(None, "Evaluate only the first so many items of each benchmark.")
    data_dir: Path | None = _ask(
        None, "Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR); else the Hub."
    )
    few_shot: int = _ask(0, "Worked examples before each question, from the benchmark's fixed list.")
    no_chat_template: bool = _ask(
        default=False, text="Ask and train in plain text, also where there is a chat template."
    )
    thinking: bool = _ask(default=False, text="Let the model think first, where its chat template has that switch.")
    max_tokens: int | None = _ask(None, "Most tokens of an answer; the benchmark's own number when left out.")
    samples_per_item: int = _ask(1, "Answers to each question; their mean score counts.")
    temperature: float | None = _ask(None, "0 is greedy. When left out: 0 for one sample, 0.7 for several.")
    top_p: float = _ask(1.0, "Draw from the likeliest tokens with this probability in all.")
    sampling_seed: int = _ask(0, "Seed of drawn answers, the same in both arms.")
    template_date: str | None = _ask(
        None, "Date that a chat template writes instead of today's, as YYYY-MM-DD; 2024-07-26 when left out."
    )
    backend: str = _ask("transformers", "What runs the model to answer: transformers.")
    out: Path | None = _ask(None, "Results directory; results/<name> when left out (with logs: none).", "both")
    json: Path | None = _ask(None, "Write result.json to this file as well.", "both")
    steps: int | None = _ask(None, "Optimizer steps of each training; the backbone's recipe when left out.")
    batch_size: int | None = _ask(None, "Examples in a training step; the backbone's recipe when left out.")
    learning_rate: float | None = _ask(None, "Peak learning rate; the backbone's recipe when left out.")
    eval_batch: int | None = _ask(None, "Prompts answered at a time; the backbone's when left out.")
    train_tasks: str | None = _ask(
        None,
        "Benchmarks whose worked solutions adapters are trained on; those of --tasks when left out.",
        listed=True,
    )
    allow_contaminated: bool = _ask(
        default=False, text="Train also on items that are evaluated; the result says how many."
    )
    workers: int | None = _ask(None, "Processes that train and evaluate side by side; chosen when left out.")
    retries: int = _ask(1, "How often a failed fine-tuning or evaluation is tried again before it is given up.")
    save_minutes: float = _ask(
        10.0, "Keep the state of a training each so many minutes, to go on from after an interruption; 0 for never."
    )
    executor: str = _ask("local", "local (processes on this machine) or ray (a Ray cluster; needs the extra ray).")
    ray_address: str | None = _ask(None, "Ray cluster to use, such as auto; one is started here when left out.")
    gpus_per_run: float | None = _ask(None, "GPUs of one fine-tuning on Ray; 0.5 puts two on a GPU. 1 when left out.")
    dry_run: bool = _ask(
        default=False, text="Show the grid, what is there already, and estimates from a pilot; write nothing."
    )
    device: str = _ask("auto", "cpu, cuda, or auto.")
    unsafe_no_sandbox: bool = _ask(
        default=False, text="Run model-written programs without a boundary; results, tables and signature say so."
    )
    alpha: float = _ask(0.05, "Two-sided error rate; intervals have level 1 - alpha.", "both")
    slices: str | None = _ask(
        None, "Labels of the items, such as subject,level; each of their values is tested too.", "both", listed=True
    )
    variants_tried: int = _ask(
        1,
        "Variants of the arm under test that were scored before this one was picked; every deciding p times it.",
        "both",
    )
    bootstrap: str = _ask(
        "auto", "Bootstrap over seeds: auto, bootstrap_t, expanded_percentile, percentile, basic, bca.", "both"
    )
    also: str | None = _ask(
        None,
        "Tests beside the defaults, by name: wilcoxon, cmh, item-bootstrap, tost, benjamini-yekutieli.",
        "both",
        listed=True,
    )
    margin: float | None = _ask(None, "Equivalence margin of --also tost, in points.", "both")
    resamples: int = _ask(10_000, "Resamples of the two-way bootstrap.", "both")
    rng_seed: int = _ask(0, "Seed of the resampling.", "both")
    base_logs: tuple[str, ...] = _ask(
        (),
        "Train nothing: sample logs of the base arm (lm-eval, inspect_ai, a table, our results). A directory, a "
        "directory of directories, a file, a quoted glob, or NAME=PATH. Repeat it for further seeds.",
        "logs",
    )
    treat_logs: tuple[str, ...] = _ask((), "The same for the arm under test; seeds pair in the order given.", "logs")
    metric: tuple[str, ...] = _ask(
        (), "Logged metric to compare, or TASK=METRIC (repeat it); a task's first when left out.", "logs"
    )
    filter: str | None = _ask(None, "Logged filter to compare, where a task has several.", "logs")
    trial_axis: str = _ask(
        "seed",
        "What several logs of an arm are: seed (one per trained checkpoint) or sample (of one checkpoint).",
        "logs",
    )
    allow_unpaired: str | None = _ask(
        None, "drop: leave out of both arms the items and seeds that only one has, and say how many.", "logs"
    )


USES: Final[dict[str, Use]] = {option.name: option.metadata["use"] for option in fields(CompareRequest)}
"""What each option is for, by its name in :class:`CompareRequest`."""
