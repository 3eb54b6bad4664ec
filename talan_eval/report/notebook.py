"""A result as a fragment of HTML for notebooks: the verdict, the tables of arms and contrasts, warnings, signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from talan_eval.report import format as fmt
from talan_eval.report import origin_words, wording
from talan_eval.report.clean import clean, one_line
from talan_eval.report.context import Context
from talan_eval.report.contrast_tables import e0_table, main_table
from talan_eval.report.layout import overview
from talan_eval.report.loss_words import loss_table
from talan_eval.report.selection_words import selection
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.report.table import Table
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result


def fragment(result: Result) -> str:
    """Render what a notebook shows; it has neither script nor style of its own beyond the sides of columns.

    Args:
        result: The published result.

    Returns:
        One ``div``; every name in it is escaped.
    """
    result = readable(result)
    every = views(result, Context())
    parts = [
        Markup("<p><strong>{}</strong></p>").format(_said(wording.headline(every[0]))),
        *(grid(part.table) for part in overview(every)),
        *(Markup("<p>{}</p>").format(_said(text)) for text in selection(result)),
        *(grid(table) for view in every for table in _tables(view)),
        *(Markup("<p>{}: {}</p>").format(_said(note.label), _said(note.text)) for note in wording.cautions(every)),
        *(Markup("<p>Warning: {}</p>").format(_said(warning)) for warning in result.warnings),
        Markup("<p>{}</p>").format(_said(origin_words.sandbox_stamp(result))),
        Markup("<p><small>Signature: <code>{}</code></small></p>").format(_said(result.signature)),
    ]
    return str(Markup("<div>{}</div>").format(Markup("\n").join(parts)))


def _tables(view: View) -> Iterator[Table]:
    yield main_table(view)
    if (loss := loss_table(view)).rows:
        yield loss
    if len(view.contrast.seeds) == 1:  # all there is to say
        yield e0_table(view)


def grid(table: Table) -> Markup:
    """Render a table; every text in it is escaped."""
    sides = [f"text-align: {column.align}" for column in table.columns]
    head = Markup("").join(
        Markup('<th style="{}">{}</th>').format(side, _said(column.name))
        for side, column in zip(sides, table.columns, strict=True)
    )
    rows = Markup("\n").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td style="{}">{}</td>').format(side, Markup("<br>").join(map(_said, text.split(fmt.BREAK))))
                for side, text in zip(sides, row, strict=True)
            )
        )
        for row in table.texts()
    )
    return Markup("<table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        _said(table.title), head, rows
    )


def _said(text: str) -> str:
    return one_line(clean(text))
