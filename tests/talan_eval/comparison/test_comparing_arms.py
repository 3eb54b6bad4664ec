"""From scored answers to a verdict: what pairs, what is refused, and what may be said with how many seeds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ScoredItem, columns_of, score_matrices
from talan_eval.comparison.matrix import cells_of
from talan_eval.stats.guarded_t import paired_t


def rows(seeds=(0, 1), items=("a", "b", "c")):
    return [
        ScoredItem("arm", "micro", "t", seed, item, f"hash-{item}", 1.0, unparsed=False)
        for seed in seeds
        for item in items
    ]


def paired(base, treat, **options):
    rows = [dataclasses.replace(row, arm=arm) for arm, of in (("base", base), ("treat", treat)) for row in of]
    found = score_matrices(columns_of(rows, "again"), metrics={"t": "acc"}, **options)
    (cell,) = cells_of(ContrastSpec("base", "treat"), found, {})
    return cell


def test_rows_are_paired_by_item_whatever_their_order():
    base = [dataclasses.replace(r, score=float(r.item_id == "a")) for r in rows()]
    cell = paired(base[::-1], rows())
    assert cell.items.item_ids == ("a", "b", "c")
    assert cell.base.tolist() == [[1, 0, 0]] * 2
    assert cell.deltas.tolist() == [[0, 1, 1]] * 2


def test_unparsed_answers_are_a_share_per_arm():
    treat = [dataclasses.replace(r, score=0.0, unparsed=r.item_id == "b") for r in rows()]
    cell = paired(rows(), treat)
    assert (cell.base_unparsed, cell.treatment_unparsed) == (0.0, pytest.approx(1 / 3))


def test_a_duplicate_is_no_new_observation():
    with pytest.raises(UserError, match="1 duplicate scores, the first for item 'a'"):
        paired([*rows(), rows()[0]], rows())


def test_missing_items_are_refused_with_counts_and_examples():
    with pytest.raises(UserError, match=r"1 only in the first, 0 only in the second.*'c'"):
        paired(rows(), rows(items=("a", "b")))


def test_the_same_item_under_another_prompt_is_refused():
    other = [dataclasses.replace(r, prompt_hash="x") if r.item_id == "b" else r for r in rows()]
    with pytest.raises(UserError, match="1 of them the same item under another prompt"):
        paired(rows(), other)


def test_a_seed_of_one_arm_only_drops_out_of_both():
    cell = paired(rows(seeds=(0, 1, 2)), rows(seeds=(0, 2)))
    assert (cell.seeds, cell.dropped_seeds) == ((0, 2), (1,))
    with pytest.raises(UserError, match="no seed that both arms finished"):
        paired(rows(seeds=(0,)), rows(seeds=(1,)))


def test_the_numbers_of_a_cell_are_points_of_the_matrices(cell, result):
    one = cell(gain=0.1)
    got = result([one])
    deltas = 100 * (one.treat - one.base).mean(axis=1)
    assert got.cells[0].deltas == pytest.approx(deltas)
    assert got.cells[0].delta == pytest.approx(deltas.mean())
    assert got.cells[0].base_mean == pytest.approx(100 * one.base.mean())
    plain = paired_t(deltas, 0.05)
    assert got.cells[0].e1.t.ci == pytest.approx(plain.ci)
    assert got.cells[0].e1.t.p == pytest.approx(plain.p)
    assert sum(pair.gained - pair.lost for pair in got.cells[0].e0) == pytest.approx(deltas.sum() * 60 / 100)


def test_the_mean_is_over_cells_with_seeds_joined(cell, result):
    cells = [cell(gain=0.1), cell("mbpp_micro", gain=-0.05)]
    got = result(cells)
    per_seed = np.mean([100 * (c.treat - c.base).mean(axis=1) for c in cells], axis=0)
    assert got.aggregate.deltas == pytest.approx(per_seed)
    assert got.aggregate.e1.t.p == pytest.approx(paired_t(per_seed, 0.05).p)


def test_swapping_the_arms_mirrors_the_result(cell, result):
    one = cell(gain=0.15)
    other = dataclasses.replace(one, base=one.treat, treat=one.base)
    a, b = result([one]).cells[0], result([other]).cells[0]
    assert a.delta == -b.delta
    assert (a.e1.p, a.e2.p, a.maxt_p, a.holm_p) == (b.e1.p, b.e2.p, b.maxt_p, b.holm_p)
    assert a.e1.ci == pytest.approx((-b.e1.ci[1], -b.e1.ci[0]))
    assert {a.verdict, b.verdict} in ({"better", "worse"}, {"inconclusive"})


def test_the_same_input_gives_the_same_text(result):
    assert result().to_json() == result().to_json()


def test_order_of_seeds_and_items_does_not_matter(cell, result):
    one = cell()
    rng = np.random.default_rng(0)
    s, i = rng.permutation(7), rng.permutation(60)
    mixed = dataclasses.replace(
        one,
        seeds=tuple(one.seeds[n] for n in s),
        item_ids=tuple(one.item_ids[n] for n in i),
        base=one.base[np.ix_(s, i)],
        treat=one.treat[np.ix_(s, i)],
    )
    assert result([one]).to_json() == result([mixed]).to_json()


def steady(cell, seeds, gain=30):
    """Every seed gains on the same items, with a little spread."""
    base = np.zeros((seeds, 60))
    treat = np.zeros((seeds, 60))
    for seed in range(seeds):
        treat[seed, : gain + seed % 3] = 1
    return cell(seeds=seeds, base=base, treat=treat)


@pytest.mark.parametrize(
    ("seeds", "of_cell", "of_mean", "basis"),
    [
        (1, "better", "better", "items"),
        (2, "not estimable", "not estimable", None),
        (3, "not judged", "better", "normality-based"),
        (4, "not judged", "better", "normality-based"),
        (5, "better", "better", "normality-based"),
        (6, "better", "better", "confirmed"),
        (7, "better", "better", "confirmed"),
    ],
)
def test_what_may_be_said_with_how_many_seeds(cell, result, seeds, of_cell, of_mean, basis):
    one = steady(cell, seeds)
    got = result([one, dataclasses.replace(one, task="other")])
    assert (got.cells[0].verdict, got.aggregate.verdict) == (of_cell, of_mean)
    assert got.aggregate.verdict_basis == basis
    assert (got.aggregate.verdict_estimand, got.primary.estimand) == (("E0", "E0") if seeds == 1 else ("E1", "E1"))
    if seeds < 3:
        assert (got.cells[0].e1, got.cells[0].e2, got.cells[0].mde80) == (None, None, None)
        assert (got.aggregate.e1, got.aggregate.e2, got.aggregate.mde80) == (None, None, None)
        assert got.warnings
    alone = result([one])
    assert (alone.cells[0].verdict, alone.cells[0].adjusted_p) == (of_mean, alone.aggregate.adjusted_p)
    assert alone.aggregate.verdict == of_mean


def test_seven_seeds_at_the_sign_flip_floor_are_found_by_max_t_though_holm_could_not(cell, result):
    cells = [steady(lambda n=n, **k: cell(f"task{n}", **k), 7) for n in range(4)]
    got = result(cells)
    assert all(c.e1.signflip.p == 2 / 2**7 for c in got.cells)
    assert all(c.maxt_p == 2 / 2**7 for c in got.cells)
    assert all(c.verdict == "better" for c in got.cells)


def test_identical_arms_are_flagged(cell, result):
    one = cell()
    got = result([dataclasses.replace(one, treat=one.base)])
    assert got.aggregate.delta == 0
    assert got.cells[0].verdict == "inconclusive"
    assert any("same score on every item" in warning for warning in got.warnings)


def test_one_item_leaves_e2_null_with_a_reason(cell, result):
    got = result([cell(items=1, item_ids=("a",))])
    assert got.cells[0].e2 is None
    assert any("item" in warning for warning in got.warnings)


def test_a_cell_twice_or_no_cell_is_refused(cell, result):
    with pytest.raises(UserError, match="given twice"):
        result([cell(), cell()])
    with pytest.raises(UserError, match="no cell"):
        result([])


def test_the_signature_names_what_was_computed(cell, result):
    signature = result(task_versions={"gsm8k_micro": "1:ab"}).signature
    for part in ("backbone:micro", "gsm8k_micro@1:ab", "seeds:0-6", "e1:guarded-t", "rs:300"):
        assert part in signature
    changed = cell()
    assert result([changed]).signature != result([dataclasses.replace(changed, pairing_hash="other")]).signature
