"""Paired slopes: every training seed's score with the base and with the treat arm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import COLUMN, GAINED, LOST, NEUTRAL, PAGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.report.view import View
    from talan_eval.result.schema import Cell

_COLUMNS: Final = 4
_LONGEST: Final = 26  # characters of a panel's title
_LONGEST_ARM: Final = 14  # and of an arm's name below it


def slopes(view: View, width: float = PAGE) -> Figure:
    """Draw one panel per cell and in it one line per seed: solid when rising, dashed when falling, else dotted.

    Arms with independent seeds have no lines: there each seed of either arm is a mark.
    """
    narrow = width <= COLUMN
    columns = min(2 if narrow else _COLUMNS, len(view.cells))
    rows = math.ceil(len(view.cells) / columns)
    figure = new_figure(min(1.9 * columns + 0.6, width + 1.0), (1.6 if narrow else 2.3) * rows + 0.3)
    if narrow:
        figure.set_figwidth(width)
    arms = [_shortened(arm, _LONGEST_ARM) for arm in (view.base, view.treatment)]
    grid = figure.subplots(rows, columns, squeeze=False)
    panels = grid.ravel()
    for axes, cell, name in zip(panels, view.cells, view.cell_names, strict=False):
        up, down = (GAINED, LOST) if view.result.measure.higher_is_better else (LOST, GAINED)
        _panel(axes, cell, None if view.contrast.pairing == "independent" else (up, down))
        axes.set_title(_shortened(name, _LONGEST))
        axes.set_xticks((0, 1), arms)
    for axes in panels[len(view.cells) :]:
        axes.set_axis_off()
    for row in grid:
        row[0].set_ylabel(f"score, {view.unit}")
    return figure


def _shortened(text: str, longest: int) -> str:
    text = one_line(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _panel(axes: Axes, cell: Cell, colours: tuple[str, str] | None) -> None:
    """Draw one line per seed, in the colours of those that rise and that fall; marks alone without colours."""
    if colours is not None:
        up, down = colours
        base = cell.base_by_seed if len(cell.base_by_seed) > 1 else cell.base_by_seed * len(cell.deltas)
        for start, delta in zip(base, cell.deltas, strict=True):
            style, colour = ("-", up) if delta > 0 else ("--", down) if delta < 0 else (":", NEUTRAL)
            axes.plot((0, 1), (start, start + delta), style, color=colour, linewidth=1.4, marker="o", markersize=3.5)
    else:
        for place, scores in enumerate((cell.base_by_seed, cell.treat_by_seed)):
            axes.plot([place] * len(scores), scores, "o", color=NEUTRAL, markersize=4, alpha=0.8)
    axes.set_xlim(-0.25, 1.25)
    axes.locator_params(axis="y", nbins=4)
