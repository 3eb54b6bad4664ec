"""Small Python functions in the manner of MBPP: a description, the function, and three assertions that test it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.backbones.micro.world.problem import Problem

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_NAMES = ("solve", "compute", "process", "transform", "get_result", "run_task", "apply_rule", "find_value")

# Clauses of a chain: in the corpus, and in the benchmark, which is harder than what the backbone has read.
_LENGTHS, _HARD_LENGTHS = (1, 2, 2, 3), (2, 3, 3, 4)


@dataclass(frozen=True, slots=True)
class Clause:
    """One requirement: how it is told, and the expression that meets it with ``{}`` for what it works on."""

    words: str
    code: str


def _filters(k: int) -> tuple[Clause, ...]:
    return (
        Clause("the even numbers", "x % 2 == 0"),
        Clause("the odd numbers", "x % 2 == 1"),
        Clause("the positive numbers", "x > 0"),
        Clause("the negative numbers", "x < 0"),
        Clause(f"the numbers greater than {k}", f"x > {k}"),
        Clause(f"the numbers less than {k}", f"x < {k}"),
        Clause(f"the numbers divisible by {k}", f"x % {k} == 0"),
    )


def _maps(k: int) -> tuple[Clause, ...]:
    return (
        Clause("squared", "x * x"),
        Clause("doubled", "2 * x"),
        Clause("negated", "-x"),
        Clause(f"increased by {k}", f"x + {k}"),
        Clause(f"decreased by {k}", f"x - {k}"),
        Clause(f"multiplied by {k}", f"x * {k}"),
    )


_REDUCTIONS = (
    Clause("the sum of", "sum({})"),
    Clause("the largest of", "max({}, default=0)"),
    Clause("the smallest of", "min({}, default=0)"),
    Clause("the list of", "{}"),
    Clause("the sorted list of", "sorted({})"),
    Clause("the number of different values in", "len(set({}))"),
    Clause("the reversed list of", "{}[::-1]"),
)


def _strings(k: int, letter: str) -> tuple[Clause, ...]:
    return (
        Clause("reverse it", "{}[::-1]"),
        Clause("make it upper case", "{}.upper()"),
        Clause(f"keep the first {k} letters", "{}" + f"[:{k}]"),
        Clause(f"drop the first {k} letters", "{}" + f"[{k}:]"),
        Clause(f"keep the last {k} letters", "{}" + f"[-{k}:]"),
        Clause(f"repeat it {k} times", "({} * " + f"{k})"),
        Clause(f"remove every {letter}", "{}" + f".replace('{letter}', '')"),
        Clause(f"add {letter} at the end", "({} + " + f"'{letter}')"),
    )


def _numbers(k: int) -> tuple[Clause, ...]:
    return (
        Clause(f"add {k}", "({} + " + f"{k})"),
        Clause(f"subtract {k}", "({} - " + f"{k})"),
        Clause(f"multiply by {k}", "({} * " + f"{k})"),
        Clause("square it", "({} ** 2)"),
        Clause(f"take the remainder by {k}", "({} % " + f"{k})"),
        Clause("negate it", "(-{})"),
        Clause("take the absolute value", "abs({})"),
    )


def _evaluate(body: str, argument: object) -> object:
    names = {"sum": sum, "max": max, "min": min, "sorted": sorted, "len": len, "set": set, "abs": abs}
    # The expression is made of the clauses above: nothing in it was written by a model or a user.
    return eval(body, {"__builtins__": names, "xs": argument, "s": argument, "n": argument})  # noqa: S307 - as said


def _problem(
    subject: str, level: int, told: str, bodies: tuple[str, str], arguments: list[object], rng: random.Random
) -> Problem:
    """Assemble a problem from its right and its hasty expression; the assertions come from running the right one."""
    name = rng.choice(_NAMES)
    parameter = {"list": "xs", "string": "s", "number": "n"}[subject]
    right, hasty = bodies
    tests = tuple(f"assert {name}({a!r}) == {_evaluate(right, a)!r}" for a in arguments)
    return Problem(
        key=f"{subject}:{right}",
        question=f"Write a Python function {name}({parameter}) that {told}\n"
        f"Your code should pass this test:\n{tests[0]}",
        worked=f"```python\ndef {name}({parameter}):\n    return {right}\n```",
        careless=f"```python\ndef {name}({parameter}):\n    return {hasty}\n```",
        answer=right,
        subject=subject,
        level=level,
        topic=subject,
        tests=tests,
    )


def _list_program(rng: random.Random) -> Problem:
    keep, change, collect = (
        rng.choice(_filters(rng.randint(3, 9))),
        rng.choice(_maps(rng.randint(3, 9))),
        rng.choice(_REDUCTIONS),
    )
    filtered = rng.random() < 0.75  # noqa: PLR2004 - most programs filter
    changed = not filtered or rng.random() < 0.7  # noqa: PLR2004 - and most of these change what is left as well
    item = change.code if changed else "x"
    told = f"returns {collect.words} {keep.words if filtered else 'the numbers'} in xs" + (
        f", each {change.words}." if changed else "."
    )
    right = collect.code.format(f"[{item} for x in xs" + (f" if {keep.code}]" if filtered else "]"))
    hasty = collect.code.format(f"[x for x in xs if {keep.code}]" if filtered else "xs")
    arguments: list[object] = [[rng.randint(-9, 20) for _ in range(rng.randint(4, 6))] for _ in range(3)]
    return _problem("list", 1 + filtered + changed, told, (right, hasty), arguments, rng)


def _followed_list_program(rng: random.Random) -> Problem:
    """A list program whose number is worked on further: each half is common in the corpus, the whole is not."""
    keep, change = rng.choice(_filters(rng.randint(3, 9))), rng.choice(_maps(rng.randint(3, 9)))
    collect = rng.choice(
        [c for c in _REDUCTIONS if c.words.startswith(("the sum", "the largest", "the smallest", "the number"))]
    )
    right = hasty = collect.code.format(f"[{change.code} for x in xs if {keep.code}]")
    told = f"returns {collect.words} {keep.words} in xs, each {change.words}"
    for _ in range(rng.choice((1, 2))):
        clause = rng.choice(_numbers(rng.randint(2, 9)))
        right = clause.code.format(right)
        told += f", then {clause.words}"
    arguments: list[object] = [[rng.randint(-9, 20) for _ in range(rng.randint(4, 6))] for _ in range(3)]
    return _problem("list", 4, f"{told}.", (right, hasty), arguments, rng)


def _chain_program(
    subject: str,
    clauses: Callable[[], tuple[Clause, ...]],
    arguments: list[object],
    lengths: tuple[int, ...],
    rng: random.Random,
) -> Problem:
    length, variable = rng.choice(lengths), subject[0]
    chosen = [rng.choice(clauses()) for _ in range(length)]
    right = variable
    for clause in chosen:
        right = clause.code.format(right)
    told = f"takes a {subject} {variable}: " + ", then ".join(clause.words for clause in chosen) + "."
    return _problem(subject, length, told, (right, chosen[0].code.format(variable)), arguments, rng)


def _string_program(rng: random.Random, lengths: tuple[int, ...] = _LENGTHS) -> Problem:
    arguments: list[object] = ["".join(rng.choice("abcdeimnorst") for _ in range(rng.randint(5, 8))) for _ in range(3)]
    clauses = lambda: _strings(rng.randint(2, 4), rng.choice("abeimrst"))  # noqa: E731 - drawn anew for each clause
    return _chain_program("string", clauses, arguments, lengths, rng)


def _number_program(rng: random.Random, lengths: tuple[int, ...] = _LENGTHS) -> Problem:
    arguments: list[object] = [rng.randint(-12, 30) for _ in range(3)]
    return _chain_program("number", lambda: _numbers(rng.randint(2, 9)), arguments, lengths, rng)


def draw(rng: random.Random) -> Problem:
    """Draw one function to write.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem; ``tests`` are three assertions that the worked program passes.
    """
    return rng.choices((_list_program, _string_program, _number_program), (5, 3, 2))[0](rng)


def draw_benchmark(rng: random.Random) -> Problem:
    """Draw one function to write that is harder than the corpus: longer chains, and calculations on what a list yields.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem, in the same form as ``draw``.
    """
    kind = rng.choices(("list", "followed", "string", "number"), (3, 3, 3, 2))[0]
    if kind == "string":
        return _string_program(rng, _HARD_LENGTHS)
    if kind == "number":
        return _number_program(rng, _HARD_LENGTHS)
    return _list_program(rng) if kind == "list" else _followed_list_program(rng)
