"""What every command may ask that trains arms or asks them: questions, answers, training, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time

from talan_core.recipes.recipe import json_properties
from talan_eval.requests.fields import option
from talan_eval.requests.statistics import OutputOptions, ScoreOptions


@dataclass(frozen=True, slots=True)
class AskedArms:
    """The arms as typed.

    Attributes:
        base: With what is compared.
        treatments: What is compared with it; each may be a grid such as ``talan[slots=1|2]+lora``, or ``NAME=WHERE``.
            None where the base stands alone, and nothing is compared.
        fixed: Arms of which one checkpoint is taken as it is.
        every_pair: Whether all pairs are compared.
        more: Further contrasts, each TREATMENT:BASE.
        independent: Whether the seeds of different arms are independent.
        confirmed: Whether so many arms are wanted.
        fresh_seeds: Seeds on which the best arm is trained anew.
        held_out: Share of the items that choose nothing.
    """

    base: str
    treatments: tuple[str, ...] | None
    fixed: tuple[str, ...] = ()
    every_pair: bool = False
    more: tuple[str, ...] = ()
    independent: bool = False
    confirmed: bool = False
    fresh_seeds: int = 0
    held_out: float = 0.0


@dataclass(frozen=True, kw_only=True)
class GridRequest(OutputOptions, ScoreOptions):
    """The options of a grid of runs, as typed; nothing is checked yet."""

    @property
    def asked(self) -> AskedArms:
        """The arms."""
        raise NotImplementedError

    def check_words(self) -> None:
        """Refuse words that say nothing of how arms are compared; see :class:`ContrastOptions`."""

    seeds: str | None = option(
        None,
        "A count (7 means seeds 0 to 6) or a list (0,3,5). When left out: the seeds of stored arms that are there, 7 "
        "without any.",
        listed=True,
    )
    backbone: tuple[str, ...] = option(
        ("micro",), "micro, mini, smollm2-135m, a directory, or a Hub id; repeat it for several.", listed=False
    )
    tasks: str | None = option(
        None,
        "Benchmarks, tasks and groups of lm-eval, or YAML files, separated by commas; the four bundled twins when left "
        "out.",
        listed=True,
    )
    include_path: tuple[str, ...] = option(
        (), "Directory of YAML files in which names of tasks are looked up first; repeat it for several."
    )
    metric: tuple[str, ...] = option(
        (),
        "TASK=METRIC or TASK=METRIC,FILTER of a task that scores itself; its first metric that is a mean from 0 to 1 "
        "when left out.",
    )
    limit: int | None = option(None, "Evaluate only the first so many items of each benchmark.")
    data_dir: Path | None = option(
        None, "Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR); else the Hub."
    )
    few_shot: int | None = option(
        None,
        "Worked examples before each question; 0 for our benchmarks, a task's own number for others, when left out.",
    )
    no_chat_template: bool = option(
        default=False, text="Ask and train in plain text, also where there is a chat template."
    )
    thinking: bool = option(default=False, text="Let the model think first, where its chat template has that switch.")
    max_tokens: int | None = option(None, "Most tokens of an answer; the benchmark's own number when left out.")
    samples_per_item: int = option(1, "Answers to each question; their mean score counts.")
    temperature: float | None = option(None, "0 is greedy. When left out: 0 for one sample, 0.7 for several.")
    top_p: float = option(1.0, "Draw from the likeliest tokens with this probability in all.")
    sampling_seed: int = option(0, "Seed of drawn answers, the same in both arms.")
    template_date: str | None = option(
        None, "Date that a chat template writes instead of today's, as YYYY-MM-DD; 2024-07-26 when left out."
    )
    backend: str = option(
        "transformers",
        "What runs the model to answer: transformers, vllm, openai (a server, for stored arms and base), one of an "
        "installed package, or auto (vllm on CUDA where it is installed, else transformers). The same for all arms.",
    )
    base_url: str | None = option(
        None, "Address of the server that --backend openai asks, such as http://127.0.0.1:8000/v1."
    )
    served: tuple[str, ...] = option(
        (),
        "ARM=MODEL: under which name the server has an arm, with {seed} in it where there is one for each seed; ARM "
        "or ARM-{seed} when left out. Repeat it for several.",
    )
    loss: bool = option(
        default=True,
        text="Measure also the loss on the reference solutions of the evaluated items, and compare it as a family of "
        "its own.",
    )
    no_samples: bool = option(
        default=False, text="Keep scores without the answers, of which reports then show none, and say so."
    )
    recipe: tuple[str, ...] = option(
        (),
        "KEY=VALUE of the training recipe, such as epochs=2 or packing=true; repeat it for several. docs/training.md "
        "lists the keys. An arm's own go into its brackets, as in 'lora[lr=2e-4]'.",
        table=json_properties(),
    )
    steps: int | None = option(None, "Short for --recipe steps=N; the backbone's recipe when left out.")
    batch_size: int | None = option(None, "Short for --recipe batch_size=N; the backbone's recipe when left out.")
    learning_rate: float | None = option(
        None, "Short for --recipe learning_rate=X, for all arms; the backbone's and the partner's when left out."
    )
    eval_batch: int | None = option(
        None,
        "Prompts answered at a time; when left out, the backbone's, or the largest power of two that fits into a "
        "GPU's memory; 256 with vllm, 64 with openai.",
    )
    train_tasks: str | None = option(
        None,
        "Benchmarks whose worked solutions adapters are trained on; those of --tasks when left out.",
        listed=True,
    )
    train_data: str | None = option(
        None,
        "What adapters are trained on instead: FILE.jsonl, owner/dataset@split#revision, benchmarks; several with "
        "weights are a mixture, as in mine.jsonl:2,gsm8k:1.",
        listed=True,
    )
    allow_contaminated: bool = option(
        default=False, text="Train also on items that are evaluated; the result says how many."
    )
    workers: int | None = option(None, "Processes that train and evaluate side by side; chosen when left out.")
    retries: int = option(1, "How often a failed fine-tuning or evaluation is tried again before it is given up.")
    save_minutes: float = option(
        10.0, "Keep the state of a training each so many minutes, to go on from after an interruption; 0 for never."
    )
    executor: str = option(
        "local",
        "local (processes on this machine), ray (a Ray cluster; needs the extra ray) or slurm (job arrays, handed in "
        "here).",
    )
    ray_address: str | None = option(None, "Ray cluster to use, such as auto; one is started here when left out.")
    sbatch: tuple[str, ...] = option(
        (),
        "Option of sbatch for the jobs of --executor slurm, such as partition=gpu or mem=32G; repeat it for several.",
    )
    gpus_per_run: float | None = option(
        None,
        "GPUs of one fine-tuning, among which the backbone's layers are divided; on Ray 0.5 puts two on a GPU. 1 when "
        "left out.",
    )
    dry_run: bool = option(
        default=False,
        text="Show the grid, what is there already, and the memory that the architecture tells; write nothing.",
    )
    pilot: bool = option(
        default=False, text="The same with time and disk, measured on a few training steps and answers; write nothing."
    )
    device: str = option("auto", "cpu, cuda, or auto.")
    unsafe_no_sandbox: bool = option(
        default=False, text="Run model-written programs without a boundary; results, tables and signature say so."
    )
