"""Two results of one family, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.gate.change import Change, cell_changes, matched, mean_change, paired
from talan_eval.gate.wording import diverged_text
from talan_eval.report import format as fmt
from talan_eval.report.table import Column, Table
from talan_eval.result.estimates import diverged
from talan_eval.result.schema import SPARSE_SEEDS
from talan_eval.stats.guard import guarded
from talan_eval.store.canonical import first_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import Contrast, Pairing, Result


def difference_tables(new: Result, old: Result, contrasts: Sequence[Contrast] = ()) -> tuple[Table, ...]:
    """Build the table of old gain, new gain and change, for each cell and the mean, of each contrast.

    Args:
        new: The newer result.
        old: The older one.
        contrasts: Those of the newer result that are looked at; all of them when empty.

    Raises:
        UserError: The results are of different families.
    """
    pairs = matched(new, old, tuple(contrasts) or new.contrasts, every=not contrasts)
    return tuple(_table(new, one, was) for one, was in pairs)


def _table(result: Result, new: Contrast, old: Contrast) -> Table:
    alpha = result.settings.alpha
    level = fmt.percent(1 - alpha)
    columns = (
        Column(("benchmark",), "benchmark", "left"),
        Column(("old", "delta"), "old delta", rank=1),
        Column(("new", "delta"), "new delta", rank=1),
        Column(("change",), "change"),
        Column((f"E1 {level} CI",), f"E1 {level} CI"),
        Column(("p",), "p", rank=1),
        Column(("reading",), "reading", "left"),
    )
    rows = tuple(_row(change, result) for change in (*cell_changes(result, new, old), mean_change(new, old)))
    return Table(
        f"Change of the gain of {new.treatment} over {new.base}, {result.measure.unit}", columns, rows, summary=True
    )


def sentences(new: Result, old: Result, contrasts: Sequence[Contrast] = ()) -> tuple[str, ...]:
    """Return what else differs between the results, and how the changes were computed."""
    pairs = matched(new, old, tuple(contrasts) or new.contrasts, every=not contrasts)
    said = [_how([paired(one, was) for one, was in pairs], pairs[0][0].pairing)]
    said += [
        f"{one.name}: trainings diverged, now {diverged_text(new, one)}." for one, _ in pairs if diverged(new, one)
    ]
    if new.signature != old.signature:
        theirs, ours = (dict(part.partition(":")[::2] for part in one.signature.split("|")) for one in (old, new))
        changed = [key for key in dict.fromkeys((*theirs, *ours)) if theirs.get(key) != ours.get(key)]
        listed = "; ".join(f"{key} {theirs.get(key, 'absent')} and {ours.get(key, 'absent')}" for key in changed)
        said.append(f"The signatures differ: {listed}.")
    found = first_difference(old.provenance.get("experiment"), new.provenance.get("experiment"))
    if found is not None:
        said.append(f"The experiments differ, first in {found[0]}: {found[1]} and {found[2]}.")
    return tuple(said)


def _how(pairs: Sequence[bool], pairing: Pairing) -> str:
    rest = f"p and intervals are not adjusted for the number of {'benchmarks' if len(pairs) == 1 else 'tests'}."
    if all(pairs):
        return f"The gains were paired by training seed. {rest}"
    if any(pairs):
        return f"Gains were paired by training seed where both results have the same seeds. {rest}"
    why = "the seeds of their arms are independent" if pairing == "independent" else "their seeds differ"
    return f"The gains were taken as independent samples, because {why}. {rest}"


def _row(change: Change, result: Result) -> tuple[str, ...]:
    estimate, alpha, unit = change.estimate, result.settings.alpha, result.measure.unit
    name = "mean (primary)" if change.name == "mean" else change.name
    gains = fmt.change(change.old, unit), fmt.change(change.new, unit)
    if change.identical:
        return name, *gains, "0.00", fmt.MISSING, fmt.MISSING, "identical"
    if estimate is None or estimate.n_seeds < SPARSE_SEEDS:
        return name, *gains, *(fmt.MISSING,) * 3, "not estimable"
    found = guarded(estimate.delta, estimate.terms, alpha)
    return (
        name,
        *gains,
        fmt.change(100 * estimate.delta, unit),
        fmt.interval((100 * found.ci.lo, 100 * found.ci.hi)),
        fmt.p_value(found.p, alpha),
        _reading(estimate.delta, found.p, result),
    )


def _reading(delta: float, p: float, result: Result) -> str:
    if p >= result.settings.alpha:
        return "no change shown"
    return "larger gain" if (delta > 0) == result.measure.higher_is_better else "smaller gain"
