"""A training that diverges is an outcome of its arm: the scores that are left pass nothing."""

from __future__ import annotations

import pytest

from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.difference import sentences
from talan_eval.gate.wording import headline
from talan_eval.result.margins import margin_tests

RATES = "talan+lora 2 of 9 (95 % interval 2.8 to 60.0 %); lora 0 of 7"


def gate(result, margin=1.0, **options):
    return decide(result, GateSettings(margin, **options))


def declared(seeds):
    return {"experiment": {"seeds": list(range(seeds)), "tasks": [{"name": "gsm8k_micro", "n_items": 2000}]}}


def test_what_would_pass_is_withheld_and_the_rates_are_named_by_arm(cell, result, diverging):
    sound = result(cell(items=2000))
    gone = result(cell(items=2000), arms=diverging("talan+lora", 7, 8))
    assert gate(sound).outcome is CheckOutcome.PASS
    report = gate(gone)
    assert report.outcome is CheckOutcome.INCONCLUSIVE
    assert report.exit_code == 3
    assert f"PASS is withheld, because trainings diverged and their pairs are in no mean: {RATES}." in headline(report)
    assert report.checks[0].lower == pytest.approx(gate(sound).checks[0].lower)


def test_either_record_of_it_is_enough_to_withhold(cell, result, diverging):
    gone = result(cell(items=2000), arms=diverging("talan+lora", 7))
    arms = tuple(arm.model_copy(update={"diverged": ()}) for arm in gone.arms)
    sound = result(cell(items=2000))
    for one in (gone.model_copy(update={"arms": arms}), sound.model_copy(update={"arms": gone.arms})):
        assert gate(one).outcome is CheckOutcome.INCONCLUSIVE
        assert "PASS is withheld, because trainings diverged" in headline(gate(one))


def test_the_base_arms_trainings_count_as_well(cell, result, diverging):
    report = gate(result(cell(items=2000), arms=diverging("lora", 7)))
    assert report.outcome is CheckOutcome.INCONCLUSIVE
    assert "talan+lora 0 of 7; lora 1 of 8 (95 % interval" in headline(report)


def test_a_loss_that_was_shown_still_fails_and_says_so(cell, result, diverging):
    report = gate(result(cell(items=2000, loss=0.2), arms=diverging("talan+lora", 7, 8)))
    assert report.outcome is CheckOutcome.FAIL
    assert f"Trainings diverged and their pairs are in no mean: {RATES}." in report.checks[0].text
    assert "withheld" not in report.checks[0].text


def test_no_single_benchmark_passes_either(cell, result, diverging):
    sound = gate(result(cell(items=2000)), per_cell=True)
    gone = gate(result(cell(items=2000), arms=diverging("talan+lora", 7)), per_cell=True)
    for report, word in ((sound, "no worse than 1"), (gone, "no loss shown")):
        assert [check.says for check in report.checks if check.kind == "benchmark"] == [word]


def test_a_declared_seed_that_diverged_is_no_missing_one(cell, result, diverging):
    arms = diverging("talan+lora", 7, 8)
    assert gate(result(cell(items=2000), arms=arms, provenance=declared(9))).outcome is CheckOutcome.INCONCLUSIVE
    assert gate(result(cell(items=2000), arms=arms, provenance=declared(10))).outcome is CheckOutcome.INCOMPLETE
    assert gate(result(cell(items=2000), provenance=declared(9))).outcome is CheckOutcome.INCOMPLETE


def test_against_a_baseline_it_is_withheld_even_where_the_numbers_are_the_same(cell, result, diverging):
    arms = diverging("talan+lora", 7, 8)
    sound, gone = result(cell(items=2000)), result(cell(items=2000), arms=arms)
    assert decide(sound, GateSettings(1.0), baseline=sound).outcome is CheckOutcome.PASS
    for baseline in (sound, gone):
        report = decide(gone, GateSettings(1.0), baseline=baseline)
        assert report.outcome is CheckOutcome.INCONCLUSIVE
        assert RATES in headline(report)
    assert f"talan+lora against lora: trainings diverged, now {RATES}." in sentences(gone, sound)


def test_trainings_that_diverged_count_as_done_where_a_baseline_has_more_seeds(cell, result, diverging):
    baseline = result(cell(items=2000, seeds=9))
    gone = result(cell(items=2000, seeds=7), arms=diverging("talan+lora", 7, 8))
    assert decide(gone, GateSettings(1.0), baseline=baseline).outcome is not CheckOutcome.INCOMPLETE
    short = result(cell(items=2000, seeds=7), arms=diverging("talan+lora", 7))
    assert decide(short, GateSettings(1.0), baseline=baseline).outcome is CheckOutcome.INCOMPLETE


def test_only_the_contrasts_of_that_arm_are_concerned(many, diverging):
    found = many({"a": 0.0, "b": 0.0}, items=2000, arms=diverging("b", 7))
    outcomes = {check.name: check.outcome for check in gate(found).checks if check.kind == "mean"}
    assert outcomes == {"a against lora: mean": CheckOutcome.PASS, "b against lora: mean": CheckOutcome.INCONCLUSIVE}
    assert decide(found, GateSettings(1.0), contrasts=found.contrasts[:1]).outcome is CheckOutcome.PASS


def test_several_backbones_are_named_where_it_happened(cell, result, diverging):
    cells = [cell(items=2000), cell(items=2000, backbone="other", rng=1)]
    report = gate(result(*cells, arms=diverging("talan+lora", 7, backbone="other")))
    assert "talan+lora 1 of 8" in headline(report)
    assert "on other; lora 0 of 7 on other." in headline(report)
    assert "on micro" not in headline(report)


def words(found):
    return [(one.mean.word, tuple(cell.word for cell in one.cells)) for one in margin_tests(found, 1.5)]


def test_a_report_with_a_margin_excludes_no_loss_either(cell, result, diverging):
    assert words(result(cell(items=2000))) == [("equivalent", ("equivalent",))]
    assert words(result(cell(items=2000), arms=diverging("lora", 7))) == [(None, (None,))]


def test_each_contrast_has_its_own_answer_to_a_margin(many):
    found = many({"a": 0.0, "b": 0.2}, items=2000)
    assert words(found) == [("equivalent", ("equivalent",)), ("no better", ("no better",))]
