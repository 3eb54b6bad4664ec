"""Many arms at a glance: the contrasts by benchmarks, and the arms with their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.columns import CellLine, adjusted_p, cell_lines, too_few, verdict
from talan_eval.report.own_recipes import titled
from talan_eval.report.table import ColumnOf, Table, tabulate
from talan_eval.result.labels import backbones

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.report.view import View
    from talan_eval.result.schema import E1, ArmRecord, Result, TaskScore


@dataclass(frozen=True)
class _Row:
    """A contrast with its cells by name; the mean of all under "mean"."""

    name: str
    found: Mapping[str, CellLine]


def half_width(e1: E1 | None) -> float | None:
    """Return the half-width of the E1 interval, points."""
    return None if e1 is None else (e1.ci[1] - e1.ci[0]) / 2


def matrix_table(views: Sequence[View]) -> Table:
    """Build the matrix: a row per contrast, the mean, and a column per benchmark and backbone.

    In each cell stand difference and half-width of the E1 interval, adjusted p, and verdict. No rows with one contrast.
    """
    result = views[0].result
    level = fmt.percent(1 - result.settings.alpha)
    title = (
        f"Differences in {result.measure.unit} with the half-width of the E1 {level} interval, adjusted p, and verdict"
    )
    title = titled(title, result, (arm.name for arm in result.arms))
    names = tuple(dict.fromkeys(name for view in views for name in view.cell_names))
    columns: tuple[ColumnOf[_Row], ...] = (
        ColumnOf(("contrast",), "contrast", "left", value=lambda row: row.name),
        _effect_column("mean" if len(names) > 1 else names[0], ""),  # of one benchmark the mean says all
        *(_effect_column(name, name) for name in names if len(names) > 1),
    )
    rows = [_row(view) for view in views] if len(views) > 1 else []
    return tabulate(title, columns, rows, alpha=result.settings.alpha)


def _row(view: View) -> _Row:
    *cells, mean = cell_lines(view)
    name = view.contrast.name + (" (primary)" if view.primary else "")
    return _Row(name, dict(zip((*view.cell_names, ""), (*cells, mean), strict=True)))


def _effect_column(title: str, name: str) -> ColumnOf[_Row]:
    return ColumnOf((title,), title, kind="effect", value=lambda row: _effect(row.found.get(name)))


def _effect(line: CellLine | None) -> fmt.Effect | None:
    if line is None:
        return None
    half = None if too_few(line) else half_width(line.found.e1)
    return fmt.Effect(line.found.delta, half, adjusted_p(line), verdict(line))


def arm_table(result: Result) -> Table:
    """Build the table of the arms on each backbone: seeds, diverged trainings, and mean scores by benchmark."""
    return _arm_table(result, result.arms, "Arms")


def confirmation_table(result: Result) -> Table:
    """Build the same table of the best arm and its base on the seeds that confirm it; no rows without confirmation."""
    chosen = result.selection
    fresh = () if chosen is None else chosen.arms
    what = "Confirmation" if chosen is None or not chosen.held_out_items else "Confirmation, held-out items alone"
    return _arm_table(result, fresh, what)


def _arm_table(result: Result, arms: Sequence[ArmRecord], what: str) -> Table:
    tasks = tuple(dict.fromkeys(score.task for arm in arms for score in arm.scores))
    columns: tuple[ColumnOf[ArmRecord], ...] = (
        ColumnOf(("arm",), "arm", "left", value=lambda arm: arm.name),
        ColumnOf(("backbone",), "backbone", "left", value=lambda arm: arm.backbone),
        ColumnOf(("kind",), "kind", "left", rank=3, value=lambda arm: arm.kind),
        ColumnOf(("seeds",), "seeds", rank=1, kind="count", value=lambda arm: len(arm.seeds)),
        ColumnOf(("diverged",), "diverged", kind="share", optional=True, value=_diverged),
        ColumnOf(
            ("share that", "diverges"), "share that diverges", rank=2, kind="percents", optional=True,
            value=lambda arm: arm.divergence_ci,
        ),
        ColumnOf(
            ("trained", "parameters"), "trained parameters", rank=4, kind="count", optional=True,
            value=lambda arm: arm.trained_parameters,
        ),
        *(_score_column(task) for task in tasks),
        *(_unparsed_column(task) for task in tasks),
    )  # fmt: skip
    title = f"{what} on {', '.join(backbones(result))}: mean scores over seeds, in {result.measure.unit}"
    return tabulate(titled(title, result, (arm.name for arm in arms)), columns, arms)


def says_more(result: Result) -> bool:
    """Return whether the table of arms says what the main table of the one contrast does not."""
    return len(result.contrasts) > 1 or any(arm.diverged for arm in result.arms)


def _score(arm: ArmRecord, task: str) -> TaskScore | None:
    return next((score for score in arm.scores if score.task == task), None)


def _score_column(task: str) -> ColumnOf[ArmRecord]:
    def value(arm: ArmRecord) -> float | None:
        score = _score(arm, task)
        return None if score is None else score.mean

    return ColumnOf((task,), task, kind="score", value=value)


def _unparsed_column(task: str) -> ColumnOf[ArmRecord]:
    def value(arm: ArmRecord) -> float | None:
        score = _score(arm, task)
        return None if score is None else score.unparsed

    return ColumnOf(
        ("unparsed", task), f"unparsed {task}", rank=5, kind="percent", optional=True, value=value
    )  # fmt: skip


def _diverged(arm: ArmRecord) -> fmt.Fraction | None:
    if not arm.diverged:
        return None
    return fmt.Fraction(len(arm.diverged), len(arm.diverged) + len(arm.seeds))
