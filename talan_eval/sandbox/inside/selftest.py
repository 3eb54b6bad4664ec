"""What a worker tries in a process with its whole boundary before it takes a program: does the boundary hold?

A tier is available where it *behaves*, not where the kernel's version promises it: containers, security modules and
older kernels each refuse some part.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING, Final

from .descriptors import JOB
from .kernel import call

if TYPE_CHECKING:
    from collections.abc import Callable

# pathlib is not loaded in a worker: every import is paid at each start, hence the calls by name in os.
# ruff: noqa: PTH101, PTH102, PTH106, PTH109, PTH116, PTH208, PTH211

SCRATCH_FILE: Final = "self-test"
_UNIX, _INTERNET = 1, 2
_STREAM, _DATAGRAM = 1, 2


def leaks(canary: str, outsider: int, *, writes_files: bool) -> list[str]:
    """Try what must fail and what must work; return what went wrong, in words, best nothing.

    Args:
        canary: A file of the caller's, outside the boundary.
        outsider: The number of a process outside the boundary.
        writes_files: Whether programs are to have files of their own, or none.
    """
    attempts, needs = _attempts(canary, outsider), _NEEDS
    if writes_files:
        needs = _FILES_OF_ITS_OWN | needs
    else:
        attempts |= _NO_FILES
    wrong = [f"it could {what}" for what, attempt in attempts.items() if _succeeds(attempt)]
    wrong += [f"it could not {what}" for what, attempt in needs.items() if not _succeeds(attempt)]
    return wrong


def _attempts(canary: str, outsider: int) -> dict[str, Callable[[], object]]:
    return {
        "read a file outside": lambda: os.open(canary, os.O_RDONLY),
        "write a file outside": lambda: os.open(canary, os.O_WRONLY),
        "truncate a file outside": lambda: os.truncate(canary, 0),
        "make a file outside": lambda: os.open(canary + "-made", os.O_WRONLY | os.O_CREAT, 0o600),
        "remove a file outside": lambda: os.unlink(canary),  # noqa: PTH108 - as above
        "list a directory outside": lambda: os.listdir(os.path.dirname(canary)),  # noqa: PTH120 - as above
        "change a file's mode": lambda: os.chmod(".", 0o700),
        "open an internet socket": lambda: call("socket", _INTERNET, _DATAGRAM, 0),
        "open a unix socket": lambda: call("socket", _UNIX, _STREAM, 0),
        "start a process": _fork,
        "signal the worker": lambda: os.kill(os.getppid(), 0),
        "signal a process outside": lambda: os.kill(outsider, 0),
        "trace a process": _trace,
        # stat follows the name where the process may be looked into, whatever the descriptor is
        "reach a descriptor of the worker's": lambda: os.stat(f"/proc/{os.getppid()}/fd/{JOB}"),
        "reach a descriptor of a process outside": lambda: os.stat(f"/proc/{outsider}/fd/0"),
        "make namespaces": lambda: call("unshare", 0x10000000),
        "take on another filter": lambda: call("seccomp", 2, 0, 0),
        "run another program": _execute,
    }


_NO_FILES: Final[dict[str, Callable[[], object]]] = {
    "make a file": lambda: os.close(os.open(SCRATCH_FILE, os.O_WRONLY | os.O_CREAT, 0o600)),
    "make a file without a name": lambda: os.close(os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600)),
    "make a directory": lambda: os.mkdir(SCRATCH_FILE),
    "make a link": lambda: os.symlink("nowhere", SCRATCH_FILE),
    "go to another directory": lambda: os.chdir("/"),
    "remove its working directory": lambda: os.rmdir(os.getcwd()),
}
"""What must fail where nothing bounds what files take."""
_FILES_OF_ITS_OWN: Final[dict[str, Callable[[], object]]] = {
    "write a file of its own": lambda: os.close(os.open(SCRATCH_FILE, os.O_WRONLY | os.O_CREAT, 0o600)),
    "read it again": lambda: os.close(os.open(SCRATCH_FILE, os.O_RDONLY)),
    "remove it": lambda: os.unlink(SCRATCH_FILE),  # noqa: PTH108 - as above
}
_NEEDS: Final[dict[str, Callable[[], object]]] = {
    "list its working directory": lambda: os.listdir("."),
    "read the standard library": lambda: os.close(os.open(os.__file__, os.O_RDONLY)),
    "open the null device": lambda: os.close(os.open(os.devnull, os.O_RDWR)),
}


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _trace() -> None:
    # PTRACE_SEIZE on the parent: it fails without side effects where it is refused.
    if ctypes.CDLL(None, use_errno=True).ptrace(0x4206, os.getppid(), None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _execute() -> None:
    """Replace this process: where that succeeds there is nobody left to report, which counts as a leak too."""
    with contextlib.suppress(FileNotFoundError):
        os.execv(sys.executable, [sys.executable, "-S", "-c", ""])  # noqa: S606 - the interpreter that runs already
    os.execv("/bin/sh", ["sh", "-c", ":"])  # noqa: S606 - as above
