"""What "positive on k of n" is worth, by counting."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from talan_eval.report.cost import cost_table
from talan_eval.report.paper import chance_sentence, cross_table, passes_g1, positive_cells
from talan_eval.result.schema import FailedCell, LiveProbe


def brute(cells):
    seeds = len(cells[0].deltas)
    counts = [
        sum(float(np.dot(signs, cell.deltas)) > 1e-9 for cell in cells) for signs in product((1, -1), repeat=seeds)
    ]
    observed = sum(cell.delta > 1e-9 for cell in cells)
    return np.mean([count >= observed for count in counts]), np.mean([count == len(cells) for count in counts])


def test_the_null_distribution_is_that_of_all_sign_patterns(cell, result):
    cells = result([cell("a"), cell("b", gain=0.1), cell("c")]).cells
    found = positive_cells(cells)
    assert (found.p, found.all_positive) == pytest.approx(brute(cells))


def test_benchmarks_that_move_together_gain_together_half_of_the_time(cell, result):
    one = result([cell("a", gain=0.1)]).cells[0]
    copies = [one.model_copy(update={"task": name}) for name in "abcd"]
    found = positive_cells(copies)
    # a binomial count would say 1/16
    assert found.all_positive == pytest.approx(0.5, abs=0.05)


def test_g1_is_a_count_of_signs(cell, result):
    up, down = result([cell("a", gain=0.2), cell("b", gain=-0.2)]).cells
    assert passes_g1([up])
    assert not passes_g1([up, down])
    assert not passes_g1([down.model_copy(update={"delta": 0.0})])


def test_several_backbones_stand_in_rows_with_their_mean_last(cell, result):
    found = result([cell("a", backbone=name) for name in ("one", "two")])
    table = cross_table(found)
    assert [row[0] for row in table.rows] == ["one", "two", "mean"]
    assert "of 2 cells" in chance_sentence(found)


def test_cost_is_shown_only_where_it_was_recorded(cell, result):
    assert cost_table(result([cell("a")])).rows == ()
    by_arm = {
        arm: {"training_seconds": own, "evaluation_seconds": 10.0}
        for arm, own in (("lora", 50.0), ("talan+lora", 60.0))
    }
    probes = [LiveProbe(arm=arm, seed=seed, max_logit_change=1.0) for arm in by_arm for seed in range(7)]
    found = result([cell("a", items=50)], provenance={"times": {"by_arm": by_arm}}, live_probes=probes)
    assert cost_table(found).rows == (
        ("lora", "7", "50.0", "7.1", "1.00x", "350", "10.0", "28.6", "1.00x"),
        ("talan+lora", "7", "60.0", "8.6", "1.20x", "350", "10.0", "28.6", "1.00x"),
    )
    by_arm["lora"]["trained_parameters"] = 12345
    sized = found.model_copy(update={"provenance": {"times": {"by_arm": by_arm}}})
    assert [row[1] for row in cost_table(sized).rows] == ["12,345", "n/a"]
    by_arm["talan+lora"]["peak_memory_bytes"] = 2_500_000_000
    assert [row[2] for row in cost_table(sized).rows] == ["n/a", "2.50"]
    failed = FailedCell(arm="lora", seed=7, task="a", reason="no memory")
    partly = cost_table(found.model_copy(update={"failed_cells": (failed,)}))
    assert partly.rows[1] == ("talan+lora", "n/a", "60.0", "n/a", "1.20x", "n/a", "10.0", "n/a", "1.00x")
