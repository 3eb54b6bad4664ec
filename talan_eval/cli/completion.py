"""What a shell may complete behind an option: names of arms, benchmarks, backbones and formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def arms(incomplete: str) -> list[str]:
    """Complete an arm: the last partner of it, with or without a block."""
    from talan_core.partners import PARTNERS  # noqa: PLC0415 - --help must not wait for it

    before, plus, _ = incomplete.rpartition("+")
    names = [*PARTNERS] if plus else [*PARTNERS, *(f"talan+{name}" for name in PARTNERS)]
    return _beginning(incomplete, (f"{before}{plus}{name}" for name in names))


def tasks(incomplete: str) -> list[str]:
    """Complete the last of several benchmarks between commas."""
    from talan_eval.tasks.benchmark import task_files  # noqa: PLC0415 - as above

    return listed(incomplete, task_files())


def backbones(incomplete: str) -> list[str]:
    """Complete the name of a backbone; directories and Hub ids have none."""
    from talan_core.backbones.names import BY_NAME  # noqa: PLC0415 - as above

    return _beginning(incomplete, BY_NAME)


def listed(incomplete: str, names: Iterable[str]) -> list[str]:
    """Complete the last of several names between commas, none of them twice."""
    before, comma, _ = incomplete.rpartition(",")
    return _beginning(incomplete, (f"{before}{comma}{name}" for name in names if name not in before.split(",")))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


COMPLETED: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "arm": arms, "base": arms, "treat": arms,
    "tasks": tasks, "task": tasks, "train_tasks": tasks, "backbone": backbones,
}  # fmt: skip
"""Completions by the name of the option's field."""
