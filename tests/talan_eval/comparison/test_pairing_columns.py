"""Samples, clusters, labels and unpaired items on their way into a cell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.comparison import ContrastSpec, ScoredItem, columns_of, score_matrices
from talan_eval.comparison.matrix import cells_of


def rows(items="abc", seeds=(0, 1), **changes):
    fields = {"prompt_hash": "p", "score": 1.0, "unparsed": False, **changes}
    return [ScoredItem("arm", "micro", "t", seed, item, **fields) for seed in seeds for item in items]


def paired(base, treat, **options):
    rows = [dataclasses.replace(row, arm=arm) for arm, of in (("base", base), ("treat", treat)) for row in of]
    found = score_matrices(columns_of(rows, "again"), metrics={"t": "acc"}, **options)
    (cell,) = cells_of(ContrastSpec("base", "treat"), found, {})
    return cell


def test_samples_of_an_item_are_averaged():
    treat = [*rows(score=1.0, sample=0), *rows(score=0.5, sample=1)]
    cell = paired([*rows(score=0.0, sample=0), *rows(score=0.0, sample=1)], treat)
    assert cell.k == 2
    assert cell.treatment.tolist() == [[0.75] * 3] * 2


def test_unequal_numbers_of_samples_are_refused():
    with pytest.raises(UserError, match="item 'b' has 1 samples and item 'a' has 2"):
        paired([*rows(), *rows("a", sample=1)], rows())
    with pytest.raises(UserError, match="unequal numbers of samples per item: 1 in base at seed 0, 2 in tr"):
        paired(rows(), [*rows(), *rows(sample=1)])


def test_clusters_and_labels_come_along_in_the_order_of_items():
    def described():
        return [
            dataclasses.replace(row, cluster=f"c{row.item_id}", labels=(("subject", row.item_id.upper()),))
            for row in rows("cab")
        ]

    cell = paired(described(), described()[::-1])
    assert cell.items.item_ids == ("a", "b", "c")
    assert cell.items.clusters == ("ca", "cb", "cc")
    assert cell.items.labels == {"subject": ("A", "B", "C")}


def test_a_label_that_some_items_lack_is_empty_there_but_a_cluster_may_not_lack():
    base = [*rows("ab", labels=(("level", "3"),)), *rows("c")]
    assert paired(base, base).items.labels == {"level": ("3", "3", "")}
    half = [*rows("ab", cluster="x"), *rows("c")]
    with pytest.raises(UserError, match="1 of 3 items have no cluster"):
        paired(half, half)


def test_runs_that_disagree_about_clusters_are_refused():
    with pytest.raises(UserError, match="disagree about the items' clusters"):
        paired(rows(cluster="x"), rows(cluster="y"))
    with pytest.raises(UserError, match="disagree about the items' clusters"):
        paired(rows(cluster="x"), rows())


def test_what_not_every_run_has_is_dropped_on_request_and_counted():
    other = [dataclasses.replace(row, prompt_hash="q") if row.item_id == "b" else row for row in rows("bcd")]
    cell = paired(rows("abc"), other, unpaired="drop")
    assert cell.items.item_ids == ("c",)
    assert (cell.items.left_out, cell.items.dropped_prompts) == (
        ("a", "b", "d"),
        1,
    )  # a and d, and b with its two prompts
    with pytest.raises(UserError, match="2 only in the first, 2 only in the second, 1 of them the same item"):
        paired(rows("abc"), other)


def test_an_item_that_one_seed_lacks_is_dropped_from_all():
    cell = paired([*rows("abc", seeds=(0,)), *rows("ab", seeds=(1,))], rows("abc"), unpaired="drop")
    assert (cell.items.item_ids, cell.base.shape, cell.items.left_out) == (("a", "b"), (2, 2), ("c",))


def test_nothing_to_pair_is_refused_even_then():
    with pytest.raises(UserError, match="no item under the same prompt is in every run"):
        paired(rows("ab"), rows("cd"), unpaired="drop")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans()), min_size=1), st.randoms())
def test_dropping_never_depends_on_the_order_of_rows(triples, random):
    base = list({(item, seed): ScoredItem("arm", "micro", "t", seed, f"i{item}", "p", float(good), unparsed=False)
                 for item, seed, good in triples}.values())  # fmt: skip
    mixed = random.sample(base, len(base))
    try:
        one = paired(base, base, unpaired="drop")
    except UserError:
        with pytest.raises(UserError):
            paired(mixed, mixed, unpaired="drop")
        return
    other = paired(mixed, mixed, unpaired="drop")
    assert (one.items.item_ids, one.seeds, one.items.left_out) == (
        other.items.item_ids,
        other.seeds,
        other.items.left_out,
    )
    assert np.array_equal(one.base, other.base)
