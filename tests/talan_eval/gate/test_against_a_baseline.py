"""A new run against a committed one: the change of the gain, paired by seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from talan_core.errors import UserError
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.change import mean_change
from talan_eval.gate.difference import difference_tables, sentences


def test_the_same_numbers_pass_because_nothing_changed(cell, result):
    one = result(cell(items=60, spread=0.1))
    report = decide(one, GateSettings(0.5), baseline=one)
    assert report.outcome is CheckOutcome.PASS
    assert "nothing changed" in report.checks[0].text


def test_a_gain_that_was_lost_fails(cell, result):
    old, new = result(cell(items=400, loss=-0.1)), result(cell(items=400, loss=0.0, rng=1))
    report = decide(new, GateSettings(1.0), baseline=old)
    assert report.outcome is CheckOutcome.FAIL
    assert report.checks[0].delta == pytest.approx(-10)
    assert decide(old, GateSettings(1.0), baseline=new).outcome is CheckOutcome.PASS


def test_the_paired_term_is_the_t_test_of_seed_differences(cell, result):
    old, new = result(cell(items=400, spread=0.02)), result(cell(items=400, loss=0.03, spread=0.05, rng=1))
    (one,), (was,) = new.contrasts, old.contrasts
    change = mean_change(one, was)
    difference = np.subtract(one.aggregate.deltas, was.aggregate.deltas) / 100
    expected = stats.ttest_1samp(difference, 0)
    term = change.estimate.terms[0]
    assert change.estimate.delta / term.se == pytest.approx(expected.statistic)
    assert term.df == 6


def test_other_seeds_make_independent_samples(cell, result):
    old, new = result(cell(seeds=5, spread=0.02)), result(cell(seeds=7, loss=0.03, spread=0.05))
    (one,), (was,) = new.contrasts, old.contrasts
    change = mean_change(one, was)
    expected = stats.ttest_ind(one.aggregate.deltas, was.aggregate.deltas, equal_var=False)
    term = change.estimate.terms[0]
    assert change.estimate.delta / term.se == pytest.approx(expected.statistic)
    assert term.df == pytest.approx(expected.df)
    assert not math.isinf(term.df)


def test_another_family_is_refused_with_what_differs(cell, result):
    with pytest.raises(UserError, match=r"different families.*benchmarks"):
        decide(result(cell()), GateSettings(1.0), baseline=result(cell("mbpp_micro")))


def test_fewer_seeds_than_the_baseline_are_incomplete(cell, result):
    report = decide(result(cell(seeds=5)), GateSettings(1.0), baseline=result(cell(seeds=7)))
    assert report.outcome is CheckOutcome.INCOMPLETE


def test_the_difference_says_what_changed_and_how_it_was_computed(cell, result):
    old, new = result(cell(items=400, loss=-0.1)), result(cell(items=400, rng=1))
    (table,) = difference_tables(new, old)
    rows = table.rows
    assert rows[-1][0] == "mean (primary)"
    assert rows[-1][-1] == "smaller gain"
    said = " ".join(sentences(new, old))
    assert "paired by training seed" in said
    assert "items 400" not in said
    assert difference_tables(old, old)[0].rows[-1][-1] == "identical"
