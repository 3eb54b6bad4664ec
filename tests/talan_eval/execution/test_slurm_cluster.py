"""Runs on a real SLURM of one node on this machine, with jobs cancelled in the middle."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talan_core.errors import UserError
from talan_eval.execution import slurm
from talan_eval.execution.attempts import Attempts
from talan_eval.execution.slurm_executor import SlurmExecutor
from talan_eval.grid import Evaluation, Run
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

pytestmark = pytest.mark.slurm

FAKES = Path(__file__).parent / "fakes"
ROOT = Path(__file__).parents[3]

sys.path.insert(0, str(FAKES))
from one_node_slurm import answer, one_node_slurm, wait_for  # noqa: E402 - beside the tests

sys.path.remove(str(FAKES))


def run_of(seed):
    return Run(f"train-{seed}", "lora", "micro", seed, tuple(Evaluation(f"{task}-{seed}", task) for task in ("a", "b")))


def cells_of(seeds):
    return {name for seed in range(seeds) for name in (f"train-{seed}", f"a-{seed}", f"b-{seed}")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    root = tmp_path_factory.mktemp("slurm")
    for directory in (root, *root.parents):
        if directory.owner() == root.owner() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)  # munge wants its socket where everybody may go
    before = {name: os.environ.get(name) for name in ("SLURM_CONF", "PYTHONPATH")}
    with one_node_slurm(root) as configuration:
        os.environ["SLURM_CONF"] = str(configuration)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(FAKES), str(ROOT), before["PYTHONPATH"] or ""])
        yield configuration
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


class Grid:
    """A grid without models, performed on the cluster."""

    def __init__(self, directory, fakes):
        self.store = Store.open(directory, Manifest({}, "now"))
        self.fakes = fakes
        self.events = []

    def perform(self, deeds, *, seeds=4, retries=1, most=None, options=(), on_event=lambda _event: None):
        def report(event):
            self.events.append(event)
            on_event(event)

        executor = SlurmExecutor(most, 1, tuple(options), self.fakes.load_on_node, poll=0.1, patience=3.0)
        attempts = Attempts(self.store, [run_of(seed) for seed in range(seeds)], retries, report)
        executor.perform_all((self.fakes.Plan(self.store.directory, deeds),), attempts, report)
        return set(self.store.finished())

    def tried(self, cell_id):
        return (self.store.directory / "log").read_text().split().count(cell_id)

    def seeds(self, stage):
        return sorted(event.seed for event in self.events if event.stage == stage)


@pytest.fixture
def grid(cluster, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FAKES)
    yield Grid(tmp_path / "out", importlib.import_module("fake_worker"))
    wait_for(lambda: answer(cluster, "squeue", "--noheader") == "", tmp_path)  # no job is left
    assert not (tmp_path / "out" / "slurm").exists(), "no file of a job is left"


def cancel_element(cluster, number):
    (name,) = set(answer(cluster, "squeue", "--noheader", "--array", "--format=%F").split())
    answer(cluster, "scancel", f"{name}_{number}")


def test_all_runs_are_performed_once_and_their_progress_arrives(grid):
    assert grid.perform({}) == cells_of(4)
    assert grid.seeds("finished") == grid.seeds("start") == [0, 1, 2, 3]
    assert all(grid.tried(name) == 1 for name in cells_of(4))


@pytest.mark.parametrize(("most", "at_once"), [(1, 1), (None, 2)])
def test_no_more_runs_are_under_way_than_asked_for(grid, cluster, most, at_once):
    go, seen = grid.store.directory / "go", []

    def look_when_more_could_have_started(event):
        if event.stage == "start" and not go.exists():
            running = ("squeue", "--noheader", "--array", "--states=R", "--format=%i")
            deadline = time.monotonic() + 6
            while len(answer(cluster, *running).split()) < 2 and time.monotonic() < deadline:
                time.sleep(0.2)
            seen.append(len(answer(cluster, *running).split()))
            go.touch()

    deeds = {f"a-{seed}": ["wait"] for seed in range(3)}
    assert grid.perform(deeds, seeds=3, most=most, on_event=look_when_more_could_have_started) == cells_of(3)
    assert seen == [at_once]


def test_what_fails_once_is_tried_again_and_what_fails_too_often_is_given_up(grid):
    assert grid.perform({"a-1": ["break"], "train-2": ["die"] * 9}) == cells_of(4) - {"train-2", "a-2", "b-2"}
    assert grid.tried("a-1") == 2
    assert grid.tried("a-0") == grid.tried("b-1") == 1
    (failure,) = grid.store.failures().values()
    assert (failure.cell_id, failure.kind, failure.attempts) == ("train-2", "killed", 2)
    assert failure.traceback.count("its last words") == 1, "what its job printed last is kept"


def test_a_run_whose_job_is_cancelled_is_started_again(grid, cluster):
    def cancel_the_first(event):
        if event.stage == "start" and len(grid.seeds("start")) == 1:
            cancel_element(cluster, event.seed)
            (grid.store.directory / "go").touch()

    assert grid.perform({"a-0": ["wait"], "a-1": ["wait"]}, seeds=2, on_event=cancel_the_first) == cells_of(2)
    (again,) = (event for event in grid.events if event.stage == "again")
    assert "cancelled" in again.text
    assert grid.store.failures() == {}


def test_a_job_that_is_requeued_as_after_a_lost_node_costs_no_attempt(grid, cluster):
    def requeue(event):
        if event.stage == "start" and len(grid.seeds("start")) == 1:
            (name,) = set(answer(cluster, "squeue", "--noheader", "--format=%F").split())
            (grid.store.directory / "go").touch()
            answer(cluster, "scontrol", "requeue", f"{name}_0")

    assert grid.perform({"a-0": ["wait"]}, seeds=1, retries=0, on_event=requeue) == cells_of(1)
    assert grid.seeds("start") == [0, 0]


def test_an_error_of_the_user_stops_the_grid_and_its_jobs(grid):
    with pytest.raises(UserError, match="the disk is full"):
        grid.perform({"train-0": ["user"], "train-1": ["wait"]}, seeds=3)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--cpus-per-task=64", "PartitionConfig"),
        ("--mem=900G", "Memory specification can not be satisfied"),
        ("--partition=nix", "invalid partition specified: nix"),
        ("--gres=gpu:1", "Invalid generic resource"),
        ("--bogus", "unrecognized option '--bogus'"),
    ],
)
def test_a_request_that_no_node_can_meet_ends_with_what_to_type(grid, option, says):
    with pytest.raises(UserError, match=says) as caught:
        grid.perform({}, options=[option])
    assert option in caught.value.fix
    assert "--sbatch partition=NAME" in caught.value.fix


def test_a_job_over_its_time_is_tried_again_and_then_says_what_to_type(grid):
    deeds = {"a-0": ["wait"] * 3}
    asked = ["--partition=short", "--time=0:01"]
    grid.perform(deeds, seeds=1, retries=0, options=asked)
    (failure,) = grid.store.failures().values()
    assert "--sbatch time=MINUTES" in failure.message


def test_jobs_of_a_process_that_was_killed_are_cancelled_by_the_next(grid):
    code = (
        "import sys, fake_worker; from pathlib import Path; from talan_eval.store.store import Store\n"
        "from talan_eval.execution.attempts import Attempts\n"
        "from talan_eval.execution.slurm_executor import SlurmExecutor\n"
        "from test_slurm_cluster import run_of\n"
        "store = Store.load(Path(sys.argv[1]))\n"
        "plan = fake_worker.Plan(store.directory, {'a-0': ['wait']})\n"
        "runs = Attempts(store, [run_of(0)], 0, print)\n"
        "SlurmExecutor(None, 1, (), fake_worker.load_on_node, poll=0.1).perform_all((plan,), runs, print)\n"
    )
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parent)])}
    killed = subprocess.Popen([sys.executable, "-c", code, str(grid.store.directory)], env=here)
    wait_for(lambda: list(grid.store.directory.glob("pid-*")), grid.store.directory)
    killed.kill()
    killed.wait()
    (orphan,) = (int(path.name.removeprefix("pid-")) for path in grid.store.directory.glob("pid-*"))
    assert Path(f"/proc/{orphan}").exists()
    still = []
    assert grid.perform({}, seeds=1, on_event=lambda _: still.append(Path(f"/proc/{orphan}").exists())) == cells_of(1)
    assert still[0] is False, "cancelled before anything else began"


def test_a_controller_that_does_not_answer_costs_nothing(grid, monkeypatch):
    asked, real = [], slurm.elements

    def sometimes(name):
        asked.append(name)
        return None if len(asked) % 2 else real(name)

    monkeypatch.setattr(slurm, "elements", sometimes)
    assert grid.perform({}, seeds=2) == cells_of(2)
    assert len(asked) > 1
    shutil.rmtree(grid.store.directory / "slurm", ignore_errors=True)  # kept where SLURM did not answer in the end


class TestComparison:
    """A tiny comparison of real adapters through the command line."""

    WORDS = (
        "compare", "--seeds", "2", "--tasks", "gsm8k_micro", "--limit", "8", "--steps", "2", "--batch-size", "2",
        "--max-tokens", "8", "--no-loss",
    )  # fmt: skip

    @staticmethod
    def command(*words):
        return [sys.executable, "-m", "talan_eval", *TestComparison.WORDS, *words]

    @staticmethod
    def samples(directory):
        return {path.name: path.read_bytes() for path in sorted((directory / "samples").rglob("*.parquet"))}

    def test_it_ends_with_the_same_answers_as_on_this_machine_though_a_job_is_cancelled(self, cluster, tmp_path):
        there, here = tmp_path / "there", tmp_path / "here"
        words = self.command("--executor", "slurm", "--sbatch", "time=10", "--out", str(there))
        output = tmp_path / "output.out"
        with output.open("wb") as file:
            process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
        wait_for(lambda: answer(cluster, "squeue", "--noheader", "--states=R") != "", tmp_path, 240)
        time.sleep(2)
        cancelled = answer(cluster, "squeue", "--noheader", "--array", "--states=R", "--format=%i").split()[0]
        answer(cluster, "scancel", cancelled)
        assert process.wait(480) == 0, output.read_text()
        assert "being cancelled" in " ".join(output.read_text().split())
        done = subprocess.run(self.command("--out", str(here)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert self.samples(there) == self.samples(here)
        result = json.loads((there / "result.json").read_text())
        assert len(result["arms"]) == 2

    @pytest.mark.usefixtures("cluster")
    def test_a_request_that_cannot_be_met_is_one_message(self, tmp_path):
        words = self.command("--executor", "slurm", "--sbatch", "mem=900G", "--out", str(tmp_path / "out"))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "--sbatch mem=SIZE" in " ".join(done.stderr.split())
