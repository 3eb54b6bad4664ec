"""Graded answers from a results directory: what flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

from talan_eval.pipeline.graded import Key, read_graded
from talan_eval.report.context import Answers, Flip, Flips
from talan_eval.result.names import cell_names

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.pipeline.graded import Graded
    from talan_eval.result.schema import Result

_GATED = "gpqa"  # whose authors ask that its questions be not published; answers may quote them
_TWIN = "_micro"  # the bundled twins are generated


def read_flips(directory: Path, result: Result) -> Flips:
    """Read the items on which the arms differ, with both answers.

    Args:
        directory: The directory of the comparison.
        result: Its result; cells of more than one backbone have no answers here.

    Returns:
        The flips; none where the directory holds no answers. Text of GPQA is withheld: its items are named by Record
        ID, with grade and reason.
    """
    if len({cell.backbone for cell in result.cells}) > 1:
        return Flips()
    graded = read_graded(directory)
    pairs = []
    withheld: list[str] = []
    for index, (cell, name) in enumerate(zip(result.cells, cell_names(result), strict=True)):
        secret = is_gated(cell.task)
        withheld += [name] if secret else []
        for seed in cell.seeds:
            base, treat = (graded.get(Key(arm, cell.task, seed)) for arm in (result.base, result.treat))
            if base is not None and treat is not None:
                pairs.append(_Pair(index, seed, base, treat, secret))
    entries = tuple(flip for pair in pairs for flip in pair.flips)
    return Flips(entries, _LazyAnswers(pairs), tuple(withheld))


def is_gated(task: str) -> bool:
    """Return whether a benchmark's text must not be shown; when in doubt it is not shown."""
    name = task.lower()
    return _GATED in name and not name.endswith(_TWIN)


@dataclass(frozen=True)
class _Pair:
    """Both arms' evaluations of one benchmark at one seed.

    Attributes:
        cell: Index of the benchmark's cell in the result.
        seed: Training seed.
        base: The base arm's evaluation.
        treat: The treat arm's.
        secret: Whether text of the benchmark must not be shown.
    """

    cell: int
    seed: int
    base: Graded
    treat: Graded
    secret: bool

    @cached_property
    def flips(self) -> list[Flip]:
        """The items on which the arms differ, in the base arm's order."""
        theirs = self.treat.scores
        return [
            Flip(self.cell, self.seed, item, before, after)
            for item, before in self.base.scores.items()
            if (after := theirs.get(item)) is not None and after != before
        ]

    @cached_property
    def answers(self) -> list[Answers]:
        """The answers that show each flip: the best of the arm that gained, the worst of the other."""
        first = [self.base.shown(flip.item_id, best=flip.lost) for flip in self.flips]
        second = [self.treat.shown(flip.item_id, best=not flip.lost) for flip in self.flips]
        arms = self.base.answers(first, secret=self.secret), self.treat.answers(second, secret=self.secret)
        return list(zip(*arms, strict=True))


class _LazyAnswers(Sequence[Answers]):
    """The answers of all flips in their order; files are read when an answer in them is first asked for."""

    def __init__(self, pairs: Sequence[_Pair]) -> None:
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
