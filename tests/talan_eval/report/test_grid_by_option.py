"""A grid of arms with a block by the values of their options: gains, G1 and what luck does, in table and figure."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from talan_eval.comparison import ContrastSpec, Origin, compare
from talan_eval.report import markdown
from talan_eval.report.context import Context
from talan_eval.report.layout import overview
from talan_eval.report.option_table import option_sentence, option_table
from talan_eval.report.plots import draw
from talan_eval.report.plots.grid_panels import frontier
from talan_eval.report.view import views
from talan_eval.result.consistent import contradictions
from talan_eval.result.restated import Restated, upright
from talan_eval.result.schema import Result

GRID = {"lora": 0.0, "noise+lora": 0.01} | {
    f"talan[layer={layer},slots={slots}]+lora": 0.03 * layer - 0.01 * slots for layer in (0, 3) for slots in (1, 10, 2)
}


@pytest.fixture
def grid(many):
    return many(arms=GRID, seeds=5, items=120)


def contrast_of(result, arm):
    return next(one for one in result.contrasts if one.treatment == arm)


def passed(contrast, seed):
    deltas = [cell.deltas[cell.seeds.index(seed)] for cell in contrast.cells]
    return min(deltas) >= 0 and max(deltas) > 0


def share_of(axes, option, value):
    return next(one for one in (*axes.shares, *axes.controls) if (one.option, one.value) == (option, value))


def test_each_value_has_the_mean_and_the_count_of_its_arms(grid):
    (axes,) = grid.axes
    for layer in (0, 3):
        own = [contrast_of(grid, f"talan[layer={layer},slots={slots}]+lora") for slots in (1, 2, 10)]
        share = share_of(axes, "layer", str(layer))
        assert share.arms == 3
        assert share.delta == pytest.approx(statistics.mean(one.aggregate.delta for one in own))
        assert share.trainings == 15
        assert share.hits == sum(passed(one, seed) for one in own for seed in range(5))
    whole = share_of(axes, "", "all arms with a block")
    assert whole.hits == sum(share_of(axes, "layer", value).hits for value in ("0", "3"))
    assert whole.arms == 6


def test_the_interval_of_a_single_arm_is_its_plain_t(many):
    result = many(arms={"lora": 0.0, "talan[slots=1]+lora": 0.05, "talan[slots=2]+lora": 0.0}, seeds=6)
    (axes,) = result.axes
    plain = contrast_of(result, "talan[slots=1]+lora").aggregate.e1.t
    assert tuple(share_of(axes, "slots", "1").ci) == pytest.approx(tuple(plain.ci))


def test_advice_is_of_what_can_be_typed(many):
    """Scores of elsewhere have no --treat, and a value that no arm leaves open needs no words."""
    arms = {"lora": 0.0, "talan[slots=1]+lora": 0.0, "talan[slots=2]+lora": 0.0}
    result = many(arms=arms, seeds=3)
    assert "default" not in option_sentence(result)
    logged = tuple(arm.model_copy(update={"kind": "logged"}) for arm in result.arms)
    assert "--treat" in option_sentence(result.model_copy(update={"arms": trained_of(result)}))
    assert "--treat" not in option_sentence(result.model_copy(update={"arms": logged}))
    open_too = many(arms=arms | {"talan+lora": 0.0}, seeds=3)
    assert '"default" stands where' in option_sentence(open_too)


def trained_of(result):
    return tuple(arm.model_copy(update={"kind": "trained"}) for arm in result.arms)


def test_values_stand_in_order_of_size_and_the_default_last(many):
    arms = {"lora": 0.0} | {f"talan[slots={slots}]+lora": 0.0 for slots in (10, 2, 1)} | {"talan+lora": 0.0}
    (axes,) = many(arms=arms, seeds=3).axes
    named = {"lora": 0.0} | {f"talan{option}+lora": 0.0 for option in ("", "[mixer=glu]", "[mixer=cross_attn]")}
    (mixers,) = many(arms=named, seeds=3).axes
    assert [one.value for one in mixers.shares if one.option == "mixer"] == ["cross_attn", "glu", "default"]
    assert [one.value for one in axes.shares if one.option == "slots"] == ["1", "2", "10", "default"]
    assert {one.option for one in axes.shares} == {"", "slots"}


def test_controls_are_counted_beside_it(grid):
    (axes,) = grid.axes
    noise = contrast_of(grid, "noise+lora")
    assert share_of(axes, "", "noise+lora").hits == sum(passed(noise, seed) for seed in range(5))
    base = [cell.base_by_seed for cell in noise.cells]
    lucky = 0
    for one in range(5):
        for other in range(5):
            apart = [scores[one] - scores[other] for scores in base]
            lucky += one != other and min(apart) >= 0 and max(apart) > 0
    reseeded = share_of(axes, "", "lora against itself, another seed")
    assert (reseeded.hits, reseeded.trainings) == (lucky, 20)
    assert "No noise control" not in option_sentence(grid)


def test_adapters_are_an_option_of_their_own_and_each_arm_is_held_against_its_own(many):
    contrasts = [ContrastSpec("lora", "talan+lora"), ContrastSpec("dora", "talan+dora"), ContrastSpec("lora", "dora")]
    arms = {"lora": 0.0, "dora": 0.0, "talan+lora": 0.1, "talan+dora": -0.1}
    result = many(contrasts, arms=arms, seeds=4)
    (axes,) = result.axes
    assert share_of(axes, "partner", "dora").delta == pytest.approx(contrast_of(result, "talan+dora").aggregate.delta)
    assert [one.value for one in axes.controls] == [
        "lora against itself, another seed",
        "dora against itself, another seed",
    ]
    assert "No noise control" in option_sentence(result.model_copy(update={"arms": trained_of(result)}))


def test_a_seed_that_an_arm_lacks_is_left_out_of_means_and_counts(matrices):
    arms = {"lora": 0.0, "talan[slots=1]+lora": 0.1, "talan[slots=2]+lora": 0.0}
    lacks = ("talan[slots=1]+lora", "gsm8k_micro")  # its seed 1 there
    every = [
        replace(one, seeds=(0, 2, 3), scores=one.scores[[0, 2, 3]]) if (one.arm, one.task) == lacks else one
        for one in matrices(arms=arms, seeds=4)
    ]
    result = compare(
        every,
        [ContrastSpec("lora", arm) for arm in arms if arm != "lora"],
        Origin(provenance={"experiment_sha256": "0" * 64}),
    )
    (axes,) = result.axes
    one, two = (contrast_of(result, f"talan[slots={slots}]+lora") for slots in (1, 2))
    first, second = share_of(axes, "slots", "1"), share_of(axes, "slots", "2")
    assert (first.trainings, second.trainings) == (3, 4)
    whole = [cell.deltas for cell in one.cells]
    assert [len(deltas) for deltas in whole] == [3, 4]
    kept = [(whole[0][at], whole[1][place]) for at, place in enumerate((0, 2, 3))]
    assert first.hits == sum(min(deltas) >= 0 and max(deltas) > 0 for deltas in kept)
    assert first.delta == pytest.approx(statistics.mean(map(statistics.mean, kept)))
    by_benchmark = [statistics.mean(deltas) for deltas in zip(*kept, strict=True)]
    assert by_benchmark[1] < by_benchmark[0]  # the one that has the seed
    assert axes.configurations[0].worst_delta == pytest.approx(by_benchmark[1])
    both = share_of(axes, "", "all arms with a block")
    of_two = dict(zip(two.aggregate.seeds, two.aggregate.deltas, strict=True))
    means = [(statistics.mean(deltas) + of_two[seed]) / 2 for deltas, seed in zip(kept, (0, 2, 3), strict=True)]
    assert both.delta == pytest.approx(statistics.mean(means))
    assert both.trainings == 7


def test_one_arm_with_a_block_is_no_grid(result):
    assert result().axes == ()


@pytest.mark.parametrize(
    "arms",
    [
        {"lora": 0.0, "dora": 0.1, "ia3": 0.0},
        {"lora": 0.0, "talan+lora": 0.1, "noise+lora": 0.0},
        {"mine": 0.0, "talan[slots=1]+lora": 0.0, "talan[slots=2]+lora": 0.0},
        {"lora[r=4]": 0.0, "talan[slots=1]+lora": 0.0, "talan[slots=2]+lora": 0.0},
    ],
)
def test_without_a_grid_there_is_neither_table_nor_figure(many, arms):
    result = many(arms=arms, seeds=3)
    assert option_table(result).rows == ()
    assert option_sentence(result) == ""
    assert "axes" not in {one.name for one in draw(result)}


def test_backbones_are_kept_apart(many):
    arms = {"lora": 0.0, "talan[slots=1]+lora": 0.05, "talan[slots=2]+lora": 0.0}
    result = many(arms=arms, backbones=("micro", "other"), seeds=3)
    assert [one.backbone for one in result.axes] == ["micro", "other"]
    assert option_table(result).columns[0].name == "backbone"
    assert {"axes", "axes-2"} <= {one.name for one in draw(result)}


def test_the_report_has_the_table_with_its_sentence(grid):
    part = next(one for one in overview(views(grid, Context())) if one.key == "options")
    text = markdown.render(grid)
    (axes,) = grid.axes
    for share in (*axes.shares, *axes.controls):
        assert f"{share.hits} of {share.trainings}" in text
    assert markdown.escape(part.below) in text


def test_the_figure_shows_rates_controls_and_the_best(grid):
    figure = next(one for one in draw(grid) if one.name == "axes").figure
    rates, by_slots, _, where = figure.axes
    (axes,) = grid.axes
    assert list(rates.lines[0].get_xdata()) == pytest.approx([100 * one.rate for one in axes.shares])
    assert [tick.get_text() for tick in by_slots.get_xticklabels()] == ["1", "2", "10"]
    best = max(axes.configurations, key=lambda one: one.delta)
    diamond = where.collections[1 + axes.configurations.index(best)]
    assert tuple(diamond.get_offsets()[0]) == (
        ("0", "3").index(best.options["layer"]),
        ("1", "2", "10").index(best.options["slots"]),
    )


def test_it_is_read_back_and_what_does_not_follow_is_named(grid):
    assert Result.from_json(grid.to_json()) == grid
    assert not list(contradictions(grid))
    (axes,) = grid.axes
    share = axes.shares[1]
    for change in ({"hits": share.hits + 1}, {"delta": share.delta + 0.1}, {"arms": 1}, {"value": "7"}):
        forged = axes.model_copy(update={"shares": (axes.shares[0], share.model_copy(update=change), *axes.shares[2:])})
        said = list(contradictions(grid.model_copy(update={"axes": (forged,)})))
        assert said == ["axes.0.shares do not follow from the contrasts"]
    assert list(contradictions(grid.model_copy(update={"axes": (*grid.axes, axes)})))
    assert not list(contradictions(grid.model_copy(update={"axes": ()})))  # a result of an older version


def test_where_less_is_better_a_fall_is_a_gain(many):
    turned = upright(many(arms=GRID, seeds=3))
    less = Restated(-100, 100, turned=True).of(turned)
    less = less.model_copy(update={"measure": less.measure.model_copy(update={"higher_is_better": False})})
    assert less.axes[0].shares[0].delta == pytest.approx(-turned.axes[0].shares[0].delta)
    assert less.axes[0].configurations[0].worst_delta == pytest.approx(-turned.axes[0].configurations[0].worst_delta)
    assert "a gain is a fall" in option_sentence(less)
    where = [next(one for one in draw(result) if one.name == "axes").figure.axes[3] for result in (turned, less)]
    at = [[tuple(mark.get_offsets()[0]) for mark in one.collections] for one in where]
    assert at[0] == at[1]  # the same one is the best


def test_the_frontier_is_what_nothing_surpasses():
    points = [(0.0, 0.0), (1.0, 3.0), (2.0, 2.0), (2.0, 1.0), (3.0, 2.5), (0.5, 2.9)]
    assert frontier(points) == [(1.0, 3.0), (3.0, 2.5)]
    assert frontier([]) == []
