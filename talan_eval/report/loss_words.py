"""The held-out loss of a contrast: a table in small units, and what it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.columns import cell_columns, shown_lines
from talan_eval.report.table import tabulate
from talan_eval.report.view import View
from talan_eval.result.labels import backbones
from talan_eval.result.loss import of_loss
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from talan_eval.report.table import Table
    from talan_eval.result.schema import Result

_ONLY_OF_SCORES: Final = frozenset({"flips lost/gained"})


def loss_view(view: View, *, exact: bool = False) -> View | None:
    """Return the held-out loss of a contrast; None where it was not measured in both arms.

    Args:
        view: The contrast.
        exact: Whether it stays in nats, also where people are shown thousandths.
    """
    result = of_loss(view.result)
    names = [] if result is None else [(one.base, one.treatment) for one in result.contrasts]
    if result is None or (view.base, view.treatment) not in names:
        return None
    return View(result if exact else readable(result), names.index((view.base, view.treatment)), secondary=True)


def loss_table(view: View) -> Table:
    """Build the table of the held-out loss, with the columns of the main table; no rows where none was measured."""
    found = loss_view(view)
    level = fmt.percent(1 - view.alpha)
    unit = view.unit if found is None else found.unit
    title = f"Held-out loss, {unit} per token of the reference solutions, less is better"
    columns = [one for one in cell_columns(level, unit) if one.name not in _ONLY_OF_SCORES]
    lines = () if found is None else shown_lines(found)
    return tabulate(view.titled(title), columns, lines, alpha=view.alpha, summary=len(lines) > 1)


def loss_sentence(view: View) -> str:
    """Say what the loss is not, and each arm's bits per byte; empty where none was measured."""
    if loss_view(view, exact=True) is None:
        return ""
    return (
        "A secondary family, adjusted by itself. A likelihood of reference solutions is no rate of right answers. "
        f"Bits per byte of the solutions: {'; '.join(_bits(view.result, view.base, view.treatment))}."
    )


def _bits(result: Result, *arms: str) -> list[str]:
    several = len(backbones(result)) > 1
    found = []
    for arm in result.arms:
        known = [] if arm.loss is None else [one.bits_per_byte for one in arm.loss if one.bits_per_byte is not None]
        if arm.name in arms and known:
            where = f" on {arm.backbone}" if several else ""
            found.append(f"{arm.name}{where} {sum(known) / len(known):.4f}")
    return found
