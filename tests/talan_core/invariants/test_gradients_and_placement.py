"""Which tensors learn, how many there are, and where a block still works: recomputed, compiled, dispatched."""

from __future__ import annotations

import itertools

import pytest
import torch
from accelerate import cpu_offload, dispatch_model

from talan_core.arms import build, parse_arm
from talan_core.block import TalanBlock, block_parameters
from talan_core.config import MIXERS, WITHOUT_BIASES, TalanConfig

BIASES = {
    "multihead_local": {f"mixer.{n}_shift" for n in ("query", "key", "value", "output")},
    "glu": {f"mixer.{n}_shift" for n in ("query", "value", "output")},
    "ensemble": {f"mixer.components.{k}.{n}_shift" for k in range(3) for n in ("query", "key", "value", "output")},
}
FORMULAS = {
    "multihead_local": lambda d, m, _: 2 * d * m + 2 * m * m + 3 * m + d,
    "cross_attn": lambda d, m, _: 2 * d * m + 2 * m * m,
    "ensemble": lambda d, m, k: k * (2 * d * m + 2 * m * m + 3 * m + d) + k,
    "glu": lambda d, m, _: 2 * d * m + m * m + 2 * m + d,
}


@pytest.mark.parametrize(("d", "m", "slots", "heads"), [(32, 16, 2, 4), (48, 16, 5, 2), (64, 64, 1, 4)])
@pytest.mark.parametrize("writeback", ["gate", "direct"])
@pytest.mark.parametrize("mixer", sorted(MIXERS))
def test_number_of_parameters(d, m, slots, heads, mixer, writeback):
    components = 2 if mixer == "ensemble" else 3
    config = TalanConfig(
        layer=0, d_mem=m, slots=slots, heads=heads, mixer=mixer, writeback=writeback, components=components
    )
    block = TalanBlock(config, d, generator=torch.Generator().manual_seed(0))
    number = sum(p.numel() for p in block.parameters())
    assert number == block_parameters(config, d)
    gate = d if writeback == "gate" else 0
    assert number == 2 * d * m + slots * m + FORMULAS[mixer](d, m, components) + gate


def test_number_of_parameters_of_the_noise_control():
    config = TalanConfig(layer=0, d_mem=16, scope="frozen", noise=0.1)
    block = TalanBlock(config, 32, generator=torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in block.parameters()) == block_parameters(config, 32)
    block.set_trainable("frozen")
    assert not any(p.requires_grad for p in block.parameters())


@pytest.mark.parametrize(
    ("mixer", "scope", "writeback"),
    [
        (mixer, scope, writeback)
        for mixer, scope, writeback in itertools.product(
            sorted(MIXERS), ["all", "gate", "gate_and_bias", "frozen"], ["gate", "direct"]
        )
        if (mixer not in WITHOUT_BIASES or scope != "gate_and_bias")
        and (writeback == "gate" or scope in ("all", "frozen"))
    ],
)
def test_a_scope_trains_exactly_its_parameters(backbone, opened_arm, tokens, mixer, scope, writeback):
    arm = opened_arm(backbone(), f",mixer={mixer},scope={scope},writeback={writeback}").train()
    arm(tokens, labels=tokens).loss.backward()
    names = {name for name, _ in arm.talan.block.named_parameters()}
    expected = {
        "all": names,
        "gate": {"writeback.gate"},
        "gate_and_bias": {"writeback.gate"} | BIASES.get(mixer, set()),
        "frozen": set(),
    }[scope]
    block = dict(arm.talan.block.named_parameters())
    assert {name for name, p in block.items() if p.requires_grad} == expected
    assert {name for name, p in block.items() if p.grad is not None} == expected
    for name, parameter in block.items():
        # The softmax does not see a shift that is common to all keys, so the key bias has a zero gradient by theory.
        if name in expected and not name.endswith("key_shift"):
            assert parameter.grad.abs().max() > 0, name


def test_at_the_first_step_only_what_makes_the_write_zero_gets_a_gradient(backbone, tokens):
    for writeback, learns in (("gate", {"writeback.gate"}), ("direct", {"mixer.output_weight", "mixer.output_shift"})):
        arm = build(backbone(), parse_arm(f"talan[layer=1,writeback={writeback}]+lora"), seed=0).train()
        arm(tokens, labels=tokens).loss.backward()
        assert {n for n, p in arm.talan.block.named_parameters() if p.grad.abs().max() > 0} == learns


def test_grad_scale_scales_every_gradient_of_the_block(backbone, opened_arm, tokens):
    gradients = []
    for scale in (1.0, 0.25):
        arm = opened_arm(backbone(), f",grad_scale={scale}").train()
        arm(tokens, labels=tokens).loss.backward()
        gradients.append({n: p.grad for n, p in arm.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        factor = 0.25 if name.startswith("talans.") else 1.0
        assert torch.equal(gradients[1][name], gradient * factor), name


@pytest.mark.parametrize("family", ["qwen3", "gemma3", "qwen3_moe"])
def test_gradient_checkpointing_gives_the_same_gradients(backbone, opened_arm, tokens, family):
    gradients = []
    for checkpointing in (False, True):
        arm = opened_arm(backbone(family)).train()
        if checkpointing:
            arm.get_base_model().activation_checkpointing_enable()
            arm.enable_input_require_grads()
        arm(tokens, labels=tokens).loss.backward()
        gradients.append({n: p.grad for n, p in arm.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


@pytest.mark.parametrize("arm", ["talan[layer=1]+lora", "noise[layer=1,gate=0.5]+lora", "talan[mixer=ensemble]+base"])
def test_the_whole_model_is_one_graph(backbone, opened, tokens, arm):
    model = build(backbone(), parse_arm(arm), seed=0).eval()
    if arm.startswith("talan"):
        opened(model)
    with torch.no_grad():
        expected = model(tokens, use_cache=False).logits
        compiled = torch.compile(model, fullgraph=True, backend="eager")  # the tracing is what can fail
        torch.testing.assert_close(compiled(tokens, use_cache=False).logits, expected, atol=1e-5, rtol=1e-5)
    torch.compiler.reset()


def test_a_block_attached_after_accelerates_dispatch_is_active(backbone, opened_arm, tokens):
    expected = opened_arm(backbone())(tokens).logits
    model = dispatch_model(backbone(), {"": "cpu"}, main_device="cpu", force_hooks=True)
    assert torch.equal(opened_arm(model)(tokens).logits, expected)


def test_a_block_beside_an_offloaded_backbone_lives_where_the_layer_computes(backbone, opened_arm, tokens):
    with torch.no_grad():
        expected = opened_arm(backbone(), partner="base")(tokens).logits
        model = cpu_offload(backbone(), execution_device=torch.device("cpu"))
        assert next(model.parameters()).device.type == "meta"
        assert torch.equal(opened_arm(model, partner="base")(tokens).logits, expected)
