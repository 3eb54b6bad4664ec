"""How many cells gained by chance, against every sign pattern written out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from talan_eval.stats.positive_count import MAX_SEEDS, positive_count, seed_rows


def by_hand(rows):
    """Return the number of positive cells under each pattern of signs of the seeds."""
    return [int((rows @ np.array(signs) > 1e-9).sum()) for signs in product((1, -1), repeat=rows.shape[1])]


@pytest.mark.parametrize("seed", range(4))
def test_the_law_over_two_backbones_is_that_of_every_pair_of_patterns(seed):
    rng = np.random.default_rng(seed)
    blocks = [rng.normal(size=(3, 4)), rng.integers(-2, 3, size=(2, 3)).astype(float)]
    gains = [float(row.mean()) for block in blocks for row in block]
    counts = [a + b for a in by_hand(blocks[0]) for b in by_hand(blocks[1])]
    found = positive_count(gains, blocks)
    assert found.positive == sum(gain > 1e-9 for gain in gains)
    assert found.p == pytest.approx(np.mean(np.array(counts) >= found.positive))
    assert found.all_positive == pytest.approx(np.mean(np.array(counts) == 5))
    assert found.median == sorted(counts)[(len(counts) - 1) // 2]
    assert found.g1 == (min(gains) >= -1e-9 and found.positive > 0)


def test_a_seed_that_a_cell_lacks_moves_it_by_nothing():
    assert seed_rows([{0: 1.0, 2: -1.0}, {2: 3.0}]).tolist() == [[1.0, -1.0], [0.0, 3.0]]


def test_independent_and_many_seeds_are_counted_without_a_law():
    for blocks in ([], [np.ones((2, MAX_SEEDS + 1))]):
        found = positive_count([1.0, 0.0], blocks)
        assert (found.positive, found.g1, found.p, found.median, found.all_positive) == (1, True, None, None, None)
    assert not positive_count([0.0, 0.0], []).g1
    assert not positive_count([1.0, -1.0], []).g1
