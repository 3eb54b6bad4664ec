"""What a saved directory holds is found out without a backbone, and what is wrong with it is named."""

from __future__ import annotations

import json
import shutil

import pytest
from peft import LoraConfig, get_peft_model

import talan_core
from talan_core.backbones.load import Revision
from talan_core.errors import UserError
from talan_core.fits import check_fits
from talan_core.found import find_checkpoint
from talan_core.quiet import library_warnings_silenced


@pytest.fixture
def saved(backbone, tmp_path):
    """A function that saves an arm, or a whole model, and returns its directory."""

    def save(arm, name="saved"):
        place = tmp_path / name
        if arm == "model":
            backbone().save_pretrained(str(place))
        elif arm == "peft":
            config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
            with library_warnings_silenced():
                get_peft_model(backbone(), config).save_pretrained(str(place))
        else:
            talan_core.build(backbone(), talan_core.parse_arm(arm), seed=0).save_pretrained(str(place))
        return place

    return save


@pytest.mark.parametrize(
    ("arm", "words", "whole"),
    [
        ("peft", "LORA adapter", False),
        ("talan+lora", "TALAN block beside LORA adapter", False),
        ("talan+base", "TALAN block beside arm base", False),
        ("prefix", "PREFIX_TUNING adapter", False),
        ("loreft", "arm loreft", False),
        ("full", "arm full", False),
        ("model", "model Qwen3ForCausalLM", True),
    ],
)
def test_every_kind_is_found_and_fits_the_backbone_that_it_was_made_for(saved, arm, words, whole):
    found = find_checkpoint(saved(arm))
    assert (found.words, found.has_backbone) == (words, whole)
    assert (found.block is not None) == arm.startswith("talan")
    check_fits(found, Revision(str(saved("model", "backbone")), None, None))


def test_an_adapter_that_needs_the_values_of_its_backbone_is_tried_on_them(saved):
    weights = Revision(str(saved("model", "backbone")), None, None)
    found = find_checkpoint(saved("pissa[r=2]"))
    check_fits(found, weights)


def test_a_backbone_of_another_width_is_refused(saved, backbone, tmp_path):
    other = tmp_path / "other"
    backbone(hidden_size=16, head_dim=4).save_pretrained(str(other))
    for arm in ("peft", "talan+lora", "full"):
        with pytest.raises(UserError):
            check_fits(find_checkpoint(saved(arm, arm)), Revision(str(other), None, None))


def test_what_makes_two_seeds_two_arms_is_named(saved):
    one, other = find_checkpoint(saved("lora[r=2]", "a")), find_checkpoint(saved("lora[r=4]", "b"))
    assert one.difference(find_checkpoint(saved("lora[r=2]", "c"))) is None
    assert one.difference(other) == "r is 2 and 4"
    block, wide = find_checkpoint(saved("talan+base", "d")), find_checkpoint(saved("talan[slots=5]+base", "e"))
    assert one.difference(block) == "LORA adapter and TALAN block beside arm base"
    assert block.difference(wide) == "TALAN blocks with different configurations"


def test_the_hash_is_of_what_can_change_an_answer(saved):
    place = saved("talan+lora")
    before = find_checkpoint(place).sha256()
    (place / "README.md").write_text("A note.")
    (place / "optimizer.pt").write_bytes(b"state")
    shutil.copytree(place, place / "checkpoint-3")
    assert find_checkpoint(place).sha256() == before
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (place / name).write_text("{}")
        changed = find_checkpoint(place).sha256()
        assert changed != before
        before = changed


def test_what_a_trainer_leaves_beside_a_whole_model_changes_nothing(saved):
    place = saved("model")
    before = find_checkpoint(place).sha256()
    for name in ("trainer_state.json", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"):
        (place / name).write_bytes(b"state")
    assert find_checkpoint(place).sha256() == before
    (place / "generation_config.json").write_text("{}")
    assert find_checkpoint(place).sha256() != before


def test_a_whole_model_must_be_whole_and_no_pickle(saved):
    place = saved("model")
    (place / "model.safetensors").rename(place / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(UserError, match=r"is not whole: model-00002-of-00002\.safetensors is missing"):
        find_checkpoint(place)
    (place / "model.safetensors.index.json").unlink()
    (place / "model-00001-of-00002.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin, a format that can run programs"):
        find_checkpoint(place)
    (place / "config.json").write_text("{}")
    with pytest.raises(UserError, match="it has no model_type"):
        find_checkpoint(place)
