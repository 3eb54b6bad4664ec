"""The four states are what they say, for every partner, in float32 and bfloat16."""

from __future__ import annotations

import pytest
import torch

from talan_core.analysis import stream_effects
from talan_core.analysis.audit import weight_update
from talan_core.analysis.capture import entered, make_batch, states_of, trace, trace_of_random, traces
from talan_core.arms import build, parse_arm
from talan_core.training.encoding import EncodedExample

EXAMPLES = (EncodedExample(tuple(range(5, 17)), 4), EncodedExample(tuple(range(40, 49)), 3))
WITH_BLOCK = ["lora", "dora", "pissa", "ia3", "vera", "loha", "lokr", "oft", "hra", "miss", "ln", "full", "base"]
WITHOUT = ["lora", "prompt", "prefix", "loreft", "full"]


def moved(model):
    """Give every trainable weight of the partner another value, as training would."""
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and not name.startswith("talans."):
                weight.add_(torch.randn(weight.shape, generator=draw).to(weight.dtype) * 0.03)
    return model


def batch_of(positions="all"):
    return make_batch(EXAMPLES, (0, 1), positions, pad=0, device=torch.device("cpu"))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("partner", WITH_BLOCK)
def test_states_of_every_partner_with_a_block(backbone, opened, partner, dtype):
    plain = trace(backbone().to(dtype), batch_of(), "00")
    model = moved(opened(build(backbone().to(dtype), parse_arm(f"talan[layer=1]+{partner}"), seed=0)).eval())
    assert states_of(model) == ("11", "10", "01", "00")
    seen = traces(model, batch_of())
    if partner != "pissa":  # equal up to rounding
        assert torch.equal(seen["00"].hidden, plain.hidden)
        assert torch.equal(seen["00"].logits, plain.logits)
    assert torch.equal(seen["11"].hidden[0], seen["10"].hidden[0])
    assert not torch.equal(seen["11"].hidden[1:], seen["10"].hidden[1:])
    assert not torch.equal(seen["01"].hidden[1:], seen["00"].hidden[1:])
    assert torch.equal(seen["01"].hidden[0], seen["00"].hidden[0])
    assert torch.equal(seen["10"].hidden, seen["00"].hidden) == (partner == "base")
    again = traces(model, batch_of())
    assert all(torch.equal(seen[state].logits, again[state].logits) for state in seen)
    block = stream_effects.perturbation(batch_of(), seen["11"], seen["10"], seen["00"], 1)
    assert not block.divergence[:, 0].any()
    random = trace_of_random(model, batch_of(), seen["11"], 0)
    control = stream_effects.perturbation(batch_of(), random, seen["10"], seen["00"], 1)
    if dtype == torch.float32:
        torch.testing.assert_close(control.size[:, 1], block.size[:, 1], rtol=1e-4, atol=0)
    assert seen["11"].hidden.dtype == torch.float32


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("partner", WITHOUT)
def test_updates_of_partners_without_a_block(backbone, partner):
    model = moved(build(backbone(), parse_arm(partner), seed=0).eval())
    assert states_of(model) == ("10", "00")
    seen = traces(model, batch_of())
    assert torch.equal(seen["00"].logits, trace(backbone(), batch_of(), "00").logits)
    found = stream_effects.update(batch_of(), seen["10"], seen["00"])
    assert found.size.shape == (2, 5)
    assert (found.size[:, -1] > 0).all()
    assert (found.kl > 0).all()


def test_states_nest_and_are_left(backbone, opened):
    model = opened(build(backbone(), parse_arm("talan[layer=1]+full"), seed=0)).eval()
    moved(model)
    both = trace(model, batch_of(), "11").logits
    with entered(model, "01"), entered(model, "10"):
        nested = model(input_ids=batch_of().input_ids, attention_mask=batch_of().attention_mask).logits
    assert torch.equal(nested[0, 0], trace(backbone(), batch_of(), "00").logits[0])
    assert torch.equal(trace(model, batch_of(), "11").logits, both)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("partner", ["lora", "ia3", "full", "ln", "pissa"])
def test_the_change_of_weights_is_that_of_the_merged_model(backbone, partner):
    plain = {name: value.clone() for name, value in backbone().named_parameters()}
    model = moved(build(backbone(), parse_arm(f"talan[layer=1]+{partner}"), seed=0).eval())
    with torch.no_grad():
        model.talan.block.writeback.gate.zero_()
    adapted = trace(model, batch_of(), "10").logits
    found = weight_update(model, plain)
    assert found["all"] == pytest.approx(sum(v**2 for k, v in found.items() if k != "all") ** 0.5)
    merged = model.get_base_model()
    torch.testing.assert_close(trace(merged, batch_of(), "00").logits, adapted, rtol=1e-3, atol=1e-3)
    assert found["all"] > 0


def test_the_change_of_one_layer_is_that_of_its_low_rank_product(backbone):
    plain = {name: value.clone() for name, value in backbone().named_parameters()}
    model = moved(build(backbone(), parse_arm("lora[r=2]"), seed=0).eval())
    own = dict(model.named_parameters())
    squares = 0.0
    for name, value in own.items():
        if "q_proj.lora_B" in name:
            product = 8.0 * value.detach() @ own[name.replace("lora_B", "lora_A")].detach()
            squares += float(product.square().sum())
    assert weight_update(model, plain)["q_proj"] == pytest.approx(squares**0.5, rel=1e-4)


def test_what_changes_no_weight_has_no_change_of_weights(backbone):
    plain = dict(backbone().named_parameters())
    assert weight_update(build(backbone(), parse_arm("loreft"), seed=0), plain) is None
    assert weight_update(build(backbone(), parse_arm("prompt"), seed=0), plain) is None


def test_a_stream_in_float32_adds_the_whole_write(backbone, opened):
    """The option stream=float32 is the control of what bfloat16 rounds away."""
    kept = {}
    for stream in ("native", "float32"):
        arm = parse_arm(f"talan[layer=2,stream={stream}]+lora")
        model = opened(build(backbone().to(torch.bfloat16), arm, seed=0)).eval()
        with torch.no_grad():
            model.talan.block.writeback.gate.mul_(1e-3)
        both, adapted = (trace(model, batch_of(), state) for state in ("11", "10"))
        kept[stream] = float((both.hidden[2] != adapted.hidden[2]).double().mean())
    assert kept["float32"] > 0.99
    assert kept["native"] < 0.6
