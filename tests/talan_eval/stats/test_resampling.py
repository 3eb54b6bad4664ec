"""The bootstraps over items and over both axes: against other software, a plain loop, and the exact moments."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.significance import _bootstrap_resample, estimate_ci
from scipy import stats

from talan_eval.stats.clusters import as_clusters
from talan_eval.stats.item_weights import resampled_means
from talan_eval.stats.pigeonhole import Layout, item_bootstrap_interval, pigeonhole_interval

ALPHA = 0.05
DRAWS = 8000


def flips(seed, shape, p=(0.1, 0.7, 0.2)):
    return np.random.default_rng(seed).choice([-1.0, 0, 1], size=shape, p=p)


class Mean:
    """The one method of a sacreBLEU metric that its bootstrap calls."""

    def __init__(self, size):
        self.size = size

    def _compute_score_from_stats(self, total):
        return float(total[0]) / self.size


def test_item_bootstrap_agrees_with_scipy_and_sacrebleu():
    row = flips(0, 300)
    ours = item_bootstrap_interval(row, DRAWS, np.random.default_rng(0), ALPHA)
    scipys = stats.bootstrap(
        (row,), np.mean, n_resamples=DRAWS, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    _, scores = _bootstrap_resample(row[:, None].tolist(), Mean(300), DRAWS)
    centre, half = estimate_ci(np.array(scores))
    # the ends of a percentile interval from 8,000 draws have a standard error of about 0.0008 here
    assert ours == pytest.approx((scipys.low, scipys.high), abs=0.004)
    assert ours == pytest.approx((centre - half, centre + half), abs=0.004)


def test_two_way_bootstrap_agrees_with_a_plain_loop():
    matrix, rng = flips(1, (5, 60)), np.random.default_rng(2)
    seeds = rng.integers(0, 5, size=(DRAWS, 5))
    items = rng.integers(0, 60, size=(DRAWS, 60))
    plain = [matrix[np.ix_(s, i)].mean() for s, i in zip(seeds, items, strict=True)]
    ours = pigeonhole_interval([matrix], DRAWS, np.random.default_rng(3), ALPHA)
    assert ours == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.006)


@pytest.mark.parametrize("changed", [1.0, 0.3])
def test_resampled_items_have_the_moments_of_the_multinomial(changed):
    rng = np.random.default_rng(4)
    matrix = np.where(rng.random(90) < changed, rng.uniform(-1, 1, size=(3, 90)), 0.0)
    means = resampled_means(matrix, None, 20_000, np.random.default_rng(5))
    error = np.sqrt(np.diag(np.cov(matrix, ddof=0)) / 90 / 20_000)
    assert (np.abs(means.mean(axis=0) - matrix.mean(axis=1)) < 4 * error).all()
    # all rows see the same items: their covariance is kept
    assert np.cov(means.T) == pytest.approx(np.cov(matrix, ddof=0) / 90, rel=0.15, abs=1e-4)


def test_single_precision_is_used_only_where_it_is_exact():
    matrix = flips(6, (4, 500))
    exact = resampled_means(matrix, None, 300, np.random.default_rng(7))
    # thirds are no multiples of 1/64, so the same draws are summed in double precision
    double = resampled_means(matrix / 3, None, 300, np.random.default_rng(7)) * 3
    assert exact == pytest.approx(double, abs=1e-14)
    eighths = resampled_means(matrix / 8, None, 300, np.random.default_rng(7)) * 8
    assert (eighths == exact).all()


def test_resampled_clusters_divide_by_the_items_they_drew():
    matrix = np.full((2, 12), 0.25)
    clusters = as_clusters([0] * 1 + [1] * 3 + [2] * 8, 12)
    means = resampled_means(matrix, clusters, 200, np.random.default_rng(8))
    assert means == pytest.approx(np.full((200, 2), 0.25), abs=1e-15)


def test_cells_of_a_benchmark_see_the_same_items_and_others_do_not():
    matrix = flips(9, (4, 80))
    cancelling = [matrix, -matrix]
    together = pigeonhole_interval(cancelling, 500, np.random.default_rng(0), ALPHA, Layout(benchmarks=["a", "a"]))
    apart = pigeonhole_interval(cancelling, 500, np.random.default_rng(0), ALPHA, Layout(benchmarks=["a", "b"]))
    assert together is None
    assert apart.hi - apart.lo > 0.02


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(backbones=["a"]), "names 1 cells"),
        (Layout(benchmarks=["a", "a"]), "same items"),
        (Layout(benchmarks=["a", "a"], clusters=[[0, 1, 0], [0, 1, 0, 1]]), "same items"),
    ],
)
def test_layouts_that_do_not_fit_the_cells_are_refused(layout, message):
    cells = [flips(0, (3, 3)), flips(1, (3, 4))]
    with pytest.raises(ValueError, match=message):
        pigeonhole_interval(cells, 10, np.random.default_rng(0), ALPHA, layout)


def test_clusters_must_agree_between_the_cells_of_a_benchmark():
    cells = [flips(0, (3, 4)), flips(1, (3, 4))]
    for other in (None, [0, 1, 1, 1]):
        layout = Layout(benchmarks=["a", "a"], clusters=[[0, 0, 1, 1], other])
        with pytest.raises(ValueError, match="same clusters"):
            pigeonhole_interval(cells, 10, np.random.default_rng(0), ALPHA, layout)
