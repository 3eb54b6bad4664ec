"""Forest plot: every benchmark's difference with its intervals, and the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import COLUMN, GAINED, GROUND, INK, LOST, NEUTRAL, PAGE, new_figure, zero_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.report.view import View
    from talan_eval.result.schema import E1, E2

_MARKS: Final = {"better": ("^", GAINED), "worse": ("v", LOST)}
_ROW: Final = 0.34  # inches
_TIGHT: Final = 0.22
_MANY: Final = 60  # rows from which they stand closer


def forest(views: Sequence[View], width: float = PAGE) -> Figure:
    """Draw the forest plot, grouped by contrast, in a figure of so many inches.

    Triangles up and down are verdicts "better" and "worse", open circles everything else; the diamond is the mean. The
    thick line is the E1 interval, the thin one with ends the E2 interval. A dotted line marks the margin where one was
    declared.
    """
    labels = [label for view in views for label in _labels(view)]
    narrow = width <= COLUMN
    row = _ROW if len(labels) < _MANY and not narrow else _TIGHT
    figure = new_figure(width, 1.1 + row * len(labels))
    axes = figure.subplots()
    place = 0
    for view in views:
        place = _group(axes, view, place)
    zero_line(axes)
    margin = views[0].mean.margin_test
    if margin is not None:
        loss = -margin.margin if views[0].result.measure.higher_is_better else margin.margin
        axes.axvline(loss, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(labels)), [one_line(label) for label in labels])
    if len(views) > 1:
        _set_off(axes, views)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    level = fmt.percent(1 - views[0].alpha)
    what = "treatment minus base" if len(views) > 1 else f"{views[0].treatment} minus {views[0].base}"
    lines = [f"{what}, {views[0].unit}", f"(thick: E1 {level} interval, with ends: E2 {level} interval)"]
    if narrow:
        lines[1:] = [f"(thick: E1 {level} interval,", f"with ends: E2 {level} interval)"]
    axes.set_xlabel(("\n" if narrow else " ").join(map(one_line, lines)))
    return figure


def _labels(view: View) -> list[str]:
    """Return the labels of a contrast's rows, with a heading of its own where there are several."""
    heading = [view.contrast.name] if view.several else []
    return [*heading, *view.cell_names, view.mean_name]


def _group(axes: Axes, view: View, place: int) -> int:
    """Draw one contrast from a row on; return the row behind it."""
    if view.several:
        if place:
            axes.axhline(place - 0.5, color=INK, linewidth=0.8)
        place += 1
    for cell in view.cells:
        _row(axes, place, cell.delta, (cell.e1, cell.e2), cell.verdict)
        place += 1
    axes.axhline(place - 0.5, color=INK, linewidth=0.4, linestyle=":" if view.several else "-")
    if view.mean.delta is not None:
        _row(axes, place, view.mean.delta, (view.mean.e1, view.mean.e2), view.mean.verdict, mark="D")
    return place + 1


def _set_off(axes: Axes, views: Sequence[View]) -> None:
    """Set the headings of the groups in bold, without a tick."""
    place = 0
    for view in views:
        axes.get_yticklabels()[place].set_fontweight("bold")
        axes.yaxis.get_major_ticks()[place].tick1line.set_visible(False)
        place += len(_labels(view))


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
