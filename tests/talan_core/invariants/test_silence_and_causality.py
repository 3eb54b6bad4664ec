"""A block inside every family of backbones: silent at the start, blind to the future, gone when switched off."""

from __future__ import annotations

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.config import MIXERS, TalanConfig
from talan_core.errors import UserError
from talan_core.memory import CausalMemory

SOME = pytest.mark.parametrize(("family", "attention"), [("qwen3", "sdpa"), ("gemma2", "eager")])
EACH_MIXER = pytest.mark.parametrize("mixer", sorted(MIXERS))


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens).logits


@pytest.mark.parametrize("writeback", ["gate", "direct"])
def test_before_training_the_model_is_bit_equal_to_the_backbone(any_backbone, tokens, writeback):
    plain = logits(any_backbone, tokens)
    arm = build(any_backbone, parse_arm(f"talan[layer=1,writeback={writeback}]+lora"), seed=0).eval()
    assert torch.equal(plain, logits(arm, tokens))


@EACH_MIXER
@SOME
@pytest.mark.parametrize("writeback", ["gate", "direct"])
def test_every_mixer_starts_silent_and_can_speak(backbone, opened, tokens, mixer, writeback, family, attention):
    model = backbone(family, attention)
    plain = logits(model, tokens)
    arm = build(model, parse_arm(f"talan[layer=1,writeback={writeback},mixer={mixer}]+lora"), seed=0).eval()
    assert torch.equal(plain, logits(arm, tokens))
    assert not torch.allclose(logits(opened(arm), tokens), plain, atol=1e-3)


def first_change(model, tokens, position):
    """Return the first position whose logits change with the token at a position."""
    changed = tokens.clone()
    changed[:, position] = (changed[:, position] + 7) % 200 + 5
    differs = (logits(model, tokens) != logits(model, changed)).any(-1).any(0)
    return int(differs.nonzero()[0])


def test_a_later_token_never_changes_an_earlier_logit(any_backbone, opened_arm, tokens):
    arm = opened_arm(any_backbone)
    assert [first_change(arm, tokens, position) for position in (1, 6, 11)] == [1, 6, 11]


@EACH_MIXER
@SOME
def test_every_mixer_and_the_noise_control_are_blind_to_the_future(
    backbone, opened_arm, tokens, mixer, family, attention
):
    arm = opened_arm(backbone(family, attention), f",mixer={mixer}")
    assert first_change(arm, tokens, 6) == 6
    noise = build(backbone(family, attention), parse_arm(f"noise[gate=0.5,mixer={mixer}]+lora"), seed=0).eval()
    assert first_change(noise, tokens, 6) == 6


@pytest.mark.parametrize("position", [6, 11])
def test_a_memory_over_the_whole_sequence_fails_that_test(any_backbone, opened_arm, tokens, monkeypatch, position):
    def leaky(self, x, context):
        memory = causal(self, x, context)
        return memory[:, -1:].expand_as(memory)

    causal = CausalMemory.forward
    monkeypatch.setattr(CausalMemory, "forward", leaky)
    assert first_change(opened_arm(any_backbone), tokens, position) == 0


def test_switched_off_it_is_the_backbone(any_backbone, opened_arm, tokens):
    plain = logits(any_backbone, tokens)
    arm = opened_arm(any_backbone)
    with arm.disable_adapter(), arm.disable_adapter():
        assert torch.equal(logits(arm, tokens), plain)
    assert not torch.equal(logits(arm, tokens), plain)
    arm.disable_adapter_layers()
    assert torch.equal(logits(arm, tokens), plain)
    arm.enable_adapter_layers()
    assert not torch.equal(logits(arm, tokens), plain)


def test_equal_seeds_give_equal_blocks_and_partners_do_not_depend_on_them(backbone, opened_arm):
    one, again, other = (opened_arm(backbone(), seed=seed).talan.block.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["memory.themes"], other["memory.themes"])
    alone = build(backbone(), parse_arm("lora"), seed=0).state_dict()
    beside = build(backbone(), parse_arm("talan+lora"), seed=0).state_dict()
    assert all(torch.equal(value, beside[name]) for name, value in alone.items())


def test_building_leaves_the_global_random_state_alone(backbone):
    torch.manual_seed(3)
    expected = torch.rand(3)
    for arm in ("talan+dora", "talan+vera", "noise+lora", "loreft"):
        torch.manual_seed(3)
        build(backbone(), parse_arm(arm), seed=0)
        assert torch.equal(torch.rand(3), expected)


def test_a_layer_that_does_not_exist_is_named(backbone):
    for arm in ("talan[layer=9]+lora", "noise[layer=9]+lora", "loreft[layer=9]"):
        with pytest.raises(UserError, match="layer=9 does not exist: the backbone has 4"):
            build(backbone(), parse_arm(arm), seed=0)


def test_only_the_frozen_scope_can_make_noise():
    with pytest.raises(UserError, match="use scope=frozen"):
        TalanConfig(noise=0.1, scope="gate")
