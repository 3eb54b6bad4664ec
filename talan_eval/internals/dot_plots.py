"""Numbers with their intervals: sizes and ratios, the audits of weights, and distances against gains (figure 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.internals.findings import by_distance
from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import GAINED, INK, LOST, NEUTRAL, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.internals.findings import ArmFindings, ConfigurationDistance, SeedMean

_ROW: Final = 0.24
_SIZES: Final = (
    ("ratio_at_write", "|a_l*| / |p|"),
    ("ratio_at_end", "|a_L| / |p|"),
    ("ratio_of_effects", "|a_L| / |b_L|"),
    ("random_ratio_of_effects", "|a_L| / |b_L|, random direction"),
    ("relative_write", "|p| / |h-|"),
    ("amplification", "amplification"),
    ("random_amplification", "amplification, random direction"),
    ("adapter_kl", "KL of the adapter"),
    ("block_kl", "KL of the block"),
    ("random_kl", "KL of a random direction"),
)
MARKS: Final = ((GAINED, "o"), (LOST, "s"), (INK, "^"), (NEUTRAL, "D"), (GAINED, "v"), (LOST, "P"))


def sizes(arms: Sequence[ArmFindings]) -> Figure:
    """Draw norms, ratios and divergences of all arms with a block, on a logarithmic scale; controls are open marks."""
    figure = new_figure(7.2, 1.1 + _ROW * len(_SIZES) * max(1.0, 0.6 * len(arms)))
    axes = figure.subplots()
    axes.set_xscale("log")
    step = 0.7 / max(len(arms), 1)
    for number, arm in enumerate(arms):
        colour, mark = MARKS[number % len(MARKS)]
        for row, (name, _) in enumerate(_SIZES):
            place = row + step * (number - (len(arms) - 1) / 2)
            _dot(axes, arm.tasks[0].values[name], place, (colour, mark), filled=not name.startswith("random"))
        axes.plot([], [], mark, color=colour, linestyle="", label=f"{one_line(arm.arm)} on {one_line(arm.backbone)}")
    axes.axvline(1, color=INK, linewidth=0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(_SIZES)), [label for _, label in _SIZES])
    axes.invert_yaxis()
    axes.set_xlabel("ratio, or nats; open marks are random directions")
    figure.legend(loc="outside upper left", ncols=2, fontsize=8)
    return figure


def weights(arm: ArmFindings) -> Figure:
    """Draw how far each tensor of a block went, beside its initial value, and the shares of the groups."""
    found = arm.weights
    tensors = [] if found is None else [one for one in found.tensors if one.from_start.mean is not None]
    groups = [] if found is None else [one for one in found.groups if one.share.mean is not None]
    figure = new_figure(7.2, 1.4 + _ROW * max(len(tensors), len(groups), 4))
    left, right = figure.subplots(1, 2)
    for row, one in enumerate(tensors):
        _dot(left, one.from_start, row, (GAINED, "o"))
        _dot(left, one.from_fresh, row - 0.15, (LOST, "s"))
        _dot(left, one.start_from_fresh, row + 0.15, (INK, "x"))
    for label, (colour, mark) in (
        ("from its start", (GAINED, "o")),
        ("from fresh draws", (LOST, "s")),
        ("its start from fresh draws", (INK, "x")),
    ):
        left.plot([], [], mark, color=colour, linestyle="", label=label)
    left.set_yticks(range(len(tensors)), [one_line(one.name) for one in tensors], fontsize=7)
    left.set_xlim(left=0)
    left.set_xlabel("distance / that of two fresh draws")
    for row, group in enumerate(groups):
        _dot(right, group.share, row, (GAINED, "o"))
    right.set_yticks(range(len(groups)), [one.group for one in groups])
    right.set_xlim(0, 1)
    right.set_xlabel("share of the squared update")
    for axes in (left, right):
        axes.invert_yaxis()
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)
    return figure


def ensembles(arms: Sequence[ArmFindings]) -> Figure:
    """Draw how far the components of ensembles point the same way, beside random matrices (figure 14)."""
    figure = new_figure(7.2, 1.2 + 0.4 * len(arms))
    axes = figure.subplots()
    for row, arm in enumerate(arms):
        found = None if arm.weights is None else arm.weights.ensemble
        if found is not None and found.random.lower[0] is not None and found.random.upper[0] is not None:
            axes.barh(
                row,
                found.random.upper[0] - found.random.lower[0],
                left=found.random.lower[0],
                color=NEUTRAL,
                alpha=0.35,
                label="random matrices" if row == 0 else None,
            )
            _dot(axes, found.cosine, row, MARKS[0], label="components" if row == 0 else None)
    axes.set_yticks(range(len(arms)), [one_line(one.arm) for one in arms])
    axes.set_xlim(0, 1)
    axes.set_xlabel("mean |cosine| of first singular directions")
    figure.legend(loc="outside upper left", ncols=2, fontsize=8)
    return figure


def distances(found: Sequence[ConfigurationDistance]) -> Figure:
    """Draw gains against the distance to the best configuration, by settings and with trained statistics."""
    figure = new_figure(7.2, 2.9)
    panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, one in zip(panels, found, strict=True):
        if one.best_gain is not None:
            axes.plot(0, one.best_gain, "o", color=GAINED, markerfacecolor="none", markersize=5, clip_on=False)
            _interval(axes, 0, one.best_ci)
        for number, other in enumerate(by_distance(one), 1):
            axes.plot(other.distance, other.gain, "o", color=GAINED, markersize=4)
            _interval(axes, other.distance, other.ci)
            axes.annotate(str(number), (other.distance, other.gain), (3, 2), textcoords="offset points", fontsize=7)
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set_xlim(left=-0.05 * max(other.distance for other in one.others))  # room for the best one, at 0
        rho = "n/a" if one.spearman is None or one.p is None else f"{one.spearman:.2f}, p = {one.p:.2g}"
        axes.set_title(f"{len(one.features)} features: rank correlation {rho}")
        axes.set_xlabel(f"distance to {one_line(one.best)}", fontsize=8)
    panels[0].set_ylabel("gain, points")
    return figure


def _interval(axes: Axes, at: float, ci: tuple[float, float] | None) -> None:
    if ci is not None:
        axes.plot((at, at), ci, color=GAINED, linewidth=0.8, alpha=0.6, clip_on=False)


def _dot(
    axes: Axes,
    one: SeedMean,
    place: float,
    look: tuple[str, str],
    *,
    filled: bool = True,
    label: str | None = None,
) -> None:
    if one.mean is None:
        return
    colour, mark = look
    if one.mean <= 0 and axes.get_xscale() == "log":
        axes.plot(0.008, place, "<", color=colour, markersize=4, transform=axes.get_yaxis_transform())
        return
    if one.ci is not None:
        axes.plot(one.ci, (place, place), color=colour, linewidth=1.2)
    face = colour if filled or mark == "x" else "none"
    axes.plot(one.mean, place, mark, color=colour, markerfacecolor=face, markersize=5, linestyle="", label=label)
