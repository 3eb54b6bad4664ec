"""The examples of ``talan-eval internals`` run as they stand, on fewer items."""

from __future__ import annotations

import shlex
import shutil

import pytest
from typer.testing import CliRunner

from talan_eval.cli.internals import EXAMPLES
from talan_eval.cli.main import app

LINES = EXAMPLES.splitlines()
FEW = ("--examples=1", "--device=cpu")
pytestmark = pytest.mark.slow  # the tutorial on TALAN runs the first of them with the others


@pytest.mark.parametrize("line", LINES)
def test_the_example_writes_every_face(line, comparison, tmp_path, monkeypatch):
    shutil.copytree(comparison, tmp_path / "results" / "NAME")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*shlex.split(line)[1:], *FEW])
    assert done.exit_code == 0, (done.output, done.exception)
    place = tmp_path / ("inside" if "--out" in line else "results/NAME/internals")
    assert {"internals.json", "internals.md"} <= {file.name for file in place.iterdir()}
    assert {file.suffix for file in place.rglob("*") if file.is_file()} >= {".json", ".md", ".svg", ".png"}
