"""``talan-eval gate``: has the model become worse? Answers with an exit code, and with whatever a CI system reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from talan_eval.gate import GateReport

EXAMPLES = (
    "Examples:  talan-eval gate results/NAME --margin 1.0  |  "
    "talan-eval gate results/NAME --margin 0.5 --per-cell --junit gate.xml  |  "
    "talan-eval gate results/NAME --margin 1.0 --against baseline.json"
)


def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    result: Annotated[Path, typer.Argument(help="result.json, or the directory of a comparison.")],
    margin: Annotated[float, typer.Option(help="Loss that is tolerated, in points.")] = 1.0,
    alpha: Annotated[float, typer.Option(help="One-sided error rate of each bound.")] = 0.05,
    per_cell: Annotated[
        bool, typer.Option("--per-cell", help="FAIL too when one benchmark shows a loss (Holm).")
    ] = False,
    per_slice: Annotated[
        bool, typer.Option("--per-slice", help="FAIL too when one slice shows a loss (Holm).")
    ] = False,
    fail_below_margin: Annotated[
        bool, typer.Option("--fail-below-margin", help="FAIL only for a loss shown to exceed the margin.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(help="Baseline result of the same family: gate the change of the gain since then.")
    ] = None,
    must_pass: Annotated[
        Path | None, typer.Option(help='File of items, "BENCHMARK ITEM" per line, that must be right at every seed.')
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write the Markdown report to this file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")] = None,
) -> None:
    """Say PASS, FAIL or INCONCLUSIVE about a loss, with an exit code for CI.

    PASS (exit code 0): a loss of more than the margin is excluded. FAIL (1): a loss was shown. INCONCLUSIVE (3):
    neither; the report says how many seeds would decide. Incomplete results exit with 4, mistakes with 2. The
    margin must be declared before results are read. In GitHub Actions the step summary, annotations and outputs are
    written as well.
    """
    from talan_eval.cli.answers import read_must_pass  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.gate import GateSettings, decide  # noqa: PLC0415 - as above
    from talan_eval.gate.reading import read_result  # noqa: PLC0415 - as above

    settings = GateSettings(margin, alpha, per_cell, per_slice, fail_below_margin)
    found = read_result(result)
    baseline = None if against is None else read_result(against)
    items = () if must_pass is None else read_must_pass(must_pass, result, found)
    report = decide(found, settings, baseline=baseline, must_pass=items)
    _write(report, junit=junit, summary=summary, json_file=json)
    _show(report)
    raise typer.Exit(report.exit_code)


def _write(report: GateReport, *, junit: Path | None, summary: Path | None, json_file: Path | None) -> None:
    from talan_eval.gate import junit as junit_face  # noqa: PLC0415 - as above
    from talan_eval.gate.document import to_json  # noqa: PLC0415 - as above
    from talan_eval.gate.table import markdown  # noqa: PLC0415 - as above
    from talan_eval.store.atomic import atomic_write_bytes, make_directory  # noqa: PLC0415 - as above

    for path, render in ((junit, junit_face.render), (summary, markdown), (json_file, to_json)):
        if path is not None:
            make_directory(path.parent)
            atomic_write_bytes(path, render(report).encode("utf-8"))


def _show(report: GateReport) -> None:
    """Print the report, and tell GitHub Actions what it reads from files and from the output."""
    from rich.console import Console  # noqa: PLC0415 - as above

    from talan_eval.gate import github  # noqa: PLC0415 - as above
    from talan_eval.gate.table import markdown  # noqa: PLC0415 - as above
    from talan_eval.gate.terminal import TerminalGate  # noqa: PLC0415 - as above

    Console(highlight=False).print(TerminalGate(report))
    for variable, text in (("GITHUB_STEP_SUMMARY", markdown(report)), ("GITHUB_OUTPUT", github.outputs(report))):
        name = os.environ.get(variable)
        if name:
            with open(name, "a", encoding="utf-8") as file:  # noqa: PTH123 - a name from the environment, appended to
                file.write(text)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stdout.write("".join(f"{line}\n" for line in github.annotate(report)))
