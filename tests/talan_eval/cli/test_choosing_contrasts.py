"""--contrast at the command line, and items that must pass where there are several arms and backbones."""

from __future__ import annotations

import json
import os
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.pipeline.must_pass import read_must_pass
from talan_eval.report import format as fmt
from talan_eval.result.reading import read_result
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

ARMS = {"lora": 0.0, "talan[slots=4,layer=1]+lora": 0.15, "dora": -0.3}
GOOD = "talan[slots=4,layer=1]+lora:lora"
BAD = "dora:lora"


@pytest.fixture(autouse=True)
def outside_of_github(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GITHUB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "160")


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, UserError | SystemExit):
        raise done.exception
    code = done.exception.exit_code if isinstance(done.exception, UserError) else done.exit_code
    return SimpleNamespace(returncode=code, stdout=done.stdout, error=done.exception)


@pytest.fixture
def finished(tmp_path, many):
    """A results directory of three arms on two backbones with answers, as compare leaves it."""
    directory = tmp_path / "run"
    made = many(arms=ARMS, backbones=("one", "two"), seeds=7, items=300, tasks=("gsm8k_micro",))
    store = Store.open(directory, Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    for arm in ARMS:
        for number, backbone in enumerate(("one", "two")):
            for seed in range(7):
                wrong = {"i1"} if (arm, backbone, seed) == ("dora", "two", 3) else set()
                lines = [{"item_id": item, "score": float(item not in wrong)} for item in ("i0", "i1")]
                store.seal(
                    f"eval_{number}_{list(ARMS).index(arm)}_{seed}",
                    {"kind": "evaluation", "arm": arm, "backbone": backbone, "seed": seed, "task": "gsm8k_micro"},
                    {
                        f"gsm8k_micro/{number}-{list(ARMS).index(arm)}-{seed}.jsonl": "".join(
                            json.dumps(line) + "\n" for line in lines
                        ).encode()
                    },
                )
    (directory / "result.json").write_text(made.to_json())
    return directory


def test_gate_takes_a_contrast_several_or_all(finished, tmp_path):
    place = tmp_path / "gate.json"
    codes = [
        run("gate", finished, "--margin", "1", *words, "--json", place).returncode
        for words in ((), ("--contrast", GOOD), ("--contrast", BAD), ("--contrast", GOOD, "--contrast", BAD))
    ]
    assert codes == [1, 0, 1, 1]
    checks = json.loads(place.read_text())["checks"]
    means = {check["name"]: check["delta"] for check in checks if check["kind"] == "mean"}
    assert means == {f"{one.name}: mean": pytest.approx(one.aggregate.delta) for one in read_result(finished).contrasts}
    shown = run("gate", finished, "--margin", "1").stdout
    for one in read_result(finished).contrasts:
        assert re.search(rf"{re.escape(one.name)}: mean\t{re.escape(fmt.gain(one.aggregate.delta))}\t", shown)


@pytest.mark.parametrize("command", [("gate",), ("diff", "{run}"), ("power", "--from")])
def test_an_unknown_contrast_ends_in_what_to_type(finished, command):
    words = [word.replace("{run}", str(finished)) for word in command]
    done = run(*words, finished, "--contrast", "dorra:lora")
    assert done.returncode == 2
    assert "The result has no contrast 'dorra:lora'." in str(done.error)
    assert f"Did you mean --contrast '{BAD}'? Type TREATMENT:BASE; it has '{GOOD}', '{BAD}'." in str(done.error)


def test_diff_shows_the_contrasts_that_are_chosen(finished):
    every, one = run("diff", finished, finished), run("diff", finished, finished, "--contrast", BAD)
    titles = re.compile(r"Change of the gain of (\S+) over lora, points")
    assert titles.findall(every.stdout) == ["talan[slots=4,layer=1]+lora", "dora"]
    assert titles.findall(one.stdout) == ["dora"]
    markdown = run("diff", finished, finished, "--markdown").stdout
    assert markdown.count("## Change of the gain") == 2


def test_items_must_pass_in_each_arm_under_test_on_each_backbone(finished, tmp_path):
    wanted = tmp_path / "must.txt"
    wanted.write_text("gsm8k_micro i0\ngsm8k_micro i1\n")
    items = read_must_pass(wanted, finished, read_result(finished))
    assert len(items) == 8
    assert {(item.arm, item.benchmark, item.item_id): item.failed for item in items if item.failed} == {
        ("dora", "two/gsm8k_micro", "i1"): (3,)
    }
    assert {item.seeds for item in items} == {tuple(range(7))}
    assert run("gate", finished, "--margin", "1", "--contrast", GOOD, "--must-pass", wanted).returncode == 0
    shown = run("gate", finished, "--margin", "90", "--must-pass", wanted)
    assert shown.returncode == 1
    assert "dora: two/gsm8k_micro i1: declared as must-pass, and wrong at seed 3." in shown.stdout
