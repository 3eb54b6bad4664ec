"""A run that is counted twice is named, however few items its benchmarks have."""

from __future__ import annotations

import pytest


def said(made):
    return [warning for warning in made.warnings if "copy is no new seed" in warning]


def copied(pair, one=1, other=4):
    pair.base[other], pair.treat[other] = pair.base[one], pair.treat[one]
    return pair


def test_a_seed_that_is_equal_on_one_small_benchmark_alone_is_not(cell, result):
    small, large = copied(cell("a", items=10)), cell("b", items=10)
    assert not any("seeds 1 and 4" in one for one in said(result([small, large])))
    assert any("seeds 1 and 4" in one and "on all 20 items" in one for one in said(result([small, copied(large)])))


def test_a_large_benchmark_beside_a_small_one_speaks_for_itself(cell, result):
    (one,) = said(result([cell("a", items=10), copied(cell("b", items=200))]))
    assert one.startswith("b: seeds 1 and 4 have identical scores in both arms")


@pytest.mark.parametrize("items", [2, 5, 19, 20, 60])
def test_a_copied_seed_is_named_on_any_number_of_items(cell, result, items):
    pair = cell(items=items)
    pair.base[:, 0], pair.base[:, 1], pair.treat[:, 0], pair.treat[:, 1] = 1, 0, 0, 1  # no arm is all right or wrong
    assert any("seeds 1 and 4" in one for one in said(result([copied(pair)])))
