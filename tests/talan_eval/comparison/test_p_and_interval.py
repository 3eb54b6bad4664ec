"""What is published of a difference agrees with itself: a p below alpha and an interval without zero are one thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.result.reading import read_result
from talan_eval.result.restated import readable

NEAR = 1e-9  # of alpha, where rounding decides
SCORES = {"binary": (0.0, 1.0), "fractional": (0.0, 0.125, 0.5, 1.0), "nearly equal": (0.5, 0.5, 0.5, 0.5625)}

drawn = st.builds(
    dict,
    rng=st.integers(0, 10_000),
    seeds=st.sampled_from([1, 1, 3, 4, 5, 6, 7]),
    items=st.sampled_from([2, 5, 12, 40, 150]),
    tasks=st.integers(1, 3),
    kind=st.sampled_from(sorted(SCORES)),
    clustered=st.booleans(),
    changed=st.sampled_from([0.02, 0.2, 0.7]),
    gain=st.sampled_from([0.0, 0.3, 0.8]),
    pairing=st.sampled_from(["paired", "paired", "fixed", "independent"]),
)


def compared(table, alpha=0.05):
    """Compare arms of which one changes some items at random, most of them upwards where there is a gain."""
    rng, matrices = np.random.default_rng(table["rng"]), []
    pairing = table["pairing"] if table["seeds"] > 1 else "paired"
    for number in range(table["tasks"]):
        names = tuple(f"i{n:03}" for n in range(table["items"]))
        clusters = (
            tuple(f"c{n // 3}" for n in range(table["items"])) if table["clustered"] and table["items"] > 3 else None
        )
        items = ItemTable(f"t{number}", "acc", names, "0" * 12, clusters=clusters)
        levels = np.array(SCORES[table["kind"]])
        base = rng.choice(levels, size=(table["seeds"], table["items"]))
        other = np.where(rng.random(base.shape) < table["gain"], levels.max(), rng.choice(levels, size=base.shape))
        treat = np.where(rng.random(base.shape) < table["changed"], other, base)
        seeds = tuple(range(table["seeds"]))
        matrices.append(ScoreMatrix("b", "lora", items, seeds[:1] if pairing == "fixed" else seeds,
                                    base[:1] if pairing == "fixed" else base))  # fmt: skip
        matrices.append(ScoreMatrix("b", "talan", items, seeds, treat))
    own = StatisticsSettings(resamples=20, alpha=alpha)
    return compare(matrices, [ContrastSpec("lora", "talan", pairing)], Origin({"harness": "made here"}), own)


def found_in(result):
    """List every p of a result that has an interval: its name, p and interval."""
    (contrast,) = result.contrasts
    for found in (*contrast.cells, contrast.aggregate):
        for name, test in (("E0", found.e0_mean), ("E1", found.e1), ("E2", found.e2)):
            if test is not None:
                yield name, test.p, test.ci
        if found.e1 is not None and found.e1.t.ci is not None:
            yield "plain t", found.e1.t.p, found.e1.t.ci
    for cell in contrast.cells:
        yield from (("E0 of a seed", pair.p, pair.ci) for pair in cell.e0)


def excludes_zero(ci):
    return ci[0] > 0 or ci[1] < 0


@settings(derandomize=True, deadline=None, max_examples=250)
@given(drawn, st.sampled_from([0.05, 0.05, 0.01, 0.2]))
def test_p_and_interval_are_one_test_whatever_the_question_the_scores_and_the_pairing(table, alpha):
    result = compared(table, alpha)
    found = [*found_in(result), *found_in(readable(result))]  # as computed, and as shown
    assert found or table["seeds"] > 1
    for name, p, ci in found:
        assert ci[0] <= ci[1]
        if abs(p - alpha) > NEAR:
            assert (p < alpha) == excludes_zero(ci), (name, p, ci)
    (contrast,) = result.contrasts
    for one in (*contrast.cells, contrast.aggregate):
        test = {"E0": one.e0_mean, "E1": one.e1}.get(one.verdict_estimand)
        if one.verdict in {"better", "worse"}:
            assert test.p < alpha
            assert (one.delta > 0) == (one.verdict == "better")


def test_the_random_tables_reject_and_do_not_reject_under_every_question():
    said = set()
    for number in range(120):
        table = {"rng": number, "seeds": (1, 3, 5, 7)[number % 4], "items": 40, "tasks": 2, "clustered": number % 2 > 0,
                 "kind": ("binary", "fractional")[number // 4 % 2], "changed": 0.3, "pairing": "paired",
                 "gain": (0.0, 0.3, 0.8)[number // 8 % 3]}  # fmt: skip
        said |= {(name, p < 0.05) for name, p, _ in found_in(compared(table))}
    assert said == {
        (name, found) for name in ("E0", "E1", "E2", "plain t", "E0 of a seed") for found in (True, False)
    }  # the control: both sides of the property are tried


@pytest.mark.parametrize("field", ["e1", "e2"])
def test_a_result_whose_p_and_interval_contradict_each_other_is_refused_where_it_is_read(field, tmp_path):
    table = {"rng": 1, "seeds": 7, "items": 40, "tasks": 1, "kind": "binary", "clustered": False, "changed": 0.5,
             "gain": 0.8, "pairing": "paired"}  # fmt: skip
    result = compared(table)
    (contrast,) = result.contrasts
    test = getattr(contrast.cells[0], field)
    assert test.p < 0.05
    cell = contrast.cells[0].model_copy(update={field: test.model_copy(update={"p": 0.5})})
    forged = result.model_copy(update={"contrasts": (contrast.model_copy(update={"cells": (cell,)}),)})
    path = tmp_path / "r.json"
    path.write_text(result.to_json())
    assert read_result(path) == result
    path.write_text(forged.to_json())
    with pytest.raises(UserError, match=r"contradict each other|does not follow|contradicts itself"):
        read_result(path)


def test_no_interval_is_shown_beyond_what_a_difference_of_scores_can_be():
    table = {"rng": 3, "seeds": 3, "items": 2, "tasks": 1, "kind": "binary", "clustered": False, "changed": 0.7,
             "gain": 0.8, "pairing": "paired"}  # fmt: skip
    result = compared(table)
    (cell,), (shown,) = result.contrasts[0].cells, readable(result).contrasts[0].cells
    assert max(map(abs, cell.e1.ci)) > 100  # as computed
    assert cell.e1.ci != shown.e1.ci
    for ci in (shown.e1.ci, shown.e2.ci, (shown.e1.one_sided.lower, shown.e1.one_sided.upper)):
        assert -100 <= ci[0] <= ci[1] <= 100
    assert shown.delta == cell.delta
    assert shown.e1.p == cell.e1.p
