"""Graded answers from a results directory: what flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

from talan_eval.pipeline.graded import Key, read_graded
from talan_eval.pipeline.questions import read_questions
from talan_eval.report.context import Answers, Flip, Flips
from talan_eval.result.labels import cell_names
from talan_eval.tasks.catalog import may_publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from talan_eval.pipeline.graded import Graded
    from talan_eval.result.schema import Cell, Contrast, Result


def read_flips(directory: Path, result: Result, *, with_questions: bool = False) -> Flips:
    """Read the items on which the arms of each contrast differ, with both answers.

    Args:
        directory: The directory of the comparison.
        result: Its result. Arms with independent seeds have no pairs, hence no flips.
        with_questions: Whether to read question and target of each too, which loads lm-eval.

    Returns:
        The flips; none where the directory holds no answers, which a note says. Where a benchmark's text may not be
        published, or nobody says that it may, items are named by their id, with grade and reason.
    """
    graded = read_graded(directory)
    if not graded:
        some = any(pair.lost or pair.gained for one in result.contrasts for cell in one.cells for pair in cell.e0)
        return Flips(notes=(f"{directory} holds no graded answers (samples/), so no item is listed.",) if some else ())
    pairs = []
    withheld: dict[str, None] = {}
    notes: list[str] = []
    for place, contrast in enumerate(result.contrasts):
        for index, (cell, name) in enumerate(zip(contrast.cells, cell_names(result, contrast), strict=True)):
            secret = not publishes(result, cell.task)
            withheld |= {name: None} if secret else {}
            of_cell = [
                _AnswerPair((place, index), seed, base, treatment, secret)
                for seed, base, treatment in _both(graded, contrast, cell)
            ]
            where = f"{name}, {contrast.name}" if len(result.contrasts) > 1 else name
            notes += _lacking(of_cell, contrast, cell, where)
            pairs += of_cell
    entries = tuple(flip for pair in pairs for flip in pair.flips)
    found = Flips(entries, _LazyAnswers(pairs), tuple(withheld), notes=tuple(notes))
    if not with_questions:
        return found
    shown = {result.contrasts[flip.contrast].cells[flip.cell].task for flip in entries}
    questions, unknown = read_questions(result, sorted(task for task in shown if publishes(result, task)))
    return replace(found, questions=questions, notes=(*notes, *unknown))


def _lacking(pairs: Sequence[_AnswerPair], contrast: Contrast, cell: Cell, where: str) -> Iterator[str]:
    """Say which seeds of a cell have no answers here, and where those that have tell another story than the table."""
    if contrast.pairing == "independent":
        yield f"{where}: the seeds are independent, so no answer of one arm belongs to one of the other."
        return
    there = {pair.seed: pair for pair in pairs}
    if lacking := [seed for seed in cell.seeds if seed not in there]:
        seeds = f"seed{'s' if len(lacking) > 1 else ''} {', '.join(map(str, lacking))}"
        yield f"{where}: the answers of {seeds} are not in samples/, so nothing is listed of them."
    if alone := {item for pair in pairs for item in pair.base.scores.keys() ^ pair.treatment.scores.keys()}:
        yield f"{where}: {len(alone)} item(s) that only one arm answered at some seed are not listed at it."
    for one in cell.e0:
        pair = there.get(one.seed)
        if pair is None or one.lost is None or one.gained is None:
            continue
        lost = sum(flip.lost for flip in pair.flips)
        if (lost, len(pair.flips) - lost) != (one.lost, one.gained):
            yield (
                f"{where}, seed {one.seed}: the answers here show {lost} lost and {len(pair.flips) - lost} gained, the "
                f"table {one.lost} and {one.gained}. The table is that of result.json; samples/ was changed since."
            )


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
