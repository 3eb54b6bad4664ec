"""``talan-eval doctor``: what this machine can do, and what to type where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talan_eval.cli.help import examples
from talan_eval.cli.output import say, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from talan_eval.cli.checkup import Examined

EXAMPLES = examples(
    "talan-eval doctor",
    "talan-eval doctor --offline",
)


def command(
    data_dir: Annotated[
        Path | None, typer.Option(help="Directory of the real benchmarks' data (or set TALAN_EVAL_DATA_DIR).")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not try to reach the Hub.")] = False,
) -> None:
    """Check versions, devices, sandbox, data, Hub and disk; name each problem with what to type.

    Exit code 0 when nothing stands in the way of the bundled comparison, 1 otherwise. Notes are no problems.
    """
    from talan_eval.cli.checkup import examine  # noqa: PLC0415 - as above

    findings = examine(data_dir, Path.cwd(), offline=offline)
    console = terminal()
    if console.is_terminal:
        console.print(_grid(findings))
    else:
        say("".join("\t".join(_fields(finding)) + "\n" for finding in findings))
    raise typer.Exit(1 if any(finding.state == "problem" for finding in findings) else 0)


def _fields(finding: Examined) -> tuple[str, ...]:
    """Return what a pipe gets of a finding: one line, the parts between tabs."""
    parts = (finding.state, finding.name, finding.found, *([] if finding.fix is None else [finding.fix]))
    return tuple(" ".join(part.split()) for part in parts)


def _grid(findings: Sequence[Examined]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    for finding in findings:
        text = finding.found if finding.fix is None else f"{finding.found}\n{finding.fix}"
        grid.add_row(Text(finding.state, style=styles[finding.state]), Text(finding.name), Text(text))
    return grid
