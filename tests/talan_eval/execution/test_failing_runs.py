"""A failing cell is tried again, given up, and never stops the others: real worker processes, without models."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from talan_core.errors import UserError
from talan_eval.execution.attempts import Attempts, failure_of
from talan_eval.execution.local_executor import LocalExecutor
from talan_eval.grid import Evaluation, Run
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

FAKES = Path(__file__).parent / "fakes"


def run_of(seed):
    return Run(f"train-{seed}", "lora", "micro", seed, tuple(Evaluation(f"{task}-{seed}", task) for task in ("a", "b")))


ALL = {name for seed in range(3) for name in (f"train-{seed}", f"a-{seed}", f"b-{seed}")}


@pytest.fixture
def grid(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FAKES)  # spawned processes inherit it
    return Grid(Store.open(tmp_path / "out", Manifest({}, "now")), importlib.import_module("fake_worker"))


class Grid:
    def __init__(self, store, fakes):
        self.store, self.fakes = store, fakes
        self.events = []

    def perform(self, deeds, *, retries=1, workers=2, seeds=3):
        attempts = Attempts(self.store, [run_of(seed) for seed in range(seeds)], retries, self.events.append)
        executor = LocalExecutor(workers, self.fakes.FakeWorker)
        executor.perform_all((self.fakes.Plan(self.store.directory, deeds),), attempts, self.events.append)
        return set(self.store.finished())

    def tried(self, cell_id):
        return (self.store.directory / "log").read_text().split().count(cell_id)


def test_all_runs_are_performed_once(grid):
    assert grid.perform({}) == ALL
    assert all(grid.tried(name) == 1 for name in ALL)
    assert sorted(event.seed for event in grid.events if event.stage == "finished") == [0, 1, 2]


@pytest.mark.parametrize("deed", ["break", "memory", "die"])
def test_what_fails_once_is_tried_again_and_nothing_else_is(grid, deed):
    assert grid.perform({"a-1": [deed]}) == ALL
    assert grid.store.failures() == {}
    assert grid.tried("a-1") == 2
    assert grid.tried("a-0") == grid.tried("b-2") == 1
    assert [event.stage for event in grid.events if event.stage in ("again", "failed")] == ["again"]


@pytest.mark.parametrize(
    ("deed", "kind", "says"),
    [("break", "error", "RuntimeError: it broke"), ("memory", "memory", "too large"), ("die", "killed", "signal 9")],
)
def test_what_fails_too_often_is_given_up_with_its_reason_and_the_others_are_there(grid, deed, kind, says):
    finished = grid.perform({"train-1": [deed] * 9}, retries=2)
    assert finished == {name for name in ALL if not name.endswith("-1")}
    (failure,) = grid.store.failures().values()
    assert (failure.cell_id, failure.kind, failure.attempts) == ("train-1", kind, 3)
    assert says in failure.message
    assert ("Traceback" in failure.traceback) == (deed != "die")


def test_a_failing_benchmark_leaves_the_other_benchmarks_of_its_run(grid):
    finished = grid.perform({"a-0": ["break"] * 9})
    assert finished == ALL - {"a-0"}
    assert set(grid.store.failures()) == {"a-0"}
    assert grid.tried("b-0") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_after_an_evaluation_without_memory_nothing_is_begun_where_it_may_stop(grid, workers):
    attempts = Attempts(grid.store, [run_of(seed) for seed in range(5)], 0, grid.events.append, may_stop=True)
    executor = LocalExecutor(workers, grid.fakes.FakeWorker)
    plan = grid.fakes.Plan(grid.store.directory, {"train-0": ["memory"], "a-1": ["memory"] * 2})
    executor.perform_all((plan,), attempts, grid.events.append)
    assert attempts.starved.name == "lora seed 1 on a"  # a training is no evaluation
    assert (len(attempts), attempts.next()) == (0, None)
    finished = set(grid.store.finished())
    assert {"train-1", "b-1"} <= finished
    assert "train-4" not in finished
    assert len({name for name in finished if name.startswith("train")}) <= 1 + workers
    for name in ("train-2", "train-3"):  # what another worker had begun is finished
        assert (name in finished) == (name.replace("train", "b") in finished)


def test_without_leave_to_stop_all_others_are_performed(grid):
    assert grid.perform({"a-1": ["memory"] * 2}) == ALL - {"a-1"}


def test_torch_on_a_cpu_says_in_words_that_memory_has_run_out():
    error = RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: 8 bytes")
    assert failure_of(run_of(0), "a-0", "a", error).kind == "memory"
    assert failure_of(run_of(0), "a-0", "a", RuntimeError("it broke")).kind == "error"


def test_a_diverged_training_is_not_tried_again(grid):
    assert grid.perform({"train-0": ["diverge"] * 9}, retries=5) == {n for n in ALL if not n.endswith("-0")}
    assert grid.tried("train-0") == 1


def test_a_block_that_does_nothing_costs_its_cell_at_once_and_no_other(grid):
    assert grid.perform({"a-0": ["idle"] * 9}, retries=5) == ALL - {"a-0"}
    assert grid.tried("a-0") == 1
    (failure,) = grid.store.failures().values()
    assert (failure.kind, failure.message) == ("inactive", "the block does nothing train it harder")


def test_failed_cells_are_forgotten_when_they_succeed(grid):
    grid.perform({"a-0": ["break"] * 2})
    assert set(grid.store.failures()) == {"a-0"}
    assert grid.perform({}) == ALL
    assert grid.store.failures() == {}


def test_an_error_of_the_user_stops_the_grid_and_keeps_what_is_finished(grid):
    with pytest.raises(UserError, match="the disk is full"):
        grid.perform({"b-0": ["user"]}, workers=1)
    assert set(grid.store.finished()) == {"train-0", "a-0"}
    assert grid.store.failures() == {}


def test_a_worker_that_cannot_load_answers_for_its_runs(grid):
    assert grid.perform({"load": []}, workers=1, retries=0, seeds=1) == set()
    (failure,) = grid.store.failures().values()
    assert "no such library" in failure.message
