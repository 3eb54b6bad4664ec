"""Entry point of ``talan-eval``: commands, and what becomes of errors."""

from __future__ import annotations

import signal
import sys

import typer

from talan_core.errors import UserError
from talan_eval.cli import (
    calibrate,
    compare,
    compare_logs,
    diff,
    doctor,
    gate,
    init,
    internals,
    power,
    report,
    runs,
    sandbox,
    tasks,
)
from talan_eval.cli.output import guarded, note, refuse_controls

app = typer.Typer(
    name="talan-eval",
    help="Paired-seed comparisons of adapters on lm-eval tasks.",
    epilog="Start with: talan-eval compare --base lora --treat talan+lora --seeds 7",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compare", cls=compare.Command, epilog=compare.EXAMPLES)(compare.command)
app.command("compare-logs", epilog=compare_logs.EXAMPLES)(compare_logs.command)
app.command("power", epilog=power.EXAMPLES)(power.command)
app.command("report", epilog=report.EXAMPLES)(report.command)
app.command("gate", epilog=gate.EXAMPLES)(gate.command)
app.command("internals", epilog=internals.EXAMPLES)(internals.command)
app.command("diff", epilog=diff.EXAMPLES)(diff.command)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.command)
app.command("init", epilog=init.EXAMPLES)(init.command)
app.command("calibrate", epilog=calibrate.EXAMPLES)(calibrate.command)
app.add_typer(tasks.app, name="tasks")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(runs.app, name="runs")


@app.callback()
def _root() -> None:
    """Take no options of its own: everything is asked of a command."""


def main() -> None:
    """Run the command line: a user's mistake is one message and exit code 2, a bug keeps its traceback."""
    with guarded():
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's way of interrupting
            refuse_controls(sys.argv[1:])
            app()
        except UserError as error:
            note(f"Error: {error}\n")
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
