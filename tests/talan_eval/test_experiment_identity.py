"""Seeds as typed, the identity of an experiment, and the cells that follow from it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.experiment import (
    BackboneIdentity,
    Experiment,
    TaskSpec,
    TrainingSource,
    TunedBackbone,
    file_name,
    parse_seeds,
)
from talan_eval.grid import confirmation, plan
from talan_eval.result.contrast import ContrastSpec


def task(name="gsm8k_micro", **changes):
    fields = {
        "name": name,
        "version": "1:abc",
        "metric": "exact_match",
        "grader": "number",
        "n_items": 5,
        "n_train": 9,
        "items_hash": "i",
        "train_hash": "t",
        "runs_code": False,
    }
    return TaskSpec(**{**fields, **changes})


def source(name="gsm8k_micro", train_hash="t"):
    return TrainingSource(name=name, n_train=9, train_hash=train_hash)


def backbone(name="micro", sha256="0", **changes):
    fields = {"training": {"steps": 3}, "operating_point": {"slots": 2}, "eval_batch": 8, **changes}
    identity = BackboneIdentity(name=name, commit=None, sha256=sha256, note="")
    return TunedBackbone(identity=identity, **fields)


def experiment(arms=("lora", "talan+lora"), **changes):
    fields = {
        "backbones": (backbone(),),
        "arms": arms,
        "contrasts": tuple(ContrastSpec(arms[0], arm) for arm in arms[1:]),
        "seeds": (0, 1),
        "tasks": (task(), task("mbpp_micro")),
        "train": (source(), source("mbpp_micro")),
        "device": "cpu",
        "versions": {"torch": "2"},
    }
    return Experiment(**{**fields, **changes})


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", tuple(range(7))),
        ("1", (0,)),
        ("0,3,5", (0, 3, 5)),
        ("5,0", (0, 5)),
        ("4,", (4,)),
        ("0,", (0,)),
        (" 2 ", (0, 1)),
    ],
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "a",
        "1;2",
        "1,,2",
        "0,0",
        "1.5",
        ",",
        "99999",
        "3,3,",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "0,\N{FULLWIDTH DIGIT ONE}",
    ],
)
def test_other_seeds_say_what_to_type(text):
    with pytest.raises(UserError, match="--seeds 7"):
        parse_seeds(text)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=9))
def test_every_list_of_seeds_reads_back(seeds):
    assert parse_seeds(",".join(map(str, seeds))) == tuple(sorted(seeds))


def test_runs_alternate_between_the_arms():
    assert [(run.arm, run.seed) for run in plan(experiment())] == [
        ("lora", 0),
        ("talan+lora", 0),
        ("lora", 1),
        ("talan+lora", 1),
    ]


def cells(some):
    return {cell.cell_id for run in plan(some) for cell in run.evaluations} | {run.cell_id for run in plan(some)}


def test_no_two_cells_share_a_name():
    assert len(cells(experiment())) == 4 + 4 * 2


@pytest.mark.parametrize(
    "change",
    [
        {"backbones": (backbone(sha256="1"),)},
        {"backbones": (backbone(training={"steps": 4}),)},
        {"backbones": (backbone(operating_point={"slots": 3}),)},
        {"device": "cuda"},
        {"versions": {"torch": "3"}},
        {"train": (source(train_hash="u"), source("mbpp_micro"))},
        {"train": (source("mbpp_micro"), source())},
    ],
)
def test_whatever_changes_training_changes_every_cell(change):
    assert not cells(experiment()) & cells(experiment(**change))
    assert experiment().digest != experiment(**change).digest


def of_base(**changes):
    arms = ("base", "lora")
    some = experiment(arms, fixed=("base",), contrasts=(ContrastSpec(*arms, "fixed"),), **changes)
    return {cell.cell_id for run in plan(some) if run.arm == "base" for cell in run.evaluations}


def test_what_others_are_trained_on_and_how_changes_nothing_of_the_untrained_backbone():
    recipe = {"steps": 3, "dtype": "float32"}
    known = of_base(backbones=(backbone(training=recipe),))
    assert known == of_base(backbones=(backbone(training={**recipe, "steps": 9}),), train=(source(train_hash="u"),))
    assert known == of_base(backbones=(backbone(training=recipe, operating_point={"slots": 9}),), train=())
    alone = experiment(("base",), fixed=("base",), seeds=(0,), train=(), backbones=(backbone(training=recipe),))
    assert known == {cell.cell_id for run in plan(alone) for cell in run.evaluations}
    for change in ({"dtype": "bfloat16"}, {"quantization": "4bit"}):
        assert not known & of_base(backbones=(backbone(training={**recipe, **change}),))
    assert not known & of_base(backbones=(backbone(sha256="1", training=recipe),))


def test_an_experiment_of_one_arm_is_named_after_it():
    assert re.fullmatch("micro_base_[0-9a-f]{8}", experiment(("base",), fixed=("base",)).default_name)


def test_another_evaluation_keeps_the_checkpoints():
    for change in (
        {"backbones": (backbone(eval_batch=9),)},
        {"tasks": (task(items_hash="j"), task("mbpp_micro", items_hash="j"))},
    ):
        before, after = plan(experiment()), plan(experiment(**change))
        assert [run.cell_id for run in before] == [run.cell_id for run in after]
        assert not {c.cell_id for r in before for c in r.evaluations} & {
            c.cell_id for r in after for c in r.evaluations
        }


def test_another_benchmark_or_arm_keeps_the_cells_of_the_others():
    assert cells(experiment()) < cells(experiment(tasks=(*experiment().tasks, task("math500_micro", items_hash="k"))))
    kept = cells(experiment()) & cells(experiment(arms=("lora", "talan+dora")))
    assert kept == {name for name in cells(experiment()) if "talan" not in name}
    assert len(kept) == 6


def test_what_a_benchmark_would_train_on_is_no_part_of_its_evaluation():
    assert cells(experiment()) == cells(experiment(tasks=(task(train_hash="u", n_train=1), task("mbpp_micro"))))


def test_experiments_that_differ_in_their_seeds_have_one_recipe():
    assert experiment().recipe_digest == experiment(seeds=(5,)).recipe_digest
    assert experiment().recipe_digest != experiment(backbones=(backbone(eval_batch=9),)).recipe_digest


def test_more_seeds_keep_the_cells_of_the_others():
    assert cells(experiment()) < cells(experiment(seeds=(0, 1, 2)))


def test_further_backbones_and_arms_leave_the_names_of_the_others_as_they_are():
    wider = experiment(arms=("lora", "talan+lora", "dora"), backbones=(backbone(), backbone("mini", "9")))
    assert cells(experiment()) < cells(wider)
    assert [(run.backbone, run.seed, run.arm) for run in plan(wider)][:7] == [
        ("micro", 0, "lora"), ("micro", 0, "talan+lora"), ("micro", 0, "dora"),
        ("micro", 1, "lora"), ("micro", 1, "talan+lora"), ("micro", 1, "dora"), ("mini", 0, "lora"),
    ]  # fmt: skip


def test_an_arm_without_seeds_is_answered_once_on_each_backbone_whatever_the_seeds():
    fixed = experiment(arms=("base", "lora"), fixed=("base",), seeds=(3, 4))
    assert [(run.arm, run.seed) for run in plan(fixed)] == [("base", 0), ("lora", 3), ("lora", 4)]
    again = experiment(arms=("base", "lora"), fixed=("base",), seeds=(5,))
    assert plan(fixed)[0] == plan(again)[0]


def test_a_confirmation_uses_seeds_that_selected_nothing():
    asked = experiment(arms=("lora", "talan+lora", "dora"), seeds=(0, 4), confirm=3)
    assert asked.fresh_seeds == (5, 6, 7)
    fresh = confirmation(asked, ("lora", "dora"))
    assert [(run.arm, run.seed) for run in fresh][:3] == [("lora", 5), ("dora", 5), ("lora", 6)]
    assert not {run.cell_id for run in fresh} & cells(asked)
    assert confirmation(experiment(), ("lora",)) == ()


def test_a_run_is_missing_until_all_its_evaluations_are_finished():
    run = plan(experiment())[0]
    first, second = run.evaluations
    assert run.missing(set()) == run
    assert run.missing({first.cell_id}).evaluations == (second,)
    assert run.missing({run.cell_id, first.cell_id, second.cell_id}) is None


def test_names_of_arms_become_file_names():
    assert file_name("talan[slots=2,layer=4]+lora[r=8]") == "talan-slots=2-layer=4-+lora-r=8"
    assert "/" not in file_name("Qwen/Qwen3-8B")
    # committed results have names without a hash: a run never writes into them by itself
    assert re.fullmatch(r"micro_lora_vs_talan\+lora_[0-9a-f]{8}", experiment().default_name)
    wide = experiment(arms=("lora", "dora", "ia3"), backbones=(backbone(), backbone("mini")))
    assert re.fullmatch(r"2-backbones_lora_vs_2-arms_[0-9a-f]{8}", wide.default_name)
