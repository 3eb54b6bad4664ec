"""Drawn answers: exact draws, the same random numbers whatever the batch, order, arm or global generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_eval.generation.backend import Sampling
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.prompts import chat_renderer
from talan_eval.generation.sampling import SampleDraw, row_seed
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.generation_settings import GenerationSettings
from talan_eval.records.samples import read_samples, write_samples
from talan_eval.tasks.benchmark import load_benchmark

CPU = torch.device("cpu")


def drawn(logits, settings, prompts):
    sampling = Sampling(
        max_tokens=1, temperature=settings.temperature, top_p=settings.top_p, seed=settings.sampling_seed
    )
    draw = SampleDraw(prompts, sampling, CPU)
    return draw(torch.zeros(len(prompts), 1, dtype=torch.long), logits).argmax(dim=-1)


@pytest.mark.parametrize(
    "settings",
    [
        GenerationSettings(temperature=1.0),
        GenerationSettings(temperature=0.5),
        GenerationSettings(temperature=1.0, top_p=0.7),
    ],
)
def test_tokens_are_drawn_with_the_probabilities_of_the_softmax(settings):
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    number = 4000
    tokens = drawn(logits.expand(number, 4), settings, [f"prompt {n}" for n in range(number)])
    share = np.bincount(tokens.numpy(), minlength=4) / number
    expected = (logits / settings.temperature).softmax(-1)
    if settings.top_p < 1:
        expected = torch.tensor([0.625, 0.375, 0, 0])
    # Five standard errors of a share.
    assert np.abs(share - expected.numpy()).max() < 5 * np.sqrt(0.25 / number)


def test_noise_belongs_to_prompt_sample_and_seed_alone():
    logits = torch.zeros(3, 500)
    settings = GenerationSettings(temperature=1.0)
    torch.manual_seed(1)
    together = drawn(logits, settings, ["a", "b", "c"])
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert drawn(logits[:2], settings, ["c", "a"]).tolist() == [together[2], together[0]]
    assert torch.equal(torch.get_rng_state(), state)
    assert len({row_seed("a", 0, 0), row_seed("a", 0, 1), row_seed("a", 1, 0), row_seed("b", 0, 0)}) == 4


@pytest.fixture(scope="module")
def micro():
    revision = locate(find_backbone("micro"))
    return load_model(revision, "float32", CPU), load_tokenizer(revision)


def answered(micro, batch_size, **changes):
    settings = GenerationSettings(**{"temperature": 1.0, "samples": 3, "max_tokens": 12, **changes})
    benchmark = load_benchmark("gsm8k_micro", data_dir=None, limit=6, settings=settings)
    model, tokenizer = micro
    return evaluate(TransformersGenerator(model, tokenizer, batch_size), tokenizer, benchmark, batch_size)


def test_batch_size_changes_no_drawn_answer_and_samples_differ(micro, tmp_path):
    small, large = answered(micro, 2), answered(micro, 18)
    assert small.samples == large.samples
    assert [(s.item_id, s.sample) for s in small.samples[::6]] == [(small.samples[0].item_id, n) for n in range(3)]
    assert len({s.answer for s in small.samples if s.item_id == small.samples[0].item_id}) > 1
    path = tmp_path / "samples.parquet"
    path.write_bytes(write_samples(small.samples))
    assert read_samples(path) == small.samples
    assert answered(micro, 6, sampling_seed=1).samples != small.samples


def test_fewer_samples_are_the_first_of_more(micro):
    assert answered(micro, 6, samples=2).samples == answered(micro, 6).samples[:12]


def test_a_template_with_the_switch_thinks_only_when_asked(micro):
    class Tokenizer:
        chat_template = "{% if enable_thinking %}"

        def apply_chat_template(self, history, **options):
            return f"{len(history)} {options.get('enable_thinking')} {options['add_generation_prompt']}"

    turn = [{"role": "user", "content": "?"}]
    assert chat_renderer(Tokenizer(), GenerationSettings())(turn) == "1 False True"
    assert chat_renderer(Tokenizer(), GenerationSettings(thinking=True))(turn) == "1 True True"
    assert chat_renderer(Tokenizer(), GenerationSettings(chat_template=False)) is None
    assert chat_renderer(micro[1], GenerationSettings())(turn).startswith("<|im_start|>user")
