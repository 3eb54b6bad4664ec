"""Copies that pose as new seeds: the same files within an arm, and seeds whose scores are all equal."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.errors import UserError
from talan_eval.importers.words import typed_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.comparison import ScoreMatrix
    from talan_eval.importers.logged import LoggedArm
    from talan_eval.result.contrast import ContrastSpec
    from talan_eval.stats.arrays import FloatArray

_FEW_SEEDS: Final = 2
_MIN_ITEMS: Final = 20  # on which two trainings agree by chance
_Pair = tuple[int, int]  # two seeds, in ascending order
_Sizes = dict[tuple[str, str], int]  # seeds, by (arm, backbone)


def refuse_identical_files(arms: Iterable[LoggedArm], tasks: Sequence[str]) -> None:
    """Refuse runs of one arm whose samples are the same, byte for byte.

    Raises:
        UserError: With both places and what to do.
    """
    for arm in arms:
        seen: dict[tuple[str, ...], str] = {}
        for run in arm.runs:
            if run.seed is not None:
                continue  # the log says that these are different checkpoints, and one file may hold them all
            logs = {str(run.tasks[task].file) for task in tasks}
            stamps = tuple(stamp.sha256 for stamp in run.files if str(stamp.path) in logs)
            first = seen.setdefault(stamps, str(run.path))
            if first != str(run.path):
                raise UserError(
                    f"{arm.name}: {first} and {run.path} hold identical samples; a copy is no new seed, and it would "
                    "make every interval too narrow.",
                    f"Name each trained checkpoint once: {arm.name}={first}. If {arm.name} has no training seeds (an "
                    f"untrained model, one published checkpoint), type --fixed {arm.name} and name one run of it.",
                )


def equal_seeds(
    matrices: Sequence[ScoreMatrix], contrasts: Iterable[ContrastSpec], *, proven: bool = False
) -> tuple[str, ...]:
    """Look for seeds with equal scores on every item of every task: without answers this is how a copy shows.

    Args:
        matrices: Scores of all arms.
        contrasts: What is compared.
        proven: Whether the logs prove that all checkpoints were trained apart; equal scores are then chance.

    Returns:
        A warning for each arm that has such seeds.

    Raises:
        UserError: Two seeds are equal in both arms of a contrast with paired seeds, on any number of items: one pair of
            trainings would count twice. Or all seeds of an arm are equal: it was not trained.

    Seeds with one and the same score everywhere (all right, all wrong) say nothing about copying.
    """
    found = _equal(matrices)
    items: defaultdict[tuple[str, str], int] = defaultdict(int)
    for matrix in matrices:
        items[matrix.arm, matrix.backbone] += len(matrix.items.item_ids)
    # two trainings can agree on a few items
    sizes = {
        (matrix.arm, matrix.backbone): len(matrix.seeds)
        for matrix in matrices
        if len(matrix.seeds) > _FEW_SEEDS or items[matrix.arm, matrix.backbone] >= _MIN_ITEMS
    }
    for contrast in contrasts:
        if proven or contrast.pairing != "paired":
            continue
        for backbone in dict.fromkeys(matrix.backbone for matrix in matrices):
            both = found[contrast.base, backbone] & found[contrast.treatment, backbone]
            if both:
                one, other = min(both)
                raise UserError(
                    f"{contrast.base} and {contrast.treatment}: seeds {one} and {other} have the same score on every "
                    f"item of every task ({backbone}); a copy is no new seed.",
                    "Leave the copies out. Repeats of one checkpoint are samples: --trial-axis sample averages them. "
                    f"An arm without training seeds has one run: --fixed {contrast.base}",
                )
        _refuse_untrained(contrast, found, sizes)
    return tuple(
        f"{arm} on {backbone}: seeds {', '.join(f'{one} and {other}' for one, other in sorted(pairs))} have the same "
        f"score on every item of every task; were they trained apart? An arm that has no seeds is named with --fixed "
        f"{arm}"
        for (arm, backbone), pairs in found.items()
        if pairs
    )


def one_run_of_fixed(
    matrices: Sequence[ScoreMatrix], arms: Iterable[LoggedArm], fixed: Sequence[str]
) -> tuple[ScoreMatrix, ...]:
    """Return the scores with one run of each arm without seeds; the same run that was logged again is no other.

    Raises:
        UserError: The runs of an arm without seeds have different scores, so that they are not one checkpoint's.
    """
    places = {arm.name: [str(run.path) for run in arm.runs] for arm in arms}
    found = []
    for matrix in matrices:
        if matrix.arm in fixed and np.any(matrix.scores != matrix.scores[0]):
            where = ", ".join(dict.fromkeys(places[matrix.arm]))
            raise UserError(
                f"--fixed {matrix.arm}: an arm without seeds has one run, and this has {len(matrix.seeds)}: {where}. "
                f"They have different scores of {matrix.task!r}.",
                f"Name one of them: {typed_again(f'{matrix.arm}={places[matrix.arm][0]}')} ...; or leave out --fixed "
                f"{matrix.arm}, if its runs are trainings.",
            )
        found.append(matrix.at(matrix.seeds[:1]) if matrix.arm in fixed else matrix)
    return tuple(found)


def _refuse_untrained(contrast: ContrastSpec, found: Mapping[tuple[str, str], set[_Pair]], sizes: _Sizes) -> None:
    """Refuse an arm of which every seed has the scores of every other: it is one checkpoint, and no training."""
    for arm in (contrast.base, contrast.treatment):
        for (name, backbone), n_seeds in sizes.items():
            if name == arm and n_seeds > 1 and len(found[arm, backbone]) == n_seeds * (n_seeds - 1) // 2:
                raise UserError(
                    f"All {n_seeds} seeds of {arm} have the same score on every item of every task ({backbone}): that "
                    "is one checkpoint, not several trainings.",
                    f"Say that it has no training seeds: --fixed {arm}",
                )


def _equal(matrices: Sequence[ScoreMatrix]) -> dict[tuple[str, str], set[_Pair]]:
    """Return the pairs of seeds with equal scores, by (arm, backbone)."""
    rows: defaultdict[tuple[str, str], defaultdict[int, list[FloatArray]]] = defaultdict(lambda: defaultdict(list))
    for matrix in matrices:
        for seed, scores in zip(matrix.seeds, matrix.scores, strict=True):
            rows[matrix.arm, matrix.backbone][seed].append(scores)
    found: defaultdict[tuple[str, str], set[_Pair]] = defaultdict(set)
    for key, by_seed in rows.items():
        whole = {seed: np.concatenate(scores) for seed, scores in by_seed.items()}
        found[key] = {
            (one, two)
            for one, two in combinations(sorted(whole), 2)
            if np.array_equal(whole[one], whole[two]) and np.ptp(whole[one]) > 0
        }
    return found
