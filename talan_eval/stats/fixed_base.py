"""A comparator without training seeds: an untrained backbone, or one published checkpoint.

Only the treat arm was trained several times. Its gain over the comparator is ``mean_i (treat[s, i] - base[i])``.
E1 asks for the gain of the average training over *this* comparator, and E2 for the same on new items of the kind.
Nothing is said about another training of the comparator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval, as_deltas
from talan_eval.stats.backbones import BackbonesT, GridCell, Welch, guarded_crossed_backbones, guarded_t_backbones
from talan_eval.stats.crossed import Crossed, satterthwaite
from talan_eval.stats.guard import ErrorTerm, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.clusters import Labels

MIN_ANSWERS = 2


@dataclass(frozen=True, eq=False)
class DrawnAnswers:
    """How far a comparator's drawn answers differ within an item.

    Attributes:
        variance: Sample variance of each item's scores (ddof 1), shape (N,).
        k: Answers per item, at least 2.
    """

    variance: FloatArray
    k: int

    @property
    def of_mean(self) -> float:
        """Return what the draws contribute to the variance of the mean score, ``sum_i s_i^2 / (k N^2)``."""
        return float(self.variance.sum()) / (self.k * len(self.variance) ** 2)


@dataclass(frozen=True, eq=False)
class FixedCell:
    """One (backbone, benchmark) cell against a comparator without seeds.

    Attributes:
        backbone: Name; its cells share the treat arm's seeds, in the same order.
        benchmark: Name; its cells share their items, in the same order.
        treat: Scores of the trained arm, shape (S, N), proportions.
        base: Scores of the comparator, shape (N,), each the mean over its answers.
        answers: The spread of its answers where they were drawn; None where they are deterministic (greedy), or where
            these very answers are the comparator.
        clusters: One cluster id per item, or None for independent items.
    """

    backbone: str
    benchmark: str
    treat: FloatArray
    base: FloatArray
    answers: DrawnAnswers | None = None
    clusters: Labels | Sequence[str] | Sequence[int] | None = None


def drawn_answers(samples: FloatArray) -> DrawnAnswers:
    """Measure the spread of drawn answers.

    Args:
        samples: Score of each answer, shape (N, k) with k >= 2.

    Returns:
        Their variance within items.

    Raises:
        ValueError: With a single answer per item, whose spread cannot be seen.
    """
    matrix = as_deltas(samples)
    _check_answers(matrix.shape[1])
    return DrawnAnswers(np.asarray(matrix.var(axis=1, ddof=1), dtype=np.float64), matrix.shape[1])


def right_or_wrong_answers(means: FloatArray, k: int) -> DrawnAnswers:
    """Measure the spread of right-or-wrong answers from their means alone: ``s_i^2 = k / (k - 1) m_i (1 - m_i)``.

    Args:
        means: Share of right answers of each item, shape (N,).
        k: Answers per item, at least 2.

    Returns:
        Their variance within items.

    Raises:
        ValueError: With a single answer per item, or for means that no k right-or-wrong answers can give.
    """
    _check_answers(k)
    scores = np.asarray(means, dtype=np.float64)
    counts = scores * k
    if float(np.abs(counts - np.rint(counts)).max()) > 1e6 * ROUNDING or counts.min() < 0 or counts.max() > k:
        raise ValueError(f"these are no means of {k} right-or-wrong answers")
    return DrawnAnswers(np.asarray(k / (k - 1) * scores * (1 - scores), dtype=np.float64), k)


def fixed_deltas(cell: FixedCell) -> GridCell:
    """Return the differences to the comparator, shape (S, N), as a cell whose seeds are the treat arm's.

    Sign flips over them (``sign_flip_backbones``, ``joint_sign_flips``) test the gain over these very answers. There
    are no labels to swap, so that they are exact only if the treat arm's mean score is symmetric about its mean. They
    do not see the noise of drawn answers: do not use them where ``answers`` is given.

    Raises:
        ValueError: If the comparator has other items.
    """
    if np.ndim(cell.base) != 1 or cell.treat.shape[1:] != cell.base.shape:
        raise ValueError(f"the comparator needs one score per item, got {cell.base.shape} for {cell.treat.shape}")
    if cell.answers is not None and len(cell.answers.variance) != len(cell.base):
        raise ValueError("the comparator's answers belong to other items")
    return GridCell(cell.backbone, cell.benchmark, cell.treat - cell.base, cell.clusters)


def guarded_t_fixed(cells: Sequence[FixedCell], alpha: float) -> BackbonesT:
    """E1 against a fixed comparator: the one-sample guarded t of the seeds, for a cell or the equal-weight mean.

    Without drawn answers this is ``guarded_t_backbones`` of the differences, and all three guard terms apply unchanged:
    subtracting a constant from each item moves neither MS_S nor MS_E, and a seed spread below what flipping items
    contribute is luck as before. With k drawn answers the comparator's own noise, ``B = sum_i s_i^2 / (k N^2)``, is
    common to all seeds and does not show between them. It is added to the t and flip terms; the degrees of freedom are
    those of Satterthwaite (1946) over the seed part and the items' s_i^2 (k - 1 each); the floor adds, in quadrature,
    the width ``z sqrt(2) / (k N + 2)`` that is left where no answers of an item differed. For C cells B enters with
    weight 1/C^2.

    Args:
        cells: Every backbone with at least two seeds.
        alpha: Two-sided error rate.

    Returns:
        The result in proportions. Not covered: a comparator with one drawn answer per item, which can only be taken as
        it is; one set of drawn answers that serves several backbones (its noise would be counted as independent).

    Raises:
        ValueError: With fewer than two seeds, or a comparator of other items.
    """
    found = guarded_t_backbones([fixed_deltas(cell) for cell in cells], alpha)
    drawn = [cell.answers for cell in cells if cell.answers is not None]
    if not drawn:
        return found
    weight = 1 / len(cells) ** 2
    own = [(weight * answers.of_mean, _answers_df(answers)) for answers in drawn]
    noise = sum(part for part, _ in own)
    t, flip, floor = found.terms
    variance, flips = t.se**2 + noise, flip.se**2 + noise
    silent = weight * sum(2 / (answers.k * len(answers.variance) + 2) ** 2 for answers in drawn)
    term = ErrorTerm("t", math.sqrt(variance), satterthwaite(variance, [(t.se**2, t.df), *own]))
    flip_df = math.inf if math.isinf(flip.df) else satterthwaite(flips, [(flip.se**2, flip.df), *own])
    terms = (term, ErrorTerm("flip", math.sqrt(flips), flip_df), ErrorTerm("floor", math.sqrt(floor.se**2 + silent)))
    half, constant = term.half_width(alpha), variance == 0
    plain = Welch(
        term.se,
        term.df,
        None if constant else Interval(found.delta - half, found.delta + half),
        None if constant else term.p_value(found.delta),
    )
    return BackbonesT(found.delta, guarded(found.delta, terms, alpha), plain, terms)


def guarded_crossed_fixed(cells: Sequence[FixedCell], alpha: float) -> Crossed:
    """E2 against a fixed comparator: its answers are fixed, the treat arm's seeds and the items are random.

    This is ``guarded_crossed_backbones`` of the differences, also with drawn answers: their noise is independent
    between items and so already part of the spread over items, MS_I.

    Args:
        cells: Every backbone with at least two seeds, every benchmark with at least two items.
        alpha: Two-sided error rate.

    Returns:
        The guarded result in proportions.

    Raises:
        ValueError: With a single item, fewer than two seeds, or a comparator of other items.
    """
    return guarded_crossed_backbones([fixed_deltas(cell) for cell in cells], alpha)


def _answers_df(answers: DrawnAnswers) -> float:
    """Return Satterthwaite's degrees of freedom of the summed variances, k - 1 for each item that varied."""
    squares = float(np.square(answers.variance).sum())
    return float(answers.variance.sum()) ** 2 * (answers.k - 1) / squares if squares > 0 else math.inf


def _check_answers(k: int) -> None:
    if k < MIN_ANSWERS:
        raise ValueError("the spread of drawn answers needs at least two answers per item")
