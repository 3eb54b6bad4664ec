"""Graded answers from a results directory: what flipped, and what must pass."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.execution.samples import Sample, read_samples
from talan_eval.gate.model import MustPassItem
from talan_eval.report.context import Answer, Flip, Flips
from talan_eval.report.table import cell_names
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.schema import Result

_GATED = "gpqa"  # whose authors ask that its questions be not published; answers may quote them
_TWIN = "_micro"  # the bundled twins are generated


Samples = dict[str, list[Sample]]
"""Graded answers by item id."""


@dataclass(frozen=True)
class _Key:
    arm: str
    task: str
    seed: int


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
    by_key = _read(directory)
    entries: list[Flip] = []
    withheld: list[str] = []
    for index, (cell, name) in enumerate(zip(result.cells, cell_names(result), strict=True)):
        secret = is_gated(cell.task)
        withheld += [name] if secret else []
        for seed in cell.seeds:
            base, treat = (
                by_key.get(_Key(result.base, cell.task, seed)),
                by_key.get(_Key(result.treat, cell.task, seed)),
            )
            if base is not None and treat is not None:
                entries += _flips(index, seed, base, treat, secret=secret)
    return Flips(tuple(entries), tuple(withheld))


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
    by_key = _read(directory)
    items = []
    for task, item in wanted:
        scores = {
            key.seed: _mean(samples[item])
            for key, samples in by_key.items()
            if key.arm == result.treat and key.task == task and item in samples
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


def _read(directory: Path) -> Mapping[_Key, Samples]:
    """Read the sealed answers; a damaged or missing cell is left out."""
    if not (directory / "manifest.json").is_file():
        return {}
    store = Store.load(directory)
    found: dict[_Key, Samples] = {}
    for record in store.finished().values():
        if record.data.get("kind") != "evaluation":
            continue
        key = _Key(record.data["arm"], record.data["task"], record.data["seed"])
        samples: Samples = defaultdict(list)
        for sealed in record.files:
            for sample in read_samples(store.payload_path(sealed.name)):
                samples[sample.item_id].append(sample)
        found[key] = dict(samples)
    return found


def _flips(index: int, seed: int, base: Samples, treat: Samples, *, secret: bool) -> Iterator[Flip]:
    for item, mine in base.items():
        theirs = treat.get(item)
        if theirs is None:
            continue
        before, after = _mean(mine), _mean(theirs)
        if before != after:
            first, second = (_shown(mine, best=before > after), _shown(theirs, best=after > before))
            yield Flip(index, seed, item, _answer(first, before, mine, secret), _answer(second, after, theirs, secret))


def _mean(samples: Sequence[Sample]) -> float:
    return samples[0].score if len(samples) == 1 else sum(sample.score for sample in samples) / len(samples)


def _shown(samples: Sequence[Sample], *, best: bool) -> Sample:
    """Return the answer that shows the difference: the best of the arm that gained, the worst of the other."""
    return (max if best else min)(samples, key=lambda sample: sample.score)


def _answer(sample: Sample, score: float, samples: Sequence[Sample], secret: bool) -> Answer:
    of = f" (one of {len(samples)} answers)" if len(samples) > 1 else ""
    return Answer(
        score=score,
        verdict=sample.verdict,
        extracted=sample.extracted,
        reason=f"{sample.reason}{of}",
        text=None if secret else sample.answer,
    )
