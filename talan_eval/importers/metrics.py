"""Which filter and which metric of a task are compared; a choice is the user's or a rule's, never the result's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_core.errors import Problems, UserError, unknown_name
from talan_eval.importers.metric_units import Units
from talan_eval.importers.words import typed_words
from talan_eval.result.schema import Measure

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
        measure: What the metric is measured in.
    """

    task: str
    filter: str
    metric: str
    found: tuple[str, ...]
    measure: Measure = field(default_factory=Measure)

    @property
    def label(self) -> str:
        """Return the metric, with the filter where it is not lm-eval's nameless one."""
        return self.metric if self.filter == "none" else f"{self.metric},{self.filter}"


def choose(
    arms: Sequence[LoggedArm],
    tasks: Sequence[str],
    metrics: Sequence[str],
    filters: Sequence[str],
    units: Units | None = None,
) -> tuple[Chosen, ...]:
    """Choose filter and metric of each task.

    Without ``--metric`` a task's first metric of which more is better counts: the one that its authors list first.

    Args:
        arms: All arms.
        tasks: Tasks to compare.
        metrics: Values of ``--metric``: a name for all tasks, or TASK=NAME for one.
        filters: Values of ``--filter``, likewise; a general one counts where a task has several filters.
        units: What the user said that metrics are measured in.

    Returns:
        One choice per task, in the order of tasks.

    Raises:
        UserError: Several filters and none named, a name that does not exist, or a metric that the arms do not share.
    """
    units = Units.parse((), ()) if units is None else units
    asked = _Asked.parse("--metric", metrics, tasks)
    logs = {task: [run.tasks[task] for arm in arms for run in arm.runs] for task in tasks}
    by_filter = _choose_filters(logs, _Asked.parse("--filter", filters, tasks))
    _refuse_unscored(logs, by_filter)
    found = {task: _metrics(task, [log.answers[by_filter[task]] for log in logs[task]]) for task in tasks}
    units.check(name for names in found.values() for name in names)
    problems = Problems()
    chosen = []
    for task in tasks:
        with problems.collecting():
            wanted = asked.of(task)
            metric = _default(found[task], logs[task]) if wanted is None else wanted
            if metric not in found[task]:
                raise _unknown_metric(task, metric, found)
            measure = units.of(metric, lower=any(metric in log.lower_is_better for log in logs[task]))
            chosen.append(Chosen(task, by_filter[task], metric, found[task], measure))
    problems.raise_any()
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for by an option that takes NAME for all tasks and TASK=NAME for one."""

    general: str | None
    special: Mapping[str, str]

    @classmethod
    def parse(cls, option: str, values: Sequence[str], tasks: Sequence[str]) -> _Asked:
        """Read the values; names of tasks may hold "=" themselves.

        Raises:
            UserError: Two names for all tasks or for one, or an unknown task.
        """
        general: list[str] = []
        special: dict[str, str] = {}
        for value in values:
            task = max((one for one in tasks if value.startswith(f"{one}=")), key=len, default=None)
            if task is None and "=" in value:
                raise unknown_name("task", value.partition("=")[0], tasks)
            name = value if task is None else value[len(task) + 1 :]
            if task is not None and special.setdefault(task, name) != name:
                raise UserError(
                    f"{option} names two for task {task!r}: {special[task]} and {name}.",
                    f"Name one: {option} {typed_words(f'{task}={name}')}",
                )
            if task is None:
                general.append(value)
        if len(set(general)) > 1:
            raise UserError(
                f"{option} names several {option.strip('-')}s for all tasks: {', '.join(general)}.",
                f"Name one, or one per task: {option} {tasks[0]}={general[0]}",
            )
        return cls(general[0] if general else None, special)

    def of(self, task: str) -> str | None:
        """Return what was asked for a task, or None."""
        return self.special.get(task, self.general)


def _choose_filters(logs: Mapping[str, Sequence[TaskLog]], asked: _Asked) -> dict[str, str]:
    """Return the filter of each task; what is open, or does not exist, is refused for all tasks at once."""
    problems = Problems()
    names: dict[str, tuple[str, ...]] = {}
    for task, own in logs.items():
        with problems.collecting():
            names[task] = _filters(task, own)
    problems.raise_any()
    known = {name for own in names.values() for name in own}
    if asked.general is not None and asked.general not in known:
        raise unknown_name("filter", asked.general, known)
    chosen = {task: _chosen_filter(task, own, asked) for task, own in names.items()}
    open_tasks = [task for task, name in chosen.items() if name is None]
    if open_tasks:
        raise _open_filters({task: names[task] for task in open_tasks}, asked, logs)
    return {task: name for task, name in chosen.items() if name is not None}


def _chosen_filter(task: str, names: Sequence[str], asked: _Asked) -> str | None:
    """Return a task's filter, or None where it has several and none of them was named."""
    special = asked.special.get(task)
    if special is not None:
        if special not in names:
            raise unknown_name(f"filter of task {task!r}", special, names)
        return special
    if len(names) == 1:
        return names[0]
    return asked.general if asked.general in names else None


def _open_filters(
    names: Mapping[str, Sequence[str]], asked: _Asked, logs: Mapping[str, Sequence[TaskLog]]
) -> UserError:
    common = [name for name in next(iter(names.values())) if all(name in own for own in names.values())]
    if common and asked.general is None:
        words = f"--filter {common[0]}"
    else:
        words = " ".join(f"--filter {typed_words(f'{task}={own[0]}')}" for task, own in names.items())
        words = words if asked.general is None else f"--filter {asked.general} {words}"
    listed = "; ".join(
        f"task {task!r} was scored under {len(own)} filters: {', '.join(own)} ({logs[task][0].file})"
        for task, own in names.items()
    )
    return UserError(
        f"{listed[0].upper()}{listed[1:]}. They are different metrics of the same answers; averaging them would count "
        "each answer twice.",
        f"Name the one to compare{'' if common else ', for each task'}: {words}",
    )


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


def _metrics(task: str, answers: Iterable[Answers]) -> tuple[str, ...]:
    """Return the metrics that every run has, in the order of the first."""
    sets = list(dict.fromkeys(_names(one) for one in answers))
    shared = tuple(name for name in sets[0] if all(name in other for other in sets))
    if not shared:
        listed = " against ".join(", ".join(names) for names in sets)
        raise UserError(
            f"Task {task!r}: the runs have no metric in common ({listed}).",
            f"Score all arms with the same version of the task, or leave {task!r} out with --tasks.",
        )
    return shared


def _names(answers: Answers) -> tuple[str, ...]:
    """Return the metrics that any answer has, in the order of the one that has most: an answer may lack some or all.

    Equal answers share one mapping.
    """
    distinct = {id(values): values for values in answers.values}
    fullest_first = sorted(distinct.values(), key=len, reverse=True)
    return tuple(dict.fromkeys(name for values in fullest_first for name in values))


def _refuse_unscored(logs: Mapping[str, Sequence[TaskLog]], filters: Mapping[str, str]) -> None:
    """Refuse logs of which no answer has a score."""
    problems = Problems()
    for task, own in logs.items():
        for log in own:
            answers = log.answers[filters[task]]
            if not _names(answers):
                why = next(iter(answers.troubles.values()), "no metric is logged")
                problems.add(
                    UserError(
                        f"{log.file}: no answer to task {task!r} has a score ({why}).",
                        "Score it, or leave the task or this log out"
                        + (": inspect score FILE" if log.unit == "sample" else "."),
                    )
                )
    problems.raise_any()


def _default(found: Sequence[str], logs: Sequence[TaskLog]) -> str:
    """Return the first metric of which more is better; where there is none, the first."""
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
