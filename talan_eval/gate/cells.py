"""The gate on single benchmarks and slices: a loss that was shown on one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.gate.change import cell_changes
from talan_eval.gate.facts import Check, CheckOutcome
from talan_eval.gate.gated import PERCENT, numbers_of
from talan_eval.gate.wording import cell_text, identical_text, inestimable_text, too_few_text
from talan_eval.result.estimates import cell_estimates, slice_estimates
from talan_eval.result.labels import cell_names, slice_names
from talan_eval.result.schema import CELL_SEEDS
from talan_eval.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings, Kind
    from talan_eval.gate.gated import Gated
    from talan_eval.result.estimates import Estimate
    from talan_eval.stats.noninferiority import GateNumbers


@dataclass(frozen=True)
class _Candidate:
    """A benchmark or slice to check: no estimate when it has none, or when nothing changed."""

    kind: Kind
    name: str
    estimate: Estimate | None
    identical: bool = False
    diverged: bool = False


def cell_checks(gated: Sequence[Gated], settings: GateSettings) -> tuple[Check, ...]:
    """Check benchmarks, and slices where asked, for a loss that was shown; Holm over those of all contrasts."""
    candidates = [
        *(entry for one in gated for entry in _benchmarks(one)),
        *(entry for one in gated if settings.per_slice and one.baseline is None for entry in _slices(one)),
    ]
    numbers = [
        None if entry.estimate is None or entry.identical else numbers_of(entry.estimate, settings, settings.alpha)
        for entry in candidates
    ]
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
    # a PASS is withheld where trainings diverged; the check of the mean decides about that and names them
    passed = CheckOutcome.INCONCLUSIVE if entry.diverged else CheckOutcome.PASS
    if entry.identical:
        return Check(kind, entry.name, passed, decides=decides and not entry.diverged, text=identical_text(), delta=0.0)
    if found is None or entry.estimate is None:
        return Check(kind, entry.name, CheckOutcome.INCONCLUSIVE, decides=False, text=inestimable_text(entry.name))
    delta = PERCENT * entry.estimate.delta
    if p is None:
        text = too_few_text(entry.name, delta, entry.estimate.n_seeds, CELL_SEEDS)
        return Check(kind, entry.name, CheckOutcome.INCONCLUSIVE, decides=False, text=text, delta=delta)
    # that a loss on one benchmark cannot be excluded does not stop the gate: its power is for the mean
    outcome = CheckOutcome.FAIL if p < settings.alpha else passed
    check = Check(
        kind, entry.name, outcome, decides=decides and outcome is not CheckOutcome.INCONCLUSIVE, text="", delta=delta,
        lower=PERCENT * found.bounds.lower, upper=PERCENT * found.bounds.upper, p_fail=p,
    )  # fmt: skip
    return replace(check, text=cell_text(check, settings))


def _benchmarks(one: Gated) -> tuple[_Candidate, ...]:
    cells = one.contrast.cells
    if one.baseline is not None:
        changes = cell_changes(one.result, one.contrast, one.baseline)
        return tuple(
            _Candidate(
                "benchmark", one.label(change.name), change.estimate, change.identical, bool(cell.diverged_seeds)
            )
            for change, cell in zip(changes, cells, strict=True)
        )
    names, estimates = cell_names(one.result, one.contrast), cell_estimates(one.result, one.contrast)
    return tuple(
        _Candidate("benchmark", one.label(name), estimate, diverged=bool(cell.diverged_seeds))
        for name, estimate, cell in zip(names, estimates, cells, strict=True)
    )


def _slices(one: Gated) -> tuple[_Candidate, ...]:
    names, estimates = slice_names(one.result, one.contrast), slice_estimates(one.result, one.contrast)
    return tuple(
        _Candidate("slice", one.label(name), estimate, diverged=bool(cell.diverged_seeds))
        for name, estimate, cell in zip(names, estimates, one.contrast.slices, strict=True)
    )
