"""Do the adjusted p-values of a result follow from those that they adjust? Holm and Benjamini-Hochberg, by family.

Not covered: joint max-T and simultaneous intervals, which need the signs of all seeds together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.result.near import same
from talan_eval.stats.multiplicity import benjamini_hochberg, holm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.result.schema import Aggregate, Cell, Result

_SLACK: Final = 1e-9


def of_families(result: Result) -> Iterator[str]:
    """Name adjusted p-values of cells, slices and means that do not follow."""
    of_checkpoints = any(cell.verdict_estimand == "E0" for one in result.contrasts for cell in one.cells)
    cells = _places(result, "cells")
    slices = _places(result, "slices")
    apart = any(family.name == "slices" for family in result.families)
    # in a result of schema 1 nothing says what was adjusted together with slices
    for family in (cells, slices) if apart or not slices else ():
        yield from _of_cells(family, result.settings.variants_tried, of_checkpoints=of_checkpoints)
    yield from _of_means(result, of_checkpoints=of_checkpoints)


def _places(result: Result, kind: str) -> tuple[tuple[str, Cell, bool], ...]:
    """Return cells with their places, and whether each is judged as the mean is, because it is alone."""
    return tuple(
        (f"contrasts.{number}.{kind}.{place}", cell, kind == "cells" and len(contrast.cells) == 1)
        for number, contrast in enumerate(result.contrasts)
        for place, cell in enumerate(getattr(contrast, kind))
    )


def _of_cells(family: Sequence[tuple[str, Cell, bool]], variants: int, *, of_checkpoints: bool) -> Iterator[str]:
    raw = [_p(cell, of_checkpoints=of_checkpoints) for _, cell, _ in family]
    if not family or (of_checkpoints and all(p is None for p in raw)):  # an older result has no E0 of its own
        return
    known = np.array([1.0 if p is None else p for p in raw])
    due = zip(family, holm(known) * variants, benjamini_hochberg(known) * variants, strict=True)
    for (place, cell, alone), of_holm, of_bh in due:
        for name, found, one in (("holm_p", cell.holm_p, of_holm), ("bh_p", cell.bh_p, of_bh)):
            if found is not None and not same(found, min(1.0, float(one))):
                yield f"{place}.{name} does not follow from the family"
        if alone or cell.adjusted_p is None or cell.holm_p is None:
            continue
        if not any(same(cell.adjusted_p, p) for p in (cell.holm_p, max(cell.holm_p, cell.maxt_p or 0.0))):
            yield f"{place}.adjusted_p is not the larger of those that decide"


def _of_means(result: Result, *, of_checkpoints: bool) -> Iterator[str]:
    means = [contrast.aggregate for contrast in result.contrasts]
    variants = result.settings.variants_tried
    raw = [_p(mean, of_checkpoints=of_checkpoints) for mean in means]
    due = holm(np.array([1.0 if p is None else p for p in raw])) * variants
    for number, (mean, p, of_holm) in enumerate(zip(means, raw, due, strict=True)):
        place = f"contrasts.{number}.aggregate"
        if p is None or mean.adjusted_p is None:
            continue
        if mean.adjusted_p < min(1.0, p * variants) - _SLACK:
            yield f"{place}.adjusted_p is below that of its own test"
        if mean.family_p is not None and mean.family_p < max(mean.adjusted_p, min(1.0, float(of_holm))) - _SLACK:
            yield f"{place}.family_p is below what its family allows"


def _p(found: Cell | Aggregate, *, of_checkpoints: bool) -> float | None:
    test = found.e0_mean if of_checkpoints else found.e1
    return None if test is None else test.p
