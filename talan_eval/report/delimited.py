"""The numbers as CSV (RFC 4180): one row per cell, slice and mean, at full precision, for whoever computes on."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.result.schema import E1, E2, Aggregate, Cell, Result

Value = str | int | float | None

HEADER: Final = (
    "level", "backbone", "task", "slice", "metric", "base", "treat", "n_items", "n_seeds", "k", "base_mean",
    "treat_mean", "delta", "e1_lo", "e1_hi", "e1_p", "e1_binding", "signflip_p", "signflip_floor",
    "bootstrap_method", "bootstrap_lo", "bootstrap_hi", "e2_lo", "e2_hi", "e2_p", "holm_p", "maxt_p",
    "adjusted_p", "mde80", "lost", "gained", "verdict", "verdict_basis", "signature",
)  # fmt: skip
"""Columns; points for scores, differences, intervals and MDE. An empty field cannot be estimated."""


def render(result: Result) -> str:
    r"""Render the cells, the slices and their mean as CSV text with "\r\n" line ends.

    Text that a spreadsheet would run as a formula (it starts with = + - or @) gets a leading apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    writer.writerows([_safe(value) for value in row] for row in _rows(result))
    return out.getvalue()


def _rows(result: Result) -> Iterator[tuple[Value, ...]]:
    for level, cells in (("cell", result.cells), ("slice", result.slices)):
        for cell in cells:
            yield _cell(result, level, cell)
    yield _mean(result, result.aggregate)


def _cell(result: Result, level: str, cell: Cell) -> tuple[Value, ...]:
    return (
        level, cell.backbone, cell.task, cell.slice, cell.metric, result.base, result.treat, cell.n_items, cell.n_seeds,
        cell.k, cell.base_mean, cell.treat_mean, cell.delta, *_e1(cell.e1), *_e2(cell.e2), cell.holm_p, cell.maxt_p,
        cell.adjusted_p, cell.mde80, sum(pair.lost for pair in cell.e0), sum(pair.gained for pair in cell.e0),
        cell.verdict, cell.verdict_basis, result.signature,
    )  # fmt: skip


def _mean(result: Result, mean: Aggregate) -> tuple[Value, ...]:
    cells = result.cells
    return (
        "mean", "+".join(entry.backbone for entry in mean.backbones), None, None, None, result.base, result.treat, None,
        min(len(entry.seeds) for entry in mean.backbones), None,
        sum(cell.base_mean for cell in cells) / len(cells), sum(cell.treat_mean for cell in cells) / len(cells),
        mean.delta, *_e1(mean.e1), *_e2(mean.e2), None, None, mean.adjusted_p, mean.mde80,
        sum(pair.lost for cell in cells for pair in cell.e0), sum(pair.gained for cell in cells for pair in cell.e0),
        mean.verdict, mean.verdict_basis, result.signature,
    )  # fmt: skip


def _e1(e1: E1 | None) -> tuple[Value, ...]:
    if e1 is None:
        return (None,) * 9
    sign, bootstrap = e1.signflip, e1.bootstrap
    low, high = (None, None) if bootstrap is None or bootstrap.ci is None else bootstrap.ci
    return (
        *e1.ci, e1.p, e1.binding, sign.p if sign else None, sign.floor if sign else None,
        bootstrap.method if bootstrap else None, low, high,
    )  # fmt: skip


def _e2(e2: E2 | None) -> tuple[Value, ...]:
    return (None, None, None) if e2 is None else (*e2.ci, e2.p)


def _safe(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
