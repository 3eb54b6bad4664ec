"""Tests that a user asked for by name, beside the defaults and with what they do not do; no verdict rests on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.published import ci_points
from talan_eval.comparison.statistics_settings import ALSO, TOST
from talan_eval.result import schema
from talan_eval.result.estimates import error_terms
from talan_eval.stats.cmh import cmh, seed_tables
from talan_eval.stats.noninferiority import GuardedDifference, equivalence
from talan_eval.stats.pigeonhole import item_bootstrap_interval
from talan_eval.stats.signflip import seed_sums
from talan_eval.stats.wilcoxon import signed_rank

if TYPE_CHECKING:
    from talan_eval.comparison.family import Adjusted
    from talan_eval.comparison.inference import Analysed
    from talan_eval.comparison.statistics_settings import StatisticsSettings

_OF_PAIRS: Final = frozenset({"wilcoxon", "cmh", "item-bootstrap"})


def named_tests(
    item: Analysed, adjusted: Adjusted, settings: StatisticsSettings, rng: np.random.Generator
) -> tuple[schema.NamedTest, ...]:
    """Run the tests of ``settings.also`` on one cell or slice.

    Args:
        item: Its scores and inference.
        adjusted: Its p-values, adjusted over the family.
        settings: Which tests, and their error rate, margin and resamples.
        rng: Source of randomness.

    Returns:
        The tests in the order of the settings.

    Raises:
        UserError: If a test that counts right answers is asked of scores other than 0 and 1, or one that needs pairs of
            independent seeds.
    """
    needs_pairs = [name for name in settings.also if name in _OF_PAIRS]
    if item.scores.contrast.pairing == "independent" and needs_pairs:
        raise UserError(
            f"{', '.join(needs_pairs)} compare{'s' if len(needs_pairs) == 1 else ''} pairs of seeds, and those of "
            f"{item.scores.contrast.name} are independent.",
            "Leave that out of --also, or compare paired seeds: --pairing paired",
        )
    found: list[schema.NamedTest] = []
    for name in settings.also:
        if name == TOST:
            delta = float(item.scores.deltas.mean(axis=1).mean())
            found.extend(equivalence_test(delta, item.inference.e1, settings))
        elif name == "benjamini-yekutieli":
            found.append(_test(name, p=adjusted.by_p))
        elif name == "item-bootstrap":
            found.extend(_item_bootstraps(item, settings, rng))
        else:
            found.append(_test(name, p=_test_of_scores(name, item)))
    return tuple(found)


def equivalence_test(delta: float, e1: schema.E1 | None, settings: StatisticsSettings) -> tuple[schema.NamedTest, ...]:
    """Ask whether the arms are equal within the margin; nothing where that was not asked.

    Args:
        delta: Mean difference, a proportion.
        e1: Its tests, or None with too few seeds.
        settings: Which tests, the margin, and the error rate.

    Returns:
        One test: p of both one-sided tests, and the interval of level 1 - 2 alpha, which lies within the margin exactly
        when p < alpha. Verdicts within a margin rest on more: see ``talan_eval.result.margins``.
    """
    if TOST not in settings.also or settings.margin is None:
        return ()
    if e1 is None:
        return (_test(TOST),)
    p = equivalence(GuardedDifference(delta, error_terms(e1)), settings.margin / 100).p
    ci = (e1.one_sided.lower, e1.one_sided.upper)
    return (_test(TOST, p=p, ci=ci),)


def _test_of_scores(name: str, item: Analysed) -> float:
    scores = item.scores
    if name == "wilcoxon":
        return signed_rank(seed_sums(scores.deltas, scores.k)).p
    try:
        return cmh(seed_tables(np.broadcast_to(scores.base, scores.treatment.shape), scores.treatment)).p
    except ValueError as error:
        raise UserError(f"{scores.name}: {error}.", "Leave cmh out of --also.") from error


def _item_bootstraps(item: Analysed, settings: StatisticsSettings, rng: np.random.Generator) -> list[schema.NamedTest]:
    found = []
    for seed, row in zip(item.scores.seeds, item.scores.deltas, strict=True):
        interval = item_bootstrap_interval(row, settings.resamples, rng, settings.alpha, item.scores.items.clusters)
        found.append(_test("item-bootstrap", seed=seed, ci=None if interval is None else ci_points(interval)))
    return found


def _test(
    name: str, *, seed: int | None = None, p: float | None = None, ci: tuple[float, float] | None = None
) -> schema.NamedTest:
    return schema.NamedTest(name=name, seed=seed, p=p, ci=ci, caution=ALSO[name])
