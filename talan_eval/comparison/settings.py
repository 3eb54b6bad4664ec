"""What a user can choose about the statistics."""

from __future__ import annotations

from dataclasses import dataclass

from talan_core.errors import UserError, unknown_name
from talan_eval.stats.seed_bootstrap import BootstrapMethod

AUTO = "auto"


@dataclass(frozen=True)
class StatisticsSettings:
    """Settings of the statistics; they are part of the signature.

    Attributes:
        resamples: Monte Carlo resamples of the two-way bootstrap (and of the seed bootstrap above 10 seeds).
        rng_seed: Seed of their generators, 0 or more.
        alpha: Two-sided error rate.
        bootstrap: Seed bootstrap by name, or "auto" for bootstrap-t with the expanded percentile as its fallback.
    """

    resamples: int = 10_000
    rng_seed: int = 0
    alpha: float = 0.05
    bootstrap: str = AUTO

    def __post_init__(self) -> None:
        """Raise a ``UserError`` for a value out of range or an unknown bootstrap."""
        if self.resamples < 1:
            raise UserError(f"{self.resamples} resamples are too few.", "Type a positive number, such as 10000.")
        if self.rng_seed < 0:
            raise UserError(f"The random seed {self.rng_seed} is negative.", "Type a number from 0 upwards.")
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha is {self.alpha}, not between 0 and 1.", "Type an error rate such as 0.05.")
        names = [AUTO, *BootstrapMethod]
        if self.bootstrap not in names:
            raise unknown_name("bootstrap", self.bootstrap, names)
