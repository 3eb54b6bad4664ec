"""No finite input gives NaN, whatever its size; the smallest experiments say what they can and refuse the rest."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from talan_eval.stats.anytime import looks
from talan_eval.stats.backbones import GridCell, guarded_crossed_backbones, guarded_t_backbones, pigeonhole_backbones
from talan_eval.stats.clusters import cluster_diagnostics
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.items import concentration, item_flips, saturation
from talan_eval.stats.mcnemar import checkpoint_pair
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.noninferiority import equivalence, gate_numbers
from talan_eval.stats.pigeonhole import item_bootstrap_interval, pigeonhole_interval
from talan_eval.stats.planner import Design, detectable, guarded_power
from talan_eval.stats.power import minimum_detectable
from talan_eval.stats.seed_bootstrap import BootstrapMethod, bootstrap_interval, exact_law
from talan_eval.stats.signflip import hartigan_interval, seed_sums, sign_flip
from talan_eval.stats.variance import component_bounds
from talan_eval.stats.wilcoxon import signed_rank

ALPHA = 0.05
SPECIAL = [0.0, 1.0, -1.0, 5e-324, -5e-324, 1e-300, 1e-160, 1e-16, -1e-12, 0.5, 1 / 3]
values = st.one_of(st.sampled_from(SPECIAL), st.floats(-1, 1))
matrices = hnp.arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 8)), elements=values)
quick = settings(derandomize=True, deadline=None, max_examples=80)


def numbers(result):
    """All numbers of a result, however nested; None says that something is not estimable."""
    if result is None or isinstance(result, str):
        return []
    if dataclasses.is_dataclass(result):
        return [x for field in dataclasses.fields(result) for x in numbers(getattr(result, field.name))]
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in numbers(part)]
    return np.asarray(result, dtype=float).ravel().tolist()


def without_terms(found):
    return dataclasses.replace(found, terms=())  # degrees of freedom of a normal law are infinite


def everything(matrix):
    """Every result that a matrix of this size allows."""
    n_seeds, n_items = matrix.shape
    per_seed, rng = matrix.mean(axis=1), np.random.default_rng(0)
    yield [checkpoint_pair(row, ALPHA) for row in matrix]
    yield item_bootstrap_interval(matrix[0], 50, rng, ALPHA)
    yield sign_flip(seed_sums(matrix, 1)), signed_rank(seed_sums(matrix, 1)), hartigan_interval(per_seed, ALPHA)
    yield looks(per_seed, range(1, n_seeds + 1), ALPHA)
    yield item_flips(matrix), concentration(matrix), saturation(np.maximum(matrix, 0), np.maximum(-matrix, 0))
    yield [bootstrap_interval(per_seed, exact_law(n_seeds), method, ALPHA).ci for method in BootstrapMethod]
    if n_seeds == 1:
        return
    squares = mean_squares(matrix)
    e1 = guarded_t(per_seed, [squares], ALPHA)
    yield without_terms(e1), [term.se for term in e1.terms]
    yield gate_numbers(e1.delta, e1.terms, n_seeds, 0.01), equivalence(e1.delta, e1.terms, 0.01)
    yield minimum_detectable(e1.guard.se, n_seeds - 1, ALPHA)
    if n_items == 1:
        return
    yield without_terms(guarded_crossed(per_seed, [squares], ALPHA)), pigeonhole_interval([matrix], 50, rng, ALPHA)
    labels = np.arange(n_items) % 2
    yield without_terms(guarded_crossed(per_seed, [mean_squares(matrix, labels)], ALPHA))
    yield cluster_diagnostics(matrix, labels)
    yield checkpoint_pair(matrix[0], ALPHA, labels)
    cells = [GridCell("a", "t", matrix), GridCell("b", "t", matrix[::-1])]
    yield without_terms(guarded_t_backbones(cells, ALPHA)), without_terms(guarded_crossed_backbones(cells, ALPHA))
    yield pigeonhole_backbones(cells, 50, rng, ALPHA)
    for parts in component_bounds(squares, 1):
        design = Design(n_seeds, n_items)
        yield parts, detectable(parts, design), guarded_power(parts, design, 0.01)


@quick
@given(matrices)
def test_no_finite_input_gives_nan(matrix):
    for result in everything(matrix):
        assert all(math.isfinite(number) for number in numbers(result)), result


@pytest.mark.parametrize("n_seeds", [1, 2, 3, 7])
@pytest.mark.parametrize("n_items", [1, 2, 30])
@pytest.mark.parametrize("value", [0.0, 0.25, -1.0])
def test_equal_differences_give_numbers_at_every_size(n_seeds, n_items, value):
    for result in everything(np.full((n_seeds, n_items), value)):
        assert all(math.isfinite(number) for number in numbers(result)), result


def test_the_check_itself_sees_nan():
    assert any(math.isnan(number) for number in numbers((1.0, [np.array([0.0, math.nan])])))


@quick
@given(matrices.filter(lambda m: m.shape[0] >= 2 and m.shape[1] >= 2))
def test_intervals_have_width_and_agree_with_p_whatever_the_input(matrix):
    squares = mean_squares(matrix)
    for guard in (
        guarded_t(matrix.mean(axis=1), [squares], ALPHA).guard,
        guarded_crossed(matrix.mean(axis=1), [squares], ALPHA).guard,
    ):
        assert guard.ci.lo < guard.ci.hi
        if abs(guard.p - ALPHA) > 1e-9:
            assert (guard.p < ALPHA) == (guard.ci.lo > 0 or guard.ci.hi < 0)


@quick
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 12)), elements=st.sampled_from([-1.0, 0, 0, 1])),
    st.integers(1, 20),
)
def test_items_that_both_arms_get_right_dilute_the_gain_and_leave_mcnemar_alone(matrix, extra):
    n_items = matrix.shape[1]
    more = np.hstack([matrix, np.zeros((len(matrix), extra))])
    for row, longer in zip(matrix, more, strict=True):
        one, other = checkpoint_pair(row, ALPHA), checkpoint_pair(longer, ALPHA)
        assert (one.p, one.lost, one.gained) == (other.p, other.lost, other.gained)
        assert other.delta == pytest.approx(one.delta * n_items / (n_items + extra))
    assert sign_flip(seed_sums(more, 1)) == sign_flip(seed_sums(matrix, 1))
    plain, diluted = (guarded_t(m.mean(axis=1), [mean_squares(m)], ALPHA).plain for m in (matrix, more))
    assert diluted.delta == pytest.approx(plain.delta * n_items / (n_items + extra), abs=1e-15)
    assert (diluted.p is None) == (plain.p is None)
    if plain.p is not None:
        assert diluted.p == pytest.approx(plain.p, rel=1e-6, abs=1e-12)


@quick
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 12)), elements=st.sampled_from([-1.0, 0, 0, 1]))
)
def test_duplicating_every_item_manufactures_no_certainty_over_seeds(matrix):
    once, twice = (guarded_t(m.mean(axis=1), [mean_squares(m)], ALPHA).plain for m in (matrix, np.hstack([matrix] * 2)))
    assert (twice.delta, twice.se) == pytest.approx((once.delta, once.se), abs=1e-12)
