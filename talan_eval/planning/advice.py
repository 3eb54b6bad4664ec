"""What to do next, in numbers: from the noise of the mean to the seeds, samples and items that would decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.planning.floors import floor_of_mean
from talan_eval.planning.verdicts import KnownNoise, VerdictPlan
from talan_eval.report.context import Advice, PowerCurve
from talan_eval.result.estimates import mean_estimate
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.noninferiority import MAX_PLANNED_SEEDS
from talan_eval.stats.variance import Components

if TYPE_CHECKING:
    from talan_eval.result.estimates import Estimate
    from talan_eval.result.schema import Contrast, Result

_PERCENT: Final = 100.0
_POWER: Final = 0.8
_FACTORS: Final = (*range(1, 9), *range(10, 17, 2), *range(20, 33, 4), *range(40, 65, 8), 96, 128, 192, 256, 512, 1024)
"""How many times the present items are tried."""
_CURVE_SEEDS: Final = (3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 25, 30, 40)


def advise(result: Result, gain: float = 1.0, contrast: Contrast | None = None) -> Advice | None:
    """Plan from a result.

    The variance of one seed's mean gain is split into what seeds add and what single items add (the flip term); seeds
    divide both, samples and items the second. The split is an estimate from few seeds and uncertain by a factor of two.

    Args:
        result: The result.
        gain: The true mean gain, in the unit of the result, that is to be found with 80 % power.
        contrast: Whose noise is planned from; that of the primary one when None.

    Returns:
        The numbers, or None where the noise cannot be estimated, and for arms with independent seeds, which are not
        covered: their noise is of two arms with numbers of seeds of their own.
    """
    one = result.contrasts[0] if contrast is None else contrast
    estimate = _of_pairs(one)
    if estimate is None:
        return None
    alpha, k = result.settings.alpha, min(cell.k for cell in one.cells)
    tau2, noise = _split(estimate)
    wanted = gain / _PERCENT
    n_seeds = max(estimate.n_seeds, 2)
    items = tuple(cell.n_items for cell in one.cells)

    def verdict(part: Components, times: int = 1) -> VerdictPlan:
        known = KnownNoise("mean", tuple(times * count for count in items), (part,), floor=floor_of_mean(result, one))
        return VerdictPlan(known, part, alpha, _POWER)

    return Advice(
        gain=gain,
        unit=result.measure.unit,
        seeds=verdict(Components(tau2, noise, 0.0)).seeds(1, wanted),
        samples=verdict(Components(tau2, 0.0, noise * k)).samples(n_seeds, wanted),
        items=next(
            (
                times
                for times in _FACTORS
                if verdict(Components(tau2, noise / times, 0.0), times).chance(n_seeds, 1, wanted) >= _POWER
            ),
            None,
        ),
        seeds_to_decide=_seeds_to_decide(estimate, alpha),
    )


def power_curves(
    result: Result, gains: tuple[float, ...] = (0.5, 1.0, 2.0), contrast: Contrast | None = None
) -> tuple[PowerCurve, ...]:
    """Return the power of the verdict about the mean over seeds, at the noise of a result; empty without an estimate.

    Args:
        result: The result.
        gains: True mean gains, in the unit of the result.
        contrast: Whose noise; that of the primary one when None. Independent seeds are not covered.
    """
    estimate = _of_pairs(result.contrasts[0] if contrast is None else contrast)
    if estimate is None:
        return ()
    tau2, noise = _split(estimate)
    one = result.contrasts[0] if contrast is None else contrast
    part = Components(tau2, noise, 0.0)
    known = KnownNoise("mean", tuple(cell.n_items for cell in one.cells), (part,), floor=floor_of_mean(result, one))
    verdict = VerdictPlan(known, part, result.settings.alpha, _POWER)
    return tuple(
        PowerCurve(
            gain, result.measure.unit, _CURVE_SEEDS, tuple(verdict.chance(n, 1, gain / _PERCENT) for n in _CURVE_SEEDS)
        )
        for gain in gains
    )


def _of_pairs(contrast: Contrast) -> Estimate | None:
    return None if contrast.pairing == "independent" else mean_estimate(contrast)


def _split(estimate: Estimate) -> tuple[float, float]:
    """Return the variances of one seed's mean gain that seeds and single items add, squared proportions."""
    by_name = {term.name: term.se for term in estimate.terms}
    noise = estimate.n_seeds * by_name["flip"] ** 2
    floor = estimate.n_seeds * by_name.get("floor", 0.0) ** 2  # scores without bounds have none
    return max(estimate.n_seeds * by_name["t"] ** 2 - noise, 0.0), max(noise, floor)


def _seeds_to_decide(estimate: Estimate, alpha: float) -> int | None:
    """Return the seeds in all at which the two-sided interval would exclude zero; None if it does or none would."""
    if _excludes_zero(estimate, estimate.n_seeds, alpha):
        return None
    planned = range(estimate.n_seeds + 1, MAX_PLANNED_SEEDS + 1)
    return next((n for n in planned if _excludes_zero(estimate, n, alpha)), None)


def _excludes_zero(estimate: Estimate, n_seeds: int, alpha: float) -> bool:
    share = estimate.n_seeds / n_seeds
    grown = (n_seeds - 1) / max(estimate.n_seeds - 1, 1)
    terms = [ErrorTerm(term.name, term.se * share**0.5, term.df * grown) for term in estimate.terms]
    return abs(estimate.delta) > max(term.half_width(alpha) for term in terms)
