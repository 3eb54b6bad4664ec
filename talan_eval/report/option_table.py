"""The table of a grid of arms with a block: gain and G1 by the values of their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.table import ColumnOf, Table, tabulate
from talan_eval.result.axes import DEFAULT

if TYPE_CHECKING:
    from talan_eval.result.axes import OptionShare
    from talan_eval.result.schema import Result


def option_table(result: Result) -> Table:
    """Build the table of gains and G1 rates by option; no rows without a grid."""
    level = fmt.percent(1 - result.settings.alpha)
    unit = result.measure.unit
    title = f"Gain and G1 by option, in {unit}; intervals are plain t over seeds, exploratory, unadjusted"
    several = len(result.axes) > 1
    columns: tuple[ColumnOf[tuple[str, OptionShare]], ...] = (
        ColumnOf(("backbone",), "backbone", "left", optional=True, value=lambda line: line[0] if several else None),
        ColumnOf(("option",), "option", "left", value=lambda line: line[1].option or line[1].value),
        ColumnOf(("value",), "value", "left", value=lambda line: line[1].value if line[1].option else ""),
        ColumnOf(("arms",), "arms", kind="count", value=lambda line: line[1].arms),
        ColumnOf(("mean", "gain"), "mean gain", kind="gain", value=lambda line: line[1].delta),
        ColumnOf((f"t {level} CI",), f"t {level} CI", kind="interval", value=lambda line: line[1].ci),
        ColumnOf(("G1",), "G1", kind="share", value=lambda line: fmt.Fraction(line[1].hits, line[1].trainings)),
        ColumnOf(("G1 rate",), "G1 rate", kind="percent", value=lambda line: line[1].rate),
    )
    lines = [(grid.backbone, share) for grid in result.axes for share in (*grid.shares, *grid.controls)]
    return tabulate(title, columns, lines)


def option_sentence(result: Result) -> str:
    """Return how the table is to be read; empty without a grid."""
    if not result.axes:
        return ""
    said = (
        "G1 counts trainings that lost on no benchmark and gained on one; some do by luck, as often as the last rows "
        "say. Rates have no intervals, because trainings share seeds and items. A row averages all arms with that "
        "value, whatever else differs between them."
    )
    if any(share.value == DEFAULT for grid in result.axes for share in grid.shares):
        said += f' "{DEFAULT}" stands where an arm leaves it to the backbone, and may be one of the other values.'
    if not result.measure.higher_is_better:
        said += " Less is better here: a gain is a fall, below zero."
    trained = any(arm.kind == "trained" for arm in result.arms)
    if trained and not any(share.delta is not None for grid in result.axes for share in grid.controls):
        said += " No noise control was compared: --treat noise+PARTNER."
    return said
