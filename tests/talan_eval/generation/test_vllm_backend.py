"""vLLM keeps the promises of a backend, and answers and scores what transformers does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_eval.generation.backend import BlockShape, Checkpoint, Prompt, Sampling
from talan_eval.generation.conformance import check_backend
from talan_eval.generation.registry import make_backend

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # warnings of vLLM are not ours


@pytest.fixture(scope="module")
def vllm(two):
    return make_backend("vllm", dataclasses.replace(two.backend._options, batch_size=8))


def test_it_conforms(two, vllm):
    assert check_backend(vllm, two.subject) == ()


def test_it_says_and_scores_what_transformers_does(two, vllm):
    prompts = [Prompt(text) for text in two.subject.prompts]
    pairs = [(prompt, text) for prompt in prompts for text in (" 7 is the answer.", "\n", *two.subject.prompts)]
    pairs += [(Prompt(""), text) for text in two.subject.prompts]
    checkpoints = [two.subject.first, Checkpoint(None), two.subject.second]
    with (
        vllm.start(two.revision, two.subject.shape) as fast,
        two.backend.start(two.revision, two.subject.shape) as plain,
    ):
        for checkpoint in checkpoints:
            with fast.open(checkpoint) as seen, plain.open(checkpoint) as expected:
                asked = Sampling(max_tokens=40, stop=("\n",))
                assert [*seen.generate(prompts, asked)] == [*expected.generate(prompts, asked)]
                assert seen.own_settings == expected.own_settings
                assert seen.max_length == expected.max_length
                for one, other in zip(seen.loglikelihood(pairs), expected.loglikelihood(pairs), strict=True):
                    assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4 * max(other.tokens, 1))
                    assert (one.tokens, one.greedy) == (other.tokens, other.greedy)
                states, wanted = seen.probe(prompts[0]).states, expected.probe(prompts[0]).states
                assert states.keys() == wanted.keys()
                for state, values in states.items():
                    assert np.abs(values - wanted[state]).max() < 1e-3
                with pytest.raises(UserError, match="Score shorter texts"):
                    seen.loglikelihood([(prompts[0], "9 " * 2000)])


def test_in_bfloat16_a_silent_block_is_no_block_bit_by_bit(two, tmp_path):
    backend = make_backend("vllm", dataclasses.replace(two.backend._options, batch_size=8, dtype="bfloat16"))
    revision = two.revision
    plain = build(load_model(revision, "bfloat16", torch.device("cpu")), parse_arm("lora[r=4]"), seed=0)
    plain.save_pretrained(str(tmp_path))
    deep = BlockShape.of(parse_arm("talan[layer=3]+lora").block.config(TalanConfig()))
    found = {}
    for shape in (None, deep):
        with backend.start(revision, shape) as engine, engine.open(Checkpoint(tmp_path)) as seen:
            found[shape] = [seen.probe(Prompt(text)).states["10"] for text in two.subject.prompts]
    assert all(np.array_equal(one, other) for one, other in zip(found[None], found[deep], strict=True))


def test_a_checkpoint_that_is_not_reproduced_is_refused(two, vllm, monkeypatch):
    with vllm.start(two.revision, two.subject.shape) as engine:
        monkeypatch.setattr(type(engine), "switch", lambda self, _: self.llm.reset_prefix_cache())
        with (
            pytest.raises(UserError, match="with adapter and block, log-probabilities differ"),
            engine.open(two.subject.first),
        ):
            pass
