"""The caller's side of one worker process."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_eval.sandbox.inside.descriptors import COMPLETE, Given
from talan_eval.sandbox.judge import Ending, SandboxError

if TYPE_CHECKING:
    from talan_eval.sandbox.inside.boundary import Setup
    from talan_eval.sandbox.job import Limits

ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"}
"""Of our processes. Symbols are looked up at the start, instead of in each forked process that calls them."""
_BOOTSTRAP: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside.{module} import main; del sys.path[0]; main()"
)
_START_SECONDS: Final = 60.0
_CHUNK: Final = 1 << 16
GRACE_SECONDS: Final = 15.0
"""Wall time beyond a program's own after which a worker that does not answer is given up."""


class TierUnavailableError(SandboxError):
    """The kernel refuses a boundary, or the boundary does not hold."""


def command(module: str, arguments: dict[str, Any]) -> list[str]:
    """Return the command that starts an interpreter with one of the modules in ``inside`` and nothing else of ours.

    Not ``-I``, which would ignore PYTHONHASHSEED: without it the order of a set changes from program to program.
    """
    bootstrap = _BOOTSTRAP.format(module=module)
    return [sys.executable, "-s", "-S", "-P", "-c", bootstrap, str(Path(__file__).parent), json.dumps(arguments)]


class WorkerLostError(SandboxError):
    """A worker died, or does not take programs any more; another one may."""


class Worker:
    """One worker process, started at once and ready some time later.

    The job and the result are files in memory, made here once. The worker hands them down to the processes that it
    forks; the caller writes the one before and reads the other after each program, so nothing is sent while one runs.

    Args:
        limits: What each program may use.
        setup: The boundary.
        outside: A directory outside the boundary, for the self-test.
    """

    def __init__(self, limits: Limits, setup: Setup, outside: Path) -> None:
        self._limits = limits
        self._answer = bytearray()
        self._deadline = 0.0
        self._ending: Ending | None = None
        self.layers: tuple[str, ...] = ()
        self.landlock = 0
        self.is_ready = False
        canary = outside / "outside"
        canary.write_text("never to be seen by a program", encoding="ascii")
        self._control, control = socket.socketpair()
        caller, locked = socket.socketpair()
        self._locked = caller.detach()
        os.set_blocking(self._locked, False)
        self._job, self._result = _file("job"), _file("result")
        self._descriptors = [self._locked, self._job, self._result]
        given = Given(self._job, self._result, locked.fileno(), control.fileno())
        arguments = {
            "descriptors": given._asdict(),
            "limits": dataclasses.asdict(limits),
            "setup": setup._asdict(),
            "canary": str(canary),
            "outsider": os.getpid(),
        }
        with control, locked:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                command("server", arguments),
                env=ENVIRONMENT if "environment" not in setup.without else {**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=given,
                start_new_session=True,
            )

    def await_ready(self) -> None:
        """Wait until the worker has shown that its boundary holds.

        Raises:
            TierUnavailableError: It does not, or cannot be built here.
            WorkerLostError: It died before that.
            SandboxError: It does not start in time.
        """
        if self.is_ready:
            return
        self._control.settimeout(_START_SECONDS)
        told, chunk = bytearray(), b"-"
        with contextlib.suppress(TimeoutError):
            while not told.endswith(b"\n") and (chunk := self._control.recv(_CHUNK)):
                told += chunk
        self._control.settimeout(None)
        if not told.endswith(b"\n"):
            self._process.kill()
            status = self._process.wait()
            self.close()
            kind = SandboxError if chunk else WorkerLostError
            raise kind(f"A worker did not start: {sys.executable} ended with status {status}.")
        ready = json.loads(told)
        if "unavailable" in ready or ready["leaks"]:
            self.close()
            raise TierUnavailableError(ready.get("unavailable") or f"in its self-test {'; '.join(ready['leaks'])}")
        self.layers, self.landlock, self.is_ready = tuple(ready["layers"]), ready["landlock"], True

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self._process.pid

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

    def fileno(self) -> int:
        """Return the descriptor on which the worker answers."""
        return self._control.fileno()

    def received(self) -> bytes:
        """Return what the program that has ended reported: all of it, or as much as shows that it is too much."""
        size = os.fstat(self._result).st_size
        return os.pread(self._result, min(size, self._limits.result_bytes + 1), 0)

    def start(self, job: bytes) -> None:
        """Have one program run; the worker's descriptor becomes readable when it has ended.

        Args:
            job: What ``inside.program`` reads: "source", "setup" and "calls", marshalled.

        Raises:
            WorkerLostError: The worker does not take programs any more.
        """
        self._answer.clear()
        self._ending = None
        self._deadline = time.monotonic() + self._limits.wall_seconds + GRACE_SECONDS
        try:
            _rewrite(self._job, job)
            _rewrite(self._result, b"")
            self._control.send(b"R")
        except OSError as error:
            raise WorkerLostError(f"A worker does not take programs any more: {error}.") from error

    def run_alone(self, job: bytes) -> bytes:
        """Run one program, wait for its end and return what it reported.

        Raises:
            WorkerLostError: The worker died over it, or its process was killed.
            SandboxError: Its boundary was not complete.
        """
        self.start(job)
        answers = select.poll()
        answers.register(self, select.POLLIN)
        while self._ending is None:
            if answers.poll(1000):
                self.receive()
            self.check_deadline()
        if self._ending.exit_code is None or self._ending.was_killed:
            raise WorkerLostError("A worker died over a computation, or did not answer in time.")
        self._ending.check()
        return self.received()

    def receive(self) -> None:
        """Take what the worker has sent.

        Raises:
            SandboxError: It is no answer, or the program cannot be ended.
        """
        try:
            data = self._control.recv(4096)
        except ConnectionResetError:  # it died with an order that it had not read
            data = b""
        self._answer += data
        if not data:
            self._end(None, None)
        elif data.endswith(b"\n"):
            try:
                status, why = self._answer.decode("ascii").split()
                self._end(int(status), None if why == "-" else why)
            except ValueError as error:
                raise SandboxError("Somebody else answered in a worker's place.") from error
            if why == "unkillable":
                raise SandboxError("A program left processes behind that cannot be killed.")

    def check_deadline(self) -> None:
        """Give the worker up where it does not answer, for example because the program has stopped it."""
        if self._ending is None and time.monotonic() > self._deadline:
            self._process.kill()
            self._end(None, "silence")

    def close(self) -> None:
        """End the worker process and what it runs."""
        self._control.close()
        while self._descriptors:
            os.close(self._descriptors.pop())
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self, exit_code: int | None, why: str | None) -> None:
        """Note how the program ended, as the worker says, and what the worker cannot say."""
        try:
            said = os.read(self._locked, 2)
        except BlockingIOError:
            said = b""
        if why is None and exit_code is not None and os.fstat(self._result).st_size > self._limits.result_bytes:
            why = "result"  # the program was faster than the worker's look at it
        # Our byte comes first, if at all; whatever else there is would be taken for the next program's.
        if len(said) > len(COMPLETE) and exit_code is not None:
            why = "channel"
        self._ending = Ending(exit_code, why, said.startswith(COMPLETE))


def _file(name: str) -> int:
    """Make a file in memory that nobody can seal: sealed, it would stay as one program left it."""
    descriptor = os.memfd_create(name)
    with contextlib.suppress(PermissionError):  # sealed against seals already, unless the machine makes files otherwise
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL)
    return descriptor


def _rewrite(descriptor: int, data: bytes) -> None:
    """Make a file hold ``data`` and nothing else, and undo what was set on its descriptor, which a program shares."""
    fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    rest = data
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.ftruncate(descriptor, len(data))
