"""What a report may be told beside the result, by whoever reads files and does statistics; reports only show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class GradedAnswer:
    """One arm's graded answer to one item.

    Attributes:
        score: Credit in [0, 1].
        verdict: What the grader said.
        extracted: What was compared; None where nothing was found.
        reason: Why, in a phrase.
        text: What the model wrote; None where the benchmark's text must not be shown.
    """

    score: float
    verdict: str
    extracted: str | None
    reason: str
    text: str | None


@dataclass(frozen=True)
class Flip:
    """An item on which the arms of a contrast differ at one training seed.

    Attributes:
        contrast: Index of the contrast in the result.
        cell: Index of the cell in the contrast.
        seed: Training seed.
        item_id: Item identifier.
        base: The base arm's score in [0, 1].
        treatment: The treatment's.
    """

    contrast: int
    cell: int
    seed: int
    item_id: str
    base: float
    treatment: float

    @property
    def lost(self) -> bool:
        """Return whether the treatment scores less."""
        return self.treatment < self.base


Answers = tuple[GradedAnswer, GradedAnswer]
"""What the base arm and what the treatment answered to one item."""


@dataclass(frozen=True)
class Question:
    """What was asked.

    Attributes:
        text: As it was put, without examples before it.
        target: What an answer was compared with: the answer, or a program's tests.
    """

    text: str
    target: str


@dataclass(frozen=True)
class Flips:
    """All items that differ between the arms, with both answers.

    Attributes:
        entries: In the order of the result's contrasts, then cells, then seeds, then items.
        answers: To each entry both answers. A page shows some of many, so they may be read when they are asked for.
        withheld: Benchmarks whose text is not shown, by name.
        questions: By task and item, where they are known to be those that were asked and may be shown.
        notes: What is not there, and where what is there does not agree with the table; a sentence each.
    """

    entries: tuple[Flip, ...] = ()
    answers: Sequence[Answers] = ()
    withheld: tuple[str, ...] = ()
    questions: Mapping[tuple[str, str], Question] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advice:
    """What would show a gain of a given size, at the noise that was seen.

    Attributes:
        gain: The true mean gain that is to be found with 80 % power, in the unit.
        unit: Of the result.
        seeds: Seeds in all per backbone; None where no affordable number suffices.
        samples: Samples per item at the present seeds, if all noise of single items is decoding noise; None likewise.
        items: How many times the present items; None likewise.
        seeds_to_decide: Seeds in all at which the interval would exclude zero if difference and noise stayed what they
            are; None where it does already, or where none up to 1,000 would.
    """

    gain: float
    unit: str
    seeds: int | None
    samples: int | None
    items: int | None
    seeds_to_decide: int | None


@dataclass(frozen=True)
class PowerCurve:
    """Power of the verdict about one true mean gain, over numbers of seeds.

    Attributes:
        gain: In the unit.
        unit: Of the result.
        seeds: Seeds per backbone, ascending.
        power: Detection probability of each.
    """

    gain: float
    unit: str
    seeds: tuple[int, ...]
    power: tuple[float, ...]


@dataclass(frozen=True)
class Context:
    """Everything that a report may show beside the result; each part may be missing.

    Attributes:
        advice: What to do next, by contrast; empty where that was not planned.
        flips: Answers to look at.
        power: Curves of the planner, for the primary contrast.
    """

    advice: tuple[Advice | None, ...] = ()
    flips: Flips = field(default_factory=Flips)
    power: tuple[PowerCurve, ...] = ()
