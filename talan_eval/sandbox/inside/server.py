"""One worker: forks a process for each program, watches it, and leaves nothing of it behind.

The caller sends one byte with two descriptors (the job to read, the pipe to report on) and gets one line of JSON back
when the program has ended and everything that it started is gone. The worker reads neither descriptor, so no program's
source is ever in its memory. The end of the control channel ends the worker and what it runs.

Only processes that this worker started, and their descendants that the kernel handed to it, are ever signalled: each is
an unreaped child at that moment, so its number cannot have passed to another process.
"""

from __future__ import annotations

import contextlib
import ctypes
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
from typing import Any, Final, Never

from .leftovers import DirectoryMark, children, count_tasks, is_untouched, make_directory, remove_tree
from .program import run_program

# Modules that programs often import: loaded once here instead of once in each program.
for _name in (
    "bisect",
    "cmath",
    "copy",
    "datetime",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "string",
):
    __import__(_name)

_INTERVAL: Final = 0.02
"""Seconds between two looks at a program that has not ended."""
_SWEEP_SECONDS: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_EXIT_CONFINEMENT: Final = 97


class Server:
    """The state of one worker.

    Args:
        control: The channel to the caller.
        limits: What one program may use, by the names of ``Limits``.
        directory: Where working directories are made.
    """

    def __init__(self, control: socket.socket, limits: dict[str, Any], directory: str) -> None:
        self._control = control
        self._limits = limits
        self._directory = directory
        self._scratch = ""
        self._fresh: DirectoryMark | None = None
        self._directories = 0
        self._libc = ctypes.CDLL(None)
        self._wakeup, write_end = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(write_end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._wakeup, select.POLLIN)
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Run programs until the caller goes away."""
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        random.seed(
            0
        )  # each program starts from this state, so that one that draws numbers gets the same verdict again
        gc.collect()
        gc.freeze()
        self._reply({"ready": os.getpid()})
        while True:
            order, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
            if not order:
                return
            if order == b"R":
                self._run(*descriptors)

    def _run(self, job: int, result: int) -> None:
        if not is_untouched(self._scratch, self._fresh):
            remove_tree(self._scratch)
            self._directories += 1
            self._scratch = f"{self._directory}/{os.getpid()}-{self._directories}"
            self._fresh = make_directory(self._scratch)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_program(job, result, parent)
        os.close(job)
        os.close(result)
        why = self._watch(pid)
        _kill_group(pid)
        _, status, usage = os.wait4(pid, 0)
        swept = self._sweep()
        if not is_untouched(self._scratch, self._fresh):
            remove_tree(self._scratch)
        self._reply(
            {
                "exit": os.waitstatus_to_exitcode(status),
                "why": why if swept else "unkillable",
                "cpu": usage.ru_utime + usage.ru_stime,
            }
        )

    def _become_program(self, job: int, result: int, parent: int) -> Never:
        """Give up everything that the program shall not have, take on the limits, and run it."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # the worker died before the kernel was told to end this process with it
                os._exit(_EXIT_CONFINEMENT)
            os.umask(0o077)
            os.chdir(self._scratch)
            os.dup2(1, 2)  # the worker's own output is the null device
            job, result = (fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (job, result))
            job, result = os.dup2(job, 3, inheritable=False), os.dup2(result, 4, inheritable=False)
            os.closerange(5, 4096)
            random.seed(0)  # a program that draws numbers gets the same verdict again; after a fork the state is new
            self._set_limits()
        except BaseException:  # noqa: BLE001 - in this process nothing may be left to run but the program
            os._exit(_EXIT_CONFINEMENT)
        run_program(job, result)

    def _set_limits(self) -> None:
        cpu = self._limits["cpu_seconds"]
        for name, soft, hard in (
            ("RLIMIT_CORE", 0, 0),
            ("RLIMIT_CPU", cpu, cpu + 1),
            ("RLIMIT_FSIZE", self._limits["file_bytes"], self._limits["file_bytes"]),
            ("RLIMIT_NOFILE", self._limits["open_files"], self._limits["open_files"]),
            ("RLIMIT_AS", self._limits["memory_bytes"], self._limits["memory_bytes"]),
        ):
            which = getattr(resource, name)
            _, highest = resource.getrlimit(which)
            if highest != resource.RLIM_INFINITY:
                soft, hard = min(soft, highest), min(hard, highest)  # noqa: PLW2901 - an ordinary user cannot raise it
            resource.setrlimit(which, (soft, hard))

    def _watch(self, pid: int) -> str | None:
        """Wait until the program has ended or must be ended; return why it must be, or None."""
        deadline = time.monotonic() + self._limits["wall_seconds"]
        while True:
            events = dict(self._poll.poll(_INTERVAL * 1000))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return None
            if self._control.fileno() in events:
                order = self._control.recv(1)
                if not order:
                    _kill_group(pid)
                    self._sweep()
                    remove_tree(self._scratch)
                    sys.exit(0)
                return "cancel"
            if time.monotonic() > deadline:
                return "wall"
            if count_tasks(pid, self._limits["processes"]) > self._limits["processes"]:
                return "processes"

    def _sweep(self) -> bool:
        """Kill and reap what the program left behind; return whether nothing is left."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                for child in children(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                time.sleep(0.0005)
        return False

    def _reply(self, message: dict[str, Any]) -> None:
        self._control.sendall(json.dumps(message).encode("ascii") + b"\n")


def main() -> None:
    """Serve the channel whose descriptor, with limits and directory, is in the command line."""
    arguments = json.loads(sys.argv[1])
    with socket.socket(fileno=arguments["control"]) as control:
        Server(control, arguments["limits"], arguments["directory"]).serve()


def _kill_group(pid: int) -> None:
    """Kill an unreaped child and the process group that it leads."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
