"""Reading files once: the bytes, and their hash beside it on another core."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from talan_core.bounded import MEGABYTE, BoundsError, NotRegularError, open_regular, read_bounded
from talan_core.errors import UserError
from talan_eval.importers.logged import Stamp

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType
    from typing import Self

SNIFFED = 1 << 16
"""Bytes of a file that are looked at to tell what it is."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_LINE = 16 * MEGABYTE
_MOST_WAITING = 4
_DIGITS = re.compile(r"([0-9]+)")
MOST_OF_A_LOG = 4096 * MEGABYTE
"""Bytes of one file that is read as a whole; the largest sample logs of lm-eval have some hundred megabytes."""


class FileReader:
    """Reads files and stamps them; use it in a ``with`` block.

    Hashing releases the interpreter's lock, so it costs no time where a second core is free.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[str]] = deque()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the hashing thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, path: Path) -> tuple[bytes, Pending]:
        """Read a file.

        Args:
            path: An existing file.

        Returns:
            Its bytes, and its stamp in the making.

        Raises:
            UserError: It cannot be read, is empty, or is a pointer that git-lfs left in place of the file.
        """
        try:
            data = read_bounded(path, MOST_OF_A_LOG)
        except OSError as error:
            raise cannot_read(path, error) from error
        except BoundsError as error:
            raise UserError(f"{path} is no log that is read here: {error}.", "Leave it out.") from error
        if not data or data.isspace():  # which stops at the first letter
            raise UserError(f"{path} is empty.", "Score this run again, or leave its directory out.")
        if data.startswith(LFS_POINTER):
            raise UserError(f"{path} is a git-lfs pointer, not the log itself.", f"Fetch it: git lfs pull -I {path}")
        digest = self._pool.submit(_sha256, data)
        self._waiting.append(digest)
        if len(self._waiting) > _MOST_WAITING:  # each holds the bytes of its file
            self._waiting.popleft().result()
        return data, Pending(path, len(data), digest)


class Pending:
    """A stamp whose hash is being computed."""

    def __init__(self, path: Path, size: int, digest: Future[str]) -> None:
        self._path, self._size, self._digest = path, size, digest

    def stamp(self) -> Stamp:
        """Wait for the hash and return the stamp."""
        return Stamp(self._path, self._digest.result(), self._size)


def first_bytes(path: Path, *, from_end: bool = False) -> bytes:
    """Return the first 64 KiB of a file, or the last ones.

    Raises:
        UserError: It cannot be read.
    """
    try:
        with open_regular(path) as file:
            if from_end:
                file.seek(max(0, os.fstat(file.fileno()).st_size - SNIFFED))
            return file.read(SNIFFED)
    except OSError as error:
        raise cannot_read(path, error) from error


def first_line(path: Path) -> bytes:
    """Return the first line of a file that is not blank, of which up to 16 MiB are read; empty where it has none.

    Raises:
        UserError: It cannot be read.
    """
    try:
        with open_regular(path) as file:
            for line in iter(lambda: file.readline(_LONGEST_LINE), b""):
                if line.strip():
                    return line
            return b""
    except OSError as error:
        raise cannot_read(path, error) from error


def cannot_read(path: Path, error: OSError) -> UserError:
    """Return the error for a file that cannot be opened; a link to nothing and a pipe are no matter of permission."""
    quoted = shlex.quote(str(path))
    fix = f"Make it readable: chmod u+r {quoted}"
    if isinstance(error, NotRegularError | FileNotFoundError) or error.errno == errno.ELOOP:
        fix = f"Move it away: mv {quoted} {quoted}.bad"
    return UserError(f"Cannot read {path}: {error.strerror}.", fix)


def natural(text: object) -> list[tuple[int, int, str]]:
    """Return a key under which "seed2" comes before "seed10"."""
    parts = [part.casefold() for part in _DIGITS.split(str(text))]
    # a number by its length and its digits, because one of 5,000 digits is no int
    keys = [
        (0, 0, part) if place % 2 == 0 else (1, len(bare := part.lstrip("0")), bare) for place, part in enumerate(parts)
    ]
    return [*keys, (0, 0, str(text))]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
