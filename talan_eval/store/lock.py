"""One writer at a time: a lock on an experiment directory that ends with the process that holds it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
from typing import TYPE_CHECKING, Final

import filelock

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
    said = _holder(directory)
    try:
        holder = json.loads((directory / _HOLDER).read_bytes())
        if holder["host"] == socket.gethostname():
            os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return said.strip(" ()")


def _holder(directory: Path) -> str:
    return named_in(directory / _HOLDER)


def named_in(path: Path) -> str:
    """Return who holds a lock, as far as the file beside it can be read, in brackets; else nothing."""
    try:
        holder = json.loads(path.read_bytes())
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
