"""vLLM with a block says what talan_core.load says: every mixer and family, cached, chunked and after a swap."""

from __future__ import annotations

import contextlib

import pytest
import torch
from transformers import AutoModelForCausalLM

import talan_core
from talan_core.merging import merge, plain_tensors

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # warnings of vLLM are not ours

MIXERS = ("multihead_local", "cross_attn", "ensemble", "glu")
FAMILIES = ("llama", "qwen2", "qwen3", "qwen3_moe")
LEAST_EFFECT = 0.1
TOLERANCE = 1e-4
LENGTHS = (3, 40, 70, 100)  # the longer ones are computed in chunks of 64 tokens
MORE = (
    "talan[layer=1,writeback=direct]",
    "talan[layer=1,writeback=direct,mixer=cross_attn]",
    "talan[layer=0]",
    "talan[layer=3,slots=3]",
    "talan[layer=2,slots=1,heads=2]",
    "noise[layer=1,gate=0.3]",
    "talan[layer=1,write=rms]",
    "talan[layer=1,stream=float32]",
)


def prompts():
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(5, 261, (length,), generator=generator).tolist() for length in LENGTHS]


def spoken(llm, asked):
    """Tokens and log-probabilities of greedy answers, by vLLM."""
    from vllm import SamplingParams  # noqa: PLC0415 - only where vLLM is installed

    settings = SamplingParams(temperature=0, max_tokens=8, logprobs=0, ignore_eos=True, detokenize=False)
    outputs = llm.generate([{"prompt_token_ids": ids} for ids in asked], settings, use_tqdm=False)
    said = [list(one.outputs[0].token_ids) for one in outputs]
    scores = [
        torch.tensor([step[token].logprob for step, token in zip(one.outputs[0].logprobs, tokens, strict=True)])
        for one, tokens in zip(outputs, said, strict=True)
    ]
    return said, scores, [one.num_cached_tokens for one in outputs]


def expected(model, ids, answer):
    """What transformers says of the same tokens with the block and without it, and all that it says with it."""
    found = []
    for off in (contextlib.nullcontext, model.blocks_off):
        with torch.no_grad(), off():
            logits = model(input_ids=torch.tensor([ids + answer])).logits
        found.append(logits[0, len(ids) - 1 : -1].log_softmax(-1))
    index = torch.arange(len(answer)), torch.tensor(answer)
    return found[0][index], found[1][index], found[0]


def opened(llm, where, checkpoint):
    """Merge a checkpoint, put it into a live engine, and return the model that it was."""

    def load():
        return talan_core.load(checkpoint, AutoModelForCausalLM.from_pretrained(where.backbone, dtype=torch.float32))

    merged = plain_tensors(merge(load()))
    llm.collective_rpc("talan_reload", args=(merged,))
    llm.collective_rpc("talan_open", args=(str(checkpoint),))
    assert llm.reset_prefix_cache()
    return load().eval()


def compared(llm, model):
    worst = effect = 0.0
    for turn in range(2):
        said, scores, cached = spoken(llm, prompts())
        assert turn == 0 or max(cached) >= 64  # the second time most of it is cached
        for ids, answer, seen in zip(prompts(), said, scores, strict=True):
            with_block, without, full = expected(model, ids, answer)
            worst = max(worst, float((seen - with_block).abs().max()))
            effect = max(effect, float((with_block - without).abs().max()))
            assert all(float(row.max() - row[token]) < TOLERANCE for row, token in zip(full, answer, strict=True))
    return worst, effect


def check(directories, engine, family, block):
    where = directories(family, f"{block}+lora[r=4]")
    llm = engine(where)
    for checkpoint in (*where.checkpoints, where.checkpoints[0]):
        worst, effect = compared(llm, opened(llm, where, checkpoint))
        assert effect >= LEAST_EFFECT
        assert worst <= TOLERANCE


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_mixer_in_every_family(directories, engine, family, mixer):
    check(directories, engine, family, f"talan[layer=1,mixer={mixer}]")


@pytest.mark.parametrize("block", MORE)
def test_every_rule_of_writing_anywhere(directories, engine, block):
    check(directories, engine, "qwen3", block)
