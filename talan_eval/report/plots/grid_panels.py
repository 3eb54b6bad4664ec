"""A grid of TALAN arms in four panels: rates of G1, gain by slots, frontier, and where the best ones are.

The counterpart of figure 4 of Zhang et al. (2026), with the controls that the paper does not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import COLUMN, GAINED, INK, LOST, NEUTRAL, PAGE, new_figure
from talan_eval.result.axes import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.result.axes import Configuration, GridAxes
    from talan_eval.result.evidence import Measure

_STYLES: Final = ("--", ":", "-.")
_AREA: Final = (25.0, 160.0)  # of the marks of the smallest and the largest gain, square points


def grid_panels(grid: GridAxes, measure: Measure, width: float = PAGE) -> Figure:
    """Draw the four panels, two by two on a page and below each other in a column.

    Args:
        grid: The grid on one backbone.
        measure: Unit and direction of its scores.
        width: Inches.
    """
    rows = max(3.0, 0.19 * len(grid.shares) + 0.9)
    if width <= COLUMN:
        figure = new_figure(width, rows + 3 * 2.1)
        panels = figure.subplots(4, 1, gridspec_kw={"height_ratios": (rows, 2.1, 2.1, 2.1)})
    else:
        figure = new_figure(width, rows + 2.4)
        panels = figure.subplots(2, 2, gridspec_kw={"height_ratios": (rows, 2.4)}).ravel()
    _rates(panels[0], grid)
    _by_option(panels[1], grid, "slots", measure.unit)
    _frontier(panels[2], grid.configurations, measure)
    _geometry(panels[3], grid, measure)
    return figure


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other equals or surpasses in both coordinates, left to right."""
    kept: list[tuple[float, float]] = []
    for point in sorted(set(points), reverse=True):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept[::-1]


def _rates(axes: Axes, grid: GridAxes) -> None:
    names = [f"{one.option} {one.value}".strip() for one in grid.shares]
    shares = [one.rate for one in grid.shares]
    known = [(share * 100, row) for row, share in enumerate(shares) if share is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], "o", color=INK, markersize=5)
    for control, style in zip(grid.controls, _STYLES * len(grid.controls), strict=False):
        if control.rate is not None:
            axes.axvline(100 * control.rate, color=LOST, linestyle=style, linewidth=1.2, label=control.value)
    axes.set_yticks(range(len(names)), [one_line(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=-1)
    axes.set_xlabel("trainings that pass G1, %")
    axes.set_title("Rates of G1")
    if grid.controls:
        axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.2), fontsize="small")


def _by_option(axes: Axes, grid: GridAxes, option: str, unit: str) -> None:
    """Draw gains by the values of an option: a small mark per configuration, a large one with interval for all."""
    shares = [one for one in grid.shares if one.option == option] or [grid.shares[0]]
    for place, share in enumerate(shares):
        own = [one for one in grid.configurations if not share.option or one.options[option] == share.value]
        gains = [one.delta for one in own if one.delta is not None]
        axes.plot([place + 0.15] * len(gains), gains, "o", color=NEUTRAL, markersize=3, alpha=0.7)
        if share.ci is not None:
            axes.plot((place, place), share.ci, "-", color=INK, linewidth=1.4)
        if share.delta is not None:
            axes.plot([place], [share.delta], "D", color=INK, markersize=5)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(shares)), [share.value if share.option else "all" for share in shares])
    axes.set_xlim(-0.5, len(shares) - 0.5)
    axes.set_xlabel(option if shares[0].option else f"{option} do not vary")
    axes.set_ylabel(f"gain, {unit}")
    axes.set_title(f"Gain by {option}")


def _frontier(axes: Axes, configurations: Sequence[Configuration], measure: Measure) -> None:
    sign = 1 if measure.higher_is_better else -1
    known = [(one.worst_delta, one.delta) for one in configurations]
    points = [(x, y) for x, y in known if x is not None and y is not None]
    turned = [(sign * x, sign * y) for x, y in points]
    axes.plot([x for x, _ in points], [y for _, y in points], "o", color=NEUTRAL, markersize=4)
    best = [(sign * x, sign * y) for x, y in frontier(turned)]
    axes.plot([x for x, _ in best], [y for _, y in best], "-o", color=INK, markersize=5, linewidth=1)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel(f"gain on the worst benchmark, {measure.unit}")
    axes.set_ylabel(f"mean gain, {measure.unit}")
    axes.set_title("Frontier")


def _geometry(axes: Axes, grid: GridAxes, measure: Measure) -> None:
    """Draw every configuration at its layer and slots: area by the size of its gain, the best one in a diamond."""
    sign = 1 if measure.higher_is_better else -1
    known = [(one, sign * one.delta) for one in grid.configurations if one.delta is not None]
    layers, slots = _values(grid, "layer"), _values(grid, "slots")
    largest = max((abs(gain) for _, gain in known), default=0.0) or 1.0
    best = max(known, key=lambda pair: pair[1], default=None)
    for one, gain in known:
        at = (layers.index(_of(one, "layer")), slots.index(_of(one, "slots")))
        area = _AREA[0] + (_AREA[1] - _AREA[0]) * abs(gain) / largest
        inside, edge = (GAINED, GAINED) if gain > 0 else ("none", LOST)
        axes.scatter(*at, s=area, alpha=0.6, facecolors=inside, edgecolors=edge)
        if best is not None and one is best[0]:
            axes.scatter(*at, s=2.2 * _AREA[1], marker="D", facecolors="none", edgecolors=INK)
    axes.set_xticks(range(len(layers)), layers)
    axes.set_yticks(range(len(slots)), slots)
    axes.set_xlim(-0.6, len(layers) - 0.4)
    axes.set_ylim(-0.6, len(slots) - 0.4)
    axes.set_xlabel("layer")
    axes.set_ylabel("slots")
    axes.set_title("Where: filled gained, open lost")


def _values(grid: GridAxes, option: str) -> list[str]:
    """Return the values of an option in the order of the table; the one value where it does not vary."""
    varied = [one.value for one in grid.shares if one.option == option]
    return varied or [_of(grid.configurations[0], option)]


def _of(one: Configuration, option: str) -> str:
    return one.options.get(option, DEFAULT)
