"""Every command of every tutorial runs, in order; only options that make a run small are added."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from talan_eval.cli.main import app
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page.read_text("utf-8") for page in sorted((ROOT / "docs" / "tutorials").glob("*.md"))}
ASKED = ("--limit=4", "--max-tokens=8", "--workers=1", "--resamples=50", "--device=cpu")
SMALL = {
    "compare": ("--steps=2", "--tasks=gsm8k_micro", *ASKED),
    "internals": ("--examples=2", "--device=cpu"),
}
GATE_DECIDED = {0, 1, 3}
EXPECTED = {
    "two-adapters": ["results/mine/result.json", "results/mine/report.html"],
    "logs": ["results/logs/result.json", "results/three/ranking.svg"],
    "gate": ["results/change/result.json", "gate.xml"],
    "paper": ["paper.toml", "paper/report.tex", "paper/figures/forest.pdf", "paper/supplement/scores/index.csv"],
    "talan": ["results/talan/result.json", "results/talan/internals/internals.md"],
}


def lines_of(page):
    for block in re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from (line for line in block.splitlines() if line.startswith("talan-eval "))


def small(words):
    """Return the words of a command with what makes it small; a grid keeps one value of each option."""
    words = [re.sub(r"(\d+)(\|\d+)+", r"\1", word) for word in words]
    name, *rest = words
    more = [*SMALL.get(name, ())]
    if any("runs/lora/seed{seed}" in word for word in rest):  # stored arms: nothing is trained
        more.remove("--steps=2")
    if "--seeds" in rest:
        rest[rest.index("--seeds") + 1] = "2"
    elif name == "compare" and "paper.toml" in rest:
        more.append("--seeds=2")
    if "--confirm" in rest:
        rest[rest.index("--confirm") + 1] = "2"
    return [name, *rest, *more]


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    path = ROOT / "tests" / "talan_eval" / "stored_checkpoints.py"
    spec = importlib.util.spec_from_file_location("stored_checkpoints", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_checkpoints(tmp_path_factory.mktemp("made"))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def make_logs(place):
    draw = np.random.default_rng(0)
    for arm in ("lora", "dora", "noise"):
        (place / "runs" / arm).mkdir(parents=True)
        for seed in range(3):
            rows = [f"q{item},{draw.integers(2)}" for item in range(30)]
            (place / "runs" / arm / f"seed{seed}.csv").write_text("\n".join(["id,score", *rows]) + "\n")


def make_adapters(place, made):
    shutil.copytree(made / "lora", place / "runs" / "lora")
    shutil.copytree(made / "talan", place / "runs" / "mine")


def test_there_is_a_tutorial_for_each_reader():
    assert set(PAGES) == set(EXPECTED)
    assert all(len(list(lines_of(page))) >= 3 for page in PAGES.values())
    listed = (ROOT / "docs" / "index.md").read_text("utf-8") + (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(listed.count(f"tutorials/{name}.md") == 2 for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_tutorial_run_one_after_the_other(name, workplace, adapters):
    if name == "two-adapters":
        make_adapters(workplace, adapters)
    else:
        make_logs(workplace)
    for line in lines_of(PAGES[name]):
        if "|" in line or "--confirm" in line:
            continue  # an hour of many arms; that the program takes it is tested beside this
        words = small(shlex.split(line, comments=True)[1:])
        done = CliRunner().invoke(app, words)
        assert done.exit_code in (GATE_DECIDED if words[0] == "gate" else {0}), (line, done.output, done.exception)
        assert done.stdout
    missing = [file for file in EXPECTED[name] if not (workplace / file).is_file()]
    assert missing == []


def test_the_tutorial_on_logs_ranks_three_arms(workplace):
    make_logs(workplace)
    (line,) = (one for one in lines_of(PAGES["logs"]) if "--pairs all" in one)
    assert CliRunner().invoke(app, shlex.split(line)[1:]).exit_code == 0
    assert len(read_result(workplace / "results" / "three").contrasts) == 3
