"""The report as a rich renderable: whole columns are left out on narrow terminals, words never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, assert_never

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from talan_eval.report import format as fmt
from talan_eval.report.clean import clean
from talan_eval.report.columns import FLAG
from talan_eval.report.context import Context
from talan_eval.report.screen import EXPLAIN, Glossary, Hint, Sentence, Signed, TableShown, screen
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from talan_eval.report.screen import Piece
    from talan_eval.report.table import Table
    from talan_eval.report.wording import Note
    from talan_eval.result.schema import Result

GAP: Final = 2
"""Characters between two columns."""
_VERDICTS: Final = {"better": "green", "worse": "red"}
_STYLES: Final = {"alarm": "bold yellow"}
# rich's own stand-in for code pages without lines has bars between columns, which are none of ours
_ASCII_RULE: Final = box.Box(str(box.SIMPLE_HEAD).replace("─", "-"), ascii=True)


class TerminalReport:
    """A comparison for the terminal; choose the columns when the width is known, at rendering.

    Args:
        result: The published result.
        explain: Whether to add how to read it, methods, and where the numbers come from.
    """

    def __init__(self, result: Result, *, explain: bool = False) -> None:
        self.pieces = screen(views(readable(result), Context()), explain=explain)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield stamps, warnings and signature, the tables, and last the verdict."""
        dropped: dict[str, None] = {}
        shown = [(piece, list(_rendered(piece, options, dropped))) for piece in self.pieces]
        for piece, parts in shown:
            if isinstance(piece, Hint):
                yield Text(_hint(tuple(dropped)), style="dim")
            yield from parts


def _rendered(piece: Piece, options: ConsoleOptions, dropped: dict[str, None]) -> Iterator[RenderableType]:
    """Yield a piece; add the names of the columns that the width left out."""
    match piece:
        case Sentence():
            text = Text(clean(piece.text), style=_STYLES.get(piece.style, piece.style), overflow="fold")
            yield Padding(text, (1, 0, 0, 0)) if piece.apart else text
        case Glossary():
            yield _labelled(piece.notes)
        case TableShown():
            width = options.max_width
            for block in piece.table.blocks(width, GAP) if piece.whole else (_fitted(piece.table, width, dropped),):
                yield Padding(rich_table(block, ascii_only=options.ascii_only), (1, 0, 0, 0))
        case Signed():
            yield Text(clean(f"Signature: {piece.shown}"), style="dim", overflow="fold")
        case Hint():
            return
        case _:
            assert_never(piece)


def _fitted(table: Table, width: int, dropped: dict[str, None]) -> Table:
    kept, left_out = table.fitted(width, GAP)
    dropped.update((column.name, None) for column in left_out)
    return kept


def _hint(dropped: tuple[str, ...]) -> str:
    rest = f"How to read this, methods, whole signature: {EXPLAIN}"
    return f"Left out at this width: {', '.join(dropped)}. {rest}, with all columns in a pipe." if dropped else rest


def rich_table(table: Table, *, ascii_only: bool = False) -> Group:
    """Turn the table model into its title, as long as it is, above a rich table of the same text.

    Args:
        table: The table.
        ascii_only: Whether the rule below the heading has to be of hyphens, as in a code page without lines.
    """
    view = RichTable(box=_ASCII_RULE if ascii_only else box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    view.padding = (0, GAP - 1, 0, 0)  # the box adds one blank between columns
    texts = table.texts()
    tall = any(fmt.BREAK in text for row in texts for text in row)
    for column, width in zip(table.columns, table.widths(), strict=True):
        header = Text(clean("\n".join(column.header)))
        place: Literal["top", "bottom"] = "top" if tall else "bottom"
        view.add_column(header, justify=column.align, min_width=width, overflow="fold", vertical=place)
    for index, row in enumerate(texts):
        last = table.summary and index == len(table.rows) - 1
        if last or (tall and index):
            view.add_section()
        # Text, not str: rich would read [brackets] in a name as markup
        cells = [Text(clean(value)) for value in row]
        for cell in cells[1:]:
            _coloured(cell)
        view.add_row(*cells, style="bold" if last else "")
    return Group(Text(clean(table.title), style="italic"), view)


def _coloured(cell: Text) -> None:
    """Colour a verdict, which is a cell's last line."""
    word = cell.plain.rpartition(fmt.BREAK)[2]
    if style := _VERDICTS.get(word.removesuffix(FLAG)):
        cell.stylize(style, len(cell.plain) - len(word))


def _labelled(entries: Iterable[Note]) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for label, text in entries:
        grid.add_row(Text(clean(label)), Text(clean(text)))
    return grid
