"""What is refused before anything is trained, without loading a backbone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from talan_core.errors import UserError
from talan_eval.experiment import TaskSpec
from talan_eval.generation.prompts import check_prompts_fit
from talan_eval.generation_settings import GenerationSettings
from talan_eval.intake.checked import _check_numbers
from talan_eval.intake.prepare import _check_slices, _check_training
from talan_eval.requests.compare import CompareRequest


def spec(name, n_train=5, max_tokens=10):
    return TaskSpec(
        name=name,
        version="1:abc",
        metric="acc",
        grader="choice",
        n_items=2,
        n_train=n_train,
        items_hash="i",
        train_hash="t",
        runs_code=False,
        generation=GenerationSettings(),
        max_tokens=max_tokens,
        stop=(),
    )


def test_a_benchmark_without_training_data_needs_another_beside_it():
    with pytest.raises(UserError, match="has no training split") as caught:
        _check_training([spec("gpqa_diamond", n_train=0)])
    assert caught.value.fix.endswith("--tasks gpqa_diamond,gsm8k.")
    _check_training([spec("gpqa_diamond", n_train=0), spec("gsm8k")])


@dataclass(frozen=True)
class Asked:
    doc: dict[str, object]


@dataclass(frozen=True)
class Loaded:
    spec: TaskSpec
    items: tuple[Asked, ...]


def with_subjects(*subjects):
    return Loaded(spec("math500"), tuple(Asked({"problem": "?", "subject": subject}) for subject in subjects))


def test_labels_that_cut_too_much_or_nothing_are_refused_before_training():
    _check_slices(("subject",), [with_subjects("a", "a", "b"), Loaded(spec("gsm8k"), (Asked({}),))])
    with pytest.raises(UserError, match="'subject' of math500 has 51 values"):
        _check_slices(("subject",), [with_subjects(*map(str, range(51)))])
    with pytest.raises(UserError, match="No two items have the same subject"):
        _check_slices(("subject",), [with_subjects("a", "b", "c")])
    with pytest.raises(UserError, match="the items have no labels"):
        _check_slices(("subject",), [Loaded(spec("gsm8k"), (Asked({}),))])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("steps", -1),
        ("batch_size", 0),
        ("limit", 0),
        ("workers", -3),
        ("eval_batch", 0),
        ("learning_rate", float("inf")),
        ("learning_rate", -0.1),
        ("gpus_per_run", float("nan")),
        ("retries", -1),
    ],
)
def test_bad_numbers_are_named_as_they_are_typed(option, value):
    with pytest.raises(UserError) as caught:
        _check_numbers(CompareRequest(**{option: value}))
    words = f"--{option.replace('_', '-')}"
    assert words in caught.value.problem
    assert words in caught.value.fix
    _check_numbers(CompareRequest())


class Words:
    chat_template = "each word is a token"

    def __call__(self, text, *, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": text.split()}


def test_prompts_that_leave_no_room_are_counted_and_the_room_is_named():
    prompts = ["a b c", "a b c d e f"]
    check_prompts_fit(spec("gsm8k"), Words(), prompts, 16)
    with pytest.raises(UserError, match=r"1 of the 2 prompts of gsm8k \(up to 6 tokens\)") as caught:
        check_prompts_fit(spec("gsm8k"), Words(), prompts, 15)
    assert "--max-tokens 9" in caught.value.fix
    with pytest.raises(UserError) as caught:
        check_prompts_fit(spec("gsm8k"), Words(), prompts, 6)
    assert "--few-shot" in caught.value.fix
