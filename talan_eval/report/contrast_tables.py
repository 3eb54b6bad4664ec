"""The tables of one contrast: its cells and slices, seeds, checkpoint pairs, items, and tests by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.columns import CORRELATION, WIDTH_RATIO, CellLine, cell_columns, shown_lines, slice_lines
from talan_eval.report.own_recipes import titled
from talan_eval.report.table import ColumnOf, tabulate
from talan_eval.result.labels import backbones

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.report.table import Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Cell, CheckpointPair, ItemFlip, NamedTest


def main_table(view: View) -> Table:
    """Build the table of all cells and, in its last row, their mean."""
    seeds = fmt.count(len(view.contrast.seeds), "training seed")
    lost = sorted({seed for cell in view.cells for seed in cell.dropped_seeds})
    if lost:
        seeds += f" (left out, because one arm lacks {'it' if len(lost) == 1 else 'them'}: {', '.join(map(str, lost))})"
    diverged = sorted({seed for cell in view.cells for seed in cell.diverged_seeds})
    if diverged:
        seeds += f" (left out, because a training diverged: {', '.join(map(str, diverged))})"
    title = f"{view.treatment} against {view.base} on {', '.join(_backbones(view))}, {seeds}{_pairing(view)}"
    title = titled(title, view.result, (view.base, view.treatment))
    lines = shown_lines(view)
    return tabulate(title, cell_columns(_level(view), view.unit), lines, alpha=view.alpha, summary=len(lines) > 1)


def slice_table(view: View) -> Table:
    """Build the table of slices, with the columns of the main table; no rows without slices."""
    own = any(family.name == "slices" for family in view.result.families)
    how = "adjusted among each other, apart from the benchmarks" if own else "adjusted together with the benchmarks"
    title = view.titled(f"Slices (items), {how}")
    return tabulate(title, cell_columns(_level(view), view.unit), slice_lines(view), alpha=view.alpha)


def pairing_table(view: View) -> Table:
    """Build the table of what pairing by training seed was worth; no rows where seeds are not paired."""
    lines = [line for line in shown_lines(view) if line.found.pairedness is not None]
    name = ColumnOf[CellLine](("benchmark",), "benchmark", "left", value=lambda line: line.name)
    columns = (name, *(replace(column, shown=True) for column in (CORRELATION, WIDTH_RATIO)))
    title = "What pairing gained: correlation of the arms' means over seeds, width of the E1 interval without it"
    return tabulate(view.titled(title), columns, lines)


@dataclass(frozen=True)
class _Flip:
    name: str
    flip: ItemFlip


_ITEMS: Final[tuple[ColumnOf[_Flip], ...]] = (
    ColumnOf(("benchmark",), "benchmark", "left", value=lambda line: line.name),
    ColumnOf(("item",), "item", "left", value=lambda line: line.flip.item_id),
    ColumnOf(("lost",), "lost", kind="count", value=lambda line: line.flip.lost),
    ColumnOf(("gained",), "gained", kind="count", value=lambda line: line.flip.gained),
    ColumnOf(("sign test p",), "sign test p", kind="p", value=lambda line: line.flip.p),
    ColumnOf(("adjusted p",), "adjusted p", kind="p", value=lambda line: line.flip.adjusted_p),
)


def item_table(view: View) -> Table:
    """Build the table of the items that one arm loses or gains systematically; no rows without any."""
    lines = [
        _Flip(name, flip)
        for cell, name in _named_cells(view)
        if cell.items is not None
        for flip in cell.items.flips
        if flip.adjusted_p <= view.alpha
    ]
    title = view.titled("Items that flip systematically over seeds (exploratory)")
    return tabulate(title, _ITEMS, lines, alpha=view.alpha)


@dataclass(frozen=True)
class _Named:
    name: str
    test: NamedTest


_ALSO: Final[tuple[ColumnOf[_Named], ...]] = (
    ColumnOf(("benchmark",), "benchmark", "left", value=lambda line: line.name),
    ColumnOf(("test",), "test", "left", value=lambda line: line.test.name),
    ColumnOf(("seed",), "seed", value=lambda line: "all" if line.test.seed is None else str(line.test.seed)),
    ColumnOf(("p",), "p", kind="p", value=lambda line: line.test.p),
    ColumnOf(("CI",), "CI", kind="interval", value=lambda line: line.test.ci),
    ColumnOf(("caution",), "caution", "left", rank=1, value=lambda line: line.test.caution),
)


def also_table(view: View) -> Table:
    """Build the table of the tests that were asked for by name; no rows without any."""
    cells = (*_named_cells(view), *zip(view.slices, view.slice_names, strict=True))
    lines = [_Named(name, test) for cell, name in cells for test in cell.also]
    lines += [_Named("mean", test) for test in view.mean.also]
    return tabulate(view.titled("Asked for by name; no verdict rests on these"), _ALSO, lines, alpha=view.alpha)


@dataclass(frozen=True)
class _PerSeed:
    name: str
    values: Mapping[int, float]


def seed_table(view: View) -> Table:
    """Build the table of differences per training seed, with the mean of each backbone last.

    Arms with independent seeds have no differences: there the table has each arm's mean score per seed.
    """
    if view.contrast.pairing == "independent":
        lines, kind, title = _scores_by_seed(view), "score", f"Mean score per training seed, in {view.unit}"
    else:
        lines, kind, title = _differences_by_seed(view), "gain", f"Difference per training seed, in {view.unit}"
    seeds = sorted({seed for line in lines for seed in line.values})
    name = ColumnOf[_PerSeed](("benchmark",), "benchmark", "left", value=lambda line: line.name)
    columns = (name, *(_seed_column(seed, "score" if kind == "score" else "gain") for seed in seeds))
    summary = kind == "gain" and len(view.mean.backbones) == 1 and len(lines) > 1
    return tabulate(view.titled(title), columns, lines, summary=summary)


def _differences_by_seed(view: View) -> list[_PerSeed]:
    several = len(view.mean.backbones) > 1
    cells = [_PerSeed(name, dict(zip(cell.seeds, cell.deltas, strict=True))) for cell, name in _named_cells(view)]
    if len(cells) == 1:
        return cells
    means = [
        _PerSeed(f"{one.backbone}/mean" if several else "mean", dict(zip(one.seeds, one.deltas, strict=True)))
        for one in view.mean.backbones
    ]
    return [*cells, *means]


def _scores_by_seed(view: View) -> list[_PerSeed]:
    lines = []
    for cell, name in _named_cells(view):
        base_seeds = cell.seeds if cell.base_seeds is None else cell.base_seeds
        lines.append(_PerSeed(f"{name}, {view.base}", dict(zip(base_seeds, cell.base_by_seed, strict=True))))
        lines.append(_PerSeed(f"{name}, {view.treatment}", dict(zip(cell.seeds, cell.treat_by_seed, strict=True))))
    return lines


def _seed_column(seed: int, kind: fmt.Kind) -> ColumnOf[_PerSeed]:
    return ColumnOf((f"seed {seed}",), f"seed {seed}", kind=kind, value=lambda line: line.values.get(seed))


@dataclass(frozen=True)
class _Pair:
    name: str
    pair: CheckpointPair


def e0_table(view: View) -> Table:
    """Build the table of single checkpoint pairs (E0); no rows where seeds are independent."""
    level = _level(view)
    columns: Sequence[ColumnOf[_Pair]] = (
        ColumnOf(("benchmark",), "benchmark", "left", value=lambda line: line.name),
        ColumnOf(("seed",), "seed", value=lambda line: str(line.pair.seed)),
        ColumnOf(("delta",), "delta", kind="gain", value=lambda line: line.pair.delta),
        ColumnOf(("lost",), "lost", kind="count", value=lambda line: line.pair.lost),
        ColumnOf(("gained",), "gained", kind="count", value=lambda line: line.pair.gained),
        ColumnOf((f"E0 {level} CI",), f"E0 {level} CI", kind="interval", value=lambda line: line.pair.ci),
        ColumnOf(("E0 p",), "E0 p", kind="p", optional=True, value=lambda line: line.pair.p),
        ColumnOf(
            ("sign test", "(McNemar) p"),
            "sign test (McNemar) p",
            kind="p",
            optional=True,
            # older results have the t over items here where the metric has no bounds
            value=lambda line: None if line.pair.lost is None else line.pair.mcnemar_p,
        ),
    )
    lines = [_Pair(name, pair) for cell, name in _named_cells(view) for pair in cell.e0]
    title = view.titled("Single checkpoint pairs (E0), this checkpoint pair only")
    return tabulate(title, columns, lines, alpha=view.alpha)


def _named_cells(view: View) -> tuple[tuple[Cell, str], ...]:
    return tuple(zip(view.cells, view.cell_names, strict=True))


def _level(view: View) -> str:
    return fmt.percent(1 - view.alpha)


def _backbones(view: View) -> tuple[str, ...]:
    present = {cell.backbone for cell in view.cells}
    return tuple(name for name in backbones(view.result) if name in present)


def _pairing(view: View) -> str:
    """Return how the seeds relate where they are not paired."""
    if view.contrast.pairing == "fixed":
        return f", {view.base} without seeds"
    if view.contrast.pairing == "paired":
        return ""
    bases = {len(cell.base_seeds) for cell in view.cells if cell.base_seeds is not None}
    return f", independent of {' or '.join(map(str, sorted(bases)))} of {view.base}"
