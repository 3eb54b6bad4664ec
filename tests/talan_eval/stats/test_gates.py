"""One-sided bounds, equivalence and the three outcomes of a gate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.noninferiority import (
    GateOutcome,
    GuardedDifference,
    SeedDifference,
    equivalence,
    gate_numbers,
    one_sided_bounds,
    one_sided_p,
)
from talan_eval.stats.seed_bootstrap import bootstrap_t_lower

quick = settings(derandomize=True, deadline=None, max_examples=60)
TERMS = st.tuples(
    st.floats(1e-4, 0.1),
    st.integers(1, 30),
    st.floats(1e-4, 0.1),
).map(lambda x: (ErrorTerm("t", x[0], x[1]), ErrorTerm("flip", x[2])))
DELTAS = st.floats(-0.2, 0.2)


@quick
@given(DELTAS, TERMS, st.floats(0.001, 0.1))
def test_bounds_and_p_values_never_contradict_each_other(delta, terms, margin):
    bounds, p = one_sided_bounds(delta, terms), one_sided_p(delta + margin, terms)
    assert 0 <= p <= 1
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (bounds.lower > -margin)
    both = equivalence(GuardedDifference(delta, terms), margin).p
    if abs(both - 0.05) > 1e-9:
        assert (both < 0.05) == (-margin < bounds.lower and bounds.upper < margin)


@quick
@given(DELTAS, TERMS)
def test_swapping_the_arms_mirrors_bounds_and_keeps_equivalence(delta, terms):
    one, other = one_sided_bounds(delta, terms), one_sided_bounds(-delta, terms)
    assert (other.lower, other.upper) == (-one.upper, -one.lower)
    mirrored, straight = GuardedDifference(-delta, terms), GuardedDifference(delta, terms)
    assert equivalence(mirrored, 0.01).p == equivalence(straight, 0.01).p


def test_plain_bounds_agree_with_statsmodels():
    values = np.array([0.021, 0.004, -0.006, 0.013, 0.009])
    terms = (ErrorTerm("t", values.std(ddof=1) / math.sqrt(5), 4),)
    lower, _ = DescrStatsW(values).tconfint_mean(alpha=0.05, alternative="larger")
    _, upper = DescrStatsW(values).tconfint_mean(alpha=0.05, alternative="smaller")
    got = one_sided_bounds(values.mean(), terms)
    assert (got.lower, got.upper) == pytest.approx((lower, upper), rel=1e-9)
    want = DescrStatsW(values).ttost_mean(-0.01, 0.02)[0]
    worse = one_sided_p(values.mean() + 0.01, terms)
    better = one_sided_p(0.02 - values.mean(), terms)
    assert max(worse, better) == pytest.approx(want, rel=1e-9)


def test_guard_widens_the_bounds_of_seeds_that_agree_by_luck():
    matrix = np.zeros((7, 100))
    for seed in range(7):
        matrix[seed, seed * 10 : seed * 10 + 6] = 1.0
        matrix[seed, seed * 10 + 6 : seed * 10 + 10] = -1.0
    result = guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], 0.05)
    assert result.plain.se == 0
    assert result.guard.binding == "flip"
    bounds = one_sided_bounds(result.delta, result.terms)
    assert bounds.lower == pytest.approx(0.02 - 1.6448536269514722 * result.terms[1].se, rel=1e-9)
    # the two-sided 90 % interval
    ninety = guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], 0.1).guard.ci
    assert (bounds.lower, bounds.upper) == pytest.approx(tuple(ninety))


def gate(delta, se=0.002, margin=0.01, **options):
    return gate_numbers(seeds_known(delta, (ErrorTerm("t", se, 6),)), 7, margin, **options)


def seeds_known(delta, terms):
    return SeedDifference(GuardedDifference(delta, terms))


def test_the_three_outcomes():
    assert gate(0.0).outcome is GateOutcome.PASS
    assert gate(-0.03).outcome is GateOutcome.FAIL
    assert gate(-0.002, se=0.01).outcome is GateOutcome.INCONCLUSIVE
    # a certain loss that is certainly tolerable: FAIL unless failing was declared against the margin
    assert gate(-0.005).outcome is GateOutcome.FAIL
    assert gate(-0.005, fail_below=-0.01).outcome is GateOutcome.PASS


def test_no_change_is_not_a_failure():
    # "mean < 0 fails" would fail half of these
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(400):
        values = rng.normal(0, 0.01, size=7)
        terms = (ErrorTerm("t", values.std(ddof=1) / math.sqrt(7), 6),)
        outcomes.append(gate_numbers(seeds_known(values.mean(), terms), 7, 0.01).outcome)
    assert outcomes.count(GateOutcome.FAIL) <= 36  # 0.1 % bound around 5 %
    assert outcomes.count(GateOutcome.PASS) > 150


@quick
@given(DELTAS, st.floats(1e-4, 0.1), st.integers(2, 20))
def test_the_seeds_that_would_decide_do_and_one_fewer_does_not(delta, se, n_seeds):
    got = gate_numbers(seeds_known(delta, (ErrorTerm("t", se, n_seeds - 1),)), n_seeds, 0.01)
    assert (got.seeds_to_decide is None) or got.outcome is GateOutcome.INCONCLUSIVE
    if got.seeds_to_decide is None:
        return
    for planned, decided in ((got.seeds_to_decide, True), (got.seeds_to_decide - 1, False)):
        term = ErrorTerm("t", se * math.sqrt(n_seeds / planned), planned - 1)
        again = gate_numbers(seeds_known(delta, (term,)), planned, 0.01)
        assert (again.outcome is not GateOutcome.INCONCLUSIVE) == decided


@pytest.mark.parametrize(("margin", "options"), [(-0.01, {}), (0.01, {"fail_below": 0.01})])
def test_gates_the_wrong_way_round_are_refused(margin, options):
    with pytest.raises(ValueError, match="tolerates"):
        gate(0.0, margin=margin, **options)
    with pytest.raises(ValueError, match="positive"):
        equivalence(GuardedDifference(0.0, (ErrorTerm("t", 0.1, 3),)), 0.0)


def seven(*losses):
    """Seven seeds on 1,319 items that lose so many items each."""
    matrix = np.zeros((7, 1319))
    for seed, count in enumerate(losses):
        matrix[seed, 10 * seed : 10 * seed + count] = -1.0
    e1 = guarded_t(matrix.mean(axis=1), [mean_squares(matrix)], 0.05)
    return SeedDifference(GuardedDifference(e1.delta, e1.terms), tuple(matrix.mean(axis=1)))


def test_one_item_lost_by_one_seed_does_not_take_the_pass_away():
    got = seven(0, 0, 0, 1, 0, 0, 0)
    assert bootstrap_t_lower(np.array(got.per_seed), 0.05) == -math.inf  # most resamples have no spread
    assert gate_numbers(got, 7, 0.01).outcome is GateOutcome.PASS
    assert gate_numbers(got, 7, 0.01).bounds.lower > -0.003


@quick
@given(st.lists(st.integers(0, 60), min_size=7, max_size=7), st.floats(-0.05, 0.02))
def test_bootstrap_t_bound_and_p_never_contradict_each_other(losses, value):
    got = seven(*losses)
    for alpha in (0.05, 0.01):
        lower, p = got.bounds(alpha).lower, got.p_above(value)
        if abs(p - alpha) > 1e-9 and abs(lower - value) > 1e-12:
            assert (p < alpha) == (lower > value)
    assert got.swapped().p_above(-1.0) < 1
    assert got.bounds(0.05).lower <= got.guarded.bounds(0.05).lower


def test_a_rare_large_loss_lowers_the_bound_below_that_of_the_t():
    got = seven(0, 2, 1, 60, 0, 3, 1)
    assert got.bounds(0.05).lower < 1.5 * got.guarded.bounds(0.05).lower
    mirrored = got.swapped()
    assert mirrored.bounds(0.05).lower == pytest.approx(mirrored.guarded.bounds(0.05).lower)  # the control
