"""What GitHub Actions reads from a job's output: annotations, one line each, and step outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.gate import wording
from talan_eval.gate.facts import CheckOutcome
from talan_eval.report.clean import one_line

if TYPE_CHECKING:
    from talan_eval.gate.facts import GateReport

_LEVELS = {
    CheckOutcome.PASS: "notice",
    CheckOutcome.FAIL: "error",
    CheckOutcome.INCONCLUSIVE: "warning",
    CheckOutcome.INCOMPLETE: "error",
}


def annotate(report: GateReport) -> tuple[str, ...]:
    """Return the workflow commands that annotate a run.

    The gate's answer, each further deciding check that is not a pass, and the items that are lost most often (as a
    notice). Text of others cannot start a command of its own: it stands behind ours, without line breaks, and
    colons of titles are escaped. Only ``talan_eval.cli.output.workflow_commands`` writes lines that are commands.
    """
    lines = [_command(_LEVELS[report.outcome], "talan-eval gate", wording.headline(report))]
    reasons = [check for check in report.checks if check.decides and check.outcome is not CheckOutcome.PASS]
    lines += [_command(_LEVELS[check.outcome], check.title, check.text) for check in reasons[1:]]
    if report.worst_flips and report.outcome is not CheckOutcome.PASS:
        flips = "; ".join(wording.flip_text(flip) for flip in report.worst_flips)
        lines.append(_command("notice", "lost most often", flips))
    return tuple(lines)


def outputs(report: GateReport) -> str:
    """Return the lines for ``$GITHUB_OUTPUT``: outcome and exit code, which hold no text of others."""
    return f"outcome={report.outcome.value}\nexit-code={report.exit_code}\n"


def _command(level: str, title: str, message: str) -> str:
    name = one_line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={name}::{one_line(message).replace('%', '%25')}"
