"""Forest plot: every benchmark's difference with its intervals, and the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import GAINED, GROUND, INK, LOST, NEUTRAL, new_figure, zero_line
from talan_eval.result.names import cell_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.report.table import NotWorse
    from talan_eval.result.schema import E1, E2, Result

_MARKS: Final = {"better": ("^", GAINED), "worse": ("v", LOST)}
_ROW: Final = 0.34


def forest(result: Result, not_worse: NotWorse | None = None) -> Figure:
    """Draw the forest plot.

    Triangles up and down are verdicts "better" and "worse", open circles everything else; the diamond is the mean. The
    thick line is the E1 interval, the thin one with ends the E2 interval. A dotted line marks the margin where one was
    declared.
    """
    names = [*cell_names(result), "mean (primary)"]
    figure = new_figure(7.2, 1.1 + _ROW * len(names))
    axes = figure.subplots()
    for place, cell in enumerate(result.cells):
        _row(axes, place, cell.delta, (cell.e1, cell.e2), cell.verdict)
    mean = result.aggregate
    if mean.delta is not None:
        _row(axes, len(result.cells), mean.delta, (mean.e1, mean.e2), mean.verdict, mark="D")
    axes.axhline(len(result.cells) - 0.5, color=INK, linewidth=0.4)
    zero_line(axes)
    if not_worse is not None:
        axes.axvline(-not_worse.margin, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), [one_line(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    level = fmt.percent(1 - result.settings.alpha)
    axes.set_xlabel(
        one_line(
            f"{result.treat} minus {result.base}, points (thick: E1 {level} interval, with ends: E2 {level} interval)"
        )
    )
    return figure


def _row(
    axes: Axes, place: int, delta: float, tests: tuple[E1 | None, E2 | None], verdict: str, mark: str | None = None
) -> None:
    shape, colour = _MARKS.get(verdict, ("o", NEUTRAL))
    e1, e2 = tests
    if e2 is not None:
        # its ends are marked, because it may be no longer than the thick one
        axes.plot(e2.ci, (place, place), color=colour, linewidth=0.9, marker="|", markersize=9, solid_capstyle="butt")
    if e1 is not None:
        axes.plot(e1.ci, (place, place), color=colour, linewidth=3, solid_capstyle="butt", alpha=0.85)
    filled = verdict in _MARKS
    face = colour if filled else GROUND
    axes.plot(delta, place, mark or shape, color=colour, markersize=7, markerfacecolor=face, zorder=3)
