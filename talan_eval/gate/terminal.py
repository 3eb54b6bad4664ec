"""The gate for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from talan_eval.gate import wording
from talan_eval.gate.table import check_table
from talan_eval.report.clean import clean
from talan_eval.report.terminal import rich_table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from talan_eval.gate.facts import GateReport

_GAP = 2
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
        table, _ = check_table(report).fitted(options.max_width, _GAP)
        if table.rows:
            yield Padding(rich_table(table), (1, 0))
        for check in report.checks:
            if check.delta is None:
                yield Text(clean(f"{check.says}: {check.text}"))
        if report.worst_flips:
            yield Text("Lost most often:")
            for flip in report.worst_flips:
                yield Text(clean(f"  {wording.flip_text(flip)}"))
        yield Text(wording.rule(report.settings, report.estimand), style="dim")
        yield Text(clean(f"Signature: {report.signature}"), style="dim", overflow="fold")
