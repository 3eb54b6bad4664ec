"""Plans: variance components, power, seeds and samples needed, exaggeration, floors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import MeanSquares, mean_squares
from talan_eval.stats.multiplicity import holm
from talan_eval.stats.planner import (
    Design,
    design_analysis,
    detectable,
    guarded_detectable,
    guarded_power,
    holm_floor,
    samples_needed,
    seeds_for_holm,
    seeds_needed,
    standard_error,
    t_test_power,
)
from talan_eval.stats.power import t_power
from talan_eval.stats.variance import Components, component_bounds, decode_variance, variance_components

quick = settings(derandomize=True, deadline=None, max_examples=40)
# flips of a hard benchmark, and of an easy one
HARD, EASY = Components(0.0, 0.02, 0.2), Components(0.0, 0.012, 0.088)


def test_minimum_detectable_gains_are_those_of_the_specification():
    # percentage points at seven seeds: GPQA Diamond, MATH-500, GSM8K
    assert 100 * detectable(HARD, Design(7, 198)) == pytest.approx(4.2, abs=0.1)
    assert 100 * detectable(HARD, Design(7, 198, 8)) == pytest.approx(1.9, abs=0.1)
    assert 100 * detectable(HARD, Design(7, 500)) == pytest.approx(2.8, abs=0.2)
    assert 100 * detectable(HARD, Design(7, 500, 8)) == pytest.approx(1.3, abs=0.1)
    assert 100 * detectable(EASY, Design(7, 1319)) == pytest.approx(1.2, abs=0.1)


def test_seeds_needed_for_a_small_gain_are_those_of_the_specification():
    assert seeds_needed(HARD, Design(7, 198), 0.014) == pytest.approx(46, abs=2)
    assert seeds_needed(HARD, Design(7, 500), 0.014) == pytest.approx(22, abs=3)
    assert seeds_needed(EASY, Design(7, 1319), 0.014) == pytest.approx(6, abs=1)


@quick
@given(st.floats(0, 0.02), st.floats(0.001, 0.2), st.floats(0, 0.3), st.integers(2, 30), st.integers(1, 16))
def test_needs_are_minimal_and_detectable_gains_are_detected(tau, train, decode, n_seeds, k):
    parts, design = Components(tau**2, train, decode), Design(n_seeds, 300, k)
    delta = detectable(parts, design)
    assert t_test_power(parts, design, delta) == pytest.approx(0.8, abs=1e-6)
    needed = seeds_needed(parts, design, 0.02)
    if needed is not None:
        assert t_test_power(parts, Design(needed, 300, k), 0.02) >= 0.8
        assert needed == 2 or t_test_power(parts, Design(needed - 1, 300, k), 0.02) < 0.8
    samples = samples_needed(parts, design, 0.02)
    if samples is not None:
        assert t_test_power(parts, Design(n_seeds, 300, samples), 0.02) >= 0.8
        assert samples == 1 or t_test_power(parts, Design(n_seeds, 300, samples - 1), 0.02) < 0.8


def test_samples_do_not_average_training_away():
    assert samples_needed(Components(0.02**2, 0.0, 0.2), Design(7, 500), 0.014) is None
    assert samples_needed(Components(0.0, 0.0, 0.2), Design(7, 500), 0.014) == 4


def test_power_in_the_far_tail_is_a_number():
    for noncentrality in (0.0, 8.0, 40.0, 400.0):
        for df in (1, 2, 6, 100):
            assert 0 <= t_power(noncentrality, df, 0.05) <= 1


def test_guarded_power_agrees_with_simulation_and_stays_below_the_plain_one():
    rng, runs = np.random.default_rng(0), 1500
    n_seeds, n_items, p = 3, 60, 0.3
    parts, design = Components(0.0, 2 * p - 0.1**2, 0.0), Design(n_seeds, n_items)
    delta = 0.1
    hits = plain = 0
    for _ in range(runs):
        matrix = rng.choice([-1.0, 0.0, 1.0], p=[p - delta / 2, 1 - 2 * p, p + delta / 2], size=(n_seeds, n_items))
        result = guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], 0.05)
        hits += result.guard.p < 0.05
        plain += result.plain.p is not None and result.plain.p < 0.05
    guarded, unguarded = guarded_power(parts, design, delta), t_test_power(parts, design, delta)
    assert hits / runs == pytest.approx(guarded, abs=0.04)
    assert plain / runs == pytest.approx(unguarded, abs=0.04)
    assert guarded < unguarded
    assert guarded_power(parts, design, guarded_detectable(parts, design)) == pytest.approx(0.8, abs=1e-6)
    assert guarded_detectable(parts, design) > detectable(parts, design)


def test_exaggeration_is_that_of_gelman_and_carlin():
    # their example: effect 2, standard error 8.1: power .06, wrong sign 24 %, exaggeration 9.5
    got = design_analysis(8.1, math.inf, 2.0)
    assert (got.power, got.type_s, got.type_m) == pytest.approx((0.06, 0.24, 9.5), abs=0.05)


@quick
@given(st.integers(1, 30), st.floats(0.3, 6))
def test_exaggeration_has_the_power_of_the_noncentral_t(df, effect):
    assert design_analysis(1.0, df, effect).power == pytest.approx(t_power(effect, df, 0.05), abs=1e-6)
    assert design_analysis(1.0, df, effect).type_m >= 1 - 1e-6


def test_exaggeration_agrees_with_simulation():
    rng = np.random.default_rng(1)
    d = rng.normal(0.5, 1, size=(40_000, 7))
    found = stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05
    means = d[found].mean(axis=1)
    got = design_analysis(1 / math.sqrt(7), 6, 0.5)
    assert found.mean() == pytest.approx(got.power, abs=0.01)
    assert np.abs(means).mean() / 0.5 == pytest.approx(got.type_m, rel=0.02)
    assert (means < 0).mean() == pytest.approx(got.type_s, abs=0.01)
    with pytest.raises(ValueError, match="other than zero"):
        design_analysis(1.0, 6, 0.0)


def test_variance_components_are_recovered():
    rng = np.random.default_rng(2)
    n_seeds, n_items, k, tau = 200, 400, 4, 0.03
    p_base = np.full((n_seeds, n_items), 0.5)
    p_treat = 0.5 + rng.normal(0, tau, (n_seeds, 1)) + rng.choice([-0.2, 0.2], size=(n_seeds, n_items))
    base, treat = (rng.binomial(k, p) / k for p in (p_base, p_treat))
    squares, decode = mean_squares(treat - base), decode_variance(base, treat, k)
    got = variance_components(squares, k, decode)
    assert math.sqrt(got.tau2) == pytest.approx(tau, rel=0.15)
    assert got.phi_train == pytest.approx(0.04, rel=0.1)
    assert got.phi_decode == pytest.approx(0.25 + 0.25 - 0.04, rel=0.02)
    assert got.noise(k) == pytest.approx(squares.error)
    assert got.seed_variance(n_items, k) == pytest.approx(squares.seed / n_items, rel=1e-9)


def test_unknown_decoding_variance_leaves_two_extremes():
    squares = MeanSquares(7, 100, 0.3, 0.2, 0.2)
    best, worst = component_bounds(squares, 2)
    assert (best.phi_train, best.phi_decode, worst.phi_train, worst.phi_decode) == pytest.approx((0, 0.4, 0.2, 0))
    assert detectable(best, Design(7, 100, 2)) == pytest.approx(detectable(worst, Design(7, 100, 2)))
    assert detectable(best, Design(7, 100, 8)) < detectable(worst, Design(7, 100, 8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decode_variance(np.zeros((2, 2)), np.zeros((2, 2)), 1), "at least two samples"),
        (lambda: decode_variance(np.full((2, 2), 0.3), np.zeros((2, 2)), 4), "right-or-wrong"),
        (lambda: variance_components(MeanSquares(3, 1, 0.1, None, None), 1, 0.1), "two items"),
        (lambda: component_bounds(MeanSquares(3, 1, 0.1, None, None), 1), "two items"),
        (lambda: Design(1, 100), "at least 2 seeds"),
        (lambda: Design(7, 100, 1, 1.5), "between 0 and 1"),
    ],
)
def test_plans_without_a_basis_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_floors_of_sign_flips_under_holm():
    assert holm_floor(7, 4) == holm(np.full(4, 1 / 64))[0] == 4 / 64
    assert holm_floor(2, 16) == 1.0
    for cells in range(1, 40):
        needed = seeds_for_holm(cells)
        assert holm_floor(needed, cells) <= 0.05 < holm_floor(needed - 1, cells)


def test_nothing_varies_nothing_is_missed():
    parts, design = Components(0.0, 0.0, 0.0), Design(7, 100)
    assert standard_error(parts, design) == 0
    assert t_test_power(parts, design, 0.01) == 1.0
    assert guarded_power(parts, design, 0.01) == 1.0
    assert guarded_power(parts, design, 0.001) == 0.0
