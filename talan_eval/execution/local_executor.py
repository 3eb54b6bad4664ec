"""Runs on this machine, in worker processes that load tokenizer, benchmarks and libraries once."""

from __future__ import annotations

import contextlib
import functools
import gc
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from talan_core.errors import UserError
from talan_eval.execution.attempts import killed, perform_safely
from talan_eval.execution.events import Event
from talan_eval.execution.surroundings import without_main_script
from talan_eval.execution.visible import seeing, share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from talan_eval.execution.attempts import Attempts, Performer
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment

Method = Literal["spawn", "fork"]
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 10


def load_worker(assignments: Sequence[Assignment], number: int) -> Performer:
    """Load what a worker process keeps: libraries now, tokenizer and benchmarks of a backbone with its first run.

    Args:
        assignments: The experiment as a worker sees it, one for each backbone.
        number: Number of the process.
    """
    from talan_eval.execution.run_worker import Crew  # noqa: PLC0415 - heavy, only in workers

    del number
    crew = Crew(assignments, assignments[0].device)  # a worker sees no GPU but its own
    gc.collect()
    gc.freeze()  # the libraries stay: without it every later collection walks through all of them
    return crew


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Worker processes, each with its own device where there are several.

    Args:
        workers: Processes at a time.
        load: Loads what a process keeps, given the experiment and the number of the process.
        method: How processes start: "spawn", or "fork" from a process that has loaded the libraries and no CUDA.
        gpus: The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them; none where the runs are on the CPU.
        gpus_each: GPUs of one worker.
    """

    workers: int
    load: Callable[[Sequence[Assignment], int], Performer] = load_worker
    method: Method = "spawn"
    gpus: tuple[str, ...] = ()
    gpus_each: int = 1

    def perform_all(
        self, assignments: Sequence[Assignment], attempts: Attempts, report: Callable[[Event], None]
    ) -> None:
        """Perform runs; see ``talan_eval.execution.executor.Executor``."""
        slots = [
            _Slot(functools.partial(self.load, assignments, number), self.method, self._sees(number))
            for number in range(min(self.workers, len(attempts)))
        ]
        try:
            while True:
                for slot in slots:
                    if slot.run is None and (run := attempts.next()) is not None:
                        slot.start(run)
                busy = [(slot.connection, slot) for slot in slots if slot.run is not None]
                if not busy:
                    break
                ready = wait([connection for connection, _ in busy if connection is not None])
                for connection, slot in busy:
                    if connection in ready:
                        slot.receive(attempts, report)
        except BaseException:  # also an interrupt: what workers are doing is not finished and will be done again
            for slot in slots:
                slot.terminate()
            raise
        for slot in slots:
            slot.close()

    def _sees(self, number: int) -> str | None:
        return share_of(self.gpus, number, self.gpus_each) if self.gpus else None


@dataclass(slots=True)
class _Slot:
    """One place for a worker process; a process that failed is replaced by a fresh one.

    Attributes:
        load: Loads what the process keeps.
        method: How the process is started.
        gpus: The GPUs that it sees, as CUDA_VISIBLE_DEVICES names them; None for those of this process.
        run: What the process is performing.
    """

    load: Callable[[], Performer]
    method: Method
    gpus: str | None = None
    run: Run | None = None
    connection: Connection | None = field(default=None, repr=False)
    process: BaseProcess | None = field(default=None, repr=False)

    def start(self, run: Run) -> None:
        """Hand a run to the process, which is started if there is none."""
        if self.process is None:
            # two calls, because a type checker knows the context of a literal only
            spawning = self.method == "spawn"
            context = multiprocessing.get_context("spawn") if spawning else multiprocessing.get_context("fork")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(self.load, theirs, os.getpid()))
            with seeing(self.gpus), without_main_script():
                self.process.start()
            theirs.close()  # so that the end of the process is the end of the connection
        self.run = run
        with contextlib.suppress(BrokenPipeError):  # it died while idle: the next receive says so
            self._connected().send(run)

    def receive(self, attempts: Attempts, report: Callable[[Event], None]) -> None:
        """Take one message of the process, or notice its end.

        Raises:
            UserError: What the process met would meet every run.
        """
        run = self.run
        if run is None:
            return
        try:
            message = self._connected().recv()
        except (EOFError, ConnectionResetError):
            code = self._wait_for_end()
            self.run = None
            signalled = -code if code < 0 else None
            how = f"exit code {code}" if signalled is None else f"signal {signalled}"
            attempts.ended(run, killed(run, signalled, how))
            return
        if isinstance(message, Event):
            report(message)
        elif isinstance(message, UserError):
            raise message
        else:
            self.run = None
            if message:
                self.close()  # a process that has seen a failure may be short of memory, or worse
            attempts.ended(run, message)

    def close(self) -> None:
        """Let the process end."""
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self._connected().send(None)
            self.process.join(_PATIENCE_SECONDS)
            self.terminate()

    def terminate(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.terminate()
            self.process.join(_PATIENCE_SECONDS)
            self.process.kill()  # one that was stopped takes no other signal; one that has ended takes none
            self._wait_for_end()

    def _connected(self) -> Connection:
        if self.connection is None:
            raise RuntimeError("the slot has no process")
        return self.connection

    def _wait_for_end(self) -> int:
        """Forget the process when it has ended, and return its exit code: a signal is negative."""
        if self.process is None:
            return 0
        self.process.join()
        code = self.process.exitcode or 0
        self._connected().close()
        self.process, self.connection = None, None
        return code


def _serve(load: Callable[[], Performer], connection: Connection, parent: int) -> None:
    """Perform what arrives, until nothing more can."""
    # An interrupt in the terminal reaches the whole process group; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's means to end this process, whatever it does itself
    # tqdm would make a lock between processes, which a worker that is stopped leaves behind, with a warning at the end.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    load_once = functools.cache(load)  # when the first run arrives, so that errors reach the parent as that run's
    with contextlib.suppress(EOFError):
        while (run := connection.recv()) is not None:
            connection.send(perform_safely(load_once, run, connection.send))


def _end_with(parent: int) -> None:
    """End this process when its parent was killed, so that no orphan goes on training."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
