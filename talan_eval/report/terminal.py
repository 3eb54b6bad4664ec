"""The report as a rich renderable: whole columns are left out on narrow terminals, words never."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from talan_eval.report import wording
from talan_eval.report.clean import clean
from talan_eval.report.next_steps import margin_note
from talan_eval.report.table import NotWorse, Table, also_table, e0_table, main_table, slice_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from talan_eval.result.schema import Result

_GAP = 2
_STYLES = {"better": "green", "worse": "red"}


class TerminalReport:
    """A comparison for the terminal; choose the columns when the width is known, at rendering.

    Args:
        result: The published result.
        not_worse: What a declared margin adds to the verdicts.
    """

    def __init__(self, result: Result, not_worse: NotWorse | None = None) -> None:
        self.result = result
        self.not_worse = not_worse

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield verdict, table, notes, warnings, stamps and signature."""
        result = self.result
        yield Text(clean(wording.headline(result)), style="bold")
        if sentence := wording.per_benchmark(result):
            yield Text(clean(sentence))
        table, dropped = main_table(result, self.not_worse).fitted(options.max_width, _GAP)
        yield Padding(rich_table(table), (1, 0))
        if result.slices:
            yield Padding(rich_table(slice_table(result).fitted(options.max_width, _GAP)[0]), (0, 0, 1, 0))
        if (named := also_table(result)).rows:
            yield Padding(rich_table(named.fitted(options.max_width, _GAP)[0]), (0, 0, 1, 0))
            yield _labelled(wording.cautions(result))
            yield Text()
        if dropped:
            names = ", ".join(column.name for column in dropped)
            yield Text(f"Left out at this width: {names}. The Markdown report has every column.", style="dim")
            yield Text()
        if len(result.seeds) == 1:  # all there is to say
            yield Padding(rich_table(e0_table(result)), (0, 0, 1, 0))
        yield _labelled((*wording.notes(result), *margin_note(result, self.not_worse)))
        if result.warnings:
            yield Text()
            yield _labelled(wording.Note("!", warning) for warning in result.warnings)
        yield Text()
        yield Group(*_footer(result))


def rich_table(table: Table) -> RichTable:
    """Turn the table model into a rich table of the same text."""
    view = RichTable(
        title=Text(clean(table.title)), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    view.padding = (0, _GAP - 1, 0, 0)  # the box adds one blank between columns
    for column, width in zip(table.columns, table.widths(), strict=True):
        header = Text(clean("\n".join(column.header)))
        view.add_column(header, justify=column.align, min_width=width, overflow="fold", vertical="bottom")
    for index, row in enumerate(table.rows):
        last = table.summary and index == len(table.rows) - 1
        if last:
            view.add_section()
        # Text, not str: rich would read [brackets] in a name as markup
        cells = [Text(clean(value)) for value in row]
        cells[-1].stylize(_STYLES.get(row[-1].rstrip("*"), ""))
        view.add_row(*cells, style="bold" if last else "")
    return view


def _labelled(entries: Iterable[wording.Note]) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for label, text in entries:
        grid.add_row(Text(clean(label)), Text(clean(text)))
    return grid


def _footer(result: Result) -> Iterable[RenderableType]:
    unsafe = wording.sandbox_stamp(result)
    yield Text(clean(unsafe), style="bold yellow" if unsafe.startswith("UNSANDBOXED") else "")
    for line in (wording.unparsed(result), wording.live_probe(result)):
        if line:
            yield Text(clean(line))
    yield Text(clean(f"Provenance: {wording.provenance_summary(result)}"), style="dim")
    yield Text(clean(f"Signature: {result.signature}"), style="dim", overflow="fold")
