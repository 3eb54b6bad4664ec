"""From what a worker reported to what happened to the program."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from talan_eval.sandbox.compare import same
from talan_eval.sandbox.inside.program import EXIT_MEMORY
from talan_eval.sandbox.job import Limits, Outcome, Status

_MAX_DETAIL: Final = 300


class SandboxError(RuntimeError):
    """The sandbox itself failed, so nothing is known about the program; never the program's fault."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the process of one program ended.

    Args:
        exit_code: Exit status, or the negative number of the signal that killed it; None where the worker died too.
        why: Why the worker ended it: "wall", "processes", "cancel"; None where it ended itself.
        cpu_seconds: CPU time of the process and those of its children that it waited for.
    """

    exit_code: int | None
    why: str | None
    cpu_seconds: float


@dataclass(slots=True)
class Report:
    """What arrived from one program, frame by frame."""

    started: bool = False
    loaded: bool = False
    ended: bool = False
    error: tuple[str, str, str] | None = None
    values: dict[int, Any] = field(default_factory=dict)
    raised: dict[int, tuple[str, str]] = field(default_factory=dict)


def read_report(data: bytes) -> Report:
    """Read frames up to the first that is not one; a program can write anything behind its first."""
    report = Report()
    for line in data.split(b"\n"):
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError):
            break
        match frame:
            case ["start"]:
                report.started = True
            case ["loaded"]:
                report.loaded = True
            case ["end"]:
                report.ended = True
            case ["error", str(phase), str(kind), str(text)]:
                report.error = (phase, kind, text)
            case ["value", int(number), value]:
                report.values[number] = value
            case ["raised", int(number), str(kind), str(text)]:
                report.raised[number] = (kind, text)
            case _:
                break
    return report


def judge(report: Report, ending: Ending, expected: tuple[Any, ...], limits: Limits) -> Outcome:
    """Return what happened to a program.

    Args:
        report: What arrived.
        ending: How its process ended.
        expected: The expected value of each test, as type-tagged JSON.
        limits: What it was allowed.

    Raises:
        SandboxError: The process never came as far as the program.
    """
    if not report.started:
        raise SandboxError(f"A program's process ended before the program was run (status {ending.exit_code}).")
    passed = tuple(
        number in report.values and number not in report.raised and same(wanted, report.values[number])
        for number, wanted in enumerate(expected)
    )
    status, detail = _status(report, ending, passed, limits)
    return Outcome(status, passed, " ".join(detail.split())[:_MAX_DETAIL])


def _status(report: Report, ending: Ending, passed: tuple[bool, ...], limits: Limits) -> tuple[Status, str]:
    stopped = _stopped_by_worker(ending, limits) or _stopped_by_kernel(ending, limits)
    if stopped is not None:
        return stopped
    if report.error is not None:
        return _ended_by_error(*report.error)
    if ending.exit_code == EXIT_MEMORY or any(kind == "MemoryError" for kind, _ in report.raised.values()):
        return Status.MEMORY, f"more than {limits.memory_bytes} bytes of address space"
    if ending.exit_code != 0 or not (report.loaded and report.ended):
        return Status.FAILED, f"the program ended before its tests did (status {ending.exit_code})"
    return _tested(report, passed)


def _stopped_by_worker(ending: Ending, limits: Limits) -> tuple[Status, str] | None:
    """Return why the worker ended the program, or None where it did not."""
    if ending.why is None:
        return None
    return {
        "wall": (Status.TIMEOUT, f"more than {limits.wall_seconds:g} s of wall time"),
        "processes": (Status.CRASHED, f"more than {limits.processes} processes and threads"),
        "cancel": (Status.FAILED, f"values of more than {limits.result_bytes} bytes"),
    }[ending.why]


def _stopped_by_kernel(ending: Ending, limits: Limits) -> tuple[Status, str] | None:
    """Return which signal ended the program, or None where none did."""
    if ending.exit_code is None:
        return Status.CRASHED, "the program took the worker that watched it down"
    by_cpu = ending.exit_code == -signal.SIGKILL and ending.cpu_seconds >= limits.cpu_seconds
    if ending.exit_code == -signal.SIGXCPU or by_cpu:
        return Status.TIMEOUT, f"more than {limits.cpu_seconds} s of CPU time"
    return (Status.CRASHED, f"killed by signal {-ending.exit_code}") if ending.exit_code < 0 else None


def _ended_by_error(phase: str, kind: str, text: str) -> tuple[Status, str]:
    if kind == "MemoryError":
        return Status.MEMORY, f"{phase}: {kind}"
    if phase == "compile source":
        return Status.INVALID, f"{kind}: {text}"
    return Status.FAILED, f"{phase} raised {kind}: {text}"


def _tested(report: Report, passed: tuple[bool, ...]) -> tuple[Status, str]:
    """Return the outcome of a program that reached its end."""
    if all(passed):
        return Status.PASSED, f"{len(passed)} of {len(passed)} tests"
    first = passed.index(False)
    if first in report.raised:
        kind, text = report.raised[first]
        return Status.FAILED, f"test {first + 1} raised {kind}: {text}"
    return Status.FAILED, f"test {first + 1} gave another value"
