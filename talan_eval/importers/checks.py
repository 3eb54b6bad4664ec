"""What cannot be compared: other harnesses, tasks or versions, and copies that pose as new seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError, unknown_name
from talan_eval.importers.files import natural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.importers.model import LoggedArm, LoggedRun

_CERTAIN_ITEMS: Final = 100  # scores alone: fewer items can agree everywhere by honest chance


def common_tasks(base: LoggedArm, treat: LoggedArm, named: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tasks to compare, in natural order, or in the order in which they were named.

    Raises:
        UserError: Logs of several harnesses, a task that not every run has, or an unknown name.
    """
    runs = [(arm.option, run) for arm in (base, treat) for run in arm.runs]
    harnesses = sorted({run.harness for _, run in runs})
    if len(harnesses) > 1:
        raise UserError(
            f"The arms come from different harnesses ({', '.join(harnesses)}); their prompts and scores differ.",
            "Score both arms with one harness, and name its logs: --base-logs DIR --treat-logs DIR",
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
        where = next(f"{option} {run.path}" for option, run in runs if lacking[0] not in run.tasks)
        common = ",".join(sorted(everywhere, key=natural))
        raise UserError(
            f"Not every run has the same tasks: {where} lacks {', '.join(repr(task) for task in lacking)}.",
            f"Compare the tasks that all runs have: --tasks {common}"
            if common
            else "No task is in every run: score both arms on the same tasks.",
        )
    return wanted


def task_versions(base: LoggedArm, treat: LoggedArm, tasks: Sequence[str]) -> dict[str, str]:
    """Return the version of each task that states one.

    Raises:
        UserError: Two runs have different versions of a task.
    """
    versions: dict[str, str] = {}
    for task in tasks:
        found: dict[str, str] = {}
        for _, run in _runs(base, treat):
            log = run.tasks[task]
            if log.version is not None:
                found.setdefault(log.version, str(log.file))
        if len(found) > 1:
            listed = "; ".join(f"version {version} in {file}" for version, file in found.items())
            others = ",".join(other for other in tasks if other != task)
            raise UserError(
                f"Task {task!r} has different versions: {listed}.",
                f"Score both arms with the same version of the task, or leave it out: --tasks {others or 'OTHER'}",
            )
        if found:
            versions[task] = next(iter(found))
    return versions


def different_settings(base: LoggedArm, treat: LoggedArm, tasks: Sequence[str]) -> tuple[str, ...]:
    """Say which settings differ between runs; they explain prompts that differ."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for task in tasks:
        for _, run in _runs(base, treat):
            log = run.tasks[task]
            for name, value in log.settings.items():
                found.setdefault((task, name), {}).setdefault(value, str(run.path))
    return tuple(
        f"{task}: {name} is {' and '.join(f'{value[:24]} in {path}' for value, path in values.items())}"
        for (task, name), values in found.items()
        if len(values) > 1
    )


def refuse_copies(base: LoggedArm, treat: LoggedArm, tasks: Sequence[str]) -> None:
    """Refuse runs of one arm that are byte for byte the same, and arms that are the same place.

    Raises:
        UserError: With both places and what to do.
    """
    if {run.path for run in base.runs} == {run.path for run in treat.runs} and base.runs[0].model == treat.runs[
        0
    ].model:
        raise UserError(
            f"Both arms are {base.runs[0].path}.", "Name two different arms: --base-logs DIR --treat-logs OTHER"
        )
    for arm in (base, treat):
        seen: dict[tuple[str, ...], LoggedRun] = {}
        for run in arm.runs:
            logs = {str(run.tasks[task].file) for task in tasks}
            stamps = tuple(stamp.sha256 for stamp in run.files if str(stamp.path) in logs)
            if stamps in seen and run.harness != "table":
                first = seen[stamps].path
                raise UserError(
                    f"{arm.option}: {first} and {run.path} hold identical samples; a copy is no new seed, and it would "
                    "make every interval too narrow.",
                    f"Name each trained checkpoint once: {arm.option} {first}. One checkpoint scored without sampling "
                    "has one run.",
                )
            seen[stamps] = run


def refuse_equal_scores(arm: LoggedArm, scores: Mapping[int, Mapping[str, np.ndarray]]) -> None:
    """Refuse two seeds with the same score on every one of many items: without answers this is how a copy shows.

    Args:
        arm: For the message.
        scores: Seed to task to scores.

    Raises:
        UserError: Two seeds agree on at least 100 items, of which not all have one score.
    """
    seen: dict[bytes, int] = {}
    for seed, by_task in scores.items():
        whole = np.concatenate([by_task[task] for task in sorted(by_task)])
        key = whole.tobytes()
        if key in seen and len(whole) >= _CERTAIN_ITEMS and whole.min() < whole.max():
            raise UserError(
                f"{arm.option}: seeds {seen[key]} and {seed} have the same score on all {len(whole)} items; a copy is "
                "no new seed.",
                "Leave the copies out of the table; a checkpoint that was trained once has one seed: --trial-axis "
                "sample averages its repeats.",
            )
        seen[key] = seed


def _runs(base: LoggedArm, treat: LoggedArm) -> Iterator[tuple[str, LoggedRun]]:
    for arm in (base, treat):
        for run in arm.runs:
            yield arm.option, run
