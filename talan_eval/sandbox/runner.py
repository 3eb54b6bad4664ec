"""Runs programs with their tests, each behind a boundary, and says what happened to each.

A worker per core is started by executing a new interpreter with an empty environment, puts a boundary around itself,
shows that it holds, and forks a process for each program. Verdicts are made from values, in a process that runs no
program, so a program cannot declare itself right. docs/sandbox.md has the threat model.

Not covered: flaws of the kernel that can be reached through the calls that remain allowed, timing channels, programs
that know the expected values (benchmarks print them in the prompt). Tests of other shapes than ``assert CALL == VALUE``
are judged by their truth, which a program could forge; see ``plan``. Tier "none" has no boundary: a program can do what
the user can. Linux only.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import marshal
import os
import selectors
import sys
from typing import TYPE_CHECKING, Self

from talan_eval.sandbox.home import Home
from talan_eval.sandbox.inside.frames import read_report
from talan_eval.sandbox.job import Job, Limits, ProgramOutcome
from talan_eval.sandbox.judge import MOST_DEATHS, SandboxError, not_judged
from talan_eval.sandbox.judge_process import Case, JudgeProcess
from talan_eval.sandbox.machine_limits import within_machine
from talan_eval.sandbox.plan import ComputedValue, ExpectedTooLargeError, Literal, compiled, parse_test
from talan_eval.sandbox.tiers import Tier, find_tier, setup
from talan_eval.sandbox.worker import Worker, WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import CodeType, TracebackType

    from talan_eval.sandbox.inside.boundary import Layer, Setup
    from talan_eval.sandbox.judge import Ending

_SPARE: int = 1
"""Workers beyond the number of cores: one runs while the caller reads the end of another's program."""
_MOST_WAITING = 16
"""Programs that wait to be judged for each worker, before no more are started."""
_OF_SIZE = frozenset({"MemoryError", "RecursionError", "OverflowError", "value"})
"""What an expected side raises that is too large; the last one is said of values that are too deep to leave."""
_NOTHING = marshal.dumps({"source": "", "setup": "", "calls": []})
"""A job whose process has nothing to do but to complete its boundary."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Prepared:
    """A job as the worker and the judge take it.

    Args:
        number: Which of the caller's jobs it is.
        job: What the worker is given.
        expected: The expected value of each test, as JSON of a list.
        n_tests: How many there are.
        deaths_before: Processes of ours that died before they came to it, or that did not say that they had.
        deaths_over: Processes of ours that died over it.
    """

    number: int
    job: bytes
    expected: bytes
    n_tests: int
    deaths_before: int = 0
    deaths_over: int = 0


@dataclasses.dataclass(slots=True)
class _Batch:
    """Where the jobs of one call are.

    Args:
        waiting: Those that were not looked at yet, numbered.
        again: Those whose process or worker died.
        running: Those that run.
        done: Outcomes that wait for an earlier one.
    """

    waiting: Iterator[tuple[int, Job]]
    again: collections.deque[_Prepared] = dataclasses.field(default_factory=collections.deque)
    running: dict[Worker, _Prepared] = dataclasses.field(default_factory=dict)
    done: dict[int, ProgramOutcome] = dataclasses.field(default_factory=dict)


def run_programs(
    jobs: Iterable[Job], limits: Limits | None = None, workers: int | None = None, tier: Tier | None = None
) -> list[ProgramOutcome]:
    """Run programs and return what happened to each, in the order of the jobs.

    Args:
        jobs: Programs with their tests.
        limits: What each may use; the defaults when None.
        workers: How many run at a time; chosen from the number of cores when None.
        tier: The boundary; the highest that holds on this machine when None.

    Raises:
        ValueError: A test is not one ``assert`` statement, or its expected side raises; ``workers`` is not positive.
        SandboxError: No boundary holds here, or the workers fail for a reason of their own.
    """
    with Runner(limits or Limits(), workers, tier) as runner:
        return list(runner.run(jobs))


class Runner:
    """Warm workers for many batches of programs; a context manager.

    Args:
        limits: What each program may use, as far as this machine allows it.
        workers: How many programs run at a time; chosen from the number of cores when None.
        tier: The boundary; the highest that holds on this machine when None.
        without: Layers of the boundary to leave out, for showing that the conformance suite notices.
    """

    def __init__(
        self,
        limits: Limits,
        workers: int | None = None,
        tier: Tier | None = None,
        *,
        without: Sequence[Layer] = (),
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        if sys.platform != "linux":
            raise SandboxError("Programs can be run on Linux only.")
        self._limits = within_machine(limits)
        self._count = len(os.sched_getaffinity(0)) + _SPARE if workers is None else workers
        self._tier = tier
        self._without = tuple(layer.value for layer in without)
        self._workers: list[Worker] = []
        self._constants: dict[ComputedValue, str | None] = {}
        self._kept: Home | None = None
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._judge: JudgeProcess | None = None

    def __enter__(self) -> Self:
        """Start nothing yet: workers start with the first program."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the workers and remove their working directories."""
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the workers that run now."""
        return tuple(worker.pid for worker in self._workers)

    def close(self) -> None:
        """End the workers with whatever they run; the runner can be used again. It raises nothing of its own."""
        while self._workers:
            with contextlib.suppress(OSError, ValueError):  # a descriptor that is closed already
                self._workers.pop().close()
        judge, self._judge = self._judge, None
        if judge is not None:
            with contextlib.suppress(OSError, ValueError):
                judge.close()
        self._selector.close()
        self._selector = selectors.DefaultSelector()
        home, self._kept = self._kept, None
        if home is not None:
            home.remove()

    def run(self, jobs: Iterable[Job]) -> Iterator[ProgramOutcome]:
        """Yield the outcome of each job in order, each as soon as it and all before it are known.

        Raises:
            ValueError: A test is not one ``assert`` statement, or its expected side raises.
            SandboxError: No boundary holds here, or the workers fail for a reason of their own.
        """
        batch = _Batch(enumerate(jobs))
        following = 0
        finished = False
        try:
            while True:
                while not self._is_full(batch) and (job := self._next(batch)) is not None:
                    self._begin(job, batch)
                finished = not batch.running and not self._judge
                if not finished:
                    batch.done.update(self._news(batch))
                while following in batch.done:
                    yield batch.done.pop(following)
                    following += 1
                if finished:
                    return
        finally:
            if (
                not finished
            ):  # the caller stopped listening, or a job was refused: what runs must not be taken for the next
                self.close()

    def _is_full(self, batch: _Batch) -> bool:
        judged = 0 if self._judge is None else len(self._judge)
        return len(batch.running) >= self._count or judged >= _MOST_WAITING * self._count

    def _next(self, batch: _Batch) -> _Prepared | None:
        """Return what is to be run next, or None where there is nothing."""
        if batch.again:
            return batch.again.popleft()
        for number, job in batch.waiting:
            prepared = self._prepared(number, job, batch)
            if isinstance(prepared, _Prepared):
                return prepared
            batch.done[number] = prepared
        return None

    def _begin(self, job: _Prepared, batch: _Batch) -> None:
        """Have a job run, or tried again where its worker does not take it."""
        worker = self._idle(batch)
        try:
            worker.start(job.job)
        except WorkerLostError:
            self._retire(worker)
            batch.again.append(self._not_reached(job))
        else:
            batch.running[worker] = job

    def _not_reached(self, job: _Prepared) -> _Prepared:
        """Count one more process that died before it came to a job.

        Raises:
            SandboxError: That has happened too often to be chance.
        """
        deaths = job.deaths_before + 1
        if deaths == MOST_DEATHS:
            raise SandboxError(
                f"{deaths} processes died before they came to a program, most likely for want of memory. "
                f"{self._count} workers may need {self._count * self._limits.memory_bytes >> 20} MB together."
            )
        return dataclasses.replace(job, deaths_before=deaths)

    def _news(self, batch: _Batch) -> Iterator[tuple[int, ProgramOutcome]]:
        """Wait for news; pass programs that have ended on to the judge, and yield what it has decided."""
        for key, _ in self._selector.select(timeout=1.0):
            if isinstance(key.data, JudgeProcess):
                if (decided := key.data.receive()) is not None:
                    yield decided
            elif key.data in batch.running:
                key.data.receive()
            else:
                self._retire(key.data)  # it died idle
        for worker in list(batch.running):
            worker.check_deadline()
            if worker.has_ended:
                self._ended(worker, batch.running.pop(worker), batch)

    def _ended(self, worker: Worker, job: _Prepared, batch: _Batch) -> None:
        """Pass a program that has ended on to the judge, and part with its worker where it can take no other.

        A worker that somebody killed between two programs may still have begun the second: in tier 1 it is two
        processes, of which the inner one dies a moment after the outer. And where memory is wanted the kernel ends
        whichever process is largest: a program's more likely than its worker's. So a death says nothing about a program
        before others have died over it as well. A worker that does not answer is not tried again: that takes minutes.

        Raises:
            SandboxError: Processes die before they come to a program, or do not complete their boundary.
        """
        ending, reported = worker.ending, worker.received()
        if ending.costs_worker:
            self._retire(worker)
        if not ending.locked and (ending.exit_code is None or ending.was_killed):
            batch.again.append(self._not_reached(job))
        elif not ending.locked and job.deaths_before + 1 < MOST_DEATHS:
            batch.again.append(dataclasses.replace(job, deaths_before=job.deaths_before + 1))
        elif not ending.locked:
            self._show_that_boundaries_are_completed(batch)
            why = f"{MOST_DEATHS} processes that ran it did not say that their boundary was complete, as others do"
            batch.done[job.number] = not_judged(job.n_tests, why)
        elif ending.was_killed and job.deaths_over + 1 < MOST_DEATHS:
            batch.again.append(dataclasses.replace(job, deaths_over=job.deaths_over + 1))
        else:
            self._the_judge().submit(Case(job.number, reported, ending, job.expected, job.n_tests))

    def _show_that_boundaries_are_completed(self, batch: _Batch) -> None:
        """Run a program of ours that does nothing: does its process, too, end without a complete boundary?

        Raises:
            SandboxError: So it does, and nothing can be said of any program.
        """
        if self._alone(_NOTHING, batch) is None:
            raise SandboxError(f"{MOST_DEATHS} processes died over a program that does nothing.")

    def _alone(self, job: bytes, batch: _Batch) -> tuple[Ending, bytes] | None:
        """Run what is no program of the caller's; return how it ended and what it reported, None where processes die.

        Raises:
            SandboxError: Its boundary was not complete, or no worker starts.
        """
        for _ in range(MOST_DEATHS):
            worker = self._idle(batch)
            try:
                reported = worker.run_alone(job)
            except WorkerLostError:
                self._retire(worker)
                continue
            ending = worker.ending
            if ending.costs_worker:
                self._retire(worker)
            return ending, reported
        return None

    def _retire(self, worker: Worker) -> None:
        """Forget a worker that has died or must not go on."""
        self._workers.remove(worker)
        with contextlib.suppress(KeyError, ValueError):  # not watched yet, or closed already
            self._selector.unregister(worker)
        worker.close()

    def _idle(self, batch: _Batch) -> Worker:
        """Return a worker that runs nothing; a new one where all are busy.

        Raises:
            SandboxError: None starts.
        """
        for _ in range(MOST_DEATHS):
            idle = [worker for worker in self._workers if worker not in batch.running] or [self._started()]
            if len(idle) == 1 and len(self._workers) < self._count:
                self._started()  # most likely wanted next: it starts while this one is waited for
            self._the_judge()
            worker = idle[0]
            try:
                if not worker.is_ready:
                    worker.await_ready()
                    self._selector.register(worker, selectors.EVENT_READ, worker)
            except WorkerLostError as error:
                self._retire(worker)
                said = str(error)
            else:
                return worker
        raise SandboxError(said)

    def _started(self) -> Worker:
        self._workers.append(Worker(self._limits, self._setup(), self._home()))
        return self._workers[-1]

    def _the_tier(self) -> Tier:
        if self._tier is None:
            self._tier = find_tier().tier
        return self._tier

    def _home(self) -> Path:
        if self._kept is None:
            self._kept = Home()
        return self._kept.path

    def _setup(self) -> Setup:
        return setup(self._the_tier(), self._home(), self._limits, self._without)

    def _the_judge(self) -> JudgeProcess:
        if self._judge is None:
            self._judge = JudgeProcess(self._limits, self._setup(), self._selector)
        return self._judge

    def _prepared(self, number: int, job: Job, batch: _Batch) -> _Prepared | ProgramOutcome:
        """Return a job as it is sent; its outcome where a test is too large to be asked."""
        expected: list[str] = []
        calls: list[CodeType] = []
        for test in job.tests:
            try:
                check = parse_test(test)
                expected.append(self._value(check.expected, batch))
            except ExpectedTooLargeError:
                why = f"test {len(calls) + 1} has an expected side that is too large or takes too long"
                return not_judged(len(job.tests), why)
            calls.append(check.call)
        sent = {"source": job.source, "setup": job.setup, "calls": calls}
        return _Prepared(number, marshal.dumps(sent), f"[{', '.join(expected)}]".encode("ascii"), len(calls))

    def _value(self, expected: Literal | ComputedValue, batch: _Batch) -> str:
        """Return an expected value as type-tagged JSON.

        Where it is no literal it is computed in a process without any program, once.

        Raises:
            ExpectedTooLargeError: No program could report such a value, or it cannot be computed within the limits.
            ValueError: It raises.
        """
        if isinstance(expected, Literal):
            value: str | None = expected.text
        elif expected in self._constants:
            value = self._constants[expected]
        else:
            value = self._constants[expected] = self._computed(expected, batch)
        if value is None or len(value) > self._limits.result_bytes:
            raise ExpectedTooLargeError
        return value

    def _computed(self, expected: ComputedValue, batch: _Batch) -> str | None:
        """Return a value that is computed without a program, or None where that takes too much.

        Raises:
            ValueError: It raises.
        """
        source = "".join(f"import {module}\n" for module in expected.modules)
        try:
            job = marshal.dumps({"source": source, "setup": "", "calls": [compiled(expected.source)]})
        except (MemoryError, RecursionError):
            return None
        if (found := self._alone(job, batch)) is None:
            return None
        ending, reported = found
        report = read_report(reported)
        kind = (report.error or ("",))[1:2] or report.raised.get(0, ("",))[:1]
        if ending.exit_code != 0 or ending.why is not None or kind[0] in _OF_SIZE:
            return None
        if 0 not in report.values:
            why = report.error or report.raised.get(0) or ("it was stopped",)
            raise ValueError(f"The expected side {expected.source!r} has no value: {', '.join(why)}.")
        return json.dumps(report.values[0])
