"""Tests that a user asked for by name, beside the defaults and with what they do not do; no verdict rests on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval import schema
from talan_eval.comparison.inference import ci_points
from talan_eval.comparison.settings import ALSO
from talan_eval.stats.cmh import cmh, seed_tables
from talan_eval.stats.pigeonhole import item_bootstrap_interval
from talan_eval.stats.signflip import seed_sums
from talan_eval.stats.wilcoxon import signed_rank

if TYPE_CHECKING:
    import numpy as np

    from talan_eval.comparison.pairing import CellScores
    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import FloatArray


def named_tests(
    cell: CellScores, deltas: FloatArray, settings: StatisticsSettings, rng: np.random.Generator
) -> tuple[schema.NamedTest, ...]:
    """Run the tests of ``settings.also`` on one cell.

    Args:
        cell: Paired scores.
        deltas: Their differences, shape (S, N), proportions.
        settings: Which tests, and their error rate and resamples.
        rng: Source of randomness.

    Returns:
        The tests in the order of the settings.

    Raises:
        UserError: If a test that counts right answers is asked of scores other than 0 and 1.
    """
    found: list[schema.NamedTest] = []
    for name in settings.also:
        if name == "wilcoxon":
            found.append(_test(name, p=signed_rank(seed_sums(deltas, cell.k)).p))
        elif name == "cmh":
            try:
                found.append(_test(name, p=cmh(seed_tables(cell.base, cell.treat)).p))
            except ValueError as error:
                raise UserError(f"{cell.name}: {error}.", "Leave cmh out of --also.") from error
        else:
            for seed, row in zip(cell.seeds, deltas, strict=True):
                interval = item_bootstrap_interval(row, settings.resamples, rng, settings.alpha, cell.clusters)
                found.append(_test(name, seed=seed, ci=None if interval is None else ci_points(interval)))
    return tuple(found)


def _test(
    name: str, *, seed: int | None = None, p: float | None = None, ci: tuple[float, float] | None = None
) -> schema.NamedTest:
    return schema.NamedTest(name=name, seed=seed, p=p, ci=ci, caution=ALSO[name])
