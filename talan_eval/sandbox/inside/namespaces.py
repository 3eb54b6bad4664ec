"""A view of the machine that holds an interpreter and a small working directory, and nothing else.

New user, mount, process, network, IPC, host name and cgroup namespaces, by an ordinary user or by root alike. Source:
namespaces(7), user_namespaces(7), pivot_root(2).
"""

from __future__ import annotations

import contextlib
import os
from typing import Final, NamedTuple

from .kernel import PR_SET_PDEATHSIG, SIGKILL, call, mount, prctl

# pathlib is not loaded in a worker: every import is paid at each start, hence the calls by name in os.
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH120, PTH123

WORK: Final = "/work"
"""Where working directories are made, as programs see it."""
_HOST: Final = b"sandbox"
_NEW: Final = 0x7E020000
"""CLONE_NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP."""
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_DETACH: Final = 2
_KEPT: Final = {
    os.ST_NOSUID: _NOSUID,
    os.ST_NODEV: _NODEV,
    os.ST_NOEXEC: _NOEXEC,
    os.ST_NOATIME: 1 << 10,
    os.ST_NODIRATIME: 1 << 11,
    os.ST_RELATIME: 1 << 21,
}
"""Flags of a mount, as statvfs shows and as mount takes them: those of the machine's mounts cannot be taken off."""
_MOST_FILES: Final = 4096


class MachineView(NamedTuple):
    """What is to be seen.

    Args:
        root: An empty directory, over which the new root is built.
        readable: Files and directories that appear under their own names, read-only.
        hidden: Directories among them that appear empty.
        devices: Device files that appear.
        work_bytes: Size of the working directory.
    """

    root: str
    readable: tuple[str, ...]
    hidden: tuple[str, ...]
    devices: tuple[str, ...]
    work_bytes: int


def enter(view: MachineView) -> None:
    """Go on as the first process of new namespaces that see only ``view``.

    The calling process waits for that first process, and ends as it ends; the first process dies with the calling one.

    Raises:
        OSError: The kernel refuses; the process may be in some of the namespaces then and has to end.
    """
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(PermissionError):  # only root may leave its groups
        os.setgroups([])
    call("unshare", _NEW)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    call("sethostname", _HOST, len(_HOST))
    _build(view)
    pid = os.fork()
    if pid:
        _wait_for(pid)
    prctl(PR_SET_PDEATHSIG, SIGKILL)


def _wait_for(pid: int) -> None:
    """End as another process ends, holding nothing open that anybody waits for."""
    os.closerange(3, 4096)
    _, status = os.waitpid(pid, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _build(view: MachineView) -> None:
    """Build the new root and make it the only one."""
    mount("none", "/", None, _REC | _PRIVATE)
    mount("tmpfs", view.root, "tmpfs", _NOSUID | _NODEV, "size=4m,mode=0755")
    for path in (*view.readable, *view.devices):
        if os.path.exists(path):
            _show(path, view.root + path)
    for path in view.hidden:
        if os.path.isdir(view.root + path):
            mount("tmpfs", view.root + path, "tmpfs", _RDONLY | _NOSUID | _NODEV | _NOEXEC, "size=4k,mode=0755")
    os.mkdir(view.root + WORK)
    size = f"size={view.work_bytes},nr_inodes={_MOST_FILES},mode=0700"
    mount("tmpfs", view.root + WORK, "tmpfs", _NOSUID | _NODEV | _NOEXEC, size)
    mount("none", view.root, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir(view.root)
    # The old root is stacked on the new one at the same place, and taken away from there.
    call("pivot_root", b".", b".")
    call("umount2", b".", _DETACH)
    os.chdir("/")


def _show(path: str, target: str) -> None:
    """Make a file or directory appear, read-only with all that is mounted below it."""
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileExistsError, PermissionError, OSError), open(target, "xb"):
            pass
    mount(path, target, None, _BIND | _REC)
    for place in _mounts_below(target):
        status = os.statvfs(place).f_flag
        kept = sum(flag for seen, flag in _KEPT.items() if status & seen)
        mount("none", place, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | kept)


def _mounts_below(target: str) -> list[str]:
    """Return where mounts are at or below a directory, as /proc/self/mountinfo lists them."""
    places = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            # Spaces, tabs, line ends and backslashes in names are written in octal.
            place = line.split(" ")[4]
            for written, meant in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                place = place.replace(written, meant)
            if place == target or place.startswith(target + "/"):
                places.append(place)
    return places
