"""A comparator without seeds: reductions, hand-computed numbers, and what ignoring its drawn answers does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.backbones import guarded_t_backbones
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.fixed_base import (
    DrawnAnswers,
    FixedCell,
    drawn_answers,
    fixed_deltas,
    guarded_crossed_fixed,
    guarded_t_fixed,
    right_or_wrong_answers,
)
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import mean_squares

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=40)


def a_cell(seed, n_seeds=5, n_items=40, k=None, backbone="b", benchmark="t"):
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.2, 0.8, size=n_items)
    treat = (rng.random((n_seeds, n_items)) < chance).astype(float)
    if k is None:
        return FixedCell(backbone, benchmark, treat, (rng.random(n_items) < chance).astype(float))
    samples = (rng.random((n_items, k)) < chance[:, None]).astype(float)
    return FixedCell(backbone, benchmark, treat, samples.mean(axis=1), drawn_answers(samples))


def test_plain_t_is_scipys_one_sample_t_of_the_mean_scores():
    cell = a_cell(0, 6, 300)
    want = stats.ttest_1samp(cell.treat.mean(axis=1), cell.base.mean())
    got = guarded_t_fixed([cell], ALPHA)
    assert got.plain.p == pytest.approx(want.pvalue, rel=1e-9)
    limits = want.confidence_interval(0.95)
    assert got.plain.ci == pytest.approx((limits.low - cell.base.mean(), limits.high - cell.base.mean()), rel=1e-9)


@quick
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(2, 40))
def test_greedy_comparator_is_the_guarded_result_of_the_differences(seed, n_seeds, n_items):
    cell = a_cell(seed, n_seeds, n_items)
    deltas = cell.treat - cell.base
    squares = [mean_squares(deltas)]
    e1 = guarded_t(deltas.mean(axis=1), squares, ALPHA)
    same = guarded_t_fixed([cell], ALPHA).guard
    assert (same.ci, same.p) == (pytest.approx(e1.guard.ci, abs=1e-12), pytest.approx(e1.guard.p))
    e2 = guarded_crossed(deltas.mean(axis=1), squares, ALPHA)
    got = guarded_crossed_fixed([cell], ALPHA).guard
    assert (got.ci, got.p) == (pytest.approx(e2.guard.ci), pytest.approx(e2.guard.p))


def test_drawn_answers_add_their_variance_computed_by_hand():
    # two items, two answers each: variances 1/2 and 0, so B = (1/2) / (2 * 2^2) = 1/16
    answers = drawn_answers(np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert answers.variance.tolist() == [0.5, 0.0]
    assert answers.of_mean == 1 / 16
    treat = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    got = guarded_t_fixed([FixedCell("b", "t", treat, np.array([0.5, 1.0]), answers)], ALPHA)
    seeds = np.var([1.0, 0.5, 0.0], ddof=1) / 3
    assert got.delta == pytest.approx(-0.25)
    t, flip, floor = got.terms
    assert t.se == pytest.approx(math.sqrt(seeds + 1 / 16))
    assert t.df == pytest.approx((seeds + 1 / 16) ** 2 / (seeds**2 / 2 + (1 / 16) ** 2 / 1))
    # residuals 1/6, -1/6; -1/3, 1/3; 1/6, -1/6: MS_E = (1/3) / 2, over S N = 6
    assert flip.se == pytest.approx(math.sqrt(1 / 6 / 6 + 1 / 16))
    assert floor.se == pytest.approx(math.sqrt(2 / 8**2 + 2 / 6**2))


@quick
@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(2, 9))
def test_means_of_right_or_wrong_answers_tell_their_variance(seed, n_items, k):
    samples = np.random.default_rng(seed).integers(0, 2, size=(n_items, k)).astype(float)
    one, other = drawn_answers(samples), right_or_wrong_answers(samples.mean(axis=1), k)
    assert other.variance == pytest.approx(one.variance, abs=1e-12)
    assert (one.k, other.k) == (k, k)


@quick
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_p_and_interval_agree_and_order_does_not_matter(seed, k):
    cell = a_cell(seed, 4, 25, k)
    got = guarded_t_fixed([cell], ALPHA)
    assert (got.guard.p < ALPHA) == (got.guard.ci.lo > 0 or got.guard.ci.hi < 0)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(4), rng.permutation(25)
    mixed = FixedCell(
        "b", "t", cell.treat[rows][:, columns], cell.base[columns], DrawnAnswers(cell.answers.variance[columns], k)
    )
    for method in (guarded_t_fixed, guarded_crossed_fixed):
        one, other = method([cell], ALPHA).guard, method([mixed], ALPHA).guard
        assert (other.ci, other.p) == (pytest.approx(one.ci, abs=1e-12), pytest.approx(one.p, rel=1e-6, abs=1e-12))


def test_mirrored_scores_mirror_the_result():
    cell = a_cell(3, k=4)
    mirrored = dataclasses.replace(cell, treat=1 - cell.treat, base=1 - cell.base)
    for method in (guarded_t_fixed, guarded_crossed_fixed):
        one, other = method([cell], ALPHA), method([mirrored], ALPHA)
        assert other.guard.ci == pytest.approx((-one.guard.ci.hi, -one.guard.ci.lo), abs=1e-12)


def test_mean_over_cells_weighs_each_cells_answers():
    cells = [
        a_cell(s, 5, 30, k=3, backbone=b, benchmark=t) for s, (b, t) in enumerate((x, y) for x in "ab" for y in "uv")
    ]
    plain = guarded_t_backbones([fixed_deltas(cell) for cell in cells], ALPHA)
    got = guarded_t_fixed(cells, ALPHA)
    noise = sum(cell.answers.of_mean for cell in cells) / 16
    assert got.terms[0].se ** 2 == pytest.approx(plain.terms[0].se ** 2 + noise)
    assert got.plain.df > plain.plain.df
    assert got.delta == plain.delta


def test_no_data_give_an_interval_without_width():
    cell = FixedCell("b", "t", np.ones((3, 50)), np.ones(50), DrawnAnswers(np.zeros(50), 4))
    got = guarded_t_fixed([cell], ALPHA)
    assert got.guard.binding == "floor"
    assert got.guard.ci.hi > 0
    assert got.guard.p == 1.0
    assert got.plain.ci is None


def misses(*, drawn, runs=500, k=4, n_items=100):
    rng, missed = np.random.default_rng(7), 0
    for _ in range(runs):
        chance = rng.uniform(0.35, 0.65, size=n_items)
        treat = (rng.random((16, n_items)) < chance).astype(float)
        samples = (rng.random((n_items, k)) < chance[:, None]).astype(float)
        answers = drawn_answers(samples) if drawn else None
        missed += guarded_t_fixed([FixedCell("b", "t", treat, samples.mean(axis=1), answers)], ALPHA).guard.p < ALPHA
    return missed


def test_drawn_answers_keep_the_level_that_ignoring_them_loses():
    assert misses(drawn=True) <= stats.binom.ppf(0.999, 500, ALPHA)
    assert misses(drawn=False) > 3 * 500 * ALPHA


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: drawn_answers(np.ones((5, 1))), "two answers per item"),
        (lambda: right_or_wrong_answers(np.ones(5), 1), "two answers per item"),
        (lambda: right_or_wrong_answers(np.array([0.3]), 2), "no means of 2"),
        (lambda: fixed_deltas(FixedCell("b", "t", np.ones((2, 3)), np.ones(4))), "one score per item"),
        (lambda: fixed_deltas(FixedCell("b", "t", np.ones((2, 3)), np.ones((2, 3)))), "one score per item"),
        (
            lambda: fixed_deltas(FixedCell("b", "t", np.ones((2, 3)), np.ones(3), DrawnAnswers(np.ones(4), 2))),
            "other items",
        ),
        (lambda: guarded_t_fixed([a_cell(0, 1)], ALPHA), "two training seeds"),
        (lambda: guarded_crossed_fixed([a_cell(0, 3, 1)], ALPHA), "two items"),
    ],
)
def test_comparators_that_do_not_fit_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
