"""All arms in order of their means, and bars that join those which no comparison told apart.

A critical-difference diagram (Demsar, 2006, JMLR 7, figure 1) of scores instead of ranks, turned so that long names of
arms fit; what joins two arms is the published verdict on their contrast, not one common distance.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import COLUMN, INK, NEUTRAL, PAGE, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from talan_eval.result.schema import Aggregate, Result

_FEWEST_ARMS: Final = 3
_ROW: Final = 0.3  # inches
_TIGHT: Final = 0.22
_BETWEEN_BARS: Final = 0.035  # of the width of the axes
_TOLD_APART: Final = ("better", "worse")


@dataclass(frozen=True)
class Ranking:
    """Arms in order, and which of them stay together.

    Attributes:
        arms: Names, the best one first.
        means: Mean score of each over the cells, in the unit of the scores.
        groups: First and last place of each longest run of arms of which no two were told apart; runs of one arm are
            left out, and so are those within a longer one.
    """

    arms: tuple[str, ...]
    means: tuple[float, ...]
    groups: tuple[tuple[int, int], ...]


def ranking(result: Result) -> Ranking | None:
    """Put the arms in order.

    Returns:
        The ranking; None unless there are three arms or more and every two of them were compared (`--pairs all`),
        with seeds enough for a mean.
    """
    found = {frozenset((one.base, one.treatment)): one.aggregate for one in result.contrasts}
    means: dict[str, float] = {}
    for one in result.contrasts:
        for arm, mean in ((one.base, one.aggregate.base_mean), (one.treatment, one.aggregate.treat_mean)):
            if mean is not None:
                means.setdefault(arm, mean)
    every = {frozenset(pair) for pair in itertools.combinations(means, 2)}
    named = {arm for pair in found for arm in pair}
    if len(means) < _FEWEST_ARMS or named != set(means) or set(found) != every:
        return None
    arms = sorted(means, key=lambda arm: (-means[arm] if result.measure.higher_is_better else means[arm], arm))
    return Ranking(tuple(arms), tuple(means[arm] for arm in arms), _groups(arms, found))


def _groups(arms: Sequence[str], found: dict[frozenset[str], Aggregate]) -> tuple[tuple[int, int], ...]:
    groups: list[tuple[int, int]] = []
    for first in range(len(arms)):
        last = first
        while last + 1 < len(arms) and all(
            found[frozenset((arms[place], arms[last + 1]))].verdict not in _TOLD_APART
            for place in range(first, last + 1)
        ):
            last += 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return tuple(groups)


def ranking_plot(found: Ranking, unit: str, width: float = PAGE) -> Figure:
    """Draw a row per arm, the best one on top, with a dot at its mean, and the bars on the right."""
    rows = len(found.arms)
    figure = new_figure(width, 0.8 + (_TIGHT if width <= COLUMN else _ROW) * rows)
    axes = figure.subplots()
    for row in range(rows):
        axes.axhline(row, color=NEUTRAL, linewidth=0.5, linestyle=":", zorder=0)  # leads the eye to the bars
    axes.plot(found.means, range(rows), "o", color=INK, markersize=5)
    axes.set_yticks(range(rows), [one_line(arm) for arm in found.arms])
    axes.set_ylim(rows - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.set_xlabel(f"mean over benchmarks, {unit}")
    across = axes.get_yaxis_transform()  # x in parts of the axes, y in rows
    for place, (first, last) in enumerate(found.groups):
        at = 1.02 + _BETWEEN_BARS * place
        axes.plot(
            (at, at), (first - 0.25, last + 0.25), transform=across, color=INK, linewidth=2.5, clip_on=False,
            solid_capstyle="butt",
        )  # fmt: skip
    return figure
