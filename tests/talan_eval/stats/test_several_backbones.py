"""The aggregate over backbones: reductions to one backbone, enumeration, and the controls that must fail."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.aggregate import equal_weight_mean
from talan_eval.stats.backbone_flips import max_t_backbones, sign_flip_backbones
from talan_eval.stats.backbones import (
    GridCell,
    backbone_gains,
    guarded_crossed_backbones,
    guarded_t_backbones,
    pigeonhole_backbones,
)
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.multiplicity import max_t
from talan_eval.stats.pigeonhole import pigeonhole_interval
from talan_eval.stats.signflip import SeedSums, mean_sums, seed_sums, sign_flip

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=30)


def grid(seed, seeds=(4, 5), items=(30, 20)):
    rng = np.random.default_rng(seed)
    return [
        GridCell(f"b{b}", f"t{t}", rng.choice([-1.0, 0, 1], size=(s, n), p=[0.1, 0.7, 0.2]))
        for b, s in enumerate(seeds)
        for t, n in enumerate(items)
    ]


def flip_all(cells):
    return [GridCell(cell.backbone, cell.benchmark, -cell.deltas, cell.clusters) for cell in cells]


@quick
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 3))
def test_one_backbone_is_the_aggregate_over_cells(seed, n_seeds, n_cells):
    cells = grid(seed, (n_seeds,), tuple(range(5, 5 + n_cells)))
    matrices = [cell.deltas for cell in cells]
    per_seed = equal_weight_mean(np.stack([m.mean(axis=1) for m in matrices]))
    squares = [mean_squares(m) for m in matrices]
    e1, e2 = guarded_t(per_seed, squares, ALPHA), guarded_crossed(per_seed, squares, ALPHA)
    got1, got2 = guarded_t_backbones(cells, ALPHA), guarded_crossed_backbones(cells, ALPHA)
    assert got1.guard.ci == pytest.approx(e1.guard.ci, rel=1e-9, abs=1e-12)
    assert got2.guard.ci == pytest.approx(e2.guard.ci, rel=1e-9, abs=1e-12)
    assert (got1.guard.p, got2.guard.p) == pytest.approx((e1.guard.p, e2.guard.p), rel=1e-7, abs=1e-12)
    one = pigeonhole_backbones(cells, 200, np.random.default_rng(0), ALPHA)
    assert one == pigeonhole_interval(matrices, 200, np.random.default_rng(0), ALPHA)


def test_welch_satterthwaite_of_two_backbones_is_scipys():
    cells = grid(3, (4, 6), (200,))
    one, other = (gain.per_seed for gain in backbone_gains(cells))
    # the mean of two backbones is half the difference to the negated second one
    want = stats.ttest_ind(one, -other, equal_var=False)
    got = guarded_t_backbones(cells, ALPHA).plain
    assert (got.p, got.df) == pytest.approx((want.pvalue, want.df), rel=1e-9)
    limits = want.confidence_interval(0.95)
    assert got.ci == pytest.approx((limits.low / 2, limits.high / 2), rel=1e-9)


def test_unequal_numbers_of_benchmarks_weigh_cells_equally():
    rng = np.random.default_rng(0)
    cells = [GridCell("a", t, rng.choice([-1.0, 0, 1], size=(3, 40))) for t in ("x", "y", "z")]
    cells.append(GridCell("b", "x", rng.choice([-1.0, 0, 1], size=(5, 40))))
    want = np.mean([cell.deltas.mean() for cell in cells])
    assert guarded_t_backbones(cells, ALPHA).delta == pytest.approx(want)
    assert guarded_crossed_backbones(cells, ALPHA).delta == pytest.approx(want)
    assert [gain.weight for gain in backbone_gains(cells)] == [0.75, 0.25]


@quick
@given(st.integers(0, 10_000))
def test_swapping_the_arms_mirrors_the_aggregate(seed):
    cells = grid(seed)
    for method in (guarded_t_backbones, guarded_crossed_backbones):
        one, other = method(cells, ALPHA), method(flip_all(cells), ALPHA)
        assert (other.delta, other.guard.p) == (-one.delta, one.guard.p)
        assert other.guard.ci == pytest.approx((-one.guard.ci.hi, -one.guard.ci.lo), abs=1e-15)
    one, other = (pigeonhole_backbones(c, 300, np.random.default_rng(1), ALPHA) for c in (cells, flip_all(cells)))
    assert one == pytest.approx((-other.hi, -other.lo), abs=1e-15)


@quick
@given(st.integers(0, 10_000))
def test_order_of_cells_does_not_matter(seed):
    cells = grid(seed, (3, 4), (6, 7))
    order = np.random.default_rng(seed).permutation(len(cells))
    mixed = [cells[i] for i in order]
    for method in (guarded_t_backbones, guarded_crossed_backbones):
        assert method(mixed, ALPHA).guard.ci == pytest.approx(method(cells, ALPHA).guard.ci, abs=1e-12)
    sums = [seed_sums(cell.deltas, 1) for cell in cells]
    names = [cell.backbone for cell in cells]
    p = max_t_backbones(sums, names)
    assert max_t_backbones([sums[i] for i in order], [names[i] for i in order]) == pytest.approx(p[order], abs=1e-12)


@quick
@given(st.integers(0, 10_000), st.sampled_from([(3, 4), (2, 2, 3), (5,)]))
def test_sign_flips_agree_with_plain_enumeration(seed, seeds):
    cells = grid(seed, seeds, (6, 9))
    exact = np.concatenate([gain.per_seed * gain.weight / len(gain.per_seed) for gain in backbone_gains(cells)])
    totals = [abs(np.dot(signs, exact)) for signs in itertools.product((1, -1), repeat=len(exact))]
    want = np.mean(np.array(totals) >= abs(exact.sum()) - 1e-12)
    got = sign_flip_backbones([seed_sums(cell.deltas, 1) for cell in cells], [cell.backbone for cell in cells])
    assert got.p == pytest.approx(want, abs=1e-12)
    assert got.floor == 2.0 ** (1 - sum(seeds))


def test_sign_flips_of_one_backbone_are_the_plain_ones():
    cells = [seed_sums(cell.deltas, 1) for cell in grid(5, (7,), (30, 50, 11))]
    assert sign_flip_backbones(cells, ["b"] * 3) == sign_flip(mean_sums(cells))
    assert max_t_backbones(cells, ["b"] * 3) == pytest.approx(max_t(cells), abs=1e-15)


def test_four_backbones_with_seven_seeds_are_exact_at_the_floor():
    sums = [SeedSums(np.arange(1, 8), 1319, 0) for _ in range(4)]
    got = sign_flip_backbones(sums, ["a", "b", "c", "d"])
    assert got.p == got.floor == 2.0**-27


def test_scores_without_a_common_denominator_count_near_ties_as_ties():
    rng = np.random.default_rng(2)
    odd = [seed_sums(rng.uniform(-1, 1, size=(4, 5)), 1) for _ in range(2)]
    assert odd[0].slack > 0
    got = sign_flip_backbones(odd, ["a", "b"])
    exact = np.concatenate([s.counts / s.denominator / 8 for s in odd])
    totals = [abs(np.dot(signs, exact)) for signs in itertools.product((1, -1), repeat=8)]
    assert got.p == np.mean(np.array(totals) >= abs(exact.sum()) - 1e-8)


def test_sixty_trained_pairs_are_counted_exactly():
    sums = [SeedSums(np.ones(20, dtype=np.int64), 10, 0)] * 3
    assert sign_flip_backbones(sums, ["a", "b", "c"]).p == pytest.approx(2.0**-59)
    mixed = [SeedSums(np.array([1] * 17 + [-1] * 3), 10, 0)] * 3
    # 51 of 60 equal steps go one way: the binomial tail
    want = 2 * sum(math.comb(60, k) for k in range(51, 61)) / 2**60
    assert sign_flip_backbones(mixed, ["a", "b", "c"]).p == pytest.approx(want, rel=1e-12)


def test_max_t_over_backbones_agrees_with_plain_enumeration():
    cells = grid(11, (3, 4), (15, 12))
    counts = [seed_sums(cell.deltas, 1).counts.astype(float) for cell in cells]
    norms = [np.sqrt((c**2).sum()) for c in counts]
    observed = np.array([abs(c.sum()) / n for c, n in zip(counts, norms, strict=True)])
    flipped = []
    for signs in itertools.product((1, -1), repeat=7):
        own = {"b0": signs[:3], "b1": signs[3:]}
        flipped.append([abs(np.dot(own[x.backbone], c)) / n for x, c, n in zip(cells, counts, norms, strict=True)])
    flipped, order = np.array(flipped), np.argsort(-observed, kind="stable")
    want, running = np.empty(4), 0.0
    for place, cell in enumerate(order):
        running = max(running, (flipped[:, order[place:]].max(axis=1) >= observed[cell] - 1e-12).mean())
        want[cell] = running
    got = max_t_backbones([seed_sums(cell.deltas, 1) for cell in cells], [cell.backbone for cell in cells])
    assert got == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "at least one cell"),
        ([GridCell("a", "x", np.zeros((3, 4))), GridCell("a", "y", np.zeros((2, 4)))], "different numbers of seeds"),
        ([GridCell("a", "x", np.zeros((1, 4)))], "a has one"),
        ([GridCell("a", "x", np.zeros((2, 1)))], "two items"),
        ([GridCell("a", "x", np.zeros((2, 4))), GridCell("b", "x", np.zeros((2, 5)))], "different items"),
        (
            [GridCell("a", "x", np.zeros((2, 4)), [0, 0, 1, 1]), GridCell("b", "x", np.zeros((2, 4)))],
            "different clusters",
        ),
    ],
)
def test_grids_that_do_not_fit_together_are_refused(cells, message):
    with pytest.raises(ValueError, match=message):
        guarded_crossed_backbones(cells, ALPHA)


def reused_items(rng, n_backbones=6, n_items=40):
    """A null grid whose item effects are common to the backbones."""
    lean = rng.uniform(-0.9, 0.9, size=n_items)
    return [
        GridCell(f"b{b}", "t", np.where(rng.random((3, n_items)) < np.abs(lean), np.sign(lean), 0.0))
        for b in range(n_backbones)
    ]


def test_reused_items_keep_the_level_of_e2_only_when_backbones_are_averaged_first():
    rng, runs = np.random.default_rng(0), 300
    ours = naive = 0
    for _ in range(runs):
        cells = reused_items(rng)
        ours += guarded_crossed_backbones(cells, ALPHA).guard.p < ALPHA
        own = [GridCell(cell.backbone, cell.backbone, cell.deltas) for cell in cells]
        naive += guarded_crossed_backbones(own, ALPHA).guard.p < ALPHA
    assert ours <= stats.binom.ppf(0.999, runs, ALPHA)
    assert naive > 3 * runs * ALPHA


def test_reused_items_widen_the_pigeonhole_interval():
    cells = reused_items(np.random.default_rng(1))
    joint = pigeonhole_backbones(cells, 4000, np.random.default_rng(0), ALPHA)
    own = [GridCell(cell.backbone, cell.backbone, cell.deltas) for cell in cells]
    apart = pigeonhole_backbones(own, 4000, np.random.default_rng(0), ALPHA)
    assert joint.hi - joint.lo > 1.5 * (apart.hi - apart.lo)


def test_seeds_are_resampled_jointly_across_the_benchmarks_of_a_backbone():
    shift = np.array([-0.3, -0.1, 0.0, 0.1, 0.3])[:, None]
    cells = [GridCell("a", f"t{t}", np.clip(shift + np.zeros((5, 200)), -1, 1)) for t in range(4)]
    joint = pigeonhole_backbones(cells, 4000, np.random.default_rng(0), ALPHA)
    apart = pigeonhole_backbones(
        [GridCell(cell.benchmark, cell.benchmark, cell.deltas) for cell in cells],
        4000,
        np.random.default_rng(0),
        ALPHA,
    )
    assert joint.hi - joint.lo > 1.6 * (apart.hi - apart.lo)
