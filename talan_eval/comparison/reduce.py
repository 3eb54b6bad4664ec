"""One score of several answers to an item: their mean, or the chance that one of k is right."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import Problems, UserError
from talan_eval.stats.pass_at_k import pass_at_k

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import ScoreMatrix

MEAN: Final = "mean"
_PASS: Final = re.compile(r"pass@([1-9]\d{0,5})")


def check_reducer(name: str) -> None:
    """Raise a ``UserError`` unless the name is "mean" or "pass@K"."""
    if name != MEAN and _PASS.fullmatch(name) is None:
        raise UserError(
            f"--reduce {name} is no way to make one score of several answers.", "Type --reduce mean or --reduce pass@4"
        )


def reduced(matrices: Sequence[ScoreMatrix], name: str) -> tuple[ScoreMatrix, ...]:
    """Make one score of each item's answers.

    Args:
        matrices: Whose scores are means over their k answers.
        name: "mean" leaves them as they are; "pass@K" takes them as right-or-wrong answers.

    Returns:
        Matrices of the same shapes; for pass@K with that in the metric's name, and as scores of their own: the spread
        of single answers is in them no more.

    Raises:
        UserError: Too few answers, or scores between right and wrong; of all benchmarks at once.
    """
    if name == MEAN:
        return tuple(matrices)
    (least,) = map(int, _PASS.fullmatch(name).groups())  # type: ignore[union-attr] # checked in the settings
    found = []
    problems = Problems()
    for matrix in matrices:
        with problems.collecting():
            found.append(_passed(matrix, name, least))
    problems.raise_any()
    return tuple(found)


def _passed(matrix: ScoreMatrix, name: str, least: int) -> ScoreMatrix:
    try:
        scores = pass_at_k(np.asarray(matrix.scores, dtype=np.float64), matrix.k, least)
    except ValueError as error:
        raise UserError(
            f"{matrix.task}: {error}.",
            f"Type --reduce pass@{matrix.k}, or leave --reduce out." if least > matrix.k > 1 else "Leave --reduce out.",
        ) from error
    items = replace(matrix.items, metric=f"{matrix.items.metric} {name}")
    return replace(matrix, items=items, scores=scores, k=1)
