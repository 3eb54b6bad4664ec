"""A result in which one number was changed is refused, or nothing that is decided on changed with it."""

from __future__ import annotations

import copy
import json
import math
import re
import time

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.gate import GateSettings, decide
from talan_eval.result.consistent import contradictions
from talan_eval.result.evidence import Measure
from talan_eval.result.reading import read_result
from talan_eval.result.schema import Result
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.noninferiority import one_sided_bounds


def leaves(part, path=()):
    """Yield the place of every number of a document."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from leaves(value, (*path, name))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from leaves(value, (*path, number))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield path


def at(document, path):
    for name in path:
        document = document[name]
    return document


def forged(document, path, value):
    changed = copy.deepcopy(document)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def answer(document):
    """Return what gate decides, or None where the document is refused."""
    try:
        result = Result.model_validate(document)
    except ValueError:
        return None
    if tuple(contradictions(result)):
        return None
    report = decide(result, GateSettings(margin=1.0, per_cell=True))
    return report.outcome, tuple((check.outcome, check.lower, check.upper) for check in report.checks)


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_no_single_number_can_be_moved_so_that_the_gate_says_something_else(many, pairing):
    arms = {"lora": 0.0, "talan+lora": 0.05}
    made = many(arms=arms, contrasts=[ContrastSpec("lora", "talan+lora", pairing)], items=40, backbones=("a", "b"))
    document = json.loads(made.to_json())
    before = answer(document)
    assert before is not None
    places = [path for path in leaves({"contrasts": document["contrasts"]}) if "provenance" not in path]
    kept, tried = [], 0
    for path in places[:: 1 if pairing == "independent" else 3]:
        value = at(document, path)
        for other in (value + 7, -value - 1) if isinstance(value, int) else (value + 0.5, value * 0.5, -value):
            if other == value:
                continue
            tried += 1
            after = answer(forged(document, path, other))
            if after is not None and after != before:
                kept.append((path, value, other))
    assert tried > 500
    # the mean square of the items is what only the items can show, and it moves the interval it stands for
    assert [path for path, *_ in kept if not {"mean_squares", "n_items"} & set(path)] == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("aggregate", "e1", "ci"), [40.0, 60.0], "e1.ci does not follow from e1.terms"),
        (("aggregate", "e1", "p"), 1e-9, "e1.p does not follow from e1.terms"),
        (("aggregate", "e1", "terms", 0, "se"), 1e-3, "does not follow from e1.terms"),
        (("aggregate", "e1", "terms"), [], "e1.terms are not t, flip and floor"),
        (("aggregate", "e1", "one_sided", "lower"), 30.0, "e1.one_sided does not follow"),
        (("aggregate", "e1", "signflip", "p"), 0.015625, "e1.signflip.p does not follow from the differences"),
        (("aggregate", "verdict"), "better", "verdict: better, which the deciding p"),
        (("aggregate", "adjusted_p"), 0.06, "the p that decides is below that of e1"),
        (("aggregate", "positive", "positive"), 9, "positive does not follow from the cells"),
        (("aggregate", "poi"), 1.0, "poi does not follow from the cells"),
        (("aggregate", "iqm"), 9.0, "iqm does not follow from the cells"),
        (("aggregate", "treat_mean"), 99.0, "treat_mean is not the mean over the cells"),
        (("cells", 0, "e0", 0, "delta"), 9.0, "cells.0.e0: that of seed 0 is not its delta"),
        (("cells", 0, "e0", 0, "lost"), -1, "does not follow result schema 2"),
        (("cells", 0, "e1"), None, "cells.0.e1 stands there with three seeds"),
        (("cells", 1, "treat_by_seed", 0), 140.0, "cells.1.a score is not between 0 and 100"),
    ],
)
def test_each_forgery_is_named_with_its_place(result, tmp_path, path, value, said):
    document = json.loads(result().to_json())
    (tmp_path / "result.json").write_text(json.dumps(forged(document, ("contrasts", 0, *path), value)))
    with pytest.raises(UserError) as caught:
        read_result(tmp_path)
    assert said in caught.value.problem


def test_a_cell_that_is_changed_consistently_with_its_mean_differs_from_its_arm(result, tmp_path):
    document = json.loads(result().to_json())
    document["arms"][1]["scores"][0]["by_seed"] = [50.0] * 7
    document["arms"][1]["scores"][0]["mean"] = 50.0
    (tmp_path / "result.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"the scores of talan\+lora are not those that arms says"):
        read_result(tmp_path)


@pytest.mark.parametrize("change", ["cells", "slices"])
def test_cells_cannot_be_taken_away(result, tmp_path, change, cell):
    made = result(
        [cell(labels={"part": ("x", "y") * 30})], settings=StatisticsSettings(resamples=100, slices=("part",))
    )
    document = json.loads(made.to_json())
    document["contrasts"][0][change] = document["contrasts"][0][change][:-1]
    (tmp_path / "result.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"contrasts\.0\.cells: Tuple should have|families\.\d is not that"):
        read_result(tmp_path)


@pytest.mark.parametrize("provenance", [{}, {"commit": "1"}])
def test_a_result_that_does_not_say_where_it_comes_from_is_refused(result, tmp_path, provenance):
    document = json.loads(result().to_json())
    document["provenance"] = provenance
    document["arms"][0]["kind"] = "trained"
    (tmp_path / "result.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="provenance"):
        read_result(tmp_path)


def random_result(number, *, weigh=False):
    """Compare arms of a random design, with everything that makes statistics degenerate."""
    rng = np.random.default_rng(number)
    pairing = ("paired", "fixed", "independent")[number % 3]
    k = int(rng.integers(1, 4))
    matrices = []
    sizes = {task: int(rng.integers(1, 25)) for task in ("x", "y", "z")[: int(rng.integers(1, 4))]}
    for backbone in ("a", "b")[: int(rng.integers(1, 3))]:
        for task, count in sizes.items():
            clusters = tuple(f"c{n % 3}" for n in range(count)) if count > 6 and number % 4 == 0 else None
            items = ItemTable(task, "acc", tuple(f"{n:02}" for n in range(count)), "0" * 12, clusters)
            chance = rng.choice([0.0, 0.3, 0.9, 1.0], size=count)
            for arm in ("base", "one", "two"):
                many = 1 if pairing == "fixed" and arm == "base" else int(rng.integers(1, 9))
                seeds = tuple(int(n) for n in rng.permutation(12)[:many]) if pairing != "paired" else tuple(range(6))
                drawn = rng.binomial(k, chance, size=(len(seeds), count)) / k
                scores = np.tile(drawn[:1], (len(seeds), 1)) if rng.random() < 0.15 else drawn
                matrices.append(ScoreMatrix(backbone, arm, items, seeds, scores, k))
    contrasts = [ContrastSpec("base", arm, pairing) for arm in ("one", "two")]
    weights = tuple(f"{task}={rng.integers(1, 5)}" for task in sizes) if weigh else ()
    return compare(matrices, contrasts, Origin({"made": "here"}), StatisticsSettings(resamples=50, weights=weights))


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("number", range(36))
def test_whatever_compare_makes_does_not_contradict_itself(number, weigh):
    assert tuple(contradictions(Result.from_json(random_result(number, weigh=weigh).to_json()))) == ()


def answers(rng, n_seeds, n_items, kind):
    """Draw scores: right or wrong, or partial credit."""
    drawn = rng.random((n_seeds, n_items))
    return (drawn < 0.6).astype(float) if kind == "right" else drawn


def of_few_seeds(kind, n_seeds):
    """Compare two arms on two benchmarks by E0, which is all that there is with one seed."""
    rng = np.random.default_rng(5)
    matrices = []
    for task in ("x", "y"):
        items = ItemTable(task, "acc", tuple(f"{n:02}" for n in range(30)), "0" * 12, None)
        matrices += [
            ScoreMatrix("a", arm, items, tuple(range(n_seeds)), answers(rng, n_seeds, 30, kind), 1)
            for arm in ("base", "one", "two")
        ]
    contrasts = [ContrastSpec("base", arm, "paired") for arm in ("one", "two")]
    return json.loads(
        compare(matrices, contrasts, Origin({"made": "here"}), StatisticsSettings(resamples=50)).to_json()
    )


FIRST_TERM = ("e0_mean", "terms", 0)


def refused(document):
    try:
        return bool(tuple(contradictions(Result.model_validate(document))))
    except ValueError:
        return True


@pytest.mark.parametrize(("kind", "n_seeds"), [("right", 1), ("partial", 1), ("right", 3), ("partial", 3)])
def test_nothing_that_is_said_of_pairs_of_checkpoints_can_be_moved_alone(kind, n_seeds):
    """Of each E0 and E2 every number, and every p that is adjusted from them."""
    document = of_few_seeds(kind, n_seeds)
    assert not refused(document)
    names = {"e0_mean", "e2", "holm_p", "bh_p"} | ({"adjusted_p", "family_p"} if n_seeds == 1 else set())
    places = [
        path for path in leaves({"contrasts": document["contrasts"][:1]}) if names & set(path) and "items" not in path
    ]
    moved, tried = [], 0
    for path in places:
        value = at(document, path)
        for other in (value + 7, max(value - 1, 0)) if isinstance(value, int) else (value + 0.5, value * 0.5, -value):
            if other == value:
                continue
            tried += 1
            if not refused(forged(document, path, other)):
                moved.append((path, value, other))
    assert tried > 80
    # what only the scores of single items can show: resampling, degrees of freedom, a term that another one guards
    assert [path for path, *_ in moved if not {"pigeonhole_ci", "df"} & set(path) and path[-4:-1] != FIRST_TERM] == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("aggregate", "e0_mean", "delta"), 50.0, "e0_mean"),
        (("aggregate", "e0_mean", "one_sided", "lower"), 40.0, "e0_mean.one_sided does not follow from its terms"),
        (("aggregate", "adjusted_p"), 1e-9, "adjusted_p is below that of its own test"),
        (("cells", 0, "e0_mean", "gained"), 25, "e0_mean.delta does not follow from the items lost and gained"),
        (("cells", 0, "e0", 0, "mcnemar_p"), 1e-9, "mcnemar_p of seed 0 does not follow"),
        (("cells", 0, "e0", 0, "p"), 1e-9, "ci and p of the pair are not those of e0_mean"),
        (("cells", 0, "holm_p"), 1e-9, "holm_p does not follow from the family"),
    ],
)
def test_forgeries_about_one_pair_of_checkpoints_are_named(tmp_path, path, value, said):
    document = of_few_seeds("right", 1)
    (tmp_path / "result.json").write_text(json.dumps(forged(document, ("contrasts", 0, *path), value)))
    with pytest.raises(UserError) as caught:
        read_result(tmp_path)
    assert said in caught.value.problem


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("pairing", ["paired", "independent"])
@pytest.mark.parametrize("n_seeds", [1, 4])
def test_a_metric_without_bounds_in_either_direction_does_not_contradict_itself(higher, pairing, n_seeds):
    """With two treatments, of which the best is the one with the largest gain, or the smallest loss."""
    rng = np.random.default_rng(n_seeds)
    measure = Measure(unit="nats", higher_is_better=higher, lower=None, upper=None)
    items = ItemTable("x", "loss", tuple(f"{n:02}" for n in range(12)), "0" * 12, measure=measure)
    matrices = [
        ScoreMatrix("a", arm, items, tuple(range(n_seeds)), rng.normal(size=(n_seeds, 12)), 1)
        for arm in ("base", "one", "two")
    ]
    contrasts = [ContrastSpec("base", arm, pairing) for arm in ("one", "two")]
    made = compare(matrices, contrasts, Origin({"made": "here"}), StatisticsSettings(resamples=50))
    assert tuple(contradictions(Result.from_json(made.to_json()))) == ()


def test_another_unit_is_no_way_around():
    """A result that calls its points something else is still computed again; one of a bounded metric too."""
    document = of_few_seeds("right", 3)
    document["measure"] = {"unit": "BLEU", "higher_is_better": True, "lower": 0.0, "upper": 100.0}
    assert not refused(document)
    for path, value in (
        (("aggregate", "e1", "ci"), [40.0, 60.0]),
        (("aggregate", "delta"), 50.0),
        (("aggregate", "e0_mean", "p"), 1e-9),
        (("cells", 0, "e2", "p"), 1e-9),
    ):
        for measure in ({}, {"lower": None, "upper": None}, {"upper": 0.0}, {"higher_is_better": False}):
            changed = forged(document, ("contrasts", 0, *path), value)
            changed["measure"] |= measure
            assert refused(changed), (path, measure)


def weighed_result(n_seeds):
    """Compare two arms on two benchmarks of which one weighs three times as much."""
    rng = np.random.default_rng(3)
    matrices = []
    for task in ("x", "y"):
        items = ItemTable(task, "acc", tuple(f"{n:02}" for n in range(30)), "0" * 12, None)
        matrices += [
            ScoreMatrix("a", arm, items, tuple(range(n_seeds)), answers(rng, n_seeds, 30, "right"), 1)
            for arm in ("base", "one")
        ]
    settings = StatisticsSettings(resamples=50, weights=("x=3",))
    made = compare(matrices, [ContrastSpec("base", "one", "paired")], Origin({"made": "here"}), settings)
    return json.loads(made.to_json())


@pytest.mark.parametrize("n_seeds", [1, 5])
def test_no_number_of_a_weighted_mean_can_be_moved_alone(n_seeds):
    document = weighed_result(n_seeds)
    assert document["primary"]["weights"] == {"x": 0.75, "y": 0.25}
    assert not refused(document)
    evidence = ("e0_mean", "e1", "e2") if n_seeds > 1 else ("e0_mean",)
    mean = document["contrasts"][0]["aggregate"]
    moved, tried = [], 0
    for path in leaves({name: mean[name] for name in ("delta", "base_mean", "treat_mean", *evidence)}):
        value = at(mean, path)
        for other in (value + 7, max(value - 1, 0)) if isinstance(value, int) else (value + 0.5, value * 0.5, -value):
            if other != value:
                tried += 1
                if not refused(forged(document, ("contrasts", 0, "aggregate", *path), other)):
                    moved.append((path, value, other))
    assert tried > 20
    free = {"bootstrap", "pigeonhole_ci", "df"}  # and a term that another one guards
    assert [path for path, *_ in moved if not free & set(path) and path[:3] != FIRST_TERM] == []


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"x": 0.5, "z": 0.5}, "not those of the benchmarks"),
        ({"nothing": 1.0}, "not those of the benchmarks"),
        ({"x": -2.0, "y": 3.0}, "no shares that add up to 1"),
        ({"x": 1.0, "y": -1.0}, "no shares that add up to 1"),
        ({"x": 0.0, "y": 0.0}, "no shares that add up to 1"),
        ({"x": 1.0, "y": 0.0}, "no shares that add up to 1"),
        ({"x": 0.5, "y": 0.6}, "no shares that add up to 1"),
        ({"x": 0.5, "y": 0.5}, "does not follow|is not"),
        ({}, "exactly for a weighted mean"),
    ],
)
def test_weights_are_those_that_the_mean_was_made_with(weights, said):
    document = weighed_result(5)
    document["primary"]["weights"] = weights
    found = "; ".join(contradictions(Result.model_validate(document)))
    assert re.search(said, found), found


def test_weights_that_were_not_asked_for_excuse_nothing():
    document = of_few_seeds("right", 3)
    document["primary"]["weights"] = {"x": 0.5, "y": 0.5}
    assert refused(document)
    document["primary"]["statistic"] = "weighted_mean"
    for term in document["contrasts"][0]["aggregate"]["e1"]["terms"]:
        term["se"] *= 0.6
    assert refused(document)


@pytest.mark.parametrize("part", ["e0_mean", "mean_squares"])
def test_what_a_mean_rests_on_cannot_be_left_out(part):
    document = of_few_seeds("partial", 3)
    for cell in document["contrasts"][0]["cells"]:
        cell[part] = None
    assert refused(document)


@pytest.mark.parametrize("df", [None, 1e6])
def test_items_are_counted_in_the_degrees_of_freedom_of_pairs(df):
    document = of_few_seeds("partial", 3)
    document["contrasts"][0]["cells"][0]["e0_mean"]["terms"][0]["df"] = df
    found = tuple(contradictions(Result.model_validate(document)))
    assert any("the degrees of freedom are not those of the items" in said for said in found), found


def narrowed(part, alpha):
    """Shrink the terms of an E0 or E2, and let its interval and p follow."""
    for term in part["terms"]:
        term["se"] *= 0.01
    terms = [ErrorTerm(one["name"], one["se"], math.inf if one["df"] is None else one["df"]) for one in part["terms"]]
    found, bounds = guarded(part["delta"], terms, alpha), one_sided_bounds(part["delta"], terms, alpha)
    part |= {"ci": [found.ci.lo, found.ci.hi], "p": found.p}
    part["one_sided"] |= {"lower": bounds.lower, "upper": bounds.upper}


def test_clusters_that_are_claimed_narrow_no_interval_of_pairs():
    document = of_few_seeds("partial", 3)
    for cell in document["contrasts"][0]["cells"]:
        cell["clusters"] = {"n_clusters": 20, "largest": 2, "icc": -0.1, "design_effect": 1e-4}
        cell["e0_mean"]["method"] = "clusters"
        narrowed(cell["e0_mean"], 0.05)
    narrowed(document["contrasts"][0]["aggregate"]["e0_mean"], 0.05)
    found = tuple(contradictions(Result.model_validate(document)))
    assert any("aggregate.e0_mean.terms: that of single items" in said for said in found), found
    assert any("cells.0.e0_mean.terms: that of the items" in said for said in found), found


def test_clusters_that_are_claimed_narrow_no_interval_of_both_below_that_of_pairs():
    document = of_few_seeds("partial", 3)
    contrast = document["contrasts"][0]
    for cell in contrast["cells"]:
        cell["clusters"] = {"n_clusters": 20, "largest": 2, "icc": 0.0, "design_effect": 1.0}
        cell["e0_mean"]["method"] = "clusters"
        t, floor = cell["e0_mean"]["terms"]
        cell["e0_mean"]["terms"] = [t | {"df": 19.0}, t | {"name": "flip", "df": None}, floor]
        narrowed(cell["e2"] | {"delta": cell["delta"]}, 0.05)
    found = tuple(contradictions(Result.model_validate(document)))
    assert any("cells.0.e2.terms: that of clustered items is smaller than e0_mean's" in said for said in found), found
    assert any("cells.0.e2.terms: the floor" in said for said in found), found
    assert not any("cells.0.e0_mean.terms" in said for said in found), found


@pytest.mark.parametrize(
    "measure",
    [
        {"lower": None, "upper": None},
        {"upper": 1000.0},
        {"unit": "share", "upper": 1e-300},
        {"unit": "share", "upper": 1e300},
        {"unit": "share", "lower": 5.0, "upper": 5.0},
    ],
)
def test_bounds_between_which_nothing_can_be_placed_are_named(measure):
    document = of_few_seeds("right", 3)
    document["measure"] |= measure
    assert any(said.startswith("measure") for said in contradictions(Result.model_validate(document)))


@pytest.mark.parametrize("many", [10**9, 10**15])
def test_more_items_than_there_are_end_no_reading(many):
    """Sign tests of such numbers would take hours; where there are said to be so many items, they take none."""
    document = of_few_seeds("right", 1)
    pair = document["contrasts"][0]["cells"][0]["e0"][0]
    pair["lost"] = many
    began = time.process_time()
    assert refused(document)
    document["contrasts"][0]["cells"][0]["n_items"] = 10**16
    assert refused(document)
    assert time.process_time() - began < 5


def test_a_mean_of_no_seed_warns_of_nothing():
    document = of_few_seeds("right", 3)
    document["contrasts"][0]["aggregate"]["backbones"][0]["seeds"] = []
    assert refused(document)
