"""Curves over the layers, each beside the band of its control (figures 3 and 5 to 12 of the paper)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import GAINED, INK, LOST, NEUTRAL, new_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.internals.findings import ArmFindings, Band, DepthCurve

LINES: Final = ((GAINED, "-", "o"), (LOST, "--", "s"), (INK, ":", "^"), (GAINED, "-.", "v"), (LOST, ":", "D"))
MOST: Final = len(LINES)
_COLUMNS: Final = 2
_SHADE: Final = 0.22


def run_divergence(arms: Sequence[ArmFindings], bases: Sequence[ArmFindings]) -> Figure:
    """Draw how far runs are from their base of the same seed, one panel for each backbone, beside what re-seeding does.

    Args:
        arms: Arms that have a base, at most five on a backbone.
        bases: The base arms.
    """
    backbones = list(dict.fromkeys(one.backbone for one in arms))
    figure, panels = _panels(len(backbones))
    for axes, backbone in zip(panels, backbones, strict=True):
        for base in (one for one in bases if one.backbone == backbone):
            curve = base.tasks[0].curves.get("reseeding_divergence")
            if curve is not None:
                _range(axes, curve, f"{one_line(base.arm)}, next seed")
        for arm, line in zip((one for one in arms if one.backbone == backbone), LINES, strict=False):
            _curve(axes, arm.tasks[0].curves["run_divergence"], line, one_line(arm.arm))
        axes.set_ylabel("difference / stream")
        axes.set_title(one_line(backbone))
        axes.set_ylim(bottom=0)
    _finish(figure, panels)
    return figure


def by_task(arms: Sequence[ArmFindings]) -> Figure:
    """Draw the same by benchmark, one panel for each arm, each curve over its value at the last layer: its shape."""

    def draw(axes: Axes, arm: ArmFindings) -> None:
        for task, line in zip(arm.tasks[1:], LINES, strict=False):
            means = [point.mean for point in task.curves["run_divergence"].points]
            last = means[-1] or math.nan
            _line(axes, [None if mean is None else mean / last for mean in means], line, one_line(task.task))
        axes.set_ylim(bottom=0)

    return _one_panel_each(arms, "difference / that at L", draw)


def block_effect(arms: Sequence[ArmFindings]) -> Figure:
    """Draw what a block changes in its own model, one panel for each arm, beside a random direction's band."""

    def draw(axes: Axes, arm: ArmFindings) -> None:
        _band(axes, arm.tasks[0].bands["random_divergence"], NEUTRAL, "random direction")
        _curve(axes, arm.tasks[0].curves["block_divergence"], LINES[0], "block")
        axes.set_ylim(bottom=0)

    return _one_panel_each(arms, "|b| / |h|", draw)


def growth(arms: Sequence[ArmFindings], dtype: str) -> Figure:
    """Draw how a block's share of the stream grows from l* on, one panel for each arm.

    Args:
        arms: Arms with a block.
        dtype: Type of the measurement; beside float32 that in bfloat16 is drawn.
    """

    def draw(axes: Axes, arm: ArmFindings) -> None:
        task = arm.tasks[0]
        for name, line, ending in (("growth", LINES[0], dtype), ("growth_bf16", LINES[1], "bfloat16")):
            if name in task.curves:
                _band(axes, task.bands[f"random_{name}"], line[0], f"random direction, {ending}")
                _curve(axes, task.curves[name], line, f"block, {ending}")
        axes.axhline(1, color=INK, linewidth=0.6)
        axes.set_ylim(bottom=0)

    return _one_panel_each(arms, "share / share at l*", draw)


def over_random(arms: Sequence[ArmFindings], dtype: str) -> Figure:
    """Draw the difference of that share to a random direction's on the same seed; arguments as for `growth`."""

    def draw(axes: Axes, arm: ArmFindings) -> None:
        curves = arm.tasks[0].curves
        for name, line, ending in (("growth", LINES[0], dtype), ("growth_bf16", LINES[1], "bfloat16")):
            if f"{name}_over_random" in curves:
                _curve(axes, curves[f"{name}_over_random"], line, f"block minus random direction, {ending}")
        axes.axhline(0, color=INK, linewidth=0.6)

    return _one_panel_each(arms, "difference of shares", draw)


def cosine(arms: Sequence[ArmFindings]) -> Figure:
    """Draw the cosine of adapter and block at each layer, one panel for each arm, beside that of random directions."""

    def draw(axes: Axes, arm: ArmFindings) -> None:
        chance, curves = arm.random_cosine, arm.tasks[0].curves
        for end in (chance.lower, chance.upper):
            axes.axhline(end, color=NEUTRAL, linewidth=0.8, linestyle=":", label="two random vectors, 95 %")
        _band(axes, arm.tasks[0].bands["random_cosine"], NEUTRAL, "random direction in place of the write")
        axes.axhline(0, color=INK, linewidth=0.6)
        if "seed_cosine" in curves:
            _curve(axes, curves["seed_cosine"], LINES[1], "adapters of two seeds")
        _curve(axes, curves["cosine"], LINES[0], "adapter and block")
        axes.set_xlim(left=0)

    return _one_panel_each(arms, "cosine", draw)


def _one_panel_each(arms: Sequence[ArmFindings], label: str, draw: Callable[[Axes, ArmFindings], None]) -> Figure:
    figure, panels = _panels(len(arms))
    for axes, arm in zip(panels, arms, strict=True):
        draw(axes, arm)
        axes.set_ylabel(label)
        axes.set_title(f"{one_line(arm.arm)}, l* = {arm.layer}")
    _finish(figure, panels)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = new_figure(3.6 * columns + (0.8 if columns == 1 else 0), 2.5 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    panels = list(grid.ravel())
    for axes in panels[count:]:
        axes.set_axis_off()
    for axes in panels[:count]:
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("layer l; the last is the output")
    return figure, panels[:count]


def _finish(figure: Figure, panels: Sequence[Axes]) -> None:
    named: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    columns = min(2, len(named)) if len(panels) > 1 else 1
    figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=columns, fontsize=8)


def _line(axes: Axes, means: Sequence[float | None], line: tuple[str, str, str], label: str) -> None:
    colour, style, mark = line
    known = [(at, mean) for at, mean in enumerate(means) if mean is not None]
    if not known:
        return
    axes.plot(*zip(*known, strict=True), style, color=colour, marker=mark, markersize=3, linewidth=1.3, label=label)


def _curve(axes: Axes, curve: DepthCurve, line: tuple[str, str, str], label: str) -> None:
    if all(point.mean is None for point in curve.points):
        return
    _line(axes, [point.mean for point in curve.points], line, label)
    ends = [(at, point.ci) for at, point in enumerate(curve.points) if point.ci is not None]
    if ends:
        layers = [at for at, _ in ends]
        lower, upper = [ci[0] for _, ci in ends], [ci[1] for _, ci in ends]
        axes.fill_between(layers, lower, upper, color=line[0], alpha=_SHADE, linewidth=0)


def _band(axes: Axes, band: Band, colour: str, label: str) -> None:
    _between(axes, [(low, high) for low, high in zip(band.lower, band.upper, strict=True)], colour, 2.5, label)


def _range(axes: Axes, curve: DepthCurve, label: str) -> None:
    ends = [(min(one.by_seed), max(one.by_seed)) if one.by_seed else (None, None) for one in curve.points]
    _between(axes, ends, NEUTRAL, 0, label)


def _between(
    axes: Axes, ends: Sequence[tuple[float | None, float | None]], colour: str, edge: float, label: str
) -> None:
    """Shade what lies between two ends at each layer that has them; an edge shows also a band without width."""
    known = [(at, low, high) for at, (low, high) in enumerate(ends) if low is not None and high is not None]
    if not known:
        return
    layers, lower, upper = zip(*known, strict=True)
    axes.fill_between(layers, lower, upper, facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=edge, label=label)
