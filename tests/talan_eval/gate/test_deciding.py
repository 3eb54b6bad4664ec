"""The gate is about what was shown: neither a flattering pass nor a regression that nobody saw."""

from __future__ import annotations

import re

import pytest

from talan_core.errors import UserError
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.facts import MustPassItem
from talan_eval.gate.wording import headline


def gate(result, margin=1.0, **options):
    return decide(result, GateSettings(margin, **options))


def test_no_change_on_many_items_passes(cell, result):
    report = gate(result(cell(items=2000)))
    assert report.outcome is CheckOutcome.PASS
    assert report.exit_code == 0
    assert "excluded" in headline(report)


def test_fifteen_points_lost_on_few_items_is_a_regression(cell, result):
    report = gate(result(cell(items=60, loss=0.15)))
    assert report.outcome is CheckOutcome.FAIL
    assert report.exit_code == 1
    assert "-15.00" in headline(report)


def test_what_could_not_be_excluded_is_never_called_a_regression(cell, result):
    report = gate(result(cell(items=60, spread=0.1)))
    assert report.outcome is CheckOutcome.INCONCLUSIVE
    assert report.exit_code == 3
    said = headline(report)
    assert "could not be excluded" in said
    assert "no loss was shown" in said
    assert "regress" not in said
    assert "seeds in all" in said


def test_a_small_loss_that_is_certain_fails_unless_declared_otherwise(cell, result):
    small = result(cell(items=2000, loss=0.004))
    assert gate(small, margin=2.0).outcome is CheckOutcome.FAIL
    assert gate(small, margin=2.0, fail_below_margin=True).outcome is CheckOutcome.PASS


def test_a_mean_below_zero_alone_fails_nothing(cell, result):
    report = gate(result(cell(items=60, loss=0.017, spread=0.1)))
    assert report.checks[0].delta < 0
    assert report.outcome is CheckOutcome.INCONCLUSIVE


def test_one_benchmark_that_lost_fails_the_gate_only_where_asked(cell, result):
    found = result(cell("a", items=400, loss=0.06), cell("b", items=400, loss=-0.05), cell("c", items=400, loss=-0.05))
    plain, strict = gate(found), gate(found, per_cell=True)
    assert plain.outcome is CheckOutcome.PASS
    assert strict.outcome is CheckOutcome.FAIL
    assert [check.name for check in strict.checks if check.decides and check.outcome is CheckOutcome.FAIL] == ["a"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_decide_nothing_about_retraining(cell, result, seeds):
    report = gate(result(cell(seeds=seeds, loss=0.2)), estimand="E1")
    assert report.outcome is CheckOutcome.INCONCLUSIVE
    assert (report.checks[0].lower, report.checks[0].upper) == (None, None)
    assert re.search("one training seed|2 training seeds", headline(report))


def test_below_five_seeds_no_single_benchmark_is_judged(cell, result):
    report = gate(result(cell("a", seeds=4, loss=0.2), cell("b", seeds=4, loss=-0.25)), per_cell=True)
    assert {check.outcome for check in report.checks if check.kind == "benchmark"} == {CheckOutcome.INCONCLUSIVE}
    assert not any(check.decides for check in report.checks if check.kind == "benchmark")


def test_the_best_of_many_variants_needs_a_stricter_bound_to_pass(cell, result):
    one, many = result(cell(items=600, spread=0.006)), result(cell(items=600, spread=0.006), variants_tried=1000)
    assert gate(one).outcome is CheckOutcome.PASS
    assert gate(many).outcome is CheckOutcome.INCONCLUSIVE


def declared(seeds=7, n_items=200, names=("gsm8k_micro",)):
    return {"experiment": {"seeds": list(range(seeds)), "tasks": [{"name": n, "n_items": n_items} for n in names]}}


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        (declared(names=("gsm8k_micro", "mbpp_micro")), "mbpp_micro: not in the result"),
        (declared(seeds=9), "gsm8k_micro: no complete pair for seed 7, 8"),
        (declared(n_items=300), "gsm8k_micro: 200 of 300 items"),
    ],
)
def test_what_was_declared_and_is_missing_makes_it_incomplete(cell, result, provenance, said):
    report = gate(result(cell(), provenance=provenance))
    assert report.outcome is CheckOutcome.INCOMPLETE
    assert report.exit_code == 4
    assert said in headline(report)


def test_a_confirmation_that_was_declared_and_not_run_makes_it_incomplete(cell, result):
    found = declared(n_items=2000)
    found["experiment"]["confirm"] = 5
    report = gate(result(cell(items=2000), provenance=found))
    assert report.outcome is CheckOutcome.INCOMPLETE
    assert "confirmation: 0 of 5 fresh seeds" in headline(report)
    found["experiment"]["confirm"] = 0
    assert gate(result(cell(items=2000), provenance=found)).outcome is CheckOutcome.PASS


def test_complete_results_are_not_called_incomplete(cell, result):
    assert gate(result(cell(items=2000), provenance=declared(n_items=2000))).outcome is CheckOutcome.PASS


def test_items_that_must_pass_fail_the_gate_whatever_the_mean(cell, result):
    found, settings = result(cell(items=2000)), GateSettings(1.0)
    right = MustPassItem("gsm8k_micro", "i0", (), (0, 1))
    wrong = MustPassItem("gsm8k_micro", "i1", (1,), (0, 1))
    absent = MustPassItem("gsm8k_micro", "i2", (), ())
    assert decide(found, settings, must_pass=(right,)).outcome is CheckOutcome.PASS
    assert decide(found, settings, must_pass=(right, wrong)).outcome is CheckOutcome.FAIL
    assert decide(found, settings, must_pass=(right, absent)).outcome is CheckOutcome.INCOMPLETE


@pytest.mark.parametrize(("margin", "alpha"), [(-1, 0.05), (101, 0.05), (float("nan"), 0.05), (1, 0), (1, 0.5)])
def test_settings_out_of_range_are_refused(margin, alpha):
    with pytest.raises(UserError, match=r"--margin|--alpha"):
        GateSettings(margin, alpha)


def test_slices_are_gated_only_where_there_are_some(cell, result):
    with pytest.raises(UserError, match="no slices"):
        gate(result(cell()), per_slice=True)
