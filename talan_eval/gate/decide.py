"""From a result to the gate's answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError
from talan_eval.gate.change import cell_changes, check_family, mean_change
from talan_eval.gate.complete import missing
from talan_eval.gate.model import Check, GateReport, GateSettings, Outcome, WorstFlip
from talan_eval.gate.wording import (
    cell_text,
    identical_text,
    inestimable_text,
    looked_text,
    mean_text,
    must_pass_text,
    selection_text,
    too_few_text,
)
from talan_eval.result.estimates import MEAN, Estimate, cell_estimates, mean_estimate, slice_estimates
from talan_eval.result.names import cell_names, slice_names
from talan_eval.result.schema import CELL_SEEDS, SPARSE_SEEDS
from talan_eval.stats.multiplicity import holm
from talan_eval.stats.noninferiority import gate_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.model import Kind, MustPassItem
    from talan_eval.result.schema import Result
    from talan_eval.stats.noninferiority import GateNumbers

__all__ = ["Check", "GateReport", "GateSettings", "Outcome", "decide"]

_PERCENT: Final = 100.0
_SHOWN_FLIPS: Final = 10
_REPEATED: Final = 2  # an item lost once is noise, unless there is one seed only


@dataclass(frozen=True)
class _Candidate:
    """A benchmark or slice to check: no estimate when it has none, or when nothing changed."""

    kind: Kind
    name: str
    estimate: Estimate | None
    identical: bool = False


def decide(
    result: Result,
    settings: GateSettings,
    *,
    baseline: Result | None = None,
    must_pass: Sequence[MustPassItem] = (),
) -> GateReport:
    """Gate a result.

    Without a baseline the question is whether the treat arm is worse than the base arm. With one it is whether the
    treat arm's gain over the base arm is smaller than it was in the baseline.

    Args:
        result: The result to gate.
        settings: The declared gate.
        baseline: A result of the same family.
        must_pass: Items that must be right at every seed, with what came out.

    Returns:
        The report. Incomplete results are INCOMPLETE whatever the rest shows; otherwise one deciding FAIL is enough to
        fail, and one deciding INCONCLUSIVE to be inconclusive.

    Raises:
        UserError: The baseline is of another family.
    """
    if baseline is not None:
        check_family(result, baseline)
    if settings.per_slice and not result.slices:
        raise UserError(
            "The result has no slices, so --per-slice has nothing to gate.",
            "Leave --per-slice out, or compare again with slices.",
        )
    gaps = [
        Check("completeness", gap.split(":", 1)[0], Outcome.INCOMPLETE, decides=True, text=gap)
        for gap in missing(result, baseline)
    ]
    checks = (
        *gaps,
        _mean_check(result, baseline, settings),
        *(_must_pass_check(item) for item in must_pass),
        *_cell_checks(result, baseline, settings),
    )
    return GateReport(
        outcome=_overall(checks),
        subject=_subject(result, baseline),
        settings=settings,
        checks=tuple(sorted(checks, key=lambda check: not check.decides)),
        worst_flips=worst_flips(result),
        signature=result.signature,
        family=result.primary.family_hash,
    )


def worst_flips(result: Result) -> tuple[WorstFlip, ...]:
    """Return the items that the treat arm loses most systematically, at most ten."""
    flips = [
        WorstFlip(name, flip.item_id, flip.lost, flip.gained, cell.n_seeds, flip.adjusted_p)
        for cell, name in zip(result.cells, cell_names(result), strict=True)
        if cell.items is not None
        for flip in cell.items.flips
        if flip.lost > flip.gained and flip.lost >= min(_REPEATED, cell.n_seeds)
    ]
    flips.sort(key=lambda flip: (flip.adjusted_p, flip.gained - flip.lost, flip.benchmark, flip.item_id))
    return tuple(flips[:_SHOWN_FLIPS])


def not_worse(result: Result, margin: float, alpha: float) -> tuple[bool, tuple[bool, ...]]:
    """Say of the mean, and of each cell with Holm over the cells, whether a loss beyond the margin is excluded."""
    mean = mean_estimate(result)
    tried = result.settings.variants_tried
    of_mean = mean is not None and mean.n_seeds >= SPARSE_SEEDS and _numbers(mean, margin, alpha).p_pass * tried < alpha
    cells = cell_estimates(result)
    raw = [1.0 if cell is None or cell.n_seeds < CELL_SEEDS else _numbers(cell, margin, alpha).p_pass for cell in cells]
    return of_mean, tuple(bool(p * tried < alpha) for p in holm(np.array(raw)))


def _numbers(estimate: Estimate, margin: float, alpha: float) -> GateNumbers:
    return gate_numbers(estimate.delta, estimate.terms, estimate.n_seeds, margin / _PERCENT, alpha=alpha)


def _subject(result: Result, baseline: Result | None) -> str:
    if baseline is None:
        return f"{result.treat} against {result.base}"
    return f"the gain of {result.treat} over {result.base} against that of the baseline"


def _mean_check(result: Result, baseline: Result | None, settings: GateSettings) -> Check:
    change = None if baseline is None else mean_change(result, baseline)
    estimate = mean_estimate(result) if change is None else change.estimate
    if change is not None and change.identical:
        return Check("mean", MEAN, Outcome.PASS, decides=True, text=identical_text(), delta=0.0, lower=0.0, upper=0.0)
    if estimate is None:
        return Check("mean", MEAN, Outcome.INCONCLUSIVE, decides=True, text=inestimable_text(MEAN))
    delta = _PERCENT * estimate.delta
    if estimate.n_seeds < SPARSE_SEEDS:
        text = too_few_text(MEAN, delta, estimate.n_seeds, SPARSE_SEEDS)
        return Check("mean", MEAN, Outcome.INCONCLUSIVE, decides=True, text=text, delta=delta)
    found = gate_numbers(
        estimate.delta,
        estimate.terms,
        estimate.n_seeds,
        settings.margin / _PERCENT,
        fail_below=settings.fail_below / _PERCENT,
        alpha=settings.alpha,
    )
    # the variant that scored best of several looks better than it is, so excluding a loss takes a stricter bound
    tried = result.settings.variants_tried
    strict = gate_numbers(
        estimate.delta,
        estimate.terms,
        estimate.n_seeds,
        settings.margin / _PERCENT,
        fail_below=settings.fail_below / _PERCENT,
        alpha=settings.alpha / tried,
    )
    outcome = Outcome(found.outcome.value)
    if outcome is Outcome.PASS:
        outcome = Outcome(strict.outcome.value)
    looked_before = baseline is None and not _holds_at_every_look(outcome, result, settings)
    outcome = Outcome.INCONCLUSIVE if looked_before else outcome
    check = Check(
        "mean", MEAN, outcome, decides=True, text="", delta=delta, lower=_PERCENT * strict.bounds.lower,
        upper=_PERCENT * found.bounds.upper, p_fail=found.p_fail, seeds_to_decide=strict.seeds_to_decide,
    )  # fmt: skip
    if looked_before:
        return replace(check, text=looked_text(MEAN, delta), seeds_to_decide=None)
    text = mean_text(check, settings, have=estimate.n_seeds, change=baseline is not None)
    return replace(check, text=text + selection_text(settings, tried))


def _holds_at_every_look(outcome: Outcome, result: Result, settings: GateSettings) -> bool:
    """Say whether an outcome stands although seeds were added after a look: by the confidence sequence."""
    anytime = result.aggregate.anytime
    if anytime is None or outcome is Outcome.INCONCLUSIVE:
        return True
    if anytime.ci is None:
        return False
    return anytime.ci[0] > -settings.margin if outcome is Outcome.PASS else anytime.ci[1] < settings.fail_below


def _cell_checks(result: Result, baseline: Result | None, settings: GateSettings) -> tuple[Check, ...]:
    """Check benchmarks, and slices where asked, for a loss that was shown; Holm over all of them."""
    candidates = [
        *_benchmarks(result, baseline),
        *(_slices(result) if settings.per_slice and baseline is None else ()),
    ]
    fail_below = settings.fail_below / _PERCENT
    numbers = [
        None
        if entry.estimate is None or entry.identical
        else gate_numbers(
            entry.estimate.delta, entry.estimate.terms, entry.estimate.n_seeds, settings.margin / _PERCENT,
            fail_below=fail_below, alpha=settings.alpha,
        )
        for entry in candidates
    ]  # fmt: skip
    testable = [
        one is not None and entry.estimate is not None and entry.estimate.n_seeds >= CELL_SEEDS
        for entry, one in zip(candidates, numbers, strict=True)
    ]
    adjusted = holm(np.array([one.p_fail if one and ok else 1.0 for one, ok in zip(numbers, testable, strict=True)]))
    return tuple(
        _cell_check(entry, one, float(p) if ok else None, settings)
        for entry, one, p, ok in zip(candidates, numbers, adjusted, testable, strict=True)
    )


def _cell_check(entry: _Candidate, found: GateNumbers | None, p: float | None, settings: GateSettings) -> Check:
    kind = entry.kind
    decides = settings.per_slice if kind == "slice" else settings.per_cell
    if entry.identical:
        return Check(kind, entry.name, Outcome.PASS, decides=decides, text=identical_text(), delta=0.0)
    if found is None or entry.estimate is None:
        return Check(kind, entry.name, Outcome.INCONCLUSIVE, decides=False, text=inestimable_text(entry.name))
    delta = _PERCENT * entry.estimate.delta
    if p is None:
        text = too_few_text(entry.name, delta, entry.estimate.n_seeds, CELL_SEEDS)
        return Check(kind, entry.name, Outcome.INCONCLUSIVE, decides=False, text=text, delta=delta)
    # that a loss on one benchmark cannot be excluded does not stop the gate: its power is for the mean
    outcome = Outcome.FAIL if p < settings.alpha else Outcome.PASS
    check = Check(
        kind, entry.name, outcome, decides=decides, text="", delta=delta, lower=_PERCENT * found.bounds.lower,
        upper=_PERCENT * found.bounds.upper, p_fail=p,
    )  # fmt: skip
    return replace(check, text=cell_text(check, settings))


def _benchmarks(result: Result, baseline: Result | None) -> tuple[_Candidate, ...]:
    if baseline is not None:
        changes = cell_changes(result, baseline)
        return tuple(_Candidate("benchmark", one.name, one.estimate, one.identical) for one in changes)
    pairs = zip(cell_names(result), cell_estimates(result), strict=True)
    return tuple(_Candidate("benchmark", name, estimate) for name, estimate in pairs)


def _slices(result: Result) -> tuple[_Candidate, ...]:
    pairs = zip(slice_names(result), slice_estimates(result), strict=True)
    return tuple(_Candidate("slice", name, estimate) for name, estimate in pairs)


def _must_pass_check(item: MustPassItem) -> Check:
    outcome = Outcome.FAIL if item.failed else Outcome.PASS if item.seeds else Outcome.INCOMPLETE
    return Check("must pass", f"{item.benchmark} {item.item_id}", outcome, decides=True, text=must_pass_text(item))


def _overall(checks: Sequence[Check]) -> Outcome:
    found = {check.outcome for check in checks if check.decides}
    for outcome in (Outcome.INCOMPLETE, Outcome.FAIL, Outcome.INCONCLUSIVE):
        if outcome in found:
            return outcome
    return Outcome.PASS
