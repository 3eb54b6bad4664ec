"""What is gated: contrasts of a result, each with its counterpart in a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.gate.change import matched
from talan_eval.result.estimates import diverged
from talan_eval.stats.noninferiority import gate_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.gate.facts import GateSettings
    from talan_eval.result.estimates import Estimate
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
    """

    result: Result
    contrast: Contrast
    baseline: Contrast | None
    among: int

    def label(self, name: str) -> str:
        """Put the contrast's name before that of a check where there are several."""
        return name if self.among == 1 else f"{self.contrast.name}: {name}"

    @property
    def diverged(self) -> bool:
        """Say whether a training of either arm diverged."""
        return diverged(self.result, self.contrast)


def gated_contrasts(result: Result, contrasts: Sequence[Contrast], baseline: Result | None) -> tuple[Gated, ...]:
    """Pair the contrasts that are gated with those of a baseline; raises a ``UserError`` for another family."""
    if baseline is None:
        return tuple(Gated(result, one, None, len(contrasts)) for one in contrasts)
    pairs = matched(result, baseline, contrasts, every=len(contrasts) == len(result.contrasts))
    return tuple(Gated(result, one, was, len(contrasts)) for one, was in pairs)


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
        estimate.delta, estimate.terms, estimate.n_seeds, settings.margin / PERCENT,
        fail_below=settings.fail_below / PERCENT, alpha=alpha,
    )  # fmt: skip
