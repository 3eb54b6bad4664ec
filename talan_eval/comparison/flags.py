"""What a reader must know before believing a number: reasons for nulls, and data that look wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.scored_items import UNPARSED
from talan_eval.result.evidence import POINTS
from talan_eval.result.labels import cell_names, slice_names
from talan_eval.stats.copies import MIN_ITEMS, copied_seeds
from talan_eval.stats.items import concentration, saturation
from talan_eval.stats.shares import more_than_chance, share_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.result.schema import Aggregate, Cell, Result
    from talan_eval.stats.shares import ShareDifference

AGGREGATE = "aggregate"
_UNPARSED_GAP = 0.05  # where it cannot be tested
_CONSTANT = 1e-9
_SATURATED = 0.1  # share of informative items below which N overstates what a benchmark can show
_FEW_FLIPS = 20  # with fewer, a share of them says little
_EXAMPLES = 2
_NAMED = 8
_CONCENTRATED = 0.25  # share of the flips in one item or cluster


@dataclass(frozen=True)
class Remark:
    """Something to know about a part of a comparison: of which contrast, which cell (or the mean), and what."""

    contrast: str
    cell: str
    text: str


def cell_flags(cell: CellScores) -> tuple[str, ...]:
    """List what looks wrong in one cell.

    Dropped seeds and items, identical arms, copied seeds, one prompt under several items, one constant shift of every
    item, a saturated benchmark, flips that concentrate in one place.
    """
    return (*_suspicious_items(cell), *_left_out(cell), *_repeated(cell))


def share_flags(contrasts: Sequence[Sequence[CellScores]]) -> Iterator[Remark]:
    """Name the shares of answers that differ between the arms of a contrast by more than chance (Holm over all).

    Unparsed answers, and answers that math-verify alone credits: where one arm has more of them, part of a difference
    in scores may be format, not skill. Where only the shares are known and not whose answers they are, as in logs, a
    gap of more than five points is named. Independent seeds make no pairs of answers and are judged by that gap, too.
    """
    found: list[tuple[CellScores, str, ShareDifference]] = []
    for cell in (cell for contrast in contrasts for cell in contrast):
        if cell.contrast.pairing == "independent" or not cell.marks:
            yield from _share_gap(cell)
            continue
        for name, (base, treatment) in cell.marks.items():
            whole = np.broadcast_to(base, treatment.shape)
            found.append((cell, name, share_difference(whole, treatment, clusters=cell.items.clusters)))
    for (cell, name, share), differs in zip(found, more_than_chance([share for *_, share in found]), strict=True):
        if differs:
            yield Remark(cell.contrast.name, cell.label, _share_text(name, share.base, share.treat, share.p))


def _share_gap(cell: CellScores) -> Iterator[Remark]:
    base, treatment = cell.base_unparsed, cell.treatment_unparsed
    if base is not None and treatment is not None and abs(treatment - base) > _UNPARSED_GAP:
        yield Remark(cell.contrast.name, cell.label, _share_text(UNPARSED, base, treatment, None))


def _share_text(name: str, base: float, treatment: float, p: float | None) -> str:
    by_chance = "" if p is None else f", p = {p:.2g}"
    return (
        f"{name} differ between the arms (base {base:.1%}, treat {treatment:.1%}{by_chance}); part of the difference "
        "may be format, not skill"
    )


def same_backbones(contrasts: Sequence[Sequence[CellScores]]) -> Iterator[Remark]:
    """Name backbones of which each benchmark has the scores of another one: one backbone under two names."""
    for cells in contrasts:
        found: dict[str, list[bytes]] = {}
        for cell in cells:
            scores = (cell.base, cell.treatment)
            constant = all(np.ptp(matrix) == 0 for matrix in scores)  # all right or all wrong says nothing
            key = b"" if constant else b"".join(np.ascontiguousarray(matrix).tobytes() for matrix in scores)
            found.setdefault(cell.backbone, []).append(key)
        names: dict[tuple[bytes, ...], str] = {}
        for backbone, keys in found.items():
            known = names.setdefault(tuple(keys), backbone)
            if known != backbone and any(keys):
                text = (
                    f"the backbones {known} and {backbone} have the same scores everywhere; one backbone under two "
                    "names counts its trainings twice"
                )
                yield Remark(cells[0].contrast.name, AGGREGATE, text)


def copies_on_few_items(contrasts: Sequence[Sequence[CellScores]]) -> Iterator[Remark]:
    """Name seeds that are equal in both arms on every benchmark, where a benchmark is too small to tell by itself.

    The benchmarks of a backbone are looked at together: a copied run is a copy on all of them, and chance has to hit
    each. On few items in all it still can, so the number of items is said.
    """
    for cells in contrasts:
        for backbone in dict.fromkeys(cell.backbone for cell in cells):
            own = [cell for cell in cells if cell.backbone == backbone]
            if own[0].contrast.pairing != "paired" or min(cell.base.shape[1] for cell in own) >= MIN_ITEMS:
                continue
            seeds = sorted(set.intersection(*(set(cell.seeds) for cell in own)))
            rows = [[cell.seeds.index(seed) for seed in seeds] for cell in own]
            base, treatment = (
                np.concatenate([scores[kept] for scores, kept in zip(arm, rows, strict=True)], axis=1)
                for arm in ([cell.base for cell in own], [cell.treatment for cell in own])
            )
            if np.array_equal(base, treatment):
                continue  # named as such
            for one, two in copied_seeds(base, treatment, least=1):
                text = (
                    f"seeds {seeds[one]} and {seeds[two]} have identical scores in both arms on all {base.shape[1]} "
                    f"items ({backbone}); a copy is no new seed, and on few items chance can look like one"
                )
                yield Remark(cells[0].contrast.name, AGGREGATE, text)


def outlying_seeds(result: Result) -> Iterator[Remark]:
    """Name the seeds that stand apart, in the unit and direction of the published result."""
    unit = result.measure.unit
    for contrast in result.contrasts:
        names = (*cell_names(result, contrast), *slice_names(result, contrast), AGGREGATE)
        every: tuple[Cell | Aggregate, ...] = (*contrast.cells, *contrast.slices, contrast.aggregate)
        for found, name in zip(every, names, strict=True):
            apart = found.outlying
            if apart is not None:
                seed, median = (_size(value, unit) for value in (apart.delta, apart.median_delta))
                text = (
                    f"RED FLAG: seed {apart.seed} stands apart, {seed} {unit} where the median is {median} (robust "
                    f"distance {apart.distance:.1f}; normal seeds exceed {apart.threshold:.1f} in 1 % of "
                    "comparisons); look at that training before anything is concluded"
                )
                yield Remark(contrast.name, name, text)


def _size(difference: float, unit: str) -> str:
    return f"{difference:+.2f}" if unit == POINTS else f"{difference:+.3g}"


def _left_out(cell: CellScores) -> list[str]:
    flags, items = [], cell.items
    if cell.dropped_seeds:
        listed = ", ".join(map(str, cell.dropped_seeds))
        flags.append(f"{len(cell.dropped_seeds)} seed(s) left out because only one arm finished: {listed}")
    if cell.diverged_seeds:
        listed = ", ".join(map(str, cell.diverged_seeds))
        flags.append(
            f"the training of an arm diverged at seed(s) {listed}: an outcome that no score shows, so these pairs are "
            "left out of the means and the verdict is withheld"
        )
    if items.dropped_items:
        whole = len(items.item_ids) + items.dropped_items
        named = [f"{item!r}{_reason(items.reasons.get(item))}" for item in items.left_out[:_NAMED]]
        more = f", and {items.dropped_items - _NAMED} more" if items.dropped_items > _NAMED else ""
        flags.append(
            f"{items.dropped_items} of {whole} items left out of all arms because not every run has a score for them "
            f"under one prompt ({items.dropped_prompts} differ in the prompt alone): {', '.join(named)}{more}"
        )
    return flags


def _reason(why: str | None) -> str:
    return "" if why is None else f" ({why})"


def _repeated(cell: CellScores) -> list[str]:
    flags, items = [], cell.items
    if items.same_prompt:
        listed = ", ".join(map(repr, items.same_prompt[:_EXAMPLES]))
        flags.append(
            f"{len(items.same_prompt)} of {len(items.item_ids)} items have a prompt that another item has as well "
            f"(such as {listed}); a question that is asked twice counts twice, and items are not independent"
        )
    if _identical(cell):
        flags.append("both arms have the same score on every item and seed; was the treat adapter active?")
    elif cell.contrast.pairing == "paired":
        flags += [
            f"seeds {cell.seeds[one]} and {cell.seeds[two]} have identical scores in both arms; a copy is no new seed"
            for one, two in copied_seeds(cell.base, cell.treatment)
        ]
    return flags


def _identical(cell: CellScores) -> bool:
    """Tell whether each run of one arm has the scores of each (of its, where paired) run of the other."""
    if cell.contrast.pairing == "independent":
        return not np.any(cell.base != cell.base[0]) and not np.any(cell.treatment != cell.base[0])
    return not np.any(cell.deltas)


def _suspicious_items(cell: CellScores) -> list[str]:
    deltas, n_items = cell.deltas, len(cell.items.item_ids)
    if n_items < MIN_ITEMS or _identical(cell):
        return []
    flags = []
    if np.ptp(deltas) < _CONSTANT:
        flags.append("every item of every seed moved by the same amount; are these scores of items?")
    counts = saturation(cell.base, cell.treatment)
    if counts.informative_share < _SATURATED:
        flags.append(
            f"saturated: {counts.always_right} of {n_items} items are right and {counts.always_wrong} wrong in both "
            "arms at every seed, so few can show a difference"
        )
    if np.count_nonzero(deltas) < _FEW_FLIPS or cell.contrast.pairing == "independent":
        return flags
    share = concentration(deltas, cell.items.clusters)
    what = "flips" if cell.items.measure.bounded else "differences"
    if share.item > _CONCENTRATED:
        flags.append(f"{share.item:.0%} of all {what} are of one item")
    if share.cluster is not None and share.cluster > _CONCENTRATED:
        flags.append(f"{share.cluster:.0%} of all {what} are in one cluster of items")
    return flags


def grouped(remarks: Iterable[Remark], n_cells: int, n_contrasts: int = 1) -> tuple[str, ...]:
    """Merge equal remarks: "gsm8k, mbpp: text", "all benchmarks: text", or "dora against lora, all benchmarks: text".

    Args:
        remarks: In order of appearance.
        n_cells: Number of cells of a contrast.
        n_contrasts: Number of contrasts; what all of them share is said without their names.

    Returns:
        One sentence per text and place, without repeats.
    """
    where: dict[str, dict[str, list[str]]] = {}
    for remark in remarks:
        names = where.setdefault(remark.text, {}).setdefault(remark.contrast, [])
        if remark.cell not in names:
            names.append(remark.cell)
    lines = []
    for text, by_contrast in where.items():
        places = {contrast: _place(names, n_cells) for contrast, names in by_contrast.items()}
        for place in dict.fromkeys(places.values()):
            owners = [contrast for contrast, own in places.items() if own == place]
            subject = place if len(owners) == n_contrasts else f"{'; '.join(owners)}: {place}"
            lines.append(f"{subject}: {text}" if text.endswith("?") else f"{subject}: {text}.")
    return tuple(lines)


def _place(names: Sequence[str], n_cells: int) -> str:
    cells = [name for name in names if name != AGGREGATE]
    listed = ["all benchmarks"] if len(cells) == n_cells > 1 else cells
    return ", ".join([*listed, *([AGGREGATE] if AGGREGATE in names else [])])
