"""Held-out loss: what training would have paid for the reference solution, under the prompt of the evaluation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.training.data import Example, collate, encode
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.generation_settings import GenerationSettings
from talan_eval.records.samples import read_samples, write_samples
from talan_eval.tasks.benchmark import load_benchmark


@pytest.fixture(scope="module")
def micro():
    revision = locate(find_backbone("micro"))
    return load_model(revision, "float32", torch.device("cpu")).eval(), load_tokenizer(revision)


def measured(micro, batch_size=2, solutions=None, **settings):
    model, tokenizer = micro
    generation = GenerationSettings(**{"max_tokens": 4, **settings})
    benchmark = load_benchmark("gsm8k_micro", data_dir=None, limit=4, settings=generation)
    if solutions is not None:
        benchmark = replace(benchmark, solutions=solutions(benchmark.solutions))
    generator = TransformersGenerator(model, tokenizer, batch_size)
    return evaluate(generator, tokenizer, benchmark, batch_size, with_loss=True).samples, benchmark


def paid(micro, prompt, answer):
    """Compute the loss of one training example as training does, by torch's own cross-entropy."""
    model, tokenizer = micro
    data = encode(tokenizer, [Example(prompt, answer, "x")], 4096)
    batch = collate(data.examples, pad_token_id=0)
    labels = batch.pop("labels")[:, 1:]
    with torch.no_grad():
        logits = model(**batch).logits[:, :-1]
    return float(functional.cross_entropy(logits[labels != -100], labels[labels != -100])), int((labels != -100).sum())


def test_it_is_what_training_would_have_paid_with_the_end_of_the_turn(micro):
    samples, benchmark = measured(micro)
    for sample, (prompt, answer) in zip(samples, benchmark.solutions, strict=True):
        loss, tokens = paid(micro, prompt, answer)
        assert sample.loss == pytest.approx(loss, abs=1e-5)
        assert sample.loss_tokens == tokens
        assert sample.loss_bytes == len(answer.encode())
    shorter = paid(micro, benchmark.solutions[0][0], benchmark.solutions[0][1][:-3])[0]
    assert samples[0].loss != pytest.approx(shorter, abs=1e-3)  # the control: another text


def test_no_batch_changes_it_and_several_answers_have_it_once(micro, tmp_path):
    (alone, _), (together, _) = measured(micro, 1), measured(micro, 4, samples=2, temperature=1.0)
    assert [one.loss for one in together[:4]] == pytest.approx([one.loss for one in alone], abs=1e-5)
    assert [one.loss for one in together[4:]] == [None] * 4
    (file := tmp_path / "kept.parquet").write_bytes(write_samples(together))
    assert read_samples(file) == together


def test_few_shot_examples_change_the_prompt_and_not_the_target(micro):
    plain, shot = measured(micro)[0], measured(micro, few_shot=1)[0]
    assert [one.loss_tokens for one in shot] == [one.loss_tokens for one in plain]
    assert all(abs(one.loss - other.loss) > 1e-6 for one, other in zip(plain, shot, strict=True))


def test_an_item_without_a_solution_or_too_long_for_the_context_has_none(micro):
    samples, _ = measured(micro, solutions=lambda known: ((known[0][0], " "), (known[1][0], "9 " * 4000), *known[2:]))
    assert [one.loss is None for one in samples] == [True, True, False, False]


def test_it_is_measured_only_where_asked(micro):
    model, tokenizer = micro
    benchmark = load_benchmark("gsm8k_micro", data_dir=None, limit=2, settings=GenerationSettings(max_tokens=4))
    samples = evaluate(TransformersGenerator(model, tokenizer, 2), tokenizer, benchmark, 2).samples
    assert [(one.loss, one.loss_tokens, one.loss_bytes) for one in samples] == [(None, None, None)] * 2
