"""From scored answers of two arms to paired matrices; nothing is paired by position."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.columns import PROMPT_END, ScoreColumns, ScoredItem, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

__all__ = ["CellScores", "ScoredItem", "Unpaired", "pair_columns", "pair_scores"]

Unpaired = Literal["refuse", "drop"]

_EXAMPLES = 3
_RERUN = "Score both arms with the same task version: run `talan-eval compare` again with a new --out directory."
_RESUME = "Run the same `talan-eval compare` command again: it computes the missing cells only."


@dataclass(frozen=True, eq=False)
class CellScores:
    """Paired scores of one backbone and benchmark.

    Attributes:
        backbone: Backbone name.
        task: Benchmark name.
        metric: What the scores measure.
        seeds: Training seeds, shape (S,), without repeats.
        item_ids: Item identifiers, shape (N,), without repeats.
        base: Scores of the base arm, shape (S, N), in [0, 1].
        treat: Scores of the treat arm, same shape and order.
        k: Decoding samples that each score averages.
        base_unparsed: Share of unparsed base answers, or None if unknown.
        treat_unparsed: Share of unparsed treat answers, or None if unknown.
        dropped_seeds: Seeds that only one arm finished; the pair is left out.
        pairing_hash: Hash of the paired (item id, prompt hash); None to hash the item ids alone.
        clusters: Cluster of each item, shape (N,), or None without clusters.
        labels: Per label name one value per item, shape (N,), "" where an item has none.
        dropped_items: Items left out of both arms because not every run has them under the same prompt.
        dropped_prompts: How many of these every run has, but not under the same prompt.
        same_prompt: Items whose prompt another item has as well, ascending; None where prompts are unknown.
    """

    backbone: str
    task: str
    metric: str
    seeds: tuple[int, ...]
    item_ids: tuple[str, ...]
    base: FloatArray
    treat: FloatArray
    k: int = 1
    base_unparsed: float | None = None
    treat_unparsed: float | None = None
    dropped_seeds: tuple[int, ...] = ()
    pairing_hash: str | None = None
    clusters: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped_items: int = 0
    dropped_prompts: int = 0
    same_prompt: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` if shapes, ranges or identifiers cannot be a paired cell."""
        shape = (len(self.seeds), len(self.item_ids))
        if 0 in shape or self.base.shape != shape or self.treat.shape != shape:
            raise ValueError(f"{self.name}: scores must have shape (seeds, items) = {shape}, neither empty")
        if len(set(self.seeds)) < shape[0] or len(set(self.item_ids)) < shape[1]:
            raise ValueError(f"{self.name}: a seed or an item id appears twice; a copy is no new observation")
        for scores in (self.base, self.treat):
            if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
                raise ValueError(f"{self.name}: scores must be finite and in [0, 1]")
        if self.k < 1:
            raise ValueError(f"{self.name}: k counts the samples per item, got {self.k}")
        for column in (*self.labels.values(), *(() if self.clusters is None else (self.clusters,))):
            if len(column) != shape[1]:
                raise ValueError(f"{self.name}: clusters and labels must have one value per item, {shape[1]}")

    @property
    def name(self) -> str:
        """Return "backbone/task"."""
        return f"{self.backbone}/{self.task}"

    def ordered(self) -> CellScores:
        """Return the same cell with seeds and items sorted, so that input order cannot change a result."""
        rows = np.argsort(np.array(self.seeds))
        columns = np.array(sorted(range(len(self.item_ids)), key=self.item_ids.__getitem__))
        return replace(
            self,
            seeds=tuple(self.seeds[row] for row in rows),
            item_ids=tuple(self.item_ids[column] for column in columns),
            base=np.asarray(self.base, dtype=np.float64)[np.ix_(rows, columns)],
            treat=np.asarray(self.treat, dtype=np.float64)[np.ix_(rows, columns)],
            dropped_seeds=tuple(sorted(self.dropped_seeds)),
            pairing_hash=self.pairing_hash if self.pairing_hash is not None else _hash(self.item_ids),
            clusters=None if self.clusters is None else tuple(self.clusters[column] for column in columns),
            labels={name: tuple(values[column] for column in columns) for name, values in self.labels.items()},
        )


def pair_scores(
    base: Iterable[ScoredItem],
    treat: Iterable[ScoredItem],
    *,
    backbone: str,
    metrics: Mapping[str, str],
    k: int = 1,
    unpaired: Unpaired = "refuse",
) -> tuple[CellScores, ...]:
    """Pair two arms on (item id, prompt hash), task by task; several samples of an item are averaged.

    A seed that only one arm finished (a crash) drops out of both and is recorded. Anything else that does not match is
    refused: an item missing in one arm is not a wrong answer.

    Args:
        base: Rows of the base arm, in any order.
        treat: Rows of the treat arm, in any order.
        backbone: Backbone name.
        metrics: The metric of each declared task; its order is the order of the cells.
        k: Decoding samples that each row's score averages already.
        unpaired: "drop" leaves out of both arms what not every run has, and counts it.

    Returns:
        One cell per declared task, seeds and items sorted.

    Raises:
        UserError: For duplicate items, unmatched items or prompts, unequal numbers of samples, and tasks without a seed
            in both arms.
        ValueError: For a row whose task was not declared.
    """
    arms = [
        [replace(run, k=k * run.k) for run in columns_of(rows, arm, metrics, _RERUN)]
        for arm, rows in (("base", base), ("treat", treat))
    ]
    return pair_columns(arms[0], arms[1], backbone=backbone, metrics=metrics, unpaired=unpaired)


def pair_columns(
    base: Iterable[ScoreColumns],
    treat: Iterable[ScoreColumns],
    *,
    backbone: str,
    metrics: Mapping[str, str],
    unpaired: Unpaired = "refuse",
    advice: str = _RERUN,
) -> tuple[CellScores, ...]:
    """Do the same as :func:`pair_scores` for columns.

    Args:
        base: Columns of the base arm, one per task and seed.
        treat: Columns of the treat arm.
        backbone: Backbone name.
        metrics: The metric of each declared task; its order is the order of the cells.
        unpaired: "drop" leaves out of both arms what not every run has, and counts it.
        advice: What to do about scores that do not pair, ending in what to type.

    Returns:
        One cell per declared task, seeds and items sorted.

    Raises:
        UserError: As :func:`pair_scores`.
        ValueError: For columns of an undeclared task, or two for one task and seed.
    """
    first, second = _by_task(base, metrics), _by_task(treat, metrics)
    return tuple(
        _pair_task(_Task(task, metric, backbone, advice), first[task], second[task], unpaired)
        for task, metric in metrics.items()
    )


_Runs = dict[int, ScoreColumns]  # seed -> what was scored


@dataclass(frozen=True)
class _Task:
    name: str
    metric: str
    backbone: str
    advice: str


def _by_task(columns: Iterable[ScoreColumns], tasks: Iterable[str]) -> dict[str, _Runs]:
    runs: dict[str, _Runs] = {task: {} for task in tasks}
    for one in columns:
        if one.task not in runs or one.seed in runs[one.task]:
            raise ValueError(f"task {one.task!r} at seed {one.seed} is undeclared or given twice")
        runs[one.task][one.seed] = one
    return runs


def _pair_task(task: _Task, base: _Runs, treat: _Runs, unpaired: Unpaired) -> CellScores:
    seeds = tuple(sorted(base.keys() & treat.keys()))
    if not seeds:
        raise UserError(
            f"Task {task.name!r} has no seed that both arms finished (base: {sorted(base)}, treat: {sorted(treat)}).",
            _RESUME if task.advice == _RERUN else task.advice,
        )
    runs = [("base", base[seed]) for seed in seeds] + [("treat", treat[seed]) for seed in seeds]
    reference = base[seeds[0]]
    kept = reference.keys()
    for arm, run in runs[1:]:
        if (run.item_ids, run.prompts) == (reference.item_ids, reference.prompts):
            continue  # the usual case, cheaper than sets
        if unpaired == "drop":
            kept &= run.keys()
        else:
            _refuse_unmatched(reference, (arm, run), task)
    dropped = _dropped([run for _, run in runs], kept, task)
    item_ids = tuple(sorted(item for item, _ in kept))
    clusters, labels = _item_columns([run for _, run in runs], item_ids, task)
    if clusters is not None and len(set(clusters)) == 1:
        raise UserError(
            f"Task {task.name!r}: all {len(item_ids)} items are in one cluster ({clusters[0]!r}), so nothing can be "
            "said about new items.",
            "Give the items at least two clusters, or none: leave the column cluster out.",
        )
    return CellScores(
        backbone=task.backbone,
        task=task.name,
        metric=task.metric,
        seeds=seeds,
        item_ids=item_ids,
        base=_aligned([base[seed] for seed in seeds], item_ids),
        treat=_aligned([treat[seed] for seed in seeds], item_ids),
        k=_samples(runs, task),
        base_unparsed=_unparsed(base, seeds),
        treat_unparsed=_unparsed(treat, seeds),
        dropped_seeds=tuple(sorted(base.keys() ^ treat.keys())),
        pairing_hash=_hash("\0".join(key) for key in kept),
        clusters=clusters,
        labels=labels,
        dropped_items=dropped[0],
        dropped_prompts=dropped[1],
        same_prompt=_same_prompt(kept),
    )


def _refuse_unmatched(reference: ScoreColumns, other: tuple[str, ScoreColumns], task: _Task) -> None:
    arm, run = other
    first, second = sorted(reference.keys() - run.keys()), sorted(run.keys() - reference.keys())
    if not first and not second:
        return
    prompts = len({item for item, _ in first} & {item for item, _ in second})
    examples = ", ".join(repr(item) for item in list(dict.fromkeys(item for item, _ in [*first, *second]))[:_EXAMPLES])
    sources = f" [{reference.source}; {run.source}]" if reference.source or run.source else ""
    raise UserError(
        f"Scores do not pair (task {task.name!r}: base arm at seed {reference.seed}, then {arm} arm at seed {run.seed})"
        f"{sources}: {len(first)} only in the first, {len(second)} only in the second, {prompts} of them the same item "
        f"under another prompt; for example {examples}.",
        task.advice,
    )


def _dropped(runs: Sequence[ScoreColumns], kept: set[tuple[str, str]], task: _Task) -> tuple[int, int]:
    """Return how many items are left out, and how many of these every run has under some prompt."""
    items = [set(run.item_ids) for run in runs]
    everywhere, anywhere = set.intersection(*items), set.union(*items)
    if not kept:
        raise UserError(
            f"Task {task.name!r}: no item under the same prompt is in every run ({len(anywhere)} items in all, "
            f"{len(everywhere)} of them in every run under some prompt).",
            task.advice,
        )
    common = {item for item, _ in kept}
    return len(anywhere - common), len(everywhere - common)


def _same_prompt(kept: Iterable[tuple[str, str]]) -> tuple[str, ...] | None:
    """Return the items that share their prompt with another, or None where an item's prompt is unknown."""
    by_prompt: dict[str, list[str]] = {}
    for item, key in kept:
        by_prompt.setdefault(key.partition(PROMPT_END)[0], []).append(item)
    if "" in by_prompt:
        return None
    return tuple(sorted(item for items in by_prompt.values() if len(items) > 1 for item in items))


def _samples(runs: Sequence[tuple[str, ScoreColumns]], task: _Task) -> int:
    counts = {run.k: f"{arm} arm at seed {run.seed}" for arm, run in reversed(runs)}
    if len(counts) > 1:
        found = ", ".join(f"{k} in the {where}" for k, where in sorted(counts.items()))
        raise UserError(
            f"Task {task.name!r} has unequal numbers of samples per item: {found}.",
            "Score every run with the same number of samples (epochs, repeats) per item, or name only runs that have "
            "as many.",
        )
    return next(iter(counts))


def _aligned(runs: Sequence[ScoreColumns], item_ids: Sequence[str]) -> FloatArray:
    """Return the scores of the items, shape (S, N), in the order asked for; most runs have them in one order."""
    orders: dict[tuple[str, ...], list[int]] = {}
    for run in runs:
        if run.item_ids not in orders:
            where = {item: index for index, item in enumerate(run.item_ids)}
            orders[run.item_ids] = [where[item] for item in item_ids]
    return np.stack([np.asarray(run.scores, dtype=np.float64)[orders[run.item_ids]] for run in runs])


def _item_columns(
    runs: Sequence[ScoreColumns], item_ids: Sequence[str], task: _Task
) -> tuple[tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return clusters and labels of the items; they describe the item, so all runs must agree."""
    described = {_description(run, item_ids) for run in runs if run.clusters is not None or run.labels}
    bare = [run for run in runs if run.clusters is None and not run.labels]
    if not described:
        return None, {}
    if len(described) > 1 or bare:
        raise UserError(f"Task {task.name!r}: the runs disagree about the items' clusters or labels.", task.advice)
    clusters, labels = described.pop()
    return clusters, dict(labels)


def _description(
    run: ScoreColumns, item_ids: Sequence[str]
) -> tuple[tuple[str, ...] | None, tuple[tuple[str, tuple[str, ...]], ...]]:
    where = {item: index for index, item in enumerate(run.item_ids)}
    order = [where[item] for item in item_ids]
    clusters = None if run.clusters is None else tuple(run.clusters[index] for index in order)
    return clusters, tuple((name, tuple(column[index] for index in order)) for name, column in run.labels.items())


def _unparsed(runs: _Runs, seeds: Sequence[int]) -> float | None:
    shares = [share for seed in seeds if (share := runs[seed].unparsed) is not None]
    return float(np.mean(shares)) if len(shares) == len(seeds) else None


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]
