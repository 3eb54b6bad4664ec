"""The gate on the mean of each contrast: the checks that always decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.gate.change import mean_change
from talan_eval.gate.facts import Check, CheckOutcome
from talan_eval.gate.gated import PERCENT, judged_from, numbers_of, shown_bound
from talan_eval.gate.wording import (
    difference_text,
    diverged_text,
    holm_text,
    identical_text,
    inestimable_text,
    looked_text,
    mean_text,
    outlying_text,
    selection_text,
    too_few_text,
    withheld_text,
)
from talan_eval.result.estimates import MEAN, mean_estimate
from talan_eval.result.schema import SPARSE_SEEDS
from talan_eval.stats.contrast_family import holm_levels
from talan_eval.stats.multiplicity import holm
from talan_eval.stats.noninferiority import GateOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings
    from talan_eval.gate.gated import Gated
    from talan_eval.result.estimates import Estimate
    from talan_eval.stats.noninferiority import GateNumbers


@dataclass(frozen=True)
class _Mean:
    """The mean of a gated contrast, or its change, with the numbers of its gate; None where too few seeds give none."""

    of: Gated
    estimate: Estimate | None
    identical: bool
    found: GateNumbers | None


def mean_checks(gated: Sequence[Gated], settings: GateSettings) -> tuple[Check, ...]:
    """Check the mean of each contrast; losses are judged after Holm over the contrasts."""
    means = [_mean(one, settings) for one in gated]
    raw = np.array([1.0 if mean.found is None else mean.found.p_fail for mean in means])
    columns = zip(means, holm(raw), holm_levels(raw, settings.alpha), strict=True)
    return tuple(_mean_check(mean, float(p), float(level), settings) for mean, p, level in columns)


def _mean(one: Gated, settings: GateSettings) -> _Mean:
    change = None if one.baseline is None else mean_change(one.contrast, one.baseline)
    estimate = mean_estimate(one.contrast, one.of) if change is None else change.estimate
    identical = change is not None and change.identical
    testable = estimate is not None and judged_from(estimate, SPARSE_SEEDS) and not identical
    found = numbers_of(estimate, settings, settings.alpha) if estimate is not None and testable else None
    return _Mean(one, estimate, identical, found)


def _mean_check(mean: _Mean, p: float, level: float, settings: GateSettings) -> Check:
    """Check one mean; ``p`` is that of a loss, adjusted over the contrasts, and ``level`` what Holm held it to."""
    one, estimate, found = mean.of, mean.estimate, mean.found
    name = one.label(MEAN)
    if mean.identical:
        text = identical_text()
        check = Check("mean", name, CheckOutcome.PASS, decides=True, text=text, delta=0.0, lower=0.0, upper=0.0)
        return _without_pass(_told(check, one), one)
    if estimate is None:
        text = inestimable_text(name, one.of, max(cell.n_seeds for cell in one.contrast.cells))
        return _without_pass(Check("mean", name, CheckOutcome.INCONCLUSIVE, decides=True, text=text), one)
    delta = PERCENT * estimate.delta
    if found is None:
        text = too_few_text(name, difference_text(delta, settings), estimate.n_seeds, SPARSE_SEEDS)
        return _without_pass(Check("mean", name, CheckOutcome.INCONCLUSIVE, decides=True, text=text, delta=delta), one)
    # the variant that scored best of several looks better than it is, so excluding a loss takes a stricter bound
    tried = one.result.settings.variants_tried
    strict = numbers_of(estimate, settings, settings.alpha / tried)
    upper = estimate.evidence.bounds(level).upper
    outcome = _outcome(strict.bounds.lower, p, settings)
    planned = strict.seeds_to_decide
    if found.outcome is GateOutcome.FAIL and outcome is CheckOutcome.INCONCLUSIVE:
        # a loss that is none after Holm: planned as if all were tested so
        planned = numbers_of(estimate, settings, settings.alpha / one.among).seeds_to_decide
    looked_before = one.baseline is None and one.of == "E1" and not _holds_at_every_look(outcome, one, settings)
    outcome = CheckOutcome.INCONCLUSIVE if looked_before else outcome
    check = Check(
        "mean", name, outcome, decides=True, text="", delta=delta,
        lower=shown_bound(strict.bounds.lower, estimate, settings), upper=shown_bound(upper, estimate, settings),
        p_fail=p, seeds_to_decide=planned,
    )  # fmt: skip
    if looked_before:
        return _without_pass(
            replace(check, text=looked_text(name, difference_text(delta, settings)), seeds_to_decide=None), one
        )
    text = mean_text(check, settings, have=estimate, change=one.baseline is not None)
    adjusted = holm_text(p, settings, one.among)
    told = _told(replace(check, text=text + adjusted + selection_text(settings, tried)), one)
    return _without_pass(_without_outlier(told, estimate, level, settings, tried), one)


def _outcome(lower: float, p: float, settings: GateSettings) -> CheckOutcome:
    """Decide: a loss that was shown after adjustment, else whether one beyond the margin is excluded."""
    if p < settings.alpha:
        return CheckOutcome.FAIL
    return CheckOutcome.PASS if lower > -settings.margin / PERCENT else CheckOutcome.INCONCLUSIVE


def _without_outlier(check: Check, estimate: Estimate, level: float, settings: GateSettings, tried: int) -> Check:
    """Withhold a PASS where a seed stands apart, and show the answer without it beside the one with it."""
    apart = estimate.outlying
    if apart is None:
        return check
    rest = estimate.without(apart.place)
    lower = rest.evidence.bounds(settings.alpha / tried).lower
    upper = rest.evidence.bounds(level).upper
    outcome = CheckOutcome.INCONCLUSIVE if check.outcome is CheckOutcome.PASS else check.outcome
    said = outlying_text(
        apart,
        (estimate.seeds[apart.place], PERCENT * estimate.per_seed[apart.place]),
        (PERCENT * rest.delta, shown_bound(lower, rest, settings), shown_bound(upper, rest, settings)),
        settings,
        passed=check.outcome is CheckOutcome.PASS,
    )
    return replace(check, outcome=outcome, text=f"{check.text} {said}")


def _told(check: Check, one: Gated) -> Check:
    """Begin the sentence with the contrast where there are several."""
    return check if one.among == 1 else replace(check, text=f"{one.contrast.name}: {check.text}")


def _without_pass(check: Check, one: Gated) -> Check:
    """Withhold a PASS where trainings diverged, and name them beside whatever the other pairs show."""
    if not one.diverged:
        return check
    outcome = CheckOutcome.INCONCLUSIVE if check.outcome is CheckOutcome.PASS else check.outcome
    held = withheld_text(diverged_text(one.result, one.contrast), passed=check.outcome is CheckOutcome.PASS)
    return replace(check, outcome=outcome, text=f"{check.text} {held}")


def _holds_at_every_look(outcome: CheckOutcome, one: Gated, settings: GateSettings) -> bool:
    """Say whether an outcome stands although seeds were added after a look: by the confidence sequence."""
    anytime = one.contrast.aggregate.anytime
    if anytime is None or outcome is CheckOutcome.INCONCLUSIVE:
        return True
    if anytime.ci is None:
        return False
    return anytime.ci[0] > -settings.margin if outcome is CheckOutcome.PASS else anytime.ci[1] < settings.fail_below
