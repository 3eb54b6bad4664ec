"""Landlock: which files a process may open, for this process and all its descendants.

Files are granted by directory; everything else that Landlock governs is refused, with TCP ports, abstract unix sockets
and signals to processes outside where the kernel's version covers them. Not governed: the existence and the attributes
of files whose name is guessed (stat), and pipes and files without a name, wherever they can be opened by /proc. What is
below /proc/PID asks whether PID could be traced, so a process is kept from the descriptors of those that are not in its
own domain or in one below it. Source: Linux, Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from .kernel import call, prepared
from .syscalls import machine, number

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_EXECUTE, _WRITE, _READ, _LIST, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR: Final = 1 << 7
_MAKE_FILE: Final = 1 << 8
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_RIGHTS_BY_VERSION: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files each version knows; later versions add none."""
_READABLE: Final = _READ | _LIST
_WRITABLE: Final = _READABLE | _WRITE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _REFER | _TRUNCATE
_ON_FILES: Final = _READ | _WRITE | _TRUNCATE
_TCP: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11
_TCP_SINCE: Final = 4
_SCOPES_SINCE: Final = 6
_RECORDS_SINCE: Final = 7
_NO_RECORDS: Final = 1
"""LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF: a program could fill the machine's audit log with what it is refused."""


class Grants(NamedTuple):
    """What may be opened.

    Args:
        readable: Files and directories with all below them.
        writable: Directories with all below them: files and directories may be made and removed, special files not.
        devices: Files that may be read and written.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    devices: tuple[str, ...]


def version() -> int:
    """Return the kernel's version of Landlock; 0 where there is none or it is switched off."""
    try:
        return call("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError:
        return 0


def ruleset(grants: Grants) -> int:
    """Return the descriptor of rules that refuse what is not granted. What does not exist is left out.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    found = version()
    handled = (1 << _RIGHTS_BY_VERSION[min(max(found, 1), max(_RIGHTS_BY_VERSION))]) - 1
    fields = [handled]
    if found >= _TCP_SINCE:
        fields.append(_TCP)
    if found >= _SCOPES_SINCE:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = ctypes.create_string_buffer(struct.pack(f"={len(fields)}Q", *fields), 8 * len(fields))
    rules = call("landlock_create_ruleset", ctypes.addressof(attributes), len(attributes), 0)
    for paths, rights in ((grants.readable, _READABLE), (grants.writable, _WRITABLE), (grants.devices, _ON_FILES)):
        for path in paths:
            _grant(rules, path, rights & handled)
    return rules


def restricting(rules: int) -> Callable[[], None]:
    """Return what restricts the process that calls it, and all its descendants, for good.

    They must not be able to gain privileges. Called again in a child, it changes nothing about files, but puts the
    child into a domain below its parent's, from which it cannot look into its parent. It raises an ``OSError`` where
    the kernel refuses.

    Args:
        rules: What ``ruleset`` returned, open as long as this is used.
    """
    flags = _NO_RECORDS if version() >= _RECORDS_SINCE else 0
    called = number("landlock_restrict_self", machine())
    if called is None:
        raise OSError(f"no Landlock on {machine()}")
    return prepared("syscall", called, rules, flags)


def _grant(rules: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            allowed = rights if os.path.isdir(path) else rights & _ON_FILES  # noqa: PTH112 - pathlib is not loaded
            rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place), 12)
            call("landlock_add_rule", rules, _PATH_BENEATH, ctypes.addressof(rule), 0)
        finally:
            os.close(place)
