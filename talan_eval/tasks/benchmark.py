"""Benchmarks by name: found as files, loaded through lm-eval, checked before anything is trained.

A task's YAML file is the single source of its prompts, its worked solutions (which adapters are trained on), its
generation settings and its grader; lm-eval reads the same file.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError, refuse, unknown_name
from talan_eval.experiment import TaskSpec
from talan_eval.generation_settings import GenerationSettings
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

MICRO_TASKS: Final = ("gpqa_diamond_micro", "gsm8k_micro", "math500_micro", "mbpp_micro")
_PREFIX: Final = "talan_"
_HASH_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One evaluated item: its id, what the user says, and lm-eval's document."""

    item_id: str
    prompt: str
    doc: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A loaded benchmark.

    Attributes:
        spec: What identifies it.
        task: lm-eval's task.
        items: The evaluated items in order.
        training: Prompt and worked solution of the training items; the prompts are worded as in the evaluation, without
            few-shot examples.
        solutions: Prompt and worked solution of the evaluated items, in their order. Never learned from.
    """

    spec: TaskSpec
    task: ConfigurableTask
    items: tuple[Item, ...]
    training: tuple[tuple[str, str], ...]
    solutions: tuple[tuple[str, str], ...] = ()

    def requests(self, apply_chat_template: Any) -> Sequence[Instance]:  # noqa: ANN401 - lm-eval's callback is untyped
        """Build lm-eval's generation requests, one per item, in order.

        Args:
            apply_chat_template: The language model's method of that name; None for plain prompts. With a template,
                few-shot examples are turns of the conversation.
        """
        self.task.build_all_requests(
            limit=len(self.items),
            apply_chat_template=apply_chat_template is not None,
            fewshot_as_multiturn=apply_chat_template is not None,
            chat_template=apply_chat_template,
        )
        instances: Sequence[Instance] = self.task.instances
        return instances


def tasks_directory() -> Path:
    """Return the directory of the YAML files: inside the installed package, else at the top of the repository."""
    installed = Path(__file__).parents[1] / "_tasks"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "tasks"


def task_files() -> dict[str, Path]:
    """Return the YAML file of every task by its short name. Reads no file and imports nothing heavy."""
    return {path.stem.removeprefix(_PREFIX): path for path in sorted(tasks_directory().glob("*/*.yaml"))}


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return task names without the optional prefix ``talan_``, in the order given.

    Raises:
        UserError: Names are unknown or given twice, or none is given.
    """
    known = task_files()
    short = tuple(name.removeprefix(_PREFIX) for name in names)
    unknown = [unknown_name("task", name, known) for name in short if name not in known]
    twice = [
        UserError(f"The task {name!r} is named twice.", "Type each task once, as in --tasks gsm8k_micro,mbpp_micro.")
        for name in short
        if short.count(name) > 1
    ]
    refuse([*unknown, *twice])
    if not short:
        raise UserError("No task is named.", f"Type --tasks with some of: {', '.join(known)}.")
    return short


def load_benchmark(
    name: str, *, data_dir: Path | None, limit: int | None, settings: GenerationSettings | None = None
) -> Benchmark:
    """Load one benchmark and check its data.

    Args:
        name: A checked short name.
        data_dir: Directory of the real benchmarks' data; None for the environment variable, and for the Hub where that
            is not set.
        limit: Evaluate only the first so many items.
        settings: How questions are put; None for the default.

    Returns:
        The benchmark with its spec.

    Raises:
        UserError: Its data is missing, was changed or cannot be fetched, or it has fewer items or few-shot examples
            than asked for.
    """
    settings = settings or GenerationSettings()
    settings = replace(settings, few_shot=settings.few_shot or 0)  # ours have none of their own
    task = _load_task(name, data_dir)
    _set_up(name, task, settings)
    documents = list(task.eval_docs)
    expected = task.config.metadata["rows"]["test"]
    if len(documents) != expected:
        raise UserError(
            f"{name} has {len(documents)} items, expected {expected}.", "Restore the published data and run again."
        )
    if limit is not None and limit > len(documents):
        raise UserError(
            f"--limit {limit} is more than the {len(documents)} items of {name}.",
            f"Type --limit {len(documents)} or leave it out.",
        )
    id_field = task.config.metadata["item_id"]
    items = tuple(Item(str(doc[id_field]), str(task.doc_to_text(doc)), dict(doc)) for doc in documents[:limit])
    delimiter = "" if settings.chat_template else str(task.fewshot_cfg.target_delimiter)
    training = tuple(
        (str(task.doc_to_text(doc)), delimiter + str(task.doc_to_target(doc)))
        for doc in (task.training_docs() if task.has_training_docs() else ())
    )
    solutions = tuple((item.prompt, delimiter + str(task.doc_to_target(item.doc))) for item in items)
    return Benchmark(_spec(name, task, items, training, settings), task, items, training, solutions)


def _load_task(name: str, data_dir: Path | None) -> ConfigurableTask:
    # lm-eval announces every task that it loads at warning level.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.api.task import ConfigurableTask  # noqa: PLC0415 - heavy
    from lm_eval.tasks import TaskManager  # noqa: PLC0415 - heavy

    file = task_files()[name]
    manager = TaskManager(
        include_path=str(file.parent),
        include_defaults=False,
        metadata={} if data_dir is None else {"data_dir": str(data_dir)},
    )
    task = manager.load(file.stem)["tasks"][file.stem]
    if not isinstance(task, ConfigurableTask):
        raise TypeError(f"{file} does not define a single task")
    return task


def _set_up(name: str, task: ConfigurableTask, settings: GenerationSettings) -> None:
    """Lay the settings over those of the YAML file."""
    available = len(task.sampler.df)
    few_shot = settings.few_shot or 0
    if few_shot > available:
        raise UserError(
            f"--few-shot {few_shot} is more than the {available} examples of {name}.",
            f"Type --few-shot {available} or less.",
        )
    task.set_config("num_fewshot", few_shot)
    longest = task.config.generation_kwargs["max_gen_toks"]
    if settings.thinking:
        longest = task.config.metadata.get("thinking_max_gen_toks", longest)
    if settings.max_tokens is not None:
        longest = settings.max_tokens
    task.set_config("generation_kwargs", {"max_gen_toks": longest}, update=True)


def learned_hash(rows: Sequence[object], settings: GenerationSettings) -> str:
    """Return the hash of training items, in order, with what else decides how they are worded.

    Args:
        rows: Prompt and completion of each item, or its turns.
        settings: How questions are put: training items are rendered with the same template.
    """
    learned: dict[str, Any] = {"train": rows} | ({} if settings.chat_template else {"plain": True})
    if settings.template_date is not None:
        learned["template_date"] = settings.template_date
    return canonical_hash(learned)[:_HASH_LENGTH]


def _spec(
    name: str,
    task: ConfigurableTask,
    items: tuple[Item, ...],
    training: tuple[tuple[str, str], ...],
    settings: GenerationSettings,
) -> TaskSpec:
    metadata = task.config.metadata
    generation = task.config.generation_kwargs
    asked: dict[str, Any] = {
        "items": [[item.item_id, item.prompt, str(task.doc_to_target(item.doc))] for item in items],
        "generation": generation,
    }
    if settings != GenerationSettings():
        shots = [
            [str(task.doc_to_text(d)), str(task.doc_to_target(d))] for d in task.sampler.sample(settings.few_shot or 0)
        ]
        asked |= {"settings": asdict(settings), "examples": shots}
    items_hash = canonical_hash(asked)[:_HASH_LENGTH]
    label = settings.label()
    return TaskSpec(
        name=name,
        version=f"{metadata['version']}:{items_hash[:8]}" + (f"[{label}]" if label else ""),
        metric=str(task.config.metric_list[0]["metric"]),
        grader=str(metadata["grader"]),
        n_items=len(items),
        n_train=len(training),
        items_hash=items_hash,
        train_hash=learned_hash([list(pair) for pair in training], settings),
        runs_code=bool(task.config.unsafe_code),
        generation=settings,
        max_tokens=int(generation["max_gen_toks"]),
        stop=tuple(generation["until"]),
        publish_text=bool(metadata["publish_text"]),
    )
