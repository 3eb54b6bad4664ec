"""The gate on single benchmarks and slices: a loss that was shown on one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.gate.change import cell_changes
from talan_eval.gate.facts import Check, CheckOutcome
from talan_eval.gate.gated import PERCENT, judged_from, shown_bound
from talan_eval.gate.wording import cell_text, difference_text, identical_text, inestimable_text, too_few_text
from talan_eval.result.estimates import cell_estimates, slice_estimates
from talan_eval.result.labels import cell_names, slice_names
from talan_eval.result.schema import CELL_SEEDS, SPARSE_SEEDS
from talan_eval.stats.contrast_family import holm_levels
from talan_eval.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings, Kind
    from talan_eval.gate.gated import Gated
    from talan_eval.result.estimates import Estimate, Question


@dataclass(frozen=True)
class _Candidate:
    """A benchmark or slice to check: no estimate when it has none, or when nothing changed."""

    kind: Kind
    name: str
    of: Question
    estimate: Estimate | None
    identical: bool = False
    diverged: bool = False
    seeds: int = 1


def cell_checks(gated: Sequence[Gated], settings: GateSettings) -> tuple[Check, ...]:
    """Check benchmarks, and slices where asked, for a loss that was shown; Holm over those of all contrasts.

    A benchmark that did not fail is "no worse than" the margin where Holm over all of them excludes a larger loss, and
    otherwise all that is said is that no loss was shown. Bounds are at the levels at which Holm tested them, so that
    they agree with the words and with the p beside them.
    """
    candidates = [
        *(entry for one in gated for entry in _benchmarks(one)),
        *(entry for one in gated if settings.per_slice and one.baseline is None for entry in _slices(one)),
    ]
    least = SPARSE_SEEDS if len(candidates) == 1 else CELL_SEEDS
    known = [
        entry.estimate if entry.estimate is not None and judged_from(entry.estimate, least) else None
        for entry in candidates
        if not entry.identical
    ]
    tested = iter(_tested(known, settings, max(one.result.settings.variants_tried for one in gated)))
    return tuple(
        _identical(entry, settings) if entry.identical else _cell_check(entry, next(tested), settings, least)
        for entry in candidates
    )


@dataclass(frozen=True)
class _Tested:
    """Both one-sided tests of a candidate after Holm, and its bounds at the levels at which Holm tested them."""

    p_fail: float
    p_pass: float
    lower: float
    upper: float


def _tested(known: Sequence[Estimate | None], settings: GateSettings, tried: int) -> list[_Tested | None]:
    """Adjust the tests of all candidates; one that cannot be tested stays in the family with p = 1."""
    margin, below = -settings.margin / PERCENT, settings.fail_below / PERCENT
    fail = np.array([1.0 if one is None else one.evidence.p_below(below) for one in known])
    excluded = np.array([1.0 if one is None else min(1.0, tried * one.evidence.p_above(margin)) for one in known])
    adjusted = zip(
        known, holm(fail), holm(excluded), holm_levels(fail, settings.alpha), holm_levels(excluded, settings.alpha),
        strict=True,
    )  # fmt: skip
    return [
        None
        if one is None
        else _Tested(
            float(p_fail),
            float(p_pass),
            one.evidence.bounds(float(of_pass) / tried).lower,
            one.evidence.bounds(float(of_fail)).upper,
        )
        for one, p_fail, p_pass, of_fail, of_pass in adjusted
    ]


def _identical(entry: _Candidate, settings: GateSettings) -> Check:
    outcome = CheckOutcome.INCONCLUSIVE if entry.diverged else CheckOutcome.PASS
    decides = (settings.per_slice if entry.kind == "slice" else settings.per_cell) and not entry.diverged
    return Check(
        entry.kind, entry.name, outcome, decides=decides, text=identical_text(), delta=0.0, word="identical"
    )  # fmt: skip


def _cell_check(entry: _Candidate, found: _Tested | None, settings: GateSettings, least: int) -> Check:
    kind, estimate = entry.kind, entry.estimate
    if estimate is None:
        text = inestimable_text(entry.name, entry.of, entry.seeds)
        return Check(kind, entry.name, CheckOutcome.INCONCLUSIVE, decides=False, text=text, word="not estimable")
    delta = PERCENT * estimate.delta
    if found is None:
        text = too_few_text(entry.name, difference_text(delta, settings), estimate.n_seeds, least)
        return Check(
            kind, entry.name, CheckOutcome.INCONCLUSIVE, decides=False, text=text, delta=delta, word="not judged"
        )  # fmt: skip
    failed = found.p_fail < settings.alpha
    # what a training that diverged or stands apart would have shown is not known
    excluded = found.p_pass < settings.alpha and not entry.diverged and estimate.outlying is None
    word = "" if failed else f"no worse than {settings.margin:g}" if excluded else "no loss shown"
    # that a loss on one benchmark cannot be excluded does not stop the gate: its power is for the mean
    check = Check(
        kind, entry.name, CheckOutcome.FAIL if failed else CheckOutcome.INCONCLUSIVE, text="", delta=delta,
        decides=failed and (settings.per_slice if kind == "slice" else settings.per_cell),
        lower=shown_bound(found.lower, estimate, settings), upper=shown_bound(found.upper, estimate, settings),
        p_fail=found.p_fail, word=word,
    )  # fmt: skip
    return replace(check, text=cell_text(check, settings))


def _benchmarks(one: Gated) -> tuple[_Candidate, ...]:
    cells = one.contrast.cells
    if one.baseline is not None:
        changes = cell_changes(one.result, one.contrast, one.baseline)
        return tuple(
            _Candidate(
                "benchmark",
                one.label(change.name),
                one.of,
                change.estimate,
                change.identical,
                bool(cell.diverged_seeds),
                cell.n_seeds,
            )
            for change, cell in zip(changes, cells, strict=True)
        )
    names, estimates = cell_names(one.result, one.contrast), cell_estimates(one.result, one.contrast, one.of)
    return tuple(
        _Candidate(
            "benchmark", one.label(name), one.of, estimate, diverged=bool(cell.diverged_seeds), seeds=cell.n_seeds
        )
        for name, estimate, cell in zip(names, estimates, cells, strict=True)
    )


def _slices(one: Gated) -> tuple[_Candidate, ...]:
    names, estimates = slice_names(one.result, one.contrast), slice_estimates(one.result, one.contrast, one.of)
    return tuple(
        _Candidate("slice", one.label(name), one.of, estimate, diverged=bool(cell.diverged_seeds), seeds=cell.n_seeds)
        for name, estimate, cell in zip(names, estimates, one.contrast.slices, strict=True)
    )
