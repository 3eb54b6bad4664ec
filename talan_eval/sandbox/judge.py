"""From what was found in a program's report, and how its process ended, to what happened to the program."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.inside.program import EXIT_MEMORY
from talan_eval.sandbox.job import Limits, ProgramOutcome, Status

if TYPE_CHECKING:
    from talan_eval.sandbox.inside.frames import Finding

_MAX_DETAIL: Final = 300
MOST_DEATHS: Final = 3
"""Of our processes one after the other: at their start, before one program, or over it. Fewer may be chance."""


class SandboxError(RuntimeError):
    """The sandbox itself failed, so nothing is known about the program; never the program's fault."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the process of one program ended.

    Args:
        exit_code: Exit status, or the negative number of the signal that killed it; None where the worker died too.
        why: What it had too much of: "wall", "cpu", "processes", "result", "leftovers"; "silence" where the worker did
            not answer in time, "channel" where more was said than that the boundary is complete; None where it ended
            itself, or somebody else ended it or the worker.
        locked: Whether its boundary was complete before anything of the program was read; no program can say so.
    """

    exit_code: int | None
    why: str | None
    locked: bool

    @property
    def was_killed(self) -> bool:
        """Whether somebody outside ended it or its worker, as the kernel does for want of memory of the machine.

        A program behind a boundary cannot send itself that signal, and our own limits are named in ``why``.
        """
        return self.why is None and self.exit_code in {None, -signal.SIGKILL}

    @property
    def costs_worker(self) -> bool:
        """Whether its worker can take no other program: it has died, or what it holds is not as it was."""
        return self.exit_code is None or not self.locked or self.why in {"leftovers", "channel"}

    def check(self) -> None:
        """Refuse to say anything about a program that was never reached.

        Raises:
            SandboxError: The boundary was not complete.
        """
        if not self.locked:
            raise SandboxError(
                f"A program's process ended before its boundary was complete (status {self.exit_code}): nothing is "
                "known about the program."
            )


def judge(finding: Finding, ending: Ending, limits: Limits) -> ProgramOutcome:
    """Return what happened to a program.

    Args:
        finding: What its report says.
        ending: How its process ended.
        limits: What it was allowed.

    Raises:
        SandboxError: The process never came as far as the program.
    """
    ending.check()
    status, detail = _status(finding, ending, limits)
    passed = (False,) * len(finding.passed) if status is Status.LIMITS else finding.passed
    readable = detail.encode("utf-8", "backslashreplace").decode("utf-8")  # half a pair could be written nowhere
    return ProgramOutcome(status, passed, " ".join(readable.split())[:_MAX_DETAIL])


def not_comparable(n_tests: int, seconds: float) -> ProgramOutcome:
    """Return the outcome of a program whose values could not be compared in the time or memory that the judge has."""
    return ProgramOutcome(
        Status.FAILED, (False,) * n_tests, f"its values take more than {seconds:g} s or 2 GiB to compare"
    )


def not_judged(n_tests: int, why: str) -> ProgramOutcome:
    """Return the outcome of a program about which nothing is known, because something else came to its limits."""
    return ProgramOutcome(Status.LIMITS, (False,) * n_tests, " ".join(why.split())[:_MAX_DETAIL])


def _status(finding: Finding, ending: Ending, limits: Limits) -> tuple[Status, str]:
    stopped = _stopped_by_worker(ending, limits) or _stopped_by_kernel(ending, limits)
    if stopped is not None:
        return stopped
    if finding.error is not None:
        return _ended_by_error(*finding.error)
    if ending.exit_code == EXIT_MEMORY or finding.memory:
        return Status.MEMORY, f"more than {limits.memory_bytes} bytes of address space"
    if ending.exit_code != 0 or not (finding.loaded and finding.ended):
        return Status.FAILED, f"the program ended before its tests did (status {ending.exit_code})"
    return _tested(finding)


def _stopped_by_worker(ending: Ending, limits: Limits) -> tuple[Status, str] | None:
    """Return why the worker ended the program, or None where it did not."""
    if ending.why is None:
        return None
    return {
        "wall": (Status.TIMEOUT, f"more than {limits.wall_seconds:g} s of wall time"),
        "cpu": _too_much_cpu(limits),
        "processes": (Status.CRASHED, f"more than {limits.processes} processes and threads"),
        "result": (Status.FAILED, f"values of more than {limits.result_bytes} bytes"),
        "silence": (Status.LIMITS, "the worker that ran it did not answer in time"),
        "channel": (Status.LIMITS, "it wrote where its process says that its boundary is complete"),
        "leftovers": (Status.LIMITS, "what it left in its working directory cannot be removed in time"),
    }[ending.why]


def _stopped_by_kernel(ending: Ending, limits: Limits) -> tuple[Status, str] | None:
    """Return which signal ended the program, or None where none did."""
    status = ending.exit_code
    if status is None or ending.was_killed:
        return Status.LIMITS, f"{MOST_DEATHS} processes that ran it were killed"
    if status == -signal.SIGXCPU:
        return _too_much_cpu(limits)
    return (Status.CRASHED, f"killed by signal {-status}") if status < 0 else None


def _too_much_cpu(limits: Limits) -> tuple[Status, str]:
    return Status.TIMEOUT, f"more than {limits.cpu_seconds} s of CPU time"


def _ended_by_error(phase: str, kind: str, text: str) -> tuple[Status, str]:
    if kind == "MemoryError":
        return Status.MEMORY, f"{phase}: {kind}"
    if phase == "compile source":
        return Status.INVALID, f"{kind}: {text}"
    return Status.FAILED, f"{phase} raised {kind}: {text}"


def _tested(finding: Finding) -> tuple[Status, str]:
    """Return the outcome of a program that reached its end."""
    total = len(finding.passed)
    if all(finding.passed):
        return Status.PASSED, f"{total} of {total} tests"
    first = finding.passed.index(False)
    if finding.raised is not None and finding.raised[0] == first:
        _, kind, text = finding.raised
        return Status.FAILED, f"test {first + 1} raised {kind}: {text}"
    return Status.FAILED, f"test {first + 1} gave another value"
