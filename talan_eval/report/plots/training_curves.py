"""Curves of training: loss of training and held-out loss, a line per arm with its band over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import COLUMN, GAINED, LOST, NEUTRAL, PAGE, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from talan_eval.result.schema import Curve, Inside

_LINES: Final = ((NEUTRAL, "-"), (GAINED, "-"), (LOST, "-"), (NEUTRAL, "--"), (GAINED, "--"), (LOST, "--"))
MOST_ARMS: Final = len(_LINES)


def curve_plot(arms: Sequence[Inside], width: float = PAGE) -> Figure:
    """Draw one backbone's arms, at most six: training loss, and held-out loss where it was measured.

    Args:
        arms: The arms.
        width: Of the figure, inches; panels stand below each other in a narrow one.
    """
    panels: list[tuple[str, list[Curve | None]]] = [("training loss, nats per token", [one.loss for one in arms])]
    if any(one.held_out_loss is not None for one in arms):
        panels.append(("held-out loss, nats per token", [one.held_out_loss for one in arms]))
    narrow = width <= COLUMN
    figure = new_figure(width, 0.5 + 1.7 * len(panels) if narrow else 2.9)
    rows, columns = (len(panels), 1) if narrow else (1, len(panels))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (label, curves) in zip(axes, panels, strict=True):
        for one, curve, line in zip(arms, curves, _LINES, strict=False):
            if curve is not None:
                _line(panel, curve, line, one_line(one.arm))
        panel.set_xlabel("optimizer steps")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)  # a band may reach below what a loss can be
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(2 if narrow else 3, len(labels)),
        fontsize=7 if narrow else 8,
    )
    return figure


def _line(axes: Axes, curve: Curve, line: tuple[str, str], label: str) -> None:
    colour, style = line
    axes.plot(curve.steps, curve.mean, linestyle=style, color=colour, linewidth=1.3, label=label)
    if curve.lower is not None and curve.upper is not None:
        axes.fill_between(curve.steps, curve.lower, curve.upper, color=colour, alpha=0.18, linewidth=0)
