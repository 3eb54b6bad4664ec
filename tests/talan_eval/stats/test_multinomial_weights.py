"""Item weights follow the multinomial law exactly, however few random numbers they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats import multinomial
from talan_eval.stats.multinomial import weighted_sums

ITEMS, RESAMPLES = 80, 12_000


def weights(draws, seed=0, items=ITEMS):
    return weighted_sums(np.eye(items, dtype=np.float32), np.asarray(draws), np.random.default_rng(seed))


def p_of_binomial(counts, n):
    """Chi-square test of how often an item is drawn against the binomial law, tails pooled."""
    seen = np.bincount(np.minimum(counts.astype(int).ravel(), 6), minlength=7)
    law = stats.binom(n, 1 / ITEMS)
    expected = np.append(law.pmf(np.arange(6)), law.sf(5)) * counts.size
    return stats.chisquare(seen, expected, sum_check=False).pvalue


def test_how_often_an_item_is_drawn_is_binomial():
    counts = weights(np.full(RESAMPLES, ITEMS))
    assert p_of_binomial(counts, ITEMS) > 0.001
    # the control: counts that were not completed to the number of draws are seen to be wrong
    poisson = np.random.default_rng(1).poisson(0.97, size=counts.shape)
    assert p_of_binomial(poisson, ITEMS) < 1e-6


def test_items_compete_for_the_draws_as_multinomial_counts_do():
    counts = weights(np.full(RESAMPLES, ITEMS), seed=2)
    covariance = np.cov(counts.T)
    off = covariance[~np.eye(ITEMS, dtype=bool)]
    assert off.mean() == pytest.approx(-1 / ITEMS, abs=5e-4)
    assert off.std() == pytest.approx(1 / np.sqrt(RESAMPLES), rel=0.1)
    assert np.diag(covariance).mean() == pytest.approx(1 - 1 / ITEMS, abs=5e-3)


@pytest.mark.parametrize("spare", [-1.0, 0.0, 6.0])
def test_the_law_does_not_depend_on_how_many_rows_overshoot(monkeypatch, spare):
    monkeypatch.setattr(multinomial, "_SPARE", spare)
    counts = weights(np.full(RESAMPLES, ITEMS), seed=3)
    assert p_of_binomial(counts, ITEMS) > 0.001
    assert (counts.sum(axis=1) == ITEMS).all()


@settings(max_examples=40, deadline=None)
@given(
    items=st.integers(1, 300),
    draws=st.lists(st.integers(0, 700), min_size=1, max_size=40),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_row_has_exactly_its_number_of_draws(items, draws, seed):
    counts = weights(draws, seed, items)
    assert (counts.sum(axis=1) == draws).all()
    assert counts.min() >= 0


def test_the_same_seed_draws_the_same_weights_in_both_precisions():
    draws = np.full(300, 200)
    columns = np.random.default_rng(4).choice([-1.0, 0, 1], size=(200, 3))
    single = weighted_sums(columns.astype(np.float32), draws, np.random.default_rng(5))
    double = weighted_sums(columns, draws, np.random.default_rng(5))
    assert np.array_equal(single, double)
    assert not np.array_equal(double, weighted_sums(columns, draws, np.random.default_rng(6)))


@pytest.mark.parametrize("width", [1, 7, 8, 17, 40])
def test_columns_are_summed_alike_however_many_there_are(width):
    draws = np.full(50, ITEMS)
    columns = np.random.default_rng(7).choice([-1.0, 0, 1], size=(ITEMS, width))
    assert np.array_equal(weighted_sums(columns, draws, np.random.default_rng(0)), weights(draws) @ columns)


def test_a_byte_settles_nearly_every_count_and_the_rest_keeps_the_law():
    law = multinomial._poisson_bytes(0.93)
    settled = np.array([sum(byte >= edge for edge in law.thresholds) for byte in range(law.limit)])
    open_share = 1 - law.limit / 256
    assert open_share < 0.02
    whole = np.bincount(settled, minlength=25) / 256 + open_share * np.diff(law.open_cdf, prepend=0)
    assert whole == pytest.approx(stats.poisson(0.93).pmf(np.arange(25)), abs=1e-15)
