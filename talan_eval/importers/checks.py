"""What cannot be compared: scores of other harnesses, tasks or versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError, unknown_name
from talan_eval.importers.files import natural
from talan_eval.importers.words import typed_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from talan_eval.importers.logged import LoggedArm, LoggedRun


def common_tasks(arms: Sequence[LoggedArm], named: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tasks to compare, in natural order, or in the order in which they were named.

    Raises:
        UserError: Logs of several harnesses, a task that not every run has, or an unknown name.
    """
    runs = [(arm.name, run) for arm in arms for run in arm.runs]
    harnesses = sorted({run.harness for _, run in runs})
    if len(harnesses) > 1:
        raise UserError(
            f"The arms come from different harnesses ({', '.join(harnesses)}); their prompts and scores differ.",
            f"Score all arms with one harness, and name its logs: {typed_again(*(f'{arm.name}=DIR' for arm in arms))}",
        )
    everywhere = set.intersection(*(set(run.tasks) for _, run in runs))
    anywhere = set().union(*(run.tasks for _, run in runs))
    if named is not None:
        for task in named:
            if task not in anywhere:
                raise unknown_name("task", task, anywhere)
    wanted = tuple(sorted(anywhere, key=natural)) if named is None else tuple(dict.fromkeys(named))
    lacking = [task for task in wanted if task not in everywhere]
    if lacking:
        name, short = next((name, run) for name, run in runs if lacking[0] not in run.tasks)
        missing = [task for task in lacking if task not in short.tasks]
        several = len({run.backbone for _, run in runs}) > 1 and short.backbone is not None
        where = f"{short.path} ({name}{f' on {short.backbone}' if several else ''})"
        common = ",".join(sorted(everywhere, key=natural))
        raise UserError(
            f"Not every run has the same tasks: {where} lacks {', '.join(repr(task) for task in missing)}.",
            f"Compare the tasks that all runs have: --tasks {common}"
            if common
            else "No task is in every run: score all arms on the same tasks.",
        )
    return wanted


def task_versions(arms: Sequence[LoggedArm], tasks: Sequence[str]) -> dict[str, str]:
    """Return the version of each task that states one.

    Raises:
        UserError: Two runs have different versions of a task.
    """
    versions: dict[str, str] = {}
    for task in tasks:
        found: dict[str, str] = {}
        for run in _runs(arms):
            log = run.tasks[task]
            if log.version is not None:
                found.setdefault(log.version, str(log.file))
        if len(found) > 1:
            listed = "; ".join(f"version {version} in {file}" for version, file in found.items())
            others = ",".join(other for other in tasks if other != task)
            raise UserError(
                f"Task {task!r} has different versions: {listed}.",
                f"Score all arms with the same version of the task, or leave it out: --tasks {others or 'OTHER'}",
            )
        if found:
            versions[task] = next(iter(found))
    return versions


def different_settings(arms: Sequence[LoggedArm], tasks: Sequence[str]) -> tuple[str, ...]:
    """Say which settings differ between runs; they explain prompts that differ."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for task in tasks:
        for run in _runs(arms):
            log = run.tasks[task]
            for name, value in log.settings.items():
                found.setdefault((task, name), {}).setdefault(value, str(run.path))
    return tuple(
        f"{task}: {name} is {' and '.join(f'{value[:24]} in {path}' for value, path in values.items())}"
        for (task, name), values in found.items()
        if len(values) > 1
    )


def _runs(arms: Iterable[LoggedArm]) -> Iterator[LoggedRun]:
    for arm in arms:
        yield from arm.runs
