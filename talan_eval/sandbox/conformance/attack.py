"""One hostile program and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from talan_eval.sandbox.job import Status
from talan_eval.sandbox.tiers import SANDBOXED, Tier

PRELUDE: Final = '''
import os, sys, errno

def works(action):
    """Whether an action succeeds."""
    try:
        action()
    except (OSError, RuntimeError, ImportError, ValueError):
        return False
    return True

def reaches(name, *arguments):
    """Whether a system call gets as far as the kernel's own code: its arguments are nonsense, so it fails either way."""
    import ctypes, platform
    numbers = {
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "io_uring_setup": (425, 425), "keyctl": (250, 219),
        "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "mount": (165, 40),
        "unshare": (272, 97), "setns": (308, 268), "shmget": (29, 194), "mq_open": (240, 180),
        "memfd_create": (319, 279), "pidfd_open": (434, 434), "open_by_handle_at": (304, 265), "prlimit64": (302, 261),
        "syslog": (103, 116), "personality": (135, 92), "init_module": (175, 105), "inotify_init1": (294, 26),
        "setpriority": (140 + 1, 140), "tgkill": (234, 131), "semget": (64, 190), "fsopen": (430, 430),
        "mlock": (149, 228), "rt_sigqueueinfo": (129, 138), "timer_create": (222, 107),
    }
    number = numbers[name][platform.machine() == "aarch64"]
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    return result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.EACCES)
'''
"""In front of every attack, behind the names of the scene."""

REFUSED: Final = frozenset({Status.PASSED})
"""The program tries, is refused, and says so: ``escaped()`` is False."""
NOT_FOOLED: Final = frozenset({Status.FAILED, Status.CRASHED, Status.INVALID})
"""The program does not compute what is asked for, and must not pass for one that does."""
ENDED: Final = frozenset({Status.TIMEOUT, Status.MEMORY, Status.CRASHED, Status.FAILED, Status.LIMITS})
"""The program uses without bound, and must be ended, or charged with what it leaves."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile program.

    Args:
        name: What it tries.
        source: The program, behind ``PRELUDE``.
        expected: How it may end where the boundary holds.
        tests: What it is asked.
        before: A program that runs before it, in the same worker.
        tiers: The tiers that promise to contain it.
    """

    name: str
    source: str
    expected: frozenset[Status] = REFUSED
    tests: tuple[str, ...] = ("assert escaped() == False",)
    before: str | None = None
    tiers: tuple[Tier, ...] = SANDBOXED


def asked(name: str, source: str) -> Attack:
    """Return an attack that is asked for values which it does not compute."""
    tests = ("assert f(1) == 'a1'", "assert f(2) == 'b7'", "assert f(3) == 'c3'")
    return Attack(name, source, NOT_FOOLED, tests)


def asked_for_numbers(name: str, source: str) -> Attack:
    """Return an attack whose values are compared as numbers, which can be slow."""
    return Attack(name, source, NOT_FOOLED, ("assert f(1) == 0.5", "assert f(2) == 7"))


def unbounded(name: str, source: str) -> Attack:
    """Return an attack that uses without bound; ``escaped()`` is True where it gets to its end."""
    return Attack(name, source, ENDED, ("assert escaped() == True",))
