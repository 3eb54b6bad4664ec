"""Raw scores of a results directory as matrices, seeds x items: one CSV per arm, backbone and benchmark.

The published result does not hold them; they are read from the graded answers of the directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.experiment import file_name
from talan_eval.pipeline.graded import read_graded
from talan_eval.report.delimited import written
from talan_eval.result.labels import backbones

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from talan_eval.pipeline.graded import Graded
    from talan_eval.report import format as fmt
    from talan_eval.result.schema import Result

INDEX = ("file", "arm", "backbone", "task", "n_seeds", "n_items", "confirmation_seeds")
"""Columns of ``scores/index.csv``; the last names those of the seeds that chose nothing, such as "7 8"."""


def score_files(directory: Path, result: Result) -> dict[str, bytes]:
    """Return the score matrices and their index.

    Each matrix has a row per training seed, which its first column "seed" names, and a column per item with its mean
    score over samples, in [0, 1]; a field is empty where the seed has no answer to the item. Item ids that a
    spreadsheet would run as a formula get a leading apostrophe. Read one with
    ``pandas.read_csv(file, index_col="seed")``.

    Args:
        directory: The directory of the comparison. Every sealed evaluation in it is exported, those on seeds of a
            confirmation and those of pairs that were left out as well.
        result: Its result.

    Returns:
        File contents by path below the place of the export.

    Raises:
        UserError: The directory holds no graded answers.
    """
    grouped: dict[tuple[str, str, str], dict[int, Graded]] = {}
    only = backbones(result)[0]  # directories of the first version do not name their backbone
    for key, graded in read_graded(directory).items():
        grouped.setdefault((key.arm, key.backbone or only, key.task), {})[key.seed] = graded
    if not grouped:
        raise UserError(
            f"{directory} holds no graded answers, so there are no raw scores to export.",
            "Name the directory of a comparison that was run here: talan-eval report results/NAME --format scores. "
            "Of compared logs the raw scores are in the logs.",
        )
    fresh = set() if result.selection is None else set(result.selection.confirmation_seeds)
    files: dict[str, bytes] = {}
    index: list[tuple[fmt.Value, ...]] = []
    for (arm, backbone, task), by_seed in sorted(grouped.items()):
        items, rows = _matrix(by_seed)
        name = _free(f"{file_name(task)}_{file_name(backbone)}_{file_name(arm)}", files)
        files[name] = written(("seed", *items), rows).encode("utf-8", "replace")
        of_confirmation = " ".join(str(seed) for seed in sorted(fresh & by_seed.keys()))
        index.append((name.removeprefix("scores/"), arm, backbone, task, len(rows), len(items), of_confirmation))
    files["scores/index.csv"] = written(INDEX, index).encode("utf-8", "replace")
    return files


def _matrix(by_seed: Mapping[int, Graded]) -> tuple[tuple[str, ...], list[tuple[fmt.Value, ...]]]:
    """Return N items, and per seed its number and N scores."""
    items = tuple(dict.fromkeys(item for graded in by_seed.values() for item in graded.scores))
    return items, [(seed, *map(by_seed[seed].scores.get, items)) for seed in sorted(by_seed)]


def _free(stem: str, taken: Mapping[str, bytes]) -> str:
    """Return a file name that no other matrix has: different names of arms may make equal names of files."""
    name, number = f"scores/{stem}.csv", 2
    while name in taken:
        name, number = f"scores/{stem}-{number}.csv", number + 1
    return name
