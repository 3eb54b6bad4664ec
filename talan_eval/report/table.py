"""The table model: columns with a rank, rows of values at full precision; a format decides their text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from talan_eval.report import format as fmt
from talan_eval.report.clean import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Line = TypeVar("Line")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        header: Lines of the heading.
        name: The heading in running text.
        align: Side on which the text stands.
        rank: Columns of rank 0 always stay; of the others the highest ranks are left out first.
        kind: What its values are.
    """

    header: tuple[str, ...]
    name: str
    align: Literal["left", "right"] = "right"
    rank: int = 0
    kind: fmt.Kind = "text"


@dataclass(frozen=True, kw_only=True)
class ColumnOf(Column, Generic[Line]):
    """A column that says how its value in a line is found; every format is derived from lists of these.

    Attributes:
        value: Returns a line's value at full precision.
        keys: Names of the value's parts in a data file; none where data files have them under other names.
        shown: Whether tables for people have the column.
        optional: Whether tables for people leave it out where no line has a value.
    """

    value: Callable[[Line], fmt.Value]
    keys: tuple[str, ...] = ()
    shown: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A table before a format writes it.

    Attributes:
        title: One line.
        columns: C columns.
        rows: Each C values at full precision; None where there is none.
        summary: Whether the last row summarises the others.
        alpha: The error rate that its p-values are compared with, if any.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[fmt.Value, ...], ...]
    summary: bool = False
    alpha: float | None = None

    def texts(self) -> tuple[tuple[str, ...], ...]:
        """Return the rows as text: C strings each, in which only ``talan_eval.report.format.BREAK`` breaks."""
        kinds = [column.kind for column in self.columns]
        return tuple(
            tuple(self._text(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in self.rows
        )

    def widths(self) -> tuple[int, ...]:
        """Return the width that each column needs to show every word."""
        texts = zip(*self.texts(), strict=True) if self.rows else [()] * len(self.columns)
        return tuple(
            max(len(line) for text in (*column.header, *values) for line in text.split(fmt.BREAK))
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
        return self._only(keep), tuple(column for column in self.columns if column.rank > rank)

    def blocks(self, width: int, gap: int) -> Iterator[Table]:
        """Yield the table in pieces side by side, each with the first column, so that no column is left out.

        Args:
            width: Characters available; a piece has at least one further column, however wide.
            gap: Characters between two columns.
        """
        first, *others = self.widths()
        keep, used = [0], first
        for index, size in enumerate(others, 1):
            if len(keep) > 1 and used + gap + size > width:
                yield self._only(keep)
                keep, used = [0], first
            keep.append(index)
            used += gap + size
        yield self._only(keep)

    def _only(self, keep: Sequence[int]) -> Table:
        rows = tuple(tuple(row[index] for index in keep) for row in self.rows)
        return replace(self, columns=tuple(self.columns[index] for index in keep), rows=rows)

    def _text(self, value: fmt.Value, kind: fmt.Kind) -> str:
        return fmt.shown(one_line(value) if isinstance(value, str) else value, kind, self.alpha)

    def _needed(self, widths: tuple[int, ...], rank: int, gap: int) -> int:
        kept = [size for size, column in zip(widths, self.columns, strict=True) if column.rank <= rank]
        return sum(kept) + gap * (len(kept) - 1)


def tabulate(
    title: str,
    columns: Sequence[ColumnOf[Line]],
    lines: Sequence[Line],
    *,
    alpha: float | None = None,
    summary: bool = False,
) -> Table:
    """Build a table for people from columns and lines.

    Args:
        title: One line.
        columns: The columns; those that are not shown, and optional ones without a value, are left out.
        lines: What the rows are about.
        alpha: The error rate that p-values are compared with, if any.
        summary: Whether the last line summarises the others.
    """
    shown = [column for column in columns if column.shown]
    values = [[column.value(line) for line in lines] for column in shown]
    kept = [
        (column, found)
        for column, found in zip(shown, values, strict=True)
        if not column.optional or any(value is not None for value in found)
    ]
    rows = tuple(zip(*(found for _, found in kept), strict=True)) if lines else ()
    return Table(title, tuple(column for column, _ in kept), rows, summary, alpha)


def records(columns: Sequence[ColumnOf[Line]], lines: Sequence[Line]) -> tuple[tuple[str, ...], list[list[fmt.Value]]]:
    """Return header and rows of a data file: every part of every value that has a key, at full precision."""
    keyed = [column for column in columns if column.keys]
    header = tuple(key for column in keyed for key in column.keys)
    return header, [[part for column in keyed for part in _parts(column, line)] for line in lines]


def _parts(column: ColumnOf[Line], line: Line) -> Sequence[fmt.Value]:
    value = column.value(line)
    if value is None:
        return (None,) * len(column.keys)
    return value if isinstance(value, tuple) else (value,)
