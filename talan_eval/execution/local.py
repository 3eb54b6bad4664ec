"""Runs on this machine, in worker processes that load the backbone's tokenizer and the benchmarks once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from queue import Empty
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.execution.cell import Worker
    from talan_eval.execution.events import Event
    from talan_eval.execution.plan import Assignment
    from talan_eval.grid import Run

_POLL_SECONDS = 0.1


def run_all(assignment: Assignment, runs: Sequence[Run], workers: int, report: Callable[[Event], None]) -> None:
    """Perform runs on ``workers`` processes, in order of submission.

    Args:
        assignment: The experiment, as a worker sees it.
        runs: What is missing.
        workers: Processes at a time.
        report: Told of each step, in this process and thread.

    Raises:
        UserError: A run failed by the user's doing, or a worker was killed; finished cells are kept.
    """
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(runs)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(assignment, events, os.getpid()),
    )
    try:
        _drain(pool, runs, events, report)
    except BrokenProcessPool as error:
        raise UserError(
            "A worker process was killed, most likely for lack of memory. Finished cells are kept.",
            f"Run the same command again with fewer workers: --workers {max(1, workers - 1)}.",
        ) from error
    except BaseException:
        _stop(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        events.close()


def _drain(pool: ProcessPoolExecutor, runs: Sequence[Run], events: Any, report: Callable[[Event], None]) -> None:  # noqa: ANN401 - a multiprocessing queue
    """Submit all runs and pass their events on until the last is done; raise the first error."""
    pending: set[Future[None]] = {pool.submit(_perform, run) for run in runs}
    while pending:
        done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        with contextlib.suppress(Empty):
            while True:
                report(events.get_nowait())
        for future in done:
            future.result()
    with contextlib.suppress(Empty):
        while True:
            report(events.get(timeout=_POLL_SECONDS))


def _stop(pool: ProcessPoolExecutor) -> None:
    """End our own workers at once: what they were doing is not finished and will be done again."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in multiprocessing.active_children():
        process.terminate()


class _Process:
    """A worker process's own state, made when its first run arrives, so that its errors reach the parent."""

    def __init__(self, assignment: Assignment, events: Any) -> None:  # noqa: ANN401 - a multiprocessing queue
        self.assignment = assignment
        self.events = events

    @cached_property
    def worker(self) -> Worker:
        """The loaded tokenizer and benchmarks."""
        import torch  # noqa: PLC0415 - heavy, only in workers

        from talan_eval.execution.cell import Worker  # noqa: PLC0415 - as above

        torch.set_num_threads(self.assignment.threads)
        return Worker(self.assignment)


_here: _Process  # set once in each worker process by its initializer: the pool gives its tasks no other way to it


def _start_worker(assignment: Assignment, events: Any, parent: int) -> None:  # noqa: ANN401 - a multiprocessing queue
    """Prepare a worker process."""
    global _here  # noqa: PLW0603 - see above
    # An interrupt in the terminal reaches the whole process group; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # tqdm would make a lock between processes, which a worker that is stopped leaves behind, with a warning at the end.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _here = _Process(assignment, events)


def _end_with(parent: int) -> None:
    """End this process when its parent was killed, so that no orphan goes on training."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _perform(run: Run) -> None:
    _here.worker.perform(run, _here.events.put)
