"""A backbone that still holds another arm is refused: what that one writes would be added without a word."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.model import add_talan
from talan_core.quiet import library_warnings_silenced

PAIRS = [
    ("talan[layer=1]+lora", "talan[layer=2]+lora"),
    ("talan[layer=1]+base", "base"),
    ("loreft[layer=1]", "loreft[layer=2]"),
    ("actadd[layer=1]", "full"),
    ("lora", "base"),
    ("ia3", "lora"),
]


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens, use_cache=False).logits


@pytest.fixture
def stored(backbone, tmp_path):
    """A factory: the directory of an arm that was saved."""

    def make(arm):
        with library_warnings_silenced():
            build(backbone(), parse_arm(arm), seed=0).save_pretrained(str(tmp_path / arm))
        return tmp_path / arm

    return make


@pytest.mark.parametrize(("left", "arm"), PAIRS)
def test_a_backbone_that_holds_an_arm_is_refused(backbone, stored, left, arm):
    base = backbone()
    build(base, parse_arm(left), seed=0)
    for make in (lambda: build(base, parse_arm(arm), seed=0), lambda: talan_core.load(stored(arm), base)):
        with pytest.raises(UserError, match="still has a") as caught:
            make()
        assert "model.unload()" in caught.value.fix


@pytest.mark.parametrize(("left", "arm"), PAIRS)
def test_once_taken_out_it_can_be_used_again(backbone, stored, tokens, left, arm):
    base = build(backbone(), parse_arm(left), seed=0).unload()
    directory = stored(arm)
    with library_warnings_silenced():
        assert torch.equal(
            logits(talan_core.load(directory, base), tokens), logits(talan_core.load(directory, backbone()), tokens)
        )


def test_a_merged_model_keeps_its_block_and_is_refused(backbone, stored):
    model = build(backbone(), parse_arm("talan[layer=1]+lora"), seed=0)
    with pytest.warns(UserWarning, match="stays active"):
        merged = model.merge_and_unload()
    with pytest.raises(UserError, match="still has a TalanAttachment"):
        talan_core.load(stored("lora"), merged)


def test_a_model_may_get_a_block_for_each_adapter_but_none_beside_a_strangers(backbone):
    with library_warnings_silenced():
        several_blocks(backbone)


def several_blocks(backbone):
    config, block = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]), TalanConfig(layer=1)
    generator = torch.Generator().manual_seed(0)
    model = add_talan(get_peft_model(backbone(), config), block, generator=generator)
    model.add_adapter("second", config)
    model.set_adapter("second")
    add_talan(model, block, generator=generator)
    assert len(model.talans) == 2
    again = copy.deepcopy(model)
    again.add_adapter("third", config)
    again.set_adapter("third")
    add_talan(again, block, generator=generator)
    base = backbone()
    build(base, parse_arm("talan[layer=1]+base"), seed=0)
    with pytest.raises(UserError, match="still has a TalanAttachment"):
        add_talan(get_peft_model(base, config), block, generator=generator)
