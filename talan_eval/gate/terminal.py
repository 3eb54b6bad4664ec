"""The gate for the terminal, and for a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from talan_eval.gate import wording
from talan_eval.gate.table import check_table
from talan_eval.report.clean import clean
from talan_eval.report.piped import table_lines
from talan_eval.report.terminal import GAP, rich_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from talan_eval.gate.facts import GateReport

_STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow", "incomplete": "bold yellow"}


class TerminalGate:
    """A gate's report as a rich renderable.

    Args:
        report: What the gate says.
    """

    def __init__(self, report: GateReport) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the answer, the checks, what is lost most often, the rule and the signature."""
        report = self.report
        yield Text(clean(wording.headline(report)), style=_STYLES[report.outcome.value])
        table, _ = check_table(report).fitted(options.max_width, GAP)
        if table.rows:
            yield Padding(rich_table(table, ascii_only=options.ascii_only), (1, 0))
        yield from (Text(clean(line)) for line in _without_numbers(report))
        yield Text(wording.rule(report.settings, report.estimand), style="dim")
        yield Text(clean(f"Signature: {report.signature}"), style="dim", overflow="fold")


def piped(report: GateReport) -> str:
    """Return the same for a pipe: one line per sentence and per row, fields between tabs, every column."""
    table = check_table(report)
    lines = [
        wording.headline(report),
        *(("", *table_lines(table), "") if table.rows else ()),
        *_without_numbers(report),
        wording.rule(report.settings, report.estimand),
        f"Signature: {report.signature}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _without_numbers(report: GateReport) -> Iterator[str]:
    """Yield the checks that have no numbers, and what is lost most often."""
    yield from (f"{check.says}: {check.text}" for check in report.checks if check.delta is None)
    if report.worst_flips:
        yield "Lost most often:"
        yield from (f"  {wording.flip_text(flip)}" for flip in report.worst_flips)
