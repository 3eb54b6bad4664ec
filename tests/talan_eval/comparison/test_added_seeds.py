"""Seeds that were added after a look: the verdict stays honest, and the reader is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talan_eval.comparison import StatisticsSettings
from talan_eval.stats.anytime import looks

QUICK = StatisticsSettings(resamples=300)


def after(*earlier):
    return dataclasses.replace(QUICK, earlier_looks=earlier)


@pytest.fixture
def clear(cell):
    return [cell(seeds=8, items=200, gain=0.2), cell("mbpp_micro", seeds=8, items=200, gain=0.2)]


def test_without_an_earlier_look_there_is_nothing_to_correct(clear, result):
    plain = result(clear, settings=QUICK)
    assert plain.aggregate.anytime is None
    assert plain.aggregate == result(clear, settings=after(tuple(range(8)))).aggregate


def test_added_seeds_make_the_verdict_rest_on_the_anytime_p(clear, result):
    plain, peeked = result(clear, settings=QUICK), result(clear, settings=after((0, 1, 2), tuple(range(6))))
    found = peeked.aggregate.anytime
    assert found.at == (3, 6, 8)
    assert peeked.aggregate.adjusted_p == max(plain.aggregate.adjusted_p, found.p)
    assert found.ci[0] < peeked.aggregate.delta < found.ci[1]
    assert any("seeds were added after a look" in text for text in peeked.warnings)
    assert peeked.aggregate.e1 == plain.aggregate.e1


def test_it_is_the_test_of_the_statistics_on_the_mean_over_cells(clear, result):
    found = result(clear, settings=after((0, 1, 2))).aggregate.anytime
    per_seed = np.mean([(one.treat - one.base).mean(axis=1) for one in clear], axis=0)
    expected = looks(per_seed, [3, 8], QUICK.alpha)[-1]
    assert found.e_value <= expected.e_value * (1 + 1e-12)
    assert found.ci[0] <= 100 * expected.ci.lo + 1e-9


def test_seeds_count_in_the_order_in_which_they_were_read(cell, result):
    gained = (60, 70, 50, 65, 55, 5, 0, 10)  # of 200 items, by seed: the first five show a gain that all eight do not
    treat = np.array([[1.0] * count + [0.0] * (200 - count) for count in gained])
    faded = [cell(seeds=8, items=200, base=np.zeros_like(treat), treat=treat)]
    looked = ((0, 1, 2, 3, 4), (3, 4, 5, 6, 7))
    early, late = (result(faded, settings=after(look)).aggregate for look in looked)
    assert early.anytime.at == late.anytime.at == (5, 8)
    # five seeds: t^2/nu = 72, so e = 6^(-1/2) (73/13)^(5/2); all eight: t^2/nu = 27/13, so e = 9^(-1/2) (5/2)^4
    assert early.anytime.p == pytest.approx(6**0.5 * (13 / 73) ** 2.5, rel=1e-9)
    assert late.anytime.p == pytest.approx(3 / 2.5**4, rel=1e-9)
    assert (early.verdict, late.verdict) == ("better", "inconclusive")
    assert early.anytime.ci[0] > 10
    assert late.anytime.ci[0] < 0


def test_a_gain_that_only_many_looks_could_find_is_not_called_better(cell, result):
    weak = [cell(seeds=8, items=60, gain=0.15)]
    plain, peeked = result(weak, settings=QUICK), result(weak, settings=after(*(tuple(range(n)) for n in range(2, 8))))
    assert plain.aggregate.verdict == "better"
    assert peeked.aggregate.verdict == "inconclusive"


def test_seeds_that_were_seen_and_are_left_out_are_named(clear, result):
    shown = result(clear, settings=after((0, 1, 30, 40)))
    assert any("30, 40, which are left out here" in text for text in shown.warnings)
    assert shown.aggregate.anytime.at == (2, 8)
