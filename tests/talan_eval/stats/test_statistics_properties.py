"""Oracles, metamorphic properties and a small calibration of the statistics."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mcnemar import bonett_price_interval, checkpoint_pair, mcnemar_exact
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.multiplicity import holm, max_t
from talan_eval.stats.pigeonhole import pigeonhole_interval
from talan_eval.stats.power import minimum_detectable, t_power
from talan_eval.stats.seed_bootstrap import BootstrapMethod, bootstrap_interval, exact_law
from talan_eval.stats.signflip import seed_sums, sign_flip

ALPHA = 0.05
matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 7), st.integers(2, 25)), elements=st.sampled_from([-1.0, 0.0, 0.0, 1.0])
)
quick = settings(derandomize=True, deadline=None, max_examples=60)


def e1(matrix):
    return guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], ALPHA)


def e2(matrix):
    return guarded_crossed(matrix.mean(axis=1), [mean_squares(matrix)], ALPHA)


@quick
@given(matrices)
def test_mean_squares_are_those_of_the_definition(matrix):
    squares = mean_squares(matrix)
    n_seeds, n_items = matrix.shape
    grand = matrix.mean()
    residual = matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + grand
    assert squares.seed == pytest.approx(n_items * matrix.mean(axis=1).var(ddof=1), abs=1e-12)
    assert squares.item == pytest.approx(n_seeds * matrix.mean(axis=0).var(ddof=1), abs=1e-12)
    assert squares.error == pytest.approx((residual**2).sum() / ((n_seeds - 1) * (n_items - 1)), abs=1e-12)
    total = ((matrix - grand) ** 2).sum()
    parts = (n_seeds - 1) * squares.seed + (n_items - 1) * squares.item + (n_seeds - 1) * (n_items - 1) * squares.error
    assert parts == pytest.approx(total, abs=1e-9)


@quick
@given(matrices)
def test_guarded_t_is_the_widest_of_its_three_terms(matrix):
    n_seeds, n_items = matrix.shape
    squares, got = mean_squares(matrix), e1(matrix)
    size = n_seeds * n_items
    halves = {
        "t": stats.t.ppf(0.975, n_seeds - 1) * math.sqrt(squares.seed / size),
        "flip": stats.norm.ppf(0.975) * math.sqrt(squares.error / size),
        "floor": stats.norm.ppf(0.975) * math.sqrt(2) / (size + 2),
    }
    half = max(halves.values())
    assert (got.guard.ci.hi - got.guard.ci.lo) / 2 == pytest.approx(half, rel=1e-9)
    assert halves[got.guard.binding] == pytest.approx(half, rel=1e-9)


@quick
@given(matrices)
def test_guarded_crossed_is_the_formula(matrix):
    n_seeds, n_items = matrix.shape
    s, got = mean_squares(matrix), e2(matrix)
    size = n_seeds * n_items
    v = max(s.seed + s.item - s.error, 0.0)
    df = 1.0
    if v > 1e-9:
        spread = s.seed**2 / (n_seeds - 1) + s.item**2 / (n_items - 1) + s.error**2 / ((n_seeds - 1) * (n_items - 1))
        df = max(1.0, v * v / spread)
        assert got.df == pytest.approx(df, rel=1e-6)
        half = max(
            stats.t.ppf(0.975, df) * math.sqrt(v / size),
            stats.norm.ppf(0.975) * math.sqrt(max(s.item, s.error) / size),
            stats.norm.ppf(0.975) * math.sqrt(2) / (n_items + 2),
        )
        assert (got.guard.ci.hi - got.guard.ci.lo) / 2 == pytest.approx(half, rel=1e-6)


@quick
@given(matrices)
def test_swapping_the_arms_mirrors(matrix):
    for method in (e1, e2):
        one, other = method(matrix), method(-matrix)
        assert other.delta == -one.delta
        assert other.guard.p == one.guard.p
        assert other.guard.ci == pytest.approx((-one.guard.ci.hi, -one.guard.ci.lo), abs=1e-15)
    assert sign_flip(seed_sums(matrix, 1)).p == sign_flip(seed_sums(-matrix, 1)).p
    one, other = (checkpoint_pair(row, ALPHA) for row in (matrix[0], -matrix[0]))
    assert (one.lost, one.gained, one.p) == (other.gained, other.lost, other.p)
    one, other = (pigeonhole_interval([m], 200, np.random.default_rng(0), ALPHA) for m in (matrix, -matrix))
    assert one is None if other is None else one == pytest.approx((-other.hi, -other.lo), abs=1e-15)


@quick
@given(matrices, st.randoms(use_true_random=False))
def test_order_of_seeds_and_items_does_not_matter(matrix, rng):
    rows, columns = list(range(matrix.shape[0])), list(range(matrix.shape[1]))
    rng.shuffle(rows)
    rng.shuffle(columns)
    other = matrix[np.ix_(rows, columns)]
    for method in (e1, e2):
        assert method(other).guard.p == pytest.approx(method(matrix).guard.p, abs=1e-12)
        assert method(other).guard.ci == pytest.approx(method(matrix).guard.ci, abs=1e-12)
    assert sign_flip(seed_sums(other, 1)).p == sign_flip(seed_sums(matrix, 1)).p


@quick
@given(matrices)
def test_interval_and_p_value_never_contradict_each_other(matrix):
    for method in (e1, e2):
        guard = method(matrix).guard
        assert math.isfinite(guard.p)
        assert all(math.isfinite(bound) for bound in guard.ci)
        assert guard.ci.lo < guard.ci.hi
        if abs(guard.p - ALPHA) > 1e-9:
            assert (guard.p < ALPHA) == (guard.ci.lo > 0 or guard.ci.hi < 0)


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (7, 200)])
def test_equal_arms_give_no_difference(shape):
    matrix = np.zeros(shape)
    assert (e1(matrix).delta, e1(matrix).guard.p, e2(matrix).guard.p) == (0.0, 1.0, 1.0)
    assert sign_flip(seed_sums(matrix, 1)).p == 1.0
    assert max_t([seed_sums(matrix, 1)] * 3).tolist() == [1.0] * 3


def test_doubling_the_items_does_not_sharpen_the_seed_spread():
    matrix = np.random.default_rng(3).choice([-1.0, 0, 1], size=(6, 80), p=[0.1, 0.7, 0.2])
    once, twice = e1(matrix), e1(np.hstack([matrix, matrix]))
    assert (
        twice.plain == pytest.approx(once.plain)
        if isinstance(once.plain, float)
        else twice.plain.se == pytest.approx(once.plain.se)
    )
    assert twice.plain.ci == pytest.approx(once.plain.ci)


def test_one_item_has_no_item_spread():
    squares = mean_squares(np.array([[1.0], [0.0], [1.0]]))
    assert squares.item is None
    assert math.isfinite(guarded_t(np.array([1.0, 0, 1]), [squares], ALPHA).guard.p)
    with pytest.raises(ValueError, match="two items"):
        guarded_crossed(np.array([1.0, 0, 1]), [squares], ALPHA)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.array([[np.nan, 0]]), np.array([[2.0, 0]]), np.zeros(3)])
def test_arrays_that_are_no_differences_are_refused(bad):
    with pytest.raises(ValueError, match="differences"):
        seed_sums(bad, 1)


@quick
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_statsmodels(lost, gained):
    want = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue if lost + gained else 1.0
    assert mcnemar_exact(lost, gained) == pytest.approx(want, rel=1e-9)


def test_bonett_price_interval_is_the_published_formula():
    row = np.array([-1.0] * 9 + [1.0] * 21 + [0.0] * 168)
    p10, p01, n = 10 / 200, 22 / 200, 200
    half = stats.norm.ppf(0.975) * math.sqrt((p10 + p01 - (p01 - p10) ** 2) / n)
    assert bonett_price_interval(row, ALPHA) == pytest.approx((p01 - p10 - half, p01 - p10 + half), rel=1e-12)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values):
    want = multipletests(p_values, method="holm")[1]
    assert holm(np.array(p_values)) == pytest.approx(want, abs=1e-12)


@quick
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=9))
def test_sign_flip_agrees_with_plain_enumeration(counts):
    totals = [
        abs(sum(s * c for s, c in zip(signs, counts, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(counts))
    ]
    want = sum(total >= abs(sum(counts)) for total in totals) / len(totals)
    matrix = np.array(counts, dtype=float)[:, None] / 50
    assert sign_flip(seed_sums(matrix, 50)).p == want


def test_max_t_agrees_with_plain_enumeration():
    rng = np.random.default_rng(8)
    cells = [seed_sums(rng.choice([-1.0, 0, 1], size=(6, 40), p=[0.2, 0.5, 0.3]), 1) for _ in range(3)]
    counts = np.stack([c.counts for c in cells]).astype(float)
    norms = np.sqrt((counts**2).sum(axis=1))
    observed = np.abs(counts.sum(axis=1)) / norms
    flipped = np.array([np.abs(counts @ s) / norms for s in itertools.product((1, -1), repeat=6)])
    order = np.argsort(-observed)
    want, running = np.empty(3), 0.0
    for place, cell in enumerate(order):
        running = max(running, (flipped[:, order[place:]].max(axis=1) >= observed[cell] - 1e-12).mean())
        want[cell] = running
    assert max_t(cells) == pytest.approx(want, abs=1e-12)


def test_power_agrees_with_statsmodels():
    for effect, n in ((0.5, 7), (1.2, 7), (0.9, 20)):
        want = TTestPower().power(effect, n, ALPHA)
        assert t_power(effect * math.sqrt(n), n - 1, ALPHA) == pytest.approx(want, rel=1e-6)
    assert t_power(minimum_detectable(1.0, 6, ALPHA), 6, ALPHA) == pytest.approx(0.8, rel=1e-8)


def replicate(rng, n_seeds=7, n_items=150, tau=0.02):
    """One null experiment: a seed effect, an item effect, and flips."""
    seed = rng.normal(0, tau, size=(n_seeds, 1))
    base = rng.beta(2, 2, size=n_items)
    treat = np.clip(base + seed, 0, 1)
    return (rng.random((n_seeds, n_items)) < treat).astype(float) - (rng.random((n_seeds, n_items)) < base).astype(
        float
    )


def test_guarded_t_keeps_its_level_and_the_percentile_bootstrap_does_not():
    rng, runs = np.random.default_rng(0), 500
    law = exact_law(7)
    guarded_misses = bootstrap_misses = 0
    for _ in range(runs):
        matrix = replicate(rng)
        guarded_misses += e1(matrix).guard.p < ALPHA
        ci = bootstrap_interval(matrix.mean(axis=1), law, BootstrapMethod.PERCENTILE, ALPHA).ci
        bootstrap_misses += ci.lo > 0 or ci.hi < 0
    # 0.1 % binomial bounds around the 5 % that is promised; the control must leave them
    assert guarded_misses <= stats.binom.ppf(0.999, runs, ALPHA)
    assert bootstrap_misses > stats.binom.ppf(0.9, runs, ALPHA)


@pytest.mark.speed
def test_a_cell_of_the_default_size_takes_milliseconds():
    matrix = np.random.default_rng(1).choice([-1.0, 0, 1], size=(7, 1319), p=[0.1, 0.75, 0.15])
    e1(matrix), e2(matrix)
    took = []
    for _ in range(20):
        began = time.process_time()
        e1(matrix), e2(matrix)
        took.append(time.process_time() - began)
    assert min(took) < 0.01
