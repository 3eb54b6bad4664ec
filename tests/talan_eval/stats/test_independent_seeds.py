"""Arms without paired seeds: scipy as oracle, hand-computed variance, and the controls that lose their level."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from talan_eval.stats.independent import ArmsCell, guarded_crossed_independent, guarded_t_independent, pairing
from talan_eval.stats.label_permutation import MAX_SPLITS, SeedGroups, studentised_permutation
from talan_eval.stats.mean_squares import mean_squares

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=40)


def a_cell(seed, sizes=(5, 4), n_items=40, backbone="b", benchmark="t", clusters=None):
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.2, 0.8, size=n_items)
    treat, base = ((rng.random((size, n_items)) < chance).astype(float) for size in sizes)
    return ArmsCell(backbone, benchmark, treat, base, clusters)


def swapped(cells):
    return [ArmsCell(c.backbone, c.benchmark, c.base, c.treat, c.clusters) for c in cells]


def test_plain_t_is_scipys_welch():
    cell = a_cell(1, (6, 3), 300)
    want = stats.ttest_ind(cell.treat.mean(axis=1), cell.base.mean(axis=1), equal_var=False)
    got = guarded_t_independent([cell], ALPHA).plain
    assert (got.p, got.df) == pytest.approx((want.pvalue, want.df), rel=1e-9)
    limits = want.confidence_interval(0.95)
    assert got.ci == pytest.approx((limits.low, limits.high), rel=1e-9)


def test_flip_and_floor_are_both_arms_in_quadrature():
    cell = a_cell(2, (6, 3), 30)
    _, flip, floor = guarded_t_independent([cell], ALPHA).terms
    one, other = mean_squares(cell.treat), mean_squares(cell.base)
    assert flip.se == pytest.approx(math.sqrt(one.error / 180 + other.error / 90))
    assert floor.se == pytest.approx(math.sqrt(1 / 182**2 + 1 / 92**2))
    same = guarded_t_independent([a_cell(2, (4, 4), 30)], ALPHA).terms[2]
    assert same.se == pytest.approx(math.sqrt(2) / 122)  # the paired floor


def test_e2_variance_has_five_terms():
    cell = a_cell(3, (5, 3), 50)
    one, other = cell.treat.mean(axis=1), cell.base.mean(axis=1)
    items = (cell.treat.mean(axis=0) - cell.base.mean(axis=0)).var(ddof=1) / 50
    errors = [mean_squares(arm).error / arm.size for arm in (cell.treat, cell.base)]
    seeds = [one.var(ddof=1) / 5, other.var(ddof=1) / 3]
    variance = max(sum(seeds) + items - sum(errors), 0.0)
    squares = [
        seeds[0] ** 2 / 4,
        seeds[1] ** 2 / 2,
        items**2 / 49,
        errors[0] ** 2 / (4 * 49),
        errors[1] ** 2 / (2 * 49),
    ]
    got = guarded_crossed_independent([cell], ALPHA)
    assert got.df == pytest.approx(max(1.0, variance**2 / sum(squares)))
    half = max(
        stats.t.ppf(0.975, got.df) * math.sqrt(variance),
        stats.norm.ppf(0.975) * math.sqrt(max(items, sum(errors))),
        stats.norm.ppf(0.975) * math.sqrt(2) / 52,
    )
    assert got.guard.ci == pytest.approx((got.delta - half, got.delta + half))


@quick
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6), st.integers(2, 30))
def test_swapping_mirrors_order_does_not_matter_and_p_agrees_with_the_interval(seed, one_size, other_size, n_items):
    cell = a_cell(seed, (one_size, other_size), n_items)
    rng = np.random.default_rng(seed)
    columns = rng.permutation(n_items)
    mixed = ArmsCell(
        "b", "t", cell.treat[rng.permutation(one_size)][:, columns], cell.base[rng.permutation(other_size)][:, columns]
    )
    for method in (guarded_t_independent, guarded_crossed_independent):
        got, mirror, again = (method(cells, ALPHA).guard for cells in ([cell], swapped([cell]), [mixed]))
        assert mirror.ci == pytest.approx((-got.ci.hi, -got.ci.lo), abs=1e-12)
        assert mirror.p == pytest.approx(got.p, rel=1e-6, abs=1e-12)
        assert again.ci == pytest.approx(got.ci, abs=1e-12)
        assert (got.p < ALPHA) == (got.ci.lo > 0 or got.ci.hi < 0)
        assert got.ci.hi > got.ci.lo


def test_means_over_cells_and_backbones_are_welch_over_each_arm_of_each_backbone():
    cells = [
        a_cell(s, (4, 5) if b == "x" else (6, 3), 30, b, t)
        for s, (b, t) in enumerate((b, t) for b in "xy" for t in "uv")
    ]
    got = guarded_t_independent(cells, ALPHA)
    parts = []
    for backbone in "xy":
        own = [cell for cell in cells if cell.backbone == backbone]
        for arm in ("treat", "base"):
            values = np.mean([getattr(cell, arm).mean(axis=1) for cell in own], axis=0)
            parts.append((values.var(ddof=1) / len(values) / 4, len(values) - 1))
    variance = sum(part for part, _ in parts)
    assert got.plain.se == pytest.approx(math.sqrt(variance))
    assert got.plain.df == pytest.approx(variance**2 / sum(part**2 / df for part, df in parts))
    assert got.delta == pytest.approx(np.mean([cell.treat.mean() - cell.base.mean() for cell in cells]))
    e2 = guarded_crossed_independent(cells, ALPHA)
    averaged = [sum(c.treat.mean(axis=0) - c.base.mean(axis=0) for c in cells if c.benchmark == t) / 4 for t in "uv"]
    items = sum(a.var(ddof=1) / 30 for a in averaged)
    errors = [
        (mean_squares(arm).error / arm.size / 16, (len(arm) - 1) * 29) for c in cells for arm in (c.treat, c.base)
    ]
    variance += items - sum(part for part, _ in errors)
    per_item = [(a.var(ddof=1) / 30, 29) for a in averaged]
    assert variance > 0
    assert e2.df == pytest.approx(variance**2 / sum(part**2 / df for part, df in [*parts, *per_item, *errors]))
    half = max(stats.t.ppf(0.975, e2.df) * math.sqrt(variance), stats.norm.ppf(0.975) * math.sqrt(items))
    assert e2.guard.ci.hi - e2.delta == pytest.approx(half)


def test_clusters_of_copied_items_count_as_one_item_each():
    cell = a_cell(4, (4, 3), 12)
    labels = np.repeat(np.arange(12), 5)
    copied = ArmsCell("b", "t", np.repeat(cell.treat, 5, axis=1), np.repeat(cell.base, 5, axis=1), labels)
    one, other = guarded_crossed_independent([cell], ALPHA), guarded_crossed_independent([copied], ALPHA)
    assert other.df == pytest.approx(one.df)
    ignored = guarded_crossed_independent([ArmsCell("b", "t", copied.treat, copied.base)], ALPHA)
    assert ignored.guard.ci.hi - ignored.guard.ci.lo < 0.8 * (other.guard.ci.hi - other.guard.ci.lo)


def test_equal_scores_everywhere_leave_the_floor():
    cell = ArmsCell("b", "t", np.ones((3, 50)), np.ones((4, 50)))
    e1, e2 = guarded_t_independent([cell], ALPHA), guarded_crossed_independent([cell], ALPHA)
    assert (e1.guard.binding, e1.guard.p, e1.plain.p) == ("floor", 1.0, None)
    assert (e2.guard.binding, e2.guard.p) == ("floor", 1.0)


def test_correlation_of_the_arms_is_numpys_and_pairing_helps_only_where_it_is_high():
    rng = np.random.default_rng(5)
    level = rng.normal(0, 0.08, size=(7, 1))
    one, other = ((rng.random((7, 400)) < 0.5 + level).astype(float) for _ in range(2))
    cell = ArmsCell("b", "t", one, other)
    got = pairing([cell], ALPHA)
    assert got.r == pytest.approx(np.corrcoef(one.mean(axis=1), other.mean(axis=1))[0, 1])
    assert got.r > 0.8
    assert got.width_ratio > 1.3
    apart = pairing([ArmsCell("b", "t", one, other[::-1])], ALPHA)
    assert apart.width_ratio < 1.0
    assert pairing([ArmsCell("b", "t", one, np.ones((7, 400)))], ALPHA).r is None


def absolute_t(one, other):
    return abs(stats.ttest_ind(one, other, equal_var=False).statistic)


@quick
@given(st.integers(0, 10_000), st.sampled_from([(3, 3), (3, 4), (4, 4), (2, 5)]))
def test_permutation_is_scipys_exact_one(seed, sizes):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=sizes[0]), rng.normal(size=sizes[1])
    want = stats.permutation_test((one, other), absolute_t, n_resamples=np.inf, vectorized=False, alternative="greater")
    got = studentised_permutation([SeedGroups(one, other)])
    assert got.exact
    assert got.p == pytest.approx(want.pvalue, abs=1e-12)
    assert got.floor == pytest.approx((1 + (sizes[0] == sizes[1])) / math.comb(sum(sizes), sizes[0]))
    assert studentised_permutation([SeedGroups(other, one)]).p == pytest.approx(got.p, abs=1e-12)
    assert studentised_permutation([SeedGroups(one[::-1], other)]).p == pytest.approx(got.p, abs=1e-12)


def test_separated_arms_reach_the_floor_and_equal_ones_do_not():
    apart = SeedGroups(np.array([0.9, 0.91, 0.93]), np.array([0.1, 0.12, 0.15, 0.2]))
    assert studentised_permutation([apart]).p == pytest.approx(1 / 35)
    mirrored = SeedGroups(apart.treat, apart.base[1:])
    assert studentised_permutation([mirrored]).p == pytest.approx(2 / 20)
    same = SeedGroups(np.full(4, 0.3), np.full(5, 0.3))
    assert studentised_permutation([same]).p == 1.0
    constant = SeedGroups(np.full(4, 0.4), np.full(4, 0.3))  # no spread: the statistic is infinite, the p is not zero
    assert studentised_permutation([constant]).p == pytest.approx(2 / 70)


@quick
@given(st.integers(0, 10_000))
def test_backbones_permute_independently(seed):
    rng = np.random.default_rng(seed)
    groups = [
        SeedGroups(rng.normal(0.5, 1, size=3), rng.normal(size=2), 0.2),
        SeedGroups(rng.normal(0.5, 1, size=2), rng.normal(size=3), 0.8),
    ]
    found = []
    for chosen in product(combinations(range(5), 3), combinations(range(5), 2)):
        top = bottom = 0.0
        for group, rows in zip(groups, chosen, strict=True):
            values = np.concatenate([group.treat, group.base])
            one, other = values[list(rows)], np.delete(values, rows)
            top += group.weight * (one.mean() - other.mean())
            bottom += group.weight**2 * (one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
        found.append(abs(top) / math.sqrt(bottom))
    want = (np.array(found) >= found[0] * (1 - 1e-9)).mean()
    got = studentised_permutation(groups)
    assert got.p == pytest.approx(want, abs=1e-12)
    assert got.floor == 1 / 100


def test_drawn_permutations_agree_with_the_listed_ones_and_repeat():
    rng = np.random.default_rng(8)
    groups = [SeedGroups(rng.normal(0.5, 1, size=12), rng.normal(0, 1, size=12))]
    assert math.comb(24, 12) > MAX_SPLITS
    got = studentised_permutation(groups)
    assert not got.exact
    assert got == studentised_permutation(groups)
    want = stats.ttest_ind(groups[0].treat, groups[0].base, equal_var=False).pvalue
    assert got.p == pytest.approx(want, abs=0.02)
    far = studentised_permutation([SeedGroups(groups[0].treat + 50, groups[0].base)])
    assert far.p == far.floor == pytest.approx(1 / 20_000)


def test_unequal_spreads_fool_the_unstudentised_permutation_more():
    rng, runs = np.random.default_rng(9), 400
    ours = naive = 0
    for _ in range(runs):
        one, other = 3 * rng.normal(size=3), rng.normal(size=7)
        ours += studentised_permutation([SeedGroups(one, other)]).p <= ALPHA
        values = np.concatenate([one, other])
        every = np.array([values[list(c)].mean() - np.delete(values, c).mean() for c in combinations(range(10), 3)])
        naive += (np.abs(every) >= abs(every[0]) - 1e-12).mean() <= ALPHA
    assert naive > ours
    assert naive > stats.binom.ppf(0.999, runs, ALPHA)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: guarded_t_independent([ArmsCell("b", "t", np.ones((2, 3)), np.ones((2, 4)))], ALPHA),
            "different items",
        ),
        (lambda: guarded_t_independent([a_cell(0, (1, 3))], ALPHA), "two training seeds"),
        (lambda: guarded_crossed_independent([a_cell(0, (3, 3), 1)], ALPHA), "two items"),
        (
            lambda: guarded_crossed_independent([a_cell(0, backbone="x"), a_cell(0, n_items=9)], ALPHA),
            "different items",
        ),
        (
            lambda: guarded_crossed_independent(
                [a_cell(0, backbone="x"), a_cell(0, clusters=np.arange(40) // 2)], ALPHA
            ),
            "different clusters",
        ),
        (lambda: pairing([a_cell(0)], ALPHA), "same seeds"),
        (lambda: studentised_permutation([SeedGroups(np.ones(1), np.ones(3))]), "two seeds"),
        (lambda: studentised_permutation([]), "two seeds"),
    ],
)
def test_arms_that_do_not_fit_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
