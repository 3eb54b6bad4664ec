"""What belongs to a family: several backbones, slices, variants that were tried, and tests asked for by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, StatisticsSettings, family_hash
from talan_eval.stats.backbones import GridCell, guarded_t_backbones

QUICK = StatisticsSettings(resamples=300)


def asked(**changes):
    return dataclasses.replace(QUICK, **changes)


def on(backbone, one):
    """Give a backbone its own luck on the same items."""
    rng = np.random.default_rng(len(backbone))
    return dataclasses.replace(one, backbone=backbone, base=rng.permuted(one.base, axis=0), treat=one.treat)


def labelled(cell, **changes):
    subjects = tuple("algebra" if n % 3 else "geometry" for n in range(60))
    return cell(labels={"subject": subjects, "level": tuple(str(n % 5) for n in range(60))}, **changes)


def test_backbones_are_independent_and_their_mean_is_over_cells(cell, result):
    cells = [on(name, cell(task, gain=0.1)) for name in ("small", "large") for task in ("gsm8k", "mbpp")]
    got = result(cells)
    grid = [GridCell(c.backbone, c.task, c.treat - c.base) for c in cells]
    assert got.aggregate.e1.t.p == pytest.approx(guarded_t_backbones(grid, 0.05).plain.p)
    assert [(entry.backbone, entry.weight) for entry in got.aggregate.backbones] == [("small", 0.5), ("large", 0.5)]
    assert got.aggregate.delta == pytest.approx(np.mean([c.delta for c in got.cells]))
    assert got.aggregate.e1.signflip.floor == 2 / 2**14
    assert got.aggregate.e1.bootstrap is None
    assert (got.aggregate.seeds, got.aggregate.deltas) == ((), ())
    assert any("single backbones" in warning for warning in got.warnings)


def test_backbones_that_answered_other_items_have_no_common_mean(cell, result):
    other = dataclasses.replace(on("large", cell()), item_ids=tuple(f"other{n}" for n in range(60)))
    with pytest.raises(UserError, match="different items of 'gsm8k_micro'"):
        result([cell(), other])


def test_slices_are_a_family_of_their_own_and_do_not_touch_cells_or_mean(cell, result):
    cells = [labelled(cell), labelled(cell, task="mbpp_micro", gain=0.3)]
    whole = result(cells)
    got = result(cells, settings=asked(slices=("subject",)))
    parts = [("subject=algebra", 40), ("subject=geometry", 20)]
    assert [(part.slice, part.n_items) for part in got.slices] == 2 * parts
    weights = np.array([40, 20]) / 60
    assert got.cells[0].delta == pytest.approx(weights @ [part.delta for part in got.slices[:2]])
    assert got.aggregate == whole.aggregate
    assert got.cells == whole.cells
    assert [(family.name, family.cells) for family in got.families] == [("scores", 2), ("slices", 4), ("means", 1)]
    assert [family.name for family in whole.families] == ["scores", "means"]
    raw = sorted(part.e1.p for part in got.slices)
    assert min(part.holm_p for part in got.slices) == pytest.approx(min(1, 4 * raw[0]))
    assert got.primary.family_hash != whole.primary.family_hash


def test_a_slice_that_is_not_there_is_refused_with_the_nearest(cell, result):
    with pytest.raises(UserError, match="Did you mean 'subject'"):
        result([labelled(cell)], settings=asked(slices=("subjects",)))
    with pytest.raises(UserError, match="have no labels"):
        result([cell()], settings=asked(slices=("subject",)))
    with pytest.raises(UserError, match="has 60 values"):
        result([cell(labels={"id": tuple(map(str, range(60)))})], settings=asked(slices=("id",)))


def strong(cell):
    """A gain that seven seeds show at the sign-flip floor of 1/64."""
    treat = np.zeros((7, 60))
    treat[:, :30] = 1
    treat[np.arange(7), 30 + np.arange(7)] = np.arange(7) % 2
    return cell(base=np.zeros((7, 60)), treat=treat)


def test_variants_that_were_tried_enter_every_deciding_p_the_family_and_the_signature(cell, result):
    alone, picked = result([strong(cell)]), result([strong(cell)], settings=asked(variants_tried=5))
    assert alone.aggregate.verdict == alone.cells[0].verdict == "better"
    assert picked.aggregate.adjusted_p == pytest.approx(5 * alone.aggregate.adjusted_p)
    assert picked.cells[0].adjusted_p == pytest.approx(5 * alone.cells[0].adjusted_p)
    assert picked.aggregate.verdict == picked.cells[0].verdict == "inconclusive"
    assert picked.aggregate.e1 == alone.aggregate.e1
    assert picked.primary.family_hash != alone.primary.family_hash
    assert "variants:5" in picked.signature
    assert "bonferroni" in {method.code for method in picked.methods}


def test_tests_asked_for_by_name_stand_beside_the_verdict(cell, result):
    got = result([cell()], settings=asked(also=("wilcoxon", "cmh", "item-bootstrap")))
    names = [test.name for test in got.cells[0].also]
    assert names == ["wilcoxon", "cmh", *["item-bootstrap"] * 7]
    assert all(test.caution for test in got.cells[0].also)
    assert result([cell()]).cells[0].verdict == got.cells[0].verdict
    with pytest.raises(UserError, match="Did you mean 'wilcoxon'"):
        asked(also=("wilcoxn",))
    halves = cell(k=2)
    with pytest.raises(UserError, match="scores must be 0 or 1"):
        result([dataclasses.replace(halves, base=halves.base / 2)], settings=asked(also=("cmh",)))


def test_clusters_of_items_widen_what_speaks_of_new_items_only(cell, result):
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), 5)
    shift = rng.random((7, 12)) < 0.4
    base, treat = np.zeros((7, 60)), shift[:, groups].astype(float)
    one = cell(base=base, treat=treat)
    clustered = dataclasses.replace(one, clusters=tuple(f"passage {g}" for g in groups))
    free, bound = result([one]).cells[0], result([clustered]).cells[0]
    assert bound.clusters.n_clusters == 12
    assert bound.clusters.design_effect > 1.5
    assert free.clusters is None
    width = lambda ci: ci[1] - ci[0]  # noqa: E731 - one expression, used twice
    assert width(bound.e2.ci) > width(free.e2.ci)
    assert width(bound.e0[0].ci) > width(free.e0[0].ci)
    assert bound.e1.t == free.e1.t


def test_items_that_flip_again_and_again_are_named(cell, result):
    rng = np.random.default_rng(0)
    base = (rng.random((8, 60)) < 0.5).astype(float)
    treat = (rng.random((8, 60)) < 0.5).astype(float)
    base[:, 7], treat[:, 7] = 1, 0
    level = result([cell(seeds=8, base=base, treat=treat)]).cells[0].items
    assert level.flips[0].item_id == "i7"
    assert (level.flips[0].lost, level.flips[0].gained, level.flips[0].p) == (8, 0, 2 / 2**8)
    assert level.always_right + level.always_wrong + level.informative == 60


def test_suspicious_data_are_flagged(cell, result):
    def warnings(base, treat):
        return " ".join(result([cell(base=base, treat=treat)]).warnings)

    half = np.full((7, 60), 0.5)
    assert "moved by the same" in warnings(half, half + 0.1)
    nearly = np.ones((7, 60))
    nearly[:, :3] = 0
    hit = nearly.copy()
    hit[:4, 0] = 1
    assert "saturated: 57 of 60 items are right" in warnings(nearly, hit)
    rng = np.random.default_rng(1)
    base, treat = (rng.random((2, 7, 60)) < 0.5).astype(float)
    assert warnings(base, treat) == ""
    treat[:, 5:] = base[:, 5:]
    treat[:, :4], base[:, :4] = 1, 0
    assert "25% of all flips are of one item" not in warnings(base, treat)
    treat[:, 1:] = base[:, 1:]
    treat[:, 1:3] = 1 - base[:, 1:3]
    assert "33% of all flips are of one item" in warnings(base, treat)


def test_every_number_states_its_method_and_reference(cell, result):
    methods = result([cell(), cell(task="mbpp_micro")]).methods
    assert {"guarded-t", "sign-flip", "guarded-crossed", "mcnemar", "holm"} <= {method.code for method in methods}
    assert not {"holm", "max-t"} & {method.code for method in result([cell()]).methods}
    assert all(method.reference for method in methods)
    assert "guarded-t" not in {method.code for method in result([cell(seeds=1)]).methods}


def test_the_result_keeps_full_precision(cell, result):
    one = cell()
    expected = 100 * (one.treat - one.base).mean(axis=1).mean()
    assert expected != round(expected, 6)
    assert result([one]).cells[0].delta == pytest.approx(expected, rel=1e-12)


def test_the_family_does_not_depend_on_the_order_of_its_cells():
    cells = [("a", "t", "acc", ""), ("a", "u", "acc", "")]
    assert family_hash([ContrastSpec("x", "y")], cells) == family_hash([ContrastSpec("x", "y")], cells[::-1])
    assert family_hash([ContrastSpec("x", "y")], cells) != family_hash([ContrastSpec("y", "x")], cells)
