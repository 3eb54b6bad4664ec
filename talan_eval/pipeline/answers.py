"""Graded answers from a results directory: what flipped, and what must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

from talan_core.errors import UserError
from talan_eval.gate.model import MustPassItem
from talan_eval.pipeline.graded import Key, read_graded
from talan_eval.report.context import Answers, Flip, Flips
from talan_eval.result.names import cell_names

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def read_must_pass(file: Path, directory: Path, result: Result) -> tuple[MustPassItem, ...]:
    """Read which items must be right at every seed, and whether they are.

    Args:
        file: One "BENCHMARK ITEM" per line; "#" starts a comment.
        directory: The directory of the comparison.
        result: Its result.

    Raises:
        UserError: The file cannot be read, a line has no two words, or no item is named.
    """
    wanted = tuple(_wanted(file))
    if not wanted:
        raise UserError(f"{file} names no item.", "Write one item per line: BENCHMARK ITEM, such as gsm8k gsm8k-0012")
    if not directory.is_dir():
        raise UserError(
            f"Must-pass items need the graded answers, and {directory} is no directory of a comparison.",
            "Name the directory in place of result.json: talan-eval gate results/NAME --must-pass FILE",
        )
    by_key = read_graded(directory)
    items = []
    for task, item in wanted:
        scores = {
            key.seed: graded.scores[item]
            for key, graded in by_key.items()
            if key.arm == result.treat and key.task == task and item in graded.scores
        }
        failed = tuple(sorted(seed for seed, score in scores.items() if score < 1))
        items.append(MustPassItem(task, item, failed, tuple(sorted(scores))))
    return tuple(items)


def _wanted(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {file}.", "Name a text file: --must-pass FILE") from error
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split(maxsplit=1)
        if len(words) == 1:
            raise UserError(
                f"{file}, line {number}: {words[0]!r} is not a benchmark and an item.",
                "Write one item per line: BENCHMARK ITEM, such as gsm8k gsm8k-0012",
            )
        if words:
            yield words[0], words[1].strip()


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
