"""A worker without a model: each attempt at a cell does what the plan says. Imported by real worker processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pickled between processes

from talan_core.errors import DivergedError, InactiveError, UserError
from talan_eval.execution.attempts import failure_of
from talan_eval.execution.events import Event
from talan_eval.store.store import Store


@dataclass(frozen=True)
class Plan:
    """Deeds of the attempts at each cell, in order; every further attempt succeeds."""

    directory: Path
    deeds: dict[str, list[str]] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"


def load_on_node(plans: tuple[Plan, ...]) -> FakeWorker:
    """Load what a process of a cluster keeps."""
    return FakeWorker(plans, 0)


class FakeWorker:
    def __init__(self, plans: tuple[Plan, ...], number: int) -> None:
        (plan,) = plans
        self.plan = plan
        self.number = number
        self.store = Store.load(plan.directory)
        seen = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {'torch' in sys.modules}"
        (plan.directory / f"sees-{number}").write_text(seen)
        if "load" in plan.deeds:
            raise ImportError("no such library")

    def perform(self, run, report):
        (self.plan.directory / f"pid-{os.getpid()}").touch()
        report(Event(run.cell_id, run.arm, run.seed, "start", 0, len(run.evaluations)))
        failures = []
        for cell_id, task in [(run.cell_id, ""), *((cell.cell_id, cell.task) for cell in run.evaluations)]:
            try:
                self.do(cell_id)
            except (RuntimeError, MemoryError, UserError) as error:
                failures.append(failure_of(run, cell_id, task, error))
                if not task:
                    break
        return tuple(failures)

    def do(self, cell_id):
        log = self.plan.directory / "log"
        with log.open("a") as file:
            file.write(f"{cell_id}\n")
        tried = log.read_text().split().count(cell_id)
        deeds = self.plan.deeds.get(cell_id, [])
        deed = deeds[tried - 1] if tried <= len(deeds) else "succeed"
        if deed == "wait":
            while not (self.plan.directory / "go").exists():
                time.sleep(0.05)
            deed = "succeed"
        if deed == "die":
            os.write(2, b"its last words\n")
            os.kill(os.getpid(), signal.SIGKILL)
        if deed != "succeed":
            raise {
                "break": RuntimeError("it broke"),
                "memory": MemoryError("too large"),
                "diverge": DivergedError("the loss is nan", "lower it"),
                "idle": InactiveError("the block does nothing", "train it harder"),
                "user": UserError("the disk is full", "empty it"),
            }[deed]
        self.store.seal(cell_id, {"kind": "evaluation"})
