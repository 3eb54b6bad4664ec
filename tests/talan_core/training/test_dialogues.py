"""Conversations: the loss is on what the assistant says, each time, in the context in which it would be generated."""

from __future__ import annotations

import pytest

from talan_core.errors import UserError
from talan_core.training.data import IGNORED, Dialogue, Example, Turn, encode, labels_of
from talan_core.training.rendering import render_turns
from talan_core.training_settings import TrainingSettings

TURNS = (
    Turn("system", "Add."),
    Turn("user", "1+1="),
    Turn("assistant", "2"),
    Turn("user", "2+2="),
    Turn("assistant", "4!"),
    Turn("user", "Thanks."),
)
# As Qwen3's: the last answer has an (empty) thinking part, earlier answers have none.
THINKING = (
    "{% for message in messages %}<{{ message['role'] }}>"
    "{% if message['role'] == 'assistant' and loop.last %}[no thoughts]{% endif %}"
    "{{ message['content'] }}<end>\n{% endfor %}{% if add_generation_prompt %}<assistant>[no thoughts]{% endif %}"
)
REWRITING = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}Now answer:<assistant>{% endif %}"
)


def learned(tokenizer, example):
    """The text of every stretch with loss."""
    stretches, open_stretch = [], []
    for token, label in [*zip(example.input_ids, labels_of(example).tolist(), strict=True), (0, IGNORED)]:
        if label != IGNORED:
            assert label == token
            open_stretch.append(token)
        elif open_stretch:
            stretches.append(tokenizer.decode(open_stretch))
            open_stretch = []
    return stretches


def test_every_turn_of_the_assistant_is_learned_and_nothing_else(tokenizer):
    (example,) = encode(tokenizer, [Dialogue(TURNS, "chat")], 200).examples
    assert learned(tokenizer, example) == ["2<end>", "4!<end>"]
    whole = render_turns(tokenizer, TURNS[:5], to_be_answered=False)
    assert tokenizer.decode(example.input_ids) + "\n" == whole  # what follows the last answer is left out
    assert list(example.input_ids) == tokenizer(whole, add_special_tokens=False)["input_ids"][:-1]
    assert example.target_tokens == len("2") + len("4!") + 2


def test_a_template_that_rewrites_earlier_turns_gives_a_sequence_for_each(tokenizer):
    tokenizer.chat_template = THINKING
    first, second = encode(tokenizer, [Dialogue(TURNS, "chat")], 200).examples
    assert learned(tokenizer, first) == ["2<end>"]
    assert learned(tokenizer, second) == ["4!<end>"]
    for example, answered in ((first, 2), (second, 4)):
        prefix = render_turns(tokenizer, TURNS[:answered], to_be_answered=True)
        assert tokenizer.decode(example.input_ids[: example.prompt_length]) == prefix


def test_two_turns_are_the_same_as_prompt_and_completion(tokenizer):
    pair = Dialogue((Turn("user", "1+1="), Turn("assistant", "2")), "chat")
    assert encode(tokenizer, [pair], 99).examples == encode(tokenizer, [Example("1+1=", "2", "chat")], 99).examples


def test_a_template_that_asks_otherwise_than_it_answers_is_refused(tokenizer):
    tokenizer.chat_template = REWRITING
    with pytest.raises(UserError, match="different prompt for training than for generation"):
        encode(tokenizer, [Dialogue(TURNS, "chat")], 200)


def test_conversations_need_a_template_and_answers(tokenizer, plain_tokenizer):
    with pytest.raises(UserError, match="no chat template to write it with"):
        encode(plain_tokenizer, [Dialogue(TURNS, "chat")], 200)
    with pytest.raises(UserError, match="no assistant turn"):
        encode(tokenizer, [Dialogue(TURNS[:2], "chat")], 200)


def test_conversations_train(run):
    data = [Dialogue(TURNS, "chat"), Dialogue(TURNS[:3], "chat")]
    settings = TrainingSettings(steps=15, batch_size=2, learning_rate=1e-2, max_length=64)
    _, log = run("talan+lora", settings, data=data)
    assert log.losses[-1] < log.losses[0]
    assert log.target_tokens == 15 * (5 + 2)
