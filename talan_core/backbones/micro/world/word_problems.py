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


def _gain(value: int, who: str, thing: str, rng: random.Random) -> Step | None:
    n = rng.randint(2, 40)
    text = rng.choice(
        (f"{who} buys {n} more {thing}.", f"{who} finds {n} {thing}.", f"A friend gives {who} {n} {thing}.")
    )
    return Step("+", n, text) if value + n <= LIMIT else None


def _lose(value: int, who: str, thing: str, rng: random.Random) -> Step | None:
    if value < 4:  # noqa: PLR2004 - too few to give any away
        return None
    n = rng.randint(2, min(40, value - 1))
    return Step(
        "-", n, rng.choice((f"{who} loses {n} {thing}.", f"{who} gives away {n} {thing}.", f"{who} sells {n} {thing}."))
    )


def _multiply(value: int, who: str, thing: str, rng: random.Random) -> Step | None:
    n = rng.randint(2, 5)
    word = {2: "doubles", 3: "triples"}.get(n)
    text = f"Then {who} {word} the number of {thing}." if word else f"Then {who} gets {n} times as many {thing}."
    return Step("*", n, text) if value * n <= 200 else None  # noqa: PLR2004 - keeps products within three digits


def _share(value: int, who: str, thing: str, rng: random.Random) -> Step | None:
    divisors = [n for n in (2, 3, 4, 5) if value % n == 0 and value // n > 1]
    if not divisors:
        return None
    n = rng.choice(divisors)
    return Step("/", n, f"{who} shares the {thing} equally among {n} boxes and keeps one box.")


_KINDS: tuple[Callable[[int, str, str, random.Random], Step | None], ...] = (_gain, _lose, _multiply, _share)
_WEIGHTS = (5, 5, 3, 2)


def _chain(start: int, length: int, who: str, thing: str, rng: random.Random) -> list[Step]:
    steps: list[Step] = []
    value = start
    while len(steps) < length:
        step = rng.choices(_KINDS, _WEIGHTS)[0](value, who, thing, rng)
        if step is not None:
            steps.append(step)
            value = step.apply(value)
    return steps


def draw(rng: random.Random) -> Problem:
    """Draw one word problem of two to five steps.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem; its level is the number of steps less one.
    """
    who, thing = rng.choice(NAMES), rng.choice(THINGS)
    length = rng.choices((2, 3, 4, 5), (3, 4, 3, 2))[0]
    start = rng.randint(3, 60)
    steps = _chain(start, length, who, thing, rng)
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
    )
