"""Intervals of the score of one arm, against published values, other statistics of this package, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.score_intervals import (
    BenchmarkScores,
    crossed_interval,
    items_interval,
    mean_items_interval,
    seeds_interval,
)

ALPHA = 0.05


def right(count, of):
    return np.array([1.0] * count + [0.0] * (of - count))


@pytest.mark.parametrize(("count", "of"), [(7, 10), (0, 12), (12, 12), (1, 250)])
def test_right_or_wrong_answers_have_the_exact_interval(count, of):
    found = items_interval(right(count, of), ALPHA)
    expected = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    assert found.method == "exact"
    assert found.ci == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_partial_credit_has_the_t_over_items_cut_at_its_bounds():
    row = np.array([0.5, 1.0, 1.0, 0.75, 1.0])
    half = stats.t.ppf(0.975, 4) * row.std(ddof=1) / np.sqrt(5)
    found = items_interval(row, ALPHA)
    assert (found.method, found.ci.hi) == ("t", 1.0)
    assert found.ci.lo == pytest.approx(row.mean() - half)
    assert items_interval(np.full(9, 0.5), ALPHA) is None


def test_items_that_belong_together_widen_the_interval():
    row = np.repeat(right(10, 20), 5)  # twenty passages of five questions, answered alike
    clusters = np.repeat(np.arange(20), 5)
    alone, together = items_interval(row, ALPHA), items_interval(row, ALPHA, clusters)
    assert together.method == "clusters"
    assert together.ci.hi - together.ci.lo > 1.8 * (alone.ci.hi - alone.ci.lo)
    assert items_interval(row, ALPHA, np.zeros(100, dtype=int)).method == "exact"


def test_seeds_have_the_guarded_interval_of_a_gain_over_nothing():
    scores = (np.random.default_rng(3).random((5, 40)) < 0.4).astype(float)
    squares = [mean_squares(scores)]
    of_seeds = guarded_t(scores.mean(axis=1), squares, ALPHA).guard.ci
    crossed = guarded_crossed(scores.mean(axis=1), squares, ALPHA).guard.ci
    only = [BenchmarkScores(scores)]
    assert seeds_interval(only, ALPHA).ci == pytest.approx(of_seeds)
    assert crossed_interval(only, ALPHA).ci == pytest.approx(crossed)
    assert crossed_interval([BenchmarkScores(scores[:, :1])], ALPHA) is None
    with pytest.raises(ValueError, match="two"):
        seeds_interval([BenchmarkScores(scores[:1])], ALPHA)


def test_weights_move_the_interval_of_the_mean_to_the_benchmark_that_counts():
    draw = np.random.default_rng(5)
    low, high = (draw.random((4, 60)) < 0.1).astype(float), (draw.random((4, 60)) < 0.9).astype(float)
    units = np.arange(60), np.arange(60, 120)
    for share in (0.5, 0.9):
        both = [BenchmarkScores(low, share, units=units[0]), BenchmarkScores(high, 1 - share, units=units[1])]
        mean = share * low.mean() + (1 - share) * high.mean()
        for interval in (mean_items_interval(both, ALPHA), seeds_interval(both, ALPHA), crossed_interval(both, ALPHA)):
            assert interval.ci.lo < mean < interval.ci.hi
            assert (interval.ci.lo + interval.ci.hi) / 2 == pytest.approx(mean, abs=0.01)


def test_items_that_benchmarks_share_are_one_item():
    scores = (np.random.default_rng(7).random((1, 80)) < 0.5).astype(float)
    units = np.arange(80)
    shared = [BenchmarkScores(scores, 0.5, units=units), BenchmarkScores(scores, 0.5, units=units)]
    apart = [BenchmarkScores(scores, 0.5, units=units), BenchmarkScores(scores, 0.5, units=units + 80)]
    wide, narrow = (mean_items_interval(both, ALPHA).ci for both in (shared, apart))
    assert wide.hi - wide.lo > 1.3 * (narrow.hi - narrow.lo)


def test_a_benchmark_with_every_item_right_is_not_known_exactly():
    perfect = np.ones((1, 20))
    both = [BenchmarkScores(perfect, 0.5, units=np.arange(20)), BenchmarkScores(perfect, 0.5, units=np.arange(20, 40))]
    found = mean_items_interval(both, ALPHA)
    assert found.ci.lo < 0.97
    assert found.ci.hi == 1.0


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.97])
def test_intervals_hold_their_level_in_simulated_worlds(rate):
    """Of 400 worlds with 2 benchmarks of 30 items at least 93 % are covered, and the exact interval covers 95 %."""
    draw, hit, exact = np.random.default_rng(11), 0, 0
    for _ in range(400):
        rows = (draw.random((2, 30)) < rate).astype(float)
        both = [BenchmarkScores(row[None], 0.5, units=np.arange(30) + 30 * n) for n, row in enumerate(rows)]
        ci = mean_items_interval(both, ALPHA).ci
        hit += ci.lo <= rate <= ci.hi
        one = items_interval(rows[0], ALPHA).ci
        exact += one.lo <= rate <= one.hi
    assert hit >= 372
    assert exact >= 380 - 8


def test_one_wrong_answer_near_the_ceiling_does_not_make_the_items_known():
    scores = np.ones((7, 200))
    scores[0, 0] = 0.0
    found = mean_items_interval([BenchmarkScores(scores)], 0.05)
    assert found.ci.lo < 0.987  # the t alone says 0.998
    assert found.ci.hi == 1.0


def test_items_that_are_rarely_hard_are_covered():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(600):
        hard = rng.random(200) < 0.01
        scores = np.where(hard, rng.random((3, 200)) < 0.3, 1.0).astype(float)
        ci = mean_items_interval([BenchmarkScores(scores)], 0.05).ci
        covered += ci.lo <= 1 - 0.01 * 0.7 <= ci.hi
    assert covered / 600 > 0.93
