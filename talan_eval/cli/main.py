"""Entry point of ``talan-eval``: commands, and what becomes of errors."""

from __future__ import annotations

import errno
import signal
import sys
from typing import Annotated

import typer

from talan_core.bounded import shown
from talan_core.errors import UserError
from talan_eval.cli import (
    calibrate,
    compare,
    compare_logs,
    diff,
    doctor,
    evaluate,
    gate,
    init,
    internals,
    merge,
    power,
    push,
    report,
    runs,
    sandbox,
    tasks,
)
from talan_eval.cli.help import WHOLE_WIDTH, HelpfulCommand, HelpfulGroup, examples
from talan_eval.cli.output import guarded, note, refuse_controls, say

_COMPARE, _READ, _PREPARE = "Compare", "Read results", "Prepare"

app = typer.Typer(
    name="talan-eval",
    cls=HelpfulGroup,
    help="Does one adapter beat another, or was it luck? Paired-seed comparisons of adapters on lm-eval tasks.",
    epilog=examples(
        "talan-eval compare --base lora --treat talan+lora --seeds 7",
        "talan-eval compare-logs lora=runs/lora dora=runs/dora",
        "talan-eval report results/NAME --explain",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WHOLE_WIDTH},
)
for _name, _panel, _module in (
    ("compare", _COMPARE, compare),
    ("compare-logs", _COMPARE, compare_logs),
    ("evaluate", _COMPARE, evaluate),
    ("report", _READ, report),
    ("gate", _READ, gate),
    ("diff", _READ, diff),
    ("merge", _READ, merge),
    ("push", _READ, push),
    ("internals", _READ, internals),
    ("power", _PREPARE, power),
    ("init", _PREPARE, init),
    ("calibrate", _PREPARE, calibrate),
    ("doctor", _PREPARE, doctor),
):
    _class = compare.Command if _module is compare else HelpfulCommand
    app.command(_name, cls=_class, epilog=_module.EXAMPLES, rich_help_panel=_panel)(_module.command)
app.add_typer(tasks.app, name="tasks", rich_help_panel=_PREPARE)
app.add_typer(sandbox.app, name="sandbox", rich_help_panel=_PREPARE)
app.add_typer(runs.app, name="runs", rich_help_panel=_READ)


def _installed() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - --help must not wait for it

    try:
        return version("talan-eval")
    except PackageNotFoundError:
        return "(from a source tree that is not installed)"


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"talan-eval {_installed()}\n")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Does one adapter beat another, or was it luck? Paired-seed comparisons of adapters on lm-eval tasks."""


def main() -> None:
    """Run the command line: a user's mistake is one message and exit code 2, a bug keeps its traceback."""
    with guarded():
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's way of interrupting
            refuse_controls(sys.argv[1:])
            app()
        except UserError as error:
            _end(error)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            # whatever asked for it: no file has such a name, so it was typed, or stands in a file that was named
            _end(
                UserError(
                    f"The file name {shown(error.filename)} is longer than names can be.",
                    "Type the path of a file or directory: talan-eval --help",
                )
            )


def _end(error: UserError) -> None:
    note(f"Error: {error}\n")
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
