"""Why answers were graded as they were: a row for each reason of a benchmark, a column for each arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report.own_recipes import titled
from talan_eval.report.table import ColumnOf, Table, tabulate
from talan_eval.result.labels import backbones

if TYPE_CHECKING:
    from collections.abc import Mapping

    from talan_eval.result.schema import Result


@dataclass(frozen=True)
class _Reason:
    """One reason on one benchmark, with the number of answers of each arm."""

    benchmark: str
    reason: str
    counts: Mapping[str, int]


def reason_table(result: Result) -> Table:
    """Build the table of answers by reason, summed over seeds; no rows where answers are not known."""
    several = len(backbones(result)) > 1
    arms = tuple(dict.fromkeys(arm.name for arm in result.arms))
    found: dict[tuple[str, str], dict[str, int]] = {}
    for arm in result.arms:
        for score in arm.scores:
            name = f"{arm.backbone}/{score.task}" if several else score.task
            for reason, count in score.reasons.items():
                found.setdefault((name, reason), {})[arm.name] = count
    order = list(dict.fromkeys(name for name, _ in found))
    places = sorted(found, key=lambda place: (order.index(place[0]), -sum(found[place].values()), place[1]))
    lines = [_Reason(name, reason, found[name, reason]) for name, reason in places]
    columns: tuple[ColumnOf[_Reason], ...] = (
        ColumnOf(("benchmark",), "benchmark", "left", value=lambda line: line.benchmark),
        ColumnOf(("answers that are",), "answers that are", "left", value=lambda line: line.reason),
        *(_count_column(arm) for arm in arms),
    )
    return tabulate(
        titled("Answers by why they were graded so, over all seeds", result, (arm.name for arm in result.arms)),
        columns,
        lines,
    )


def _count_column(arm: str) -> ColumnOf[_Reason]:
    return ColumnOf((arm,), arm, kind="count", value=lambda line: line.counts.get(arm, 0))
