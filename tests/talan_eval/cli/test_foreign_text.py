"""Names and texts of others steer neither a terminal nor the runner of GitHub Actions."""

from __future__ import annotations

import ast
import csv
import dataclasses
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from talan_core.errors import UserError
from talan_eval.cli.main import main
from talan_eval.cli.output import GuardedStream, terminal
from talan_eval.report.command_breaking import CommandBreaker, without_commands

ROOT = Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("runner_of_actions", Path(__file__).parent / "runner_of_actions.py")
RUNNER = importlib.util.module_from_spec(_SPEC)
sys.modules["runner_of_actions"] = RUNNER
_SPEC.loader.exec_module(RUNNER)

NAMES = [
    "::stop-commands::x", "::add-mask::secret", "::warning file=a.py,line=1::forged", "::set-output name=outcome::pass",
    "##[add-mask]secret", "a ##[stop-commands]token", "  ::error::padded", "x " * 60 + "::stop-commands::wrapped",
    ":\u200b:add-mask::joined", "#\u00ad#[group]joined", "%0A::error::escaped", "\u2028::error::separated",
]  # fmt: skip
ESCAPES = ["\x1b[2J", "\x9b31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x90q\x9c", "a\rb", "\x08" * 9]
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def table(directory, names):
    """Write scores of two arms on benchmarks with such names."""
    draw = np.random.default_rng(2)
    with (directory / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "task", "item", "score"])
        for arm in ("base", "treat"):
            for seed in range(5):
                for name in names:
                    for item in range(6):
                        row = [arm, seed, name, f"{name} {item}", int(draw.random() < (0.9 if arm == "base" else 0.2))]
                        writer.writerow(row)
    return directory


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command wrote, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def apart(directory, *words, **environment):
    """Run a command in a process of its own."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", *words], env=variables, cwd=directory, capture_output=True,
        text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def talan_eval(directory, *words, columns=80, **environment):
    """Run a command in this process, through the same entry point."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(sys, "argv", ["talan-eval", *words])
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)
        for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        for name, value in {"COLUMNS": str(columns), **environment}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main()
    for stream in streams:
        stream.flush()
    texts = [stream.buffer.getvalue().decode() for stream in streams]
    return Done(ended.value.code or 0, *texts)


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    """Return a directory with a result whose benchmarks, items and arms are named to deceive."""
    directory = table(tmp_path_factory.mktemp("forged"), NAMES + [f"n{escape}" for escape in ESCAPES])
    done = talan_eval(
        directory, "compare-logs", "base=scores.csv:base", "::add-mask::arm=scores.csv:treat", "--out", "made"
    )
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("options", [(), ("--per-cell",), ("--against", "made/result.json")])
def test_the_runner_finds_no_command_in_the_output_of_gate_but_its_annotations(forged, columns, options):
    done = talan_eval(forged, "gate", "made", "--margin", "1", *options, columns=columns, GITHUB_ACTIONS="true")
    assert done.returncode in {0, 1, 3}, done.stderr
    found = RUNNER.commands(done.stdout + "\n" + done.stderr)
    assert {one.name for one in found} <= {"error", "warning", "notice"}
    assert found
    assert all(one.line.startswith(f"::{one.name} title=") for one in found)
    assert len(found) == sum(line.startswith("::") for line in done.stdout.splitlines())


def test_a_process_of_its_own_is_guarded_too(forged):
    done = apart(forged, "gate", "made", "--margin", "1", GITHUB_ACTIONS="true", COLUMNS="30")
    assert done.stdout.count("\n::") == len(RUNNER.commands(done.stdout + done.stderr)) > 0


def test_without_the_guard_the_runner_finds_the_forged_ones(forged):
    result = json.loads((forged / "made" / "result.json").read_text())
    shown = "\n".join(cell["task"] for cell in result["contrasts"][0]["cells"])
    assert {one.name for one in RUNNER.commands(shown)} >= {"stop-commands", "add-mask", "warning", "group"}


@pytest.mark.parametrize(
    "words",
    [
        ("compare-logs", "base=scores.csv:base", "treat=scores.csv:treat"),
        ("report", "made"),
        ("report", "made", "--format", "csv"),
        ("report", "made", "--format", "md"),
        ("diff", "made", "made"),
        ("diff", "made", "made", "--markdown"),
        ("gate", "made", "--margin", "1", "--contrast", "::stop-commands::x"),
        ("gate", "::stop-commands::x", "--margin", "1"),
        ("gate", "made", "--margin", "::stop-commands::x"),
        ("power", "--from", "made"),
        ("report", "made", "--format", "##[stop-commands]x"),
    ],
)
def test_no_command_of_ours_starts_one_of_the_runner(forged, words):
    done = talan_eval(forged, *words, GITHUB_ACTIONS="true", NO_COLOR="1")
    assert RUNNER.commands(done.stdout + "\n" + done.stderr) == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("gate", "made", "--margin", "1"),
        ("report", "made"),
        ("diff", "made", "made"),
        ("compare-logs", "base=scores.csv:base", "treat=scores.csv:treat"),
        ("compare-logs", "base=scores.csv:base", "treat=scores.csv:nobody"),
    ],
)
def test_nothing_that_is_shown_steers_a_terminal(forged, words):
    done = talan_eval(forged, *words, NO_COLOR="1")
    assert _STEERING.search(done.stdout + done.stderr) is None


@pytest.mark.parametrize("word", ["\x1b[2J", "\x9b31m", "a\x07b"])
def test_words_that_would_steer_the_terminal_are_refused(tmp_path, word):
    done = talan_eval(tmp_path, "gate", word, "--margin", "1")
    assert done.returncode == 2
    assert _STEERING.search(done.stdout + done.stderr) is None
    assert "has a control character" in done.stderr


def test_a_traceback_of_ours_is_cleaned_too(tmp_path):
    script = (
        "from talan_eval.cli.output import guarded\nwith guarded():\n    raise ValueError('\\x1b[2J\\n::error::x')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert RUNNER.commands(done.stderr) == []
    assert _STEERING.search(done.stderr) is None


@pytest.mark.parametrize("escape", ESCAPES)
def test_errors_and_the_console_show_no_escape(escape):
    assert _STEERING.search(str(UserError(f"{escape} is wrong.", f"Type {escape}"))) is None
    shown = io.StringIO()
    console = terminal(file=shown, width=60, force_terminal=True, color_system=None)
    for one in (escape, Text(escape), Panel(Text(escape)), Markdown(escape)):
        console.print(one, markup=False)
    assert _STEERING.search(re.sub("\x1b\\[[0-9;]*m|\x1b\\]8;[^\x1b]*\x1b\\\\", "", shown.getvalue())) is None


SIGNS = st.text(alphabet=":#[]\n\r \t\u200b\u00ad\u0301\ufeffaop-stcmnd%0A", max_size=40)
TEMPLATES = st.sampled_from(
    ["::stop-commands::", "##[group]", "::add-mask::", ":", "::", "##", "[error]", "\n", " ", "\u200b"]
)


@given(st.lists(st.one_of(SIGNS, TEMPLATES), max_size=8))
def test_no_text_in_any_pieces_starts_a_command(pieces):
    stream = io.StringIO()
    guard = GuardedStream(stream)
    guard.writelines(pieces)
    assert RUNNER.commands(stream.getvalue()) == []
    assert stream.getvalue() == without_commands("".join(pieces))


@given(st.lists(TEMPLATES, max_size=8))
def test_only_blanks_are_added(pieces):
    text = "".join(pieces)
    assert without_commands(text).replace(" ", "") == text.replace(" ", "")


def test_most_text_is_left_as_it_is():
    for text in ("a::b", "http://x", "a: b", "# [x]", "[::]", "std::vector", "#[x]"):
        assert CommandBreaker()(text) == text


def test_nothing_is_written_but_through_the_guard():
    for path in (ROOT / "talan_eval" / "cli").glob("*.py"):
        if path.name == "output.py":
            continue
        called = {
            ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        }
        assert not called & {"sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write", "print", "typer.echo",
                             "Console", "rich.print"}, path  # fmt: skip
