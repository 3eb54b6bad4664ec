"""Reads what one program reported, frame by frame; trusted code that looks at hostile bytes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .equality import same


class Report(NamedTuple):
    """What arrived from one program.

    Args:
        loaded: Whether the program and its set-up came to their ends.
        ended: Whether all tests were evaluated and the program ended cleanly.
        error: Phase, type and text of what ended the program early, or None.
        values: The value of each test that has one, as type-tagged JSON.
        raised: Type and text of what each test raised that has no value.
    """

    loaded: bool
    ended: bool
    error: tuple[str, str, str] | None
    values: dict[int, Any]
    raised: dict[int, tuple[str, str]]


def read_report(data: bytes) -> Report:
    """Read frames up to the first that is not one; a program can write anything."""
    marks: set[str] = set()
    error: tuple[str, str, str] | None = None
    values: dict[int, Any] = {}
    raised: dict[int, tuple[str, str]] = {}
    for line in data.split(b"\n"):
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError):
            break
        match frame:
            case ["loaded" | "ended" as mark]:
                marks.add(mark)
            case ["error", str(phase), str(kind), str(text)]:
                error = (phase, kind, text)
            case ["value", int(number), value]:
                values[number] = value
            case ["raised", int(number), str(kind), str(text)]:
                raised[number] = (kind, text)
            case _:
                break
    return Report("loaded" in marks, "ended" in marks, error, values, raised)


class Finding(NamedTuple):
    """What a report says about the tests: everything of it that a verdict needs.

    Args:
        loaded: As in the report.
        ended: As in the report.
        error: As in the report.
        passed: For each test whether its value is the expected one.
        raised: Number, type and text of the first test that raised, or None.
        memory: Whether a test ran out of memory.
    """

    loaded: bool
    ended: bool
    error: tuple[str, str, str] | None
    passed: tuple[bool, ...]
    raised: tuple[int, str, str] | None
    memory: bool

    @classmethod
    def from_json(cls, data: list[Any]) -> Finding:
        """Read what JSON made of one."""
        values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in data]
        return cls(*values)


def examine(report: Report, expected: list[Any]) -> Finding:
    """Compare the values of a report with the expected ones.

    Args:
        report: What arrived.
        expected: The expected value of each test, as type-tagged JSON.
    """
    passed = tuple(
        number in report.values and number not in report.raised and same(wanted, report.values[number])
        for number, wanted in enumerate(expected)
    )
    first = min((number for number in report.raised if 0 <= number < len(expected)), default=None)
    raised = None if first is None else (first, *report.raised[first])
    memory = any(kind == "MemoryError" for kind, _ in report.raised.values())
    return Finding(report.loaded, report.ended, report.error, passed, raised, memory)
