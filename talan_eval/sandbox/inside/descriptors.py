"""The descriptors of a worker, each under a number of its own.

The job and the result are files in memory that the caller makes once for each worker, so nobody is woken while a
program runs. A worker holds them for the processes that it forks and reads neither. The numbers are chosen so that one
call closes everything that a program shall not have.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

JOB: Final = 3
"""What is to be run; closed before anything of it is compiled."""
RESULT: Final = 4
"""Where frames go; the only descriptor beside the null device that a program holds."""
LOCKED: Final = 5
"""A channel to the caller for one byte, written and closed by trusted code when the boundary is complete.

A socket and not a pipe: a socket cannot be opened by its name below /proc, so whoever does not hold it can neither take
the byte nor add one."""
CONTROL: Final = 6
"""The channel between caller and worker; from here on a program's process closes everything."""
ALL: Final = 1 << 20
COMPLETE: Final = b"L"
"""What goes through ``LOCKED``."""


class Given(NamedTuple):
    """The numbers under which a worker was started with its descriptors.

    Args:
        job: As ``JOB``.
        result: As ``RESULT``.
        locked: As ``LOCKED``.
        control: As ``CONTROL``.
    """

    job: int
    result: int
    locked: int
    control: int


def arrange(given: Given) -> None:
    """Move the descriptors of this process to their own numbers, and close all others above the standard ones."""
    away = []
    for number in given:
        moved = number
        while moved <= CONTROL:
            moved = os.dup(moved)  # the lowest free number, so it comes out above them
        away.append(moved)
    for own, moved in zip((JOB, RESULT, LOCKED, CONTROL), away, strict=True):
        os.dup2(moved, own, inheritable=False)
    os.closerange(CONTROL + 1, ALL)
