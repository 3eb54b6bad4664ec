"""A recipe as typed, what of it is an arm's own, and the identity that follows."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_core.partners import PARTNERS
from talan_core.recipes.recipe import FIELDS, differences, json_properties, parse_recipe, recipe_of
from talan_core.training.arguments import training_arguments
from talan_core.training.requirements import check_available
from talan_core.training.trainer import train
from talan_core.training_settings import TrainingSettings

MICRO = find_backbone("micro").training
FIRST_VERSION = {
    "micro": {
        "steps": 96, "batch_size": 8, "learning_rate": 0.003, "schedule": "cosine", "warmup_ratio": 0.05,
        "weight_decay": 0.0, "max_grad_norm": 1.0, "max_length": 320, "accumulation": 1,
        "gradient_checkpointing": False, "packing": False, "dtype": "float32",
    },
    "smollm2-135m": {
        "steps": 24, "batch_size": 4, "learning_rate": 0.0005, "schedule": "cosine", "warmup_ratio": 0.05,
        "weight_decay": 0.0, "max_grad_norm": 1.0, "max_length": 512, "accumulation": 1,
        "gradient_checkpointing": False, "packing": False, "dtype": "bfloat16",
    },
}  # fmt: skip


def settled(arm, *typed, common=MICRO):
    recipe = parse_recipe(typed)
    return recipe_of(parse_arm(arm), recipe.over(common), recipe)


@pytest.mark.parametrize("name", FIRST_VERSION)
def test_the_default_recipes_are_written_as_the_first_version_wrote_them(name):
    assert find_backbone(name).training.to_dict() == FIRST_VERSION[name]


def test_a_field_that_came_later_is_written_where_it_changes_training():
    for name, value in {"autocast": True, "logits": "targets", "seed_offset": 5, "attention": "eager"}.items():
        changed = dataclasses.replace(MICRO, **{name: value})
        assert changed.to_dict() == {**MICRO.to_dict(), name: value}
    assert MICRO.to_dict() == dataclasses.replace(MICRO, autocast=False).to_dict()


def test_every_field_can_be_typed():
    words = {"integer": "3", "number": "0.5", "boolean": "true"}
    for name in FIELDS:
        schema = json_properties()[name]
        value = schema["enum"][0] if "enum" in schema else words[schema["type"][0]]
        assert parse_recipe([f"{name}={value}"]).values.keys() == {name}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["step=3"], "Unknown recipe key 'step'"),
        (["steps"], "no value"),
        (["steps=3", "steps=4"], "gives steps twice"),
        (["lr=1", "learning_rate=1"], "gives learning_rate twice"),
        (["steps=3.5"], "not a whole number"),
        (["autocast=yes"], "not true or false"),
        (["packing=yes"], "not true, false or auto"),
        (["optimizer=sgd"], "not one of adamw"),
        (["learning_rate=nan"], "not a finite number"),
        (["steps=1_000"], "not a whole number"),
        (["steps=\uff11\uff12"], "not a whole number"),
    ],
)
def test_mistakes_in_a_recipe_are_named_with_what_to_type(typed, says):
    with pytest.raises(UserError, match=says) as caught:
        parse_recipe(typed)
    assert caught.value.fix


@pytest.mark.parametrize("typed", ["steps=99999999999999999", "batch_size=1000000001", "epochs=1e308", "lr=1e300"])
def test_what_is_beyond_any_use_is_refused_before_it_is_counted_out(typed):
    with pytest.raises(UserError, match=r"at most 1000000000|from 1 to 1000000000"):
        settled("lora", typed)


def test_packing_may_be_left_to_a_probe():
    assert [settled("lora", f"packing={typed}").packing for typed in ("auto", "True", "false")] == ["auto", True, False]
    assert settled("lora", "packing=auto").to_dict()["packing"] == "auto"
    with pytest.raises(UserError, match="packing='yes': must be true, false or auto"):
        TrainingSettings(steps=1, packing="yes")


def test_what_contradicts_itself_is_refused():
    with pytest.raises(UserError, match="both given"):
        settled("lora", "steps=3", "epochs=1")
    with pytest.raises(UserError, match="computes in bfloat16"):
        settled("lora", "quantization=4bit")
    with pytest.raises(UserError, match="'full' cannot be trained on a backbone of 4bit"):
        settled("full", "quantization=4bit", "dtype=bfloat16")
    with pytest.raises(UserError, match="'talan\\+base' cannot be trained on a backbone of 8bit"):
        settled("talan+base", "quantization=8bit", "dtype=bfloat16")
    assert settled("base", "quantization=8bit", "dtype=bfloat16").quantization == "8bit"  # it is only asked
    with pytest.raises(UserError, match="'dora' cannot be trained on a backbone of 8bit"):
        settled("dora", "quantization=8bit", "dtype=bfloat16")
    with pytest.raises(UserError, match="'prefix' cannot be trained with gradient checkpointing"):
        settled("prefix", "gradient_checkpointing=true")
    assert settled("talan+rslora", "quantization=4bit", "dtype=bfloat16").quantization == "4bit"


def test_epochs_take_the_place_of_steps():
    recipe = settled("lora", "epochs=2", "batch_size=4", "accumulation=2")
    assert (recipe.steps, recipe.epochs) == (None, 2.0)
    assert recipe.settled(20).steps == 5
    assert recipe.settled(21).steps == 6  # the last step is a whole one
    assert "steps" not in recipe.to_dict()
    with pytest.raises(ValueError, match="settled"):
        _ = recipe.draws


def test_the_brackets_of_an_arm_come_before_what_was_typed_and_that_before_the_partners_default():
    assert settled("lora").learning_rate == 3e-3
    assert settled("full").learning_rate == pytest.approx(3e-4)
    assert settled("full", "lr=1e-3").learning_rate == 1e-3
    assert settled("full[lr=2e-5]", "lr=1e-3").learning_rate == 2e-5
    for kind in PARTNERS:
        if (arm := parse_arm(kind)).is_trained_by_gradients:
            assert settled(f"{arm.name}[lr=2e-5]").learning_rate == 2e-5
    assert settled("ia3").learning_rate > settled("lora").learning_rate
    assert settled("talan+lora[lr=2e-4,schedule=constant,weight_decay=0.1]") == dataclasses.replace(
        MICRO, learning_rate=2e-4, schedule="constant", weight_decay=0.1
    )
    assert differences(settled("full"), MICRO) == {"learning_rate": 3e-4}
    for arm in ("lora", "talan+dora", "base", "actadd", "noise+rslora"):
        assert settled(arm) == MICRO


def test_a_recipe_in_brackets_is_part_of_the_arms_name():
    arm = parse_arm("talan[slots=2] + lora[lr=2e-4, r=4]")
    assert arm.name == "talan[slots=2]+lora[r=4,lr=0.0002]"
    assert parse_arm(arm.name) == arm
    assert parse_arm("lora[lr=0.0002]") == parse_arm("lora[lr=2e-4]") != parse_arm("lora")
    assert parse_arm("lora[ learning_rate = 2e-4 ]").name == "lora[lr=0.0002]"
    with pytest.raises(UserError, match="lr is given twice"):
        parse_arm("lora[lr=1e-4,learning_rate=2e-4]")


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ("talan[lr=1e-3]+lora", r"talan has no option 'lr'.*\n.*talan\+lora\[lr=1e-3\].*lr_scale"),
        ("lora[lr=0]", "learning_rate=0.0: must be a positive number"),
        ("lora[schedule=step]", "schedule='step': must be one of cosine"),
        ("lora[batch_size=3]", "lora has no option 'batch_size'"),
        ("base[lr=1e-3]", "nothing of it is trained by gradients"),
        ("actadd[lr=1e-3]", "nothing of it is trained by gradients"),
    ],
)
def test_recipes_that_make_no_arm_are_refused(arm, says):
    with pytest.raises(UserError, match=says):
        parse_arm(arm)


def test_full_keeps_float32_masters_where_the_backbone_is_in_bfloat16():
    half = find_backbone("smollm2-135m").training
    full = settled("full", common=half)
    assert (full.masters, full.loaded_dtype, full.computes_in_bfloat16) == (True, "float32", True)
    assert not settled("full").masters
    assert not settled("lora", common=half).masters
    assert not settled("full", "masters=false", common=half).masters


def test_a_small_step_is_lost_without_masters_and_kept_with_them(backbone, tokenizer, examples, tmp_path):
    settings = TrainingSettings(
        steps=8, batch_size=2, learning_rate=1e-5, schedule="constant", warmup_ratio=0.0, max_length=64,
        dtype="bfloat16",
    )  # fmt: skip
    moved = {}
    for masters in (False, True):
        recipe = dataclasses.replace(settings, masters=masters)
        start = backbone().to(getattr(torch, recipe.loaded_dtype))
        with torch.no_grad():  # both start from the same weights
            for weight in start.parameters():
                weight.copy_(weight.to(torch.bfloat16))
        model = build(start, parse_arm("talan[layer=1]+full"), seed=0)
        before = {name: weight.detach().float().clone() for name, weight in start.named_parameters()}
        train(model, tokenizer, examples, recipe, seed=0, work_dir=tmp_path / str(masters))
        after = dict(model.get_base_model().named_parameters())
        assert {weight.dtype for weight in after.values()} == {torch.bfloat16}
        assert model.talan.block.writeback.gate.dtype == torch.float32
        if masters:
            assert model.get_base_model().model.rotary_emb.inv_freq.dtype == torch.float32  # weights alone are rounded
        moved[masters] = sum(int((after[name].float() != value).sum()) for name, value in before.items())
    assert moved[True] > 1.5 * moved[False]


def test_the_seed_offset_moves_all_streams_alike(run, trained, bit_equal):
    settings = TrainingSettings(steps=2, batch_size=2, learning_rate=5e-3, max_length=64)
    shifted = dataclasses.replace(settings, seed_offset=3)
    plain, log = run("lora", settings, seed=3)
    moved = build_and_train(run, shifted)
    assert moved[1].losses == log.losses
    assert bit_equal(trained(moved[0]), trained(plain))
    assert run("lora", settings, seed=0)[1].losses != log.losses


def build_and_train(run, shifted):
    """As a worker does it: the arm is built with the seed that the recipe makes of the run's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.__globals__, "build", lambda *a, seed, **k: build(*a, seed=shifted.seed_of(seed), **k))
        return run("lora", shifted, seed=0)


def test_epochs_are_counted_in_sequences_that_fit(run, examples):
    settings = TrainingSettings(epochs=1.5, batch_size=4, learning_rate=5e-3, max_length=64)
    _, log = run("lora", settings)
    assert len(log.losses) == -(-len(examples) * 3 // 8)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": "adamw_8bit"}, "optimizer=adamw_8bit needs a CUDA device"),
        ({"optimizer": "paged_adamw"}, "optimizer=paged_adamw needs a CUDA device"),
        ({"attention": "flash_attention_2"}, "attention=flash_attention_2 needs a CUDA device"),
    ],
)
def test_what_this_device_cannot_do_is_refused_with_what_to_type(changes, says, run):
    settings = TrainingSettings(steps=1, batch_size=2, max_length=64, **changes)
    with pytest.raises(UserError, match=says) as caught:
        run("lora", settings)
    assert "--device cuda" in caught.value.fix
    check_available(TrainingSettings(steps=1), "cpu")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    asked = TrainingSettings(steps=1, dtype="bfloat16", quantization="4bit", optimizer="adamw_8bit")
    with pytest.raises(UserError, match="needs the package bitsandbytes") as caught:
        check_available(asked, "cuda")
    assert "pip install bitsandbytes" in caught.value.fix
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    check_available(asked, "cuda")


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw", "paged_adamw_8bit"])
def test_optimizers_have_names_that_trainer_knows(name, tmp_path):
    settings = TrainingSettings(steps=1, optimizer=name)
    args = training_arguments(settings, seed=0, work_dir=tmp_path, device=torch.device("cpu"))
    plain = training_arguments(TrainingSettings(steps=1), seed=0, work_dir=tmp_path, device=torch.device("cpu"))
    assert args.optim != plain.optim
    assert args.optim.value.replace("bnb_", "").removesuffix("_32bit") == name


def test_attention_can_be_chosen_and_the_recipe_clips(backbone, run):
    settings = TrainingSettings(steps=2, batch_size=2, learning_rate=5e-3, max_length=64, autocast=True)
    model, log = run("talan+lora", settings, model=backbone(attention="eager"))
    assert all(0 < loss < 20 for loss in log.losses)
    assert {w.dtype for w in model.parameters()} == {torch.float32}
