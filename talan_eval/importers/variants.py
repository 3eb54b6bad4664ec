"""Tasks of one name that are several tasks: a harness that takes arguments of a task logs them all under its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.logged import LoggedRun, TaskLog


def told_apart(runs: Sequence[LoggedRun]) -> tuple[LoggedRun, ...]:
    """Name tasks by the arguments that differ within a run, such as ``mmlu[subject=algebra]``.

    Arguments that differ between runs alone, such as an arm's name, say nothing about the task and are left out. Where
    one run shows that an argument makes tasks, it is named in all runs, so that equal tasks have equal names.

    Args:
        runs: Of all arms. Their keys in ``tasks`` are replaced by the names.
    """
    telling: dict[str, set[str]] = {}
    for run in runs:
        alike: dict[str, list[TaskLog]] = {}
        for log in run.tasks.values():
            alike.setdefault(log.task, []).append(log)
        for task, logs in alike.items():
            names = set().union(*(log.variant for log in logs))
            telling.setdefault(task, set()).update(
                name for name in names if len({log.variant.get(name) for log in logs}) > 1
            )
    return tuple(_renamed(run, telling) for run in runs)


def _renamed(run: LoggedRun, telling: dict[str, set[str]]) -> LoggedRun:
    if not any(telling.values()):
        return replace(run, tasks={log.task: log for log in run.tasks.values()})
    named = [replace(log, task=_name(log, telling[log.task])) for log in run.tasks.values()]
    return replace(run, tasks={log.task: log for log in named})


def _name(log: TaskLog, telling: set[str]) -> str:
    """Return the name; commas, which part the names of ``--tasks``, become semicolons."""
    said = [f"{name}={log.variant[name]}".replace(",", ";") for name in sorted(telling) if name in log.variant]
    return f"{log.task}[{';'.join(said)}]" if said else log.task
