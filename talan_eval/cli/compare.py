"""``talan-eval compare``: train both arms with paired seeds, or read the logs of both, and print the table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.requests.commands import command_of
from talan_eval.requests.compare import USES, CompareRequest

if TYPE_CHECKING:
    from pathlib import Path

DOC = """Train both arms with paired seeds, evaluate them on the same items, and say whether they differ.

Writes report.md, result.json, manifest.json and the graded answers. Killed at any point, the same command goes on
where it stopped, and cells that a comparison beside it has computed are taken from there. Options can also stand in
an experiment file, or in the environment (TALAN_EVAL_SEEDS for --seeds). The default backbone and benchmarks are
bundled: nothing is downloaded.

With --base-logs and --treat-logs nothing is trained: the same table is made from sample logs of lm-eval or inspect_ai,
from a table of scores, or from results directories.
"""
EXAMPLES = (
    "Examples:  talan-eval compare --base lora --treat talan+lora --seeds 7  |  "
    "talan-eval compare --base dora --treat 'talan[slots=4]+dora' --seeds 0,3,5 --tasks gsm8k_micro  |  "
    "talan-eval compare --base-logs runs/lora --treat-logs runs/dora --json result.json  |  "
    "talan-eval compare experiment.toml --dry-run"
)
_LOGS = ("base_logs", "treat_logs")


def check(typed: frozenset[str]) -> None:
    """Refuse a mixture of options for training and options for logs.

    Raises:
        UserError: Options of both kinds were typed, or options for logs without logs.
    """
    from_logs = not typed.isdisjoint(_LOGS)
    wrong = "training" if from_logs else "logs"
    stray = [_option(name) for name in USES if name in typed and USES[name] == wrong]
    if not stray:
        return
    if not from_logs:
        raise UserError(
            f"{', '.join(stray)} {'is' if len(stray) == 1 else 'are'} for logs, and no logs are named.",
            "Name the logs of both arms: --base-logs DIR --treat-logs DIR",
        )
    fix = "Leave out either the logs or the options for training"
    if not typed.isdisjoint(("base", "treat")):
        fix += "; to name the arms, type --base-logs NAME=DIR"
    raise UserError(
        f"{', '.join(stray)} {'is' if len(stray) == 1 else 'are'} for training, and with --base-logs and --treat-logs "
        "nothing is trained.",
        f"{fix}.",
    )


def perform(request: CompareRequest, file: Path | None = None) -> None:
    """Run the comparison and print its table."""
    if request.base_logs or request.treat_logs:
        _from_logs(request)
        return
    from talan_eval.cli.grid import perform_grid  # noqa: PLC0415 - --help must not wait for it

    perform_grid(request, file)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _from_logs(request: CompareRequest) -> None:
    from rich.console import Console  # noqa: PLC0415 - --help must not wait for it

    from talan_eval.pipeline.compare_logs import compare_logs, write_reports  # noqa: PLC0415 - as above
    from talan_eval.report.terminal import TerminalReport  # noqa: PLC0415 - as above

    compared = compare_logs(request)
    for note in compared.notes:
        sys.stderr.write(f"Note: {note}\n")
    write_reports(compared.result, request.out, request.json)
    console = Console(highlight=False)
    console.print(TerminalReport(compared.result))
    if request.out is not None:
        console.print(f"Written to {request.out}: report.md, result.json", markup=False, soft_wrap=True)


command = command_of(CompareRequest, perform, DOC, check, from_file=True)
