"""Metrics in any unit and direction: equal tests in equal data, and without bounds nothing that rests on them."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.report.markdown import render
from talan_eval.result import evidence, schema
from talan_eval.result.reading import read_result
from talan_eval.result.restated import DIFFERENCES, INTERVALS, SCORES, SIZES, readable, upright
from talan_eval.result.schema import Measure

LOSS = Measure(unit="nats", higher_is_better=False, lower=None, upper=None)
QUICK = StatisticsSettings(resamples=60)
ITEMS = 24


def made(measure, arms, tasks=("t", "u"), **settings):
    """Compare arms, each a function of a task's number that gives scores of shape (seeds, items)."""
    matrices = []
    for number, task in enumerate(tasks):
        one = measure[number] if isinstance(measure, tuple) else measure
        items = ItemTable(task, "m", tuple(f"i{n:02}" for n in range(ITEMS)), "0" * 12, measure=one)
        for arm, scores in arms.items():
            values = scores(number)
            matrices.append(ScoreMatrix("b", arm, items, tuple(range(len(values))), values))
    quick = StatisticsSettings(**{"resamples": 60, **settings})
    return compare(matrices, [ContrastSpec("base", "treat")], Origin({"made": "here"}), quick)


def arms(seed=0, gain=0.0, seeds=6, turn=lambda scores: scores):
    rng = np.random.default_rng(seed)
    base, treat = rng.random((2, 2, seeds, ITEMS))
    shift = gain * np.linspace(0.8, 1.2, seeds)[:, None]
    return {"base": lambda n: turn(base[n]), "treat": lambda n: turn(0.9 * base[n] + 0.1 * treat[n] + shift)}


def numbers(part, place=""):
    if isinstance(part, dict):
        return {key: value for name, one in part.items() for key, value in numbers(one, f"{place}.{name}").items()}
    if isinstance(part, list | tuple):
        return {key: value for name, one in enumerate(part) for key, value in numbers(one, f"{place}.{name}").items()}
    return {place: part} if isinstance(part, float) else {}


@settings(deadline=None, derandomize=True, max_examples=15)
@given(st.floats(0.01, 500), st.floats(-300, 300), st.integers(0, 1000))
def test_another_unit_of_an_unbounded_metric_changes_no_test(width, origin, seed):
    one = made(LOSS, arms(seed)).contrasts[0]
    other = made(LOSS, arms(seed, turn=lambda scores: origin + width * scores)).contrasts[0]
    for here, there in zip((*one.cells, one.aggregate), (*other.cells, other.aggregate), strict=True):
        assert there.delta == pytest.approx(width * here.delta, rel=1e-6, abs=1e-9 * width)
        assert there.e1.ci == pytest.approx([width * end for end in here.e1.ci], rel=1e-6)
        assert there.e1.one_sided.lower == pytest.approx(width * here.e1.one_sided.lower, rel=1e-6)
        assert (there.e1.p, there.e1.signflip.p, there.e2.p) == pytest.approx(
            (here.e1.p, here.e1.signflip.p, here.e2.p)
        )
        assert (there.verdict, there.adjusted_p) == (here.verdict, pytest.approx(here.adjusted_p))
        assert there.treat_mean == pytest.approx(origin + width * here.treat_mean, rel=1e-6, abs=1e-6)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.3]))
def test_less_of_a_loss_is_as_good_as_more_of_its_negative(seed, gain):
    down = made(LOSS, arms(seed, -gain)).contrasts[0]
    up = made(LOSS.model_copy(update={"higher_is_better": True}), arms(seed, -gain, turn=lambda s: -s)).contrasts[0]
    for loss, score in zip((*down.cells, down.aggregate), (*up.cells, up.aggregate), strict=True):
        assert loss.delta == pytest.approx(-score.delta)
        assert loss.e1.ci == pytest.approx([-end for end in reversed(score.e1.ci)])
        assert (loss.e1.one_sided.lower, loss.e1.one_sided.upper) == pytest.approx(
            (-score.e1.one_sided.upper, -score.e1.one_sided.lower)
        )
        assert (loss.verdict, loss.e1.p) == (score.verdict, pytest.approx(score.e1.p))
    assert down.aggregate.verdict == ("better" if gain else down.aggregate.verdict)
    assert not gain or down.aggregate.delta < 0


def test_a_bounded_metric_of_another_unit_is_as_a_share_of_right_answers():
    shares = made(Measure(), arms(), also=("tost",), margin=5.0)
    bleu = made(Measure(unit="BLEU", lower=0, upper=100), arms(turn=lambda s: 100 * s), also=("tost",), margin=5.0)
    assert numbers(bleu.model_dump()["contrasts"]) == pytest.approx(numbers(shares.model_dump()["contrasts"]))
    assert any(term.name == "floor" for term in bleu.contrasts[0].cells[0].e1.terms)


def test_what_rests_on_bounds_is_left_out_without_them():
    (cell, _) = made(LOSS, arms()).contrasts[0].cells
    assert [term.name for term in cell.e1.terms] == ["t", "flip"]
    assert cell.items is None
    assert {(pair.lost, pair.gained) for pair in cell.e0} == {(None, None)}
    assert all(pair.ci[0] < pair.delta < pair.ci[1] for pair in cell.e0)


def test_equal_differences_are_null_with_a_reason():
    rng = np.random.default_rng(3)
    base = rng.random((6, ITEMS))
    got = made(LOSS, {"base": lambda _: base, "treat": lambda _: base + 0.25}, tasks=("t",))
    (cell,) = got.contrasts[0].cells
    assert (cell.e1, cell.e2, cell.verdict) == (None, None, "not estimable")
    assert {pair.ci for pair in cell.e0} == {None}
    assert "nothing tells how the difference could vary. The mean difference is +0.25 nats." in render(got)
    assert any("all differences are equal and the metric has no bounds" in text for text in got.warnings)
    bounded = made(Measure(), {"base": lambda _: base / 2, "treat": lambda _: base / 2 + 0.25}, tasks=("t",))
    assert bounded.contrasts[0].cells[0].e1 is not None  # the control: bounds say how far scores could differ


def test_the_t_over_items_is_that_of_scipy():
    from scipy.stats import ttest_1samp  # noqa: PLC0415 - here alone

    made_of = arms()
    (cell, _) = made(LOSS, made_of).contrasts[0].cells
    expected = ttest_1samp(made_of["treat"](0)[2] - made_of["base"](0)[2], 0)
    assert cell.e0[2].p == pytest.approx(expected.pvalue)
    assert cell.e0[2].ci == pytest.approx(tuple(expected.confidence_interval()))


def test_benchmarks_in_several_units_have_no_mean_and_the_advice_names_those_of_one():
    with pytest.raises(UserError, match=r"(?s)t in points; u in nats, less is better.*--tasks t$"):
        made((Measure(), LOSS), arms())
    with pytest.raises(UserError, match="less is better"):
        made((Measure(), Measure(higher_is_better=False)), arms())


def test_scores_outside_their_bounds_are_no_matrix():
    items = ItemTable("t", "m", ("a",), "0" * 12, measure=Measure(unit="BLEU", lower=0, upper=100))
    ScoreMatrix("b", "x", items, (0,), np.array([[87.0]]))
    with pytest.raises(ValueError, match="within the bounds"):
        ScoreMatrix("b", "x", items, (0,), np.array([[101.0]]))


def unit_fields(record, seen):
    """List the names of all fields with a unit, in a record and in those within it."""
    if record in seen:
        return set()
    seen.add(record)
    found = set()
    for name, field in record.model_fields.items():
        parts = [field.annotation, *field.metadata]
        has_unit = (field.json_schema_extra or {}).get("unit") is not None
        while parts:
            part = parts.pop()
            if isinstance(part, type) and issubclass(part, evidence.PublishedRecord):
                found |= unit_fields(part, seen)
            has_unit |= (getattr(part, "json_schema_extra", None) or {}).get("unit") is not None
            parts += [*typing.get_args(part), *getattr(part, "__metadata__", ())]
        if has_unit and record is not schema.OneSided:
            found.add(name)
    return found


def test_every_field_with_a_unit_is_restated():
    found = unit_fields(schema.Result, set())
    assert found == SCORES | DIFFERENCES | SIZES | INTERVALS
    assert {"delta", "ci", "se", "mean"} <= found


def test_a_result_in_nats_reads_back_is_gated_in_its_direction_and_shown_in_its_unit(tmp_path):
    better, worse = made(LOSS, arms(gain=-0.2)), made(LOSS, arms(gain=0.2))
    (tmp_path / "result.json").write_text(better.to_json())
    assert read_result(tmp_path / "result.json") == better
    assert decide(better, GateSettings(0.05)).outcome == CheckOutcome.PASS
    report = decide(worse, GateSettings(0.05))
    assert report.outcome == CheckOutcome.FAIL
    assert any("nats" in check.text for check in report.checks)
    assert not any("points" in check.text for check in report.checks)
    assert upright(worse).contrasts[0].aggregate.delta == -worse.contrasts[0].aggregate.delta
    text = render(better)
    assert "nats" in text
    assert "points" not in text.partition("## ")[0]


def test_small_differences_are_shown_in_thousandths():
    small = made(LOSS, arms(gain=0.0, turn=lambda s: s / 100))
    shown = readable(small)
    assert shown.measure.unit == "millinats"
    assert shown.contrasts[0].cells[0].delta == pytest.approx(1000 * small.contrasts[0].cells[0].delta)
    assert readable(made(LOSS, arms(gain=0.4))).measure.unit == "nats"
    shares = made(Measure(), arms())
    assert readable(shares) == shares


@pytest.mark.parametrize("k", [1, 2, 4])
def test_pass_at_k_is_compared_where_answers_are_stored(k):
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (2, 5, ITEMS))
    items = ItemTable("t", "acc", tuple(f"i{n:02}" for n in range(ITEMS)), "0" * 12)
    matrices = [ScoreMatrix("b", arm, items, range(5), counts[n] / 4, k=4) for n, arm in enumerate(("base", "treat"))]
    got = compare(
        matrices, [ContrastSpec("base", "treat")], Origin({"made": "here"}), StatisticsSettings(60, reduce=f"pass@{k}")
    )
    (cell,) = got.contrasts[0].cells
    expected = 1 - np.prod([(4 - counts[1] - drawn).clip(0) / (4 - drawn) for drawn in range(k)], axis=0)
    assert cell.treat_mean == pytest.approx(100 * expected.mean())
    assert (cell.metric, cell.k) == (f"acc pass@{k}", 1)


@pytest.mark.parametrize(
    ("reduce", "k", "says"),
    [
        ("pass@5", 4, r"(?s)pass@5 needs from 5 answers on, and there are 4.*--reduce pass@4"),
        ("pass@2", 1, r"(?s)and there are 1.*Leave --reduce out"),
        ("pass@0", 4, "is no way"),
        ("best", 4, "is no way"),
        ("pass@2", 3, "right or wrong"),
    ],
)
def test_ways_to_reduce_answers_that_do_not_exist(reduce, k, says):
    items = ItemTable("t", "acc", ("a", "b"), "0" * 12)
    matrices = [ScoreMatrix("b", arm, items, (0,), np.array([[0.25, 0.5]]), k=k) for arm in ("base", "treat")]
    with pytest.raises(UserError, match=says):
        compare(
            matrices, [ContrastSpec("base", "treat")], Origin({"made": "here"}), StatisticsSettings(60, reduce=reduce)
        )


@pytest.mark.parametrize("measure", [Measure(), Measure(unit="stars", lower=1.0, upper=5.0)])
def test_a_margin_that_no_difference_can_reach_is_refused_in_the_unit(measure):
    most = measure.upper - measure.lower
    with pytest.raises(UserError, match=rf"--margin {most + 1:g} is not between 0 and {most:g} {measure.unit}"):
        made(measure, arms(turn=lambda scores: scores * 4 + 1 if most == 4 else scores), margin=most + 1)


def test_a_metric_without_bounds_takes_any_margin():
    tokens = Measure(unit="tokens", higher_is_better=False, lower=0.0, upper=None)
    result = made(tokens, arms(turn=lambda scores: 1000 * scores), margin=200.0)
    assert result.settings.margin == pytest.approx(200)
    assert "200 tokens" in render(result)


@pytest.mark.parametrize("low", [1.0, -3.0, 0.1])
@pytest.mark.parametrize("higher", [True, False])
def test_bounds_may_lie_anywhere(low, higher):
    stars = Measure(unit="stars", higher_is_better=higher, lower=low, upper=low + 4)
    share = Measure(unit="share", higher_is_better=higher, lower=0.0, upper=1.0)
    here = made(stars, arms(turn=lambda scores: low + 4 * np.round(scores, 1))).contrasts[0].aggregate
    there = made(share, arms(turn=lambda scores: np.round(scores, 1))).contrasts[0].aggregate
    assert here.e1.ci == pytest.approx([4 * end for end in there.e1.ci])
    assert here.e1.p == pytest.approx(there.e1.p)
