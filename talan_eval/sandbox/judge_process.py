"""The caller's side of the trusted judge: one process that compares values for all workers."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.inside.frames import Finding
from talan_eval.sandbox.inside.judging import HEADER, READY
from talan_eval.sandbox.judge import MOST_DEATHS, SandboxError, judge, not_comparable, not_judged
from talan_eval.sandbox.worker import ENVIRONMENT, command

if TYPE_CHECKING:
    from talan_eval.sandbox.inside.boundary import Setup
    from talan_eval.sandbox.job import Limits, ProgramOutcome
    from talan_eval.sandbox.judge import Ending

SECONDS: Final = 2.0
"""CPU time for the values of one program; MBPP's take less than a millisecond."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One program that has ended.

    Args:
        number: Which of the caller's jobs it was.
        reported: What it wrote.
        ending: How its process ended.
        expected: The expected value of each test, as JSON of a list.
        n_tests: How many there are.
        deaths: Judges that were killed over it, or before they came to it.
    """

    number: int
    reported: bytes
    ending: Ending
    expected: bytes
    n_tests: int
    deaths: int = 0


class JudgeProcess:
    """Takes cases, one at a time, and turns them into outcomes.

    Args:
        limits: What each program was allowed.
        setup: The boundary of the judge; it does not use its own directory.
        selector: Told of what to watch.
        seconds: CPU time for each case.
    """

    def __init__(
        self, limits: Limits, setup: Setup, selector: selectors.BaseSelector, seconds: float = SECONDS
    ) -> None:
        self._limits = limits
        self._setup = setup
        self._selector = selector
        self._seconds = seconds
        self._waiting: collections.deque[Case] = collections.deque()
        self._answer = bytearray()
        self._is_ready = False
        self._killed_at_start = 0
        self._start()

    def __len__(self) -> int:
        """Return how many cases are not decided."""
        return len(self._waiting)

    def submit(self, case: Case) -> None:
        """Take a case; cases are decided in the order in which they come."""
        self._waiting.append(case)
        if len(self._waiting) == 1:
            self._send()

    def receive(self) -> tuple[int, ProgramOutcome] | None:
        """Take what has arrived; return the number and the outcome of a case where it completes one.

        Raises:
            SandboxError: The judge does not start, or fails for a reason of its own.
        """
        chunk = os.read(self._stdout.fileno(), 1 << 16)
        self._answer += chunk
        if not chunk:
            return self._replaced()
        if not self._answer.endswith(b"\n"):
            return None
        answer = bytes(self._answer)
        self._answer.clear()
        if not self._is_ready:
            self._is_ready = answer == READY
            self._killed_at_start = 0
            self._send()
            return None
        case = self._waiting.popleft()
        self._send()
        return case.number, judge(Finding.from_json(json.loads(answer)), case.ending, self._limits)

    def close(self) -> None:
        """End the process."""
        if self._stdout.closed:  # it did not start
            return
        with contextlib.suppress(KeyError):  # not watched any more
            self._selector.unregister(self._stdout)
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
            command("judging", {"setup": self._setup._asdict(), "seconds": self._seconds}),
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise SandboxError("The process that compares values has no pipes.")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._is_ready = False
        self._answer.clear()
        self._selector.register(self._stdout, selectors.EVENT_READ, self)

    def _send(self) -> None:
        """Send the first case that waits; the judge reads all of it before it does anything else."""
        if not self._is_ready or not self._waiting:
            return
        case = self._waiting[0]
        data = memoryview(HEADER.pack(len(case.expected), len(case.reported)) + case.expected + case.reported)
        try:
            while data:
                data = data[self._stdin.write(data) :]
        except BrokenPipeError:
            return  # it has ended, as its output is about to show

    def _replaced(self) -> tuple[int, ProgramOutcome] | None:
        """Start another judge where one has ended, and decide the case over which it did.

        One that was killed says nothing about the case before others were killed over it as well.

        Raises:
            SandboxError: Judges do not start.
        """
        self._selector.unregister(self._stdout)
        status = self._process.wait()
        self._stdin.close()
        self._stdout.close()
        was_killed = status == -signal.SIGKILL  # its own limits end it by other means
        if not self._is_ready:
            self._killed_at_start += was_killed
            if not was_killed or self._killed_at_start == MOST_DEATHS:
                raise SandboxError(f"The process that compares values did not start (status {status}).")
            self._start()
            return None
        case = self._waiting.popleft() if self._waiting else None
        if case is not None and was_killed and case.deaths + 1 < MOST_DEATHS:
            self._waiting.appendleft(dataclasses.replace(case, deaths=case.deaths + 1))
            case = None
        self._start()
        if case is None:
            return None
        case.ending.check()
        if was_killed:
            why = f"{MOST_DEATHS} processes that compared its values were killed"
            return case.number, not_judged(case.n_tests, why)
        return case.number, not_comparable(case.n_tests, self._seconds)
