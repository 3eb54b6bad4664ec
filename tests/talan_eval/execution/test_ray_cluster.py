"""Runs on a real Ray cluster of several processes on this machine, with a node killed in the middle; without models."""

from __future__ import annotations

import dataclasses
import importlib
import os
import time
from pathlib import Path

import psutil
import pytest

from talan_core.errors import UserError
from talan_eval.execution import ray_cluster
from talan_eval.execution.attempts import Attempts
from talan_eval.execution.ray_cluster import NodeShare, RayExecutor, loaded, packed_of, room_for
from talan_eval.grid import Evaluation, Run
from talan_eval.intake.ray_connection import has_gpus
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

FAKES = Path(__file__).parent / "fakes"
ROOT = Path(__file__).parents[3]

try:
    import ray
    from ray.cluster_utils import Cluster
except ModuleNotFoundError:
    ray = None

needs_ray = [
    pytest.mark.slow,
    pytest.mark.skipif(ray is None, reason="the extra ray is not installed"),
    pytest.mark.filterwarnings("default"),  # Ray's own
]


def run_of(seed):
    return Run(f"train-{seed}", "lora", "micro", seed, tuple(Evaluation(f"{task}-{seed}", task) for task in ("a", "b")))


def cells_of(seeds):
    return {name for seed in range(seeds) for name in (f"train-{seed}", f"a-{seed}", f"b-{seed}")}


@pytest.fixture(scope="module")
def cluster():
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FAKES), str(ROOT), before or ""])
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    started.add_node(num_cpus=2)
    RayExecutor.connect(started.address, None, 1.0)  # now, while all nodes are those that stay
    yield started
    ray.shutdown()
    started.shutdown()
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def grid(cluster, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FAKES)
    fakes = importlib.import_module("fake_worker")
    store = Store.open(tmp_path / "out", Manifest({}, "now"))

    def perform(deeds, *, seeds=4, retries=1, gpus=None, on_event=lambda _event: None, **more):
        connected = RayExecutor.connect(cluster.address, None, 1.0 if gpus is None else gpus)
        executor = dataclasses.replace(connected, load=fakes.load_on_node, **more)
        attempts = Attempts(store, [run_of(seed) for seed in range(seeds)], retries, on_event)
        plan = (fakes.Plan(store.directory, deeds, device="cpu" if gpus is None else "cuda"),)
        executor.perform_all(plan, attempts, on_event)
        return set(store.finished())

    perform.store = store
    return perform


def tried(grid, cell_id):
    return (grid.store.directory / "log").read_text().split().count(cell_id)


def wait_until_two_have_ended(directory):
    """Wait for the processes of the lost node: until then they could finish what they are doing."""
    processes = [int(path.name.removeprefix("pid-")) for path in directory.glob("pid-*")]
    assert len(processes) == 4
    deadline = time.monotonic() + 120
    while sum(psutil.pid_exists(process) for process in processes) > 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestCluster:
    pytestmark = needs_ray

    def test_all_runs_are_performed_once_and_their_progress_arrives(self, grid):
        events = []
        assert grid({}, on_event=events.append) == cells_of(4)
        assert sorted(event.seed for event in events if event.stage == "finished") == [0, 1, 2, 3]
        assert tried(grid, "train-0") == 1

    def test_a_killed_process_is_tried_again_and_then_given_up(self, grid):
        assert grid({"a-1": ["die"], "train-2": ["die"] * 9}) == cells_of(4) - {"train-2", "a-2", "b-2"}
        (failure,) = grid.store.failures().values()
        assert (failure.cell_id, failure.kind) == ("train-2", "killed")

    def test_an_error_of_the_user_stops_the_grid(self, grid):
        with pytest.raises(UserError, match="the disk is full"):
            grid({"b-0": ["user"]}, seeds=1)

    def test_a_run_that_no_node_has_room_for_ends_with_a_message(self, grid):
        began = time.monotonic()
        with pytest.raises(UserError, match=r"a CPU and 3 GPUs. Its nodes have: .*2 CPUs and 0 GPUs"):
            grid({}, gpus=3.0, patience=1.0)
        assert time.monotonic() - began < 30

    def test_when_the_last_node_with_room_is_gone_it_ends_with_a_message(self, grid, monkeypatch):
        looks = []

        def look(nodes, asked, patience):
            looks.append(patience)
            return room_for(nodes if len(looks) < 3 else list, asked, 0.0)

        monkeypatch.setattr(ray_cluster, "room_for", look)
        monkeypatch.setattr(ray_cluster, "_LOOK_SECONDS", 0.5)
        with pytest.raises(UserError, match="Its nodes have: none"):
            grid({"a-0": ["wait"]}, seeds=1)
        assert looks == [60.0] * 3

    def test_whether_a_cluster_has_gpus_is_asked_of_its_nodes(self, cluster):
        assert not has_gpus(cluster.address)
        node = cluster.add_node(num_cpus=1, num_gpus=1)
        cluster.wait_for_nodes()
        try:
            assert has_gpus(cluster.address)
        finally:
            cluster.remove_node(node)

    def test_a_lost_node_costs_no_attempt(self, grid, cluster):
        doomed = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        started = []

        def kill_the_node_when_both_are_busy(event):
            if event.stage == "start":
                started.append(event.run)
            if len(started) == 4 and not (grid.store.directory / "go").exists():
                cluster.remove_node(doomed, allow_graceful=False)
                wait_until_two_have_ended(grid.store.directory)
                (grid.store.directory / "go").touch()

        deeds = {f"a-{seed}": ["wait"] for seed in range(4)}
        assert grid(deeds, retries=0, on_event=kill_the_node_when_both_are_busy) == cells_of(4)
        assert grid.store.failures() == {}
        assert len(started) == 6, "the two runs of the lost node were started again"


@pytest.mark.parametrize(("gpus", "at_once"), [(0.5, 2), (1.0, 1)])
class TestGpus:
    pytestmark = needs_ray

    def test_as_many_runs_share_a_gpu_as_were_asked_for(self, cluster, grid, gpus, at_once):
        node = cluster.add_node(num_cpus=4, num_gpus=1)  # Ray counts what it is told; no GPU is touched
        started, taken = [], []

        def look_when_it_is_full(event):
            if event.stage == "start":
                started.append(event.run)
            if len(started) == at_once and not taken:
                taken.append(free_gpus_once_counted())
                taken.append(len(list(grid.store.directory.glob("pid-*"))))
                (grid.store.directory / "go").touch()

        deeds = {f"a-{seed}": ["wait"] for seed in range(4)}
        try:
            assert grid(deeds, gpus=gpus, on_event=look_when_it_is_full) == cells_of(4)
        finally:
            cluster.remove_node(node)
        assert len(started) == 4
        assert taken == [0.0, at_once], "those at work take all of it, and no more of them are"


def free_gpus_once_counted():
    """Return what is left of the GPU when Ray has counted the runs that it has started: it does so with some delay."""
    seen = []
    while len(seen) < 40 or len(set(seen[-20:])) > 1:
        assert len(seen) < 600
        seen.append(ray.available_resources().get("GPU", 0.0))
        time.sleep(0.1)
    return seen[-1]


def node(cpus, gpus=None, *, alive=True):
    return {"Alive": alive, "Resources": {"CPU": float(cpus)} | ({} if gpus is None else {"GPU": float(gpus)})}


@pytest.mark.parametrize(
    ("asked", "nodes", "cpus"),
    [
        (NodeShare(0, 64), [(8, 0), (2, 0)], 8),
        (NodeShare(1, 64), [(8, 0), (2, 1)], 2),
        (NodeShare(0.5, 1), [(8, 0), (2, 1)], 1),
        (NodeShare(1, None), [(32, 4), (64, 0)], 8),
        (NodeShare(1, None), [(32, 4), (16, 4)], 4),
        (NodeShare(2, None), [(32, 4)], 16),
        (NodeShare(0.5, None), [(3, 4)], 1),
        (NodeShare(0, None), [(8, 0), (2, 0)], 8),
        (NodeShare(0, None, most=4), [(8, 0), (8, 0)], 4),
        (NodeShare(0, None, most=1), [(8, 0), (8, 0)], 8),
        (NodeShare(0, None, most=99), [(8, 0)], 1),
    ],
)
def test_a_run_has_its_share_of_a_node(asked, nodes, cpus):
    assert room_for(lambda: [node(*one) for one in nodes], asked, 0.0) == cpus


def test_a_node_that_joins_is_waited_for():
    answers = iter([[], [node(0)], [node(4, 2, alive=False)], [node(4, 2)]])
    assert room_for(lambda: next(answers), NodeShare(2, 4), 60.0) == 4


@pytest.mark.parametrize(
    ("nodes", "gpus", "said"),
    [([], 0, "none"), ([node(0)], 0, "0 CPUs and 0 GPUs"), ([node(8, 1)], 2, "8 CPUs and 1 GPUs")],
)
def test_without_room_it_says_what_the_nodes_have(nodes, gpus, said):
    with pytest.raises(UserError, match=f"Its nodes have: {said}") as caught:
        room_for(lambda: nodes, NodeShare(gpus, 2), 0.0)
    assert "--num-gpus" in caught.value.fix


def test_what_a_process_loads_once_may_hold_tables_which_have_no_hash(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FAKES)
    fakes = importlib.import_module("fake_worker")
    store = Store.open(tmp_path / "out", Manifest({}, "now"))
    plans = [(fakes.Plan(store.directory, {"a-0": [deed]}),) for deed in ("wait", "break")]
    first, other = (packed_of(fakes.load_on_node, one) for one in plans)
    with pytest.raises(TypeError, match="unhashable"):
        hash(plans[0])
    assert loaded(first) is loaded(first)
    assert loaded(other).plan == plans[1][0]


@pytest.mark.skipif(ray is not None, reason="says what to type where Ray is missing, and it is there")
def test_without_ray_it_says_what_to_install():
    with pytest.raises(UserError, match=r"talan-eval\[ray\]"):
        RayExecutor.connect(None, None, 1.0)
