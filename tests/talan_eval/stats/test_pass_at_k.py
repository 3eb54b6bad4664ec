"""pass@k against all choices of k answers, and its expectation against the true chance."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from talan_eval.stats.pass_at_k import pass_at_k


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_it_is_the_share_of_choices_that_hold_a_right_answer(n):
    for right in range(n + 1):
        answers = [True] * right + [False] * (n - right)
        for k in range(1, n + 1):
            chosen = list(combinations(answers, k))
            expected = sum(any(one) for one in chosen) / len(chosen)
            assert pass_at_k(np.array([right / n]), n, k)[0] == pytest.approx(expected)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_its_expectation_is_the_true_chance_and_that_of_the_plug_in_is_not(p):
    n, k = 6, 3
    law = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    shares = np.arange(n + 1) / n
    assert float(np.dot(law, pass_at_k(shares, n, k))) == pytest.approx(1 - (1 - p) ** k)
    if 0 < p < 1:
        assert float(np.dot(law, 1 - (1 - shares) ** k)) != pytest.approx(1 - (1 - p) ** k, rel=1e-3)


def test_one_answer_of_one_is_the_score_itself():
    shares = np.array([[0.0, 0.25], [0.5, 1.0]])
    assert np.allclose(pass_at_k(shares, 4, 1), shares)


@pytest.mark.parametrize(
    ("shares", "n", "k", "says"),
    [([0.5], 2, 3, "from 3 answers on"), ([0.3], 2, 2, "right or wrong"), ([0.5], 2, 0, "from 0")],
)
def test_what_it_cannot_be_estimated_from(shares, n, k, says):
    with pytest.raises(ValueError, match=says):
        pass_at_k(np.array(shares), n, k)
