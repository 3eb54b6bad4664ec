"""What a program leaves behind: processes that it started and files in its working directory."""

from __future__ import annotations

import contextlib
import os
import time

# pathlib is not loaded in a worker: every import is paid at each start, hence the calls by name in os.
# ruff: noqa: PTH102, PTH106, PTH108, PTH116, PTH123, PTH208

CLEANING_SECONDS = 2.0
"""CPU time for what one program has left. In tier 1 it is at most 4,096 files, which take a twentieth of that, unless
they are thousands of levels deep: Landlock looks at every level above a file."""
_WALL_SECONDS = 10.0
"""Backstop behind it, for slow disks; less than what the caller waits for an answer."""
_BETWEEN_LOOKS = 256
_PASSES = 3
"""Some file systems leave entries out of a list that shrinks while it is read: what they hide is found again."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def children(pid: int) -> list[int]:
    """Return the children of a process, as the kernel lists them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    return found


def count_tasks(pid: int, enough: int) -> int:
    """Return how many threads a program and all its descendants have; counting stops soon after ``enough``.

    Args:
        pid: The program's process, a child of this one. Other children of this one are orphans of its descendants.
        enough: Above this many the exact number does not matter.
    """
    waiting = [pid, *children(os.getpid())]
    seen: set[int] = set()
    tasks = 0
    while waiting and tasks <= enough:
        process = waiting.pop()
        if process in seen:
            continue
        seen.add(process)
        with contextlib.suppress(OSError):
            tasks += len(os.listdir(f"/proc/{process}/task"))
        waiting += children(process)
    return tasks


class Scratch:
    """The working directory of one program after another; this process works there too, so that they start in it.

    Args:
        path: An empty directory.
        is_fixed: Whether no program can remove it, put something else in its place or change its mode.
    """

    def __init__(self, path: str, *, is_fixed: bool) -> None:
        self.path = path
        self._is_fixed = is_fixed
        self._mark = (0, 0, 0)

    def is_untouched(self) -> bool:
        """Tell whether it is as it was made, so that it can serve again: making one costs a disk write."""
        try:
            return not os.listdir(self.path) and (self._is_fixed or _mark(self.path) == self._mark)
        except OSError:
            return False

    def renew(self) -> bool:
        """Empty it, make it again where it is gone, and go there; return whether that was done within the time."""
        try:
            if not remove_tree(self.path, CLEANING_SECONDS):
                return False
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path, 0o700)
            os.chdir(self.path)
            self._mark = _mark(self.path)
            return not os.listdir(self.path)
        except OSError:
            return False


class _Allowance:
    """Time for removing things.

    Args:
        seconds: CPU time of this process; None for no end.
    """

    def __init__(self, seconds: float | None) -> None:
        self._has_end = seconds is not None
        self._cpu = time.process_time() + (seconds or 0.0)
        self._wall = time.monotonic() + _WALL_SECONDS

    def is_over(self) -> bool:
        return self._has_end and (time.process_time() > self._cpu or time.monotonic() > self._wall)


def remove_tree(directory: str, seconds: float | None = None) -> bool:
    """Remove a directory with all it holds, however deep or wide, without recursion or long paths.

    Where the directory itself may not be removed, it is emptied. What resists is left, and no error is raised. Nothing
    is moved: Landlock before Linux 5.19 refuses that.

    Args:
        directory: Its path, or that of something else that stands there now.
        seconds: CPU time of this process after which it is given up; None for as long as it takes.

    Returns:
        Whether it was gone through to the end in time.
    """
    allowance = _Allowance(seconds)
    for _ in range(_PASSES):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return True
        except NotADirectoryError:  # a link too, which must not be followed
            with contextlib.suppress(OSError):
                os.unlink(directory)
            return True
        except OSError:
            with contextlib.suppress(OSError):
                if not _empty(_opened(directory, None), allowance):
                    return False
                if not os.listdir(directory):
                    _remove_empty(directory, None)
                    return True
        else:
            return True
    return True


def _empty(here: int, allowance: _Allowance) -> bool:
    """Remove what is in an open directory, depth first with one descriptor at a time, and close it.

    Returns:
        Whether there was time for all of it.
    """
    above: list[str] = []
    waiting = [_unlink_files(here, allowance)]
    try:
        while not allowance.is_over():
            if waiting[-1]:
                name = waiting[-1].pop()
                try:
                    there = _opened(name, here)
                except OSError:
                    continue
                above.append(name)
                waiting.append(_unlink_files(there, allowance))
            elif above:
                there = os.open("..", _DIRECTORY, dir_fd=here)
                waiting.pop()
                _remove_empty(above.pop(), there)
            else:
                return True
            os.close(here)
            here = there
        return False
    finally:
        os.close(here)


def _opened(name: str, place: int | None) -> int:
    """Open a directory, which is made readable where it is not.

    Raises:
        OSError: It is none, or belongs to somebody else.
    """
    try:
        found = os.open(name, _DIRECTORY, dir_fd=place)
        if os.access(".", os.W_OK | os.X_OK, dir_fd=found):
            return found
        os.fchmod(found, 0o700)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=place)
        return os.open(name, _DIRECTORY, dir_fd=place)
    return found


def _remove_empty(name: str, place: int | None) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=place)


def _mark(directory: str) -> tuple[int, int, int]:
    """Return what tells a directory from one that a program put in its place."""
    status = os.stat(directory, follow_symlinks=False)
    return status.st_ino, status.st_dev, status.st_mode


def _unlink_files(here: int, allowance: _Allowance) -> list[str]:
    """Remove the files of an open directory as they are listed, and return the names of its directories."""
    folders: list[str] = []
    with contextlib.suppress(OSError), os.scandir(here) as entries:
        for number, entry in enumerate(entries):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    os.unlink(entry.name, dir_fd=here)
            if number % _BETWEEN_LOOKS == 0 and allowance.is_over():
                break
    return folders
