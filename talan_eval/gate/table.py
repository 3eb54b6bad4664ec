"""The gate's checks as a table, for the terminal and for Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.gate import wording
from talan_eval.report import format as fmt
from talan_eval.report.markdown import code_span, escape
from talan_eval.report.markdown import table as markdown_table
from talan_eval.report.table import Column, Table

if TYPE_CHECKING:
    from talan_eval.gate.facts import Check, GateReport, GateSettings

MARKER = "<!-- talan-eval gate -->"
"""First line of the Markdown: by it a comment on a pull request is found again and edited in place."""
_SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "incomplete": "⚠️"}


def check_table(report: GateReport) -> Table:
    """Build the table of the checks that have numbers."""
    level = fmt.percent(1 - report.settings.alpha)
    columns = (
        Column(("check",), "check", "left"),
        Column(("delta", report.settings.unit), "delta"),
        Column(("lower", f"{level}"), f"lower {level}", rank=1),
        Column(("upper", f"{level}"), f"upper {level}", rank=1),
        Column(("p of", "a loss"), "p of a loss", rank=2),
        Column(("decides",), "decides", "left", rank=1),
        Column(("outcome",), "outcome", "left"),
    )
    rows = tuple(_row(check, report.settings) for check in report.checks if check.delta is not None)
    return Table("Checks", columns, rows)


def markdown(report: GateReport) -> str:
    """Return the report in GitHub-flavoured Markdown, for step summaries and comments on pull requests."""
    sign = _SIGNS[report.outcome.value]
    parts = [
        MARKER,
        f"## {sign} talan-eval gate: {report.outcome.value.upper()}",
        escape(wording.headline(report)),
        markdown_table(check_table(report)),
        _list("Other checks", [check.text for check in report.checks if check.delta is None]),
        _list("Lost most often", [wording.flip_text(flip) for flip in report.worst_flips]),
        f"<sub>{escape(wording.rule(report.settings, report.estimand))}</sub>",
        f"Signature: {code_span(report.signature)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(check: Check, settings: GateSettings) -> tuple[str, ...]:
    limits = (-settings.margin, 0.0)
    return (
        check.name,
        wording.signed(check.delta, settings),
        fmt.bound(check.lower, *limits),
        fmt.bound(check.upper, *limits),
        fmt.p_value(check.p_fail, settings.alpha),
        "yes" if check.decides else "no",
        check.says,
    )


def _list(title: str, lines: list[str]) -> str:
    return f"### {title}\n\n" + "\n".join(f"- {escape(line)}" for line in lines) if lines else ""
