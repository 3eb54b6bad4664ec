"""A cache whose tokens the block has not seen, and a batch of several adapters, are refused."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import DynamicCache, StaticCache

from talan_core.errors import UserError

CUT = 8


def caches(model):
    config = model.get_base_model().config
    return [lambda: DynamicCache(config=config), DynamicCache, lambda: StaticCache(config=config, max_cache_len=32)]


def run(model, tokens, cache):
    with torch.no_grad():
        return model(tokens, past_key_values=cache).logits[:, -1]


@pytest.fixture(params=[0, 1, 2], ids=["dynamic", "growing", "static"])
def case(request, backbone, opened_arm, tokens):
    model = opened_arm(backbone("qwen3"))
    return model, tokens, caches(model)[request.param]


def test_its_own_cache_goes_on(case):
    model, tokens, new = case
    whole = run(model, tokens, None)
    cache = new()
    run(model, tokens[:, :4], cache)
    run(model, tokens[:, 4:CUT], cache)
    torch.testing.assert_close(run(model, tokens[:, CUT:], cache), whole, atol=1e-4, rtol=1e-4)


def test_a_cache_filled_without_the_block_is_refused(case, backbone):
    model, tokens, new = case
    with_adapter_off, with_block_off, of_backbone, in_part = new(), new(), new(), new()
    with model.disable_adapter():
        run(model, tokens[:, :CUT], with_adapter_off)
    with model.blocks_off():
        run(model, tokens[:, :CUT], with_block_off)
    run(backbone("qwen3"), tokens[:, :CUT], of_backbone)
    run(model, tokens[:, :4], in_part)
    with model.blocks_off():
        run(model, tokens[:, 4:CUT], in_part)
    for cache, seen in ((with_adapter_off, 0), (with_block_off, 0), (of_backbone, 0), (in_part, 4)):
        with pytest.raises(UserError, match=f"holds {CUT} tokens, the block's memory {seen}") as caught:
            run(model, tokens[:, CUT:], cache)
        assert "past_key_values=None" in caught.value.fix


def test_a_cache_of_another_block_is_refused(case, backbone, opened_arm):
    model, tokens, new = case
    other, cache = opened_arm(backbone("qwen3"), seed=1), new()
    run(other, tokens[:, :CUT], cache)
    with pytest.raises(UserError, match="filled by another block"):
        run(model, tokens[:, CUT:], cache)


def test_a_copy_of_a_cache_can_be_used_by_a_copy_of_the_model(backbone, opened_arm, tokens):
    model, cache = opened_arm(backbone("qwen3")), DynamicCache()
    run(model, tokens[:, :CUT], cache)
    twice = [run(one, tokens[:, CUT:], copy.deepcopy(cache)) for one in (model, copy.deepcopy(model))]
    assert torch.equal(*twice)


def test_a_cache_is_refused_beside_arms_without_an_adapter_too(backbone, opened_arm, tokens):
    model, cache = opened_arm(backbone("qwen3"), partner="base"), DynamicCache()
    with model.disable_adapter():
        run(model, tokens[:, :CUT], cache)
    with pytest.raises(UserError, match="the block's memory 0"):
        run(model, tokens[:, CUT:], cache)


@pytest.mark.parametrize("family", ["gemma3", "mistral", "gemma2"])
def test_sliding_windows_count_all_tokens(backbone, opened_arm, tokens, family):
    model = opened_arm(backbone(family, "eager"))
    whole, cache = run(model, tokens, None), DynamicCache(config=model.get_base_model().config)
    for at in range(tokens.shape[1]):
        last = run(model, tokens[:, at : at + 1], cache)
    torch.testing.assert_close(last, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("names", [["default", "__base__", "__base__"], ["__base__"] * 3, ["default"] * 3])
def test_a_batch_of_several_adapters_is_refused(backbone, opened_arm, tokens, names):
    model = opened_arm(backbone("qwen3"))
    for call in (model, model.generate):
        with pytest.raises(UserError, match="cannot mix adapters"):
            call(input_ids=tokens, adapter_names=names)
