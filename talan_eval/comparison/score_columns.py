"""One checkpoint's scores on one benchmark, as columns; those of all arms are put together into score matrices here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from talan_core.errors import Problems, UserError
from talan_eval.comparison.matrix import ItemTable, ScoreMatrix
from talan_eval.result.evidence import NAMED_ITEMS, Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

Unpaired = Literal["refuse", "drop"]

RERUN: Final = "Score all arms with the same task version: run `talan-eval compare` again with a new --out directory."
_EXAMPLES: Final = 3
PROMPT_END: Final = ":"
"""Ends the prompt's own hash where that of the expected answer follows: both must agree to be the same question."""


@dataclass(frozen=True, eq=False)
class ScoreColumns:
    """Scores of one arm, backbone, benchmark and seed: one checkpoint on one benchmark.

    Attributes:
        arm: Arm name.
        backbone: Backbone name.
        task: Benchmark name.
        seed: Training seed.
        item_ids: Item identifiers, shape (N,), without repeats, in any order.
        prompts: Hash of each item's prompt, shape (N,), "" where unknown; what else makes it the same question, such as
            the expected answer, may follow after ``PROMPT_END``.
        scores: Mean score of each item, shape (N,), in [0, 1].
        k: Samples that each score averages.
        unparsed: Share of answers without a readable result, or None if unknown.
        marks: What is known of each item's answers beside their score: by name of the mark the share of answers that
            bear it, shape (N,), such as "unparsed".
        clusters: Cluster of each item, shape (N,), or None without clusters.
        labels: Per label name one value per item, "" where an item has none.
        source: Where the scores were read, for messages; "" where that says nothing.
        left_out: Items that the run was asked and that have no score, with the reason; they are in no other column.
    """

    arm: str
    backbone: str
    task: str
    seed: int
    item_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    scores: FloatArray
    k: int = 1
    unparsed: float | None = None
    marks: Mapping[str, FloatArray] = field(default_factory=dict)
    clusters: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def keys(self) -> set[tuple[str, str]]:
        """Return what is paired on: (item id, prompt hash)."""
        return set(zip(self.item_ids, self.prompts, strict=True))


def label_columns(labels: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Turn one mapping per item into one column per label name, "" where an item has none.

    Args:
        labels: Label name to value, for each of N items.

    Returns:
        Label name to N values; names in sorted order.
    """
    names = sorted({name for item in labels for name in item})
    return {name: tuple(item.get(name, "") for item in labels) for name in names}


def cluster_column(clusters: Sequence[str | None], where: str, advice: str) -> tuple[str, ...] | None:
    """Return the clusters of N items, or None where no item has one.

    Raises:
        UserError: Some items have a cluster and others have none.
    """
    known = tuple(cluster for cluster in clusters if cluster is not None)
    if known and len(known) < len(clusters):
        raise UserError(f"{where}: {len(clusters) - len(known)} of {len(clusters)} items have no cluster.", advice)
    return known or None


@dataclass(frozen=True)
class _Place:
    """The benchmark on a backbone whose runs are put together."""

    backbone: str
    task: str
    metric: str
    advice: str
    measure: Measure


def score_matrices(
    columns: Iterable[ScoreColumns],
    *,
    metrics: Mapping[str, str],
    unpaired: Unpaired = "refuse",
    advice: str = RERUN,
    measures: Mapping[str, Measure] | None = None,
) -> tuple[ScoreMatrix, ...]:
    """Put runs together by (item id, prompt hash), so that all arms of a benchmark have the same items.

    Args:
        columns: One per arm, backbone, benchmark and seed, in any order.
        metrics: The metric of each declared task; its order is the order of the matrices within a backbone.
        unpaired: "drop" leaves out of all arms what not every run has, and counts it.
        advice: What to do about scores that do not match, ending in what to type.
        measures: What each task is measured in; points where it says nothing.

    Returns:
        One matrix per backbone, task and arm, in the order in which backbones and arms appear; seeds and items sorted.

    Raises:
        UserError: For items or prompts that not every run has: an item missing in one arm is not a wrong answer. For
            runs that disagree about clusters, labels or the number of samples.
        ValueError: For columns of an undeclared task, or two for one run.
    """
    runs: dict[tuple[str, str], dict[str, dict[int, ScoreColumns]]] = {}
    for one in columns:
        if one.task not in metrics:
            raise ValueError(f"the task {one.task!r} is undeclared")
        seeds = runs.setdefault((one.backbone, one.task), {}).setdefault(one.arm, {})
        if one.seed in seeds:
            raise ValueError(f"arm {one.arm!r}, task {one.task!r} at seed {one.seed} is given twice")
        seeds[one.seed] = one
    backbones = dict.fromkeys(backbone for backbone, _ in runs)
    found: list[ScoreMatrix] = []
    problems = Problems()
    for backbone in backbones:
        for task, metric in metrics.items():
            if (backbone, task) in runs:
                place = _Place(backbone, task, metric, advice, (measures or {}).get(task, Measure()))
                with problems.collecting():
                    found += _matrices(place, runs[backbone, task], unpaired)
    problems.raise_any()
    return tuple(found)


def _matrices(
    place: _Place, arms: Mapping[str, Mapping[int, ScoreColumns]], unpaired: Unpaired
) -> tuple[ScoreMatrix, ...]:
    runs = [arms[arm][seed] for arm in arms for seed in sorted(arms[arm])]
    reference = runs[0]
    kept = reference.keys()
    for run in runs[1:]:
        if (run.item_ids, run.prompts) == (reference.item_ids, reference.prompts):
            continue  # the usual case, cheaper than sets
        if unpaired == "drop":
            kept &= run.keys()
        else:
            _refuse_unmatched(reference, run, place)
    dropped = _dropped(runs, kept, place)
    item_ids = tuple(sorted(item for item, _ in kept))
    clusters, labels = _item_columns(runs, item_ids, place)
    if clusters is not None and len(set(clusters)) == 1:
        raise UserError(
            f"Task {place.task!r}: all {len(item_ids)} items are in one cluster ({clusters[0]!r}), so nothing can be "
            "said about new items.",
            "Give the items at least two clusters, or none: leave the column cluster out.",
        )
    items = ItemTable(
        task=place.task,
        metric=place.metric,
        item_ids=item_ids,
        pairing_hash=item_hash("\0".join(key) for key in kept),
        clusters=clusters,
        labels=labels,
        dropped_items=len(dropped[0]),
        dropped_prompts=dropped[1],
        left_out=dropped[0][:NAMED_ITEMS],
        measure=place.measure,
        reasons=_reasons(runs),
        same_prompt=_same_prompt(kept),
        prompts=_prompts(kept),
    )
    k = _samples(runs, place)
    return tuple(
        _matrix(place.backbone, arm, items, [arms[arm][seed] for seed in sorted(arms[arm])], k) for arm in arms
    )


def _matrix(backbone: str, arm: str, items: ItemTable, runs: Sequence[ScoreColumns], k: int) -> ScoreMatrix:
    """Return the scores of the items, shape (S, N); most runs have the items in one order."""
    orders: dict[tuple[str, ...], list[int]] = {}
    for run in runs:
        if run.item_ids not in orders:
            where = {item: index for index, item in enumerate(run.item_ids)}
            orders[run.item_ids] = [where[item] for item in items.item_ids]
    shares = tuple(run.unparsed for run in runs if run.unparsed is not None)
    marked = set.intersection(*(set(run.marks) for run in runs))
    return ScoreMatrix(
        backbone=backbone,
        arm=arm,
        items=items,
        seeds=tuple(run.seed for run in runs),
        scores=np.stack([np.asarray(run.scores, dtype=np.float64)[orders[run.item_ids]] for run in runs]),
        k=k,
        unparsed=shares if len(shares) == len(runs) else None,
        marks={name: np.stack([run.marks[name][orders[run.item_ids]] for run in runs]) for name in sorted(marked)},
    )


def _refuse_unmatched(reference: ScoreColumns, run: ScoreColumns, place: _Place) -> None:
    first, second = sorted(reference.keys() - run.keys()), sorted(run.keys() - reference.keys())
    if not first and not second:
        return
    prompts = len({item for item, _ in first} & {item for item, _ in second})
    examples = ", ".join(repr(item) for item in list(dict.fromkeys(item for item, _ in [*first, *second]))[:_EXAMPLES])
    sources = f" [{reference.source}; {run.source}]" if reference.source or run.source else ""
    raise UserError(
        f"Scores do not pair (task {place.task!r}: {reference.arm} at seed {reference.seed}, then {run.arm} at seed "
        f"{run.seed}){sources}: {len(first)} only in the first, {len(second)} only in the second, {prompts} of them "
        f"the same item under another prompt; for example {examples}.",
        place.advice,
    )


def _dropped(runs: Sequence[ScoreColumns], kept: set[tuple[str, str]], place: _Place) -> tuple[tuple[str, ...], int]:
    """Return the items that are left out, and how many of these every run has under some prompt."""
    items = [set(run.item_ids) for run in runs]
    asked = [own | set(run.left_out) for own, run in zip(items, runs, strict=True)]
    everywhere, anywhere = set.intersection(*items), set.union(*asked)
    if not kept:
        raise UserError(
            f"Task {place.task!r}: no item under the same prompt is in every run ({len(anywhere)} items in all, "
            f"{len(everywhere)} of them in every run under some prompt).",
            place.advice,
        )
    common = {item for item, _ in kept}
    return tuple(sorted(anywhere - common)), len(everywhere - common)


def _reasons(runs: Sequence[ScoreColumns]) -> dict[str, str]:
    """Return why items have no score, by item, from the first run that says it."""
    found: dict[str, str] = {}
    for run in runs:
        for item, why in run.left_out.items():
            found.setdefault(item, f"{run.arm} at seed {run.seed}, {why}")
    return found


def _prompts(kept: Iterable[tuple[str, str]]) -> tuple[str, ...] | None:
    """Return the prompt's hash of each item in the order of the items, without what follows it; None without any."""
    found = tuple(key.partition(PROMPT_END)[0] for _, key in sorted(kept))
    return found if any(found) else None


def _same_prompt(kept: Iterable[tuple[str, str]]) -> tuple[str, ...] | None:
    """Return the items that share their prompt with another, or None where an item's prompt is unknown."""
    by_prompt: dict[str, list[str]] = {}
    for item, key in kept:
        by_prompt.setdefault(key.partition(PROMPT_END)[0], []).append(item)
    if "" in by_prompt:
        return None
    return tuple(sorted(item for items in by_prompt.values() if len(items) > 1 for item in items))


def _samples(runs: Sequence[ScoreColumns], place: _Place) -> int:
    counts = {run.k: f"{run.arm} at seed {run.seed}" for run in reversed(runs)}
    if len(counts) > 1:
        found = ", ".join(f"{k} in {where}" for k, where in sorted(counts.items()))
        raise UserError(
            f"Task {place.task!r} has unequal numbers of samples per item: {found}.",
            "Score every run with the same number of samples (epochs, repeats) per item, or name only runs that have "
            "as many.",
        )
    return next(iter(counts))


def _item_columns(
    runs: Sequence[ScoreColumns], item_ids: Sequence[str], place: _Place
) -> tuple[tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return clusters and labels of the items; they describe the item, so all runs must agree."""
    described = {_description(run, item_ids) for run in runs if run.clusters is not None or run.labels}
    bare = [run for run in runs if run.clusters is None and not run.labels]
    if not described:
        return None, {}
    if len(described) > 1 or bare:
        raise UserError(f"Task {place.task!r}: the runs disagree about the items' clusters or labels.", place.advice)
    clusters, labels = described.pop()
    return clusters, dict(labels)


def _description(
    run: ScoreColumns, item_ids: Sequence[str]
) -> tuple[tuple[str, ...] | None, tuple[tuple[str, tuple[str, ...]], ...]]:
    where = {item: index for index, item in enumerate(run.item_ids)}
    order = [where[item] for item in item_ids]
    clusters = None if run.clusters is None else tuple(run.clusters[index] for index in order)
    return clusters, tuple((name, tuple(column[index] for index in order)) for name, column in run.labels.items())


def item_hash(lines: Iterable[str]) -> str:
    """Return 12 hexadecimal digits over lines in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]
