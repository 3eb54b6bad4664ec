"""From a result to the gate's answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.gate.cells import cell_checks
from talan_eval.gate.change import check_measure
from talan_eval.gate.complete import missing, missing_confirmation, missing_contrasts
from talan_eval.gate.facts import Check, CheckOutcome, GateReport, GateSettings, WorstFlip
from talan_eval.gate.gated import gated_contrasts, question, subject
from talan_eval.gate.means import mean_checks
from talan_eval.gate.wording import must_pass_name, must_pass_text
from talan_eval.result.labels import cell_names
from talan_eval.result.restated import upright

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import MustPassItem
    from talan_eval.gate.gated import Gated
    from talan_eval.result.schema import Contrast, Result

__all__ = ["Check", "CheckOutcome", "GateReport", "GateSettings", "decide"]

_SHOWN_FLIPS: Final = 10
_REPEATED: Final = 2  # an item lost once is noise, unless there is one seed only


def decide(
    result: Result,
    settings: GateSettings,
    *,
    contrasts: Sequence[Contrast] = (),
    baseline: Result | None = None,
    must_pass: Sequence[MustPassItem] = (),
) -> GateReport:
    """Gate a result.

    Without a baseline the question is whether the arm under test is worse than the base arm. With one it is whether
    its gain over the base arm is smaller than it was in the baseline. Several contrasts pass only if each of them does
    (an intersection-union test, which needs no adjustment); that one of them lost is judged after Holm over them.

    Args:
        result: The result to gate.
        settings: The declared gate.
        contrasts: Those of its contrasts that are gated; all of them when empty.
        baseline: A result of the same family.
        must_pass: Items that must be right at every seed, with what came out.

    Returns:
        The report. Incomplete results are INCOMPLETE whatever the rest shows; otherwise one deciding FAIL is enough to
        fail, and one deciding INCONCLUSIVE to be inconclusive. Where a training of either arm diverged there is no
        PASS: the scores say nothing of that training; nor where a seed stands apart from the others.

    Raises:
        UserError: The baseline is of another family, or there are no slices to gate.
    """
    named = {(one.base, one.treatment) for one in contrasts or result.contrasts}
    settings = replace(settings, unit=result.measure.unit, less_is_better=not result.measure.higher_is_better)
    if baseline is not None:
        check_measure(result, baseline)
    result = upright(result)
    baseline = None if baseline is None else upright(baseline)
    chosen = tuple(one for one in result.contrasts if (one.base, one.treatment) in named)
    of = question(chosen, settings.estimand, against=baseline is not None)
    gated = gated_contrasts(result, chosen, baseline, of)
    if settings.per_slice and not any(one.contrast.slices for one in gated):
        raise UserError(
            "The result has no slices, so --per-slice has nothing to gate.",
            "Leave --per-slice out, or compare again with slices.",
        )
    arms = {one.contrast.treatment for one in gated}
    checks = (
        *_gaps(result, gated, settings.least_share, every=not contrasts),
        *mean_checks(gated, settings),
        *(_must_pass_check(item) for item in must_pass if item.arm in {"", *arms}),
        *cell_checks(gated, settings),
    )
    return GateReport(
        outcome=_overall(checks),
        subject=subject([one.contrast for one in gated], against=baseline is not None),
        settings=settings,
        checks=tuple(sorted(checks, key=lambda check: not check.decides)),
        worst_flips=_worst_flips(gated),
        signature=result.signature,
        family=result.primary.family_hash,
        estimand=of,
    )


def _gaps(result: Result, gated: Sequence[Gated], least: float, *, every: bool) -> tuple[Check, ...]:
    whole = [(gap.name, gap) for gap in (*missing_confirmation(result), *missing_contrasts(result))] if every else []
    parts = [(one.label(gap.name), gap) for one in gated for gap in missing(result, one.contrast, one.baseline, least)]
    return tuple(
        Check("completeness", name, CheckOutcome.INCOMPLETE, decides=True, text=f"{name}: {gap.text}")
        for name, gap in (*whole, *parts)
    )


def _worst_flips(gated: Sequence[Gated]) -> tuple[WorstFlip, ...]:
    """Return the items that arms under test lose most systematically, at most ten."""
    flips = [
        WorstFlip(one.label(name), flip.item_id, flip.lost, flip.gained, cell.n_seeds, flip.adjusted_p)
        for one in gated
        for cell, name in zip(one.contrast.cells, cell_names(one.result, one.contrast), strict=True)
        if cell.items is not None
        for flip in cell.items.flips
        if flip.lost > flip.gained and flip.lost >= min(_REPEATED, cell.n_seeds)
    ]
    flips.sort(key=lambda flip: (flip.adjusted_p, flip.gained - flip.lost, flip.benchmark, flip.item_id))
    return tuple(flips[:_SHOWN_FLIPS])


def _must_pass_check(item: MustPassItem) -> Check:
    outcome = CheckOutcome.FAIL if item.failed else CheckOutcome.PASS if item.seeds else CheckOutcome.INCOMPLETE
    return Check("must pass", must_pass_name(item), outcome, decides=True, text=must_pass_text(item))


def _overall(checks: Sequence[Check]) -> CheckOutcome:
    found = {check.outcome for check in checks if check.decides}
    for outcome in (CheckOutcome.INCOMPLETE, CheckOutcome.FAIL, CheckOutcome.INCONCLUSIVE):
        if outcome in found:
            return outcome
    return CheckOutcome.PASS
