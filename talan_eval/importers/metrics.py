"""Which filter and which metric of a task are compared; a choice is the user's or a rule's, never the result's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.importers.logged import Answers, LoggedArm, TaskLog


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is compared of one task.

    Attributes:
        task: Task name.
        filter: Filter name.
        metric: Metric name.
        found: All metrics that every run has, in the order in which they were logged.
    """

    task: str
    filter: str
    metric: str
    found: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the metric, with the filter where it is not lm-eval's nameless one."""
        return self.metric if self.filter == "none" else f"{self.metric},{self.filter}"


def choose(
    arms: Sequence[LoggedArm], tasks: Sequence[str], metrics: Sequence[str], filter_name: str | None
) -> tuple[Chosen, ...]:
    """Choose filter and metric of each task.

    Without ``--metric`` a task's first metric of which more is better counts: the one that its authors list first.

    Args:
        arms: All arms.
        tasks: Tasks to compare.
        metrics: Values of ``--metric``: a name for all tasks, or TASK=NAME for one.
        filter_name: Value of ``--filter``.

    Returns:
        One choice per task, in the order of tasks.

    Raises:
        UserError: Several filters and none named, a name that does not exist, a metric that the arms do not share or of
            which less is better.
    """
    general, special = _parse(metrics, tasks)
    logs = {task: [run.tasks[task] for arm in arms for run in arm.runs] for task in tasks}
    filters = {task: _filters(task, logs[task]) for task in tasks}
    if filter_name is not None and not any(filter_name in names for names in filters.values()):
        raise unknown_name("filter", filter_name, {name for names in filters.values() for name in names})
    by_filter = {task: _choose_filter(logs[task][0], filters[task], filter_name) for task in tasks}
    found = {task: _metrics(task, [log.answers[by_filter[task]] for log in logs[task]]) for task in tasks}
    chosen = []
    for task in tasks:
        wanted = special.get(task, general)
        metric = _default(found[task], logs[task]) if wanted is None else wanted
        if metric not in found[task]:
            raise _unknown_metric(task, metric, found)
        _refuse_lower(task, metric, logs[task], found[task])
        chosen.append(Chosen(task, by_filter[task], metric, found[task]))
    return tuple(chosen)


def _parse(metrics: Sequence[str], tasks: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    general: list[str] = []
    special: dict[str, str] = {}
    for value in metrics:
        task, sign, name = value.partition("=")
        if sign and task in tasks:
            special[task] = name
        elif sign:
            raise unknown_name("task", task, tasks)
        else:
            general.append(value)
    if len(set(general)) > 1:
        raise UserError(
            f"--metric names several metrics for all tasks: {', '.join(general)}.",
            f"Name one, or one per task: --metric {tasks[0]}={general[0]}",
        )
    return (general[0] if general else None), special


def _filters(task: str, logs: Sequence[TaskLog]) -> tuple[str, ...]:
    first = logs[0]
    for log in logs:
        if set(log.answers) != set(first.answers):
            raise UserError(
                f"Task {task!r} has other filters in {log.file} ({', '.join(log.answers)}) than in {first.file} "
                f"({', '.join(first.answers)}).",
                "Score all arms with the same version of the task.",
            )
    return tuple(first.answers)


def _choose_filter(log: TaskLog, names: Sequence[str], wanted: str | None) -> str:
    if len(names) == 1:
        return names[0]
    if wanted is None:
        raise UserError(
            f"Task {log.task!r} was scored under {len(names)} filters: {', '.join(names)} ({log.file}). They are "
            "different metrics of the same answers; averaging them would count each answer twice.",
            f"Name the one to compare: --filter {names[0]}",
        )
    if wanted not in names:
        raise unknown_name(f"filter of task {log.task!r}", wanted, names)
    return wanted


def _metrics(task: str, answers: Iterable[Answers]) -> tuple[str, ...]:
    """Return the metrics that every run has, in the order of the first."""
    sets = list(dict.fromkeys(tuple(one.values[0]) for one in answers))
    shared = tuple(name for name in sets[0] if all(name in other for other in sets))
    if not shared:
        listed = " against ".join(", ".join(names) for names in sets)
        raise UserError(
            f"Task {task!r}: the runs have no metric in common ({listed}).",
            f"Score all arms with the same version of the task, or leave {task!r} out with --tasks.",
        )
    return shared


def _default(found: Sequence[str], logs: Sequence[TaskLog]) -> str:
    """Return the first metric of which more is better; where there is none, the first, which is then refused."""
    lower = frozenset().union(*(log.lower_is_better for log in logs))
    return next((name for name in found if name not in lower), found[0])


def _unknown_metric(task: str, metric: str, found: Mapping[str, Sequence[str]]) -> UserError:
    error = unknown_name(f"metric of task {task!r}", metric, found[task])
    elsewhere = [other for other, names in found.items() if metric in names]
    if not elsewhere:
        return error
    return UserError(
        f"{error.problem} Task {elsewhere[0]!r} has it.",
        f"{error.fix} Name one per task: --metric {metric} --metric {task}={found[task][0]}",
    )


def _refuse_lower(task: str, metric: str, logs: Sequence[TaskLog], found: Sequence[str]) -> None:
    if not any(metric in log.lower_is_better for log in logs):
        return
    others = [name for name in found if not any(name in log.lower_is_better for log in logs)]
    raise UserError(
        f"Of the metric {metric!r} of task {task!r} less is better, so that a gain would read as a loss.",
        f"Name another: --metric {others[0]}" if others else f"Task {task!r} has no other; leave it out with --tasks.",
    )
