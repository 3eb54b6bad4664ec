"""What a program leaves behind: processes that it started and files in its working directory."""

from __future__ import annotations

import contextlib
import os

# pathlib is not loaded in a worker: every import is paid at each start, hence the calls by name in os.
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH116, PTH123, PTH208

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

    def renew(self) -> None:
        """Empty it, make it again where it is gone, and go there.

        Raises:
            OSError: What is in it cannot be removed.
        """
        remove_tree(self.path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        if os.listdir(self.path):
            raise OSError(f"{self.path} cannot be emptied")
        os.chdir(self.path)
        self._mark = _mark(self.path)


def remove_tree(directory: str) -> None:
    """Remove a directory with all it holds, however deep, without recursion or long paths; what resists is left.

    Where the directory itself may not be removed, it is emptied. Nothing is moved: Landlock before Linux 5.19
    refuses that.
    """
    try:
        os.rmdir(directory)
    except NotADirectoryError:  # a link too, which must not be followed
        with contextlib.suppress(OSError):
            os.unlink(directory)
        return
    except OSError:
        pass
    with contextlib.suppress(OSError):
        os.chmod(directory, 0o700)
        _empty(os.open(directory, _DIRECTORY))
        os.rmdir(directory)


def _empty(here: int) -> None:
    """Remove what is in an open directory, depth first with one descriptor at a time, and close it."""
    above: list[str] = []
    waiting = [_unlink_files(here)]
    while True:
        if waiting[-1]:
            name = waiting[-1].pop()
            try:
                os.chmod(name, 0o700, dir_fd=here)
                there = os.open(name, _DIRECTORY, dir_fd=here)
            except OSError:
                continue
            above.append(name)
            waiting.append(_unlink_files(there))
        elif above:
            there = os.open("..", _DIRECTORY, dir_fd=here)
            waiting.pop()
            with contextlib.suppress(OSError):
                os.rmdir(above.pop(), dir_fd=there)
        else:
            break
        os.close(here)
        here = there
    os.close(here)


def _mark(directory: str) -> tuple[int, int, int]:
    """Return what tells a directory from one that a program put in its place."""
    status = os.stat(directory, follow_symlinks=False)
    return status.st_ino, status.st_dev, status.st_mode


def _unlink_files(here: int) -> list[str]:
    """Remove the files of an open directory and return the names of its directories."""
    folders: list[str] = []
    with os.scandir(here) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=here)
    return folders
