"""What is shown of a running grid, and how long the rest will take."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from talan_eval.cli.progress import PlainProgress, phase_of, progress_for
from talan_eval.cli.remaining import Forecast, spoken
from talan_eval.execution.events import Event
from talan_eval.execution.workload import Workload
from talan_eval.grid import Evaluation, Run

RUNS = [Run(f"train-{seed}", "lora", "micro", seed, (Evaluation(f"a-{seed}", "a"),)) for seed in (0, 1)]
WORK = Workload(RUNS, finished=1, steps={"micro": 10}, items={"a": 20})


def event(stage, done=0, total=0, *, seed=0, task="", text=""):
    return Event(f"train-{seed}", "lora", seed, stage, done, total, task, text)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_rest_is_told_from_steps_and_answers_seen_so_far(clock):
    forecast = Forecast(WORK, clock)
    assert forecast.text() == ""
    for step in range(1, 11):
        clock.now += 2
        forecast(event("train", step, 10))
    assert forecast.left().untimed == "answers"
    assert forecast.text() == "over 20 s left (answers not timed yet)"
    clock.now += 1
    forecast(event("evaluate", 5, 20, task="a"))
    clock.now += 5
    forecast(event("evaluate", 10, 20, task="a"))
    # one run at a time: 10 answers of this one, then 10 steps and 20 answers of the other
    assert forecast.left().seconds == pytest.approx(10 * 1 + 10 * 2 + 20 * 1)
    assert forecast.left("train-0").seconds == pytest.approx(10 * 1)
    assert forecast.left("train-1").seconds == pytest.approx(10 * 2 + 20 * 1)


def test_one_batch_is_enough_and_its_spread_is_wide(clock):
    """Few items are answered in one batch, which nothing of its kind comes before."""
    few = Workload(RUNS, 0, {"micro": 1}, {"a": 4})
    forecast = Forecast(few, clock)
    forecast(event("start"))
    clock.now += 10
    forecast(event("train", 1, 1))
    clock.now += 8
    forecast(event("evaluate", 4, 4, task="a"))
    first = forecast.left()
    assert first.untimed == ""
    assert first.off > 0.25 * first.seconds
    assert " to " in forecast.text()
    clock.now += 3
    forecast(event("sealed", 1, 1, task="a"))
    # the other run loads and steps in 10 s, answers in 8 s and is graded in 3 s
    assert forecast.left().seconds == pytest.approx(21)
    assert forecast.left("train-0").seconds == 0


def test_the_spread_shrinks_with_batches_that_agree_and_not_with_others(clock):
    spreads = {}
    for name, times in {"alike": [2] * 9, "unlike": [1, 9, 2, 8, 1, 9, 2, 8, 1]}.items():
        forecast = Forecast(Workload(RUNS[:1], 0, {"micro": 99}, {"a": 20}), clock)
        forecast(event("start"))
        for step, seconds in enumerate(times, 1):
            clock.now += seconds
            forecast(event("train", step, 99))
        spreads[name] = forecast.left().off / forecast.left().seconds
    assert spreads["alike"] < 0.15 < spreads["unlike"]


def test_runs_side_by_side_share_the_rest(clock):
    alone, together = Forecast(WORK, clock), Forecast(WORK, clock)
    for step in range(1, 11):
        clock.now += 2
        for forecast in (alone, together):
            forecast(event("train", step, 10))
        together(event("train", step, 10, seed=1))
    for done in (10, 20):
        clock.now += 10
        alone(event("evaluate", done, 20, task="a"))
        together(event("evaluate", done, 20, task="a"))
    assert together.left().seconds < alone.left().seconds


def test_a_checkpoint_that_is_there_is_not_trained_again(clock):
    trained = Workload(RUNS, 0, {"micro": 10}, {"a": 20}, frozenset({"train-0", "train-1"}))
    forecast = Forecast(trained, clock)
    for done in (10, 20):
        clock.now += 10
        forecast(event("evaluate", done, 20, task="a"))
    forecast(event("finished"))
    assert forecast.left().seconds == pytest.approx(20)


def test_phases_are_named():
    events = (
        event("start"), event("train", 3, 10), event("train", 10, 10), event("evaluate", 5, 20, task="a"),
        event("evaluate", 20, 20, task="a"),
    )  # fmt: skip
    assert [phase_of(one) for one in events] == ["loading", "training", "saving", "answering a", "grading a"]
    shown = io.StringIO()
    with progress_for(Console(file=shown, width=120, force_terminal=True, highlight=False), WORK) as progress:
        for one in events:
            progress(one)
            progress._bars.refresh()
    for phase in ("loading", "training", "saving", "answering a", "grading a"):
        assert f"lora seed 0 {phase}" in shown.getvalue()


def test_a_log_is_told_once_how_long_it_will_take():
    shown = io.StringIO()
    with progress_for(Console(file=shown, width=200), WORK) as progress:
        for one in (
            event("start"), event("train", 5, 10), event("train", 10, 10), event("evaluate", 5, 20, task="a"),
            event("evaluate", 10, 20, task="a"),
        ):  # fmt: skip
            progress(one)
    assert shown.getvalue().count(" left in all") == 1
    assert "answering a: " in shown.getvalue()


def test_without_a_terminal_there_is_one_plain_line_for_each_end():
    shown = io.StringIO()
    with progress_for(Console(file=shown, width=200), WORK) as progress:
        assert isinstance(progress, PlainProgress)
        progress(event("start"))
        progress(event("train", 1, 10))
        progress(event("again", task="a", text="MemoryError: [too] large"))
        progress(event("finished"))
        progress(event("failed", seed=1, text="signal 9"))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "3 fine-tunings, 1 of them finished before"
    assert lines[1] == "lora seed 0 on a failed and will be tried again: MemoryError: [too] large"
    assert lines[2].startswith("[2/3] lora seed 0 (0 s")
    assert lines[3] == "lora seed 1 was given up: signal 9"


def test_on_a_terminal_bars_come_and_go():
    shown = io.StringIO()
    with progress_for(Console(file=shown, width=120, force_terminal=True, highlight=False), WORK) as progress:
        for one in (
            event("start"), event("train", 10, 10), event("evaluate", 5, 20, task="a"), event("finished"),
            event("train", 1, 10, seed=1), event("failed", seed=1, text="it broke"),
        ):  # fmt: skip
            progress(one)
    assert "lora seed 1 was given up: it broke" in shown.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (600, "10 min"), (9000, "2.5 h"), (200_000, "2.3 days")]
)
def test_durations_are_in_the_unit_that_fits(seconds, text):
    assert spoken(seconds) == text
