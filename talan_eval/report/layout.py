"""Which tables a report has, in which order; every face takes them from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report.contrast_tables import (
    also_table,
    e0_table,
    item_table,
    main_table,
    pairing_table,
    seed_table,
    slice_table,
)
from talan_eval.report.cost import cost_table
from talan_eval.report.inside_words import inside_sentence, inside_table
from talan_eval.report.loss_words import loss_sentence, loss_table
from talan_eval.report.option_table import option_sentence, option_table
from talan_eval.report.overview import arm_table, confirmation_table, matrix_table, says_more
from talan_eval.report.paper import chance_sentence, cross_table
from talan_eval.report.reasons import reason_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.report.table import Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result


@dataclass(frozen=True)
class ReportTable:
    """One table of a report.

    Attributes:
        key: What it is, in a word.
        table: The table; with rows.
        below: A sentence that belongs to it.
        minor: Whether it is a detail that a page folds away.
    """

    key: str
    table: Table
    below: str = ""
    minor: bool = False


def overview(views: Sequence[View]) -> tuple[ReportTable, ...]:
    """Return the tables about all contrasts: matrix, arms, options, confirmation. None where one contrast says all."""
    result = views[0].result
    parts = [ReportTable("matrix", matrix_table(views))]
    if says_more(result):
        parts.append(ReportTable("arms", arm_table(result)))
    parts.append(ReportTable("options", option_table(result), option_sentence(result)))
    parts.append(ReportTable("confirmation", confirmation_table(result)))
    return _with_rows(parts)


def details(view: View) -> tuple[ReportTable, ...]:
    """Return the tables of one contrast, the main one first."""
    return _with_rows(
        [
            ReportTable("main", main_table(view)),
            ReportTable("slices", slice_table(view)),
            ReportTable("cross", cross_table(view), chance_sentence(view)),
            ReportTable("loss", loss_table(view), loss_sentence(view)),
            ReportTable("seeds", seed_table(view), minor=True),
            ReportTable("pairs", e0_table(view), minor=True),
            ReportTable("items", item_table(view)),
            ReportTable("pairing", pairing_table(view), minor=True),
            ReportTable("also", also_table(view), minor=True),
        ]
    )


def closing(result: Result) -> tuple[ReportTable, ...]:
    """Return the tables about the whole that come last."""
    return _with_rows(
        [
            ReportTable("inside", inside_table(result), inside_sentence(result)),
            ReportTable("reasons", reason_table(result), minor=True),
            ReportTable("cost", cost_table(result), minor=True),
        ]
    )


def _with_rows(parts: Sequence[ReportTable]) -> tuple[ReportTable, ...]:
    return tuple(part for part in parts if part.table.rows)
