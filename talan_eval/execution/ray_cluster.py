"""Runs on a Ray cluster: tasks that take CPUs or a share of a GPU, on nodes that see the results directory.

A task is one run; Ray keeps its process for the next one, with libraries, tokenizer and benchmarks loaded. A run whose
node was lost is given back and does not count as an attempt; a run whose process was killed counts as one. Workers
write through the same store as on one machine, so the results directory must be on a file system that all nodes share,
under the same path, and the backbone and data must be there or reachable as well.

Not covered: a node that is cut off from the cluster and goes on computing. It may write a cell that another node
computes again; both write the same content under one name, the later one stays. States of a training that both write
under one name can be mixtures, which their hashes give away: the state before is used then.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_eval.execution.attempts import killed, perform_safely
from talan_eval.intake.ray_connection import connect, ray_module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from talan_eval.execution.attempts import Attempts, Performer
    from talan_eval.execution.events import Event
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment
    from talan_eval.store.failures import Failure

_POLL_SECONDS: Final = 0.5
_NOTICE_SECONDS: Final = 10
_LOOK_SECONDS: Final = 30
_MOST_LOSSES: Final = 20
"""Nodes that one run may lose before it counts as killed: a run that takes its node down with it must end."""


def load_worker(assignments: tuple[Assignment, ...]) -> Performer:
    """Load what a Ray process keeps; Ray has hidden all devices but its own from it."""
    from talan_eval.execution.run_worker import Crew  # noqa: PLC0415 - heavy, only in workers

    return Crew(assignments, assignments[0].device)


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """A connection to a cluster; see ``talan_eval.execution.executor.Executor``.

    Args:
        most: Runs at a time; None for as many as the cluster has room for.
        gpus_per_run: GPUs of one run, where the experiment's device is CUDA.
        load: Loads what a process keeps, given the experiment.
        patience: Seconds to wait for a node that has room for a run; one may be starting.
    """

    most: int | None
    gpus_per_run: float
    load: Callable[[tuple[Assignment, ...]], Performer] = load_worker
    patience: float = 60.0

    @classmethod
    def connect(cls, address: str | None, most: int | None, gpus_per_run: float) -> RayExecutor:
        """Connect to a cluster, or start one on this machine.

        Args:
            address: As ``ray.init`` takes it, such as "auto"; None starts one.
            most: Runs at a time; None for as many as there is room for.
            gpus_per_run: GPUs of one run.

        Raises:
            UserError: Ray is not installed, or there is no cluster at the address.
        """
        connect(address)
        return cls(most, gpus_per_run)

    def perform_all(
        self, assignments: Sequence[Assignment], attempts: Attempts, report: Callable[[Event], None]
    ) -> None:
        """Perform runs; see ``talan_eval.execution.executor.Executor``."""
        ray = ray_module()
        gpus = self.gpus_per_run if assignments[0].device == "cuda" else 0
        typed = [one.threads for one in assignments if one.threads is not None]
        asked = NodeShare(gpus, max(typed) if len(typed) == len(assignments) else None, self.most)
        cpus = room_for(ray.nodes, asked, self.patience)
        everywhere = tuple(
            replace(one, directory=one.directory.absolute(), threads=min(one.threads or cpus, cpus))
            for one in assignments
        )
        box = ray.remote(num_cpus=0)(_EventBox).options(scheduling_strategy=_here(ray)).remote()
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_perform)
        packed = packed_of(self.load, everywhere)
        underway: dict[Any, Run] = {}
        losses: dict[str, int] = {}
        looked = time.monotonic()
        try:
            while True:
                if time.monotonic() - looked > _LOOK_SECONDS:  # nodes that went may have been the last with room
                    room_for(ray.nodes, replace(asked, cpus=cpus), self.patience)
                    looked = time.monotonic()
                while (self.most is None or len(underway) < self.most) and (run := attempts.next()) is not None:
                    underway[task.remote(packed, run, box)] = run
                if not underway:
                    break
                done, _ = ray.wait(list(underway), timeout=_POLL_SECONDS)
                events, nodes = ray.get(box.take.remote())
                for event in events:
                    report(event)
                for reference in done:
                    run = underway.pop(reference)
                    self._close(reference, run, nodes.get(run.cell_id), attempts, losses)
        except BaseException:  # also an interrupt: what tasks are doing is not finished and will be done again
            for reference in underway:
                ray.cancel(reference, force=True)
            raise

    @staticmethod
    def _close(reference: object, run: Run, node: str | None, attempts: Attempts, losses: dict[str, int]) -> None:
        """Say how a task ended. A process dies with its node, and Ray may know the first before the second."""
        ray = ray_module()
        errors = ray.exceptions
        gone = (errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError, errors.ObjectLostError)
        try:
            outcome: tuple[Failure, ...] | UserError = ray.get(reference)
        except errors.OutOfMemoryError:
            attempts.ended(run, killed(run, None, "Ray's memory monitor, because its node ran out of memory"))
        except gone as error:
            died = isinstance(error, errors.WorkerCrashedError) and not _is_lost(ray, node)
            losses[run.cell_id] = losses.get(run.cell_id, 0) + (not died)
            if died:
                attempts.ended(run, killed(run, None, "the death of its process, most likely for lack of memory"))
            elif losses[run.cell_id] > _MOST_LOSSES:
                attempts.ended(run, killed(run, None, f"the loss of {_MOST_LOSSES + 1} nodes, one after the other"))
            else:
                attempts.give_back(run)
        else:
            if isinstance(outcome, UserError):
                raise outcome
            attempts.ended(run, outcome)


class _EventBox:
    """Collects the events of all nodes until they are fetched, and where each run is; an actor."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._nodes: dict[str, str] = {}

    def place(self, run: str, node: str) -> None:
        """Remember on which node a run is performed."""
        self._nodes[run] = node

    def put(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)

    def take(self) -> tuple[list[Event], dict[str, str]]:
        """Return the events since the last time, and the node of each run."""
        events, self._events = self._events, []
        return events, self._nodes


def _perform(
    packed: bytes,
    run: Run,
    box: Any,  # noqa: ANN401 - an actor's handle
) -> tuple[Failure, ...] | UserError:
    """Perform one run; a Ray task."""
    ray = ray_module()
    ray.get(box.place.remote(run.cell_id, ray.get_runtime_context().get_node_id()))

    def report(event: Event) -> None:
        with contextlib.suppress(ray.exceptions.RayActorError):  # progress may get lost, results may not
            box.put.remote(event)

    return perform_safely(functools.partial(loaded, packed), run, report)


@dataclass(frozen=True, slots=True)
class NodeShare:
    """What a run is to have of a node.

    Attributes:
        gpus: GPUs.
        cpus: CPUs; None for what a node has for each run.
        most: Runs at a time; None for as many as there is room for.
    """

    gpus: float
    cpus: int | None
    most: int | None = None

    def of(self, nodes: Sequence[Mapping[str, Any]]) -> int | None:
        """Return the CPUs of a run, at most all of the largest node with the GPUs; None where no node has room.

        None typed, runs on GPUs share a node's CPUs as they share its GPUs, so that none of these stands idle for want
        of CPUs; runs on CPUs have a node each, or less where there are to be more of them than nodes.
        """
        fitting = [one for one in nodes if one.get("GPU", 0) >= self.gpus and one.get("CPU", 0) >= 1]
        if not fitting:
            return None
        largest = max(int(one["CPU"]) for one in fitting)
        if self.cpus is not None:
            return min(self.cpus, largest)
        if self.gpus:
            return max(1, min(int(one["CPU"] * self.gpus / one["GPU"]) for one in fitting))
        together = int(sum(one["CPU"] for one in fitting))
        return largest if self.most is None else max(1, min(largest, together // self.most))


def room_for(nodes: Callable[[], Sequence[Mapping[str, Any]]], asked: NodeShare, patience: float) -> int:
    """Find out that some node has room for a run; Ray itself would wait for one forever, without a word.

    Args:
        nodes: Asks the cluster for its nodes, as `ray.nodes` does.
        asked: What a run is to have.
        patience: Seconds to wait for a node.

    Returns:
        The CPUs that a run takes.

    Raises:
        UserError: No node has so many GPUs, or any CPU.
    """
    deadline = time.monotonic() + patience
    while True:
        found = [one.get("Resources", {}) for one in nodes() if one["Alive"]]
        if (cpus := asked.of(found)) is not None:
            return cpus
        if time.monotonic() >= deadline:
            break
        time.sleep(min(_POLL_SECONDS, patience))
    have = "; ".join(f"{one.get('CPU', 0):g} CPUs and {one.get('GPU', 0):g} GPUs" for one in found) or "none"
    raise UserError(
        f"No node of the Ray cluster has room for a run, which takes a CPU and {asked.gpus:g} GPUs. Its nodes have: "
        f"{have}.",
        "Type another --gpus-per-run, --device cpu, or start a node: ray start --address HEAD --num-gpus N",
    )


def packed_of(load: Callable[[tuple[Assignment, ...]], Performer], assignments: tuple[Assignment, ...]) -> bytes:
    """Return what a process has to load, as one value: bytes can be compared, an experiment with its tables cannot."""
    return pickle.dumps((load, assignments))


@functools.lru_cache(maxsize=1)
def loaded(packed: bytes) -> Performer:
    """Return what a process keeps, loaded with its first run."""
    load, assignments = pickle.loads(packed)  # noqa: S301 - made by the process that this task belongs to
    performer: Performer = load(assignments)
    return performer


def _is_lost(ray: Any, node: str | None) -> bool:  # noqa: ANN401 - Ray's module
    """Return whether a node is gone, or goes within the time that the cluster needs to notice."""
    deadline = time.monotonic() + _NOTICE_SECONDS
    while node is not None and time.monotonic() < deadline:
        if node not in {one["NodeID"] for one in ray.nodes() if one["Alive"]}:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _here(ray: Any) -> Any:  # noqa: ANN401 - Ray's types
    """Return the strategy that puts the event box on the node of this process, and on no other that may be lost.

    A soft affinity is not enough: under load Ray has put the box on another node.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - an extra

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
