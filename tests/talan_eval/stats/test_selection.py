"""Selecting the best arm, rates over a grid, and trainings that diverge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from talan_eval.stats.diverged import compare_independent_rates, compare_paired_rates, diverged_rate
from talan_eval.stats.selection import (
    best_arm,
    confirmation,
    expected_exaggeration,
    gain_covariance,
    grid_rate,
    reseeded_rate,
)

quick = settings(derandomize=True, deadline=None, max_examples=60)


def test_the_best_is_the_largest_mean_and_the_first_of_equal_ones():
    assert best_arm([0.01, 0.03, 0.02]) == 1
    assert best_arm([0.1 + 0.2, 0.3]) == 0
    assert best_arm([0.3, 0.1 + 0.2]) == 0
    assert best_arm([-0.2]) == 0


def test_confirmation_sets_both_gains_side_by_side():
    got = confirmation(np.array([0.01, 0.03, 0.02]), 0.012)
    assert (got.tried, got.selected, got.confirmed) == (3, 0.03, 0.012)
    assert got.exaggeration == pytest.approx(0.018)


def test_covariance_of_gains_is_that_of_their_means():
    per_seed = np.array([[0.1, 0.3, 0.2], [0.0, 0.4, 0.2]])
    want = np.cov(per_seed) / 3
    assert gain_covariance(per_seed) == pytest.approx(want)
    assert gain_covariance(per_seed[:1]) == pytest.approx(want[:1, :1])


def test_exaggeration_of_equal_independent_arms_is_the_expected_largest_normal():
    # E max of two standard normals is 1 / sqrt(pi); of three 3 / (2 sqrt(pi))
    for n_arms, want in ((2, 1 / np.sqrt(np.pi)), (3, 1.5 / np.sqrt(np.pi))):
        got = expected_exaggeration(np.zeros(n_arms), 0.01**2 * np.eye(n_arms), draws=40_000)
        assert got.equal == pytest.approx(0.01 * want, rel=0.03)
        assert got.observed == pytest.approx(got.equal)


def test_arms_far_apart_or_moving_together_exaggerate_nothing():
    apart = expected_exaggeration(np.array([0.0, 1.0]), 0.01**2 * np.eye(2))
    assert apart.observed == pytest.approx(0.0, abs=3e-4)
    assert apart.equal > 0.005
    together = expected_exaggeration(np.zeros(4), np.full((4, 4), 0.01**2))
    assert together.equal == pytest.approx(0.0, abs=3e-4)
    assert expected_exaggeration(np.array([0.3]), np.eye(1)).equal == 0.0


def test_exaggeration_repeats_and_takes_more_arms_than_seeds():
    per_seed = np.random.default_rng(0).normal(0, 0.01, size=(12, 5))
    one = expected_exaggeration(per_seed.mean(axis=1), gain_covariance(per_seed))
    assert one == expected_exaggeration(per_seed.mean(axis=1), gain_covariance(per_seed))
    assert 0 < one.observed < one.equal


def test_selection_exaggerates_as_expected_and_fresh_seeds_do_not():
    rng, runs = np.random.default_rng(1), 2000
    selected, fresh, expected = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        base, arms = rng.normal(0, 0.01, size=5), rng.normal(0, 0.01, size=(6, 5))
        gains = arms - base
        got = confirmation(gains.mean(axis=1), float((rng.normal(0, 0.01, 5) - rng.normal(0, 0.01, 5)).mean()))
        selected[run], fresh[run] = got.selected, got.confirmed
        if run < 200:
            expected[run] = expected_exaggeration(gains.mean(axis=1), gain_covariance(gains), draws=500).equal
    assert fresh.mean() == pytest.approx(0, abs=4 * fresh.std() / np.sqrt(runs))
    assert selected.mean() > 10 * selected.std() / np.sqrt(runs)
    assert expected[:200].mean() == pytest.approx(selected.mean(), rel=0.15)


def test_grid_rate_counts_trainings_without_loss_and_with_a_gain():
    deltas = np.array(
        [
            [[0.0, 0.1], [0.0, 0.0], [0.1, -0.1]],
            [[0.2, 0.2], [0.1 + 0.2 - 0.3, 0.1], [np.nan, 0.1]],
        ]
    )
    got = grid_rate(deltas)
    assert (got.hits, got.pairs, got.share) == (3, 5, 0.6)
    assert grid_rate(deltas[0]).hits == 1
    assert grid_rate(np.full((2, 2), np.nan)).share is None
    assert grid_rate(-deltas[1]).hits == 0


def test_reseeded_base_is_every_ordered_pair_of_seeds():
    base = np.array([[0.5, 0.5], [0.6, 0.5], [0.4, 0.7]])
    got = reseeded_rate(base)
    want = [(base[i] >= base[j]).all() and (base[i] > base[j]).any() for i in range(3) for j in range(3) if i != j]
    assert (got.hits, got.pairs) == (sum(want), 6)
    assert reseeded_rate(base[:1]).pairs == 0


@quick
@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from([0.05, 0.1]))
def test_interval_of_a_rate_is_clopper_and_pearsons(trainings, count, alpha):
    count = min(count, trainings)
    got = diverged_rate(count, trainings, alpha)
    want = proportion_confint(count, trainings, alpha, method="beta")
    assert got.ci == pytest.approx(want, abs=1e-9)
    mirror = diverged_rate(trainings - count, trainings, alpha).ci
    assert (1 - mirror.hi, 1 - mirror.lo) == pytest.approx(got.ci, abs=1e-9)


@quick
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.lists(st.booleans(), min_size=1, max_size=12))
def test_independent_rates_are_compared_as_scipy_does(treat, base):
    got = compare_independent_rates(treat, base, 0.05)
    table = [[sum(treat), len(treat) - sum(treat)], [sum(base), len(base) - sum(base)]]
    assert got.p == pytest.approx(stats.fisher_exact(table).pvalue, abs=1e-12)
    assert compare_independent_rates(base, treat, 0.05).p == pytest.approx(got.p, abs=1e-12)
    assert not got.paired


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.3, 0.5, 0.95])
def test_intervals_and_comparisons_of_rates_hold_at_every_chance(chance):
    # no simulation: all outcomes of seven trainings against three are listed with their probabilities
    one, other = stats.binom.pmf(range(8), 7, chance), stats.binom.pmf(range(4), 3, chance)
    covered = sum(
        p for k, p in enumerate(one) if diverged_rate(k, 7, 0.05).ci.lo <= chance <= diverged_rate(k, 7, 0.05).ci.hi
    )
    assert covered >= 0.95
    false = sum(
        one[k] * other[j]
        for k in range(8)
        for j in range(4)
        if compare_independent_rates([True] * k + [False] * (7 - k), [True] * j + [False] * (3 - j), 0.05).p < 0.05
    )
    assert false <= 0.05


def test_paired_rates_count_the_seeds_that_differ():
    treat = [True] * 6 + [False, False, True]
    base = [False] * 6 + [False, False, True]
    got = compare_paired_rates(treat, base, 0.05)
    assert got.p == pytest.approx(stats.binomtest(6, 6).pvalue)
    assert (got.treat.count, got.base.count, got.treat.trainings, got.paired) == (7, 1, 9, True)
    assert compare_paired_rates(base, treat, 0.05).p == got.p
    assert compare_paired_rates(base, base, 0.05).p == 1.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: best_arm([]), "one finite mean per arm"),
        (lambda: best_arm([0.1, float("nan")]), "one finite mean per arm"),
        (lambda: gain_covariance(np.zeros((3, 1))), "at least two seeds"),
        (lambda: expected_exaggeration(np.zeros(3), np.eye(2)), "shape"),
        (lambda: diverged_rate(3, 2, 0.05), "cannot have diverged"),
        (lambda: diverged_rate(0, 0, 0.05), "cannot have diverged"),
        (lambda: compare_paired_rates([True], [True, False], 0.05), "same seeds"),
        (lambda: compare_independent_rates([], [True], 0.05), "cannot have diverged"),
    ],
)
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
