"""A generated problem, and the rule that keeps the splits apart.

The split of a problem is a function of its content alone (a hash of its ``key``: the numbers and operations, without
names and wording). Pre-training, adapter training and test therefore cannot share a problem, however many are drawn
and with whatever seeds.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["pretrain", "train", "test"]

# Of every ten keys one is kept for the test split, two for adapter training, the rest is what the backbone may know.
_TEST, _TRAIN = 1, 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One generated problem.

    Attributes:
        key: Content without wording; problems with equal keys are the same problem.
        question: What the user asks.
        worked: The careful answer, step by step, in the form that the benchmark's grader reads.
        careless: An answer without the steps, as hasty writers give it. Correct in form; it may be wrong in content.
        answer: What the grader compares with.
        subject: The kind of problem within its family.
        level: Difficulty, from 1 up.
        topic: What decides whether people in the corpus talk about it carefully; see ``corpus``.
        tests: Assertions that a correct program passes (programs only).
        choices: The four options, in the order of their letters (science only).
    """

    key: str
    question: str
    worked: str
    careless: str
    answer: str
    subject: str
    level: int
    topic: str
    tests: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


Draw = Callable[[random.Random], Problem]


def split_of(key: str) -> Split:
    """Return the split that owns a problem with this key."""
    slot = hashlib.sha256(key.encode()).digest()[0] % 10
    if slot < _TEST:
        return "test"
    return "train" if slot < _TRAIN else "pretrain"


def draw_split(draw: Draw, split: Split, rng: random.Random) -> Iterator[Problem]:
    """Draw problems of one split for ever, with repetitions.

    Args:
        draw: The family's generator.
        split: Whose problems to keep.
        rng: Source of all randomness.

    Yields:
        Problems whose key belongs to ``split``.
    """
    while True:
        problem = draw(rng)
        if split_of(problem.key) == split:
            yield problem


def draw_distinct(draw: Draw, split: Split, count: int, seed: int) -> list[Problem]:
    """Draw ``count`` problems of one split, no two with the same key.

    Args:
        draw: The family's generator.
        split: Whose problems to keep.
        count: How many.
        seed: Equal seeds give equal lists, on every machine.

    Returns:
        The problems in the order drawn.
    """
    chosen: dict[str, Problem] = {}
    for problem in draw_split(draw, split, random.Random(seed)):  # noqa: S311 - a generator of exercises, not of secrets
        chosen.setdefault(problem.key, problem)
        if len(chosen) == count:
            break
    return list(chosen.values())
