"""How many prompts are answered at a time follows a GPU's memory, once, and is part of what is computed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talan_core.recipes.fitting import prompts_that_fit
from talan_eval.intake import prepare as intake
from talan_eval.intake.prepare import prepare
from talan_eval.intake.room import Room, task_of
from talan_eval.requests.compare import CompareRequest


@pytest.fixture
def asked(tmp_path):
    return CompareRequest(tasks="gsm8k_micro", limit=2, device="cpu", recipe=("logits=targets",), out=tmp_path / "o")


@pytest.fixture
def on_a_gpu(monkeypatch):
    """What is prepared as on a machine whose GPU has so many bytes."""

    def at(limit, request, device="cuda"):
        monkeypatch.setattr(intake, "_device", lambda _: device)
        monkeypatch.setattr(intake, "check_room", lambda *_: None)
        monkeypatch.setattr(Room, "here", classmethod(lambda cls, *_: cls(limit, "the GPU has")))
        return prepare(request)

    return at


@pytest.fixture
def needed(asked):
    """Bytes with which a task of 64 prompts fits just so."""
    one = prepare(asked)
    return task_of(one.assignments[0], "talan+lora", one.lengths.longest).footprint(one.assignments[0].training)


def batch_of(prepared):
    (one,), (assignment,) = prepared.experiment.backbones, prepared.assignments
    assert assignment.eval_batch == one.eval_batch
    return one.eval_batch


def test_a_batch_is_the_largest_power_of_two_that_fits(on_a_gpu, asked, needed):
    rest, each = needed.weights + needed.adapter, needed.cache / 64
    for prompts, due in ((70, 64), (64, 64), (63, 32), (33, 32), (31, 16), (2.5, 2), (1, 1), (0.5, 1)):
        limit = int((rest + prompts * each) / 0.9) + 2000
        assert batch_of(on_a_gpu(limit, asked)) == due, prompts


def test_it_is_never_larger_than_the_backbones(on_a_gpu, asked):
    assert batch_of(on_a_gpu(10**12, asked)) == 64


def test_it_is_part_of_what_is_computed(on_a_gpu, asked, needed):
    small, large = (on_a_gpu(limit, asked).experiment for limit in (needed.answering // 2, 10**12))
    assert small.backbones[0].eval_batch < large.backbones[0].eval_batch
    assert small.default_name != large.default_name


def test_what_is_typed_stays(on_a_gpu, asked, needed):
    assert batch_of(on_a_gpu(needed.answering // 2, replace(asked, eval_batch=64))) == 64


def test_main_memory_decides_nothing(on_a_gpu, asked, needed):
    assert batch_of(on_a_gpu(needed.answering // 2, asked, device="cpu")) == 64


def test_a_machine_that_does_not_say_what_it_has_decides_nothing(on_a_gpu, asked):
    assert batch_of(on_a_gpu(None, asked)) == 64


def test_all_arms_are_asked_in_the_batch_of_the_largest(on_a_gpu, asked, needed):
    """The block's memory costs a cache of its own, so it needs more than plain LoRA; and base alone still has one."""
    limit = int(needed.answering / 0.9) - 2000
    assert batch_of(on_a_gpu(limit, replace(asked, treat=("dora",)))) == 64
    assert batch_of(on_a_gpu(limit, asked)) == 32


def test_a_task_that_answers_nothing_has_no_batch(asked):
    assignment = prepare(asked).assignments[0]
    task = replace(task_of(assignment, "lora", 64), answers=None)
    with pytest.raises(ValueError, match="answers nothing"):
        prompts_that_fit(task, assignment.training, 10**9)
