"""Score matrices of one arm each, and the cells that contrasts make of two of them; all arms answer the same items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError, unknown_name
from talan_eval.comparison.bounds import outside
from talan_eval.result.schema import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.result.contrast import ContrastSpec
    from talan_eval.stats.arrays import FloatArray

PAIRINGS: Final = ("paired", "fixed", "independent")
RESUME: Final = "Run the same `talan-eval compare` command again: it computes the missing cells only."


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
        dropped_items: Items left out of all arms because not every run has a score for them under the same prompt.
        dropped_prompts: How many of these every run has, but not under the same prompt.
        same_prompt: Items whose prompt another item has as well, ascending; None where prompts are unknown.
        prompts: Hash of each item's prompt, shape (N,), "" where unknown; None where all are.
        left_out: Some of the items that were left out, by identifier.
        measure: Unit, direction and bounds of the scores.
        reasons: Why items are left out, by item, as far as a run says it: a logged error, an answer without a score.
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
    measure: Measure = field(default_factory=Measure)
    reasons: Mapping[str, str] = field(default_factory=dict)

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
            measure=self.measure,
        )


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """Scores of one arm on one backbone and benchmark.

    Attributes:
        backbone: Backbone name.
        arm: Arm name.
        items: What was answered.
        seeds: Training seeds, shape (S,), ascending, without repeats.
        scores: Shape (S, N), within the bounds of the items' measure; shares in [0, 1] where that is points.
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
        if not np.isfinite(self.scores).all():
            raise ValueError(f"{self.name}: scores must be finite")
        if outside(np.asarray(self.scores, dtype=np.float64), self.items.measure).any():
            raise ValueError(f"{self.name}: scores must lie within the bounds of their measure, of points in [0, 1]")
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

    def only(self, chosen: Sequence[int]) -> ScoreMatrix:
        """Return the columns of some items, without labels. The unparsed rate is not known: it is not of each item."""
        marks = {name: values[:, chosen] for name, values in self.marks.items()}
        return replace(self, items=self.items.only(chosen), scores=self.scores[:, chosen], unparsed=None, marks=marks)

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


@dataclass(frozen=True, eq=False)
class CellScores:
    """The scores of one contrast on one backbone and benchmark, or on a slice of it.

    Attributes:
        contrast: Which arms, and how their seeds relate.
        backbone: Backbone name.
        items: What both arms answered; N items.
        seeds: Seeds of the treatment, shape (S,); where seeds are paired those that both arms have.
        base_seeds: Seeds of the base arm: the same where paired, one where fixed.
        base: Scores of the base arm, shape (len(base_seeds), N).
        treatment: Scores of the treatment, shape (S, N).
        k: Decoding samples that each score averages.
        base_unparsed: Share of unparsed base answers, or None if unknown.
        treatment_unparsed: Share of unparsed answers of the treatment, or None if unknown.
        marks: Of each mark that both arms' answers may bear, the shares of the base arm and of the treatment, in the
            shapes of their scores.
        dropped_seeds: Seeds that only one arm finished; the pair is left out.
        diverged_seeds: Seeds at which the training of either arm diverged.
        part: "label=value" of a slice, or None for the whole benchmark.
    """

    contrast: ContrastSpec
    backbone: str
    items: ItemTable
    seeds: tuple[int, ...]
    base_seeds: tuple[int, ...]
    base: FloatArray
    treatment: FloatArray
    k: int = 1
    base_unparsed: float | None = None
    treatment_unparsed: float | None = None
    marks: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    dropped_seeds: tuple[int, ...] = ()
    diverged_seeds: tuple[int, ...] = ()
    part: str | None = field(default=None)

    @property
    def task(self) -> str:
        """Benchmark name."""
        return self.items.task

    @property
    def name(self) -> str:
        """Return "backbone/task", with the slice where it is one."""
        whole = f"{self.backbone}/{self.task}"
        return whole if self.part is None else f"{whole}/{self.part}"

    @property
    def label(self) -> str:
        """Return what reports call it."""
        return self.task if self.part is None else f"{self.task} {self.part}"

    @property
    def n_seeds(self) -> int:
        """The number of seeds by which rules about few seeds go: the smaller one where arms have different ones."""
        return min(len(self.seeds), len(self.base_seeds)) if self.contrast.pairing == "independent" else len(self.seeds)

    @property
    def deltas(self) -> FloatArray:
        """Treatment minus base, shape (S, N); with independent seeds that of their means, shape (1, N).

        A fixed base is subtracted from each seed of the treatment.
        """
        if self.contrast.pairing == "independent":
            return np.asarray([self.treatment.mean(axis=0) - self.base.mean(axis=0)], dtype=np.float64)
        return self.treatment - self.base

    def only(self, chosen: Sequence[int], part: str) -> CellScores:
        """Return some of the items, as a slice. Its unparsed rate is not known: that is not recorded by item."""
        return replace(
            self,
            items=self.items.only(chosen),
            base=self.base[:, chosen],
            treatment=self.treatment[:, chosen],
            base_unparsed=None,
            treatment_unparsed=None,
            marks={},
            part=part,
        )


def check_contrasts(contrasts: Sequence[ContrastSpec], arms: Sequence[str]) -> None:
    """Raise a ``UserError`` for contrasts that cannot be meant: of unknown arms, of an arm with itself, or twice."""
    if not contrasts:
        raise UserError("There is nothing to compare.", "Name an arm under test: --treat talan+lora")
    for one in contrasts:
        for arm in (one.base, one.treatment):
            if arm not in arms:
                raise unknown_name("arm", arm, arms)
        if one.base == one.treatment:
            raise UserError(
                f"The arm {one.base!r} is compared with itself.", "Name two different arms in each contrast."
            )
        if sum((other.base, other.treatment) == (one.base, one.treatment) for other in contrasts) > 1:
            raise UserError(f"The contrast {one.name!r} is declared twice.", "Name each contrast once.")


def cells_of(
    contrast: ContrastSpec,
    matrices: Sequence[ScoreMatrix],
    diverged: Mapping[tuple[str, str], tuple[int, ...]],
    advice: str = RESUME,
) -> tuple[CellScores, ...]:
    """Make the cells of a contrast: one per backbone and benchmark, in the order of the matrices.

    Args:
        contrast: Two arms and how their seeds relate.
        matrices: Scores of all arms.
        diverged: Seeds whose training diverged, by (arm, backbone).
        advice: What to do where the arms have no seed in common.

    Raises:
        UserError: An arm has no scores where the other has, no seed is in both arms, or a fixed base has several seeds.
    """
    arms = {(one.backbone, one.task, one.arm): one for one in matrices}
    places = dict.fromkeys(
        (one.backbone, one.task) for one in matrices if one.arm in (contrast.base, contrast.treatment)
    )
    cells = []
    for backbone, task in places:
        base, treatment = (arms.get((backbone, task, arm)) for arm in (contrast.base, contrast.treatment))
        if base is None or treatment is None:
            lacking = contrast.base if base is None else contrast.treatment
            raise UserError(f"The arm {lacking!r} has no scores of {task!r} on {backbone}.", advice)
        gone = tuple(
            sorted({seed for arm in (contrast.base, contrast.treatment) for seed in diverged.get((arm, backbone), ())})
        )
        cells.append(_cell(contrast, base, treatment, gone, advice))
    if not cells:
        raise UserError("There is no cell to compare.", "Name at least one benchmark with --tasks.")
    return tuple(cells)


def _cell(
    contrast: ContrastSpec, base: ScoreMatrix, treatment: ScoreMatrix, diverged: tuple[int, ...], advice: str
) -> CellScores:
    dropped: tuple[int, ...] = ()
    if contrast.pairing == "paired":
        seeds = tuple(sorted(set(base.seeds) & set(treatment.seeds)))
        if not seeds:
            raise UserError(
                f"Task {base.task!r} has no seed that both arms finished ({base.arm}: {list(base.seeds)}, "
                f"{treatment.arm}: {list(treatment.seeds)}).",
                advice,
            )
        dropped = tuple(sorted((set(base.seeds) ^ set(treatment.seeds)) - set(diverged)))
        base, treatment = base.at(seeds), treatment.at(seeds)
    elif contrast.pairing == "fixed" and len(base.seeds) != 1:
        raise UserError(
            f"The fixed arm {base.arm!r} has {len(base.seeds)} runs of {base.task!r}; a fixed arm is one checkpoint.",
            f"Name one run of {base.arm!r}, or declare the contrast with --pairing paired or --pairing independent.",
        )
    return CellScores(
        contrast=contrast,
        backbone=base.backbone,
        items=base.items,
        seeds=treatment.seeds,
        base_seeds=base.seeds,
        base=base.scores,
        treatment=treatment.scores,
        k=base.k,
        base_unparsed=_mean_share(base),
        treatment_unparsed=_mean_share(treatment),
        marks={name: (base.marks[name], treatment.marks[name]) for name in base.marks if name in treatment.marks},
        dropped_seeds=dropped,
        diverged_seeds=diverged,
    )


def _mean_share(matrix: ScoreMatrix) -> float | None:
    return None if matrix.unparsed is None else float(np.mean(matrix.unparsed))
