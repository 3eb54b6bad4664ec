"""The questions behind graded answers: only where they are those that were asked, and may be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from talan_core.errors import UserError
from talan_eval.experiment import TaskSpec
from talan_eval.report.context import Question
from talan_eval.tasks.benchmark import task_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from talan_eval.result.schema import Result
    from talan_eval.tasks.benchmark import Benchmark


def read_questions(result: Result, tasks: Iterable[str]) -> tuple[Mapping[tuple[str, str], Question], tuple[str, ...]]:
    """Read question and target of every item of some tasks.

    Args:
        result: A result; what its experiment recorded of a task has to agree with the task here, hash for hash.
        tasks: Names of tasks whose text may be shown.

    Returns:
        The questions by task and item, and why those of other tasks are not there.
    """
    recorded = _recorded(result)
    found: dict[tuple[str, str], Question] = {}
    notes = []
    for task in dict.fromkeys(tasks):
        benchmark, why = _asked(task, recorded.get(task))
        if benchmark is None:
            notes.append(f"The questions of {task} are not shown: {why}.")
            continue
        for item in benchmark.items:
            target = "\n".join(item.doc["tests"]) if benchmark.spec.runs_code else str(item.doc["answer"])
            found[task, item.item_id] = Question(item.prompt, target)
    return found, tuple(notes)


def _recorded(result: Result) -> dict[str, dict[str, Any]]:
    experiment = result.provenance.get("experiment")
    tasks = experiment.get("tasks") if isinstance(experiment, dict) else None
    entries = [one for one in tasks if isinstance(one, dict)] if isinstance(tasks, list) else []
    return {str(one.get("name")): one for one in entries}


def _asked(task: str, recorded: dict[str, Any] | None) -> tuple[Benchmark | None, str]:
    """Load a task as it was asked, or say why it cannot be known to be the same."""
    if recorded is None:
        return None, "the results do not say how they were asked"
    if task not in task_files():
        return None, "the task is none of ours"
    from talan_eval.tasks.benchmark import load_benchmark  # noqa: PLC0415 - loads lm-eval

    try:
        spec = TaskSpec.model_validate(recorded)
        benchmark = load_benchmark(task, data_dir=None, limit=spec.n_items, settings=spec.generation)
    except ValidationError:
        return None, "they were recorded by another version"
    except UserError as error:
        return None, error.problem.rstrip(".")
    if benchmark.spec.items_hash != spec.items_hash:
        return None, "the task here has other items than those that were asked"
    return benchmark, ""
