"""What is gated: contrasts of a result, each with its counterpart in a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.gate.change import matched
from talan_eval.result.estimates import diverged
from talan_eval.result.evidence import POINTS
from talan_eval.stats.noninferiority import gate_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings
    from talan_eval.result.estimates import Estimate, Question
    from talan_eval.result.schema import Contrast, Result
    from talan_eval.stats.noninferiority import GateNumbers

PERCENT: Final = 100.0
_NAMED: Final = 3


@dataclass(frozen=True)
class Gated:
    """One contrast that is gated.

    Attributes:
        result: The result that it is of.
        contrast: The contrast.
        baseline: The same contrast in a baseline.
        among: How many contrasts are gated together.
        of: What is gated: E0, E1 or E2.
    """

    result: Result
    contrast: Contrast
    baseline: Contrast | None
    among: int
    of: Question = "E1"

    def label(self, name: str) -> str:
        """Put the contrast's name before that of a check where there are several."""
        return name if self.among == 1 else f"{self.contrast.name}: {name}"

    @property
    def diverged(self) -> bool:
        """Say whether a training of either arm diverged."""
        return diverged(self.result, self.contrast)


def gated_contrasts(
    result: Result, contrasts: Sequence[Contrast], baseline: Result | None, of: Question
) -> tuple[Gated, ...]:
    """Pair the contrasts that are gated with those of a baseline; raises a ``UserError`` for another family."""
    if baseline is None:
        return tuple(Gated(result, one, None, len(contrasts), of) for one in contrasts)
    pairs = matched(result, baseline, contrasts, every=len(contrasts) == len(result.contrasts))
    return tuple(Gated(result, one, was, len(contrasts), of) for one, was in pairs)


def question(contrasts: Sequence[Contrast], asked: Question | None, *, against: bool) -> Question:
    """Return what is gated: what was asked for, else E1 from two seeds on and E0 with one.

    Raises:
        UserError: A change since a baseline is gated over seeds only.
    """
    if against:
        if asked not in {None, "E1"}:
            raise UserError(
                f"--against gates how the gain changed over trainings (E1), and {asked} was asked for: the results do "
                "not hold the answers that both of them share.",
                f"Gate the newer result alone: leave --against out, or leave out --estimand {asked}.",
            )
        return "E1"
    one_seed = all(cell.n_seeds == 1 for one in contrasts for cell in one.cells)
    paired = any(one.pairing != "independent" for one in contrasts)
    return asked or ("E0" if one_seed and paired else "E1")


def subject(contrasts: Sequence[Contrast], *, against: bool) -> str:
    """Say in words what is gated."""
    first = contrasts[0]
    if len(contrasts) > 1:
        of = "the gains of " if against else ""
        listed = ", ".join(one.name for one in contrasts[:_NAMED])
        more = f" and {len(contrasts) - _NAMED} more" if len(contrasts) > _NAMED else ""
        return f"{of}{len(contrasts)} contrasts ({listed}{more}){' against those of the baseline' if against else ''}"
    if not against:
        return first.name
    return f"the gain of {first.treatment} over {first.base} against that of the baseline"


def numbers_of(estimate: Estimate, settings: GateSettings, alpha: float) -> GateNumbers:
    """Compute what the gate says of one estimate at a one-sided error rate."""
    return gate_numbers(
        estimate.evidence, estimate.n_seeds, settings.margin / PERCENT, fail_below=settings.fail_below / PERCENT,
        alpha=alpha,
    )  # fmt: skip


def judged_from(estimate: Estimate, least: int) -> bool:
    """Say whether there are seeds enough to judge: those of E0 are fixed, whatever their number."""
    return estimate.of == "E0" or estimate.n_seeds >= least


def shown_bound(value: float, estimate: Estimate, settings: GateSettings) -> float:
    """Return a bound in the result's unit; in points within what the difference, or a change of it, can be."""
    if settings.unit != POINTS:
        return PERCENT * value
    most = 2 * PERCENT if estimate.change else PERCENT
    return max(-most, min(most, PERCENT * value))
