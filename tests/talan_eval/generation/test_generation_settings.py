"""Settings of prompts and answers: checked at once, named in the version, part of the identity."""

from __future__ import annotations

import pytest

from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings, temperature_of
from talan_eval.tasks.benchmark import load_benchmark

CHANGES = [
    {"few_shot": 3},
    {"chat_template": False},
    {"thinking": True},
    {"max_tokens": 7},
    {"temperature": 0.5},
    {"temperature": 0.5, "samples": 2},
    {"temperature": 0.5, "sampling_seed": 1},
    {"temperature": 0.5, "top_p": 0.9},
]


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(UserError) as caught:
        GenerationSettings(few_shot=-1, samples=0, temperature=float("nan"), top_p=0, max_tokens=0, sampling_seed=-1)
    for option in ("few-shot", "samples-per-item", "temperature", "top-p", "max-tokens", "sampling-seed"):
        assert f"--{option}" in str(caught.value)
    with pytest.raises(UserError, match="copies"):
        GenerationSettings(samples=2)
    with pytest.raises(UserError, match="--thinking --no-chat-template"):
        GenerationSettings(thinking=True, chat_template=False)


def test_several_samples_are_drawn_and_one_is_greedy_unless_said_otherwise():
    assert temperature_of(None, 1) == 0
    assert temperature_of(None, 4) == 0.7
    assert temperature_of(0.0, 4) == 0
    assert temperature_of(1.5, 1) == 1.5


def test_every_setting_changes_version_and_hash_and_is_readable():
    usual = load_benchmark("gsm8k_micro", data_dir=None, limit=5).spec
    assert "[" not in usual.version
    specs = [
        load_benchmark("gsm8k_micro", data_dir=None, limit=5, settings=GenerationSettings(**change)).spec
        for change in CHANGES
    ]
    assert len({spec.items_hash for spec in [usual, *specs]}) == len(CHANGES) + 1
    assert specs[0].version.endswith("[few_shot=3]")
    assert specs[5].version.endswith("[k=2,t=0.5]")
    # Only the plain prompt changes what is learned.
    assert [spec.train_hash == usual.train_hash for spec in specs] == [True, False] + [True] * 6


def test_the_default_has_the_version_of_published_results():
    assert load_benchmark("gsm8k_micro", data_dir=None, limit=None).spec.version == "1:701195bf"


def test_few_shot_examples_are_the_same_for_every_item_and_come_from_training():
    few = load_benchmark(
        "gsm8k_micro", data_dir=None, limit=4, settings=GenerationSettings(few_shot=2, chat_template=False)
    )
    prompts = [str(request.args[0]) for request in few.requests(None)]
    shots = "\n\n".join(f"{prompt}\n{worked.lstrip()}" for prompt, worked in few.training[:2])
    assert all(prompt == f"{shots}\n\n{item.prompt}" for prompt, item in zip(prompts, few.items, strict=True))


def test_plain_training_continues_the_prompt_as_examples_do():
    plain = load_benchmark("gsm8k_micro", data_dir=None, limit=1, settings=GenerationSettings(chat_template=False))
    usual = load_benchmark("gsm8k_micro", data_dir=None, limit=1)
    assert plain.training[0][1] == "\n" + usual.training[0][1]
