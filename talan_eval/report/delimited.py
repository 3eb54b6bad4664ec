"""The numbers as CSV (RFC 4180): one row per cell, slice and mean, at full precision, for whoever computes on."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from talan_eval.report.clean import one_line
from talan_eval.report.columns import cell_columns, cell_lines, slice_lines
from talan_eval.report.context import Context
from talan_eval.report.loss_words import loss_view
from talan_eval.report.table import records
from talan_eval.report.view import views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.report import format as fmt
    from talan_eval.report.columns import CellLine
    from talan_eval.result.schema import Result


def render(result: Result) -> str:
    r"""Render the cells, the slices and the mean of each contrast, then its held-out loss, as CSV text.

    Lines end in "\r\n". The column unit says what scores, differences, intervals and MDE of a row are measured in:
    points, or the result's own unit, and nats for the loss. An empty field cannot be estimated.
    Text that a spreadsheet would run as a formula (it starts with = + - or @) gets a leading apostrophe.
    """
    return written(*rows_of(result))


def rows_of(result: Result) -> tuple[tuple[str, ...], list[list[fmt.Value]]]:
    """Return the header and the rows of ``render`` before they become text."""
    lines: list[CellLine] = []
    for view in views(result, Context()):
        *cells, mean = cell_lines(view)
        lines += [*cells, *slice_lines(view), mean]
        lines += () if (loss := loss_view(view, exact=True)) is None else cell_lines(loss)
    return records(cell_columns(""), lines)


def written(header: Sequence[str], rows: Sequence[Sequence[fmt.Value]]) -> str:
    """Write a header and rows of values as CSV text that runs nothing."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_safe(name) for name in header])
    writer.writerows([_safe(value) for value in row] for row in rows)
    return out.getvalue()


def _safe(value: fmt.Value) -> fmt.Value:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
