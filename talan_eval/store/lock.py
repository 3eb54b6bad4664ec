"""One writer at a time: a lock on an experiment directory that ends with the process that holds it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import filelock

from talan_core.bounded import parse_json, read_bounded
from talan_core.errors import UserError
from talan_eval.store.atomic import atomic_write_bytes, explained
from talan_eval.store.canonical import readable_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK: Final = ".lock"
_HOLDER: Final = ".lock-holder.json"
LOCK_NAMES: Final = frozenset({_LOCK, _HOLDER})
"""Files of the lock itself; they may lie in a directory that is otherwise empty."""


_MOST: Final = 4096  # bytes of what ``holder_record`` writes
_LONGEST: Final = 255  # letters of a host's name
_LARGEST_PID: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Holder:
    """The process that a lock's file names."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock inside the block; the kernel frees it if the process dies.

    Raises:
        UserError: Another process holds it, named where it left its name, or the lock file cannot be written.
    """
    lock = filelock.FileLock(directory / _LOCK, timeout=0)
    try:
        with explained(directory / _LOCK):
            lock.acquire()
    except filelock.Timeout as error:
        raise UserError(
            f"Another process is writing to {directory}{_holder(directory)}.",
            "Wait until it has ended and give the same command again, or write elsewhere: --out DIR",
        ) from error
    try:
        atomic_write_bytes(directory / _HOLDER, holder_record())
        yield
    finally:
        with contextlib.suppress(OSError):
            (directory / _HOLDER).unlink()
        lock.release()


def holder_record() -> bytes:
    """Return the content of a file that says who holds a lock: this process."""
    since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return readable_json({"host": socket.gethostname(), "pid": os.getpid(), "since": since})


def holder_of(directory: Path) -> str:
    """Return who is writing to a directory now, as in "process 12 on host, since ..."; empty for nobody.

    The lock itself is not touched: a reader must not make a writer fail. A name that a killed process of this host left
    behind counts for nothing.
    """
    holder = _read(directory / _HOLDER)
    if holder is None:
        return ""
    with contextlib.suppress(PermissionError):  # it is there, and somebody else's
        try:
            if holder.host == socket.gethostname():
                os.kill(holder.pid, 0)
        except ProcessLookupError:
            return ""
    return str(holder)


def _holder(directory: Path) -> str:
    return named_in(directory / _HOLDER)


def named_in(path: Path) -> str:
    """Return who holds a lock, as far as the file beside it can be read, in brackets; else nothing."""
    holder = _read(path)
    return "" if holder is None else f" ({holder})"


def _read(path: Path) -> _Holder | None:
    """Read who holds a lock; None where the file is not there or was not written by ``holder_record``."""
    try:
        said = parse_json(read_bounded(path, _MOST), plain=True)
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict):
        return None
    host, pid, since = (said.get(name) for name in ("host", "pid", "since"))
    texts = isinstance(host, str) and isinstance(since, str) and max(len(host), len(since)) <= _LONGEST
    if not texts or type(pid) is not int or not 0 < pid <= _LARGEST_PID:  # 0 and -1 stand for many processes
        return None
    return _Holder(str(host), pid, str(since))
