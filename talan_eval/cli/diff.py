"""``talan-eval diff``: how the gains of two results of one family differ."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

EXAMPLES = "Example:  talan-eval diff old/result.json new/result.json"


def command(
    old: Annotated[Path, typer.Argument(help="Older result.json, or the directory of a comparison.")],
    new: Annotated[Path, typer.Argument(help="Newer one of the same family.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
) -> None:
    """Show how the gain of a newer result differs from that of an older one of the same family.

    Gains are paired by training seed where both results have the same seeds. The intervals are two-sided and
    guarded (E1), not adjusted for the number of benchmarks; to decide about a regression, use: talan-eval gate NEW
    --against OLD
    """
    import sys  # noqa: PLC0415 - --help must not wait for it

    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    from talan_eval.gate.difference import difference_table, sentences  # noqa: PLC0415 - as above
    from talan_eval.report.clean import clean  # noqa: PLC0415 - as above
    from talan_eval.report.markdown import escape  # noqa: PLC0415 - as above
    from talan_eval.report.markdown import table as markdown_table  # noqa: PLC0415 - as above
    from talan_eval.report.terminal import rich_table  # noqa: PLC0415 - as above
    from talan_eval.result.reading import read_result  # noqa: PLC0415 - as above

    before, after = (read_result(path, "talan-eval diff results/OLD results/NEW") for path in (old, new))
    table, said = difference_table(after, before), sentences(after, before)
    if markdown:
        parts = [f"## {escape(table.title)}", markdown_table(table), *(escape(line) for line in said)]
        sys.stdout.buffer.write(("\n\n".join(parts) + "\n").encode("utf-8", "replace"))
        return
    console = Console(highlight=False)
    console.print(rich_table(table.fitted(console.width, 2)[0]))
    for line in said:
        console.print(Text(clean(line)))
