"""System calls that Python's standard library does not offer, each with its errors as ``OSError``."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from .syscalls import machine, number

if TYPE_CHECKING:
    from collections.abc import Callable

SIGKILL: Final = 9
"""Not from ``signal``: a worker does without that module, as every page that it holds makes each fork dearer."""
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
_PR_CAPBSET_DROP: Final = 24
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION: Final = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_bare_libc = ctypes.CDLL(None)


def call(name: str, *arguments: int | bytes) -> int:
    """Make a system call by its name.

    Raises:
        OSError: It failed, or does not exist on this processor.
    """
    found = number(name, machine())
    if found is None:
        raise OSError(38, f"no system call {name} on {machine()}")
    # every argument as wide as a register: a bare int would be passed as 32 bits
    wide = [ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_long(value) for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(found), *wide), name)


def prepared(function: str, *arguments: int, keeping: object = None) -> Callable[[], None]:
    """Return a call of libc's that is made ready now: in a fresh process each page that is touched costs.

    It raises an ``OSError`` that does not say why, for the same reason.

    Args:
        function: Its name.
        arguments: Each passed as wide as a register.
        keeping: What the arguments point to.
    """
    bound = getattr(_bare_libc, function)
    wide = [ctypes.c_long(value) for value in arguments]

    def call_it(_kept: object = keeping) -> None:
        if bound(*wide) < 0:
            raise OSError(f"{function} failed")

    return call_it


def prctl(option: int, *arguments: int) -> int:
    """Change or ask what the kernel knows about this process.

    Raises:
        OSError: It failed.
    """
    wide = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(option, *wide), "prctl")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount something.

    Raises:
        OSError: It failed.
    """
    text = [None if value is None else os.fsencode(value) for value in (source, target, kind, data)]
    result = _libc.mount(text[0], text[1], text[2], ctypes.c_ulong(flags), text[3])
    _checked(result, f"mount {target}")


def drop_privileges() -> None:
    """Give up all capabilities and the possibility to gain any, for this process and all its descendants.

    Nor may any process without capabilities, of the same user or not, look into this one from now on: not at its
    memory, and not at its descriptors, which have names below /proc.

    Raises:
        OSError: The kernel refuses.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    capability = 0
    while True:
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:  # EPERM: there is none to drop with, so none to drop; EINVAL: behind the last
            break
        capability += 1
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    call("capset", ctypes.addressof(head), ctypes.addressof(nothing))
    prctl(_PR_SET_DUMPABLE, 0)  # behind capset, which may set it anew


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
