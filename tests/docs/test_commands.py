"""Every command that README, documentation and help show is one that the program takes, and the quick ones are run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from talan_eval.cli.init import experiment_file
from talan_eval.cli.main import app
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
GROUP = typer.main.get_command(app)
LARGE = r"DATA|-logs|=runs/|=out/|\.\.\.|Qwen|smollm2|--executor (ray|slurm)"  # needs data, files, a GPU or a cluster
DATA = r"--data-dir|tasks show (?!\S*_micro)|runs results/"  # needs the real benchmarks, or runs
# needs logs of a harness
WITH_LOGS = r"runs/helm|--filter|--metric|--unit|--less|\*|results|NAME|/logs|llama|lm-eval|inspect|\.\.\."
# commands whose examples are run, not only parsed
QUICK = {
    "report",
    "gate",
    "diff",
    "doctor",
    "init",
    "tasks",
    "power",
    "runs",
}


def shown():
    for page in PAGES:
        for block in re.findall(r"^```(?:bash|sh)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                yield str(page.relative_to(ROOT)).removeprefix("docs/"), line.strip()
    for name, command in commands(GROUP, ""):
        for line in (command.epilog or "").splitlines():
            yield f"{name} --help", line


def commands(group, above):
    yield above.strip(), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{above} {name}")


COMMANDS = sorted({(where, line) for where, line in shown() if line.startswith("talan-eval ")})
LINES = sorted({line for _, line in COMMANDS})
ALONE = sorted({line for where, line in COMMANDS if not where.startswith("tutorials/")})
"""Commands that may be run one by one; those of a tutorial follow each other, and are run in ``test_tutorials``."""
MADE = sorted({line for _, line in shown() if line.startswith("make ")})


def words_of(line):
    words = shlex.split(line, comments=True)[1:]
    return words[: words.index("|")] if "|" in words else words


def scores(draw, share):
    return (draw.random((7, 50)) < share).astype(float)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory in which the names that the documentation uses exist."""
    draw = np.random.default_rng(0)
    items = ItemTable("gsm8k_micro", "exact_match", tuple(f"i{n}" for n in range(50)), "0" * 12)
    arms = ("lora", "talan+lora")
    matrices = [ScoreMatrix("micro", arm, items, tuple(range(7)), scores(draw, 0.5)) for arm in arms]
    quick = StatisticsSettings(resamples=50)
    text = compare(matrices, [ContrastSpec(*arms)], Origin({"made": "here"}), quick).to_json()
    for name in (
        "results/NAME/result.json",
        "results/OLD/result.json",
        "results/NEW/result.json",
        "baseline.json",
        "old/result.json",
        "new/result.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "experiment.toml").write_text(experiment_file())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 20
    assert {where for where, _ in COMMANDS} >= {"README.md", "ci.md", "reports.md", "gate --help"}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.usefixtures("workplace")
def test_the_program_takes_it(line):
    words = words_of(line)
    if words == ["--install-completion"]:
        assert any("--install-completion" in parameter.opts for parameter in GROUP.params)
        return
    name, command, rest = GROUP.resolve_command(click.Context(GROUP), [w for w in words if w != "..."])
    command.make_context(name, rest)


@pytest.mark.parametrize("line", [line for line in ALONE if words_of(line)[0] in QUICK and not re.search(DATA, line)])
def test_the_quick_ones_run(line, workplace):
    words = words_of(line)
    if words[0] == "init":
        (workplace / "experiment.toml").unlink()
    if words[0] == "doctor":
        words.append("--offline")
    if words[0] == "runs":
        shutil.rmtree(workplace / "results")
        Store.open(workplace / "results" / "NAME", Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    done = CliRunner().invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in ({0, 1, 3} if words[0] == "gate" else {0})
    assert done.stdout


LOGS = [line for line in ALONE if line.startswith("talan-eval compare-logs ") and not re.search(WITH_LOGS, line)]


def test_some_comparisons_of_tables_are_run():
    assert len(LOGS) >= 3


@pytest.mark.parametrize("line", LOGS)
def test_comparisons_of_tables_run(line, workplace):
    draw = np.random.default_rng(0)
    every = [(arm, seed, n) for arm in ("lora", "dora") for seed in range(3) for n in range(30)]
    rows = [f"{arm},{seed},q{n},{draw.integers(2)}" for arm, seed, n in every]
    for name in ("scores.csv", "scores-2025.csv"):
        (workplace / name).write_text("\n".join(["arm,seed,id,score", *rows]) + "\n")
    for arm in ("lora", "dora", "noise"):
        (workplace / "runs" / arm).mkdir(parents=True)
        for seed in range(3):
            scores = [f"q{n},{draw.integers(2)}" for n in range(30)]
            (workplace / "runs" / arm / f"seed{seed}.csv").write_text("\n".join(["id,score", *scores]) + "\n")
    done = CliRunner().invoke(app, words_of(line))
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "verdict" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if words_of(line)[0] in {"sandbox", "calibrate"}])
@pytest.mark.usefixtures("workplace")
def test_long_ones_run_when_made_small(line):
    small = ["--settings=0.02", "--replicates=20"] if words_of(line)[0] == "calibrate" else []
    done = CliRunner().invoke(app, [*words_of(line), *small])
    assert done.exit_code == 0 or "not available" in str(done.exception), done.output
    assert done.stdout


@pytest.mark.parametrize("line", MADE)
def test_make_has_the_target(line):
    assert re.search(rf"^{re.escape(line.split()[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [line for line in ALONE if line.startswith("talan-eval compare") and not re.search(LARGE, line)]
)
def test_comparisons_run_when_made_small(line, workplace):
    small = ["--seeds=2", "--steps=2", "--limit=4", "--tasks=gsm8k_micro", f"--out={workplace / 'out'}", "--workers=1"]
    done = CliRunner().invoke(app, [*words_of(line), *small])
    assert done.exit_code == 0, done.output
    assert (workplace / "out" / "result.json").is_file() != ("--dry-run" in line)
    shutil.rmtree(workplace / "out", ignore_errors=True)
