"""What a user can choose about the statistics."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError, unknown_name
from talan_eval.comparison.reduce import MEAN, check_reducer
from talan_eval.requests.statistics import StatisticsOptions
from talan_eval.stats.seed_bootstrap import BootstrapMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from talan_eval.requests.statistics import ScoreOptions
    from talan_eval.result.evidence import Measure

AUTO = "auto"
_LEAST_ALPHA: Final = 1e-12  # quantiles are finite from here on
_MOST_RESAMPLES: Final = 1_000_000  # which take about a gigabyte for ten seeds
TOST: Final = "tost"
ALSO: Final[Mapping[str, str]] = {
    "wilcoxon": "Wilcoxon signed-rank over seeds (E1); it tests ranks, not the mean that is reported",
    "cmh": "Cochran-Mantel-Haenszel over seeds as strata (E0); as a test of re-training it rejects far too often",
    "item-bootstrap": "paired bootstrap over items of each checkpoint pair (E0); it says nothing about re-training",
    TOST: "two one-sided tests (E1): a small p says equal within the margin; not adjusted for the family",
    "benjamini-yekutieli": "false discovery rate over the family under any dependence (E1), exploratory; some of the "
    "claims that it allows are false",
}
"""Tests that a user can ask for by name, with what they do not do."""


@dataclass(frozen=True)
class StatisticsSettings:
    """Settings of the statistics; they are part of the signature.

    Attributes:
        resamples: Monte Carlo resamples of the two-way bootstrap (and of the seed bootstrap above 10 seeds).
        rng_seed: Seed of their generators, 0 or more.
        alpha: Two-sided error rate.
        bootstrap: Seed bootstrap by name, or "auto" for bootstrap-t with the expanded percentile as its fallback.
        variants_tried: How many variants of the treat arm (checkpoints, prompts, recipes) were tried before this one
            was picked by its score; every deciding p-value is multiplied by it (Bonferroni).
        slices: Labels of the items, such as "subject"; each of their values becomes a test of a family of their own.
        confirm_items: Share of each benchmark's items that does not choose the best arm and on which it is confirmed.
        also: Tests beside the defaults, by name from ``ALSO``. No verdict rests on them.
        margin: Difference in the unit of the scores that would not matter, positive and declared before results are
            read: verdicts may then say no worse, no better or equivalent, and "tost" tests it. None without it.
        earlier_looks: Seeds of earlier readings of the same comparison, in their order. Where seeds were added after
            one, the verdict on the mean rests on an anytime-valid test as well.
        weights: Weights of benchmarks and groups in the mean, as typed; none for equal weights.
        reduce: How several answers to an item make its score: "mean", or "pass@K".
        secondary: Whether there is no primary test: the first contrast's mean is then judged among the others.
    """

    resamples: int = 10_000
    rng_seed: int = 0
    alpha: float = 0.05
    bootstrap: str = AUTO
    variants_tried: int = 1
    slices: tuple[str, ...] = ()
    confirm_items: float = 0.0
    also: tuple[str, ...] = ()
    margin: float | None = None
    earlier_looks: tuple[tuple[int, ...], ...] = ()
    reduce: str = MEAN
    weights: tuple[str, ...] = ()
    secondary: bool = False

    @classmethod
    def of_request(cls, request: ScoreOptions) -> StatisticsSettings:
        """Read the options; raises as the constructor does."""
        reduce = MEAN if request.reduce is None else request.reduce
        if not isinstance(request, StatisticsOptions):  # one arm: there are no differences
            return cls(alpha=request.alpha, weights=request.weights, reduce=reduce)
        return cls(
            resamples=request.resamples,
            rng_seed=request.rng_seed,
            alpha=request.alpha,
            bootstrap=request.bootstrap,
            variants_tried=request.variants_tried,
            slices=_names(request.slices),
            also=_names(request.also),
            margin=request.margin,
            weights=request.weights,
            reduce=reduce,
        )

    def for_variants(self, p: float | None) -> float | None:
        """Return a p times the variants that were tried (Bonferroni)."""
        return None if p is None else min(1.0, float(p) * self.variants_tried)

    def check_margin(self, measure: Measure) -> None:
        """Refuse a margin that no difference of scores can reach.

        Args:
            measure: What the scores are measured in; without two bounds every margin is possible.

        Raises:
            UserError: The margin is larger than the way from the least to the largest possible score.
        """
        if self.margin is None or measure.lower is None or measure.upper is None:
            return
        most = measure.upper - measure.lower
        if self.margin > most:
            raise UserError(
                f"--margin {self.margin:g} is not between 0 and {most:g} {measure.unit}, "
                "the largest possible difference.",
                "Type a positive number: --margin 1",
            )

    def __post_init__(self) -> None:
        """Raise a ``UserError`` for a value out of range or an unknown name."""
        check_reducer(self.reduce)
        if not 1 <= self.resamples <= _MOST_RESAMPLES:
            raise UserError(
                f"{self.resamples:,} resamples are too {'few' if self.resamples < 1 else 'many'}.",
                f"Type a number from 1 to {_MOST_RESAMPLES}, such as --resamples 10000",
            )
        if self.rng_seed < 0:
            raise UserError(
                f"The random seed {self.rng_seed} is negative.", "Type a number from 0 upwards: --rng-seed 0"
            )
        if not _LEAST_ALPHA <= self.alpha < 1:
            near = f"smaller than {_LEAST_ALPHA:g}" if 0 < self.alpha < 1 else "not between 0 and 1"
            raise UserError(f"alpha is {self.alpha:g}, {near}.", "Type an error rate such as --alpha 0.05")
        names = [AUTO, *(method.value for method in BootstrapMethod)]
        if self.bootstrap not in names:
            raise unknown_name("bootstrap", self.bootstrap, names)
        if self.variants_tried < 1:
            raise UserError(
                f"{self.variants_tried} variants tried is less than the one that is compared.",
                "Type the number of variants that were scored before one was picked, such as --variants-tried 5.",
            )
        for name in self.also:
            if name not in ALSO:
                raise unknown_name("test", name, ALSO)
        _check_margin(self.margin, wanted=TOST in self.also)
        for kind, chosen in (("--slices", self.slices), ("--also", self.also)):
            if len(set(chosen)) < len(chosen):
                raise UserError(f"{kind} names one thing twice: {', '.join(chosen)}.", f"Name each once: {kind} NAME")

    def generator(self, name: str) -> np.random.Generator:
        """Return the generator of one part of a comparison, by name: a further benchmark changes no other's draws."""
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return np.random.default_rng([self.rng_seed, key])


def _check_margin(margin: float | None, *, wanted: bool) -> None:
    if wanted and margin is None:
        raise UserError(
            "--also tost asks whether the arms are equal within a margin, and no margin is given.",
            "Declare the difference that would not matter, before results are read: --also tost --margin 1",
        )
    if margin is not None and not 0 < margin < math.inf:
        raise UserError(f"--margin {margin:g} is not a number above 0.", "Type a positive number: --margin 1")


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
