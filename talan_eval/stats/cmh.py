"""The Cochran-Mantel-Haenszel test over seeds, for readers who ask for it by name. It is no default, for a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray


@dataclass(frozen=True)
class CmhTest:
    """Result of the Cochran-Mantel-Haenszel test.

    Attributes:
        statistic: Chi-squared on one degree of freedom.
        p: Two-sided p-value.
        odds_ratio: Mantel-Haenszel pooled odds ratio; None where its denominator is zero.
    """

    statistic: float
    p: float
    odds_ratio: float | None


def cmh(tables: FloatArray, *, continuity: bool = False) -> CmhTest:
    """Cochran-Mantel-Haenszel test of conditional independence over K two-by-two tables.

    ``(|sum_k (a_k - E a_k)| - c)^2 / sum_k V a_k`` with ``c`` = 1/2 under the continuity correction (Mantel and
    Haenszel 1959), and the pooled odds ratio ``sum a d / n`` over ``sum b c / n``.

    Args:
        tables: Shape (K, 2, 2), counts. Strata are seeds (rows: arms; columns: right, wrong), or items.
        continuity: Whether to subtract one half.

    Returns:
        The test; statistic 0 and p 1 where no table carries information.

    Not covered: seeds as a random effect. The strata are fixed, so the test speaks of these checkpoints, and under a
    spread between seeds its false-positive rate as a test of E1 is several times its level. Strata of seeds also take
    the arms as unpaired.
    """
    counts = np.asarray(tables, dtype=np.float64)
    if counts.ndim != 3 or counts.shape[1:] != (2, 2):  # noqa: PLR2004 - two-by-two tables
        raise ValueError(f"expected tables of shape (K, 2, 2), got {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("counts must be finite and not negative")
    counts = counts[counts.sum(axis=(1, 2)) > 1]
    (a, b), (c, d) = counts.transpose(1, 2, 0)
    total = a + b + c + d
    rows, columns = (a + b, c + d), (a + c, b + d)
    excess = float((a - rows[0] * columns[0] / total).sum())
    variance = float((rows[0] * rows[1] * columns[0] * columns[1] / (total**2 * (total - 1))).sum())
    against, along = float((b * c / total).sum()), float((a * d / total).sum())
    odds_ratio = along / against if against > 0 else None
    if variance == 0:
        return CmhTest(0.0, 1.0, odds_ratio)
    statistic = max(abs(excess) - (0.5 if continuity else 0.0), 0.0) ** 2 / variance
    return CmhTest(statistic, float(special.erfc(math.sqrt(statistic / 2))), odds_ratio)


def seed_tables(base: FloatArray, treat: FloatArray) -> FloatArray:
    """Tabulate right and wrong answers of both arms per seed.

    Args:
        base: Scores of the base arm, shape (S, N), 0 or 1.
        treat: Scores of the treat arm, shape (S, N), 0 or 1.

    Returns:
        Shape (S, 2, 2): rows treat and base, columns right and wrong.

    Raises:
        ValueError: For other scores: the test counts answers.
    """
    for scores in (base, treat):
        if not np.isin(scores, (0.0, 1.0)).all():
            raise ValueError("the Cochran-Mantel-Haenszel test counts right and wrong answers: scores must be 0 or 1")
    rows = [np.stack([arm.sum(axis=1), (1 - arm).sum(axis=1)], axis=1) for arm in (treat, base)]
    return np.asarray(np.stack(rows, axis=1), dtype=np.float64)
