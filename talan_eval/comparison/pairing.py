"""From scored answers of two arms to paired matrices; nothing is paired by position."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

_EXAMPLES = 3
_RERUN = "Score both arms with the same task version: run `talan-eval compare` again with a new --out directory."


@dataclass(frozen=True)
class ScoredItem:
    """One scored answer of one arm.

    Attributes:
        task: Benchmark name.
        seed: Training seed of the checkpoint that answered.
        item_id: Identifier of the item, unique within the benchmark.
        prompt_hash: Hash of the exact prompt. Equal ids under different prompts are different questions.
        score: In [0, 1]; the mean over samples when an item was answered several times.
        unparsed: Whether no result could be read from the answer; the share where there were several.
    """

    task: str
    seed: int
    item_id: str
    prompt_hash: str
    score: float
    unparsed: float


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

    @property
    def name(self) -> str:
        """Return "backbone/task"."""
        return f"{self.backbone}/{self.task}"

    def ordered(self) -> CellScores:
        """Return the same cell with seeds and items sorted, so that input order cannot change a result."""
        rows = np.argsort(np.array(self.seeds))
        columns = np.array(sorted(range(len(self.item_ids)), key=self.item_ids.__getitem__))
        return CellScores(
            backbone=self.backbone,
            task=self.task,
            metric=self.metric,
            seeds=tuple(self.seeds[row] for row in rows),
            item_ids=tuple(self.item_ids[column] for column in columns),
            base=np.asarray(self.base, dtype=np.float64)[np.ix_(rows, columns)],
            treat=np.asarray(self.treat, dtype=np.float64)[np.ix_(rows, columns)],
            k=self.k,
            base_unparsed=self.base_unparsed,
            treat_unparsed=self.treat_unparsed,
            dropped_seeds=tuple(sorted(self.dropped_seeds)),
            pairing_hash=self.pairing_hash if self.pairing_hash is not None else _hash(self.item_ids),
        )


def pair_scores(
    base: Iterable[ScoredItem],
    treat: Iterable[ScoredItem],
    *,
    backbone: str,
    metrics: Mapping[str, str],
    k: int = 1,
) -> tuple[CellScores, ...]:
    """Pair two arms on (item id, prompt hash), task by task.

    A seed that only one arm finished (a crash) drops out of both and is recorded. Anything else that does not match is
    refused: an item missing in one arm is not a wrong answer.

    Args:
        base: Rows of the base arm, in any order.
        treat: Rows of the treat arm, in any order.
        backbone: Backbone name.
        metrics: The metric of each declared task; its order is the order of the cells.
        k: Decoding samples that each score averages.

    Returns:
        One cell per declared task, seeds and items sorted.

    Raises:
        UserError: For duplicate items, unmatched items or prompts, and tasks without a seed in both arms.
        ValueError: For a row whose task was not declared.
    """
    arms = {"base": _index(base, "base", metrics), "treat": _index(treat, "treat", metrics)}
    return tuple(
        _pair_task(arms["base"][task], arms["treat"][task], task, (backbone, metric, k))
        for task, metric in metrics.items()
    )


_Run = dict[str, ScoredItem]  # item id -> its row, for one arm, task and seed


def _index(rows: Iterable[ScoredItem], arm: str, tasks: Iterable[str]) -> dict[str, dict[int, _Run]]:
    runs: dict[str, dict[int, _Run]] = {task: {} for task in tasks}
    repeats: Counter[tuple[str, int, str]] = Counter()
    for row in rows:
        if row.task not in runs:
            raise ValueError(f"a row of the {arm} arm names the undeclared task {row.task!r}")
        run = runs[row.task].setdefault(row.seed, {})
        if row.item_id in run:
            repeats[row.task, row.seed, row.item_id] += 1
        run[row.item_id] = row
    if repeats:
        task, seed, item = min(repeats)
        raise UserError(
            f"The {arm} arm has {repeats.total()} duplicate scores, the first for item {item!r} of task {task!r} at "
            f"seed {seed}.",
            f"A copy is no new observation. {_RERUN}",
        )
    return runs


def _pair_task(base: dict[int, _Run], treat: dict[int, _Run], task: str, labels: tuple[str, str, int]) -> CellScores:
    backbone, metric, k = labels
    seeds = tuple(sorted(base.keys() & treat.keys()))
    if not seeds:
        raise UserError(
            f"Task {task!r} has no seed that both arms finished (base: {sorted(base)}, treat: {sorted(treat)}).",
            "Run the same `talan-eval compare` command again: it computes the missing cells only.",
        )
    reference = _keys(base[seeds[0]])
    for arm, runs in (("base", base), ("treat", treat)):
        for seed in seeds:
            where = f"task {task!r}: base arm at seed {seeds[0]}, then {arm} arm at seed {seed}"
            _refuse_unmatched(reference, _keys(runs[seed]), where)
    item_ids = tuple(sorted(base[seeds[0]]))
    return CellScores(
        backbone=backbone,
        task=task,
        metric=metric,
        seeds=seeds,
        item_ids=item_ids,
        base=_matrix(base, seeds, item_ids),
        treat=_matrix(treat, seeds, item_ids),
        k=k,
        base_unparsed=_unparsed(base, seeds),
        treat_unparsed=_unparsed(treat, seeds),
        dropped_seeds=tuple(sorted(base.keys() ^ treat.keys())),
        pairing_hash=_hash("\0".join(key) for key in reference),
    )


def _keys(run: _Run) -> set[tuple[str, str]]:
    return {(row.item_id, row.prompt_hash) for row in run.values()}


def _refuse_unmatched(reference: set[tuple[str, str]], other: set[tuple[str, str]], where: str) -> None:
    if reference == other:
        return
    first, second = sorted(reference - other), sorted(other - reference)
    prompts = len({item for item, _ in first} & {item for item, _ in second})
    examples = ", ".join(repr(item) for item in list(dict.fromkeys(item for item, _ in [*first, *second]))[:_EXAMPLES])
    raise UserError(
        f"Scores do not pair ({where}): {len(first)} only in the first, {len(second)} only in the second, {prompts} of "
        f"them the same item under another prompt; for example {examples}.",
        _RERUN,
    )


def _matrix(runs: dict[int, _Run], seeds: Sequence[int], item_ids: Sequence[str]) -> FloatArray:
    return np.array([[runs[seed][item].score for item in item_ids] for seed in seeds], dtype=np.float64)


def _unparsed(runs: dict[int, _Run], seeds: Sequence[int]) -> float:
    return float(np.mean([row.unparsed for seed in seeds for row in runs[seed].values()]))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]
