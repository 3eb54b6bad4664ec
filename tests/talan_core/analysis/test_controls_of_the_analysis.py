"""What quantities stand beside is drawn as it says: cosines of random vectors, and directions of one length."""

from __future__ import annotations

import pytest
import torch

from talan_core.analysis.controls import generator_of, random_cosine, random_directions


@pytest.mark.parametrize("dimension", [2, 3, 20, 128])
def test_the_range_holds_so_many_cosines_of_random_vectors(dimension):
    draw = torch.Generator().manual_seed(9)
    one, other = (torch.randn(20_000, dimension, generator=draw) for _ in range(2))
    cosines = torch.cosine_similarity(one, other)
    chance = random_cosine(dimension)
    assert (chance.dimension, chance.mean) == (dimension, 0)
    assert chance.low == -chance.high
    assert float((cosines.abs() <= chance.high).double().mean()) == pytest.approx(0.95, abs=0.006)


def test_directions_have_length_one_and_nothing_stands_behind_an_examples_end():
    found = random_directions((3, 8), (4, 2), 16, 0)
    assert found.shape == (2, 4, 16)
    lengths = found.norm(dim=-1)
    torch.testing.assert_close(lengths[0], torch.ones(4))
    torch.testing.assert_close(lengths[1], torch.tensor([1.0, 1, 0, 0]))


def test_draws_and_examples_differ_and_the_same_ones_do_not():
    first = random_directions((3,), (5,), 16, 0)
    assert torch.equal(first, random_directions((3,), (5,), 16, 0))
    assert torch.equal(first, random_directions((7, 3), (9, 5), 16, 0)[1:, :5])
    for other in (random_directions((3,), (5,), 16, 1), random_directions((4,), (5,), 16, 0)):
        assert float(torch.cosine_similarity(first, other, dim=-1).abs().max()) < 0.95
        assert not torch.allclose(first, other, atol=0.1)
    assert generator_of("fresh", 1).initial_seed() != generator_of("ensemble", 1).initial_seed()
