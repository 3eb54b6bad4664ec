"""``talan-eval diff``: how the gains of two results of one family differ."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from talan_eval.cli.displayed import show_table
from talan_eval.cli.help import examples
from talan_eval.cli.output import say_document, terminal

EXAMPLES = examples(
    "talan-eval diff old/result.json new/result.json",
    "talan-eval diff results/OLD results/NEW --contrast talan+lora:lora",
)


def command(
    old: Annotated[Path, typer.Argument(help="Older result.json, or the directory of a comparison.")],
    new: Annotated[Path, typer.Argument(help="Newer one of the same family.")],
    contrast: Annotated[
        list[str] | None,
        typer.Option("--contrast", help="TREATMENT:BASE to show; may be repeated. All contrasts when left out."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
) -> None:
    """Show how the gain of a newer result differs from that of an older one of the same family.

    Gains are paired by training seed where both results have the same seeds. The intervals are two-sided and
    guarded (E1), not adjusted for the number of benchmarks; to decide about a regression, use: talan-eval gate NEW
    --against OLD
    """
    from rich.text import Text  # noqa: PLC0415 - --help must not wait for it

    from talan_eval.gate.difference import difference_tables, sentences  # noqa: PLC0415 - as above
    from talan_eval.report.clean import clean  # noqa: PLC0415 - as above
    from talan_eval.report.markdown import escape  # noqa: PLC0415 - as above
    from talan_eval.report.markdown import table as markdown_table  # noqa: PLC0415 - as above
    from talan_eval.result.choosing import chosen_contrasts  # noqa: PLC0415 - as above
    from talan_eval.result.reading import read_result  # noqa: PLC0415 - as above

    before, after = (read_result(path, "talan-eval diff results/OLD results/NEW") for path in (old, new))
    contrasts = chosen_contrasts(after, contrast) if contrast else ()
    tables, said = difference_tables(after, before, contrasts), sentences(after, before, contrasts)
    if markdown:
        shown = [part for table in tables for part in (f"## {escape(table.title)}", markdown_table(table))]
        parts = [*shown, *(escape(line) for line in said)]
        say_document(("\n\n".join(parts) + "\n").encode("utf-8", "replace"))
        return
    console = terminal()
    for table in tables:
        show_table(console, table)
    for line in said:
        console.print(Text(clean(line)), soft_wrap=not console.is_terminal)
