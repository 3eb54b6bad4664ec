"""Families over contrasts: plain enumeration, the older functions as oracles, and agreement of p and interval."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from talan_eval.stats import joint_flips
from talan_eval.stats.backbone_flips import max_t_backbones, sign_flip_backbones
from talan_eval.stats.contrast_family import FamilyMember, adjust_family, holm_levels
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.joint_flips import SeedGains, flip_interval, joint_sign_flips
from talan_eval.stats.multiplicity import holm
from talan_eval.stats.noninferiority import one_sided_bounds, one_sided_p
from talan_eval.stats.signflip import SeedSums

ALPHA = 0.05
quick = settings(derandomize=True, deadline=None, max_examples=30)


def gains(rng, n_seeds=7, backbone="b", shift=0.0, seeds=None, weight=1.0):
    seeds = tuple(range(n_seeds)) if seeds is None else tuple(seeds)
    return SeedGains(backbone, seeds, rng.integers(-20, 21, size=len(seeds)) / 200 + shift, weight)


def member(parts, terms=None):
    """A member whose only error term is the t over its seeds, as the guarded t has it."""
    delta = sum(part.weight * part.per_seed.mean() for part in parts)
    if terms is None:
        variance = sum(part.weight**2 * part.per_seed.var(ddof=1) / len(part.seeds) for part in parts)
        terms = (
            ErrorTerm("t", math.sqrt(variance), sum(len(part.seeds) - 1 for part in parts)),
            ErrorTerm("floor", 1e-4),
        )
    return FamilyMember(float(delta), terms, tuple(parts))


def enumerated(members):
    """Step-down and single-step p by listing every sign vector over all (backbone, seed)."""
    units = sorted({(part.backbone, s) for m in members for part in m for s in part.seeds})
    rows = np.zeros((len(members), len(units)))
    for row, m in zip(rows, members, strict=True):
        for part in m:
            for s, value in zip(part.seeds, part.per_seed, strict=True):
                row[units.index((part.backbone, s))] = part.weight * value / len(part.seeds)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(units))))
    norms = np.sqrt((rows**2).sum(axis=1))
    norms[norms == 0] = 1
    flipped, observed = np.abs(signs @ rows.T) / norms, np.abs(rows.sum(axis=1)) / norms
    single = np.array([(flipped.max(axis=1) >= value - 1e-9).mean() for value in observed])
    order, running, step = np.argsort(-observed, kind="stable"), 0.0, np.empty(len(members))
    for place, row in enumerate(order):
        running = max(running, (flipped[:, order[place:]].max(axis=1) >= observed[row] - 1e-9).mean())
        step[row] = running
    return step, single


@quick
@given(st.integers(0, 10_000))
def test_joint_flips_are_plain_enumeration_also_with_missing_seeds_and_means_over_backbones(seed):
    rng = np.random.default_rng(seed)
    members = [
        (gains(rng, seeds=(0, 1, 2, 3)),),
        (gains(rng, seeds=(0, 2, 3)),),
        (gains(rng, seeds=(5, 1, 4), backbone="c", shift=0.1),),
        (gains(rng, seeds=(0, 1, 2), weight=0.75), gains(rng, seeds=(1, 4), backbone="c", weight=0.25)),
        (gains(rng, seeds=(0, 1), backbone="d"),),
        (gains(rng, seeds=(1, 2), backbone="d", shift=0.1),),
    ]
    step, single = enumerated(members)
    got = joint_sign_flips(members, ALPHA)
    assert got.exact
    assert got.step_down == pytest.approx(step, abs=1e-12)
    assert got.single_step == pytest.approx(single, abs=1e-12)
    assert (got.single_step >= got.step_down - 1e-12).all()
    order = rng.permutation(len(members))
    mixed = joint_sign_flips([members[i] for i in order], ALPHA)
    assert mixed.step_down == pytest.approx(got.step_down[order], abs=1e-12)
    mirrored = [tuple(SeedGains(x.backbone, x.seeds, -x.per_seed, x.weight) for x in m) for m in members]
    assert joint_sign_flips(mirrored, ALPHA).step_down == pytest.approx(got.step_down, abs=1e-12)


def test_one_contrast_gives_the_p_values_of_the_family_of_two_arms():
    rng = np.random.default_rng(1)
    counts = [rng.integers(-30, 40, size=7) for _ in range(5)]
    names = ["a", "a", "a", "b", "b"]
    want = max_t_backbones([SeedSums(c, 1319, 0) for c in counts], names)
    members = [(SeedGains(n, tuple(range(7)), c / 1319),) for n, c in zip(names, counts, strict=True)]
    assert joint_sign_flips(members, ALPHA).step_down == pytest.approx(want, abs=1e-12)


@quick
@given(st.integers(0, 10_000))
def test_a_family_of_one_has_its_own_p(seed):
    rng = np.random.default_rng(seed)
    counts = [rng.integers(-20, 30, size=5), rng.integers(-20, 30, size=4)]
    parts = tuple(SeedGains(name, tuple(range(len(c))), c / 100, 0.5) for name, c in zip("ab", counts, strict=True))
    want = sign_flip_backbones([SeedSums(c, 100, 0) for c in counts], ["a", "b"])
    one = member(parts)
    (got,) = adjust_family([one], ALPHA)
    assert got.joint_p == pytest.approx(want.p, abs=1e-12)
    assert one.flip_floor == want.floor
    assert got.holm_p == one.p
    assert got.p == max(got.joint_p, one.p) == got.single_step_p


@quick
@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_simultaneous_intervals_agree_with_single_step_p_and_hold_the_plain_ones(seed, shift):
    rng = np.random.default_rng(seed)
    members = [member((gains(rng, shift=shift * (i % 3) / 2),)) for i in range(5)]
    members.append(FamilyMember(shift, (ErrorTerm("t", 0.03, 6.0),)))  # independent seeds: no signs
    for one, got in zip(members, adjust_family(members, ALPHA), strict=True):
        plain = guarded(one.delta, one.terms, ALPHA).ci
        assert got.interval.lo <= plain.lo
        assert got.interval.hi >= plain.hi
        excludes = got.interval.lo > 0 or got.interval.hi < 0
        assert excludes == (got.single_step_p < ALPHA)
        assert got.single_step_p >= got.p >= got.holm_p
        assert (got.joint_p is None) == (not one.seeds)


@quick
@given(st.integers(0, 10_000))
def test_interval_of_flips_holds_exactly_the_shifts_that_are_not_rejected(seed):
    rng = np.random.default_rng(seed)
    parts = (gains(rng, 5, weight=0.5), gains(rng, 4, backbone="c", shift=0.2, weight=0.5))
    law = joint_sign_flips([parts, (gains(rng, 5),)], ALPHA)
    interval = flip_interval(parts, law.critical)
    for end in interval:
        shifted = [part.per_seed - end for part in parts]
        top = abs(sum(0.5 * values.mean() for values in shifted))
        bottom = math.sqrt(sum(0.25 * (values**2).sum() / len(values) ** 2 for values in shifted))
        assert top / bottom == pytest.approx(law.critical, rel=1e-7)


def test_interval_of_one_backbone_is_a_t_interval_with_another_critical_value():
    rng = np.random.default_rng(3)
    part = gains(rng)
    interval = flip_interval((part,), 1.9)
    half = 1.9 * math.sqrt(6 / (7 - 1.9**2)) * part.per_seed.std(ddof=1) / math.sqrt(7)
    assert interval == pytest.approx((part.per_seed.mean() - half, part.per_seed.mean() + half))
    assert flip_interval((part,), math.sqrt(7)) is None


def test_five_seeds_are_judged_by_holm_alone():
    rng = np.random.default_rng(4)
    members = [member((gains(rng, 5, shift=0.3),)) for _ in range(3)]
    for one, got in zip(members, adjust_family(members, ALPHA), strict=True):
        assert one.flip_floor == 0.0625
        assert got.joint_p >= 0.0625
        assert got.p == got.holm_p < ALPHA
        assert got.interval.lo > 0


def test_drawn_signs_agree_with_the_listed_ones_and_repeat(monkeypatch):
    rng = np.random.default_rng(5)
    members = [(gains(rng, 10, shift=0.03 * i),) for i in range(4)]
    listed = joint_sign_flips(members, ALPHA)
    monkeypatch.setattr(joint_flips, "LISTED", 0)
    drawn = joint_sign_flips(members, ALPHA)
    assert listed.exact
    assert not drawn.exact
    assert drawn.step_down == pytest.approx(listed.step_down, abs=0.01)
    assert drawn.critical == pytest.approx(listed.critical, abs=0.02)
    assert (drawn.step_down == joint_sign_flips(members, ALPHA).step_down).all()
    assert (drawn.step_down > 0).all()
    far = [(SeedGains("b", tuple(range(60)), 0.3 + rng.normal(0, 0.01, size=60)),)]
    assert 0 < joint_sign_flips(far, ALPHA).step_down[0] <= 2 / 2**16


def test_seeds_of_one_backbone_share_their_signs():
    # two contrasts with the same differences are one test, not two
    rng = np.random.default_rng(6)
    part = gains(rng, 8, shift=0.05)
    alone = joint_sign_flips([(part,)], ALPHA).step_down[0]
    twice = joint_sign_flips([(part,), (part,)], ALPHA).step_down
    apart = joint_sign_flips([(part,), (SeedGains("other", part.seeds, part.per_seed),)], ALPHA).step_down
    assert twice == pytest.approx([alone, alone])
    assert apart.min() > alone


@quick
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_a_bound_at_its_holm_level_agrees_with_its_holm_p(p_values):
    raw = np.array(p_values)
    levels = holm_levels(raw, ALPHA)
    want = multipletests(raw, ALPHA, method="holm")
    assert ((raw < levels) == (holm(raw) < ALPHA)).all()
    if not np.isclose(want[1], ALPHA, atol=1e-9).any():
        assert ((raw < levels) == want[0]).all()
    assert levels.min() >= ALPHA / len(raw)
    assert levels.max() <= ALPHA


def test_the_textbook_level_contradicts_holm_behind_the_first_failure():
    raw = np.array([0.03, 0.04])
    assert holm(raw) == pytest.approx([0.06, 0.06])
    assert raw[1] < ALPHA / (2 - 2 + 1)  # the level of its own rank
    assert holm_levels(raw, ALPHA) == pytest.approx([0.025, 0.025])


def test_one_sided_bounds_at_holm_levels_agree_with_one_sided_holm():
    rng = np.random.default_rng(8)
    for _ in range(50):
        members = [member((gains(rng, shift=0.05),)) for _ in range(4)]
        one_sided = np.array([one_sided_p(m.delta, m.terms) for m in members])
        levels = holm_levels(one_sided, ALPHA)
        for m, adjusted, level in zip(members, holm(one_sided), levels, strict=True):
            assert (one_sided_bounds(m.delta, m.terms, level).lower > 0) == (adjusted < ALPHA)


def test_means_and_cells_without_any_change_are_never_rejected():
    nothing = FamilyMember(0.0, (ErrorTerm("floor", 0.01),), (SeedGains("b", tuple(range(7)), np.zeros(7)),))
    (got,) = adjust_family([nothing], ALPHA)
    assert (got.p, got.joint_p) == (1.0, 1.0)
    assert got.interval.hi > 0 > got.interval.lo


def test_adjusting_keeps_the_level_that_raw_p_lose():
    rng, runs = np.random.default_rng(9), 300
    found = np.zeros(2)
    for _ in range(runs):
        arms = rng.normal(size=(5, 7, 3))
        members = [
            member((SeedGains("b", tuple(range(7)), (arms[a] - arms[0])[:, c] / 100),))
            for a in range(1, 5)
            for c in range(3)
        ]
        got = adjust_family(members, ALPHA)
        found += [min(r.p for r in got) < ALPHA, min(m.p for m in members) < ALPHA]
    assert found[0] <= stats.binom.ppf(0.999, runs, ALPHA)
    assert found[1] > 3 * runs * ALPHA


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: joint_sign_flips([], ALPHA), "at least one member"),
        (lambda: joint_sign_flips([()], ALPHA), "at least one member"),
        (lambda: adjust_family([], ALPHA), "at least one member"),
        (lambda: SeedGains("b", (0, 0), np.zeros(2)), "one seed of its own"),
        (lambda: SeedGains("b", (0, 1), np.zeros(3)), "one seed of its own"),
        (lambda: joint_sign_flips([(SeedGains("b", (0,), np.zeros(1)),) * 2], ALPHA), "each backbone once"),
    ],
)
def test_families_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
