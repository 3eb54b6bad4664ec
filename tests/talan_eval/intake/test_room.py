"""A training that does not fit is refused before it starts, with the cheapest change that fits."""

from __future__ import annotations

import dataclasses

import pytest

from talan_core.errors import UserError
from talan_eval.cli.estimate import footprint_lines
from talan_eval.intake.prepare import prepare
from talan_eval.intake.room import Room, check_room, estimated, task_of, tokens_of
from talan_eval.requests.compare import CompareRequest


@pytest.fixture
def assignment(tmp_path):
    asked = CompareRequest(tasks="gsm8k_micro", limit=2, device="cpu", out=tmp_path / "o")
    return prepare(asked).assignments[0]


def test_what_fits_is_not_refused(assignment):
    check_room([assignment], ["lora", "talan+lora", "full", "base"], Room(10**11, "each has"), 200)
    check_room([assignment], ["lora"], Room(None, ""), 200)


def test_what_does_not_fit_is_refused_with_the_cheapest_change(assignment):
    small = dataclasses.replace(assignment, eval_batch=1)
    needed = estimated(small, "talan+lora", 64).training
    with pytest.raises(UserError, match=r"talan\+lora on micro does not fit: each has 0\.\d GB") as caught:
        check_room([small], ["talan+lora"], Room(int(needed / 0.9) - 1000, "each has"), 64)
    assert caught.value.fix == "The cheapest change that fits: --recipe logits=targets"
    with pytest.raises(UserError, match=r"It needs .* times this memory"):
        check_room([small], ["talan+lora"], Room(10**6, "each has"), 64)


def test_a_cache_that_does_not_fit_costs_prompts_and_no_recipe(assignment):
    found = estimated(assignment, "lora", 20_000)
    assert found.answering > found.training
    with pytest.raises(UserError) as caught:
        check_room([assignment], ["lora"], Room(int(found.training / 0.9) + 10**6, "each has"), 20_000)
    assert "--eval-batch " in caught.value.fix
    assert "--recipe" not in caught.value.fix


def test_a_dry_run_says_it_by_part(assignment):
    (line,) = footprint_lines({"micro": estimated(assignment, "talan+lora", 200)}, "talan+lora")
    for part in ("weights", "adapter", "optimizer", "activations", "logits", "cache"):
        assert part in line


def test_tokens_are_guessed_from_the_longest_prompt():
    assert tokens_of(["a" * 30, "b"], 100) == 110
    assert tokens_of([], 5) == 5


def test_an_arm_of_several_stages_is_measured_with_as_many_adapters_as_there_are_domains(tmp_path):
    words = {"base": "lora", "treat": ("fusion",), "seeds": "2", "steps": 16, "device": "cpu", "out": tmp_path / "out"}
    prepared = prepare(CompareRequest(tasks="gsm8k_micro,math500_micro,mbpp_micro", **words))
    assert task_of(prepared.assignments[0], "fusion", 100).arm.partner.domains == 3
    more, fewer = (
        estimated(prepare(CompareRequest(tasks=tasks, **words)).assignments[0], "fusion", 100).adapter
        for tasks in ("gsm8k_micro,math500_micro,mbpp_micro", "gsm8k_micro,math500_micro")
    )
    assert more > fewer > 0


def test_an_arm_of_several_stages_is_refused_before_anything_is_trained(tmp_path):
    words = {"base": "lora", "treat": ("fusion",), "seeds": "2", "device": "cpu", "out": tmp_path / "out"}
    with pytest.raises(UserError, match=r"one source \(gsm8k_micro\)"):
        prepare(CompareRequest(tasks="gsm8k_micro", **words))
    with pytest.raises(UserError, match="5 optimizer steps are too few for 2 domains"):
        prepare(CompareRequest(tasks="gsm8k_micro,math500_micro", steps=5, **words))
    assert not (tmp_path / "out").exists()
