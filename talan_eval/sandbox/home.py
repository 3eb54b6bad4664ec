"""Directories for working directories: made among the temporary files, and removed by whoever comes next if need be.

The process that made one holds a lock on it, which the kernel frees when the process dies in whatever way. A directory
that nobody holds was left behind, and the next start removes it. It is locked before it takes the name under which it
is looked for, so that nobody removes one that is just being made.

Not covered: file systems on which directories cannot be locked; what is left there stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from talan_eval.sandbox.inside.leftovers import remove_tree

if TYPE_CHECKING:
    from types import TracebackType

PREFIX: Final = "talan-eval-sandbox-"
_BEGUN: Final = "talan-eval-begun-"
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Home:
    """A directory of this process, and the lock that says so; a context manager."""

    def __init__(self) -> None:
        remove_abandoned()
        begun = Path(tempfile.mkdtemp(prefix=_BEGUN))
        self._lock = os.open(begun, _OPEN)
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = begun.rename(begun.with_name(PREFIX + begun.name.removeprefix(_BEGUN)))

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove it."""
        self.remove()

    def remove(self) -> None:
        """Remove it with all it holds, and give up the lock; nothing is raised."""
        remove_tree(str(self.path))
        with contextlib.suppress(OSError):
            os.close(self._lock)


def remove_abandoned() -> int:
    """Remove what killed processes of this user left; return how many directories that were."""
    removed = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
        for path in found:
            with contextlib.suppress(OSError):
                removed += _removed(path)
    return removed


def _removed(path: str) -> bool:
    """Remove one directory if it is ours and nobody holds it.

    Raises:
        OSError: It cannot be opened, or somebody holds it.
    """
    descriptor = os.open(path, _OPEN)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(path)
    finally:
        os.close(descriptor)
    return True
