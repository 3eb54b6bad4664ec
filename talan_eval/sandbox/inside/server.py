"""One worker: forks a process for each program, watches it, and leaves nothing of it behind.

The caller sends one byte with two descriptors (the job to read, the pipe to report on) and gets one line of JSON back
when the program has ended and everything that it started is gone. The worker reads neither descriptor, so no program's
source is ever in its memory. The end of the control channel ends the worker and what it runs.

Only processes that this worker started, and their descendants that the kernel handed to it, are ever signalled: each is
an unreaped child at that moment, so its number cannot have passed to another process; or the worker is the first
process of a process namespace, and signals what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import random
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Never

from .boundary import Boundary, Layer, Setup
from .kernel import PR_SET_PDEATHSIG, prctl
from .leftovers import DirectoryMark, bytes_used, children, count_tasks, is_untouched, make_directory, remove_tree
from .program import EXIT_CONFINEMENT, rehearse, run_program
from .selftest import leaks

if TYPE_CHECKING:
    from collections.abc import Callable

# Modules that programs often import: loaded once here instead of once in each program.
for _name in (
    "bisect",
    "cmath",
    "collections",
    "copy",
    "datetime",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "string",
    "typing",
):
    __import__(_name)

_INTERVAL: Final = 0.02
"""Seconds between two looks at a program that has not ended, where there is something to look at."""
_LONG_INTERVAL: Final = 1.0
_SWEEP_SECONDS: Final = 10.0


class Server:
    """The state of one worker.

    Args:
        control: The channel to the caller.
        limits: What one program may use, by the names of ``Limits``.
        boundary: What stands around this process, entered already.
    """

    def __init__(self, control: socket.socket, limits: dict[str, Any], boundary: Boundary) -> None:
        self._control = control
        self._limits = limits
        self._boundary = boundary
        self._has = boundary.setup.has
        self._can_fork = boundary.setup.tier == "none"
        self._interval = _INTERVAL if self._can_fork or self._has(Layer.WATCH) else _LONG_INTERVAL
        self._scratch = ""
        self._fresh: DirectoryMark | None = None
        self._directories = 0
        self._rlimits = [(which, *_reachable(which, soft, hard)) for which, soft, hard in _wanted(limits)]
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self, canary: str, outsider: int) -> None:
        """Show that the boundary holds, then run programs until the caller goes away.

        Args:
            canary: A file of the caller's, outside the boundary.
            outsider: The caller's process.
        """
        rehearse()
        gc.collect()
        gc.freeze()
        complete = self._boundary.setup.tier != "none" and not self._boundary.setup.without
        found = self._test_boundary(canary, outsider) if complete else []
        self._reply({"leaks": found, "layers": self._boundary.layers(), "landlock": self._boundary.landlock_version})
        while True:
            order, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
            if not order:
                return
            if order == b"R":
                self._run(*descriptors)

    def _test_boundary(self, canary: str, outsider: int) -> list[str]:
        """Return what a program could do that it should not, or could not do that it should."""
        reading, writing = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)

        def attempt(_job: int, result: int, lock: Callable[[], None]) -> Never:
            lock()
            os.write(result, json.dumps(leaks(canary, outsider)).encode("ascii"))
            os._exit(0)

        try:
            ending = self._confine(nothing, writing, attempt)
            told = os.read(reading, 1 << 16)
        finally:
            os.close(reading)
        return json.loads(told) if told else [f"its self-test said nothing and ended with status {ending['exit']}"]

    def _run(self, job: int, result: int) -> None:
        self._reply(self._confine(job, result, run_program))

    def _confine(self, job: int, result: int, then: Callable[[int, int, Callable[[], None]], Never]) -> dict[str, Any]:
        """Fork a process that gives up what it shall not have and goes on as ``then``; return how it ended."""
        cleans = self._has(Layer.CLEANING)
        if not self._scratch or (cleans and not is_untouched(self._scratch, self._fresh)):
            remove_tree(self._scratch)
            self._directories += 1
            self._scratch = f"{self._boundary.directory}/{self._directories}"
            self._fresh = make_directory(self._scratch)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_program(job, result, parent, then)
        os.close(job)
        os.close(result)
        why = self._watch(pid)
        _kill(pid, in_group=self._can_fork)
        _, status, usage = os.wait4(pid, 0)
        swept = self._sweep()
        if cleans and not is_untouched(self._scratch, self._fresh):
            remove_tree(self._scratch)
        return {
            "exit": os.waitstatus_to_exitcode(status),
            "why": why if swept else "unkillable",
            "cpu": usage.ru_utime + usage.ru_stime,
        }

    def _become_program(
        self, job: int, result: int, parent: int, then: Callable[[int, int, Callable[[], None]], Never]
    ) -> Never:
        """Give up everything that the program shall not have, take on the limits, and run it."""
        try:
            if self._can_fork:
                os.setpgid(0, 0)  # not setsid, for which many kernels make a scheduling group: that takes milliseconds
            if not self._has(Layer.NAMESPACES):  # in one it ends with the worker, which is the first process there
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the worker died before the kernel was told to end this process with it
                os._exit(EXIT_CONFINEMENT)
            os.umask(0o077)
            os.chdir(self._scratch)
            os.dup2(1, 2)  # the worker's own output is the null device
            job, result = (fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (job, result))
            if self._has(Layer.DESCRIPTORS):
                job, result = os.dup2(job, 3, inheritable=False), os.dup2(result, 4, inheritable=False)
                os.closerange(5, 1 << 20)
            random.seed(0)  # a program that draws numbers gets the same verdict again; after a fork the state is new
            if self._has(Layer.LIMITS):
                for which, soft, hard in self._rlimits:
                    resource.setrlimit(which, (soft, hard))
        except BaseException:  # noqa: BLE001 - in this process nothing may be left to run but the program
            os._exit(EXIT_CONFINEMENT)
        then(job, result, self._boundary.lock)

    def _watch(self, pid: int) -> str | None:
        """Wait until the program has ended or must be ended; return why it must be, or None."""
        deadline = time.monotonic() + self._limits["wall_seconds"]
        end = os.pidfd_open(pid)
        self._poll.register(end, select.POLLIN)
        try:
            return self._watched(pid, end, deadline)
        finally:
            self._poll.unregister(end)
            os.close(end)

    def _watched(self, pid: int, end: int, deadline: float) -> str | None:
        while True:
            left = min(self._interval, max(deadline - time.monotonic(), 0))
            ready = [descriptor for descriptor, _ in self._poll.poll(left * 1000 + 1)]
            if end in ready:
                return None
            if ready:
                order = self._control.recv(1)
                if not order:
                    _kill(pid, in_group=self._can_fork)
                    self._sweep()
                    remove_tree(self._scratch)
                    sys.exit(0)
                return "cancel"
            if time.monotonic() > deadline:
                return "wall"
            if self._can_fork and count_tasks(pid, self._limits["processes"]) > self._limits["processes"]:
                return "processes"
            most = self._limits["disk_bytes"]
            if self._has(Layer.WATCH) and bytes_used(self._scratch, most) > most:
                return "disk"

    def _sweep(self) -> bool:
        """Kill and reap what the program left behind; return whether nothing is left."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                if (
                    self._has(Layer.NAMESPACES) and os.getpid() == 1
                ):  # the first process of a namespace reaches its own processes only
                    os.kill(-1, signal.SIGKILL)
                for child in children(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                time.sleep(0.0005)
        return False

    def _reply(self, message: dict[str, Any]) -> None:
        self._control.sendall(json.dumps(message).encode("ascii") + b"\n")


def _wanted(limits: dict[str, Any]) -> tuple[tuple[int, int, int], ...]:
    """Return each resource with its soft and hard limit."""
    cpu = limits["cpu_seconds"]
    return (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
    )


def _reachable(which: int, soft: int, hard: int) -> tuple[int, int]:
    """Return limits that an ordinary user may set: what is lower already cannot be raised."""
    _, highest = resource.getrlimit(which)
    return (soft, hard) if highest == resource.RLIM_INFINITY else (min(soft, highest), min(hard, highest))


def main() -> None:
    """Enter the boundary and serve the channel whose descriptor is in the command line."""
    arguments = json.loads(sys.argv[1])
    boundary = Boundary(Setup.from_json(arguments["setup"]))
    with socket.socket(fileno=arguments["control"]) as control:
        try:
            boundary.enter()
        except OSError as error:
            control.sendall(json.dumps({"unavailable": str(error)}).encode("ascii") + b"\n")
            return
        Server(control, arguments["limits"], boundary).serve(arguments["canary"], arguments["outsider"])


def _kill(pid: int, *, in_group: bool) -> None:
    """Kill an unreaped child, and the process group that it leads where it may have started processes."""
    for kill in (os.killpg, os.kill) if in_group else (os.kill,):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
