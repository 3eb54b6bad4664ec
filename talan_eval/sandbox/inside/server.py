"""One worker: forks a process for each program, watches it, and leaves nothing of it behind.

The caller writes the job into one file, sends one byte, and gets one line back when the program has ended and
everything that it started is gone; what the program reported is in another file then. The worker reads neither file, so
no program's source is ever in its memory. The end of the control channel ends the worker and what it runs.

Only processes that this worker started, and their descendants that the kernel handed to it, are ever signalled: each is
an unreaped child at that moment, so its number cannot have passed to another process; or the worker is the first
process of a process namespace, and signals what is in it.

Every page that is written to after a fork costs a page fault, here and in the forked process, and faults are what most
of the time goes into: what can be done once is done before the first program, and between two only what is needed.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import resource
import select
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Never

from .boundary import Boundary, Layer, Setup
from .descriptors import ALL, CONTROL, RESULT, Given, arrange
from .kernel import PR_SET_PDEATHSIG, SIGKILL, prepared
from .leftovers import Scratch, children, count_tasks, remove_tree
from .limits import reachable
from .program import EXIT_CONFINEMENT, give_up, program_namespace, run_program
from .rehearsal import rehearse
from .selftest import leaks

if TYPE_CHECKING:
    from collections.abc import Callable

_PRELOADED: Final = """
bisect cmath collections copy datetime functools heapq itertools math operator re string typing
"""
"""Modules that programs often import: loaded once here instead of once in each program."""
_INTERVAL: Final = 0.02
"""Seconds between two looks at a program that has not ended, where there is something to look at."""
_LONG_INTERVAL: Final = 1.0
_SWEEP_SECONDS: Final = 10.0
_BY_ITSELF: Final = b"-"
"""Instead of a reason for which a program was ended."""


class Server:
    """The state of one worker, whose descriptors are arranged.

    Args:
        limits: What one program may use, by the names of ``Limits``.
        boundary: What stands around this process, entered already.
    """

    def __init__(self, limits: dict[str, Any], boundary: Boundary) -> None:
        self._limits = limits
        self._boundary = boundary
        has = boundary.setup.has
        self._can_fork = boundary.setup.tier == "none"
        self._is_first = has(Layer.NAMESPACES)
        self._cleans = has(Layer.CLEANING)
        self._first_closed = CONTROL if has(Layer.DESCRIPTORS) else ALL
        # Behind the filter nothing can be started, which the self-test shows: so nothing is left behind.
        self._sweeps = self._can_fork or not has(Layer.SECCOMP)
        look = _INTERVAL if self._can_fork else _LONG_INTERVAL
        self._first_look = round(1000 * min(look, limits["wall_seconds"])) + 1
        self._rlimits = reachable(_of_a_program(limits)) if has(Layer.LIMITS) else ()
        self._set_apart = boundary.set_apart()
        self._lock = boundary.lock()
        self._end_with_parent = prepared("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        self._pid = os.getpid()
        self._scratch = Scratch(boundary.directory, is_fixed=not (self._can_fork or boundary.setup.without))
        self._is_clean = True
        self._end = -1
        self._poll = select.poll()

    def serve(self, canary: str, outsider: int) -> None:
        """Show that the boundary holds, then run programs until the caller goes away.

        Args:
            canary: A file of the caller's, outside the boundary.
            outsider: The caller's process.
        """
        os.umask(0o077)
        if not self._scratch.renew():
            raise OSError(f"{self._scratch.path} cannot be used as a working directory")
        for name in _PRELOADED.split():
            __import__(name)
        _load_random()
        rehearse()
        run = functools.partial(run_program, program_namespace())
        gc.collect()
        gc.freeze()
        complete = self._boundary.setup.tier != "none" and not self._boundary.setup.without
        found = self._test_boundary(canary, outsider) if complete else []
        _tell({"leaks": found, "layers": self._boundary.layers(), "landlock": self._boundary.landlock_version})
        while self._is_clean and os.read(CONTROL, 1):
            os.write(CONTROL, self._confine(run))

    def _test_boundary(self, canary: str, outsider: int) -> list[str]:
        """Return what a program could do that it should not, or could not do that it should."""
        writes_files = self._boundary.setup.writes_files()

        def attempt(lock: Callable[[], None]) -> Never:
            try:
                lock()
                os.write(RESULT, json.dumps(leaks(canary, outsider, writes_files=writes_files)).encode("ascii"))
            finally:
                os._exit(0)

        answer = self._confine(attempt)
        told = os.pread(RESULT, 1 << 16, 0)  # this once: no program has had it yet
        return json.loads(told) if told else [f"its self-test said nothing and ended with {answer!r}"]

    def _confine(self, then: Callable[[Callable[[], None]], Never]) -> bytes:
        """Fork a process that gives up what it shall not have and goes on as ``then``.

        Returns:
            A line that says how it ended: exit status or negative signal, and why it was ended or "-".
        """
        pid = os.fork()
        if pid == 0:
            self._become_program(then)
        end = os.pidfd_open(pid)
        if end != self._end:  # nothing else is opened in between, so the number is the same each time
            self._watch_for(end)
        ready = self._poll.poll(self._first_look)
        if len(ready) == 1 and ready[0][0] == end and not self._sweeps:
            # The kernel's last limit on CPU time, which has to be told from other signals, takes longer than this look.
            why = _BY_ITSELF
            status = os.waitpid(pid, 0)[1]
        else:
            why, status = self._wait_longer(pid, ready)
        os.close(end)
        if self._cleans and not self._scratch.is_untouched() and not self._scratch.renew():
            # The caller removes it in the end, and starts another worker with a directory of its own.
            self._is_clean, why = False, b"leftovers"
        return b"%d %s\n" % (os.waitstatus_to_exitcode(status), why)

    def _become_program(self, then: Callable[[Callable[[], None]], Never]) -> Never:
        """Give up everything that the program shall not have, take on the limits, and go on as ``then``."""
        try:
            if self._can_fork:
                os.setpgid(0, 0)  # not setsid, for which many kernels make a scheduling group: that takes milliseconds
            if not self._is_first:  # the first process of a namespace takes all others with it
                self._end_with_parent()
                if os.getppid() != self._pid:  # it died before the kernel was told to end this process with it
                    os._exit(EXIT_CONFINEMENT)
            self._set_apart()
            give_up(2, self._first_closed, self._rlimits)
        except BaseException:  # noqa: BLE001 - in this process nothing may be left to run but the program
            os._exit(EXIT_CONFINEMENT)
        then(self._lock)

    def _watch_for(self, end: int) -> None:
        """Wait for a process under another number than before, and for the caller."""
        self._end = end
        self._poll = select.poll()
        self._poll.register(CONTROL, select.POLLIN)
        self._poll.register(end, select.POLLIN)

    def _wait_longer(self, pid: int, ready: list[tuple[int, int]]) -> tuple[bytes, int]:
        """Wait until a program has ended or must be ended, and reap it with all that it has started.

        Args:
            pid: Its process.
            ready: What the first look at it has found.

        Returns:
            Why it had to be ended, or ``_BY_ITSELF``, and its status.
        """
        deadline = time.monotonic() + self._limits["wall_seconds"] - self._first_look / 1000
        why = None
        while why is None:
            if len(ready) == 1 and ready[0][0] == self._end:
                why = _BY_ITSELF
            elif ready:
                self._leave(pid)
            elif (left := deadline - time.monotonic()) <= 0:
                why = b"wall"
            elif (why := self._excess(pid)) is None:
                ready = self._poll.poll(min(self._first_look, round(1000 * left) + 1))
        _kill(pid, in_group=self._can_fork)
        _, status, usage = os.wait4(pid, 0)
        if status == SIGKILL and why is _BY_ITSELF and usage.ru_utime + usage.ru_stime >= self._limits["cpu_seconds"]:
            why = b"cpu"  # it ignored the signal that comes first
        return why if self._sweep() else b"unkillable", status

    def _excess(self, pid: int) -> bytes | None:
        """Return what a program that still runs has had too much of, or None."""
        limits = self._limits
        if os.fstat(RESULT).st_size > limits["result_bytes"]:
            return b"result"
        if self._can_fork and count_tasks(pid, limits["processes"]) > limits["processes"]:
            return b"processes"
        return None

    def _leave(self, pid: int) -> Never:
        """End with what is running: the caller is gone."""
        _kill(pid, in_group=self._can_fork)
        self._sweep()
        remove_tree(self._scratch.path)
        sys.exit(0)

    def _sweep(self) -> bool:
        """Kill and reap what the program left behind; return whether nothing is left."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                if self._is_first and os.getpid() == 1:  # it reaches the processes of its own namespace only
                    os.kill(-1, SIGKILL)
                for child in children(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, SIGKILL)
                time.sleep(0.0005)
        return False


def main() -> None:
    """Enter the boundary and serve the channel whose descriptors are in the command line."""
    arguments = json.loads(sys.argv[1])
    arrange(Given(**arguments["descriptors"]))
    boundary = Boundary(Setup.from_json(arguments["setup"]))
    try:
        boundary.enter()
    except OSError as error:
        _tell({"unavailable": str(error)})
        return
    with contextlib.suppress(ConnectionError):  # the caller is gone, with answers that it has not read
        Server(arguments["limits"], boundary).serve(arguments["canary"], arguments["outsider"])


def _load_random() -> None:
    """Load ``random`` in a fixed state: a program that draws numbers gets the same verdict again.

    It would ask for a new state after each fork, so what it asks is not there while it is loaded. Programs that fork,
    which they can without a boundary only, have the same state in both processes.
    """
    ask = os.register_at_fork
    os.register_at_fork = lambda **_: None  # it is put back below
    try:
        import random  # noqa: PLC0415 - as above
    finally:
        os.register_at_fork = ask
    random.seed(0)


def _tell(message: dict[str, Any]) -> None:
    os.write(CONTROL, json.dumps(message).encode("ascii") + b"\n")


def _of_a_program(limits: dict[str, Any]) -> tuple[tuple[int, int, int], ...]:
    """Return each resource with what a program may use of it."""
    cpu = limits["cpu_seconds"]
    return (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),  # a flag of mmap locks too, which a filter of calls alone lets through
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
    )


def _kill(pid: int, *, in_group: bool) -> None:
    """Kill an unreaped child, and the process group that it leads where it may have started processes."""
    for kill in (os.killpg, os.kill) if in_group else (os.kill,):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, SIGKILL)
