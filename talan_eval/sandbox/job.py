"""What a caller asks the runner for and what it gets back."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.StrEnum):
    """How one program ended."""

    PASSED = "passed"
    """The program ended cleanly and every test holds."""
    FAILED = "failed"
    """The program is Python, but raised, ended early, or a test does not hold."""
    TIMEOUT = "timeout"
    """Stopped by the CPU-time limit, or by the wall-clock limit behind it."""
    MEMORY = "memory"
    """Ran into the memory limit."""
    CRASHED = "crashed"
    """Killed by a signal (a stack overflow in C, say), or for starting too many processes."""
    LIMITS = "error: limits"
    """Nothing is known about it, because what runs and compares programs came to its own limits over it."""
    INVALID = "invalid"
    """Not Python at all: the source cannot be compiled."""


@dataclass(frozen=True, slots=True)
class Job:
    """One program and its tests.

    Args:
        source: The untrusted program. Anything that a ``str`` can hold.
        tests: ``assert`` statements, one each, from a trusted source (the benchmark).
        setup: Trusted statements that run behind the program and before the tests, as MBPP's ``test_setup_code``.
    """

    source: str
    tests: tuple[str, ...]
    setup: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Args:
        cpu_seconds: CPU time, whole seconds. Wall time would make a verdict depend on the load of the machine.
        wall_seconds: Backstop for programs that wait without computing.
        memory_bytes: Address space of each process.
        file_bytes: Size of each file that is written; more than ``result_bytes``, because values leave in a file.
        disk_bytes: Size of all files that are written, in tier 1, where the kernel keeps it. In tier 2 no file is
            written at all. Not watched where there is no sandbox.
        open_files: Open descriptors of each process.
        processes: Processes and threads at a time, the program and all its descendants together, where there is no
            sandbox. Inside one a program is a single thread.
        result_bytes: Size of all values that the tests yield, as JSON.
    """

    cpu_seconds: int = 30
    wall_seconds: float = 120.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 8 << 20
    disk_bytes: int = 64 << 20
    open_files: int = 64
    processes: int = 32
    result_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        """Refuse limits that no program could live with.

        Raises:
            ValueError: A limit is not positive, or files may not be larger than all values.
        """
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"Limits.{name} must be positive, got {getattr(self, name)!r}.")
        if self.file_bytes <= self.result_bytes:
            raise ValueError(
                f"Limits.file_bytes must be more than Limits.result_bytes ({self.result_bytes}), got {self.file_bytes}."
            )


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """What happened to one program.

    Args:
        status: How it ended.
        passed_tests: For each test whether it holds; tests that were not reached do not.
        detail: One line for a person. It may quote the program, so it is untrusted text.
    """

    status: Status
    passed_tests: tuple[bool, ...]
    detail: str
