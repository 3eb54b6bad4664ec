"""Item level: systematic flips, concentration, saturation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from talan_eval.stats.items import concentration, item_flips, saturation

quick = settings(derandomize=True, deadline=None, max_examples=50)
matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 9), st.integers(1, 20)), elements=st.sampled_from([-1.0, -0.5, 0, 0, 1.0])
)


@quick
@given(matrices)
def test_each_item_has_its_exact_sign_test(matrix):
    got = item_flips(matrix)
    for item, column in enumerate(matrix.T):
        lost, gained = int((column < 0).sum()), int((column > 0).sum())
        assert (got.lost[item], got.gained[item]) == (lost, gained)
        want = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
        assert got.p[item] == pytest.approx(want, rel=1e-9)
    assert (got.tarone_p >= got.p - 1e-15).all()
    assert (got.tarone_p <= np.minimum(1, got.p * len(got.p)) + 1e-15).all()
    assert (got.bh_p >= got.p - 1e-15).all()


@quick
@given(matrices, st.randoms(use_true_random=False))
def test_order_and_direction_do_not_matter(matrix, rng):
    columns = list(range(matrix.shape[1]))
    rng.shuffle(columns)
    one, other, mirrored = item_flips(matrix), item_flips(matrix[::-1][:, columns]), item_flips(-matrix)
    assert other.tarone_p == pytest.approx(one.tarone_p[columns])
    assert other.bh_p == pytest.approx(one.bh_p[columns])
    assert mirrored.bh_p.tolist() == one.bh_p.tolist()
    assert mirrored.lost.tolist() == one.gained.tolist()


def test_items_that_never_change_do_not_dilute_those_that_do():
    matrix = np.zeros((9, 500))
    matrix[:, 3] = -1.0
    got = item_flips(matrix)
    assert got.testable == 1
    assert got.tarone_p[3] == got.bh_p[3] == got.p[3] == 2.0**-8
    assert got.systematic(0.05).tolist() == [3]
    # an item that changed in three seeds can never be significant and does not count either
    matrix[:3, 4] = 1.0
    assert item_flips(matrix).tarone_p[3] == 2.0**-8


def test_random_flips_are_seldom_called_systematic():
    rng, runs = np.random.default_rng(0), 400
    tarone = found = naive = 0
    for _ in range(runs):
        matrix = rng.choice([-1.0, 0, 1], size=(9, 150), p=[0.3, 0.4, 0.3])
        got = item_flips(matrix)
        tarone += (got.tarone_p <= 0.05).any()
        found += len(got.systematic(0.05)) > 0
        naive += (got.p <= 0.05).any()
    limit = stats.binom.ppf(0.999, runs, 0.05)
    assert tarone <= limit
    assert found <= limit
    assert naive > runs / 2


def test_five_seeds_cannot_name_an_item():
    assert item_flips(np.ones((5, 10))).testable == 0
    assert item_flips(np.ones((6, 10))).testable == 10


def test_concentration_finds_the_one_item_and_the_one_cluster():
    matrix = np.zeros((4, 10))
    matrix[:, 0] = 1.0
    matrix[0, 5:9] = -1.0
    got = concentration(matrix, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert (got.item, got.cluster, got.items_for_half) == (0.5, 0.5, 1)
    assert concentration(matrix).cluster is None
    nothing = concentration(np.zeros((4, 10)), np.arange(10))
    assert (nothing.item, nothing.cluster, nothing.items_for_half) == (0.0, 0.0, 0)


def test_saturation_counts_items_that_cannot_change():
    base = np.array([[1.0, 0, 1, 0.5], [1, 0, 1, 1]])
    treat = np.array([[1.0, 0, 1, 1], [1, 0, 0, 1]])
    got = saturation(base, treat)
    assert (got.always_right, got.always_wrong, got.informative, got.informative_share) == (1, 1, 2, 0.5)
    assert saturation(base, treat[:1]).always_right == 2  # independent seeds may differ in number
    with pytest.raises(ValueError, match="same items"):
        saturation(base, treat[:, :3])
