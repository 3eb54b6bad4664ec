"""Graded answers from a results directory: what flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

from talan_eval.pipeline.graded import Key, read_graded
from talan_eval.report.context import Answers, Flip, Flips
from talan_eval.result.labels import cell_names
from talan_eval.tasks.catalog import may_publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from talan_eval.pipeline.graded import Graded
    from talan_eval.result.schema import Cell, Contrast, Result


def read_flips(directory: Path, result: Result) -> Flips:
    """Read the items on which the arms of each contrast differ, with both answers.

    Args:
        directory: The directory of the comparison.
        result: Its result. Arms with independent seeds have no pairs, hence no flips.

    Returns:
        The flips; none where the directory holds no answers. Where a benchmark's text may not be published, or nobody
        says that it may, items are named by their id, with grade and reason.
    """
    graded = read_graded(directory)
    pairs = []
    withheld: dict[str, None] = {}
    for place, contrast in enumerate(result.contrasts):
        for index, (cell, name) in enumerate(zip(contrast.cells, cell_names(result, contrast), strict=True)):
            secret = not publishes(result, cell.task)
            withheld |= {name: None} if secret else {}
            for seed, base, treatment in _both(graded, contrast, cell):
                pairs.append(_AnswerPair((place, index), seed, base, treatment, secret))
    entries = tuple(flip for pair in pairs for flip in pair.flips)
    return Flips(entries, _LazyAnswers(pairs), tuple(withheld))


def _both(graded: Mapping[Key, Graded], contrast: Contrast, cell: Cell) -> Iterator[tuple[int, Graded, Graded]]:
    """Yield each seed at which both arms answered, with their evaluations; the one of a fixed base at each seed."""
    if contrast.pairing == "independent":
        return
    base = _evaluations(graded, contrast.base, cell)
    treatment = _evaluations(graded, contrast.treatment, cell)
    for seed in cell.seeds:
        first = next(iter(base.values()), None) if contrast.pairing == "fixed" else base.get(seed)
        if first is not None and seed in treatment:
            yield seed, first, treatment[seed]


def _evaluations(graded: Mapping[Key, Graded], arm: str, cell: Cell) -> dict[int, Graded]:
    """Return an arm's evaluations of a cell's benchmark on its backbone, by seed."""
    return {
        key.seed: one
        for key, one in graded.items()
        if (key.arm, key.task) == (arm, cell.task) and key.backbone in {cell.backbone, ""}
    }


def publishes(result: Result, task: str) -> bool:
    """Return whether a benchmark's text may be shown: the experiment says so, else the benchmark itself.

    In doubt it may not: a benchmark that neither the experiment nor this version knows is withheld.
    """
    experiment = result.provenance.get("experiment")
    tasks = experiment.get("tasks") if isinstance(experiment, dict) else None
    for one in tasks if isinstance(tasks, list) else []:
        if isinstance(one, dict) and one.get("name") == task and "publish_text" in one:
            return one["publish_text"] is True
    return may_publish(task)


@dataclass(frozen=True)
class _AnswerPair:
    """Both arms' evaluations of one benchmark at one seed.

    Attributes:
        place: Index of the contrast in the result, and of the cell in the contrast.
        seed: Training seed.
        base: The base arm's evaluation.
        treatment: The treatment's.
        secret: Whether text of the benchmark must not be shown.
    """

    place: tuple[int, int]
    seed: int
    base: Graded
    treatment: Graded
    secret: bool

    @cached_property
    def flips(self) -> list[Flip]:
        """The items on which the arms differ, in the base arm's order."""
        theirs = self.treatment.scores
        return [
            Flip(*self.place, self.seed, item, before, after)
            for item, before in self.base.scores.items()
            if (after := theirs.get(item)) is not None and after != before
        ]

    @cached_property
    def answers(self) -> list[Answers]:
        """The answers that show each flip: the best of the arm that gained, the worst of the other."""
        first = [self.base.shown(flip.item_id, best=flip.lost) for flip in self.flips]
        second = [self.treatment.shown(flip.item_id, best=not flip.lost) for flip in self.flips]
        arms = self.base.answers(first, secret=self.secret), self.treatment.answers(second, secret=self.secret)
        return list(zip(*arms, strict=True))


class _LazyAnswers(Sequence[Answers]):
    """The answers of all flips in their order; files are read when an answer in them is first asked for."""

    def __init__(self, pairs: Sequence[_AnswerPair]) -> None:
        self._places = [(pair, place) for pair in pairs for place in range(len(pair.flips))]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Answers: ...
    @overload
    def __getitem__(self, index: slice) -> list[Answers]: ...
    def __getitem__(self, index: int | slice) -> Answers | list[Answers]:
        if isinstance(index, slice):
            return [pair.answers[place] for pair, place in self._places[index]]
        pair, place = self._places[index]
        return pair.answers[place]
