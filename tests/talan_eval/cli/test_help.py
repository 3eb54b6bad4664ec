"""Help that is read, options that are guessed, and what a shell completes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from talan_eval.cli.completion import COMPLETED, arms, backbones, listed, tasks
from talan_eval.cli.main import app
from talan_eval.requests.commands import words_of
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.compare_logs import CompareLogsRequest
from talan_eval.requests.evaluate import EvaluateRequest
from talan_eval.requests.gate import GateRequest
from talan_eval.requests.help_panels import PANELS, metavar_of, panel_of
from talan_eval.requests.internals import InternalsRequest
from talan_eval.requests.merge import MergeRequest
from talan_eval.requests.power import CalibrateRequest, PowerRequest

REQUESTS = (
    CompareRequest,
    CompareLogsRequest,
    EvaluateRequest,
    MergeRequest,
    GateRequest,
    InternalsRequest,
    PowerRequest,
    CalibrateRequest,
)
GROUP = typer.main.get_command(app)


def every_command(group, *above):
    yield above, group
    for name, command in getattr(group, "commands", {}).items():
        yield from every_command(command, *above, name)


COMMANDS = {" ".join(words): command for words, command in every_command(GROUP)}


def help_of(name="", width=80):
    command = COMMANDS[name]
    context = command.context_class(command, info_name=f"talan-eval {name}".strip(), terminal_width=width)
    return command.get_help(context)


@pytest.mark.parametrize("request_type", REQUESTS)
def test_every_option_has_one_panel_and_what_stands_behind_it(request_type):
    for field in dataclasses.fields(request_type):
        panels = [panel for panel, names in PANELS.items() if field.name in names]
        assert panels == [panel_of(field.name)], field.name
        assert (metavar_of(field.name) is None) == (str(field.type) == "bool"), field.name


def test_no_panel_names_an_option_that_there_is_not():
    known = {field.name for request_type in REQUESTS for field in dataclasses.fields(request_type)}
    assert {name for names in PANELS.values() for name in names} == known


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_to_copy_and_fits_its_width(name, width):
    shown = help_of(name, width)
    examples = (COMMANDS[name].epilog or "").splitlines()
    lines = shown.splitlines()
    for example in examples:
        assert f"  {example}" in lines
        assert example.startswith("talan-eval ")
    others = [line for line in lines if line.strip() not in examples]
    assert max(map(len, others)) <= width


def test_options_stand_in_panels_over_the_whole_width():
    shown = help_of("compare", 160)
    titles = [line[:-1] for line in shown.splitlines() if line[:1].isalpha() and line.endswith(":")]
    assert titles == ["Arguments", *PANELS, "Help", "Examples"], titles
    assert max(map(len, shown.splitlines())) > 140
    assert "<str>" not in shown


def test_every_command_is_described_whole_in_a_panel():
    shown = help_of()
    for title in ("Compare:", "Read results:", "Prepare:"):
        assert f"\n{title}\n" in shown
    assert "..." not in shown.replace("[ARGS]...", "")
    for name, command in COMMANDS.items():
        if name and " " not in name:
            assert " ".join((command.help or "").split("\n\n")[0].split()) in " ".join(shown.split())


def test_the_version_is_said():
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.output.split()[0] == "talan-eval"
    assert done.output.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["compar"], "'compare'"),
        (["gates"], "'gate'"),
        (["compare", "--sedes", "3"], "--seeds"),
        (["compare", "--treats", "lora"], "--treat"),
        (["report", "x", "--formats", "md"], "--format"),
        (["gate", "x", "--margn", "1"], "--margin"),
        (["runs", "gc", "--finish"], "--finished"),
        (["tasks", "--datadir", "x"], "--data-dir"),
        (["--versoin"], "--version"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(words, meant):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert f"Did you mean {meant}" in " ".join(done.output.split())


def test_nothing_is_guessed_where_nothing_is_close():
    done = CliRunner().invoke(app, ["compare", "--xyzzy"])
    assert "No such option: --xyzzy." in done.output
    assert "Did you mean" not in done.output


def test_names_are_completed():
    assert "talan+lora" in arms("talan+l")
    assert arms("dor") == ["dora"]
    assert tasks("gsm8k_micro,mbpp_") == ["gsm8k_micro,mbpp_micro", "gsm8k_micro,mbpp_micro_1000"]
    assert tasks("gsm8k_micro,gsm8k_m") == ["gsm8k_micro,gsm8k_micro_1000"]
    assert backbones("smo") == ["smollm2-135m"]
    assert listed("md,ht", ("md", "html")) == ["md,html"]
    assert words_of("base|all")("") == ["base", "all"]
    assert words_of("mean|pass@K")("") == ["mean"]
    assert words_of("N") is None
    assert set(COMPLETED) <= {name for names in PANELS.values() for name in names}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("talan-eval compare --treat talan+d", "talan+dora"),
        ("talan-eval compare --tasks mbp", "mbpp_micro"),
        ("talan-eval compare --backbone m", "micro"),
        ("talan-eval compare --pairing i", "independent"),
        ("talan-eval compare --dry", "--dry-run"),
        ("talan-eval report x --format md,me", "md,methods"),
        ("talan-eval tasks show gsm", "gsm8k_micro"),
        ("talan-eval ga", "gate"),
    ],
)
def test_a_shell_is_answered(typed, offered):
    words = typed.split()
    asked = {
        "_TALAN_EVAL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    code = "import sys; sys.argv[0] = 'talan-eval'; from talan_eval.cli.main import app; app(prog_name='talan-eval')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | asked
    )
    assert offered in done.stdout.splitlines(), done.stdout + done.stderr


@pytest.mark.parametrize("width", ["60", "150"])
def test_the_program_uses_the_width_that_there_is(width):
    done = subprocess.run(
        [sys.executable, "-m", "talan_eval", "compare", "--help"], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": width},
    )  # fmt: skip
    lines = done.stdout.partition("Examples:")[0].splitlines()
    assert 0.9 * int(width) < max(map(len, lines)) <= int(width)
