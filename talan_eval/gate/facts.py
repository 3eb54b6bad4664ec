"""What a gate is told and what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from talan_core.errors import UserError, unknown_name
from talan_eval.result.evidence import POINTS

if TYPE_CHECKING:
    from talan_eval.result.estimates import Question

_MOST_POINTS: Final = 100.0
_QUESTIONS: Final[tuple[Question, ...]] = ("E0", "E1", "E2")
Kind = Literal["mean", "benchmark", "slice", "must pass", "completeness"]


class CheckOutcome(StrEnum):
    """What a gate, or one of its checks, can say."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INCOMPLETE = "incomplete"

    @property
    def exit_code(self) -> int:
        """Return the exit code of ``talan-eval gate``; 2 is a mistake of the user's."""
        return {CheckOutcome.PASS: 0, CheckOutcome.FAIL: 1, CheckOutcome.INCONCLUSIVE: 3, CheckOutcome.INCOMPLETE: 4}[
            self
        ]


def estimand_named(name: str | None) -> Question | None:
    """Return what was asked for; raises a ``UserError`` for another name."""
    if name is None:
        return None
    found = {known.casefold(): known for known in _QUESTIONS}.get(name.strip().casefold())
    if found is None:
        raise unknown_name("estimand", name, _QUESTIONS)
    return found


@dataclass(frozen=True)
class GateSettings:
    """The declared gate.

    Attributes:
        margin: Tolerated loss, 0 or more.
        alpha: One-sided error rate of each bound.
        per_cell: Whether a loss shown on a single benchmark fails the gate (Holm over all checked).
        per_slice: The same for slices.
        fail_below_margin: Whether only a loss larger than the margin is a regression; otherwise any shown loss is.
        estimand: What is gated: E0 (these checkpoints), E1 (re-training) or E2 (re-training, new items). When None, E1
            from two seeds on and E0 with one.
        least_share: Share of the items and of the seeds of either arm that must be there.
        unit: What margin and differences are measured in; `decide` takes the result's.
        less_is_better: Whether less of the metric is better, so that differences are turned; likewise.
    """

    margin: float
    alpha: float = 0.05
    per_cell: bool = False
    per_slice: bool = False
    fail_below_margin: bool = False
    estimand: Question | None = None
    least_share: float = 1.0
    unit: str = POINTS
    less_is_better: bool = False

    def __post_init__(self) -> None:
        """Raise a ``UserError`` for a value out of range."""
        if not 0 <= self.margin < math.inf or (self.unit == POINTS and self.margin > _MOST_POINTS):
            most = f"between 0 and {_MOST_POINTS:g} {POINTS}" if self.unit == POINTS else "a number from 0 on"
            raise UserError(f"The margin {self.margin:g} is not {most}.", "Type a tolerated loss: --margin 1.0")
        if not 0 < self.alpha < 0.5:  # noqa: PLR2004 - a bound of level below one half is none
            raise UserError(
                f"alpha is {self.alpha:g}, not between 0 and 0.5.", "Type a one-sided error rate: --alpha 0.05"
            )
        if not 0 < self.least_share <= 1:
            raise UserError(
                f"The least share {self.least_share:g} is not above 0 and at most 1.",
                "Type what must be there of either arm's items and seeds: --least-share 0.98",
            )

    @property
    def fail_below(self) -> float:
        """Return below which value, in points, the upper bound shows a regression."""
        return -self.margin if self.fail_below_margin else 0.0


@dataclass(frozen=True)
class Check:
    """One thing that a gate looks at.

    Attributes:
        kind: What it is about.
        name: Benchmark, slice, item, or "mean"; after the contrast's name where several are gated.
        outcome: What it says to the gate. A benchmark or slice never passes; it fails or leaves the answer to the mean.
        decides: Whether it takes part in the gate's outcome; the others are shown for information.
        text: One sentence with the numbers.
        delta: Difference in points; None where there is none. So for the next four.
        lower: One-sided lower bound, points, adjusted like the word that it bears out.
        upper: One-sided upper bound, points, adjusted exactly as ``p_fail`` is.
        p_fail: One-sided p of a loss, adjusted over the checks of its kind where there are several.
        seeds_to_decide: Seeds in all that would decide if difference and noise stayed what they are.
        word: What is shown for the outcome; the outcome itself when empty.
    """

    kind: Kind
    name: str
    outcome: CheckOutcome
    decides: bool
    text: str
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    p_fail: float | None = None
    seeds_to_decide: int | None = None
    word: str = ""

    @property
    def says(self) -> str:
        """Return what is shown: the outcome, or what can be said of a benchmark that did not fail."""
        return self.word or self.outcome.value

    @property
    def title(self) -> str:
        """Return kind and name, as one heading; the kind alone is not said twice."""
        return self.name if self.name.rpartition(": ")[2] == self.kind else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class WorstFlip:
    """An item that the arm under test loses again and again.

    Attributes:
        benchmark: Name of the cell.
        item_id: Item identifier.
        lost: Seeds at which the arm under test scores less.
        gained: Seeds at which it scores more.
        n_seeds: All seeds of the cell.
        adjusted_p: Benjamini-Hochberg over items; exploratory.
    """

    benchmark: str
    item_id: str
    lost: int
    gained: int
    n_seeds: int
    adjusted_p: float


@dataclass(frozen=True)
class MustPassItem:
    """An item that the arm under test must answer right at every seed.

    Attributes:
        benchmark: Name of the benchmark.
        item_id: Item identifier.
        failed: Seeds at which its score is below 1.
        seeds: Seeds at which it was scored; empty where no answer was found.
        arm: Whose answers these are; empty where there is one arm under test.
    """

    benchmark: str
    item_id: str
    failed: tuple[int, ...]
    seeds: tuple[int, ...]
    arm: str = ""


@dataclass(frozen=True)
class GateReport:
    """The gate's answer.

    Attributes:
        outcome: The answer.
        subject: What was gated, in words.
        settings: The declared gate.
        checks: What it looked at; the deciding ones first.
        worst_flips: Items that are lost most often.
        signature: Signature of the result.
        family: Hash of the declared family.
        estimand: What was gated: E0, E1 or E2.
    """

    outcome: CheckOutcome
    subject: str
    settings: GateSettings
    checks: tuple[Check, ...]
    worst_flips: tuple[WorstFlip, ...]
    signature: str
    family: str
    estimand: Question = "E1"

    @property
    def exit_code(self) -> int:
        """Return the exit code of the command."""
        return self.outcome.exit_code
