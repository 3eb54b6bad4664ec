"""The table that papers print, backbones by benchmarks, and how many cells gained against chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.overview import half_width
from talan_eval.report.own_recipes import titled
from talan_eval.report.table import ColumnOf, Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from talan_eval.report.view import View
    from talan_eval.result.schema import PositiveCells


@dataclass(frozen=True)
class _BackboneRow:
    """One backbone, or the mean over all.

    Attributes:
        name: What it is called.
        gains: By benchmark.
        mean: Over its benchmarks.
        positive: How many of its cells gained.
    """

    name: str
    gains: Mapping[str, fmt.Spread]
    mean: fmt.Spread
    positive: PositiveCells | None


def cross_table(view: View) -> Table:
    """Build the table of backbones by benchmarks with the mean gain of each backbone and of all."""
    tasks = tuple(dict.fromkeys(cell.task for cell in view.cells))
    columns: tuple[ColumnOf[_BackboneRow], ...] = (
        ColumnOf(("backbone",), "backbone", "left", value=lambda row: row.name),
        *(_task_column(task) for task in tasks),
        ColumnOf(("mean gain",), "mean gain", kind="spread", value=lambda row: row.mean),
        ColumnOf(("positive",), "positive", kind="share", value=_positive),
        ColumnOf(
            ("p by chance",),
            "p by chance",
            kind="p",
            value=lambda row: None if row.positive is None else row.positive.p,
        ),
        ColumnOf(("G1",), "G1", "left", value=_g1),
    )
    rows = _backbone_rows(view)
    if len(rows) == 1:
        return tabulate(_title(view), columns, rows)
    return tabulate(_title(view), columns, [*rows, _mean_row(view, tasks)], summary=True)


def chance_sentence(view: View) -> str:
    """Return what "positive on k of n" is worth; empty where that was not counted."""
    count = view.mean.positive
    if count is None:
        return ""
    said = f"Positive on {count.positive} of {count.n_cells} cells"
    if count.p is None or count.all_positive is None or count.median is None:
        why = "independent seeds" if view.contrast.pairing == "independent" else "so many seeds"
        return f"{said}; the null distribution is not enumerated for {why}."
    return (
        f"{said}. If nothing but chance were at work, {count.median} would be typical, at least {count.positive} would "
        f"occur with probability {fmt.p_value(count.p)} and all {count.n_cells} with {fmt.p_value(count.all_positive)} "
        "(signs of the seeds flipped jointly over the benchmarks of a backbone). G1 (no cell lost, one gained) is a "
        "count of signs, no test."
    )


def _backbone_rows(view: View) -> list[_BackboneRow]:
    entries = view.mean.backbones
    rows = []
    for entry in entries:
        gains = {
            cell.task: fmt.Spread(cell.delta, half_width(cell.e1))
            for cell in view.cells
            if cell.backbone == entry.backbone
        }
        alone = len(entries) == 1
        e1, positive = (view.mean.e1, view.mean.positive) if alone else (entry.e1, entry.positive)
        rows.append(_BackboneRow(entry.backbone, gains, fmt.Spread(entry.delta, half_width(e1)), positive))
    return rows


def _mean_row(view: View, tasks: tuple[str, ...]) -> _BackboneRow:
    gains = {}
    for task in tasks:
        own = [cell.delta for cell in view.cells if cell.task == task]
        gains[task] = fmt.Spread(sum(own) / len(own), None)
    return _BackboneRow("mean", gains, fmt.Spread(view.mean.delta, half_width(view.mean.e1)), view.mean.positive)


def _task_column(task: str) -> ColumnOf[_BackboneRow]:
    return ColumnOf((task,), task, kind="spread", value=lambda row: row.gains.get(task))


def _positive(row: _BackboneRow) -> fmt.Fraction | None:
    return None if row.positive is None else fmt.Fraction(row.positive.positive, row.positive.n_cells)


def _g1(row: _BackboneRow) -> str | None:
    if row.positive is None:
        return None
    return "pass" if row.positive.g1 else "no"


def _title(view: View) -> str:
    level = fmt.percent(1 - view.alpha)
    title = f"Gain of {view.treatment} over {view.base} in {view.unit}, with the half-width of the E1 {level} interval"
    return titled(title, view.result, (view.base, view.treatment))
