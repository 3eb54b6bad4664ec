"""A seed that stands apart is flagged, and normal seeds seldom are."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.stats.outliers import outlying_seed, threshold


@pytest.mark.parametrize("n_seeds", [5, 6, 7, 8, 10, 15, 22, 50, 150])
def test_normal_seeds_are_flagged_in_one_percent_of_comparisons_and_a_fixed_five_would_be_more(n_seeds):
    rng = np.random.default_rng(n_seeds)
    found = [outlying_seed(values, 0.0) for values in rng.normal(size=(4000, n_seeds))]
    flagged = np.mean([seed.stands_apart for seed in found])
    assert flagged < 0.0155  # three standard errors above 1 %
    if n_seeds <= 10:
        assert np.mean([seed.distance > 5 for seed in found]) > 0.03  # the control


def test_the_collapsed_seed_is_found_with_its_distance():
    values = np.array([3.4, 5.6, 4.2, -47.2, -0.6, 2.0, 2.0]) / 100
    seed = outlying_seed(values, 0.0227)
    assert seed.place == 3
    assert seed.distance == pytest.approx(49.2 / (1.4826 * 2.2), rel=1e-4)
    assert seed.stands_apart
    assert outlying_seed(-values, 0.0227).distance == seed.distance  # the better arm is flagged alike


def test_a_spread_below_the_noise_of_the_items_is_luck_and_flags_nothing():
    values = np.array([0.0, 0.0001, 0.0, 0.0001, 0.0, 0.0001, 0.01])
    assert outlying_seed(values, 0.0).stands_apart
    assert not outlying_seed(values, 0.01).stands_apart


def test_too_few_seeds_and_equal_ones_have_no_outlier():
    assert outlying_seed(np.array([0.0, 0.0, 0.0, 9.0]), 0.0) is None
    assert outlying_seed(np.zeros(7), 0.0) is None
    assert threshold(22) == threshold(20)
