"""Items in clusters: the reduction to independent items, oracles, and what happens when clusters are ignored."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.clusters import as_clusters, cluster_diagnostics, robust_mean_variance
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mcnemar import checkpoint_pair
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.pigeonhole import Layout, item_bootstrap_interval, pigeonhole_interval

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=40)


def flips(seed, shape, p=(0.1, 0.7, 0.2)):
    return np.random.default_rng(seed).choice([-1.0, 0, 1], size=shape, p=p)


def copied(seed, n_seeds, n_clusters, size):
    """Items in clusters that are copies of one another: the worst case."""
    return np.repeat(flips(seed, (n_seeds, n_clusters)), size, axis=1), np.repeat(np.arange(n_clusters), size)


@quick
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 30))
def test_one_item_per_cluster_is_independent_items(seed, n_seeds, n_items):
    matrix = flips(seed, (n_seeds, n_items))
    plain, own = mean_squares(matrix), mean_squares(matrix, np.arange(n_items))
    assert (own.item, own.error) == pytest.approx((plain.item, plain.error), rel=1e-9, abs=1e-15)
    assert (own.item_df, own.error_df) == (plain.item_df, plain.error_df)


@quick
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 12), st.integers(1, 6))
def test_copied_items_count_as_one_item_each(seed, n_seeds, n_clusters, size):
    matrix, labels = copied(seed, n_seeds, n_clusters, size)
    one, many = mean_squares(matrix[:, ::size]), mean_squares(matrix, labels)
    assert many.item / many.size == pytest.approx(one.item / one.size, rel=1e-9, abs=1e-15)
    assert many.error / many.size == pytest.approx(one.error / one.size, rel=1e-9, abs=1e-15)
    ours = guarded_crossed(matrix.mean(axis=1), [many], ALPHA)
    alone = guarded_crossed(matrix[:, ::size].mean(axis=1), [one], ALPHA)
    assert (ours.df is None) == (alone.df is None)
    assert ours.df is None or ours.df == pytest.approx(alone.df, rel=1e-9)


def test_cluster_robust_variance_agrees_with_statsmodels():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 17, size=150)
    values = rng.normal(size=17)[labels] + rng.normal(size=150)
    fit = sm.OLS(values, np.ones(150)).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert robust_mean_variance(values, as_clusters(labels, 150)) == pytest.approx(fit.bse[0] ** 2, rel=1e-9)


def test_intraclass_correlation_is_the_anova_estimator():
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(60), 5)
    means = np.clip(0.3 * rng.normal(size=60)[labels] * 0.5 + 0.1 * rng.normal(size=300), -1, 1)
    got = cluster_diagnostics(means[None, :], labels)
    between = stats.f_oneway(*means.reshape(60, 5)).statistic
    assert got.icc == pytest.approx((between - 1) / (between + 4), rel=1e-9)
    # for equal sizes the design effect is Kish's 1 + (m - 1) ICC, up to terms of order 1/G
    assert got.design_effect == pytest.approx(1 + 4 * got.icc, rel=0.03)


def test_independent_items_have_no_design_effect_and_copies_have_their_number():
    assert cluster_diagnostics(flips(1, (5, 40)), np.arange(40)).design_effect == pytest.approx(1.0)
    matrix, labels = copied(2, 5, 30, 4)
    got = cluster_diagnostics(matrix, labels)
    assert got.icc == pytest.approx(1.0)
    assert got.design_effect == pytest.approx(4 * (119 / 120) * (30 / 29), rel=1e-9)
    assert cluster_diagnostics(np.zeros((3, 6)), [0, 0, 1, 1, 2, 2]).design_effect == 1.0


@pytest.mark.parametrize(
    ("labels", "message"), [(["a"] * 6, "at least two clusters"), (["a", "b"], "one cluster id for each")]
)
def test_one_cluster_and_missing_labels_are_refused(labels, message):
    matrix = flips(3, (4, 6))
    with pytest.raises(ValueError, match=message):
        mean_squares(matrix, labels)
    with pytest.raises(ValueError, match=message):
        checkpoint_pair(matrix[0], ALPHA, labels)
    with pytest.raises(ValueError, match=message):
        pigeonhole_interval([matrix], 10, np.random.default_rng(0), ALPHA, Layout(clusters=[labels]))


def test_names_of_clusters_and_order_of_items_do_not_matter():
    matrix, labels = flips(4, (5, 24)), np.arange(24) // 4
    order = np.random.default_rng(0).permutation(24)
    names = np.array(["zeta", "eta", "theta", "iota", "kappa", "mu"])[labels]
    one, other = mean_squares(matrix, labels), mean_squares(matrix[:, order], names[order])
    assert (other.item, other.error) == pytest.approx((one.item, one.error), rel=1e-12)


def test_clustered_checkpoint_pair_mirrors_and_never_contradicts_itself():
    for seed in range(40):
        row, labels = flips(seed, 40, (0.05, 0.7, 0.25)), np.arange(40) // 5
        one, other = checkpoint_pair(row, ALPHA, labels), checkpoint_pair(-row, ALPHA, labels)
        assert (one.p, one.lost, one.gained) == (other.p, other.gained, other.lost)
        assert one.ci == pytest.approx((-other.ci.hi, -other.ci.lo))
        assert (one.p < ALPHA) == (one.ci.lo > 0 or one.ci.hi < 0)


def misses(*, clustered, runs=400, n_clusters=15, size=8):
    """How often E0 and E2 intervals miss a true difference of zero when whole clusters flip together."""
    rng = np.random.default_rng(11)
    missed = np.zeros(2)
    labels = np.repeat(np.arange(n_clusters), size)
    for _ in range(runs):
        lean = rng.choice([-0.5, 0.5], size=n_clusters)[labels]
        matrix = np.where(rng.random((4, len(labels))) < np.abs(lean), np.sign(lean), 0.0)
        given_labels = labels if clustered else None
        e0 = checkpoint_pair(matrix[0], ALPHA, given_labels).ci
        e2 = guarded_crossed(matrix.mean(axis=1), [mean_squares(matrix, given_labels)], ALPHA).guard.ci
        missed += [e0.lo > 0 or e0.hi < 0, e2.lo > 0 or e2.hi < 0]
    return missed


def test_clusters_keep_the_level_that_ignoring_them_loses():
    limit = stats.binom.ppf(0.999, 400, ALPHA)
    assert (misses(clustered=True) <= limit).all()
    assert (misses(clustered=False) > 3 * limit).all()


def test_bootstraps_draw_whole_clusters():
    matrix, labels = copied(9, 5, 25, 6)
    rng = np.random.default_rng
    for draw in (
        lambda c: item_bootstrap_interval(matrix[0], 4000, rng(0), ALPHA, c),
        lambda c: pigeonhole_interval([matrix], 4000, rng(0), ALPHA, Layout(clusters=[c])),
    ):
        with_clusters, without = draw(labels), draw(None)
        assert with_clusters.hi - with_clusters.lo > 1.3 * (without.hi - without.lo)
    alone = item_bootstrap_interval(matrix[0, ::6], 4000, rng(1), ALPHA)
    together = item_bootstrap_interval(matrix[0], 4000, rng(2), ALPHA, labels)
    assert together.hi - together.lo == pytest.approx(alone.hi - alone.lo, rel=0.1)


def test_clusters_do_not_move_e1_when_flips_are_independent():
    matrix = flips(10, (7, 300))
    plain = guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], ALPHA)
    own = guarded_t(matrix.mean(axis=1), [mean_squares(matrix, np.arange(300) // 3)], ALPHA)
    assert own.plain == plain.plain
    assert own.guard.ci == pytest.approx(plain.guard.ci, abs=0.01)
