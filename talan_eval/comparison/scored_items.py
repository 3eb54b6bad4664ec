"""Scored answers, one row each and in any order, become columns here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.score_columns import ScoreColumns, cluster_column, label_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

UNPARSED: Final = "unparsed answers"
SYMBOLIC_ONLY: Final = "answers that math-verify alone credits"
"""Marks of answers whose share may differ between arms; see ``talan_eval.stats.shares.share_difference``."""


@dataclass(frozen=True)
class ScoredItem:
    """One scored answer of one arm.

    Attributes:
        arm: Arm name.
        backbone: Backbone name.
        task: Benchmark name.
        seed: Training seed of the checkpoint that answered.
        item_id: Identifier of the item, unique within the benchmark.
        prompt_hash: Hash of the exact prompt. Equal ids under different prompts are different questions.
        score: In [0, 1].
        unparsed: Whether no result could be read from the answer; the share where there were several.
        symbolic_only: Whether a computer algebra system alone credits the answer; the share likewise.
        cluster: Which items belong together (one passage, one author), or None where the benchmark has no clusters.
        labels: (name, value) pairs that put the item into slices, such as (("subject", "algebra"),).
        sample: Which of several answers of the same checkpoint to the same item; they are averaged.
    """

    arm: str
    backbone: str
    task: str
    seed: int
    item_id: str
    prompt_hash: str
    score: float
    unparsed: float
    cluster: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    sample: int = 0
    symbolic_only: float = 0.0


@dataclass(frozen=True, order=True)
class _Run:
    """Which checkpoint answered which benchmark."""

    arm: str
    backbone: str
    task: str
    seed: int

    @property
    def where(self) -> str:
        return f"task {self.task!r}, arm {self.arm!r} at seed {self.seed}"


def columns_of(rows: Iterable[ScoredItem], advice: str) -> tuple[ScoreColumns, ...]:
    """Gather rows, and average the samples of an item.

    Args:
        rows: Rows of any arms and backbones, in any order.
        advice: What to do about rows that cannot be right, ending in what to type.

    Returns:
        One set of columns per arm, backbone, benchmark and seed.

    Raises:
        UserError: For duplicates, unequal numbers of samples, one item under several prompts or clusters, and
            clusters that only some items have.
    """
    runs: dict[_Run, list[ScoredItem]] = {}
    for row in rows:
        runs.setdefault(_Run(row.arm, row.backbone, row.task, row.seed), []).append(row)
    _refuse_duplicates(runs, advice)
    return tuple(_columns(run, found, advice) for run, found in runs.items())


def _refuse_duplicates(runs: Mapping[_Run, Sequence[ScoredItem]], advice: str) -> None:
    repeats: Counter[tuple[_Run, str]] = Counter()
    for run, rows in runs.items():
        seen: set[tuple[str, int]] = set()
        for row in rows:
            if (row.item_id, row.sample) in seen:
                repeats[run, row.item_id] += 1
            seen.add((row.item_id, row.sample))
    if repeats:
        run, item = min(repeats)
        raise UserError(
            f"The arm {run.arm!r} has {repeats.total()} duplicate scores, the first for item {item!r} of task "
            f"{run.task!r} at seed {run.seed}.",
            f"A copy is no new observation. {advice}",
        )


def _columns(run: _Run, rows: Sequence[ScoredItem], advice: str) -> ScoreColumns:
    items: dict[str, list[ScoredItem]] = {}
    for row in rows:
        items.setdefault(row.item_id, []).append(row)
    first = next(iter(items.values()))
    for item, samples in items.items():
        if len(samples) != len(first):
            raise UserError(
                f"{run.where}: item {item!r} has {len(samples)} samples and item {first[0].item_id!r} has "
                f"{len(first)}.",
                advice,
            )
        one = samples[0]
        if any(
            (row.prompt_hash, row.cluster, row.labels) != (one.prompt_hash, one.cluster, one.labels) for row in samples
        ):
            raise UserError(f"{run.where}: the samples of item {item!r} differ in prompt, cluster or labels.", advice)
    ones = [samples[0] for samples in items.values()]
    return ScoreColumns(
        arm=run.arm,
        backbone=run.backbone,
        task=run.task,
        seed=run.seed,
        item_ids=tuple(items),
        prompts=tuple(row.prompt_hash for row in ones),
        scores=np.array([[row.score for row in samples] for samples in items.values()], dtype=np.float64).mean(axis=1),
        k=len(first),
        unparsed=float(np.mean([row.unparsed for row in rows])),
        marks={
            UNPARSED: np.array([np.mean([row.unparsed for row in found]) for found in items.values()]),
            SYMBOLIC_ONLY: np.array([np.mean([row.symbolic_only for row in found]) for found in items.values()]),
        },
        clusters=cluster_column([row.cluster for row in ones], run.where, advice),
        labels=label_columns([dict(row.labels) for row in ones]),
    )
