"""A training that does not fit is refused before it starts, with the cheapest change that fits."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from talan_core.errors import UserError
from talan_core.recipes.duration import H100
from talan_core.training.data import Dialogue, Example
from talan_core.training.rendering import Turn
from talan_eval.cli.estimate import footprint_lines
from talan_eval.grid import Evaluation, Run
from talan_eval.intake.hours import Lengths, hours
from talan_eval.intake.prepare import prepare
from talan_eval.intake.room import Room, check_room, estimated, task_of
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


def test_tokens_are_guessed_from_letters():
    items = [SimpleNamespace(prompt="a" * 30), SimpleNamespace(prompt="b" * 6)]
    asked = SimpleNamespace(items=items, spec=SimpleNamespace(name="t", max_tokens=100))
    empty = SimpleNamespace(items=[], spec=SimpleNamespace(name="none", max_tokens=5))
    turns = (Turn("user", "c" * 9), Turn("assistant", "d" * 12))
    found = Lengths.of([asked, empty], [Example("e" * 6, "f" * 3, "s"), Dialogue(turns, "s")])
    assert found.longest == 110
    assert found.asked == {"t": 6, "none": 0}
    assert found.answered == {"t": 100, "none": 5}
    assert found.learned == 5


def test_hours_count_every_training_and_answer_of_the_fitting_recipe(assignment):
    run = Run("c", "lora", "micro", 0, (Evaluation("e", "gsm8k_micro"),))
    lengths = Lengths(longest=100, learned=50, asked={"gsm8k_micro": 40}, answered={"gsm8k_micro": 60})
    one, two = (hours(assignment, [run] * n, lengths, {"gsm8k_micro": 200}) for n in (1, 2))
    assert (one.changes, one.devices) == ("", 1)
    assert two.training == pytest.approx(2 * one.training)
    assert two.answering == pytest.approx(2 * one.answering)
    assert one.training > 0
    fixed = Run("c", "base", "micro", 0, run.evaluations)
    assert hours(assignment, [run, fixed], lengths, {"gsm8k_micro": 200}).training == one.training


def test_the_arm_that_needs_the_most_memory_decides_what_fits(assignment):
    lengths = Lengths(longest=100, learned=50, asked={"gsm8k_micro": 40}, answered={"gsm8k_micro": 60})
    names = ("base", "lora", "full", "talan+lora")
    runs = [Run("c", name, "micro", 0, (Evaluation("e", "gsm8k_micro"),)) for name in names]
    found = hours(assignment, runs, lengths, {"gsm8k_micro": 200})
    assert found.arm == "full"
    assert found.footprint == estimated(assignment, "full", 100)
    assert hours(assignment, runs[:2], lengths, {"gsm8k_micro": 200}).arm == "lora"
    block = hours(assignment, (runs[1], runs[3]), lengths, {"gsm8k_micro": 200})
    assert block.arm == "talan+lora"
    larger = Run("c", "talan[slots=64]+lora", "micro", 0, runs[3].evaluations)
    found = hours(assignment, (runs[1], runs[3], larger), lengths, {"gsm8k_micro": 200})
    assert found.arm == "talan[slots=64]+lora"


def test_what_does_not_fit_is_answered_in_smaller_batches_and_takes_longer(assignment, monkeypatch):
    run = Run("c", "lora", "micro", 0, (Evaluation("e", "gsm8k_micro"),))
    lengths = Lengths(longest=100_000, learned=50, asked={"gsm8k_micro": 40}, answered={"gsm8k_micro": 60})
    roomy = hours(assignment, [run], lengths, {"gsm8k_micro": 200})
    monkeypatch.setattr("talan_core.recipes.duration.H100", dataclasses.replace(H100, memory=10**9))
    tight = hours(assignment, [run], lengths, {"gsm8k_micro": 200})
    assert "--eval-batch " in tight.changes
    assert tight.answering > 2 * roomy.answering


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
