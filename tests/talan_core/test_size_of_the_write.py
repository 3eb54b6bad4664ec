"""What a block adds to the residual stream: at one share of every depth where asked, and not rounded away."""

from __future__ import annotations

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.probe import liveness

IDS = torch.randint(5, 261, (1, 24), generator=torch.Generator().manual_seed(5))


def deep(backbone, **changes):
    """A backbone whose residual stream grows with depth, as those of trained models do."""
    model = backbone(**changes)
    with torch.no_grad():
        for number, layer in enumerate(model.model.layers):
            layer.mlp.down_proj.weight.mul_(3.0 ** (number + 1))
    return model


def arm(model, options, gate=0.01):
    built = build(model, parse_arm(f"talan[{options}]+lora"), seed=0).eval()
    with torch.no_grad():
        built.talan.block.writeback.gate.fill_(gate)
    return built


def test_a_gate_means_the_same_share_at_every_depth_where_the_write_follows_the_stream(backbone):
    plain = [liveness(arm(deep(backbone), f"layer={n}"), IDS).relative_write for n in range(4)]
    following = [liveness(arm(deep(backbone), f"layer={n},write=rms"), IDS).relative_write for n in range(4)]
    assert max(following) / min(following) < 2
    assert plain[0] / plain[3] > 5  # the control: without it the share falls with depth


@pytest.mark.parametrize("block", ["talan[write=rms]", "talan[write=rms,writeback=direct]", "talan[stream=float32]"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_block_that_has_learned_nothing_writes_exactly_nothing(backbone, block, dtype):
    model = build(backbone().to(dtype), parse_arm(f"{block}+lora"), seed=0).eval()
    with torch.no_grad():
        with_block = model(input_ids=IDS).logits
        with model.blocks_off():
            without = model(input_ids=IDS).logits
    assert torch.equal(with_block, without)


def test_noise_follows_the_stream_as_the_block_does(backbone):
    found = [
        liveness(
            build(deep(backbone), parse_arm(f"noise[layer={n},write=rms]+lora"), seed=0).eval(), IDS
        ).relative_write
        for n in (0, 3)
    ]
    assert found[0] == pytest.approx(found[1], rel=0.5)


def test_a_stream_in_float32_keeps_a_write_that_bfloat16_rounds_away(backbone):
    tiny = 2e-5
    rounded = liveness(arm(backbone().bfloat16(), "layer=1", tiny), IDS)
    kept = liveness(arm(backbone().bfloat16(), "layer=1,stream=float32", tiny), IDS)
    assert rounded.bf16_survival == kept.bf16_survival < 0.05
    streams = {}
    for name, options in (("native", "layer=1"), ("float32", "layer=1,stream=float32")):
        model = arm(backbone().bfloat16(), options, tiny)
        with torch.no_grad():
            states = model(input_ids=IDS, output_hidden_states=True).hidden_states
            with model.blocks_off():
                others = model(input_ids=IDS, output_hidden_states=True).hidden_states
        # the state after the block's layer; the last one has passed the final norm
        streams[name] = (states[2].float() - others[2].float()).ne(0).float().mean().item()
        assert states[-1].dtype == torch.bfloat16
    assert streams["native"] < 0.3
    assert streams["float32"] > 0.9


def test_layers_before_the_block_and_other_arms_keep_their_type(backbone):
    model = arm(backbone().bfloat16(), "layer=2,stream=float32")
    with torch.no_grad():
        types = [state.dtype for state in model(input_ids=IDS, output_hidden_states=True).hidden_states]
        assert types[:2] == [torch.bfloat16] * 2
        assert types[3] == torch.float32
        bare = backbone().bfloat16()(input_ids=IDS).logits
        with model.disable_adapter():
            assert torch.equal(model(input_ids=IDS).logits, bare)


def test_answers_with_a_cache_are_those_without_in_a_float32_stream(backbone):
    model = arm(backbone(), "layer=1,stream=float32,write=rms", gate=0.5)
    with torch.no_grad():
        said = model.generate(input_ids=IDS, max_new_tokens=8, do_sample=False)
        again = model.generate(input_ids=IDS, max_new_tokens=8, do_sample=False, use_cache=False)
    assert torch.equal(said, again)


def test_options_that_came_later_leave_earlier_configurations_as_they_were():
    assert {"write", "stream"}.isdisjoint(TalanConfig().to_dict())
    assert TalanConfig(write="rms").to_dict()["write"] == "rms"
    assert TalanConfig.from_dict(TalanConfig(write="rms", stream="float32").to_dict()).stream == "float32"
    with pytest.raises(UserError, match=r"write='rmss'.*Did you mean 'rms'"):
        TalanConfig(write="rmss")
