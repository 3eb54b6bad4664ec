"""Without the extra "train" logs are compared, reported, gated, planned; what trains or asks says what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from talan_core.extras import TRAIN, need_train

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BROUGHT = sorted(
    canonicalize_name(Requirement(one).name).replace("-", "_") for one in PROJECT["optional-dependencies"]["train"]
)
ALONE = """
import json, sys
from importlib.machinery import PathFinder
absent = set(json.loads(sys.argv[1]))
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, *more):
        return None if name.partition(".")[0] in absent else PathFinder.find_spec(name, *more)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from typer.testing import CliRunner
from talan_eval.cli.main import app
said = {}
for line in json.loads(sys.argv[2]):
    done = CliRunner().invoke(app, line.split())
    said[line] = [done.exit_code, done.output + str(done.exception or "")]
print(json.dumps(said))
"""
WORK = [
    "compare-logs a=a.csv b=b.csv --out made",
    "report made --format html,tex,csv,md,json --out made",
    "gate made --margin 50",
    "power --from made --seeds 7 --delta 1",
    "diff made/result.json made/result.json",
    "tasks",
    "init experiment.toml",
]
REFUSED = {
    "compare --seeds 2": "Training or asking an arm needs",
    "internals made": "Measuring inside a model needs",
    "tasks show gsm8k_micro": "Showing an item as a model is asked it needs",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    place = tmp_path_factory.mktemp("slim")
    for arm, turn in (("a", 3), ("b", 2)):
        rows = [f"t,{seed},{item},{int((seed + item) % turn == 0)}" for seed in range(5) for item in range(30)]
        (place / f"{arm}.csv").write_text("\n".join(["task,seed,id,score", *rows]))
    names = json.dumps([*{*TRAIN, *BROUGHT}])
    done = subprocess.run(
        [sys.executable, "-c", ALONE, names, json.dumps([*WORK, *REFUSED])],
        capture_output=True, text=True, check=False, cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("line", WORK)
def test_what_reads_results_works_without_torch(said, line):
    code, text = said[line]
    assert code == 0, text


@pytest.mark.parametrize("line", REFUSED)
def test_what_trains_or_asks_says_what_to_install(said, line):
    code, text = said[line]
    assert code != 0
    assert REFUSED[line] in text
    assert "pip install 'talan-eval[train]'" in text
    assert "torch" in text


def test_nothing_is_refused_where_it_is_installed():
    need_train("This test")
