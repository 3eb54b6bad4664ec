"""From logged answers to columns of scores that can be paired; every value is checked here, with file and line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_core.bounded import shown
from talan_core.errors import Problems, UserError, refuse
from talan_eval.comparison.bounds import outside
from talan_eval.comparison.score_columns import ScoreColumns, cluster_column, label_columns
from talan_eval.importers.completeness import missing_answers
from talan_eval.importers.words import several
from talan_eval.result.evidence import POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.importers.logged import Answers, TaskLog
    from talan_eval.importers.metrics import Chosen
    from talan_eval.importers.seeds import Trial
    from talan_eval.result.schema import Measure
    from talan_eval.stats.arrays import FloatArray

_HUGE: Final = 1e300
_NUMBERS: Final = frozenset({float, int, bool})
_UNPARSED: Final = "unparsed"
_SAMPLE: Final = "sample"  # the unit of inspect_ai's logs
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class _Item:
    """All that one seed has on one item."""

    scores: list[float]
    prompt: str
    cluster: str | None
    labels: Mapping[str, str]


def score_columns(
    chosen: Chosen, trials: Sequence[Trial], arm: str, backbone: str, *, drop: bool = False
) -> tuple[ScoreColumns, ...]:
    """Return one set of columns per seed; samples of an item are averaged.

    Args:
        chosen: Task, filter and metric.
        trials: The runs of one arm on one backbone.
        arm: Name of the arm.
        backbone: Name of the backbone.
        drop: Whether items without a score (an error, NaN, a sample that is missing) are left out and named.

    Returns:
        Columns in ascending order of seeds.

    Raises:
        UserError: A value outside the metric's bounds ([0, 1] for shares), an item twice, or, unless ``drop``, answers
            without a score or unequal numbers of samples; of all runs at once.
    """
    by_seed: dict[int, list[Trial]] = {}
    for trial in trials:
        by_seed.setdefault(trial.seed, []).append(trial)
    empty = ScoreColumns(arm, backbone, chosen.task, 0, (), (), np.empty(0))
    found = []
    problems = Problems()
    for seed in sorted(by_seed):
        with problems.collecting():
            found.append(_filled(replace(empty, seed=seed), chosen, by_seed[seed], drop=drop))
    problems.raise_any()
    return tuple(found)


def _filled(columns: ScoreColumns, chosen: Chosen, trials: Sequence[Trial], *, drop: bool) -> ScoreColumns:
    logs = [trial.run.tasks[chosen.task] for trial in trials]
    answers = [log.answers[chosen.filter] for log in logs]
    scores = [_scores(log, one, chosen) for log, one in zip(logs, answers, strict=True)]
    for log, one in zip(logs, answers, strict=True):
        _refuse_duplicates(log, one)
    lost = [_without_score(log, one, own, chosen) for log, one, own in zip(logs, answers, scores, strict=True)]
    if any(lost) and not drop:
        refuse([_refuse_without(log, own) for log, own in zip(logs, lost, strict=True) if own])
    reasons = {item: why for own in lost for item, why in own.items()}
    for log, one in zip(logs, answers, strict=True):
        reasons |= {item: "not in the log, which was to hold it" for item, _ in missing_answers(log, one)}
    source = ", ".join(str(log.file) for log in logs)
    first = answers[0]
    plain = len(answers) == 1 and len(set(first.items)) == len(first.items) and not reasons
    if plain and not any(first.clusters) and not any(first.labels):
        return replace(
            columns,
            item_ids=tuple(first.items),
            prompts=tuple(first.prompts),
            scores=scores[0],
            unparsed=_unparsed(chosen, answers),
            source=source,
        )
    items, left_out = _whole(_gather(logs, answers, scores), reasons, source, drop=drop)
    advice = "Give every item a cluster, or none: leave the column cluster out."
    return replace(
        columns,
        item_ids=tuple(items),
        prompts=tuple(item.prompt for item in items.values()),
        scores=np.array([item.scores for item in items.values()], dtype=np.float64).mean(axis=1),
        k=max(len(item.scores) for item in items.values()),
        unparsed=_unparsed(chosen, answers),
        clusters=cluster_column([item.cluster for item in items.values()], source, advice),
        labels=label_columns([item.labels for item in items.values()]),
        source=source,
        left_out=left_out,
    )


def _scores(log: TaskLog, answers: Answers, chosen: Chosen) -> FloatArray:
    """Return the scores, NaN where an answer has none.

    Raises:
        UserError: A value is there that is no score.
    """
    metric = chosen.metric
    raw = [values.get(metric) for values in answers.values]
    if {type(value) for value in raw} <= _NUMBERS:
        scores = _as_array(raw)
        wrong = np.flatnonzero(outside(scores, chosen.measure))
        if not len(wrong):
            return scores
        index = int(wrong[0])
    else:
        other = (n for n, value in enumerate(raw) if value is not None and type(value) not in _NUMBERS)
        index = next(other, -1)
        if index < 0:
            return np.array([np.nan if value is None else value for value in raw], dtype=np.float64)
    others = [name for name in chosen.found if name != metric]
    fix = (
        f"Name another metric: --metric {others[0]}"
        if others
        else f"Correct that {log.unit}, or leave the task {log.task!r} out: --tasks OTHER"
    )
    value = raw[index]
    if isinstance(value, int | float) and abs(value) < _HUGE:
        fix += f", or, if it is no share of right answers, say what it is measured in: --unit {metric}=UNIT"
    raise UserError(
        f"{log.file}, {log.unit} {answers.lines[index]}: {metric} is {shown(raw[index])}, not {_range(chosen.measure)} "
        f"(item {answers.items[index]!r}).",
        fix,
    )


def _range(measure: Measure) -> str:
    if measure.unit == POINTS:
        return "a score from 0 to 1"
    ends = "" if measure.lower is None else f" from {measure.lower:g} to {measure.upper:g}"
    return f"a number of {measure.unit}{ends}"


def _without_score(log: TaskLog, answers: Answers, scores: FloatArray, chosen: Chosen) -> dict[str, str]:
    """Return the items of which an answer has no score, each with the place and the reason."""
    found = {}
    for index in np.flatnonzero(np.isnan(scores)).tolist():
        values = answers.values[index]
        if index in answers.troubles:
            why = answers.troubles[index]
        elif chosen.metric in values:
            why = f"{chosen.metric} is {values[chosen.metric]}"
        else:
            why = f"no {chosen.metric}; it has {', '.join(values) or 'no metric'}"
        found[answers.items[index]] = f"{log.unit} {answers.lines[index]}: {why}"
    return found


def _refuse_without(log: TaskLog, lost: Mapping[str, str]) -> UserError:
    told = several([f"item {item!r} ({why})" for item, why in lost.items()])
    again = "inspect score FILE, or inspect eval-retry FILE" if log.unit == _SAMPLE else "so that every item has one"
    return UserError(
        f"{log.file}, {told}: no score.",
        f"Score again: {again}. To leave such items out of all arms, type --allow-unpaired drop",
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


def _whole(
    items: Mapping[str, _Item], reasons: Mapping[str, str], source: str, *, drop: bool
) -> tuple[dict[str, _Item], dict[str, str]]:
    """Return the items of which every sample has a score, and why the others are left out.

    Raises:
        UserError: No item is whole, or, unless ``drop``, the items have unequal numbers of samples.
    """
    counts: dict[int, str] = {}
    for name, item in items.items():
        counts.setdefault(len(item.scores), name)
    most = max(counts)
    if len(counts) > 1 and not drop:
        listed = ", ".join(f"{count} of item {name!r}" for count, name in sorted(counts.items()))
        raise UserError(
            f"{source}: items have unequal numbers of samples ({listed}).",
            "Score the missing samples, or leave this run out. To leave such items out of all arms, type "
            "--allow-unpaired drop",
        )
    short = {name: f"{len(item.scores)} of {most} samples" for name, item in items.items() if len(item.scores) < most}
    left_out = short | dict(reasons)
    kept = {name: item for name, item in items.items() if name not in left_out}
    if not kept:
        raise UserError(
            f"{source}: no item has a score ({next(iter(left_out.values()))}).",
            "Score this run again, or leave it out.",
        )
    return kept, left_out


def _unparsed(chosen: Chosen, answers: Sequence[Answers]) -> float | None:
    """Return the share of unreadable answers where a metric of that name was logged."""
    if _UNPARSED not in chosen.found:
        return None
    values = [value.get(_UNPARSED) for one in answers for value in one.values]
    return float(np.mean(_as_array(values))) if {type(value) for value in values} <= _NUMBERS else None


def _as_array(values: Sequence[Any]) -> FloatArray:
    """Return numbers as they are; a whole number that no float can hold is infinite, and so no score either."""
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return np.array([value if abs(value) < _HUGE else np.inf for value in values], dtype=np.float64)
