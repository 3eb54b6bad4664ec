"""Does a result agree with itself? Checked once, where it is read, so that no reader meets half a pair of arms."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.result.schema import Aggregate, BackboneMean, Cell, Contrast, Result

_ROUNDING: Final = 1e-6  # points
_TIE: Final = 1e-9  # of a p and the error rate
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
        yield from _of_contrast(contrast, place, result.settings.alpha)


def _of_contrast(contrast: Contrast, place: str, alpha: float) -> Iterator[str]:
    for kind, cells in (("cells", contrast.cells), ("slices", contrast.slices)):
        keys = [(cell.backbone, cell.task, cell.metric, cell.slice) for cell in cells]
        yield from (f"{place}.{kind}: {key[1]} on {key[0]} stands there twice" for key in _twice(keys))
        for number, cell in enumerate(cells):
            yield from (f"{place}.{kind}.{number}.{said}" for said in _of_cell(cell, contrast, alpha))
    mean, cells = contrast.aggregate, contrast.cells
    for said in (*_of_mean(mean, cells), *_of_backbones(mean, cells), *_of_tests(mean, alpha)):
        yield f"{place}.aggregate.{said}"


def _of_cell(cell: Cell, contrast: Contrast, alpha: float) -> Iterator[str]:
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
    yield from _of_tests(cell, alpha)
    if cell.e0_mean is not None and not _same(cell.e0_mean.delta, cell.delta):
        yield "e0_mean.delta is not delta"
    yield from _of_pairs(cell)


def _of_pairs(cell: Cell) -> Iterator[str]:
    """Check what each pair of checkpoints says against the differences by seed."""
    for number, (pair, seed, delta) in enumerate(zip(cell.e0, cell.seeds, cell.deltas, strict=False)):
        if pair.seed != seed or not _same(pair.delta, delta):
            yield f"e0.{number} is not of seed {seed}, or its delta is another"
        if pair.lost + pair.gained > cell.n_items:
            yield f"e0.{number}: more items lost and gained than there are"


def _of_tests(found: Cell | Aggregate, alpha: float) -> Iterator[str]:
    """Check that p and interval of a test do not contradict each other."""
    for name, test in (("e0_mean", found.e0_mean), ("e1", found.e1), ("e2", found.e2)):
        if test is not None and abs(test.p - alpha) > _TIE and (test.p < alpha) != (test.ci[0] > 0 or test.ci[1] < 0):
            yield f"{name}: p and ci contradict each other"
    if found.verdict in {"better", "worse"} and (
        found.delta is None or (found.delta > 0) != (found.verdict == "better")
    ):
        yield f"verdict is {found.verdict}, and delta has the other sign"


def _of_mean(mean: Aggregate, cells: Sequence[Cell]) -> Iterator[str]:
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
        own = [cell.deltas[cell.seeds.index(seed)] for cell in cells if seed in cell.seeds and _paired(cell)]
        if len(own) < len(cells) or not _same(delta, sum(own) / len(own)):
            yield f"deltas: that of seed {seed} is not the mean over the cells"


def _of_backbones(mean: Aggregate, cells: Sequence[Cell]) -> Iterator[str]:
    """Check that the means of the backbones follow from their cells, and the whole mean from them."""
    for number, one in enumerate(mean.backbones):
        own = [cell for cell in cells if cell.backbone == one.backbone]
        if not _same(one.weight, len(own) / len(cells)):
            yield f"backbones.{number}: weight is not its share of the cells"
        if one.delta is not None and own:
            yield from (f"backbones.{number}: {said}" for said in _of_backbone(one, own))
    if mean.delta is not None and all(one.delta is not None for one in mean.backbones):
        whole = sum(one.weight * (one.delta or 0.0) for one in mean.backbones)
        if not _same(mean.delta, whole):
            yield "delta does not follow from the backbones"


def _of_backbone(one: BackboneMean, own: Sequence[Cell]) -> Iterator[str]:
    """Check one backbone's mean gain, which is not null, against its cells."""
    gain = 0.0 if one.delta is None else one.delta
    if not one.deltas:  # independent seeds: the cells' own means say it where all have the same seeds
        same = _same_base(own) and all(set(cell.seeds) == set(one.seeds) for cell in own)
        if same and not _same(gain, sum(cell.delta for cell in own) / len(own)):
            yield "delta does not follow from its cells"
        return
    for seed, delta in zip(one.seeds, one.deltas, strict=False):
        parts = [cell.deltas[cell.seeds.index(seed)] for cell in own if seed in cell.seeds and _paired(cell)]
        if len(parts) < len(own) or not _same(delta, sum(parts) / len(parts)):
            yield f"the delta of seed {seed} is not the mean over its cells"
    if len(one.deltas) != len(one.seeds) or not _same(gain, sum(one.deltas) / len(one.deltas)):
        yield "delta is not the mean of deltas"


def _same_base(cells: Sequence[Cell]) -> bool:
    return len({cell.base_seeds for cell in cells}) == 1


def _paired(cell: Cell) -> bool:
    return len(cell.deltas) == len(cell.seeds)


def _twice(names: Sequence[_Name]) -> list[_Name]:
    return [name for name, count in Counter(names).items() if count > 1]


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=0, abs_tol=_ROUNDING)
