"""Workflows, hooks and pinned versions: each says what the project's own files say, and what it runs is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
JOBS = [(file, name, job) for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()]
STEPS = [(f"{file} {name}", step) for file, name, job in JOBS for step in job["steps"]]
SCRIPTS = [(where, step["run"]) for where, step in STEPS if "run" in step]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
NAMED = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
REQUIREMENTS = sorted({
    *PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"],
    *(one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra),
})  # fmt: skip
UNPINNED = {"trackio", "wandb", "mlflow-skinny"}  # trackers, which no test installs


def is_shell(script):
    return subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False).returncode == 0  # noqa: S607 - any bash


def missing_targets(script):
    wanted = re.findall(r"\bmake ([\w-]+)", script)
    return [target for target in wanted if not re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE)]


def test_the_three_workflows_are_there():
    assert set(WORKFLOWS) == {"checks.yml", "release.yml", "scheduled.yml"}
    assert len(SCRIPTS) > 8


@pytest.mark.parametrize(("where", "script"), SCRIPTS)
def test_every_script_is_a_script_and_its_make_targets_exist(where, script):
    assert is_shell(script), where
    assert missing_targets(script) == []
    assert "${{" not in script  # names of others travel by environment


def test_a_broken_script_and_a_missing_target_would_be_noticed():
    assert not is_shell("if true; then")
    assert missing_targets("make test && make tset") == ["tset"]


@pytest.mark.parametrize(("where", "step"), STEPS)
def test_actions_of_others_are_pinned_by_commit_and_say_which_version_that_is(where, step):
    if "uses" not in step or step["uses"] == "./":
        return
    assert re.fullmatch(r"[\w-]+/[\w.-]+@[0-9a-f]{40}", step["uses"]), where
    text = (ROOT / ".github/workflows" / where.split()[0]).read_text()
    assert re.search(rf"uses: {re.escape(step['uses'])} # v\d+\.\d+\.\d+$", text, re.MULTILINE)


def test_the_example_and_the_hooks_are_pinned_by_the_same_commits():
    example = (ROOT / "examples" / "github-workflow.yml").read_text()
    pinned = {step["uses"] for _, step in STEPS if "uses" in step}
    used = re.findall(r"uses: (\S+)", example)
    assert {one for one in used if not one.startswith("OWNER/")} <= pinned
    assert all(re.fullmatch(r"[0-9a-f]{40}", repo["rev"]) for repo in HOOKS if repo["repo"] != "local")


def test_one_action_has_one_version():
    used = {step["uses"] for _, step in STEPS if "uses" in step}
    assert len({one.split("@")[0] for one in used}) == len(used)


def test_every_job_ends_and_may_read_only_unless_it_says_so():
    for file, name, job in JOBS:
        assert job["timeout-minutes"] <= 120, (file, name)
        assert WORKFLOWS[file]["permissions"] == {"contents": "read"}
    assert [name for _, name, job in JOBS if "permissions" in job] == ["publish"]


def test_tests_run_on_every_python_that_the_classifiers_name():
    assert NAMED == ["3.11", "3.12", "3.13"]
    assert WORKFLOWS["checks.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"] == NAMED
    assert PROJECT["project"]["requires-python"] == f">={NAMED[0]}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{NAMED[0].replace('.', '')}"


def test_every_suite_that_is_left_out_by_default_runs_somewhere():
    (deselected,) = [word for word in PROJECT["tool"]["pytest"]["ini_options"]["addopts"] if word.startswith("not ")]
    left_out = set(re.findall(r"not (\w+)", deselected))
    ran = {target for _, script in SCRIPTS for target in re.findall(r"make test-(\w+)", script)}
    assert left_out == ran == {"slow", "browser", "latex", "trl", "vllm", "slurm"}


def test_only_a_checked_build_is_published():
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]  # nothing is built where the token is
    assert jobs["publish"]["permissions"] == {"id-token": "write", "attestations": "write"}
    assert jobs["build"]["steps"][0]["with"]["fetch-depth"] == 0  # else there are no tags to read the version from
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_constraints_pin_a_version_that_the_requirement_allows(text):
    wanted = Requirement(text)
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    name = canonicalize_name(wanted.name)
    if name in UNPINNED:
        assert name not in pins
        return
    assert wanted.specifier.contains(pins[name]), f"{text}, and constraints.txt has {pins[name]}"


def test_hooks_run_the_linters_of_make_lint():
    local = next(repo for repo in HOOKS if repo["repo"] == "local")["hooks"]
    programs = {shlex.split(hook["entry"])[0].removeprefix(".venv/bin/") for hook in local}
    linted = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE).group(1)
    assert programs == set(re.findall(r"\$\(BIN\)/([\w-]+)", linted))
    assert {"check-added-large-files", "check-yaml"} <= {hook["id"] for repo in HOOKS for hook in repo["hooks"]}
    assert all("rev" in repo for repo in HOOKS if repo["repo"] != "local")
