"""The anytime-valid t: closed form, validity under peeking, and its control."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from talan_eval.stats.anytime import confidence_interval, looks, t_e_value

quick = settings(derandomize=True, deadline=None, max_examples=60)


@pytest.mark.parametrize(("statistic", "n_seeds", "scale"), [(0.0, 3, 1.0), (2.5, 5, 1.0), (4.0, 9, 0.25), (1.0, 2, 4)])
def test_closed_form_is_the_mixture_of_noncentral_t_densities(statistic, n_seeds, scale):
    def integrand(effect):
        return stats.nct.pdf(statistic, n_seeds - 1, effect * math.sqrt(n_seeds)) * stats.norm.pdf(
            effect, scale=math.sqrt(scale)
        )

    area = integrate.quad(integrand, -12 * math.sqrt(scale), 12 * math.sqrt(scale), limit=200, points=[0.0])[0]
    assert t_e_value(statistic, n_seeds, scale) == pytest.approx(area / stats.t.pdf(statistic, n_seeds - 1), rel=1e-6)


@quick
@given(st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=25), st.floats(0.01, 0.5))
def test_interval_and_e_value_never_contradict_each_other(values, alpha):
    per_seed = np.array(values)
    last = looks(per_seed, [len(per_seed)], alpha)[0]
    assert math.isfinite(last.e_value)
    assert 0 < last.p <= 1
    ci = confidence_interval(per_seed, alpha)
    if ci is not None and abs(last.p - alpha) > 1e-9:
        assert (last.p <= alpha) == (ci.lo > 0 or ci.hi < 0)
        assert last.ci == pytest.approx(ci)


@quick
@given(st.lists(st.floats(-0.3, 0.3), min_size=5, max_size=20))
def test_swapping_the_arms_mirrors_the_sequence_and_evidence_is_never_lost(values):
    per_seed, at = np.array(values), list(range(1, len(values) + 1))
    one, other = looks(per_seed, at, 0.05), looks(-per_seed, at, 0.05)
    for left, right in zip(one, other, strict=True):
        assert left.p == right.p
        assert left.ci is None if right.ci is None else left.ci == pytest.approx((-right.ci.hi, -right.ci.lo))
    ps = [look.p for look in one]
    assert ps == sorted(ps, reverse=True)
    bounded = [look.ci for look in one if look.ci is not None]
    assert all(a.lo <= b.lo and b.hi <= a.hi for a, b in pairwise(bounded))


def test_four_seeds_reject_nothing_at_five_percent():
    for n_seeds, possible in ((4, False), (5, True)):
        limit = t_e_value(math.inf, n_seeds)
        assert (limit >= 20) == possible
        assert (confidence_interval(np.arange(n_seeds) / 100, 0.05) is not None) == possible


def test_equal_seeds_need_the_guard():
    per_seed = np.full(9, 0.01)
    bare, guarded = (looks(per_seed, [9], 0.05, least_se=floor)[0] for floor in (None, [0.01]))
    assert bare.p < 0.001
    assert bare.ci is None
    assert guarded.p > 0.5
    assert guarded.ci.lo < 0 < guarded.ci.hi
    assert looks(np.zeros(9), [9], 0.05)[0].p == 1.0


def test_peeking_keeps_its_level_where_the_plain_t_does_not():
    rng, runs = np.random.default_rng(0), 1500
    at = list(range(3, 21))
    d = rng.normal(size=(runs, 20))
    anytime = sum(looks(row, at, 0.05)[-1].p <= 0.05 for row in d)
    plain = sum(any(stats.ttest_1samp(row[:n], 0).pvalue <= 0.05 for n in at) for row in d[:500])
    assert anytime <= stats.binom.ppf(0.999, runs, 0.05)
    assert plain / 500 > 0.17  # 23 % in the specification


@pytest.mark.parametrize("at", [[3, 3], [5, 3], [0, 2], [11]])
def test_looks_out_of_order_are_refused(at):
    with pytest.raises(ValueError, match="looks must increase"):
        looks(np.zeros(10), at, 0.05)
