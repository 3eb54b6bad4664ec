"""What a program leaves behind: processes that it started and files in its working directory."""

from __future__ import annotations

import contextlib
import os

# pathlib is not loaded in a worker: every import is paid at each start, hence the calls by name in os.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH116, PTH123, PTH208

_BLOCK = 4096

DirectoryMark = tuple[int, int, int]
"""What tells a directory that was made for a program from one that a program put in its place: inode, device, mode."""


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


def bytes_used(directory: str, enough: int) -> int:
    """Return how much a directory and all below it hold on disk; counting stops soon after ``enough``.

    Every entry counts as a block at least: many empty files fill a disk as well.
    """
    waiting = [directory]
    used = 0
    while waiting and used <= enough:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    used += max(entry.stat(follow_symlinks=False).st_blocks * 512, _BLOCK)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if used > enough:
                    break
    return used


def make_directory(directory: str) -> DirectoryMark:
    """Make a working directory and return its mark."""
    os.mkdir(directory, 0o700)
    return _mark(os.stat(directory, follow_symlinks=False))


def is_untouched(directory: str, mark: DirectoryMark | None) -> bool:
    """Tell whether a working directory is as it was made, so that it can serve again: making one costs a disk write."""
    if mark is None:
        return False
    try:
        return _mark(os.stat(directory, follow_symlinks=False)) == mark and not os.listdir(directory)
    except OSError:
        return False


def remove_tree(directory: str) -> None:
    """Remove a directory with all it holds, however deep, without recursion or long paths; what resists is left.

    Each round moves what lies two levels down one level up, until nothing is left to move.
    """
    with contextlib.suppress(OSError):
        os.rmdir(directory)
        return
    moved = 0
    changing = True
    while changing:
        changing = False
        for folder in _unlink_files(directory):
            for inner in _unlink_files(folder):
                moved += 1
                with contextlib.suppress(OSError):
                    os.rename(inner, f"{directory}/moved-up-{moved}")
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                changing = True
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def _mark(status: os.stat_result) -> DirectoryMark:
    return status.st_ino, status.st_dev, status.st_mode


def _unlink_files(directory: str) -> list[str]:
    """Remove the files of a directory and return its directories."""
    folders: list[str] = []
    with contextlib.suppress(OSError):
        os.chmod(directory, 0o700)
        with os.scandir(directory) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    os.unlink(entry.path)
    return folders
