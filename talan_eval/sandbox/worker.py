"""The caller's side of one worker process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_eval.sandbox.judge import Ending, SandboxError

if TYPE_CHECKING:
    from talan_eval.sandbox.inside.boundary import Setup
    from talan_eval.sandbox.job import Limits

ENVIRONMENT: Final = {"PYTHONHASHSEED": "0"}
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


class Worker:
    """One worker process, started at once and ready some time later.

    Args:
        limits: What each program may use.
        setup: The boundary.
        outside: A directory outside the boundary, for the self-test.
    """

    def __init__(self, limits: Limits, setup: Setup, outside: Path) -> None:
        self._limits = limits
        self._result = -1
        self._data = bytearray()
        self._answer = bytearray()
        self._deadline = 0.0
        self._ending: Ending | None = None
        self.layers: tuple[str, ...] = ()
        self.landlock = 0
        self.is_ready = False
        self._control, other = socket.socketpair()
        canary = outside / "outside"
        canary.write_text("never to be seen by a program", encoding="ascii")
        arguments = {
            "control": other.fileno(),
            "limits": dataclasses.asdict(limits),
            "setup": setup._asdict(),
            "canary": str(canary),
            "outsider": os.getpid(),
        }
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                command("server", arguments),
                env=ENVIRONMENT if "environment" not in setup.without else {**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )

    def await_ready(self) -> None:
        """Wait until the worker has shown that its boundary holds.

        Raises:
            TierUnavailableError: It does not, or cannot be built here.
            SandboxError: The worker does not start.
        """
        if self.is_ready:
            return
        self._control.settimeout(_START_SECONDS)
        told = bytearray()
        with contextlib.suppress(TimeoutError):
            while not told.endswith(b"\n") and (chunk := self._control.recv(_CHUNK)):
                told += chunk
        self._control.settimeout(None)
        if not told.endswith(b"\n"):
            self._process.kill()
            status = self._process.wait()
            self.close()
            raise SandboxError(f"A worker did not start: {sys.executable} ended with status {status}.")
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

    def received(self) -> bytes:
        """Return what the program reported."""
        return bytes(self._data)

    def start(self, job: bytes, selector: selectors.BaseSelector) -> None:
        """Send one program to the worker and watch for its report and its end.

        Args:
            job: What ``inside.program`` reads: "source", "setup" and "calls", marshalled.
            selector: Told of what to watch.

        Raises:
            SandboxError: The worker does not take programs any more.
        """
        self._data.clear()
        self._answer.clear()
        self._ending = None
        self._deadline = time.monotonic() + self._limits.wall_seconds + GRACE_SECONDS
        job_end = os.memfd_create("job")
        self._result, result_end = os.pipe()
        try:
            with open(job_end, "wb", closefd=False, buffering=0) as file:
                file.write(job)
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

    def run_alone(self, job: bytes) -> bytes:
        """Run one program, wait for its end and return what it reported."""
        with selectors.DefaultSelector() as selector:
            self.start(job, selector)
            while not self.has_ended:
                for key, _ in selector.select(timeout=1.0):
                    self.receive(key.fd, selector)
                self.check_deadline(selector)
        return self.received()

    def receive(self, descriptor: int, selector: selectors.BaseSelector) -> None:
        """Take what has arrived on one descriptor."""
        if descriptor == self._result:
            self._read_result(selector)
        elif self._ending is None and descriptor == self._control.fileno():
            try:
                data = self._control.recv(4096)
            except ConnectionResetError:  # it died with an order that it had not read
                data = b""
            self._answer += data
            if not data:
                self._end(Ending(None, None, 0.0), selector)
            elif data.endswith(b"\n"):
                try:
                    answer = json.loads(self._answer)
                    ending = Ending(answer["exit"], answer["why"], answer["cpu"])
                except (ValueError, TypeError, KeyError) as error:
                    raise SandboxError("Somebody else answered in a worker's place.") from error
                self._end(ending, selector)
                if ending.why == "unkillable":
                    raise SandboxError("A program left processes behind that cannot be killed.")

    def check_deadline(self, selector: selectors.BaseSelector) -> None:
        """Give the worker up where it does not answer, for example because the program has stopped it."""
        if self._ending is None and time.monotonic() > self._deadline:
            self._process.kill()
            self._end(Ending(None, None, 0.0), selector)

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
                chunk = os.read(self._result, _CHUNK)
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
        if len(self._data) > self._limits.result_bytes and ending.why is None and ending.exit_code is not None:
            # It met the closed pipe before the worker met the order to end it: which one is first says nothing.
            ending = dataclasses.replace(ending, why="cancel")
        self._ending = ending
