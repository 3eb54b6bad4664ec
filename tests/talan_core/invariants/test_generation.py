"""Every way of decoding gives what reading the whole sequence again gives."""

from __future__ import annotations

import copy

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.config import MIXERS
from talan_core.errors import UserError

NEW = 6
STARTS = (5, 2, 0)
NOISE = 1e-3  # more than logits of these models differ by between two ways to compute them, on any processor
SOME = pytest.mark.parametrize(("family", "attention"), [("qwen3", "sdpa"), ("gemma3", "eager")])


def padded(tokens):
    mask = torch.ones_like(tokens)
    for row, start in enumerate(STARTS):
        mask[row, :start] = 0
    return mask


def generate(model, tokens, mask=None, **options):
    mask = torch.ones_like(tokens) if mask is None else mask
    return model.generate(
        input_ids=tokens,
        attention_mask=mask,
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        pad_token_id=0,
        **{"do_sample": False, **options},
    )


def assert_greedy(model, made, starts=STARTS):
    for row, start in enumerate(starts):
        sequence = made[row : row + 1, start:]
        with torch.no_grad():
            logits = model(sequence).logits[0, -NEW - 1 : -1]
        logits[:, model.config.eos_token_id] = -torch.inf  # generation is not allowed to end early
        first, second = logits.topk(2).values.unbind(-1)
        assert (first - second).min() > NOISE  # else rounding would decide
        assert logits.argmax(-1).tolist() == made[row, -NEW:].tolist()


def test_generation_with_left_padding_equals_reading_again(any_backbone, opened_arm, tokens):
    arm = opened_arm(any_backbone)
    assert_greedy(arm, generate(arm, tokens, padded(tokens)))


def test_a_static_cache_gives_the_same_tokens_where_it_can_hold_the_memory(any_backbone, opened_arm, tokens):
    arm = opened_arm(any_backbone)
    types = set(getattr(any_backbone.config, "layer_types", None) or ["full_attention"])
    if types == {"sliding_attention"} or any_backbone.config.model_type == "mistral":
        with pytest.raises(UserError, match="leave out cache_implementation"):
            generate(arm, tokens, padded(tokens), cache_implementation="static")
        return
    assert_greedy(arm, generate(arm, tokens, padded(tokens), cache_implementation="static"))


@pytest.mark.parametrize("mixer", [*sorted(MIXERS), "noise"])
@SOME
def test_every_mixer_and_the_noise_control_decode_as_they_read(backbone, opened_arm, tokens, mixer, family, attention):
    model = backbone(family, attention)
    arm = (
        build(model, parse_arm("noise[gate=0.5,layer=1]+lora"), seed=0).eval()
        if mixer == "noise"
        else opened_arm(model, f",mixer={mixer}")
    )
    assert_greedy(arm, generate(arm, tokens, padded(tokens)))


@SOME
def test_beam_search_without_a_cache_finds_the_same_beams(backbone, opened_arm, tokens, family, attention):
    arm = opened_arm(backbone(family, attention))
    with_cache, without = (
        generate(arm, tokens, num_beams=3, num_return_sequences=3, use_cache=use_cache) for use_cache in (True, False)
    )
    assert with_cache.tolist() == without.tolist()


@SOME
def test_sampling_without_a_cache_draws_the_same_tokens(backbone, opened_arm, tokens, family, attention):
    arm = opened_arm(backbone(family, attention))
    drawn = []
    for use_cache in (True, False):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            drawn.append(generate(arm, tokens, do_sample=True, top_k=20, use_cache=use_cache).tolist())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("how", ["draft model", "prompt lookup"])
def test_assisted_decoding_gives_the_greedy_tokens(backbone, opened_arm, tokens, how):
    arm = opened_arm(backbone())
    # a draft that is right at times and wrong at times, so that the memory's cache is cropped
    options = {"assistant_model": backbone()} if how == "draft model" else {"prompt_lookup_num_tokens": 3}
    for row in (tokens[0], tokens[2]):
        greedy = generate(arm, row[None])
        assert_greedy(arm, greedy, (0,))
        assert generate(arm, row[None], **options).tolist() == greedy.tolist()


def test_chunked_prefill_agrees_with_one_pass(any_backbone, opened_arm, tokens):
    arm = opened_arm(any_backbone)
    with torch.no_grad():
        whole = arm(tokens).logits
        first = arm(tokens[:, :5], use_cache=True)
        second = arm(tokens[:, 5:], past_key_values=first.past_key_values, use_cache=True)
    torch.testing.assert_close(torch.cat([first.logits, second.logits], 1), whole, atol=2e-4, rtol=1e-4)


def test_packed_sequences_do_not_see_each_other(backbone, opened_arm, tokens):
    arm = opened_arm(backbone())
    parts = (tokens[0, :5], tokens[1, :7])
    with torch.no_grad():
        apart = torch.cat([arm(part[None]).logits for part in parts], 1)
        positions = torch.cat([torch.arange(len(part)) for part in parts])
        packed = arm(torch.cat(parts)[None], position_ids=positions[None], use_cache=False).logits
        unaware = arm(torch.cat(parts)[None], use_cache=False).logits
    torch.testing.assert_close(packed, apart, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(unaware, apart, atol=1e-2)  # control: without the positions they do see each other


def test_a_deep_copy_is_independent_and_can_be_taken_apart(backbone, opened_arm, tokens):
    arm = opened_arm(backbone())
    twin = copy.deepcopy(arm)
    with torch.no_grad():
        before = arm(tokens).logits
        assert torch.equal(twin(tokens).logits, before)
        twin.talan.block.writeback.gate.zero_()
        assert torch.equal(arm(tokens).logits, before)
        assert not torch.equal(twin(tokens).logits, before)
        assert torch.equal(twin.unload()(tokens).logits, backbone()(tokens).logits)
        assert torch.equal(arm(tokens).logits, before)
