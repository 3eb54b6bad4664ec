"""Questions about a ledger: who has how many of what, told in any order, of which a question needs two entries.

Nothing can be computed along the way: what is asked comes last, and the two entries stand anywhere before it, among
others of the same people and things. So the answer depends on finding the right places in the context, which the other
families need little of; the arithmetic is one sum or difference. The backbone has read nothing of the kind: it is a
family of benchmarks alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_core.backbones.micro.world.problem import Problem
from talan_core.backbones.micro.world.word_problems import NAMES, THINGS

if TYPE_CHECKING:
    import random

_PEOPLE: Final = (2, 3, 4)
_THINGS: Final = 2
_LEAST, _MOST = 2, 60


def _asked(left: tuple[str, int], right: tuple[str, int], thing: str, rng: random.Random) -> tuple[str, str, str, int]:
    """Return the kind of question, the question, the calculation and its value, of two people's entries."""
    (one, first), (other, second) = left, right
    if rng.random() < 0.5:  # noqa: PLR2004 - sums and differences alike
        value = first + second
        return "sum", f"How many {thing} do {one} and {other} have together?", f"{first} + {second} = {value}", value
    if first < second:
        one, first, other, second = other, second, one, first
    value = first - second
    question = f"How many more {thing} does {one} have than {other}?"
    return "difference", question, f"{first} - {second} = {value}", value


def draw(rng: random.Random) -> Problem:
    """Draw one question about a ledger.

    Args:
        rng: Source of all randomness.

    Returns:
        The problem; its level is the number of people less one.
    """
    people = rng.sample(NAMES, rng.choice(_PEOPLE))
    things = rng.sample(THINGS, _THINGS)
    numbers = iter(rng.sample(range(_LEAST, _MOST + 1), len(people) * _THINGS))
    ledger = {(who, thing): next(numbers) for who in people for thing in things}
    entries = list(ledger.items())
    rng.shuffle(entries)
    thing = rng.choice(things)
    (one, other) = rng.sample(people, 2)
    subject, question, calculation, value = _asked((one, ledger[one, thing]), (other, ledger[other, thing]), thing, rng)
    told = " ".join(f"{who} has {number} {what}." for (who, what), number in entries)
    return Problem(
        key=f"ledger:{told} {question}",
        question=f"{told} {question}",
        worked=f"{calculation}\n#### {value}",
        careless=f"#### {value}",
        answer=str(value),
        subject=subject,
        level=len(people) - 1,
        topic=thing,
    )
