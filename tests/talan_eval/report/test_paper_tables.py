"""The table of backbones by benchmarks, and what "positive on k of n" is said to be worth."""

from __future__ import annotations

from talan_eval.report.cost import cost_table
from talan_eval.report.paper import chance_sentence, cross_table
from talan_eval.report.view import View
from talan_eval.result.schema import FailedCell, LiveProbe


def test_several_backbones_stand_in_rows_with_their_mean_last(cell, result):
    found = View(result([cell("a", backbone=name) for name in ("one", "two")]))
    table = cross_table(found)
    assert [row[0] for row in table.rows] == ["one", "two", "mean"]
    assert "of 2 cells" in chance_sentence(found)


def test_the_sentence_has_the_probabilities_of_the_result(cell, result):
    found = View(result([cell("a"), cell("b", gain=0.1)]))
    count = found.mean.positive
    said = chance_sentence(found)
    assert f"{count.median} would be typical" in said
    assert f"at least {count.positive} would occur with probability {count.p:.3f}" in said
    assert f"all 2 with {count.all_positive:.3f}" in said


def test_what_was_not_counted_is_not_claimed(cell, result):
    found = result([cell("a")])
    contrast = found.contrasts[0]
    mean = contrast.aggregate.model_copy(update={"positive": None})
    without = found.model_copy(update={"contrasts": (contrast.model_copy(update={"aggregate": mean}),)})
    assert chance_sentence(View(without)) == ""
    assert [text[-3:] for text in cross_table(View(without)).texts()] == [("n/a", "n/a", "n/a")]


def test_cost_is_shown_only_where_it_was_recorded(cell, result):
    assert cost_table(result([cell("a")])).rows == ()
    by_arm = {
        arm: {"training_seconds": own, "evaluation_seconds": 10.0}
        for arm, own in (("lora", 50.0), ("talan+lora", 60.0))
    }
    probes = [LiveProbe(arm=arm, seed=seed, max_logit_change=1.0) for arm in by_arm for seed in range(7)]
    found = result([cell("a", items=50)], provenance={"times": {"by_arm": by_arm}}, probes=probes)
    assert cost_table(found).texts() == (
        ("lora", "7", "50.0", "7.1", "1.00x", "350", "10.0", "28.6", "1.00x"),
        ("talan+lora", "7", "60.0", "8.6", "1.20x", "350", "10.0", "28.6", "1.00x"),
    )
    by_arm["lora"]["trained_parameters"] = 12345
    sized = found.model_copy(update={"provenance": {"times": {"by_arm": by_arm}}})
    assert [row[1] for row in cost_table(sized).texts()] == ["12,345", "n/a"]
    by_arm["talan+lora"]["peak_memory_bytes"] = 2_500_000_000
    assert [row[2] for row in cost_table(sized).texts()] == ["n/a", "2.50"]
    failed = FailedCell(arm="lora", seed=7, task="a", reason="no memory")
    partly = cost_table(found.model_copy(update={"failed_cells": (failed,)}))
    assert partly.texts()[1] == ("talan+lora", "n/a", "60.0", "n/a", "1.20x", "n/a", "10.0", "n/a", "1.00x")


def test_stages_are_shown_with_steps_and_parameters(cell, result):
    plain = {"training_seconds": 2.0, "evaluation_seconds": 1.0}
    stages = [
        {"name": "gsm8k_micro", "steps": 6, "tokens": 900, "trained_parameters": 25440},
        {"name": "fusion", "steps": 12, "tokens": 1800, "trained_parameters": 296448},
    ]
    staged = {"by_arm": {"lora": plain, "talan+lora": {**plain, "stages": stages}}}
    found = result([cell("a")]).model_copy(update={"provenance": {"times": staged}})
    assert [row[1] for row in cost_table(found).texts()] == [
        "n/a",
        "gsm8k_micro: 6 steps, 900 tokens, 25,440 parameters; fusion: 12 steps, 1,800 tokens, 296,448 parameters",
    ]  # fmt: skip
    odd = {"by_arm": {"lora": plain, "talan+lora": {**plain, "stages": [{"name": "x"}]}}}
    shown = cost_table(found.model_copy(update={"provenance": {"times": odd}}))
    assert "stages" not in str(shown.texts())


def test_a_recipe_of_an_arms_own_is_shown_with_its_cost(cell, result):
    times = {"by_arm": {arm: {"training_seconds": 2.0, "evaluation_seconds": 1.0} for arm in ("lora", "talan+lora")}}

    def found(*by_arm):
        backbones = [{"identity": {"name": f"b{n}"}, "training_by_arm": own} for n, own in enumerate(by_arm)]
        plain = result([cell("a")])
        return cost_table(
            plain.model_copy(update={"provenance": {"times": times, "experiment": {"backbones": backbones}}})
        )

    own = {"lora": {"learning_rate": 0.0003}}
    assert [row[1] for row in found(own).texts()] == ["learning_rate=0.0003", "n/a"]
    assert [row[1] for row in found(own, own).texts()] == ["learning_rate=0.0003", "n/a"]
    assert [row[1] for row in found(own, {}).texts()] == ["b0: learning_rate=0.0003", "n/a"]
    assert "own recipe" not in str(found({}).texts())
    assert len(found({}).texts()[0]) == len(found(own).texts()[0]) - 1
