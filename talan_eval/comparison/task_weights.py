"""A mean over benchmarks that does not weigh them alike: declared before results are read, by benchmark or by group.

It is made as ``talan_eval.result.scaled_scores`` says: the same tests serve, and only their unit changes. The
zero-width floor is that of the largest weight, hence never too narrow.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from talan_core.errors import Problems, UserError, unknown_name
from talan_eval.comparison.statistics_settings import TOST
from talan_eval.result.restated import PERCENT, Restated
from talan_eval.result.scaled_scores import WEIGHTED, factor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison.matrix import ScoreMatrix
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.schema import Result

_BETWEEN: Final = "+"


def task_weights(values: Sequence[str], tasks: Sequence[str]) -> dict[str, float]:
    """Read ``--weights``.

    Args:
        values: TASK=NUMBER, NAME=TASK+TASK (a group, whose tasks share the weight of one), and NAME=NUMBER for the
            weight of a group. What is not named weighs 1.
        tasks: The benchmarks.

    Returns:
        The weight of each benchmark, in their order, adding up to 1; empty without values.

    Raises:
        UserError: An unknown benchmark, one in two groups, or a weight that is no positive number; all at once.
    """
    if not values:
        return {}
    groups: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, float] = {}
    problems = Problems()
    for value in values:
        with problems.collecting():
            name, number = _split(value)
            if number is None:
                members = tuple(value.partition("=")[2].split(_BETWEEN))
                _check_members(members, tasks, groups)
                groups[name] = members
            else:
                numbers[name] = number
    free = [task for task in tasks if not any(task in members for members in groups.values())]
    for name in numbers:
        if name not in groups and name not in free:
            problems.add(unknown_name("benchmark or group", name, (*groups, *free)))
    problems.raise_any()
    units = {**{task: (task,) for task in free}, **groups}
    total = sum(numbers.get(name, 1.0) for name in units)
    shares = {
        task: numbers.get(name, 1.0) / total / len(members) for name, members in units.items() for task in members
    }
    return {task: shares[task] for task in tasks}


def scaled(matrices: Sequence[ScoreMatrix], weights: Mapping[str, float]) -> list[ScoreMatrix]:
    """Return shares scaled so that their equal-weight mean is the weighted one but for its unit.

    Args:
        matrices: Shares of which more is better.
        weights: Of each benchmark, adding up to 1.
    """
    largest = max(weights.values())
    return [replace(one, scores=one.scores * (weights[one.task] / largest), marks={}) for one in matrices]


def settings_of_means(settings: StatisticsSettings, weights: Mapping[str, float]) -> StatisticsSettings:
    """Return the settings with which scaled shares are compared: their margin is scaled too, and only means count."""
    margin = None if settings.margin is None else settings.margin / factor(weights)
    also = tuple(name for name in settings.also if name == TOST)
    return replace(settings, slices=(), also=also, margin=margin)


def weighted(plain: Result, means: Result, weights: Mapping[str, float]) -> Result:
    """Put weighted means in the place of the equal-weight ones.

    Args:
        plain: The result without weights, in points.
        means: That of scaled shares.
        weights: Of each benchmark, adding up to 1.
    """
    larger = Restated(0.0, PERCENT * factor(weights))
    digest = _hash(plain.primary.family_hash, weights)
    families = {one.name: one for one in plain.families} | {
        "means": next(f for f in means.families if f.name == "means")
    }
    return plain.model_copy(
        update={
            "contrasts": tuple(
                # the middle half of its cells says nothing of a weighted mean
                one.model_copy(update={"aggregate": larger.of(other.aggregate).model_copy(update={"iqm": None})})
                for one, other in zip(plain.contrasts, means.contrasts, strict=True)
            ),
            "families": tuple(one.model_copy(update={"hash": digest}) for one in families.values()),
            "selection": None if means.selection is None else larger.of(means.selection),
            "primary": plain.primary.model_copy(
                update={"statistic": WEIGHTED, "weights": dict(weights), "family_hash": digest}
            ),
            "signature": plain.signature.replace(plain.primary.family_hash, digest),
            "warnings": (*plain.warnings, f"The mean weighs the benchmarks: {_listed(weights)}."),
        }
    )


def _listed(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{task} {share:.3g}" for task, share in weights.items())


def _split(value: str) -> tuple[str, float | None]:
    name, sign, rest = value.rpartition("=") if _number(value.rpartition("=")[2]) is not None else value.partition("=")
    number = _number(rest)
    if not sign or not name or not rest or (number is not None and not 0 < number < math.inf):
        raise UserError(
            f"--weights {value}: this weighs no benchmark.",
            "Type --weights TASK=2, or --weights NAME=TASK+TASK for benchmarks that count as one",
        )
    return name, number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _check_members(members: Sequence[str], tasks: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
    for task in members:
        if task not in tasks:
            raise unknown_name("benchmark", task, tasks)
        twice = next((name for name, own in groups.items() if task in own), None)
        if twice is not None or members.count(task) > 1:
            raise UserError(
                f"--weights names the benchmark {task!r} twice.",
                "Name each benchmark in one group: --weights NAME=TASK",
            )


def _hash(family: str, weights: Mapping[str, float]) -> str:
    text = "|".join((family, *(f"{task}={share:.12g}" for task, share in sorted(weights.items()))))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
