"""Which system calls a program may make: everything that is not here is refused with EPERM.

What one thread of Python needs to compute, to import its standard library and to use files that it may reach. Not here,
among others: fork, threads, exec, signals to others, sockets with an address, ptrace and its relatives, mounts,
namespaces, io_uring, keys, shared memory, BPF, a second name for a file (Landlock allows one wherever it allows files),
and every call that changes a file's owner, mode, times or attributes (Landlock does not govern those).
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Test(enum.Enum):
    """How an argument decides."""

    ONE_OF = enum.auto()
    """Allowed where the lower 32 bits are one of the values."""
    ZERO = enum.auto()
    """Allowed where all 64 bits are zero: a pointer that is not given."""
    NOT_TRUNCATING = enum.auto()
    """Allowed unless a file is opened for reading and truncated, which Landlock before Linux 6.2 does not see."""


class Condition(NamedTuple):
    """One argument that must pass a test.

    Args:
        argument: Which, from 0.
        test: How it decides.
        values: For ``ONE_OF``.
    """

    argument: int
    test: Test
    values: tuple[int, ...] = ()


_FREE: Final = """
read readv pread64 preadv write writev pwrite64 pwritev close close_range lseek fstat fstatfs dup dup2 dup3 pipe pipe2
getdents getdents64 ftruncate sendfile copy_file_range fadvise64

creat newfstatat stat lstat statx statfs access faccessat faccessat2 getcwd mkdir mkdirat rmdir unlink unlinkat
rename renameat renameat2 umask

mmap mprotect munmap mremap madvise brk

rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause alarm setitimer
getitimer restart_syscall nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time getrandom

getpid gettid getppid getuid geteuid getgid getegid getgroups getresuid getresgid getpgrp getpgid getsid getpriority
times getrusage sysinfo uname getrlimit setrlimit getcpu sched_yield sched_getaffinity sched_getparam sched_getscheduler

futex get_robust_list wait4 waitid poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait
epoll_pwait recvfrom exit exit_group
"""
ALWAYS: Final = tuple(_FREE.split())
"""Open files; files by name; memory; signals to itself, and time; facts about itself; waiting, and the end."""
WAYS: Final = ("readlink", "readlinkat", "chdir", "fchdir")
"""Each tells where a link leads, which Landlock does not govern: only where no file of the machine's can be named."""
SPECIAL_FILES: Final = ("symlink", "symlinkat", "mknod", "mknodat")
"""Left to Landlock, which allows nowhere what they make; refused here where the kernel has no Landlock."""

_FCNTL: Final = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC. Not F_SETOWN, which sends signals to any process."""
_IOCTL: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_UNIX: Final = 1

CONDITIONAL: Final = {
    "fcntl": Condition(1, Test.ONE_OF, _FCNTL),
    "ioctl": Condition(1, Test.ONE_OF, _IOCTL),
    "open": Condition(1, Test.NOT_TRUNCATING),
    "openat": Condition(2, Test.NOT_TRUNCATING),
    "prlimit64": Condition(0, Test.ONE_OF, (0,)),  # its own limits only
    "socketpair": Condition(0, Test.ONE_OF, (_UNIX,)),  # asyncio wakes its loop through one
    "sendto": Condition(4, Test.ZERO),  # to the other end of the pair, never to an address
}
MISSING: Final = ("clone3", "openat2")
"""Answered with ENOSYS: callers know an older call, whose arguments a filter can read."""
