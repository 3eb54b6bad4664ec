"""Power curves: how many seeds would find which gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.columns import seeds_of_mean
from talan_eval.report.plots.style import COLUMN, GAINED, INK, LOST, NEUTRAL, PAGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from talan_eval.report.context import PowerCurve
    from talan_eval.report.view import View

_LINES: Final = (("o", "-", GAINED), ("s", "--", LOST), ("^", ":", NEUTRAL))
_TARGET: Final = 0.8


def power_plot(view: View, curves: tuple[PowerCurve, ...], width: float = PAGE) -> Figure:
    """Draw power against seeds, one line per true gain, with 80 % and the present number of seeds marked."""
    narrow = width <= COLUMN
    figure = new_figure(width, 2.6 if narrow else 3.1)
    axes = figure.subplots()
    for place, curve in enumerate(curves):
        mark, line, colour = _LINES[place % len(_LINES)]
        label = f"true mean gain {fmt.amount(curve.gain, curve.unit)}"
        axes.plot(curve.seeds, curve.power, line, marker=mark, color=colour, markersize=4, linewidth=1.5, label=label)
    axes.axhline(_TARGET, color=INK, linewidth=0.6)
    have = seeds_of_mean(view.mean)
    axes.axvline(have, color=INK, linewidth=0.6)
    # above the plot, where no curve can pass
    axes.text(
        have,
        1.03,
        f"{have} seeds, as run",
        transform=axes.get_xaxis_transform(),
        ha="center",
        fontsize=7 if narrow else 8,
    )
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("training seeds per arm")
    axes.set_ylabel("power of the verdict")
    figure.legend(loc="outside upper center", ncols=1 if narrow else len(curves), fontsize=7 if narrow else 8)
    return figure
