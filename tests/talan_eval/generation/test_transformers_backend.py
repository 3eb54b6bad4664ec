"""Answers, likelihoods and probes of the backend of transformers, beside plain computations of the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from lm_eval.models.huggingface import HFLM

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model
from talan_core.errors import UserError
from talan_core.probe import adapter_is_live
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.rendering import render_prompt
from talan_eval.generation.backend import Checkpoint, Prompt, Sampling
from talan_eval.generation.evaluate import sampling
from talan_eval.generation.prompts import chat_renderer
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

TEXTS = (" 17", "It is 5 + 6 = 11.\n#### 11", "x")


@pytest.fixture(scope="module")
def generators(two):
    return {size: TransformersGenerator(two.models[0], two.tokenizer, size) for size in (1, 3, 64)}


def plainly(two, prompt, text, model=None):
    """The sum of log-probabilities, one token and one pass at a time, in double precision behind the logits."""
    prefix = two.tokenizer.encode(prompt)
    whole = two.tokenizer.encode(prompt + text)
    target = whole[len(prefix) :] if whole[: len(prefix)] == prefix else two.tokenizer.encode(text)
    total = 0.0
    for place, token in enumerate(target):
        with torch.no_grad():
            logits = (model or two.models[0])(torch.tensor([prefix + target[:place]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[token])
    return total, len(target)


def test_a_likelihood_is_the_sum_over_tokens_whatever_the_batch_and_padding(two, generators):
    pairs = [(Prompt(prompt), text) for prompt in two.subject.prompts for text in TEXTS]
    expected = [plainly(two, prompt.text, text) for prompt, text in pairs]
    for generator in generators.values():
        found = generator.loglikelihood(pairs)
        assert [one.tokens for one in found] == [tokens for _, tokens in expected]
        np.testing.assert_allclose([one.log_probability for one in found], [sum_ for sum_, _ in expected], atol=2e-4)
    backwards = generators[3].loglikelihood(pairs[::-1])[::-1]
    np.testing.assert_allclose([one.log_probability for one in backwards], [sum_ for sum_, _ in expected], atol=2e-4)
    # control: the block matters to it
    with two.models[0].blocks_off():
        off = generators[64].loglikelihood(pairs)
    assert max(abs(one.log_probability - sum_) for one, (sum_, _) in zip(off, expected, strict=True)) > 0.01


def test_an_edit_of_the_prompt_is_scored_and_generated_at_the_places_of_the_prompt(two):
    backbone = load_model(two.revision, "float32", torch.device("cpu"))
    arm = build(backbone, parse_arm("reft[r=2,first=2,last=3]"), seed=0)
    for edit in (*arm.edit.of_first.values(), *arm.edit.of_last.values()):
        torch.nn.init.constant_(edit.shift, 1.0)
    generator = TransformersGenerator(arm.eval(), two.tokenizer, 3)
    pairs = [(Prompt(prompt), TEXTS[1]) for prompt in two.subject.prompts]
    found = generator.loglikelihood(pairs)
    said = list(generator.generate([prompt for prompt, _ in pairs], Sampling(max_tokens=6)))
    for one, answer, (prompt, text) in zip(found, said, pairs, strict=True):
        prompts = Prompts(lengths=torch.tensor([len(two.tokenizer.encode(prompt.text))]))
        with prompts_told(arm, prompts):
            expected, _ = plainly(two, prompt.text, text, arm)
        assert one.log_probability == pytest.approx(expected, abs=2e-4)
        with prompts_told(arm, prompts), torch.no_grad():
            ids = two.tokenizer.encode(prompt.text)
            for _ in range(6):
                ids.append(int(arm(torch.tensor([ids])).logits[0, -1].argmax()))
        assert two.tokenizer.decode(ids[-6:], skip_special_tokens=True).startswith(answer.text)
        with arm.disable_adapter():
            assert abs(plainly(two, prompt.text, text, arm)[0] - expected) > 0.1


def test_a_cpu_scores_few_sequences_at_a_time_and_keeps_no_cache(two, generators):
    passes = []

    def note(_, __, kwargs):
        passes.append((len(kwargs["input_ids"]), kwargs["use_cache"]))

    handle = two.models[0].register_forward_pre_hook(note, with_kwargs=True)
    try:
        generators[64].loglikelihood([(Prompt(two.subject.prompts[0]), TEXTS[0])] * 40)
        generators[3].loglikelihood([(Prompt(two.subject.prompts[0]), TEXTS[0])] * 4)
    finally:
        handle.remove()
    assert sum(count for count, _ in passes) == 44
    assert max(count for count, _ in passes) == 16
    assert max(count for count, _ in passes[-2:]) == 3
    assert not any(cached for _, cached in passes)


def test_a_token_that_would_span_the_border_is_scored_as_generation_would_write_it(two, generators):
    prompt, text = next(
        (whole[:cut], whole[cut:])
        for whole in ("What is 123?", "and there", "####", "the answer is")
        for cut in range(1, len(whole))
        if two.tokenizer.encode(whole)[: len(two.tokenizer.encode(whole[:cut]))] != two.tokenizer.encode(whole[:cut])
    )
    (found,) = generators[3].loglikelihood([(Prompt(prompt), text)])
    total, tokens = plainly(two, prompt, text)
    assert found.tokens == tokens == len(two.tokenizer.encode(text))
    assert found.log_probability == pytest.approx(total, abs=2e-4)


def test_low_precision_sums_in_float32(two):
    model = load_model(two.revision, "bfloat16", torch.device("cpu"))
    generator = TransformersGenerator(model, two.tokenizer, 1)
    prompt = two.subject.prompts[0]
    (found,) = generator.loglikelihood([(Prompt(prompt), TEXTS[1])])
    ids = two.tokenizer.encode(prompt + TEXTS[1])
    begin = len(two.tokenizer.encode(prompt))
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, begin - 1 : -1]
    targets = torch.tensor(ids[begin:])[:, None]
    in_double, in_bfloat16 = (
        float(logits.to(dtype).log_softmax(-1).gather(1, targets).sum()) for dtype in (torch.float64, torch.bfloat16)
    )
    assert found.log_probability == pytest.approx(in_double, abs=1e-3)
    assert abs(in_bfloat16 - in_double) > 1e-3  # control


def test_what_does_not_fit_is_refused(generators):
    with pytest.raises(UserError, match="tokens, the backbone's context 1024"):
        generators[1].loglikelihood([(Prompt("1 " * 1100), "2")])


def test_the_probe_shows_every_state_that_a_model_has(two, generators):
    prompt = Prompt(two.subject.prompts[0])
    states = generators[1].probe(prompt).states
    assert set(states) == {"11", "10", "00"}
    backbone = load_model(two.revision, "float32", torch.device("cpu"))
    bare = TransformersGenerator(backbone, two.tokenizer, 1).probe(prompt).states
    assert set(bare) == {"00"}
    np.testing.assert_array_equal(bare["00"], states["00"])
    ids = torch.tensor([two.tokenizer.encode(prompt.text)])
    with torch.no_grad():
        expected = two.models[0](ids).logits[0, -1].log_softmax(-1).numpy()
        with two.models[0].blocks_off():
            without = two.models[0](ids).logits[0, -1].log_softmax(-1).numpy()
    np.testing.assert_allclose(states["11"], expected, atol=1e-5)
    np.testing.assert_allclose(states["10"], without, atol=1e-5)
    distances = [np.abs(states[one] - states[other]).max() for one, other in (("11", "10"), ("10", "00"))]
    assert min(distances) > 0.01
    assert two.models[0].talan.enabled  # nothing is left switched off


def test_the_change_of_logits_is_that_of_the_probe_of_adapters(two, generators):
    question = "What is 17 + 25?"
    prompt = Prompt(render_prompt(two.tokenizer, question))
    assert (
        generators[1].liveness(prompt).max_logit_change == adapter_is_live(two.models[0], two.tokenizer, question) > 0
    )
    with two.backend.start(two.revision, None) as engine, engine.open(Checkpoint(None)) as bare:
        assert bare.liveness(prompt).max_logit_change == 0.0


@pytest.mark.parametrize("task", ["gsm8k_micro", "mbpp_micro"])
def test_greedy_answers_are_those_of_lm_eval_letter_for_letter(two, task):
    benchmark = load_benchmark(task, data_dir=None, limit=8)
    requests = list(benchmark.requests(chat_renderer(two.tokenizer, GenerationSettings())))
    expected = HFLM(pretrained=two.models[0], tokenizer=two.tokenizer, batch_size=8).generate_until(
        requests, disable_tqdm=True
    )
    prompts = [Prompt(str(request.args[0])) for request in requests]
    generator = TransformersGenerator(two.models[0], two.tokenizer, 8)
    assert [said.text for said in generator.generate(prompts, sampling(benchmark.spec, 0))] == expected
    assert len(set(expected)) > 1


def test_a_checkpoint_that_is_in_memory_is_not_loaded(two):
    nowhere = dataclasses.replace(
        two.subject.first, directory=two.subject.first.directory / "gone", trained=two.models[0]
    )
    prompts = [Prompt(text) for text in two.subject.prompts]
    with two.backend.start(two.revision, two.subject.shape) as engine:
        with engine.open(nowhere) as memory:
            said = list(memory.generate(prompts, Sampling(max_tokens=8)))
        with engine.open(two.subject.first) as disk:
            assert list(disk.generate(prompts, Sampling(max_tokens=8))) == said
