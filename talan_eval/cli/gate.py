"""``talan-eval gate``: has the model become worse? Answers with an exit code, and with whatever a CI system reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from talan_eval.cli.help import examples
from talan_eval.cli.output import say, terminal, workflow_commands
from talan_eval.requests.commands import command_of
from talan_eval.requests.gate import GateRequest

if TYPE_CHECKING:
    from talan_eval.gate import GateReport

DOC = """Say PASS, FAIL or INCONCLUSIVE about a loss, with an exit code for CI.

PASS (exit code 0): a loss of more than the margin is excluded. FAIL (1): a loss was shown. INCONCLUSIVE (3):
neither; the report says how many seeds would decide. Incomplete results exit with 4, mistakes with 2. The
margin must be declared before results are read. The first line says what was gated: E1, re-training, or E0, one
pair of checkpoints. Of several contrasts each must pass; the worst one decides. In GitHub Actions the step
summary, annotations and outputs are written as well.
"""
EXAMPLES = examples(
    "talan-eval gate results/NAME --margin 1.0",
    "talan-eval gate results/NAME --margin 0.5 --per-cell --junit gate.xml",
    "talan-eval gate results/NAME --margin 1.0 --estimand E0",
    "talan-eval gate results/NAME --margin 1.0 --against baseline.json",
    "talan-eval gate results/NAME --margin 1.0 --contrast talan+lora:lora",
)


def perform(request: GateRequest) -> None:
    """Decide, write what was asked for, print, and exit with the code of the outcome."""
    report = _decided(request)
    _write(report, request)
    _show(report)
    raise typer.Exit(report.exit_code)


def _decided(request: GateRequest) -> GateReport:
    from talan_eval.gate import GateSettings, decide  # noqa: PLC0415 - as above
    from talan_eval.gate.facts import estimand_named  # noqa: PLC0415 - as above
    from talan_eval.pipeline.must_pass import read_must_pass  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.result.choosing import chosen_contrasts  # noqa: PLC0415 - as above
    from talan_eval.result.reading import read_result  # noqa: PLC0415 - as above

    estimand = estimand_named(request.estimand)
    found = read_result(request.result, "talan-eval gate results/NAME")
    settings = GateSettings(
        request.margin, request.alpha, request.per_cell, request.per_slice, request.fail_below_margin, estimand,
        request.least_share, found.measure.unit,
    )  # fmt: skip
    contrasts = chosen_contrasts(found, request.contrast) if request.contrast else ()
    against, must_pass = request.against, request.must_pass
    baseline = None if against is None else read_result(against, f"talan-eval gate {request.result} --against FILE")
    items = () if must_pass is None else read_must_pass(must_pass, request.result, found)
    return decide(found, settings, contrasts=contrasts, baseline=baseline, must_pass=items)


def _write(report: GateReport, request: GateRequest) -> None:
    from talan_eval.cli.outputs import write_named  # noqa: PLC0415 - as above
    from talan_eval.gate import junit  # noqa: PLC0415 - as above
    from talan_eval.gate.document import to_json  # noqa: PLC0415 - as above
    from talan_eval.gate.table import markdown  # noqa: PLC0415 - as above

    faces = (
        ("--junit", request.junit, junit.render),
        ("--summary", request.summary, markdown),
        ("--json", request.json, to_json),
    )
    for option, path, render in faces:
        if path is not None:
            write_named(path, render(report).encode("utf-8"), option)


def _show(report: GateReport) -> None:
    """Print the report, and tell GitHub Actions what it reads from files and from the output."""
    from talan_eval.gate import github  # noqa: PLC0415 - as above
    from talan_eval.gate.table import markdown  # noqa: PLC0415 - as above
    from talan_eval.gate.terminal import TerminalGate, piped  # noqa: PLC0415 - as above

    console = terminal()
    if console.is_terminal:
        console.print(TerminalGate(report))
    else:
        say(piped(report))
    for variable, text in (("GITHUB_STEP_SUMMARY", markdown(report)), ("GITHUB_OUTPUT", github.outputs(report))):
        name = os.environ.get(variable)
        if name:
            with open(name, "a", encoding="utf-8") as file:  # noqa: PTH123 - a name from the environment, appended to
                file.write(text)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        workflow_commands(github.annotate(report))


command = command_of(GateRequest, perform, DOC)
