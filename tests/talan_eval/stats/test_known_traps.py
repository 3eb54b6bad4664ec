"""Data on which other tools report a certainty that is not there. Each test shows the wrong number as its control."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from talan_eval.stats.cmh import cmh, seed_tables
from talan_eval.stats.copies import copied_seeds
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mcnemar import checkpoint_pair, mcnemar_exact
from talan_eval.stats.mean_squares import mean_squares

ALPHA = 0.05


def two_arms(both, lost, gained, neither):
    """Right-or-wrong answers of two arms with the given table."""
    base = np.repeat([1.0, 1.0, 0.0, 0.0], [both, lost, gained, neither])
    treat = np.repeat([1.0, 0.0, 1.0, 0.0], [both, lost, gained, neither])
    return base, treat


def test_seeds_nested_in_items_make_a_certainty_out_of_seed_noise():
    # seed differences of +6.1 -4.5 +5.3 -2.3 +4.5 +1.5 -1.5 points on 1,319 items
    rng, net = np.random.default_rng(3), [80, -59, 70, -30, 59, 20, -20]
    matrix = np.zeros((7, 1319))
    for row, count in zip(matrix, net, strict=True):
        row[rng.choice(1319, abs(count), replace=False)] = np.sign(count)
    assert np.round(100 * matrix.mean(axis=1), 1).tolist() == [6.1, -4.5, 5.3, -2.3, 4.5, 1.5, -1.5]
    means = matrix.mean(axis=0)
    nested = 2 * stats.norm.sf(means.mean() / math.sqrt(means.var(ddof=1) / 1319))
    assert nested == pytest.approx(8e-11, rel=0.1)
    squares = mean_squares(matrix)
    e1 = guarded_t(matrix.mean(axis=1), [squares], ALPHA)
    assert e1.plain.p == pytest.approx(0.44, abs=0.005)
    assert e1.guard.p >= e1.plain.p
    assert guarded_crossed(matrix.mean(axis=1), [squares], ALPHA).guard.p > 0.4


def test_one_run_copied_seven_times_is_found_and_does_not_move_e0():
    base, treat = two_arms(200, 37, 52, 211)
    once = checkpoint_pair(treat - base, ALPHA)
    assert once.sign_p == pytest.approx(0.137, abs=0.0005)
    assert mcnemar_exact(7 * once.lost, 7 * once.gained) == pytest.approx(3e-5, rel=0.02)
    copies = np.tile(base, (7, 1)), np.tile(treat, (7, 1))
    assert [checkpoint_pair(row, ALPHA) for row in copies[1] - copies[0]] == [once] * 7
    assert len(copied_seeds(*copies)) == 21
    # why it has to be found: the differences alone look like seven seeds in perfect agreement
    deltas = copies[1] - copies[0]
    assert guarded_t(deltas.mean(axis=1), [mean_squares(deltas)], ALPHA).guard.p < 1e-6


def test_honest_seeds_are_no_copies():
    rng = np.random.default_rng(0)
    base, treat = (rng.integers(0, 2, size=(7, 30)).astype(float) for _ in range(2))
    assert copied_seeds(base, treat) == ()
    treat[4], base[4] = treat[1], base[1]
    assert copied_seeds(base, treat) == ((1, 4),)
    assert copied_seeds(base[:, :19], treat[:, :19]) == ()
    assert copied_seeds(np.ones((3, 50)), np.ones((3, 50))) == ()
    with pytest.raises(ValueError, match="same seeds and items"):
        copied_seeds(base, treat[:, 1:])


def test_unpaired_and_paired_tests_of_the_same_220_items():
    # the case of lm-evaluation-harness pull request 3868, rebuilt from a table with its two p-values
    base, treat = two_arms(110, 12, 30, 68)
    assert len(base) == 220
    share_base, share_treat = base.mean(), treat.mean()
    stderr = math.sqrt((share_base * (1 - share_base) + share_treat * (1 - share_treat)) / 219)
    assert 2 * stats.norm.sf((share_treat - share_base) / stderr) == pytest.approx(0.080, abs=0.0005)
    pair = checkpoint_pair(treat - base, ALPHA)
    assert pair.sign_p == pytest.approx(0.008, abs=0.0005)
    assert pair.p < 0.01
    assert pair.ci.lo > 0


def test_mean_over_samples_and_all_samples_right_are_two_metrics():
    # the treat arm is right more often, but never on all four samples
    rng = np.random.default_rng(1)
    base = np.zeros((7, 120, 4))
    base[:, :30] = 1.0
    treat = np.zeros((7, 120, 4))
    treat[:, :, :3] = 1.0
    treat[rng.random((7, 120)) < 0.2] = 0.0
    results = {}
    for name, metric in (("mean", lambda y: y.mean(axis=2)), ("all", lambda y: y.min(axis=2))):
        deltas = metric(treat) - metric(base)
        results[name] = guarded_t(deltas.mean(axis=1), [mean_squares(deltas)], ALPHA)
    assert results["mean"].guard.ci.lo > 0
    assert results["all"].guard.ci.hi < 0


def seed_effects(rng, n_seeds=7, n_items=1319, tau=0.03):
    """Right-or-wrong answers without a gain on average, but with a spread between trainings."""
    base = rng.random((n_seeds, n_items)) < 0.5
    treat = rng.random((n_seeds, n_items)) < 0.5 + rng.normal(0, tau, (n_seeds, 1))
    return base.astype(float), treat.astype(float)


def false_claims(p_value, runs=150):
    rng = np.random.default_rng(2)
    return sum(p_value(*seed_effects(rng)) < ALPHA for _ in range(runs)) / runs


def test_pooled_and_single_seed_tests_claim_gains_that_re_training_would_not_give():
    def guarded(base, treat):
        deltas = treat - base
        return guarded_t(deltas.mean(axis=1), [mean_squares(deltas)], ALPHA).guard.p

    def pooled(base, treat):
        return mcnemar_exact(int((treat < base).sum()), int((treat > base).sum()))

    def first_seed(base, treat):
        return checkpoint_pair(treat[0] - base[0], ALPHA).p

    def stratified(base, treat):
        return cmh(seed_tables(base, treat)).p

    assert false_claims(guarded) <= stats.binom.ppf(0.999, 150, ALPHA) / 150
    for wrong in (pooled, first_seed, stratified):
        assert false_claims(wrong) > 0.2


def test_samples_of_one_training_are_no_seeds():
    # seven samples of one trained pair: their spread does not contain the spread between trainings
    rng, runs = np.random.default_rng(4), 200
    as_seeds = 0
    for _ in range(runs):
        shift = rng.normal(0, 0.03)
        deltas = (rng.random((7, 1319)) < 0.5 + shift).astype(float) - (rng.random((7, 1319)) < 0.5)
        as_seeds += guarded_t(deltas.mean(axis=1), [mean_squares(deltas)], ALPHA).guard.p < ALPHA
    assert as_seeds > 0.5 * runs
