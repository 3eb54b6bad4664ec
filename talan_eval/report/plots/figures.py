"""The figures of a report, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from talan_eval.report.context import Context
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure as MplFigure

    from talan_eval.report.context import Flip
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result

_MOST_CONTRASTS: Final = 4  # that get figures of their own


@dataclass(frozen=True, eq=False)
class Figure:
    """A drawn figure.

    Attributes:
        name: File name without its ending.
        title: What it shows.
        description: The same in a sentence or two for who cannot see it.
        figure: The matplotlib figure.
        contrast: Index of the contrast that it is about; None for all of them.
        width: Inches for which it was drawn.
    """

    name: str
    title: str
    description: str
    figure: MplFigure
    contrast: int | None = None
    width: float = 7.2

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG document; drawn once, because several faces show it."""
        from talan_eval.report.plots.style import styled, to_svg  # noqa: PLC0415 - an extra

        with styled(self.width):
            return to_svg(self.figure)

    def _repr_svg_(self) -> str:
        """Return what Jupyter shows."""
        return self.svg

    def png(self) -> bytes:
        """Return the figure as a PNG."""
        from talan_eval.report.plots.style import styled, to_png  # noqa: PLC0415 - an extra

        with styled(self.width):
            return to_png(self.figure)

    def pdf(self) -> bytes:
        """Return the figure as a PDF."""
        from talan_eval.report.plots.style import styled, to_pdf  # noqa: PLC0415 - an extra

        with styled(self.width):
            return to_pdf(self.figure)


def available() -> bool:
    """Return whether matplotlib, the extra ``plots``, is installed."""
    return find_spec("matplotlib") is not None


def draw(result: Result, context: Context | None = None, *, column: bool = False) -> tuple[Figure, ...]:
    """Draw what the data allow: forest plot of all contrasts, a grid by option, paired slopes and flips.

    Args:
        result: The published result.
        column: Whether for one column of a two-column paper (3.3 inches, text of 7 points) instead of a page's width.
        context: What else is known; without flips there is no heat map, without curves no power plot.

    Returns:
        The figures in reading order. Needs matplotlib.
    """
    from talan_eval.report.plots.style import COLUMN, PAGE, arrange, styled  # noqa: PLC0415 - an extra

    width = COLUMN if column else PAGE
    with styled(width):
        drawn = _figures(result, Context() if context is None else context, width)
        figures = tuple(replace(one, width=width) for one in drawn)
        for one in figures:
            arrange(one.figure)
    return figures


def _figures(result: Result, context: Context, width: float) -> Iterator[Figure]:
    from talan_eval.report.plots.forest import forest  # noqa: PLC0415 - an extra
    from talan_eval.report.plots.power import power_plot  # noqa: PLC0415 - an extra
    from talan_eval.report.plots.ranking import ranking, ranking_plot  # noqa: PLC0415 - an extra

    result = readable(result)
    every = views(result, context)
    grouped = ", grouped by contrast" if len(every) > 1 else ""
    yield Figure(
        "forest",
        "Differences with their intervals",
        f"Every benchmark's difference with its E1 and E2 interval, and their mean{grouped}. The numbers are in the "
        "main table. Triangles are verdicts, open circles are inconclusive, the diamond is the mean.",
        forest(every, width),
    )
    ranked = ranking(result)
    if ranked is not None:
        yield Figure(
            "ranking",
            "All arms in order",
            "Arms by their mean over all benchmarks, the best one on top. A bar on the right joins arms of which no "
            "two were told apart by the verdict on their mean, adjusted among all pairs.",
            ranking_plot(ranked, result.measure.unit, width),
        )
    yield from _of_grids(result, width)
    for view in every[:_MOST_CONTRASTS]:
        yield from _of_contrast(view, [flip for flip in context.flips.entries if flip.contrast == view.place], width)
    yield from _of_trainings(result, width)
    if context.power:
        yield Figure(
            "power",
            "What more seeds would find",
            "Power of the verdict on the mean over numbers of seeds at the noise of this result, for several gains.",
            power_plot(every[0], context.power, width),
        )


def _of_grids(result: Result, width: float) -> Iterator[Figure]:
    from talan_eval.report.plots.grid_panels import grid_panels  # noqa: PLC0415 - an extra

    for place, grid in enumerate(result.axes):
        yield Figure(
            f"axes-{place + 1}" if place else "axes",
            f"The grid by option on {grid.backbone}",
            "Four panels: the rate of G1 by value of each option, with that of the controls as lines; the gain by "
            "slots with its t interval over seeds; mean gain against the gain on the worst benchmark, with the "
            "configurations that no other surpasses in both joined; and gain by insertion layer and slots, the best "
            "one marked. The numbers are in the table by option.",
            grid_panels(grid, result.measure, width),
        )


def _of_trainings(result: Result, width: float) -> Iterator[Figure]:
    from talan_eval.report.plots.training_curves import MOST_ARMS, curve_plot  # noqa: PLC0415 - an extra

    named = list(dict.fromkeys(one.backbone for one in result.inside))
    for place, backbone in enumerate(named):
        arms = [one for one in result.inside if one.backbone == backbone]
        where = f" on {backbone}" if len(named) > 1 else ""
        rest = f" The first {MOST_ARMS} of {len(arms)} arms." if len(arms) > MOST_ARMS else ""
        yield Figure(
            f"training-{place + 1}" if place else "training",
            f"How the arms were trained{where}",
            f"Loss per token over optimizer steps, mean over seeds with its pointwise t interval.{rest}",
            curve_plot(arms[:MOST_ARMS], width),
        )


def _of_contrast(view: View, flips: Sequence[Flip], width: float) -> Iterator[Figure]:
    from talan_eval.report.plots.heat import heat_map  # noqa: PLC0415 - an extra
    from talan_eval.report.plots.slopes import slopes  # noqa: PLC0415 - an extra

    ending = f"-{view.place + 1}" if view.place else ""
    of = f": {view.contrast.name}" if view.several else ""
    count = len(view.result.contrasts)
    limit = f" Drawn for the first {_MOST_CONTRASTS} of {count} contrasts." if count > _MOST_CONTRASTS else ""
    lines = (
        "One panel per benchmark and one mark per training seed of either arm; the seeds are independent. "
        if view.contrast.pairing == "independent"
        else "One panel per benchmark and one line per training seed, from its score with one arm to the other's. "
        "Rising lines are solid, falling ones dashed. "
    )
    yield Figure(
        f"slopes{ending}", f"Each training seed, {view.base} to {view.treatment}",
        f"{lines}The numbers are in the table by training seed.{limit}", slopes(view, width), view.place,
    )  # fmt: skip
    if flips:
        yield Figure(
            f"flips{ending}",
            f"Items that flip, seed by seed{of}",
            "Per benchmark a strip of seeds by items: losses are dark and fill their row, gains are light and fill "
            f"half of it. A column of one kind over all seeds is a systematic flip. The items are listed below.{limit}",
            heat_map(view, flips, width),
            view.place,
        )
