"""Does a result agree with itself? Checked once, where it is read, so that no reader meets half a pair of arms."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.result.schema import Aggregate, Cell, Contrast, Result

_ROUNDING: Final = 1e-6  # points
_Name = TypeVar("_Name")


def contradictions(result: Result) -> Iterator[str]:
    """Name what a result says twice and differently, each with its place; nothing for one that compare wrote.

    Not covered: whether p-values and intervals follow from the scores, which only the answers can show.
    """
    named = [(one.base, one.treatment) for one in result.contrasts]
    if named[0] != (result.primary.contrast.base, result.primary.contrast.treatment):
        yield "primary.contrast is not the first of contrasts"
    yield from (f"contrasts: {treatment} against {base} stands there twice" for base, treatment in _twice(named))
    arms = [(arm.name, arm.backbone) for arm in result.arms]
    yield from (f"arms: {arm} on {backbone} stands there twice" for arm, backbone in _twice(arms))
    for number, contrast in enumerate(result.contrasts):
        place = f"contrasts.{number}"
        if contrast.base == contrast.treatment:
            yield f"{place}: the arm {contrast.base} is compared with itself"
        for arm, backbone in dict.fromkeys(
            (arm, cell.backbone) for arm in (contrast.base, contrast.treatment) for cell in contrast.cells
        ):
            if (arm, backbone) not in arms:
                yield f"{place}: the arm {arm} on {backbone} is not among the arms"
        yield from _of_contrast(contrast, place, result.primary.weights)


def _of_contrast(contrast: Contrast, place: str, weights: Mapping[str, float]) -> Iterator[str]:
    for kind, cells in (("cells", contrast.cells), ("slices", contrast.slices)):
        keys = [(cell.backbone, cell.task, cell.metric, cell.slice) for cell in cells]
        yield from (f"{place}.{kind}: {key[1]} on {key[0]} stands there twice" for key in _twice(keys))
        for number, cell in enumerate(cells):
            yield from (f"{place}.{kind}.{number}.{said}" for said in _of_cell(cell, contrast))
    yield from (f"{place}.aggregate.{said}" for said in _of_mean(contrast.aggregate, contrast.cells, weights))


def _of_cell(cell: Cell, contrast: Contrast) -> Iterator[str]:
    independent = contrast.pairing == "independent"
    of_base = cell.seeds if cell.base_seeds is None else cell.base_seeds
    n_base = 1 if contrast.pairing == "fixed" else len(of_base)
    pairs = 0 if independent else len(cell.seeds)
    lengths = (
        ("n_seeds", cell.n_seeds, min(len(cell.seeds), n_base) if independent else len(cell.seeds)),
        ("deltas", len(cell.deltas), pairs),
        ("e0", len(cell.e0), pairs),
        ("base_by_seed", len(cell.base_by_seed), n_base),
        ("treat_by_seed", len(cell.treat_by_seed), len(cell.seeds)),
    )
    yield from (f"{name}: {found} in place of {due}, as its seeds say" for name, found, due in lengths if found != due)
    if len(set(cell.seeds)) < len(cell.seeds):
        yield "seeds: one stands there twice"
    if cell.deltas and not _same(cell.delta, sum(cell.deltas) / len(cell.deltas)):
        yield "delta is not the mean of deltas"
    if not _same(cell.delta, cell.treat_mean - cell.base_mean):
        yield "delta is not treat_mean minus base_mean"


def _of_mean(mean: Aggregate, cells: Sequence[Cell], weights: Mapping[str, float]) -> Iterator[str]:
    if mean.n_cells != len(cells):
        yield f"n_cells: {mean.n_cells} in place of {len(cells)}"
    if {one.backbone for one in mean.backbones} != {cell.backbone for cell in cells}:
        yield "backbones are not those of the cells"
    if len(mean.deltas) != (len(mean.seeds) if mean.deltas else 0):
        yield f"deltas: {len(mean.deltas)} in place of {len(mean.seeds)}, as its seeds say"
        return
    if mean.deltas and mean.delta is not None and not _same(mean.delta, sum(mean.deltas) / len(mean.deltas)):
        yield "delta is not the mean of deltas"
    for seed, delta in zip(mean.seeds, mean.deltas, strict=False):
        own = [
            (cell.deltas[cell.seeds.index(seed)], weights.get(cell.task, 1.0))
            for cell in cells
            if seed in cell.seeds and _paired(cell)
        ]
        weighed = sum(gain * weight for gain, weight in own) / sum(weight for _, weight in own) if own else 0.0
        if len(own) < len(cells) or not _same(delta, weighed):
            yield f"deltas: that of seed {seed} is not the mean over the cells"


def _paired(cell: Cell) -> bool:
    return len(cell.deltas) == len(cell.seeds)


def _twice(names: Sequence[_Name]) -> list[_Name]:
    return [name for name, count in Counter(names).items() if count > 1]


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=0, abs_tol=_ROUNDING)
