"""Word problems in the manner of GSM8K: a story, a chain of small calculations, and a last line ``#### n``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.backbones.micro.world.problem import Problem

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

NAMES = (
    "Ana",
    "Ben",
    "Cara",
    "Dan",
    "Eva",
    "Finn",
    "Gina",
    "Hugo",
    "Iris",
    "Jack",
    "Kim",
    "Leo",
    "Mia",
    "Noah",
    "Olga",
    "Paul",
)
THINGS = (
    "apples",
    "books",
    "cards",
    "coins",
    "eggs",
    "flowers",
    "marbles",
    "pens",
    "shells",
    "stamps",
    "stones",
    "tickets",
)
LIMIT = 999


@dataclass(frozen=True, slots=True)
class Range:
    """How hard problems are.

    Attributes:
        lengths: Numbers of steps.
        weights: How often each length is drawn.
        start: Smallest and largest first number.
        operand: Largest number that is added or taken away.
        product: Largest product.
    """

    lengths: tuple[int, ...]
    weights: tuple[int, ...]
    start: tuple[int, int]
    operand: int
    product: int


CORPUS = Range(lengths=(2, 3, 4, 5), weights=(3, 4, 3, 2), start=(3, 60), operand=40, product=200)
BENCHMARK = Range(lengths=(2, 3, 4, 5, 6), weights=(2, 3, 3, 2, 1), start=(10, 150), operand=90, product=300)


@dataclass(frozen=True, slots=True)
class Step:
    """One calculation of a chain: the sentence that tells it and the arithmetic that it stands for."""

    sign: str
    operand: int
    sentence: str

    def apply(self, value: int) -> int:
        """Return the value after this step."""
        match self.sign:
            case "+":
                return value + self.operand
            case "-":
                return value - self.operand
            case "*":
                return value * self.operand
            case _:
                return value // self.operand


def _gain(value: int, names: tuple[str, str], limits: Range, rng: random.Random) -> Step | None:
    who, thing = names
    n = rng.randint(2, limits.operand)
    text = rng.choice(
        (f"{who} buys {n} more {thing}.", f"{who} finds {n} {thing}.", f"A friend gives {who} {n} {thing}.")
    )
    return Step("+", n, text) if value + n <= LIMIT else None


def _lose(value: int, names: tuple[str, str], limits: Range, rng: random.Random) -> Step | None:
    if value < 4:  # noqa: PLR2004 - too few to give any away
        return None
    who, thing = names
    n = rng.randint(2, min(limits.operand, value - 1))
    return Step(
        "-", n, rng.choice((f"{who} loses {n} {thing}.", f"{who} gives away {n} {thing}.", f"{who} sells {n} {thing}."))
    )


def _multiply(value: int, names: tuple[str, str], limits: Range, rng: random.Random) -> Step | None:
    who, thing = names
    n = rng.randint(2, 5)
    word = {2: "doubles", 3: "triples"}.get(n)
    text = f"Then {who} {word} the number of {thing}." if word else f"Then {who} gets {n} times as many {thing}."
    return Step("*", n, text) if value * n <= limits.product else None


def _share(value: int, names: tuple[str, str], _limits: Range, rng: random.Random) -> Step | None:
    divisors = [n for n in (2, 3, 4, 5) if value % n == 0 and value // n > 1]
    if not divisors:
        return None
    (who, thing), n = names, rng.choice(divisors)
    return Step("/", n, f"{who} shares the {thing} equally among {n} boxes and keeps one box.")


_KINDS: tuple[Callable[[int, tuple[str, str], Range, random.Random], Step | None], ...] = (
    _gain,
    _lose,
    _multiply,
    _share,
)
_WEIGHTS = (5, 5, 3, 2)


def _chain(start: int, length: int, names: tuple[str, str], limits: Range, rng: random.Random) -> list[Step]:
    steps: list[Step] = []
    value = start
    while len(steps) < length:
        step = rng.choices(_KINDS, _WEIGHTS)[0](value, names, limits, rng)
        if step is not None:
            steps.append(step)
            value = step.apply(value)
    return steps


def draw(rng: random.Random, limits: Range = CORPUS) -> Problem:
    """Draw one word problem.

    Args:
        rng: Source of all randomness.
        limits: How hard it may be. The benchmark's are harder than what the backbone has read.

    Returns:
        The problem; its level is the number of steps less one.
    """
    who, thing = rng.choice(NAMES), rng.choice(THINGS)
    length = rng.choices(limits.lengths, limits.weights)[0]
    start = rng.randint(*limits.start)
    steps = _chain(start, length, (who, thing), limits, rng)
    lines, value = [], start
    for step in steps:
        after = step.apply(value)
        lines.append(f"{value} {step.sign} {step.operand} = {after}")
        value = after
    story = " ".join([f"{who} has {start} {thing}.", *(step.sentence for step in steps)])
    return Problem(
        key="word:" + str(start) + "".join(f"{s.sign}{s.operand}" for s in steps),
        question=f"{story} How many {thing} does {who} have now?",
        worked="\n".join([*lines, f"#### {value}"]),
        careless=f"#### {value}",
        answer=str(value),
        subject="arithmetic",
        level=length - 1,
        topic=thing,
    )
