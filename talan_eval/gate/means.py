"""The gate on the mean of each contrast: the checks that always decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.gate.change import mean_change
from talan_eval.gate.facts import Check, CheckOutcome
from talan_eval.gate.gated import PERCENT, numbers_of
from talan_eval.gate.wording import (
    diverged_text,
    holm_text,
    identical_text,
    inestimable_text,
    looked_text,
    mean_text,
    selection_text,
    too_few_text,
    withheld_text,
)
from talan_eval.result.estimates import MEAN, mean_estimate
from talan_eval.result.schema import SPARSE_SEEDS
from talan_eval.stats.multiplicity import holm
from talan_eval.stats.noninferiority import GateOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings
    from talan_eval.gate.gated import Gated
    from talan_eval.result.estimates import Estimate
    from talan_eval.result.schema import Contrast
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
    raw = [1.0 if mean.found is None else mean.found.p_fail for mean in means]
    adjusted = holm(np.array(raw)) if len(raw) > 1 else raw
    return tuple(_mean_check(mean, float(p), settings) for mean, p in zip(means, adjusted, strict=True))


def _mean(one: Gated, settings: GateSettings) -> _Mean:
    change = None if one.baseline is None else mean_change(one.contrast, one.baseline)
    estimate = mean_estimate(one.contrast) if change is None else change.estimate
    identical = change is not None and change.identical
    testable = estimate is not None and estimate.n_seeds >= SPARSE_SEEDS and not identical
    found = numbers_of(estimate, settings, settings.alpha) if estimate is not None and testable else None
    return _Mean(one, estimate, identical, found)


def _mean_check(mean: _Mean, p: float, settings: GateSettings) -> Check:
    """Check one mean; ``p`` is that of a loss, adjusted over the contrasts."""
    one, estimate, found = mean.of, mean.estimate, mean.found
    name = one.label(MEAN)
    if mean.identical:
        text = identical_text()
        check = Check("mean", name, CheckOutcome.PASS, decides=True, text=text, delta=0.0, lower=0.0, upper=0.0)
        return _without_pass(_told(check, one), one)
    if estimate is None:
        return _without_pass(
            Check("mean", name, CheckOutcome.INCONCLUSIVE, decides=True, text=inestimable_text(name)), one
        )
    delta = PERCENT * estimate.delta
    if found is None:
        text = too_few_text(name, delta, estimate.n_seeds, SPARSE_SEEDS)
        return _without_pass(Check("mean", name, CheckOutcome.INCONCLUSIVE, decides=True, text=text, delta=delta), one)
    # the variant that scored best of several looks better than it is, so excluding a loss takes a stricter bound
    tried = one.result.settings.variants_tried
    strict = numbers_of(estimate, settings, settings.alpha / tried)
    planned = strict.seeds_to_decide
    lost = found.outcome is GateOutcome.FAIL
    if lost and (one.among == 1 or p < settings.alpha):
        outcome = CheckOutcome.FAIL
    else:
        outcome = CheckOutcome.PASS if strict.bounds.lower > -settings.margin / PERCENT else CheckOutcome.INCONCLUSIVE
    if (
        lost and outcome is CheckOutcome.INCONCLUSIVE
    ):  # a loss that is none after Holm: planned as if all were tested so
        planned = numbers_of(estimate, settings, settings.alpha / one.among).seeds_to_decide
    looked_before = one.baseline is None and not _holds_at_every_look(outcome, one.contrast, settings)
    outcome = CheckOutcome.INCONCLUSIVE if looked_before else outcome
    check = Check(
        "mean", name, outcome, decides=True, text="", delta=delta, lower=PERCENT * strict.bounds.lower,
        upper=PERCENT * found.bounds.upper, p_fail=p, seeds_to_decide=planned,
    )  # fmt: skip
    if looked_before:
        return _without_pass(replace(check, text=looked_text(name, delta), seeds_to_decide=None), one)
    text = mean_text(check, settings, have=estimate.n_seeds, change=one.baseline is not None)
    adjusted = holm_text(p, settings, one.among)
    return _without_pass(_told(replace(check, text=text + adjusted + selection_text(settings, tried)), one), one)


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


def _holds_at_every_look(outcome: CheckOutcome, contrast: Contrast, settings: GateSettings) -> bool:
    """Say whether an outcome stands although seeds were added after a look: by the confidence sequence."""
    anytime = contrast.aggregate.anytime
    if anytime is None or outcome is CheckOutcome.INCONCLUSIVE:
        return True
    if anytime.ci is None:
        return False
    return anytime.ci[0] > -settings.margin if outcome is CheckOutcome.PASS else anytime.ci[1] < settings.fail_below
