"""The filter of system calls, as a classic BPF program, and how a process takes it on.

The program is a binary search over the numbers, so a call costs few instructions and taking the filter on is cheap.
Source: Linux, Documentation/userspace-api/seccomp_filter.rst and include/uapi/linux/filter.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final, NamedTuple

from .kernel import prepared
from .rules import ALWAYS, CONDITIONAL, MISSING, SPECIAL_FILES, WAYS, Condition, Test
from .syscalls import AUDIT_ARCHITECTURES, number

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_IS_MISSING: Final = 0x00050000 | errno.ENOSYS

_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_ACCESS_AND_TRUNCATE: Final = os.O_ACCMODE | os.O_TRUNC
_X32: Final = 0x40000000
"""Numbers from here on are x86-64's second set of calls, which a list of numbers would not cover."""
_MOST_INSTRUCTIONS: Final = 4096
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2


class Instruction(NamedTuple):
    """One instruction: code, jumps when true and when false, operand."""

    code: int
    if_true: int
    if_false: int
    operand: int


class _Range(NamedTuple):
    """Numbers from ``start`` up to the next range, and what to do with them."""

    start: int
    action: int | Condition


def program(machine: str, *, has_landlock: bool, has_own_files: bool) -> tuple[Instruction, ...]:
    """Return the filter for one processor.

    Args:
        machine: "x86_64" or "aarch64".
        has_landlock: Whether Landlock is there to refuse special files.
        has_own_files: Whether the process has files of its own to go to, rather than to list only.
    """
    actions: dict[int, int | Condition] = {}
    always = (*ALWAYS, *(SPECIAL_FILES if has_landlock else ()), *(WAYS if has_own_files else ()))
    for names, action in ((always, _ALLOW), (MISSING, _IS_MISSING)):
        actions |= {found: action for name in names if (found := number(name, machine)) is not None}
    actions |= {found: rule for name, rule in CONDITIONAL.items() if (found := number(name, machine)) is not None}
    body = _search(_ranges(actions))
    assembled = (
        Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        Instruction(_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        Instruction(_RETURN, 0, 0, _KILL),
        Instruction(_LOAD, 0, 0, _NUMBER_AT),
        *body,
    )
    if len(assembled) > _MOST_INSTRUCTIONS:
        raise ValueError(f"A filter of {len(assembled)} instructions is too long for the kernel.")
    return assembled


def _ranges(actions: dict[int, int | Condition]) -> list[_Range]:
    """Return neighbours with the same action as one range; what is between them is refused."""
    ranges = [_Range(0, _REFUSE)]
    for at in sorted({*actions, *(found + 1 for found in actions)}):
        action = actions.get(at, _REFUSE)
        if at == 0:
            ranges = [_Range(0, action)]
        elif action != ranges[-1].action:
            ranges.append(_Range(at, action))
    return [*ranges, _Range(_X32, _KILL)]


def _search(ranges: list[_Range]) -> list[Instruction]:
    """Return a binary search whose leaves are actions; the number is in the accumulator."""
    if len(ranges) == 1:
        action = ranges[0].action
        return _decide(action) if isinstance(action, Condition) else [Instruction(_RETURN, 0, 0, action)]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [Instruction(_AT_LEAST, len(below), 0, ranges[middle].start), *below, *above]


def _decide(condition: Condition) -> list[Instruction]:
    """Return the test of one argument, ending in an answer either way."""
    low = Instruction(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument)
    answers = [Instruction(_RETURN, 0, 0, _REFUSE), Instruction(_RETURN, 0, 0, _ALLOW)]
    if condition.test is Test.ONE_OF:
        values = condition.values
        tests = [Instruction(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
        return [low, *tests, *answers]
    if condition.test is Test.ZERO:
        high = Instruction(_LOAD, 0, 0, low.operand + 4)
        return [low, Instruction(_EQUAL, 0, 2, 0), high, Instruction(_EQUAL, 1, 0, 0), *answers]
    mask = Instruction(_AND, 0, 0, _ACCESS_AND_TRUNCATE)
    return [low, mask, Instruction(_EQUAL, 0, 1, os.O_RDONLY | os.O_TRUNC), *answers]


class Filter:
    """A filter in the form that the kernel reads, made once and taken on by many processes.

    Args:
        instructions: What ``program`` returned.

    Attributes:
        take_on: Binds this process and all its descendants for good; they must not be able to gain privileges. Raises
            an ``OSError`` where the kernel has no seccomp filters, or refuses.
    """

    def __init__(self, instructions: tuple[Instruction, ...]) -> None:
        packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
        code = ctypes.create_string_buffer(packed, len(packed))
        # struct sock_fprog: the number of instructions and, aligned, where they are
        head = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code)))
        where = ctypes.addressof(head)
        self.take_on = prepared("prctl", _PR_SET_SECCOMP, _MODE_FILTER, where, 0, 0, keeping=(code, head))
