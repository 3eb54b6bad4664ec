"""The report as a rich renderable: whole columns are left out on narrow terminals, words never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from talan_eval.report import format as fmt
from talan_eval.report import origin_words, wording
from talan_eval.report.clean import clean
from talan_eval.report.columns import FLAG
from talan_eval.report.context import Context
from talan_eval.report.contrast_tables import also_table, e0_table, main_table, slice_table
from talan_eval.report.inside_words import blocks_beside_adapters
from talan_eval.report.layout import overview
from talan_eval.report.loss_words import loss_table
from talan_eval.report.next_steps import margin_note
from talan_eval.report.selection_words import selection
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from talan_eval.report.table import Column, Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result

_GAP = 2
_STYLES = {"better": "green", "worse": "red"}


class TerminalReport:
    """A comparison for the terminal; choose the columns when the width is known, at rendering.

    Args:
        result: The published result.
    """

    def __init__(self, result: Result) -> None:
        self.result = readable(result)
        self.views = views(self.result, Context())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield verdict, matrix and tables, notes, warnings, stamps and signature."""
        result, first = self.result, self.views[0]
        yield Text(clean(wording.headline(first)), style="bold")
        if not first.several and (sentence := wording.per_benchmark(first)):
            yield Text(clean(sentence))
        for part in overview(self.views):
            # beside a matrix, in which every column counts, nothing is left out: it goes on below
            for piece in part.table.blocks(options.max_width, _GAP):
                yield Padding(rich_table(piece), (1, 0, 0, 0))
        for sentence in selection(result):
            yield Padding(Text(clean(sentence)), (1, 0, 0, 0))
        dropped: dict[str, Column] = {}
        for view in self.views:
            yield from _contrast(view, options.max_width, dropped)
        if cautions := wording.cautions(self.views):
            yield _labelled(cautions)
            yield Text()
        if dropped:
            yield Text(
                f"Left out at this width: {', '.join(dropped)}. The Markdown report has every column.", style="dim"
            )
            yield Text()
        yield _labelled((*wording.notes(self.views), *margin_note(self.views)))
        if result.warnings:
            yield Text()
            yield _labelled(wording.Note("!", warning) for warning in result.warnings)
        yield Text()
        yield Group(*_footer(result))


def _contrast(view: View, width: int, dropped: dict[str, Column]) -> Iterator[RenderableType]:
    """Yield the tables of one contrast; add the columns that the width left out."""
    table, left_out = main_table(view).fitted(width, _GAP)
    dropped |= {column.name: column for column in left_out}
    yield Padding(rich_table(table), (1, 0))
    if view.slices:
        yield Padding(rich_table(slice_table(view).fitted(width, _GAP)[0]), (0, 0, 1, 0))
    if (loss := loss_table(view)).rows:
        yield Padding(rich_table(loss.fitted(width, _GAP)[0]), (0, 0, 1, 0))
    if (named := also_table(view)).rows:
        yield Padding(rich_table(named.fitted(width, _GAP)[0]), (0, 0, 1, 0))
    if len(view.contrast.seeds) == 1:  # all there is to say
        yield Padding(rich_table(e0_table(view)), (0, 0, 1, 0))


def rich_table(table: Table) -> RichTable:
    """Turn the table model into a rich table of the same text."""
    view = RichTable(
        title=Text(clean(table.title)), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    view.padding = (0, _GAP - 1, 0, 0)  # the box adds one blank between columns
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
    return view


def _coloured(cell: Text) -> None:
    """Colour a verdict, which is a cell's last line."""
    word = cell.plain.rpartition(fmt.BREAK)[2]
    if style := _STYLES.get(word.removesuffix(FLAG)):
        cell.stylize(style, len(cell.plain) - len(word))


def _labelled(entries: Iterable[wording.Note]) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for label, text in entries:
        grid.add_row(Text(clean(label)), Text(clean(text)))
    return grid


def _footer(result: Result) -> Iterable[RenderableType]:
    unsafe = origin_words.sandbox_stamp(result)
    yield Text(clean(unsafe), style="bold yellow" if unsafe.startswith("UNSANDBOXED") else "")
    for line in (origin_words.unparsed(result), origin_words.live_probe(result), *blocks_beside_adapters(result)):
        if line:
            yield Text(clean(line))
    yield Text(clean(f"Provenance: {origin_words.provenance_summary(result)}"), style="dim")
    yield Text(clean(f"Signature: {result.signature}"), style="dim", overflow="fold")
