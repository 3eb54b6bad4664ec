"""The global permutation of arms within seeds: plain enumeration, levels, and its control."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.arm_permutation import permute_arms

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=15)


def enumerated(blocks):
    """p of the mean and of any cell, arms permuted in every seed of every backbone."""
    n_arms = len(blocks[0])
    orders = list(permutations(range(n_arms)))
    scales = [np.sqrt(((b - b.mean(axis=0)) ** 2).sum(axis=(0, 1))) for b in blocks]
    found = []
    for chosen in product(orders, repeat=sum(b.shape[1] for b in blocks)):
        start, cells, scaled = 0, [], []
        for block, scale in zip(blocks, scales, strict=True):
            moved = np.stack([block[list(chosen[start + s]), s] for s in range(block.shape[1])], axis=1)
            start += block.shape[1]
            cells.append(moved.mean(axis=1))
            sums = moved.sum(axis=1)
            scaled.append(max(np.ptp(sums[:, c]) / scale[c] for c in range(len(scale))))
        means = np.concatenate(cells, axis=1).mean(axis=1)
        largest = max(abs(means[a] - means[b]) for a, b in combinations(range(n_arms), 2))
        found.append((largest, max(scaled)))
    found = np.array(found)
    return (found >= found[0] - 1e-9).mean(axis=0)


@quick
@given(st.integers(0, 10_000), st.sampled_from([((3, 3, 2),), ((2, 2, 1), (2, 3, 2)), ((4, 2, 2),), ((2, 1, 1),)]))
def test_listed_permutations_are_plain_enumeration(seed, shapes):
    rng = np.random.default_rng(seed)
    blocks = [rng.integers(0, 12, size=shape) / 12 for shape in shapes]
    if any((np.ptp(block, axis=0) == 0).all(axis=0).any() for block in blocks):
        return
    got = permute_arms(blocks)
    assert got.exact
    assert (got.mean_p, got.cell_p) == pytest.approx(enumerated(blocks), abs=1e-12)
    order = rng.permutation(len(blocks[0]))
    again = permute_arms([block[order][:, ::-1] for block in blocks])
    assert (again.mean_p, again.cell_p) == pytest.approx((got.mean_p, got.cell_p), abs=1e-12)


def test_two_arms_of_one_benchmark_are_the_sign_flip_test():
    rng = np.random.default_rng(1)
    scores = rng.normal(0.5, 0.1, size=(2, 7, 1))
    deltas = scores[1, :, 0] - scores[0, :, 0]
    totals = np.array([abs(np.dot(signs, deltas)) for signs in product((1, -1), repeat=7)])
    want = (totals >= abs(deltas.sum()) - 1e-9).mean()
    got = permute_arms([scores])
    assert (got.mean_p, got.cell_p) == pytest.approx((want, want))
    assert got.floor == 2 / 2**7


def test_drawn_permutations_agree_with_the_listed_ones_and_repeat():
    rng = np.random.default_rng(2)
    scores = rng.normal(0.5, 0.02, size=(3, 7, 4))
    scores[0] += 0.02
    listed = permute_arms([scores])
    wider = np.concatenate([scores, scores[:, :1]], axis=1)  # eight seeds are too many to list
    drawn = permute_arms([wider])
    assert listed.exact
    assert not drawn.exact
    assert drawn == permute_arms([wider])
    assert drawn.floor == 1 / 10_001
    assert 0 < drawn.mean_p < 0.05
    coarse = permute_arms([wider], draws=200, seed=1)
    assert coarse.mean_p == pytest.approx(drawn.mean_p, abs=0.05)


def test_an_arms_level_in_a_seed_changes_nothing_and_equal_arms_are_never_told_apart():
    rng = np.random.default_rng(3)
    scores = rng.normal(0.5, 0.02, size=(3, 4, 2))
    got = permute_arms([scores])
    assert permute_arms([scores + rng.normal(size=(1, 4, 1))]) == got
    same = permute_arms([np.broadcast_to(scores[:1], (3, 4, 2))])
    assert (same.mean_p, same.cell_p) == (1.0, 1.0)


def test_a_noisy_benchmark_does_not_hide_another_in_the_p_of_cells():
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 0.3, size=(3, 6, 2))
    scores[:, :, 1] = rng.normal(0, 0.001, size=(3, 6)) + np.array([0.0, 0.0, 0.01])[:, None]
    got = permute_arms([scores])
    assert got.cell_p < 0.01
    assert got.mean_p > 0.05


def test_the_level_holds_and_unrestricted_permutations_lose_power():
    rng, runs = np.random.default_rng(5), 300
    false = found = 0
    for _ in range(runs):
        level = rng.normal(0, 0.05, size=(1, 5, 1))
        scores = level + rng.exponential(0.01, size=(4, 5, 2))
        got = permute_arms([scores], draws=199)
        false += max(got.mean_p, got.cell_p) <= ALPHA
        scores[0] += 0.03
        found += permute_arms([scores], draws=199).mean_p <= ALPHA
    assert false <= stats.binom.ppf(0.999, runs, ALPHA)
    assert found > 0.8 * runs


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([], "arms x seeds x benchmarks"),
        ([np.zeros((2, 3))], "arms x seeds x benchmarks"),
        ([np.zeros((2, 0, 1))], "arms x seeds x benchmarks"),
        ([np.zeros((1, 3, 1))], "two or more arms"),
        ([np.zeros((2, 3, 1)), np.zeros((3, 3, 1))], "two or more arms"),
    ],
)
def test_arms_that_cannot_be_permuted_are_refused(blocks, says):
    with pytest.raises(ValueError, match=says):
        permute_arms(blocks)
