"""Items that must be right at every seed, and whether they are, read from the answers of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.bounded import MEGABYTE, read_text_bounded, said, shown
from talan_core.errors import UserError
from talan_eval.gate.facts import MustPassItem
from talan_eval.pipeline.graded import read_graded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from talan_eval.result.schema import Result


_MOST = 16 * MEGABYTE


def read_must_pass(file: Path, directory: Path, result: Result) -> tuple[MustPassItem, ...]:
    """Read which items must be right at every seed, and whether they are.

    Args:
        file: One "BENCHMARK ITEM" per line; "#" starts a comment.
        directory: The directory of the comparison.
        result: Its result, whose arms under test must answer them right on every backbone.

    Returns:
        To each line one entry per arm under test and backbone; arm and backbone are named where there are several.

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
    evaluations = read_graded(directory)
    places = dict.fromkeys((one.treatment, cell.backbone) for one in result.contrasts for cell in one.cells)
    arms, backbones = ({place[number] for place in places} for number in (0, 1))
    items = []
    for task, item in wanted:
        for arm, backbone in places:
            scores = {
                key.seed: graded.scores[item]
                for key, graded in evaluations.items()
                if (key.arm, key.task) == (arm, task) and key.backbone in {"", backbone} and item in graded.scores
            }
            failed = tuple(sorted(seed for seed, score in scores.items() if score < 1))
            name = f"{backbone}/{task}" if len(backbones) > 1 else task
            items.append(MustPassItem(name, item, failed, tuple(sorted(scores)), arm if len(arms) > 1 else ""))
    return tuple(items)


def _wanted(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = read_text_bounded(file, _MOST, typed=True).splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {file} ({said(error)}).", "Name a text file: --must-pass FILE") from error
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split(maxsplit=1)
        if len(words) == 1:
            raise UserError(
                f"{file}, line {number}: {shown(words[0])} is not a benchmark and an item.",
                "Write one item per line: BENCHMARK ITEM, such as gsm8k gsm8k-0012",
            )
        if words:
            yield words[0], words[1].strip()
