"""Packages that add a partner, a grader, a log reader, a backend, an executor and a reporter: installed and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from talan_core.errors import UserError
from talan_core.extensions import GROUPS, Extended
from talan_core.partners import PARTNERS
from talan_eval.intake.checked import check
from talan_eval.requests.evaluate import EvaluateRequest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "extensions").glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the examples beside what is there, without a network, and return how to run with them."""
    place = tmp_path_factory.mktemp("installed")
    sources = tmp_path_factory.mktemp("sources")
    for example in EXAMPLES:  # copied, because building writes beside the sources
        target = sources / example.parent.name
        target.mkdir()
        for file in example.parent.glob("*.*"):
            (target / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    paths = [str(sources / example.parent.name) for example in EXAMPLES]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", str(place), *paths], check=True)

    def run(*words, cwd):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{place}", "COLUMNS": "200"}
        environment.pop("GITHUB_ACTIONS", None)
        done = subprocess.run(
            [sys.executable, "-m", "talan_eval", *map(str, words)], cwd=cwd, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_there_is_an_example_of_each_kind():
    assert [example.parent.name for example in EXAMPLES] == [
        "backend", "executor", "grader", "log_reader", "partner", "reporter",
    ]  # fmt: skip
    assert len(GROUPS) == len(EXAMPLES)


def test_a_partner_a_backend_an_executor_and_a_grader_evaluate_together(installed, tmp_path):
    rows = [{"q": f"Is {n} even?", "want": "yes" if n % 2 == 0 else "no"} for n in range(4)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {
        "task": "even", "dataset_path": "json", "test_split": "test", "doc_to_text": "{{q}}",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "mine.jsonl")}}, "doc_to_target": "{{want}}",
        "output_type": "generate_until", "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metadata": {"version": 1, "grader": "yes_no", "fields": {"answer": "want"}, "metric": "right"},
    }  # fmt: skip
    (tmp_path / "even.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    words = ["evaluate", "value_lora[r=2]", "--seeds", "1", "--steps", "3", "--tasks", "even.yaml", "--device", "cpu"]
    words += ["--train-tasks", "gsm8k_micro", "--executor", "in_turn", "--backend", "one_by_one", "--out", "out"]
    installed(*words, cwd=tmp_path)
    scores = json.loads((tmp_path / "out" / "result.json").read_text())
    experiment = scores["provenance"]["experiment"]
    assert experiment["extensions"] == {"value_lora[r=2]": "talan-example-partner 1.0"}
    assert experiment["backbones"][0]["answering"]["backend.name"] == "one_by_one"
    assert (experiment["tasks"][0]["grader"], experiment["tasks"][0]["metric"]) == ("yes_no", "right")
    reasons = scores["backbones"][0]["scores"][0]["reasons"]
    assert sum(reasons.values()) == 4


def test_logs_are_read_and_numbers_sent_and_the_doctor_names_all(installed, tmp_path):
    for arm, text in (("lora", "+--+--"), ("dora", "+-++-+")):
        (tmp_path / f"{arm}.marks").write_text(text, encoding="utf-8")
    shown = installed("compare-logs", "lora=lora.marks", "dora=dora.marks", "--json", "result.json", cwd=tmp_path)
    assert "exam" in shown
    installed("report", "result.json", "--track", "json_lines", cwd=tmp_path)
    (line,) = (tmp_path / "talan.jsonl").read_text().splitlines()
    assert json.loads(line)["mean/delta"] == pytest.approx(100 / 3)
    shown = subprocess.run(
        [sys.executable, "-c", "from talan_eval.cli.checkup import _extensions; print(*_extensions())"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "talan-example" not in shown  # here they are not installed


def added(place, package, group, name, value, monkeypatch):
    """Put the metadata of a package on the path; what it names need not exist."""
    info = place / f"{package}-2.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(place))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:Thing", "cannot be loaded from no_such_module:Thing: ModuleNotFoundError"),
        ("json:no_such_thing", "cannot be loaded from json:no_such_thing: AttributeError"),
        ("ends_itself:Thing", "cannot be loaded from ends_itself:Thing: SystemExit: not today"),
        ("json:loads", "is none: it is no class derived from talan_core.partners.PeftPartner"),
        ("talan_core.partners:Dora", "is none: its kind is 'dora'"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_package(value, said, tmp_path, monkeypatch):
    added(tmp_path, "broken", "talan_core.partners", "brittle", value, monkeypatch)
    (tmp_path / "ends_itself.py").write_text("import sys\nsys.exit('not today')\n", encoding="utf-8")
    assert "brittle" in PARTNERS  # nothing was imported for that
    assert PARTNERS["lora"].kind == "lora"
    with pytest.raises(UserError) as caught:
        PARTNERS["brittle"]
    assert f"The partner 'brittle' of the package broken 2.1 {said}" in caught.value.problem
    assert caught.value.fix.endswith("pip uninstall broken")


def test_a_name_that_is_there_already_is_refused_before_anything_is_asked(tmp_path, monkeypatch):
    added(tmp_path, "greedy", "talan_eval.graders", "number", "json:loads", monkeypatch)
    with pytest.raises(UserError, match=r"The package greedy 2\.1 adds a grader 'number', and that name is there"):
        check(EvaluateRequest(arm=("base",)))


def test_two_packages_cannot_share_a_name(tmp_path, monkeypatch):
    for package in ("one", "two"):
        added(tmp_path, package, "talan_eval.backends", "fast", "json:loads", monkeypatch)
    registry = Extended("talan_eval.backends", {}, lambda _, __: "")
    with pytest.raises(
        UserError, match=r"two 2\.1 adds a backend 'fast', and that name is also one of the package one"
    ):
        registry.added()


def test_an_unknown_name_lists_what_packages_add(tmp_path, monkeypatch):
    added(tmp_path, "more", "talan_core.partners", "plenty", "json:loads", monkeypatch)
    with pytest.raises(UserError, match="plenty"):
        check(EvaluateRequest(arm=("plentyy",)))
