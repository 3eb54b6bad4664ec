"""The filter, run on a small interpreter of its own language, for both processors."""

from __future__ import annotations

import errno
import os

import pytest

from talan_eval.sandbox.inside.rules import ALWAYS, CONDITIONAL, MISSING, SPECIAL_FILES, WAYS
from talan_eval.sandbox.inside.seccomp import program
from talan_eval.sandbox.inside.syscalls import _NUMBERS, AUDIT_ARCHITECTURES, MACHINES, number

ALLOW, REFUSE, MISSES, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000


def verdict(instructions, called, arguments=(), architecture=None):
    data = {0: called, 4: architecture}
    for place, value in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
        data |= {16 + 8 * place: value & 0xFFFFFFFF, 20 + 8 * place: value >> 32 & 0xFFFFFFFF}
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data[operand]
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x06:
                return operand


@pytest.fixture(params=MACHINES)
def ask(request):
    machine = request.param

    def ask(name, *arguments, has_landlock=True, has_own_files=True):
        called = number(name, machine) if isinstance(name, str) else name
        instructions = program(machine, has_landlock=has_landlock, has_own_files=has_own_files)
        return verdict(instructions, called, arguments, AUDIT_ARCHITECTURES[machine])

    ask.machine = machine
    return ask


def test_every_number_that_is_not_listed_is_refused(ask):
    listed = {number(n, ask.machine) for n in (*ALWAYS, *SPECIAL_FILES, *WAYS, *MISSING, *CONDITIONAL)}
    assert {ask(n) for n in range(2000) if n not in listed} == {REFUSE}


def test_every_listed_call_is_answered_as_it_is_listed(ask):
    has = [n for n in ALWAYS if number(n, ask.machine) is not None]
    assert {ask(n) for n in has} == {ALLOW}
    assert {ask(n) for n in MISSING} == {MISSES}
    assert len(has) > 85


def test_calls_of_another_processor_or_of_x32_end_the_process(ask):
    assert ask(0x40000000) == KILL
    assert ask(0xFFFFFFFF) == KILL
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[ask.machine]
    instructions = program(ask.machine, has_landlock=True, has_own_files=True)
    assert verdict(instructions, number("read", ask.machine), (), AUDIT_ARCHITECTURES[other]) == KILL
    assert verdict(instructions, number("read", ask.machine), (), 0x40000003) == KILL  # 32-bit x86


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("fcntl", (3, 3), ALLOW),
        ("fcntl", (3, 8), REFUSE),  # F_SETOWN
        ("fcntl", (3, 10), REFUSE),  # F_SETSIG
        ("fcntl", (3, 3 | 1 << 40), ALLOW),  # the kernel reads the lower half too
        ("ioctl", (0, 0x5412), REFUSE),  # TIOCSTI
        ("ioctl", (0, 0x5401), ALLOW),
        ("openat", (-100, 1, os.O_RDONLY), ALLOW),
        ("openat", (-100, 1, os.O_RDONLY | os.O_TRUNC), REFUSE),
        ("openat", (-100, 1, os.O_WRONLY | os.O_TRUNC | os.O_CREAT), ALLOW),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), REFUSE),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (2, 1), REFUSE),
        ("sendto", (3, 1, 1, 0, 0), ALLOW),
        ("sendto", (3, 1, 1, 0, 1 << 40), REFUSE),
        ("sendto", (3, 1, 1, 0, 1), REFUSE),
    ],
)
def test_arguments_decide(ask, name, arguments, answer):
    assert ask(name, *arguments) == answer


def test_without_landlock_the_filter_refuses_special_files(ask):
    for name in SPECIAL_FILES:
        if number(name, ask.machine) is not None:
            assert ask(name) == ALLOW
            assert ask(name, has_landlock=False) == REFUSE


def test_where_programs_have_no_files_the_filter_hides_where_links_lead(ask):
    for name in WAYS:
        if number(name, ask.machine) is not None:
            assert ask(name) == ALLOW
            assert ask(name, has_own_files=False) == REFUSE
    assert ask("getcwd", has_own_files=False) == ALLOW


def test_numbers_are_given_once_and_agree_with_well_known_ones():
    for machine in MACHINES:
        known = [found for name in _NUMBERS if (found := number(name, machine)) is not None]
        assert len(known) == len(set(known))
    assert [number(n, "x86_64") for n in ("read", "openat", "seccomp", "statx", "clone3")] == [0, 257, 317, 332, 435]
    assert [number(n, "aarch64") for n in ("read", "openat", "seccomp", "statx", "clone3")] == [63, 56, 277, 291, 435]
    with pytest.raises(KeyError):
        number("read", "riscv64")
