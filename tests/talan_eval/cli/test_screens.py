"""What people see of a comparison, as files that a person can read; `python benchmarks/screens.py` writes them anew."""

from __future__ import annotations

import os
import pty
import re
import runpy
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULE = runpy.run_path(str(ROOT / "benchmarks" / "screens.py"))
MADE = MODULE["screens"]()
RESULT = str(ROOT / "results" / "micro_lora_vs_talan+lora")
HEADLINE = "No significant difference between talan+lora and lora: +0.29 points"


@pytest.mark.parametrize("name", MADE)
def test_a_screen_is_the_one_that_was_looked_at(name):
    assert (MODULE["SCREENS"] / name).read_text(encoding="utf-8") == MADE[name]


def test_no_file_is_left_of_a_screen_that_there_is_not():
    assert {path.name for path in MODULE["SCREENS"].iterdir()} == set(MADE)


def test_a_comparison_fits_the_usual_terminal_and_what_was_found_stands_last():
    lines = MADE["two-arms-usual.txt"].splitlines()
    assert len(lines) <= 23, "24 lines with the prompt"
    assert max(map(len, lines)) <= 80
    table = next(place for place, line in enumerate(lines) if line.startswith("mean (primary)"))
    headline = next(place for place, line in enumerate(lines) if line.startswith("No significant"))
    assert table < headline
    assert len(lines) - headline <= 6


@pytest.mark.parametrize("name", [name for name in MADE if "pipe" not in name and "color" not in name])
def test_no_line_is_wider_than_its_screen(name):
    width = next((columns for word, columns in MODULE["WIDTHS"].items() if word in name), 80)
    assert max(map(len, MADE[name].splitlines())) <= width


def test_a_pipe_gets_every_column_in_lines_that_are_whole():
    lines = MADE["two-arms-pipe.txt"].splitlines()
    header = next(line.split("\t") for line in lines if line.startswith("benchmark\t"))
    assert header[-1] == "verdict"
    assert {"E2 95 % CI", "bootstrap 95 % CI", "sign-flip floor", "adjusted p", "MDE 80 %"} <= set(header)
    assert {len(line.split("\t")) for line in lines} == {1, len(header)}
    (signature,) = [line for line in lines if line.startswith("Signature: ")]
    assert len(signature) > 300
    assert not any(re.search(r" {2,}|\s$", line) for line in lines), "nothing is padded"


def test_how_to_read_it_is_there_for_those_who_ask():
    for word in ("Primary test", "MDE 80 %   ", "Provenance: ", "Answers without a readable result"):
        assert word in MADE["two-arms-explained.txt"]
        assert word not in MADE["two-arms-usual.txt"]


def test_without_colour_nothing_but_weight_is_styled():
    codes = set(re.findall(r"<([\d;]*)>", MADE["two-arms-no-color.txt"]))
    assert "1" in codes
    assert codes <= {"0", "1", "2", "3"}


def on_terminal(*words, **environment):
    """Run the program in a terminal of 80 columns and return what it writes."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    done = subprocess.Popen(
        [sys.executable, "-m", "talan_eval", *words], stdin=child, stdout=child, stderr=child,
        env={k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "NO_COLOR"}}
        | {"TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the terminal was closed
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert done.wait() == 0, shown
    return shown


def test_a_real_terminal_shows_the_same():
    shown = on_terminal("report", RESULT).decode()
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown).replace("\r", "")
    assert [line.rstrip() for line in plain.splitlines()] == MADE["two-arms-usual.txt"].splitlines()


def test_a_code_page_without_lines_is_no_error():
    shown = on_terminal("report", RESULT, "--explain", PYTHONIOENCODING="cp1252").decode("cp1252")
    assert HEADLINE in " ".join(re.sub(r"\x1b\[[\d;]*m", "", shown).split())
    assert "?????" not in shown


def test_a_pipe_of_the_program_is_the_file():
    done = subprocess.run(
        [sys.executable, "-m", "talan_eval", "report", RESULT], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "40"},
    )  # fmt: skip
    assert done.stdout == MADE["two-arms-pipe.txt"]
