"""The recipe of a comparison: typed, in a file, by arm; and which results keep their names."""

from __future__ import annotations

import dataclasses

import pytest
import typer
from typer.testing import CliRunner

from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.grid import plan
from talan_eval.intake.checked import check
from talan_eval.intake.prepare import prepare
from talan_eval.requests.commands import command_of
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.experiment_file import read_options, to_document
from talan_eval.result.contrast import ContrastSpec

# Computed by the version before recipes could be typed: results of that version are still found by these names.
NAMES_BEFORE = {
    "micro": (
        "micro_lora_vs_talan+lora_067ef358",
        "train_lora_seed-0_feeaae701036",
        "eval_gsm8k_micro_lora_seed-0_29548dbe6747",
        "train_talan+lora_seed-0_bb491987306b",
        "eval_gsm8k_micro_talan+lora_seed-0_e1f27c695658",
    ),
    "smollm2-135m": (
        "smollm2-135m_lora_vs_talan+lora_11569457",
        "train_lora_seed-0_ff8742258df4",
        "eval_gsm8k_micro_lora_seed-0_a8845db0cb0c",
        "train_talan+lora_seed-0_e00f53b3cd97",
        "eval_gsm8k_micro_talan+lora_seed-0_fe6fcbd8ca82",
    ),
}


def experiment(name, training, by_arm=None, arms=("lora", "talan+lora")):
    spec = find_backbone(name)
    task = TaskSpec(
        name="gsm8k_micro", version="1:abc", metric="exact_match", grader="number", n_items=5, n_train=9,
        items_hash="i", train_hash="t", runs_code=False,
    )  # fmt: skip
    return Experiment(
        backbones=(
            TunedBackbone(
                identity=BackboneIdentity(name=name, commit=None, sha256="0", note=""),
                training=training.to_dict(),
                operating_point=spec.talan.to_dict(),
                eval_batch=spec.eval_batch,
                training_by_arm=by_arm or {},
            ),
        ),
        arms=arms,
        contrasts=(ContrastSpec(*arms),),
        seeds=(0,),
        tasks=(task,),
        train=(TrainingSource(name="gsm8k_micro", n_train=9, train_hash="t"),),
        device="cpu",
        versions={"torch": "2"},
    )


def names(some):
    cells = [name for run in plan(some) for name in (run.cell_id, *(cell.cell_id for cell in run.evaluations))]
    return (some.default_name, *cells)


@pytest.mark.parametrize("name", NAMES_BEFORE)
def test_results_of_the_default_recipe_keep_the_names_that_they_had(name):
    training = find_backbone(name).training
    assert names(experiment(name, training)) == NAMES_BEFORE[name]
    changed = dataclasses.replace(training, logits="targets")
    assert not set(names(experiment(name, changed))) & set(NAMES_BEFORE[name])


def test_a_recipe_of_one_arm_renames_that_arms_cells_and_no_others():
    training = find_backbone("micro").training
    plain = experiment("micro", training, arms=("lora", "full"))
    own = experiment("micro", training, {"full": {"learning_rate": 3e-4}}, arms=("lora", "full"))
    assert set(names(plain)[1:3]) == set(names(own)[1:3])
    assert not set(names(plain)[3:]) & set(names(own)[3:])
    assert plain.digest != own.digest
    assert Experiment.model_validate(own.to_json()) == own


def checked(**asked):
    return check(CompareRequest(**asked)).backbones[0]


def test_typed_keys_hold_for_all_arms_and_brackets_for_one():
    found = checked(treat=("full", "lora[lr=1e-4]"), recipe=("schedule=linear", "epochs=2"), batch_size=4)
    assert (found.training.schedule, found.training.epochs, found.training.steps) == ("linear", 2.0, None)
    assert found.training.batch_size == 4
    assert {arm: recipe.learning_rate for arm, recipe in found.recipes.items()} == {
        "full": pytest.approx(3e-4),
        "lora[lr=0.0001]": 1e-4,
    }
    assert checked(treat=("full",), learning_rate=1e-3).recipes == {}


def test_short_forms_are_the_same_recipe():
    assert checked(steps=7) == checked(recipe=("steps=7",)) == checked(steps=7, recipe=("steps=7",))
    with pytest.raises(UserError, match="--steps 7 and --recipe steps=8 contradict"):
        checked(steps=7, recipe=("steps=8",))


def test_mistakes_of_a_recipe_are_named_with_all_others():
    with pytest.raises(UserError, match=r"(?s)3 mistakes.*seeds.*recipe key 'stps'.*packing=maybe"):
        checked(seeds="x", recipe=("stps=4", "packing=maybe"))


def test_what_needs_a_gpu_is_refused_before_anything_is_trained(tmp_path):
    asked = CompareRequest(
        tasks="gsm8k_micro", limit=2, device="cpu", recipe=("optimizer=paged_adamw",), out=tmp_path / "o"
    )
    with pytest.raises(UserError, match="optimizer=paged_adamw needs a CUDA device"):
        prepare(asked)


def test_the_experiment_and_its_workers_know_the_recipe_of_each_arm(tmp_path):
    asked = CompareRequest(
        tasks="gsm8k_micro", limit=2, device="cpu", treat=("full", "talan+lora"), recipe=("packing=true",),
        out=tmp_path / "o",
    )  # fmt: skip
    prepared = prepare(asked)
    (backbone,) = prepared.experiment.backbones
    assert backbone.training["packing"] is True
    assert backbone.training_by_arm == {"full": {"learning_rate": 0.0003}}
    (assignment,) = prepared.assignments
    assert assignment.recipe_of("full").learning_rate == pytest.approx(3e-4)
    assert assignment.recipe_of("talan+lora") == assignment.training


FILES = {
    "e.toml": 'seeds = 3\n[recipe]\nepochs = 2\npacking = true\nschedule = "linear"\n',
    "e.yaml": "seeds: 3\nrecipe: {epochs: 2, packing: true, schedule: linear}\n",
    "e.json": '{"seeds": 3, "recipe": ["epochs=2", "packing=true", "schedule=linear"]}',
}


@pytest.mark.parametrize("name", FILES)
def test_a_table_in_a_file_says_what_is_typed(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name])
    found = CompareRequest(**read_options(path, CompareRequest))
    assert set(found.recipe) == {"epochs=2", "packing=true", "schedule=linear"}
    assert checked(recipe=found.recipe).training.packing is True
    assert to_document(found, frozenset())["recipe"] == found.recipe


def test_a_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "e.toml"
    path.write_text("[recipe]\nepochs = [1, 2]\n")
    with pytest.raises(UserError, match=r"recipe is \[1, 2\]"):
        read_options(path, CompareRequest)


def test_a_typed_key_comes_before_the_same_key_of_the_file(tmp_path):
    heard = []
    app = typer.Typer()
    app.command()(command_of(CompareRequest, lambda request, _: heard.append(request), "Say it.", from_file=True))
    path = tmp_path / "e.toml"
    path.write_text("[recipe]\nepochs = 2\npacking = true\n")
    done = CliRunner().invoke(app, [str(path), "--recipe", "epochs=3", "--recipe", "autocast=true"])
    assert done.exit_code == 0, done.output
    assert heard[0].recipe == ("packing=true", "epochs=3", "autocast=true")
