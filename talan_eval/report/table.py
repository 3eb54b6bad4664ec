"""The table model: columns with a rank, rows of finished text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from talan_eval.report import format as fmt
from talan_eval.result.names import cell_names, slice_names

if TYPE_CHECKING:
    from talan_eval.result.schema import E1, E2, Basis, Cell, Result

FLAG = "*"  # marks a verdict that rests on the t test alone


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        header: Lines of the heading.
        name: The heading in running text.
        align: Side on which the text stands.
        rank: Columns of rank 0 always stay; of the others the highest ranks are left out first.
    """

    header: tuple[str, ...]
    name: str
    align: Literal["left", "right"] = "right"
    rank: int = 0


@dataclass(frozen=True)
class Table:
    """A table whose text is final.

    Attributes:
        title: One line.
        columns: C columns.
        rows: Each C strings.
        summary: Whether the last row summarises the others.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    summary: bool = False

    def widths(self) -> tuple[int, ...]:
        """Return the width that each column needs to show every word."""
        texts = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return tuple(
            max(len(line) for line in (*column.header, *values))
            for column, values in zip(self.columns, texts, strict=True)
        )

    def fitted(self, width: int, gap: int) -> tuple[Table, tuple[Column, ...]]:
        """Leave out whole columns until the rest fits.

        Args:
            width: Characters available.
            gap: Characters between two columns.

        Returns:
            The narrower table, and the columns left out.
        """
        widths = self.widths()
        rank = max(column.rank for column in self.columns)
        while rank > 0 and self._needed(widths, rank, gap) > width:
            rank -= 1
        keep = [index for index, column in enumerate(self.columns) if column.rank <= rank]
        rows = tuple(tuple(row[index] for index in keep) for row in self.rows)
        dropped = tuple(column for column in self.columns if column.rank > rank)
        return replace(self, columns=tuple(self.columns[index] for index in keep), rows=rows), dropped

    def _needed(self, widths: tuple[int, ...], rank: int, gap: int) -> int:
        kept = [size for size, column in zip(widths, self.columns, strict=True) if column.rank <= rank]
        return sum(kept) + gap * (len(kept) - 1)


@dataclass(frozen=True)
class NotWorse:
    """What a declared margin lets a table say beyond better, worse and inconclusive.

    Attributes:
        margin: Tolerated loss in points, declared before results are read.
        cells: Of each cell, whether a larger loss is excluded after adjustment for the family.
        mean: The same of the mean.
    """

    margin: float
    cells: tuple[bool, ...]
    mean: bool

    @property
    def words(self) -> str:
        """Return the verdict that replaces "inconclusive"."""
        return f"no worse than {self.margin:g}"


def main_table(result: Result, not_worse: NotWorse | None = None) -> Table:
    """Build the table of all cells and, in its last row, their mean.

    Args:
        result: The published result.
        not_worse: What a margin adds to the verdicts; None without a margin.
    """
    level = fmt.percent(1 - result.settings.alpha)
    columns = (
        Column(("benchmark",), "benchmark", "left"),
        Column(("base", "mean"), "base mean", rank=2),
        Column(("treat", "mean"), "treat mean", rank=2),
        Column(("delta", "points"), "delta"),
        Column((f"E1 {level} CI",), f"E1 {level} CI"),
        Column(("E1 p",), "E1 p", rank=1),
        Column(("sign-", "flip p"), "sign-flip p", rank=3),
        Column(("flip", "floor"), "sign-flip floor", rank=9),
        Column((f"bootstrap {level} CI",), f"bootstrap {level} CI", rank=8),
        Column((f"E2 {level} CI",), f"E2 {level} CI", rank=5),
        Column(("flips", "lost/gained"), "flips lost/gained", rank=6),
        Column(("adjusted", "p"), "adjusted p", rank=4),
        Column(("MDE", "80 %"), "MDE 80 %", rank=7),
        Column(("verdict",), "verdict", "left"),
    )
    seeds = fmt.count(len(result.seeds), "training seed")
    lost = sorted({seed for cell in result.cells for seed in cell.dropped_seeds})
    if lost:
        seeds += f" (left out, because one arm lacks {'it' if len(lost) == 1 else 'them'}: {', '.join(map(str, lost))})"
    title = f"{result.treat} against {result.base} on {_backbones(result)}, {seeds}"
    alpha = result.settings.alpha
    shown = [False] * len(result.cells) if not_worse is None else not_worse.cells
    words = "" if not_worse is None else not_worse.words
    rows = tuple(
        _cell_row(cell, name, alpha, words if excluded else "")
        for cell, name, excluded in zip(result.cells, cell_names(result), shown, strict=True)
    )
    mean = _aggregate_row(result, words if not_worse is not None and not_worse.mean else "")
    return Table(title, columns, (*rows, mean), summary=True)


def slice_table(result: Result) -> Table:
    """Build the table of slices, with the columns of the main table; no rows without slices."""
    columns = main_table(result).columns
    names = [f"{name} ({cell.n_items})" for cell, name in zip(result.slices, slice_names(result), strict=True)]
    rows = tuple(_cell_row(cell, name, result.settings.alpha) for cell, name in zip(result.slices, names, strict=True))
    return Table("Slices (items), adjusted together with the benchmarks", columns, rows)


def item_table(result: Result) -> Table:
    """Build the table of the items that one arm loses or gains systematically; no rows without any."""
    columns = (
        Column(("benchmark",), "benchmark", "left"),
        Column(("item",), "item", "left"),
        Column(("lost",), "lost"),
        Column(("gained",), "gained"),
        Column(("sign test p",), "sign test p"),
        Column(("adjusted p",), "adjusted p"),
    )
    alpha = result.settings.alpha
    rows = tuple(
        (
            name,
            flip.item_id,
            str(flip.lost),
            str(flip.gained),
            fmt.p_value(flip.p, alpha),
            fmt.p_value(flip.adjusted_p, alpha),
        )
        for cell, name in zip(result.cells, cell_names(result), strict=True)
        if cell.items is not None
        for flip in cell.items.flips
        if flip.adjusted_p <= alpha
    )
    return Table("Items that flip systematically over seeds (exploratory)", columns, rows)


def also_table(result: Result) -> Table:
    """Build the table of the tests that were asked for by name; no rows without any."""
    columns = (
        Column(("benchmark",), "benchmark", "left"),
        Column(("test",), "test", "left"),
        Column(("seed",), "seed"),
        Column(("p",), "p"),
        Column(("CI",), "CI"),
        Column(("caution",), "caution", "left", rank=1),
    )
    cells = (
        *zip(result.cells, cell_names(result), strict=True),
        *zip(result.slices, slice_names(result), strict=True),
    )
    tests = [(name, test) for cell, name in cells for test in cell.also]
    tests += [("mean", test) for test in result.aggregate.also]
    rows = tuple(
        (
            name,
            test.name,
            "all" if test.seed is None else str(test.seed),
            fmt.p_value(test.p, result.settings.alpha),
            fmt.interval(test.ci),
            test.caution,
        )
        for name, test in tests
    )
    return Table("Asked for by name; no verdict rests on these", columns, rows)


def seed_table(result: Result) -> Table:
    """Build the table of differences per training seed, with the mean of each backbone last."""
    seeds = result.seeds
    columns = (Column(("benchmark",), "benchmark", "left"), *(Column((f"seed {s}",), f"seed {s}") for s in seeds))
    rows = [
        (name, *_by_seed(dict(zip(cell.seeds, cell.deltas, strict=True)), seeds))
        for cell, name in zip(result.cells, cell_names(result), strict=True)
    ]
    several = len(result.aggregate.backbones) > 1
    means = [
        (
            f"{entry.backbone}/mean" if several else "mean",
            *_by_seed(dict(zip(entry.seeds, entry.deltas, strict=True)), seeds),
        )
        for entry in result.aggregate.backbones
    ]
    return Table("Difference per training seed, in points", columns, (*rows, *means), summary=not several)


def e0_table(result: Result) -> Table:
    """Build the table of single checkpoint pairs (E0)."""
    level = fmt.percent(1 - result.settings.alpha)
    columns = (
        Column(("benchmark",), "benchmark", "left"),
        Column(("seed",), "seed"),
        Column(("delta",), "delta"),
        Column(("lost",), "lost"),
        Column(("gained",), "gained"),
        Column(("McNemar p",), "McNemar p"),
        Column((f"E0 {level} CI",), f"E0 {level} CI"),
    )
    rows = tuple(
        (
            name,
            str(pair.seed),
            fmt.gain(pair.delta),
            str(pair.lost),
            str(pair.gained),
            fmt.p_value(pair.mcnemar_p, result.settings.alpha),
            fmt.interval(pair.ci),
        )
        for cell, name in zip(result.cells, cell_names(result), strict=True)
        for pair in cell.e0
    )
    return Table("Single checkpoint pairs (E0), this checkpoint pair only", columns, rows)


def _backbones(result: Result) -> str:
    return ", ".join(dict.fromkeys(cell.backbone for cell in result.cells))


def _by_seed(values: dict[int, float], seeds: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(fmt.gain(values.get(seed)) for seed in seeds)


def _cell_row(cell: Cell, name: str, alpha: float, not_worse: str = "") -> tuple[str, ...]:
    return (
        name if not cell.n_dropped else f"{name} (without {fmt.count(cell.n_dropped, 'item')})",
        fmt.score(cell.base_mean),
        fmt.score(cell.treat_mean),
        fmt.gain(cell.delta),
        *_tests(cell.e1, cell.e2, alpha),
        f"{sum(pair.lost for pair in cell.e0)}/{sum(pair.gained for pair in cell.e0)}",
        fmt.p_value(cell.adjusted_p, alpha),
        fmt.score(cell.mde80),
        _verdict(cell.verdict, cell.verdict_basis, not_worse),
    )


def _aggregate_row(result: Result, not_worse: str) -> tuple[str, ...]:
    mean, pairs = result.aggregate, [pair for cell in result.cells for pair in cell.e0]
    cells = result.cells
    return (
        "mean (primary)",
        fmt.score(sum(cell.base_mean for cell in cells) / len(cells)),
        fmt.score(sum(cell.treat_mean for cell in cells) / len(cells)),
        fmt.gain(mean.delta),
        *_tests(mean.e1, mean.e2, result.settings.alpha),
        f"{sum(pair.lost for pair in pairs)}/{sum(pair.gained for pair in pairs)}",
        fmt.p_value(mean.adjusted_p, result.settings.alpha) if result.settings.variants_tried > 1 else fmt.MISSING,
        fmt.score(mean.mde80),
        _verdict(mean.verdict, mean.verdict_basis, not_worse),
    )


def _tests(e1: E1 | None, e2: E2 | None, alpha: float) -> tuple[str, ...]:
    sign = e1.signflip if e1 is not None else None
    bootstrap = e1.bootstrap if e1 is not None else None
    return (
        fmt.interval(e1.ci if e1 is not None else None),
        fmt.p_value(e1.p if e1 is not None else None, alpha),
        fmt.p_value(sign.p if sign is not None else None, alpha),
        fmt.MISSING if sign is None else f"{sign.floor:.3g}",
        fmt.interval(bootstrap.ci if bootstrap is not None else None),
        fmt.interval(e2.ci if e2 is not None else None),
    )


def _verdict(word: str, basis: Basis | None, not_worse: str = "") -> str:
    if word == "inconclusive" and not_worse:
        return not_worse
    return f"{word}{FLAG}" if basis == "normality-based" else word
