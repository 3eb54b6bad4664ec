"""Tests that readers ask for by name, against scipy and statsmodels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests

from talan_eval.stats.cmh import cmh, seed_tables
from talan_eval.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli
from talan_eval.stats.signflip import SeedSums
from talan_eval.stats.wilcoxon import MAX_SEEDS, signed_rank

quick = settings(derandomize=True, deadline=None, max_examples=50)


def counted(values):
    return SeedSums(np.array(values, dtype=np.int64), 100, 0)


@quick
@given(st.lists(st.integers(-99, 99).filter(bool), min_size=1, max_size=12, unique_by=abs))
def test_signed_rank_agrees_with_scipy_without_ties(values):
    want = stats.wilcoxon(values, method="exact")
    got = signed_rank(counted(values))
    assert (got.statistic, got.p) == pytest.approx((want.statistic, want.pvalue), abs=1e-12)


@quick
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_rank_with_ties_agrees_with_plain_enumeration(values):
    kept = np.array([v for v in values if v])
    got = signed_rank(counted(values))
    if len(kept) == 0:
        assert (got.p, got.n_used) == (1.0, 0)
        return
    ranks = stats.rankdata(np.abs(kept))
    sums = np.array([ranks[np.array(s) > 0].sum() for s in itertools.product((1, -1), repeat=len(kept))])
    observed = min(ranks[kept > 0].sum(), ranks[kept < 0].sum())
    assert got.statistic == observed
    assert got.p == pytest.approx(min(1.0, 2 * np.mean(sums <= observed)), abs=1e-12)
    assert signed_rank(counted([-v for v in values])) == got


def test_signed_rank_refuses_what_it_cannot_enumerate():
    with pytest.raises(ValueError, match=f"up to {MAX_SEEDS} seeds"):
        signed_rank(counted(range(1, MAX_SEEDS + 2)))


@quick
@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4), min_size=1, max_size=5))
def test_cmh_agrees_with_statsmodels(rows):
    tables = np.array(rows, dtype=float).reshape(-1, 2, 2)
    got = cmh(tables)
    margins = np.stack([tables.sum(axis=1), tables.sum(axis=2)])
    if (margins == 0).any():
        # the library divides by zero for tables without information; they must not change ours
        kept = tables[(margins > 0).all(axis=(0, 2))]
        again = cmh(kept) if len(kept) else None
        assert got.statistic == pytest.approx(0.0 if again is None else again.statistic, abs=1e-9)
        return
    want = StratifiedTable([table.astype(float) for table in tables])
    assert got.statistic == pytest.approx(want.test_null_odds().statistic, rel=1e-9, abs=1e-12)
    assert got.p == pytest.approx(want.test_null_odds().pvalue, rel=1e-9)
    if got.odds_ratio:
        assert got.odds_ratio == pytest.approx(want.oddsratio_pooled, rel=1e-9)


def test_cmh_tables_of_two_arms():
    base, treat = np.array([[1.0, 0, 0], [1, 1, 0]]), np.array([[1.0, 1, 0], [1, 1, 1]])
    assert seed_tables(base, treat).tolist() == [[[2, 1], [1, 2]], [[3, 0], [2, 1]]]
    with pytest.raises(ValueError, match="0 or 1"):
        seed_tables(base, treat / 2)


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), -np.ones((1, 2, 2)), np.full((1, 2, 2), np.nan)])
def test_cmh_refuses_what_is_no_table(bad):
    with pytest.raises(ValueError, match=r"tables|counts"):
        cmh(bad)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_false_discovery_rates_agree_with_statsmodels(p_values):
    raw = np.array(p_values)
    assert benjamini_hochberg(raw) == pytest.approx(multipletests(raw, method="fdr_bh")[1], abs=1e-12)
    assert benjamini_yekutieli(raw) == pytest.approx(multipletests(raw, method="fdr_by")[1], abs=1e-12)
