"""Training and answering see the same prompt tokens and stop at the same ends, whatever comes with a model."""

from __future__ import annotations

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from talan_core.arms import build, parse_arm
from talan_core.training.data import Example, encode
from talan_core.training.encoding import answer_ends
from talan_core.training.rendering import prompt_ids, render_prompt
from talan_eval.generation.backend import Prompt, Sampling
from talan_eval.generation.transformers_backend import TransformersGenerator

PAD, EOS, USER, ASSISTANT, END = range(5)
QUESTION = "2+3="


def changed(tokenizer, *, adds, template, bos):
    """A tokenizer that puts tokens around every text, with a template that writes its own beginning or not."""
    tokenizer.bos_token = bos
    special = [(bos, tokenizer.convert_tokens_to_ids(bos)), ("<eos>", EOS)]
    if adds != "nothing":
        around = {"bos": f"{bos} $A", "eos": "$A <eos>", "both": f"{bos} $A <eos>"}[adds]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=around, special_tokens=special)
    if template == "none":
        tokenizer.chat_template = None
    if template == "writes":
        tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    return tokenizer


@pytest.mark.parametrize("bos", ["<pad>", "<user>", "<eos>"])
@pytest.mark.parametrize("template", ["writes", "silent", "none"])
@pytest.mark.parametrize("adds", ["nothing", "bos", "eos", "both"])
@pytest.mark.parametrize("written", [False, True])
def test_prompts_have_the_same_tokens_in_training_and_when_asked(backbone, tokenizer, adds, template, bos, written):
    tokenizer = changed(tokenizer, adds=adds, template=template, bos=bos)
    question = bos + QUESTION if written else QUESTION
    (example,) = encode(tokenizer, [Example(question, "5", "sums")], 200).examples
    trained = list(example.input_ids[: example.prompt_length])
    prompt = render_prompt(tokenizer, question)
    lm = TransformersGenerator(backbone(), tokenizer, 2)._lm
    batch, mask = lm.tok_batch_encode([prompt, prompt + "longer"])
    assert batch[0][mask[0].bool()].tolist() == lm.tok_encode(prompt) == prompt_ids(tokenizer, prompt) == trained
    begin = tokenizer.convert_tokens_to_ids(bos)
    wanted = (template == "writes") + written if template != "none" else int(written or adds in ("bos", "both"))
    if not (template != "none" and written) and bos != "<user>":
        assert trained.index(next(t for t in trained if t != begin)) == wanted
    assert trained[-1] != EOS


TEMPLATES = {
    "end of turn": "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>\n{% endfor %}",
    "end of sequence": "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<eos>{% endfor %}",
    "one, then the other": "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
    "{{ '<eos>' if loop.last and m['role'] == 'assistant' else '<end>' }}{% endfor %}",
    "none": "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}",
}
WRITTEN = {"end of turn": {EOS, END}, "end of sequence": {EOS}, "one, then the other": {EOS}, "none": {EOS}}


@pytest.mark.parametrize("name", [*TEMPLATES, "no template"])
def test_the_ends_of_answers_are_those_that_are_trained(tokenizer, name):
    tokenizer.chat_template = (
        None if name == "no template" else (TEMPLATES[name] + "{% if add_generation_prompt %}<assistant>{% endif %}")
    )
    ends = answer_ends(tokenizer)
    assert encode(tokenizer, [Example(QUESTION, "5", "sums")], 200).examples[0].input_ids[-1] in ends
    assert ends == WRITTEN.get(name, {EOS})


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("content", ["<user>1+1=<end> so 2", "<end>", "end", "e"])
def test_special_tokens_inside_an_answer_end_nothing(tokenizer, name, content):
    tokenizer.chat_template = TEMPLATES[name] + "{% if add_generation_prompt %}<assistant>{% endif %}"
    (example,) = encode(tokenizer, [Example(QUESTION, content, "sums")], 200).examples
    learned = list(example.input_ids[example.prompt_length :])
    spoken = tokenizer.encode(content)
    assert learned[: len(spoken)] == spoken
    assert learned[-1] in answer_ends(tokenizer)
    assert len([token for token in learned[len(spoken) :] if token in (EOS, END)]) == 1


def fixed_answer(model, tokens):
    """Make a model say these tokens whatever it is asked, one per step, by its position."""
    said = iter(tokens)

    def write(_, __, output):
        output.logits = torch.zeros_like(output.logits)
        output.logits[:, -1, next(said)] = 1.0
        return output

    model.register_forward_hook(write)
    return model


def answer(model, tokenizer):
    generator = TransformersGenerator(model, tokenizer, 2)
    settings = Sampling(max_tokens=12, stop=(), temperature=0.0, top_p=1.0, seed=0)
    (said,) = generator.generate([Prompt(render_prompt(tokenizer, QUESTION))], settings)
    return said.text


@pytest.mark.parametrize("end", [END, EOS])
@pytest.mark.parametrize("arm", [None, "talan[layer=1]+lora", "loreft"])
def test_generation_stops_at_every_end(backbone, tokenizer, arm, end):
    model = backbone()
    spoken = tokenizer.encode("5")
    fixed_answer(model, [*spoken, end, *tokenizer.encode("more of it")])
    if arm is not None:
        model = build(model, parse_arm(arm), seed=0).eval()
    assert answer(model, tokenizer) == "5"


@pytest.mark.parametrize(
    "changes",
    [
        {"max_new_tokens": 2},
        {"repetition_penalty": 5.0},
        {"no_repeat_ngram_size": 1},
        {"num_beams": 3},
        {"min_new_tokens": 12},
        {"suppress_tokens": list(range(5, 200))},
        {"bad_words_ids": [[20], [21]]},
        {"do_sample": True, "temperature": 3.0, "top_k": 50},
        {"forced_eos_token_id": 7, "renormalize_logits": True},
        {"num_return_sequences": 2, "num_beams": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("arm", [None, "talan[layer=1]+lora"])
def test_generation_settings_that_come_with_a_model_change_nothing(backbone, tokenizer, arm, changes):
    answers = []
    for given in ({}, changes):
        model = backbone()
        for name, value in given.items():
            setattr(model.generation_config, name, value)
        shipped = model.generation_config
        built = model if arm is None else build(model, parse_arm(arm), seed=0).eval()
        answers.append(answer(built, tokenizer))
        seen = TransformersGenerator(built, tokenizer, 2).own_settings
        assert set(given) <= set(seen.ignored)  # and the result names them
        assert {END, EOS} <= set(seen.end_tokens)
        assert model.generation_config is shipped
    assert answers[0] == answers[1] != ""


def test_an_end_that_comes_with_the_model_is_kept(backbone, tokenizer):
    model = backbone()
    letter = tokenizer.encode("x")[0]
    model.generation_config.eos_token_id = [EOS, letter]
    fixed_answer(model, [*tokenizer.encode("5"), letter, *tokenizer.encode("more of it")])
    assert answer(model, tokenizer).startswith("5")
    assert "more" not in answer(fixed_answer(backbone(), [*tokenizer.encode("5"), END] + [letter] * 12), tokenizer)
