"""From logged answers to columns of scores that can be paired; every value is checked here, with file and line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_core.bounded import shown
from talan_core.errors import UserError
from talan_eval.comparison.score_columns import ScoreColumns, cluster_column, label_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.importers.logged import Answers, TaskLog
    from talan_eval.importers.metrics import Chosen
    from talan_eval.importers.seeds import Trial
    from talan_eval.stats.arrays import FloatArray

_NUMBERS: Final = frozenset({float, int, bool})
_UNPARSED: Final = "unparsed"
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class _Item:
    """All that one seed has on one item."""

    scores: list[float]
    prompt: str
    cluster: str | None
    labels: Mapping[str, str]


def score_columns(chosen: Chosen, trials: Sequence[Trial], arm: str, backbone: str) -> tuple[ScoreColumns, ...]:
    """Return one set of columns per seed; samples of an item are averaged.

    Args:
        chosen: Task, filter and metric.
        trials: The runs of one arm on one backbone.
        arm: Name of the arm.
        backbone: Name of the backbone.

    Returns:
        Columns in ascending order of seeds.

    Raises:
        UserError: A value that is no score in [0, 1], an item twice, or unequal numbers of samples.
    """
    by_seed: dict[int, list[Trial]] = {}
    for trial in trials:
        by_seed.setdefault(trial.seed, []).append(trial)
    empty = ScoreColumns(arm, backbone, chosen.task, 0, (), (), np.empty(0))
    return tuple(_filled(replace(empty, seed=seed), chosen, by_seed[seed]) for seed in sorted(by_seed))


def _filled(columns: ScoreColumns, chosen: Chosen, trials: Sequence[Trial]) -> ScoreColumns:
    logs = [trial.run.tasks[chosen.task] for trial in trials]
    answers = [log.answers[chosen.filter] for log in logs]
    scores = [_scores(log, one, chosen) for log, one in zip(logs, answers, strict=True)]
    for log, one in zip(logs, answers, strict=True):
        _refuse_duplicates(log, one)
    source = ", ".join(str(log.file) for log in logs)
    first = answers[0]
    plain = len(answers) == 1 and len(set(first.items)) == len(first.items)
    if plain and not any(first.clusters) and not any(first.labels):
        return replace(
            columns,
            item_ids=tuple(first.items),
            prompts=tuple(first.prompts),
            scores=scores[0],
            unparsed=_unparsed(chosen, answers),
            source=source,
        )
    items = _gather(logs, answers, scores)
    k = _samples(items, source)
    advice = "Give every item a cluster, or none."
    return replace(
        columns,
        item_ids=tuple(items),
        prompts=tuple(item.prompt for item in items.values()),
        scores=np.array([item.scores for item in items.values()], dtype=np.float64).mean(axis=1),
        k=k,
        unparsed=_unparsed(chosen, answers),
        clusters=cluster_column([item.cluster for item in items.values()], source, advice),
        labels=label_columns([item.labels for item in items.values()]),
        source=source,
    )


def _scores(log: TaskLog, answers: Answers, chosen: Chosen) -> FloatArray:
    metric = chosen.metric
    raw = [values.get(metric) for values in answers.values]
    if {type(value) for value in raw} <= _NUMBERS:
        scores = _as_array(raw)
        wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))  # NaN is neither
        if not len(wrong):
            return scores
        index = int(wrong[0])
    else:
        index = next(n for n, value in enumerate(raw) if type(value) not in _NUMBERS)
    values = answers.values[index]
    where = f"{log.file}, {log.unit} {answers.lines[index]}"
    if metric not in values:
        raise UserError(
            f"{where}: no {metric} (item {answers.items[index]!r} has {', '.join(values)}).",
            "Score all items of the task with the same metrics.",
        )
    others = [name for name in chosen.found if name != metric]
    raise UserError(
        f"{where}: {metric} is {shown(values[metric])}, not a score from 0 to 1 (item {answers.items[index]!r}).",
        f"Name another metric: --metric {others[0]}" + (f" (or {', '.join(others[1:])})" if others[1:] else "")
        if others
        else f"Scale the scores to 0 to 1 and score missing ones, or leave the task {log.task!r} out: --tasks OTHER",
    )


def _refuse_duplicates(log: TaskLog, answers: Answers) -> None:
    if len(set(answers.items)) == len(answers.items):
        return
    keys = list(zip(answers.items, answers.samples or [0] * len(answers.items), strict=True))
    repeated = [key for key, count in Counter(keys).items() if count > 1]
    if repeated:
        lines = [str(line) for key, line in zip(keys, answers.lines, strict=True) if key == repeated[0]]
        raise UserError(
            f"{log.file}: {len(repeated)} {'item is' if len(repeated) == 1 else 'items are'} there more than once, the "
            f"first is {repeated[0][0]!r} at {log.unit}s {', '.join(lines[:_EXAMPLES])}.",
            "Keep one answer per item. Repeated answers of one checkpoint go into directories of their own: "
            "--trial-axis sample",
        )


def _gather(logs: Sequence[TaskLog], answers: Sequence[Answers], scores: Sequence[FloatArray]) -> dict[str, _Item]:
    items: dict[str, _Item] = {}
    for log, one, values in zip(logs, answers, scores, strict=True):
        clusters = one.clusters or [None] * len(one.items)
        labels = one.labels or [{}] * len(one.items)
        rows = zip(one.items, one.prompts, values.tolist(), clusters, labels, one.lines, strict=True)
        for name, prompt, score, cluster, label, line in rows:
            known = items.setdefault(name, _Item([], prompt, cluster, label))
            if (known.prompt, known.cluster, known.labels) != (prompt, cluster, label):
                raise UserError(
                    f"{log.file}, {log.unit} {line}: the samples of item {name!r} differ in prompt, cluster or label.",
                    "Samples are answers to one question; give different questions different item ids.",
                )
            known.scores.append(score)
    return items


def _samples(items: Mapping[str, _Item], source: str) -> int:
    counts: dict[int, str] = {}
    for name, item in items.items():
        counts.setdefault(len(item.scores), name)
    if len(counts) > 1:
        listed = ", ".join(f"{count} of item {name!r}" for count, name in sorted(counts.items()))
        raise UserError(
            f"{source}: items have unequal numbers of samples ({listed}).",
            "Score the missing samples, or leave this run out.",
        )
    return next(iter(counts))


def _unparsed(chosen: Chosen, answers: Sequence[Answers]) -> float | None:
    """Return the share of unreadable answers where a metric of that name was logged."""
    if _UNPARSED not in chosen.found:
        return None
    values = [value.get(_UNPARSED) for one in answers for value in one.values]
    return float(np.mean(_as_array(values))) if {type(value) for value in values} <= _NUMBERS else None


def _as_array(values: Sequence[Any]) -> FloatArray:
    """Return numbers as they are; a whole number that no float can hold becomes one that is no score either."""
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return np.array([min(max(value, -1.0), 2.0) for value in values], dtype=np.float64)
