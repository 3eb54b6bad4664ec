"""A block inside a backbone: silent at the start, blind to the future, the same in every way of decoding."""

from __future__ import annotations

import copy

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.block import TalanBlock
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.memory import CausalMemory

BOTH = pytest.mark.parametrize("writeback", ["gate", "direct"])


def arm_on(backbone, options="", seed=0):
    return build(backbone, parse_arm(f"talan[layer=1{options}]+lora"), seed=seed).eval()


def opened(model):
    """Give gate and output projection values, so that the block writes something."""
    block = model.talan.block
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        if hasattr(block.writeback, "gate"):
            block.writeback.gate.copy_(torch.randn(block.writeback.gate.shape, generator=generator))
        block.mixer.output_weight.copy_(torch.randn(block.mixer.output_weight.shape, generator=generator) * 0.3)
    return model


@BOTH
def test_before_training_the_model_is_bit_equal_to_the_backbone(any_backbone, tokens, writeback):
    with torch.no_grad():
        plain = any_backbone(tokens).logits
        wrapped = arm_on(any_backbone, f",writeback={writeback}")(tokens).logits
    assert torch.equal(plain, wrapped)


def test_an_open_gate_changes_the_logits(any_backbone, tokens):
    with torch.no_grad():
        plain = any_backbone(tokens).logits
        assert not torch.allclose(opened(arm_on(any_backbone))(tokens).logits, plain, atol=1e-3)


def unchanged_before(model, tokens, position):
    changed = tokens.clone()
    changed[:, position] = (changed[:, position] + 7) % 200 + 5
    with torch.no_grad():
        one, other = model(tokens).logits, model(changed).logits
    assert not torch.equal(one[:, position:], other[:, position:])
    return torch.equal(one[:, :position], other[:, :position])


@pytest.mark.parametrize("position", [1, 6, 11])
def test_a_later_token_never_changes_an_earlier_logit(any_backbone, tokens, position):
    assert unchanged_before(opened(arm_on(any_backbone)), tokens, position)


def test_a_memory_over_the_whole_sequence_fails_that_test(backbone, tokens, monkeypatch):
    def leaky(self, x, context):
        memory = causal(self, x, context)
        return memory[:, -1:].expand_as(memory)

    causal = CausalMemory.forward
    monkeypatch.setattr(CausalMemory, "forward", leaky)
    assert not unchanged_before(opened(arm_on(backbone())), tokens, 6)


@pytest.mark.parametrize("cache", [{}, {"cache_implementation": "static"}])
def test_generation_with_left_padding_equals_reading_again(any_backbone, tokens, cache):
    model = opened(arm_on(any_backbone))
    mask = torch.ones_like(tokens)
    mask[0, :5], mask[1, :2] = 0, 0
    made = model.generate(
        input_ids=tokens,
        attention_mask=mask,
        max_new_tokens=6,
        min_new_tokens=6,
        do_sample=False,
        pad_token_id=0,
        **cache,
    )
    for row, start in enumerate((5, 2, 0)):
        sequence = made[row : row + 1, start:]
        with torch.no_grad():
            again = model(sequence).logits[0, -7:-1].argmax(-1)
        assert again.tolist() == made[row, -6:].tolist()


def test_beam_search_and_chunked_prefill_agree_with_one_pass(backbone, tokens):
    model = opened(arm_on(backbone()))
    made = model.generate(
        input_ids=tokens, max_new_tokens=4, min_new_tokens=4, num_beams=3, do_sample=False, pad_token_id=0
    )
    assert made.shape == (3, 16)
    with torch.no_grad():
        whole = model(tokens).logits
        first = model(tokens[:, :5], use_cache=True)
        second = model(tokens[:, 5:], past_key_values=first.past_key_values, use_cache=True)
    torch.testing.assert_close(torch.cat([first.logits, second.logits], 1), whole, atol=2e-4, rtol=1e-4)


def test_a_deep_copy_is_independent(backbone, tokens):
    model = opened(arm_on(backbone()))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        before = model(tokens).logits
        assert torch.equal(twin(tokens).logits, before)
        twin.talan.block.writeback.gate.zero_()
        assert torch.equal(model(tokens).logits, before)
        assert not torch.equal(twin(tokens).logits, before)


def test_switched_off_it_is_the_backbone(any_backbone, tokens):
    with torch.no_grad():
        plain = any_backbone(tokens).logits
        model = opened(arm_on(any_backbone))
        with model.disable_adapter(), model.disable_adapter():
            assert torch.equal(model(tokens).logits, plain)
        assert not torch.equal(model(tokens).logits, plain)


@pytest.mark.parametrize(("d", "m", "slots", "heads"), [(32, 16, 2, 4), (48, 16, 5, 2), (64, 64, 1, 4)])
def test_number_of_parameters(d, m, slots, heads):
    config = TalanConfig(layer=0, d_mem=m, slots=slots, heads=heads)
    block = TalanBlock(config, d, generator=torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in block.parameters()) == 4 * d * m + 2 * m * m + (slots + 3) * m + 2 * d


@pytest.mark.parametrize(
    ("scope", "trained"),
    [
        ("frozen", set()),
        ("gate", {"writeback.gate"}),
        (
            "gate_and_bias",
            {"writeback.gate"} | {f"mixer.{n}_shift" for n in ("query", "key", "value", "output")},
        ),
    ],
)
def test_a_scope_trains_exactly_its_parameters(backbone, tokens, scope, trained):
    model = opened(arm_on(backbone(), f",scope={scope}")).train()
    model(tokens, labels=tokens).loss.backward()
    block = model.talan.block
    assert {name for name, p in block.named_parameters() if p.requires_grad} == trained
    assert {name for name, p in block.named_parameters() if p.grad is not None} == trained


def test_all_parameters_get_a_gradient_once_the_gate_is_open(backbone, tokens):
    model = opened(arm_on(backbone())).train()
    model(tokens, labels=tokens).loss.backward()
    # The softmax does not see a shift that is common to all keys, so the key bias has a zero gradient by theory.
    for name, parameter in model.talan.block.named_parameters():
        assert parameter.grad is not None
        assert name == "mixer.key_shift" or parameter.grad.abs().max() > 0


def test_gradient_checkpointing_gives_the_same_gradients(backbone, tokens):
    gradients = []
    for checkpointing in (False, True):
        model = opened(arm_on(backbone())).train()
        if checkpointing:
            model.get_base_model().activation_checkpointing_enable()
            model.enable_input_require_grads()
        model(tokens, labels=tokens).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def test_equal_seeds_give_equal_blocks_and_partners_do_not_depend_on_them(backbone):
    one, again, other = (arm_on(backbone(), seed=seed).talan.block.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["memory.themes"], other["memory.themes"])
    alone = build(backbone(), parse_arm("lora"), seed=0).state_dict()
    beside = build(backbone(), parse_arm("talan+lora"), seed=0).state_dict()
    assert all(torch.equal(value, beside[name]) for name, value in alone.items())


def test_building_leaves_the_global_random_state_alone(backbone):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    build(backbone(), parse_arm("talan+dora"), seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_a_layer_that_does_not_exist_is_named(backbone):
    with pytest.raises(UserError, match="layer=9 does not exist: the backbone has 4"):
        build(backbone(), parse_arm("talan[layer=9]+lora"), seed=0)
