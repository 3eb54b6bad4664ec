"""The gate speaks in the unit of the result, and of points only where they are points."""

from __future__ import annotations

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.difference import difference_tables
from talan_eval.gate.table import markdown
from talan_eval.gate.terminal import TerminalGate
from talan_eval.gate.wording import headline, rule
from talan_eval.result.schema import Measure

SECONDS = Measure(unit="seconds", higher_is_better=False, lower=0, upper=None)


def compared(measure, shift, task="points of a test"):
    rng = np.random.default_rng(0)
    base = 500 + 40 * rng.random((6, 80))
    scores = {"base": base, "treat": base + shift + rng.normal(0, 5, base.shape)}
    items = ItemTable(task, "m", tuple(f"i{n:02}" for n in range(80)), "0" * 12, measure=measure)
    matrices = [ScoreMatrix("b", arm, items, tuple(range(6)), values) for arm, values in scores.items()]
    return compare(
        matrices, [ContrastSpec("base", "treat")], Origin({"made": "here"}), StatisticsSettings(resamples=60)
    )


def test_every_face_names_the_unit_of_the_metric_and_leaves_names_alone():
    report = decide(compared(SECONDS, 200), GateSettings(150, unit="seconds", per_cell=True))
    assert report.outcome is CheckOutcome.FAIL
    assert "-199.75 seconds" in headline(report)
    (mean, *cells) = report.checks
    assert mean.delta == pytest.approx(-200, abs=3)
    assert mean.upper < -100  # a bound in seconds is not cut at what points can be
    shown = markdown(report)
    assert "-199.75 seconds" in shown
    assert all(check.text.replace("points of a test", "").count("point") == 0 for check in report.checks)
    assert any(check.name.startswith("points of a test") for check in cells)
    assert "points" not in str(TerminalGate(report)).replace("points of a test", "")


def test_a_margin_is_as_large_as_the_unit_allows():
    assert (
        decide(compared(SECONDS, 200), GateSettings(400, unit="seconds", fail_below_margin=True)).outcome
        is CheckOutcome.PASS
    )
    with pytest.raises(UserError, match="between 0 and 100 points"):
        GateSettings(400)
    with pytest.raises(UserError, match="from 0 on"):
        GateSettings(float("inf"), unit="seconds")


def test_where_less_is_better_the_gate_says_that_its_differences_are_turned():
    report = decide(compared(SECONDS, 200), GateSettings(50))
    assert report.checks[0].delta < 0  # 200 seconds more, which is a loss
    assert "Less is better here, so differences are turned" in rule(report.settings)
    more = decide(compared(Measure(unit="BLEU", lower=0, upper=1000), 200), GateSettings(50))
    assert more.checks[0].delta > 0
    assert "turned" not in rule(more.settings)  # the control


def test_a_small_difference_of_a_loss_is_shown_with_its_digits():
    nats = Measure(unit="nats", higher_is_better=False, lower=None, upper=None)
    rng = np.random.default_rng(0)
    base = 1 + 0.1 * rng.random((6, 80))
    scores = {"base": base, "treat": base - 0.00321 + rng.normal(0, 1e-4, base.shape)}
    items = ItemTable("t", "m", tuple(f"i{n:02}" for n in range(80)), "0" * 12, measure=nats)
    matrices = [ScoreMatrix("b", arm, items, tuple(range(6)), values) for arm, values in scores.items()]
    report = decide(
        compare(matrices, [ContrastSpec("base", "treat")], Origin({}), StatisticsSettings(60)), GateSettings(0.001)
    )
    assert report.outcome is CheckOutcome.PASS
    for shown in (headline(report), markdown(report)):
        assert "+0.0032" in shown


def test_what_is_a_larger_gain_goes_by_the_direction_of_the_metric():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 5, (6, 80))

    def saved(shift, measure=SECONDS):
        base = 500 + 40 * np.random.default_rng(0).random((6, 80))
        items = ItemTable("t", "m", tuple(f"i{n:02}" for n in range(80)), "0" * 12, measure=measure)
        arms = {"base": base, "treat": base + shift + noise + rng.normal(0, 1, base.shape)}
        matrices = [ScoreMatrix("b", arm, items, tuple(range(6)), values) for arm, values in arms.items()]
        return compare(matrices, [ContrastSpec("base", "treat")], Origin({}), StatisticsSettings(resamples=60))

    older, newer = saved(-10.0), saved(-50.0)
    for new, old, reading in ((newer, older, "larger gain"), (older, newer, "smaller gain")):
        (table,) = difference_tables(new, old)
        assert {row[-1] for row in table.rows} == {reading}  # 40 seconds less are a gain
        change = float(table.rows[0][3])
        assert change == pytest.approx(-40 if new is newer else 40, abs=1)
    more = Measure(unit="seconds", higher_is_better=True, lower=0, upper=None)
    (table,) = difference_tables(saved(-50.0, more), saved(-10.0, more))
    assert {row[-1] for row in table.rows} == {"smaller gain"}  # the control
    with pytest.raises(UserError, match=r"older result is measured in seconds, of which less is better.*newer"):
        difference_tables(saved(-10.0, more), older)
    with pytest.raises(UserError, match="measured in seconds"):
        decide(newer, GateSettings(5.0, unit="seconds"), baseline=saved(-10.0, more))


def test_means_of_other_weights_are_not_compared_with_each_other():
    rng = np.random.default_rng(2)

    def weighed(*weights, arms=("base", "treat")):
        matrices = []
        for task in ("one", "two"):
            items = ItemTable(task, "acc", tuple(f"i{n}" for n in range(30)), "0" * 12)
            for arm in arms:
                scores = (rng.random((6, 30)) < 0.5).astype(float)
                matrices.append(ScoreMatrix("b", arm, items, tuple(range(6)), scores))
        contrasts = [ContrastSpec(arms[0], arm) for arm in arms[1:]]
        return compare(matrices, contrasts, Origin({}), StatisticsSettings(resamples=20, weights=weights))

    told = r"weights of the mean \(equal there, one 0.75, two 0.25 here\)"
    with pytest.raises(UserError, match=told):
        difference_tables(weighed("one=3"), weighed())
    three = weighed("one=3", arms=("base", "treat", "other"))
    with pytest.raises(UserError, match=told):  # one of its contrasts is in the other result
        difference_tables(three, weighed(), three.contrasts[:1])
    assert difference_tables(weighed("one=3"), weighed("one=3"))
