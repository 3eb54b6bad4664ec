"""Evidence that adapter and block act: in figures that can be computed by hand, and as an error where one does not."""

from __future__ import annotations

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.errors import InactiveError
from talan_core.probe import Liveness, liveness

IDS = torch.tensor([[5, 9, 17, 40, 3, 8]])


def loud(model, gate):
    """Give the block a gate of one size."""
    with torch.no_grad():
        model.talan.block.writeback.gate.fill_(gate)
    return model.eval()


@pytest.fixture
def make_arm(backbone):
    return lambda arm: build(backbone(), parse_arm(arm), seed=0).eval()


@pytest.fixture
def with_block(make_arm):
    return lambda gate, arm="talan[layer=1]+lora": loud(make_arm(arm), gate)


def test_the_change_of_the_block_alone_is_that_of_switching_it_off(with_block):
    model = with_block(0.5)
    with torch.no_grad():
        both = model(input_ids=IDS).logits
        with model.blocks_off():
            adapter = model(input_ids=IDS).logits
        with model.disable_adapter():
            plain = model(input_ids=IDS).logits
    seen = liveness(model, IDS)
    assert seen.block_max_logit_change == pytest.approx(float((both - adapter).abs().max()), rel=1e-5)
    assert seen.max_logit_change == pytest.approx(float((both - plain).abs().max()), rel=1e-5)
    assert model.talan.enabled


def test_the_write_is_measured_against_the_residual_stream(with_block):
    model = with_block(0.5)
    found = []
    model.talan.block.register_forward_hook(lambda _, args, out: found.append((args[0], out - args[0])))
    seen = liveness(model, IDS)
    hidden, write = found[-1]
    assert seen.relative_write == pytest.approx(float((write.norm(dim=-1) / hidden.norm(dim=-1)).mean()), rel=1e-3)
    assert liveness(with_block(0.05), IDS).relative_write == pytest.approx(seen.relative_write / 10, rel=1e-3)


def test_a_write_far_below_the_last_digit_of_bfloat16_does_not_survive(with_block):
    assert liveness(with_block(0.5), IDS).bf16_survival > 0.9
    tiny = liveness(with_block(1e-6), IDS)
    assert tiny.bf16_survival < 0.05
    assert tiny.block_max_logit_change > 0  # in float32 it is still there
    rounded = liveness(with_block(1e-6).bfloat16(), IDS)
    assert rounded.bf16_survival < 0.05
    assert rounded.relative_write == pytest.approx(tiny.relative_write, rel=0.02)  # the write, not what is left of it


def test_a_block_that_was_trained_and_does_nothing_is_refused_and_a_control_is_not(with_block):
    dead = liveness(with_block(0.0), IDS)
    assert dead.block_max_logit_change == 0
    with pytest.raises(InactiveError, match=r"(?s)block of talan\[layer=1\]\+lora does nothing.*lr_scale"):
        dead.check(parse_arm("talan[layer=1]+lora"))
    Liveness(max_logit_change=0.1, block_max_logit_change=0.0).check(parse_arm("talan[layer=1,scope=frozen]+lora"))
    liveness(with_block(0.5), IDS).check(parse_arm("talan[layer=1]+lora"))


def test_an_arm_that_was_trained_and_does_nothing_is_refused():
    nothing = Liveness(max_logit_change=0.0)
    with pytest.raises(InactiveError, match="arm lora does nothing"):
        nothing.check(parse_arm("lora"))
    for control in ("base", "talan[scope=frozen]+base", "noise+base"):
        nothing.check(parse_arm(control))
    Liveness(max_logit_change=0.1).check(parse_arm("lora"))


def test_without_a_block_nothing_is_said_of_one(make_arm):
    seen = liveness(make_arm("lora"), IDS)
    assert (seen.block_max_logit_change, seen.relative_write, seen.bf16_survival) == (None, None, None)
