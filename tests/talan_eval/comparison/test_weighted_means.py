"""Means that weigh benchmarks or groups of them: the declared mean, and its tests in its unit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from talan_core.errors import MistakesError, UserError
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.comparison.task_weights import task_weights
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.intake.checked import check
from talan_eval.report.markdown import render
from talan_eval.requests.compare import CompareRequest
from talan_eval.result.consistent import contradictions
from talan_eval.result.schema import Measure, Result

TASKS = ("a", "b", "c")


@pytest.fixture
def made():
    def make(*weights, measure=None, gains=(0.0, 0.1, 0.3), arms=("base", "treat"), **changes):
        matrices = []
        for number, task in enumerate(TASKS):
            draw = np.random.default_rng(number)
            items = ItemTable(task, "m", tuple(f"i{n:02}" for n in range(40)), "0" * 12, measure=measure or Measure())
            skill = draw.random(40)
            for place, arm in enumerate(arms):
                chance = np.clip(skill + gains[number] * place, 0, 1)
                scores = (draw.random((7, 40)) < chance).astype(float)
                matrices.append(ScoreMatrix("m", arm, items, tuple(range(7)), scores))
        contrasts = [ContrastSpec(arms[0], arm) for arm in arms[1:]]
        return compare(
            matrices, contrasts, Origin({"made": "here"}), StatisticsSettings(200, weights=weights, **changes)
        )

    return make


def by_hand(result, shares):
    cells = result.contrasts[0].cells
    return np.average([cell.deltas for cell in cells], axis=0, weights=shares)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        (("c=2",), (1, 1, 2)),
        (("a=0.5", "b=3"), (0.5, 3, 1)),
        (("g=b+c",), (1, 0.5, 0.5)),
        (("g=b+c", "g=4"), (1, 2, 2)),
    ],
)
def test_the_mean_is_weighted_and_its_t_is_that_of_the_weighted_seed_means(made, weights, shares):
    got = made(*weights)
    mean = got.contrasts[0].aggregate
    expected = by_hand(got, shares)
    assert mean.deltas == pytest.approx(expected)
    assert mean.delta == pytest.approx(expected.mean())
    assert mean.e1.t.p == pytest.approx(ttest_1samp(expected, 0).pvalue)
    assert mean.e1.t.ci == pytest.approx(tuple(ttest_1samp(expected, 0).confidence_interval()))
    assert mean.treat_mean - mean.base_mean == pytest.approx(mean.delta)
    assert sum(got.primary.weights.values()) == pytest.approx(1)
    assert got.primary.statistic == "weighted_mean"
    assert not list(contradictions(got))


def test_the_flip_term_is_that_of_the_weights(made):
    got, shares = made("c=2"), np.array([0.25, 0.25, 0.5])
    error = [cell.mean_squares.error / (cell.n_seeds * cell.n_items) for cell in got.contrasts[0].cells]
    (flip,) = [term.se for term in got.contrasts[0].aggregate.e1.terms if term.name == "flip"]
    assert flip == pytest.approx(np.sqrt(np.sum(shares**2 * error)))


def test_equal_weights_are_the_mean_as_it_was(made):
    plain, equal = made(), made("a=1")
    one, other = (got.contrasts[0].aggregate.model_dump(exclude={"iqm"}) for got in (plain, equal))
    assert other["e1"]["ci"] == pytest.approx(one["e1"]["ci"])
    assert (other["delta"], other["verdict"], other["e2"]["p"]) == (
        pytest.approx(one["delta"]), one["verdict"], pytest.approx(one["e2"]["p"]),
    )  # fmt: skip
    assert [cell.e1 for cell in plain.contrasts[0].cells] == [cell.e1 for cell in equal.contrasts[0].cells]


def test_weights_are_part_of_the_declared_family_and_read_back(made):
    hashes = {made(*weights).primary.family_hash for weights in ((), ("c=2",), ("c=3",))}
    assert len(hashes) == 3
    got = made("c=2")
    assert Result.from_json(got.to_json()) == got
    assert got.primary.family_hash in got.signature
    assert {family.hash for family in got.families} == {got.primary.family_hash}
    text = render(got)
    assert "weighted mean (primary)" in text
    assert "a 0.25, b 0.25, c 0.5" in text


def test_a_weighted_mean_is_gated_and_compared_among_several_arms(made):
    assert decide(made("c=5"), GateSettings(1.0)).outcome == CheckOutcome.PASS
    got = made("c=2", arms=("base", "one", "two"))
    assert [one.aggregate.delta for one in got.contrasts] == pytest.approx(
        [np.average([cell.delta for cell in one.cells], weights=(1, 1, 2)) for one in got.contrasts]
    )
    assert got.selection.selection_gain == pytest.approx(max(one.aggregate.delta for one in got.contrasts))


def test_a_margin_keeps_its_unit(made):
    got = made("c=2", also=("tost",), margin=40.0).contrasts[0].aggregate
    assert got.also[0].p < 0.05
    assert made("c=2", also=("tost",), margin=0.5).contrasts[0].aggregate.also[0].p > 0.05
    assert got.margin_test.margin == pytest.approx(40.0)
    assert got.also[0].ci == pytest.approx((got.e1.one_sided.lower, got.e1.one_sided.upper))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (("d=2",), "Unknown benchmark or group 'd'"),
        (("a=0",), "weighs no benchmark"),
        (("a=-1",), "weighs no benchmark"),
        (("a=inf",), "weighs no benchmark"),
        (("a",), "weighs no benchmark"),
        (("g=a+x",), "Unknown benchmark 'x'"),
        (("g=a+b", "h=b+c"), "names the benchmark 'b' twice"),
        (("g=a+b", "a=2"), "Unknown benchmark or group 'a'"),
    ],
)
def test_weights_that_say_nothing(weights, says):
    with pytest.raises(UserError, match=says):
        task_weights(weights, TASKS)


def test_all_wrong_weights_are_named_at_once_and_before_anything_is_trained():
    with pytest.raises(MistakesError, match=r"(?s)a=0.*'d'"):
        task_weights(("a=0", "d=2"), TASKS)
    with pytest.raises(UserError, match="Did you mean 'gsm8k_micro'"):
        check(CompareRequest(weights=("gsm8k_mikro=2",)))


def test_names_of_tasks_may_hold_an_equals_sign():
    assert task_weights(("mmlu[subject=x]=3",), ("mmlu[subject=x]", "b")) == {"mmlu[subject=x]": 0.75, "b": 0.25}
