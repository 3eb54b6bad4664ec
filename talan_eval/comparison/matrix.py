"""Score matrices: one arm, backbone and benchmark each, seeds by items; all arms answer the same items."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.score_columns import PROMPT_END, ScoreColumns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

Unpaired = Literal["refuse", "drop"]

RERUN: Final = "Score all arms with the same task version: run `talan-eval compare` again with a new --out directory."
_EXAMPLES: Final = 3
_NAMED: Final = 20  # items that are named of those left out


@dataclass(frozen=True, eq=False)
class ItemTable:
    """The items of one benchmark on one backbone: the same for all arms.

    Attributes:
        task: Benchmark name.
        metric: What the scores measure.
        item_ids: Identifiers, shape (N,), ascending, without repeats.
        pairing_hash: Hash of the (item id, prompt hash) of all of them.
        clusters: Cluster of each item, shape (N,), or None without clusters.
        labels: Per label name one value per item, shape (N,), "" where an item has none.
        dropped_items: ItemTable left out of all arms because not every run has them under the same prompt.
        dropped_prompts: How many of these every run has, but not under the same prompt.
        same_prompt: ItemTable whose prompt another item has as well, ascending; None where prompts are unknown.
        prompts: Hash of each item's prompt, shape (N,), "" where unknown; None where all are.
        left_out: Some of the items that were left out, by identifier.
    """

    task: str
    metric: str
    item_ids: tuple[str, ...]
    pairing_hash: str
    clusters: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped_items: int = 0
    dropped_prompts: int = 0
    same_prompt: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for repeated identifiers, or columns of another length."""
        if len(set(self.item_ids)) < len(self.item_ids) or not self.item_ids:
            raise ValueError(f"{self.task}: an item id appears twice, or there is none; a copy is no new observation")
        for column in (*self.labels.values(), *(one for one in (self.clusters, self.prompts) if one is not None)):
            if len(column) != len(self.item_ids):
                raise ValueError(f"{self.task}: clusters and labels must have one value per item")

    def only(self, chosen: Sequence[int]) -> ItemTable:
        """Return some of the items, without labels: a slice is not cut again."""
        clusters = None if self.clusters is None else tuple(self.clusters[item] for item in chosen)
        return ItemTable(
            task=self.task,
            metric=self.metric,
            item_ids=tuple(self.item_ids[item] for item in chosen),
            pairing_hash=self.pairing_hash,
            clusters=clusters if clusters is not None and len(set(clusters)) > 1 else None,
            prompts=None if self.prompts is None else tuple(self.prompts[item] for item in chosen),
        )


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """Scores of one arm on one backbone and benchmark.

    Attributes:
        backbone: Backbone name.
        arm: Arm name.
        items: What was answered.
        seeds: Training seeds, shape (S,), ascending, without repeats.
        scores: Shape (S, N), in [0, 1].
        k: Decoding samples that each score averages.
        unparsed: Share of answers without a readable result of each seed, shape (S,); None if unknown.
        marks: By name of a mark the share of answers that bear it, shape (S, N); none where answers are not known.
    """

    backbone: str
    arm: str
    items: ItemTable
    seeds: tuple[int, ...]
    scores: FloatArray
    k: int = 1
    unparsed: tuple[float, ...] | None = None
    marks: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ``ValueError`` if shapes, ranges or seeds cannot be a score matrix."""
        shape = (len(self.seeds), len(self.items.item_ids))
        if 0 in shape or self.scores.shape != shape:
            raise ValueError(f"{self.name}: scores must have shape (seeds, items) = {shape}, neither empty")
        if len(set(self.seeds)) < shape[0]:
            raise ValueError(f"{self.name}: a seed appears twice; a copy is no new observation")
        if not np.isfinite(self.scores).all() or self.scores.min() < 0 or self.scores.max() > 1:
            raise ValueError(f"{self.name}: scores must be finite and in [0, 1]")
        if self.k < 1:
            raise ValueError(f"{self.name}: k counts the samples per item, got {self.k}")

    @property
    def task(self) -> str:
        """Benchmark name."""
        return self.items.task

    @property
    def name(self) -> str:
        """Return "arm on backbone/task"."""
        return f"{self.arm} on {self.backbone}/{self.task}"

    def at(self, seeds: Sequence[int]) -> ScoreMatrix:
        """Return the rows of some seeds, in their order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        unparsed = None if self.unparsed is None else tuple(self.unparsed[row] for row in rows)
        marks = {name: values[rows] for name, values in self.marks.items()}
        return replace(self, seeds=tuple(seeds), scores=self.scores[rows], unparsed=unparsed, marks=marks)

    def ordered(self) -> ScoreMatrix:
        """Return the same matrix with seeds and items sorted, so that input order cannot change a result."""
        rows = np.argsort(np.array(self.seeds))
        ids = self.items.item_ids
        columns = np.array(sorted(range(len(ids)), key=ids.__getitem__))
        items = replace(
            self.items,
            item_ids=tuple(ids[column] for column in columns),
            clusters=None if self.items.clusters is None else tuple(self.items.clusters[c] for c in columns),
            prompts=None if self.items.prompts is None else tuple(self.items.prompts[c] for c in columns),
            labels={name: tuple(values[c] for c in columns) for name, values in self.items.labels.items()},
        )
        scores = np.asarray(self.scores, dtype=np.float64)[np.ix_(rows, columns)]
        unparsed = None if self.unparsed is None else tuple(self.unparsed[row] for row in rows)
        marks = {name: values[np.ix_(rows, columns)] for name, values in self.marks.items()}
        seeds = tuple(self.seeds[row] for row in rows)
        return replace(self, items=items, seeds=seeds, scores=scores, unparsed=unparsed, marks=marks)


@dataclass(frozen=True)
class _Place:
    """The benchmark on a backbone whose runs are put together."""

    backbone: str
    task: str
    metric: str
    advice: str


def score_matrices(
    columns: Iterable[ScoreColumns],
    *,
    metrics: Mapping[str, str],
    unpaired: Unpaired = "refuse",
    advice: str = RERUN,
) -> tuple[ScoreMatrix, ...]:
    """Put runs together by (item id, prompt hash), so that all arms of a benchmark have the same items.

    Args:
        columns: One per arm, backbone, benchmark and seed, in any order.
        metrics: The metric of each declared task; its order is the order of the matrices within a backbone.
        unpaired: "drop" leaves out of all arms what not every run has, and counts it.
        advice: What to do about scores that do not match, ending in what to type.

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
    return tuple(
        matrix
        for backbone in backbones
        for task, metric in metrics.items()
        if (backbone, task) in runs
        for matrix in _matrices(_Place(backbone, task, metric, advice), runs[backbone, task], unpaired)
    )


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
        same_prompt=_same_prompt(kept),
        prompts=_prompts(kept),
        left_out=dropped[0][:_NAMED],
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
    everywhere, anywhere = set.intersection(*items), set.union(*items)
    if not kept:
        raise UserError(
            f"Task {place.task!r}: no item under the same prompt is in every run ({len(anywhere)} items in all, "
            f"{len(everywhere)} of them in every run under some prompt).",
            place.advice,
        )
    common = {item for item, _ in kept}
    return tuple(sorted(anywhere - common)), len(everywhere - common)


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
