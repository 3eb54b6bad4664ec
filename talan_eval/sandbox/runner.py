"""Runs programs with their tests in separate processes with limits.

This tier is *unsandboxed*: a program runs as the same user, in a process of its own that is small, fresh and limited in
CPU time, address space, file size, descriptors and number of processes. The worker that forks it is started by
executing a new interpreter with an empty environment, so nothing of the calling process (torch, secrets, open files) is
in it.
Verdicts are made here, from values, so a program cannot simply declare itself right.

Not covered: everything that needs a boundary in the kernel. A program can read and write the user's files, use the
network, signal the user's other processes, fill the disk with many files, and look into other processes of the same
user. It can also leave a process behind where it kills its own worker. Linux only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from talan_eval.sandbox.job import Job, Limits, Outcome
from talan_eval.sandbox.judge import Ending, SandboxError, judge, read_report
from talan_eval.sandbox.plan import Check, Expression, Literal, parse_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

_BOOTSTRAP: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside.server import main; del sys.path[0]; main()"
)
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0"}
_START_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 15.0
"""Wall time beyond a program's own after which a worker that does not answer is given up."""


@dataclasses.dataclass(frozen=True, slots=True)
class SandboxInfo:
    """What stands between a program and the machine; goes into every result.

    Args:
        tier: Which boundary: "none" here.
        label: The word that every table carries.
        boundary: The boundary in words.
        python: Version of the interpreter that runs the programs.
        kernel: Name and release of the operating system's kernel.
        limits: What each program may use.
    """

    tier: str
    label: str
    boundary: str
    python: str
    kernel: str
    limits: Limits


def describe(limits: Limits | None = None) -> SandboxInfo:
    """Return what programs will run in, without running any."""
    return SandboxInfo(
        tier="none",
        label="unsandboxed",
        boundary="separate process with limits",
        python=platform.python_version(),
        kernel=f"{platform.system()} {platform.release()}",
        limits=limits or Limits(),
    )


def run_programs(jobs: Iterable[Job], limits: Limits, workers: int) -> list[Outcome]:
    """Run programs and return what happened to each, in the order of the jobs.

    Args:
        jobs: Programs with their tests.
        limits: What each may use.
        workers: How many run at a time.

    Raises:
        ValueError: A test is not one ``assert`` statement, or its expected side raises; ``workers`` is not positive.
        SandboxError: The workers cannot be started, or fail for a reason of their own.
    """
    with Runner(limits, workers) as runner:
        return list(runner.run(jobs))


class Runner:
    """Warm workers for many batches of programs; a context manager.

    Args:
        limits: What each program may use.
        workers: How many programs run at a time.
    """

    def __init__(self, limits: Limits, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        if sys.platform != "linux":
            raise SandboxError("Programs can be run on Linux only.")
        self._limits = limits
        self._count = workers
        self._workers: list[_Worker] = []
        self._constants: dict[Expression, Any] = {}
        self._directory: Path | None = None

    def __enter__(self) -> Self:
        """Start nothing yet: workers start with the first program."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the workers and remove their working directories."""
        self.close()

    def close(self) -> None:
        """End the workers with whatever they run; the runner can be used again."""
        while self._workers:
            self._workers.pop().close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield the outcome of each job in order, each as soon as it and all before it are known.

        Raises:
            ValueError: A test is not one ``assert`` statement, or its expected side raises.
            SandboxError: The workers cannot be started, or fail for a reason of their own.
        """
        waiting = enumerate(jobs)
        running: dict[_Worker, tuple[int, tuple[Any, ...]]] = {}
        done: dict[int, Outcome] = {}
        following = 0
        try:
            with selectors.DefaultSelector() as selector:
                while True:
                    while len(running) < self._count and (item := next(waiting, None)) is not None:
                        number, job = item
                        worker = self._idle(running)
                        checks = [parse_test(test) for test in job.tests]
                        expected = tuple(self._value(worker, check) for check in checks)
                        calls = [check.call for check in checks]
                        worker.start({"source": job.source, "setup": job.setup, "calls": calls}, selector)
                        running[worker] = (number, expected)
                    if not running:
                        return
                    for worker in _wait(selector, running):
                        number, expected = running.pop(worker)
                        done[number] = judge(read_report(worker.received()), worker.ending, expected, self._limits)
                    while following in done:
                        yield done.pop(following)
                        following += 1
        finally:
            if running:  # the caller stopped listening, or a job was refused: what runs must not be taken for the next
                self.close()

    def _idle(self, running: dict[_Worker, Any]) -> _Worker:
        """Return a worker that runs nothing; a new one where all are busy."""
        for worker in self._workers:
            if worker not in running:
                return worker
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="talan-eval-programs-"))
        self._workers.append(_Worker(self._limits, self._directory))
        return self._workers[-1]

    def _value(self, worker: _Worker, check: Check) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return the expected value of a test, computed in a process without any program where it is no literal."""
        expected = check.expected
        if isinstance(expected, Literal):
            return expected.tree
        if expected not in self._constants:
            source = "".join(f"import {module}\n" for module in expected.modules)
            with selectors.DefaultSelector() as selector:
                worker.start({"source": source, "setup": "", "calls": [expected.source]}, selector)
                while not _wait(selector, {worker: None}):
                    pass
            report = read_report(worker.received())
            if 0 not in report.values:
                why = report.error or report.raised.get(0) or ("it was stopped",)
                raise ValueError(f"The expected side {expected.source!r} has no value: {': '.join(why)}.")
            self._constants[expected] = report.values[0]
        return self._constants[expected]


def _wait(selector: selectors.BaseSelector, running: dict[_Worker, Any]) -> list[_Worker]:
    """Wait for news from any worker; return those whose program has ended."""
    events = selector.select(timeout=1.0)
    for key, _ in events:
        worker: _Worker = key.data
        worker.receive(key.fd, selector)
    for worker in running:
        worker.check_deadline(selector)
    return [worker for worker in running if worker.has_ended]


class _Worker:
    """The caller's side of one worker process."""

    def __init__(self, limits: Limits, directory: Path) -> None:
        self._limits = limits
        self._directory = directory
        self._result = -1
        self._data = bytearray()
        self._answer = bytearray()
        self._deadline = 0.0
        self._ending: Ending | None = None
        self._spawn()

    @property
    def has_ended(self) -> bool:
        """Whether the program that was started last has ended."""
        return self._ending is not None

    @property
    def ending(self) -> Ending:
        """How it ended."""
        if self._ending is None:
            raise SandboxError("The program is still running.")
        return self._ending

    def received(self) -> bytes:
        """Return what the program reported."""
        return bytes(self._data)

    def start(self, job: dict[str, Any], selector: selectors.BaseSelector) -> None:
        """Send one program to the worker and watch for its report and its end."""
        self._data.clear()
        self._answer.clear()
        self._ending = None
        self._deadline = time.monotonic() + self._limits.wall_seconds + _GRACE_SECONDS
        job_end = os.memfd_create("job")
        self._result, result_end = os.pipe()
        try:
            with open(job_end, "wb", closefd=False) as file:
                file.write(json.dumps(job).encode("ascii"))
            os.lseek(job_end, 0, os.SEEK_SET)
            os.set_blocking(self._result, False)
            socket.send_fds(self._control, [b"R"], [job_end, result_end])
        except OSError as error:
            raise SandboxError(f"A worker does not take programs any more: {error}.") from error
        finally:
            os.close(job_end)
            os.close(result_end)
        selector.register(self._result, selectors.EVENT_READ, self)
        selector.register(self._control, selectors.EVENT_READ, self)

    def receive(self, descriptor: int, selector: selectors.BaseSelector) -> None:
        """Take what has arrived on one descriptor."""
        if descriptor == self._result:
            self._read_result(selector)
        elif self._ending is None and descriptor == self._control.fileno():
            data = self._control.recv(4096)
            self._answer += data
            if not data:
                self._end(Ending(None, None, 0.0), selector)
                self._respawn()
            elif data.endswith(b"\n"):
                answer = json.loads(self._answer)
                self._end(Ending(answer["exit"], answer["why"], answer["cpu"]), selector)
                if answer["why"] == "unkillable":
                    raise SandboxError("A program left processes behind that cannot be killed.")

    def check_deadline(self, selector: selectors.BaseSelector) -> None:
        """Give the worker up where it does not answer, for example because the program has stopped it."""
        if self._ending is None and time.monotonic() > self._deadline:
            self._end(Ending(None, None, 0.0), selector)
            self._respawn()

    def close(self) -> None:
        """End the worker process and what it runs."""
        if self._result >= 0:
            os.close(self._result)
            self._result = -1
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_result(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._result >= 0:
                chunk = os.read(self._result, 1 << 16)
                self._data += chunk
                if len(self._data) > self._limits.result_bytes:
                    with contextlib.suppress(OSError):
                        self._control.send(b"K")
                    chunk = b""
                if not chunk:
                    selector.unregister(self._result)
                    os.close(self._result)
                    self._result = -1

    def _end(self, ending: Ending, selector: selectors.BaseSelector) -> None:
        self._read_result(selector)
        if self._result >= 0:
            selector.unregister(self._result)
            os.close(self._result)
            self._result = -1
        selector.unregister(self._control)
        self._ending = ending

    def _respawn(self) -> None:
        self._process.kill()
        self.close()
        self._spawn()

    def _spawn(self) -> None:
        self._control, other = socket.socketpair()
        arguments = {
            "control": other.fileno(),
            "directory": str(self._directory),
            "limits": dataclasses.asdict(self._limits),
        }
        command = [
            sys.executable,
            "-s",
            "-S",
            "-P",
            "-c",
            _BOOTSTRAP,
            str(Path(__file__).parent),
            json.dumps(arguments),
        ]
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                command,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        self._control.settimeout(_START_SECONDS)
        try:
            ready = self._control.recv(4096)
        except TimeoutError:
            ready = b""
        if not ready:
            self._process.kill()
            self._control.close()
            raise SandboxError(f"A worker did not start: {sys.executable} ended with status {self._process.wait()}.")
        self._control.settimeout(None)
