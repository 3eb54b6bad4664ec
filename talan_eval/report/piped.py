"""The report for a pipe: one line per sentence and per row, fields between tabs, every column, nothing wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from talan_eval.report import format as fmt
from talan_eval.report.clean import one_line
from talan_eval.report.context import Context
from talan_eval.report.screen import EXPLAIN, Glossary, Hint, Sentence, Signed, TableShown, screen
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.report.screen import Piece
    from talan_eval.report.table import Table
    from talan_eval.result.schema import Result

_TAB: Final = "\t"


def render(result: Result, *, explain: bool = False) -> str:
    """Render a comparison for a program, a pager or a log.

    Args:
        result: The published result.
        explain: Whether to add how to read it, methods, and where the numbers come from.

    Returns:
        Lines of text. A table is a line with its title, one with the names of its columns, and one per row; fields
        stand between tabs, and the lines of a field of several between bars. Empty lines stand around it.
    """
    pieces = screen(views(readable(result), Context()), explain=explain)
    groups: list[list[str]] = [[]]
    for piece in pieces:
        table = isinstance(piece, TableShown)
        if table or (isinstance(piece, Sentence) and piece.apart):
            groups.append([])
        groups[-1] += _lines(piece)
        if table:
            groups.append([])
    return "\n".join("".join(f"{line}\n" for line in group) for group in groups if group)


def table_lines(table: Table) -> Iterator[str]:
    """Yield title, heading and rows of a table."""
    yield one_line(table.title)
    yield _TAB.join(one_line(column.name) for column in table.columns)
    for row in table.texts():
        yield _TAB.join(" | ".join(map(one_line, text.split(fmt.BREAK))) for text in row)


def _lines(piece: Piece) -> Iterator[str]:
    match piece:
        case Sentence():
            yield one_line(piece.text)
        case Signed():
            yield f"Signature: {one_line(piece.whole)}"
        case Glossary():
            yield from (f"{one_line(label)}{_TAB}{one_line(text)}" for label, text in piece.notes)
        case TableShown():
            yield from table_lines(piece.table)
        case Hint():
            yield f"How to read this, and the methods: {EXPLAIN}"
        case _:
            assert_never(piece)
