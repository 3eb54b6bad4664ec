"""What a grader says about one answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """The five outcomes of grading one answer; only ``MATCH`` earns credit."""

    MATCH = "match"
    """The answer was found and equals the target."""
    MISMATCH = "mismatch"
    """The answer was found and differs from the target, or several different answers were claimed."""
    UNPARSED = "unparsed"
    """No answer in a form that the grader knows: scored 0 and reported as a rate per arm."""
    TIMEOUT = "timeout"
    """Grading or the graded program passed its limit."""
    ERROR = "error"
    """The grader could not do its work, for example because the target itself is not readable."""


@dataclass(frozen=True, slots=True)
class Grade:
    """A verdict with what it rests on.

    Args:
        verdict: One of the five outcomes.
        extracted: The part of the answer that was compared, as the model wrote it; None where nothing was found.
        reason: One short phrase for a person who asks why.
        strict: What the strict normaliser says, where a second opinion was asked for.
        symbolic: That second opinion, math-verify's; None also where there was nothing to compare.
        credit: The score where a task gives its own, from 0 to 1; None where the verdict says it.
    """

    verdict: Verdict
    extracted: str | None
    reason: str
    strict: Verdict | None = None
    symbolic: Verdict | None = None
    credit: float | None = None

    @property
    def score(self) -> float:
        """Credit for the item: 1.0 for a match and 0.0 for everything else, but for a task that gives its own."""
        if self.credit is not None:
            return self.credit
        return 1.0 if self.verdict is Verdict.MATCH else 0.0
