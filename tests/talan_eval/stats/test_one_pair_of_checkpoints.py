"""E0: p, interval and bounds of one pair of checkpoints are one test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from talan_eval.stats.checkpoint_mean import PairCell, mean_of_pairs
from talan_eval.stats.clusters import as_clusters, robust_mean_variance
from talan_eval.stats.guard import guarded
from talan_eval.stats.mcnemar import bonett_price_interval, checkpoint_pair, mcnemar_exact, mcnemar_midp
from talan_eval.stats.pair_table import PairTable

ALPHA = 0.05
TIE = 1e-9
quick = settings(derandomize=True, deadline=None, max_examples=120)
tables = st.integers(1, 400).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n)).flatmap(
        lambda x: st.tuples(st.just(x[0]), st.just(x[1]), st.integers(0, x[0] - x[1]))
    )
)
fractions = hnp.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]))


def excludes(interval, value):
    return interval[0] > value or interval[1] < value


@pytest.mark.parametrize("n_items", [5, 20, 50])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_no_table_of_lost_and_gained_items_has_a_p_that_its_interval_contradicts(n_items, alpha):
    old = 0
    for lost in range(n_items + 1):
        for gained in range(n_items + 1 - lost):
            table = PairTable(n_items, lost, gained)
            assert (table.p < alpha) == excludes(table.interval(alpha), 0), (lost, gained)
            row = np.repeat([-1.0, 1.0, 0.0], [lost, gained, n_items - lost - gained])
            old += (mcnemar_exact(lost, gained) < alpha) != excludes(bonett_price_interval(row, alpha), 0)
    if n_items == 50:
        assert old >= 20  # the control: exact McNemar beside Bonett-Price contradicts it in that many tables


def test_one_lost_and_seven_gained_of_fifty_is_the_smallest_such_table():
    table = PairTable(50, 1, 7)
    assert mcnemar_exact(1, 7) > ALPHA
    assert table.p == pytest.approx(0.0492, abs=1e-4)
    assert table.interval(ALPHA)[0] == pytest.approx(0.0004, abs=1e-4)


@quick
@given(tables, st.sampled_from([0.1, 0.05, 0.01]), st.floats(-0.6, 0.6))
def test_bounds_and_one_sided_p_agree_at_every_value(table, alpha, value):
    found = PairTable(*table)
    bounds = found.bounds(alpha)
    assert bounds.lower <= found.delta + TIE
    assert bounds.upper >= found.delta - TIE
    above, below = found.p_above(value), found.p_below(value)
    if abs(above - alpha) > TIE:
        assert (above < alpha) == (bounds.lower > value)
    if abs(below - alpha) > TIE:
        assert (below < alpha) == (bounds.upper < value)
    swapped = found.swapped()
    assert (swapped.p_above(-value), swapped.p) == (below, found.p)


@quick
@given(tables)
def test_it_is_the_weaker_of_both_published_tests(table):
    n_items, lost, gained = table
    found = PairTable(*table)
    centre, se = (gained - lost) / (n_items + 2), found.wald[1]
    wald = 2 * stats.norm.sf(abs(centre) / se) if se > 0 else float(centre == 0)
    assert found.p == pytest.approx(min(1.0, max(wald, mcnemar_midp(lost, gained))), rel=1e-6, abs=1e-12)
    interval = found.interval(ALPHA)
    row = np.repeat([-1.0, 1.0, 0.0], [lost, gained, n_items - lost - gained])
    other = bonett_price_interval(row, ALPHA)
    assert interval.lo <= other.lo + TIE
    assert interval.hi >= other.hi - TIE


def test_the_conditional_limits_are_those_of_the_binomial_at_mid_p():
    # with all of 12 changed items gained the mid-p limit solves theta^12 / 2 = alpha / 2
    table = PairTable(10_000, 0, 12)
    low, high = table._limits(0.025)
    assert low == pytest.approx(0.05 ** (1 / 12), rel=1e-9)
    assert high == 1.0
    low, _ = PairTable(100, 3, 9)._limits(0.025)
    assert stats.binom.sf(9, 12, low) + 0.5 * stats.binom.pmf(9, 12, low) == pytest.approx(0.025, rel=1e-9)


@quick
@given(fractions, st.sampled_from([0.05, 0.01]))
def test_partial_credit_is_a_t_over_items_that_agrees_with_itself(row, alpha):
    found = checkpoint_pair(row, alpha)
    if abs(found.p - alpha) > TIE:
        assert (found.p < alpha) == excludes(found.ci, 0)
    assert found.ci.lo < found.ci.hi
    assume(found.method == "t" and len(row) > 1 and row.std() > 0)
    floor = 2 * stats.norm.sf(abs(row.mean()) * (len(row) + 2) / math.sqrt(2))
    assert found.p == pytest.approx(max(stats.ttest_1samp(row, 0).pvalue, floor), rel=1e-9)


def test_ten_that_lost_much_and_forty_that_gained_little_point_the_way_of_the_mean():
    row = np.repeat([-1.0, 0.125, 0.0], [10, 40, 150])
    found = checkpoint_pair(row, ALPHA)
    assert found.delta < 0
    assert (found.p < ALPHA) == excludes(found.ci, 0)
    assert found.p > ALPHA
    assert found.sign_p < 1e-4  # by name only: it counts items, and points the other way


def test_clusters_agree_as_well():
    rng = np.random.default_rng(0)
    for _ in range(60):
        row, labels = rng.choice([-1.0, 0.0, 0.0, 1.0], size=24), np.arange(24) // rng.integers(1, 6)
        found = checkpoint_pair(row + rng.choice([0.0, 0.3]) * (row == 0), ALPHA, labels)
        assert (found.p < ALPHA) == excludes(found.ci, 0)


def numbered(*rows, shared=False):
    sizes = np.cumsum([0, *(len(row) for row in rows)])
    return [
        PairCell(row, np.arange(len(row)) + (0 if shared else start)) for row, start in zip(rows, sizes, strict=False)
    ]


def test_the_mean_over_benchmarks_adds_their_variances():
    rng = np.random.default_rng(1)
    one, other = rng.choice([-1.0, 0.0, 1.0], size=90), rng.uniform(-1, 1, size=60)
    found = mean_of_pairs(numbered(one, other))
    assert found.delta == pytest.approx((one.mean() + other.mean()) / 2)
    table = PairTable(90, int((one < 0).sum()), int((one > 0).sum()))
    variance = table.wald[1] ** 2 + other.var(ddof=1) / 60
    assert found.terms[0].se == pytest.approx(math.sqrt(variance) / 2)


def test_items_that_two_benchmarks_share_are_counted_once():
    rng = np.random.default_rng(2)
    row = rng.choice([-1.0, 0.0, 0.0, 1.0], size=120)
    apart, together = mean_of_pairs(numbered(row, row)), mean_of_pairs(numbered(row, row, shared=True))
    alone = math.sqrt(robust_mean_variance(row, as_clusters(np.arange(120), 120)))
    assert together.terms[0].se == pytest.approx(alone)  # the same benchmark twice says no more than once
    assert apart.terms[0].se < 0.75 * alone  # the control


@quick
@given(st.lists(fractions, min_size=2, max_size=4), st.booleans())
def test_p_and_interval_of_the_mean_agree(rows, shared):
    found = mean_of_pairs(numbered(*rows, shared=shared))
    both = guarded(found.delta, found.terms, ALPHA)
    assert both.ci.lo < both.ci.hi
    if abs(both.p - ALPHA) > TIE:
        assert (both.p < ALPHA) == excludes(both.ci, 0)
