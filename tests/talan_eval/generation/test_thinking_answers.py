r"""Answers of a model that thinks: stop strings act on the answer alone, and thinking that never ends earns nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

_STOP = "\n\nProblem:"


@pytest.fixture(scope="module")
def micro():
    revision = locate(find_backbone("micro"))
    return load_model(revision, "float32", torch.device("cpu")), load_tokenizer(revision)


@pytest.fixture
def say(micro, monkeypatch):
    """Evaluate a text as the answer to the first item of math500_micro, its stop string being the real task's."""
    model, tokenizer = micro
    monkeypatch.setattr(model.config, "max_position_embeddings", 2048)
    monkeypatch.setattr(tokenizer, "model_max_length", 2048)

    def run(text, template_end="", *, thinking=True):
        switch = "{% set x = enable_thinking %}" if thinking else ""
        monkeypatch.setattr(tokenizer, "chat_template", switch + tokenizer.chat_template + template_end)
        benchmark = load_benchmark(
            "math500_micro", data_dir=None, limit=1, settings=GenerationSettings(thinking=thinking, max_tokens=300)
        )
        benchmark.task.set_config("generation_kwargs", {"until": [_STOP]}, update=True)
        benchmark = replace(benchmark, spec=benchmark.spec.model_copy(update={"stop": (_STOP,)}))
        ids = [*tokenizer(text.replace("RIGHT", benchmark.items[0].doc["answer"]))["input_ids"], tokenizer.eos_token_id]

        def generate(input_ids, max_length, stopping_criteria, **_):
            for token in ids:
                input_ids = torch.cat([input_ids, torch.full((input_ids.shape[0], 1), token)], 1)
                if bool(stopping_criteria(input_ids, None).all()) or input_ids.shape[1] >= max_length:
                    break
            return input_ids

        monkeypatch.setattr(model, "generate", generate)
        return evaluate(TransformersGenerator(model, tokenizer, 1), tokenizer, benchmark, 1).samples[0]

    return run


def test_a_stop_string_in_the_thinking_ends_nothing_and_one_behind_it_ends_the_answer(say):
    right = "<think>\nI try." + _STOP + " again?\n</think>\n\\boxed{RIGHT}"
    assert say(right).verdict == "match"
    sample = say(right + _STOP + " another one \\boxed{-77}")
    assert sample.verdict == "match"
    assert sample.answer.endswith("}")


def test_a_guess_that_was_taken_back_or_cut_off_earns_nothing(say):
    guess = "<think>\nI guess \\boxed{RIGHT}" + _STOP
    assert say(guess + " no.\n</think>\n\\boxed{-77}").verdict == "mismatch"
    cut = say(guess + " let me check" + " again" * 900)
    assert (cut.verdict, cut.score, cut.reason) == ("unparsed", 0.0, "the thinking never ended")


def test_thinking_that_the_template_opened_is_thinking(say):
    opened = "{% if add_generation_prompt %}<think>\n{% endif %}"
    assert say("I guess \\boxed{RIGHT}", opened, thinking=False).verdict == "unparsed"
    assert say("I guess" + _STOP + "</think>\\boxed{RIGHT}", opened, thinking=False).verdict == "match"


def test_without_thinking_stop_strings_act_as_ever(say):
    sample = say("\\boxed{RIGHT}" + _STOP + " \\boxed{-77}", thinking=False)
    assert sample.verdict == "match"
    assert "Problem" not in sample.answer


def test_marks_that_are_special_tokens_survive_decoding(micro):
    model, tokenizer = micro
    lm = TransformersGenerator(model, tokenizer, 1)._lm
    eos = tokenizer.eos_token_id
    plain = tokenizer("b c")["input_ids"]
    assert lm.tok_decode([*plain, eos]) == tokenizer.decode(plain)
    lm._tokens._dropped = (tokenizer.eos_token,)
    assert lm.tok_decode([*plain, eos]) == tokenizer.decode(plain)
    assert tokenizer.eos_token in lm.tok_decode([*plain, eos], skip_special_tokens=False)
