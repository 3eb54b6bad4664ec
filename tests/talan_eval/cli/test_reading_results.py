"""report, gate, diff, doctor and init at the command line: what they write, and what they refuse."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.checkup import EXTRAS, examine
from talan_eval.cli.init import experiment_file
from talan_eval.cli.main import app
from talan_eval.comparison import ContrastSpec, Origin, compare
from talan_eval.pipeline.answers import publishes, read_flips
from talan_eval.pipeline.must_pass import read_must_pass
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.experiment_file import read_options
from talan_eval.result.evidence import Measure
from talan_eval.result.margins import within_margin
from talan_eval.result.reading import read_result
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def outside_of_github(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GITHUB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")


def run(*words):
    """Run the command line in this process; what main does with a user's mistake is tested elsewhere."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, UserError | SystemExit):
        raise done.exception
    code = done.exception.exit_code if isinstance(done.exception, UserError) else done.exit_code
    said = str(done.exception) if isinstance(done.exception, UserError) else done.stderr
    return SimpleNamespace(returncode=code, stdout=done.stdout, stderr=said)


@pytest.fixture
def finished(tmp_path, cell, result):
    """A results directory with answers, as compare leaves it."""
    directory = tmp_path / "run"
    scores = cell(items=60)
    store = Store.open(directory, Manifest({"name": "x"}, "2026-01-01T00:00:00+00:00"))
    for arm, values in (("lora", scores.base), ("talan+lora", scores.treat)):
        for seed, row in zip(scores.seeds, values, strict=True):
            lines = [
                {"item_id": item, "prompt_hash": "0", "score": float(value),
                 "verdict": "match" if value else "mismatch", "extracted": "1",
                 "reason": "because", "answer": "\x1b[31m<script>alert(1)</script>\ud800"}
                for item, value in zip(scores.item_ids, row, strict=True)
            ]  # fmt: skip
            payload = "".join(json.dumps(line) + "\n" for line in lines).encode("ascii")
            store.seal(
                f"eval_{arm}_{seed}", {"kind": "evaluation", "arm": arm, "seed": seed, "task": scores.task},
                {f"{scores.task}/{arm}-{seed}.jsonl": payload},
            )  # fmt: skip
    (directory / "result.json").write_text(result([scores]).to_json())
    return directory


def test_report_writes_every_format(finished, tmp_path):
    out = tmp_path / "deep" / "out"
    done = run(
        "report", finished, "--format", "md,tex,csv,json,html,svg,png,methods,bib", "--out", out, "--margin", "1"
    )
    assert done.returncode == 0, done.stderr
    written = {path.name for path in out.iterdir()}
    assert {
        "report.md",
        "report.tex",
        "report.csv",
        "result.json",
        "report.html",
        "methods.txt",
        "methods.tex",
    } <= written
    assert {"references.bib", "forest.svg", "slopes.png", "flips.svg", "power.png"} <= written
    assert read_result(out / "result.json") == within_margin(read_result(finished), 1.0)
    html = (out / "report.html").read_text()
    assert "<script>alert" not in html
    assert "\\u003cscript" in html


def test_one_format_is_printed_and_several_need_a_place(finished):
    assert run("report", finished, "--format", "md").stdout.startswith("# talan+lora against lora")
    several = run("report", finished, "--format", "md,csv")
    assert several.returncode == 2
    assert "--out" in several.stderr


def test_flips_are_what_differs(finished):
    result = read_result(finished)
    flips = read_flips(finished, result)
    pairs = result.contrasts[0].cells[0].e0
    assert sum(flip.lost for flip in flips.entries) == sum(pair.lost for pair in pairs)
    assert len(flips.entries) == sum(pair.lost + pair.gained for pair in pairs)


def test_whether_text_may_be_shown_is_said_by_the_experiment_else_by_the_task_else_it_is_not(result):
    def found(**tasks):
        listed = [{"name": name, "publish_text": says} for name, says in tasks.items()]
        return result(provenance={"experiment": {"tasks": listed}})

    logged = result(provenance={"logs": []})
    assert not publishes(logged, "gpqa_diamond")
    assert publishes(logged, "talan_gsm8k")
    assert publishes(logged, "gpqa_diamond_micro")
    assert not publishes(logged, "leaderboard_gpqa_main")
    assert not publishes(logged, "unheard_of")
    assert publishes(found(unheard_of=True), "unheard_of")
    assert not publishes(found(gsm8k=False), "gsm8k")
    older = result(provenance={"experiment": {"tasks": [{"name": "gpqa_diamond"}, {"name": "gsm8k"}]}})
    assert (publishes(older, "gpqa_diamond"), publishes(older, "gsm8k")) == (False, True)


def test_raw_scores_are_exported_as_seeds_by_items(finished, tmp_path, cell):
    out = tmp_path / "out"
    done = run("report", finished, "--format", "csv,scores", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "scores/ (3 files)" in done.stdout
    index = list(csv.DictReader((out / "scores" / "index.csv").read_text().splitlines()))
    assert [row["arm"] for row in index] == ["lora", "talan+lora"]
    scores = cell(items=60)
    for row, values in zip(index, (scores.base, scores.treat), strict=True):
        assert (row["task"], row["backbone"], row["n_seeds"], row["n_items"]) == ("gsm8k_micro", "micro", "7", "60")
        header, *lines = csv.reader((out / "scores" / row["file"]).read_text().splitlines())
        assert header == ["seed", *scores.item_ids]
        assert [int(line[0]) for line in lines] == list(scores.seeds)
        assert [[float(score) for score in line[1:]] for line in lines] == values.tolist()


def test_a_directory_without_answers_says_that_it_has_no_raw_scores(finished, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "result.json").write_text((finished / "result.json").read_text())
    done = run("report", alone, "--format", "scores", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no graded answers" in done.stderr
    assert "raw scores are in the logs" in " ".join(done.stderr.split())


def test_gate_writes_what_ci_reads(finished, tmp_path):
    places = {name: tmp_path / "new" / name for name in ("gate.xml", "gate.md", "gate.json")}
    done = run(
        "gate", finished, "--margin", "20", "--junit", places["gate.xml"], "--summary", places["gate.md"], "--json",
        places["gate.json"],
    )  # fmt: skip
    report = json.loads(places["gate.json"].read_text())
    assert done.returncode == report["exit_code"]
    assert report["outcome"].upper() in done.stdout
    assert all(place.stat().st_size for place in places.values())
    assert not [line for line in done.stdout.splitlines() if line.startswith("::")]


def test_must_pass_items_are_read_from_the_answers(finished, tmp_path):
    wanted = tmp_path / "must.txt"
    result = read_result(finished)
    lost = next(flip.item_id for flip in result.contrasts[0].cells[0].items.flips if flip.lost)
    task = result.contrasts[0].cells[0].task
    wanted.write_text(f"# our own\n{task} {lost}\n{task} nowhere # gone\n")
    first, second = read_must_pass(wanted, finished, result)
    assert first.failed
    assert second.seeds == ()
    assert run("gate", finished, "--must-pass", wanted).returncode == 4
    wanted.write_text("one-word\n")
    assert "is not a benchmark and an item" in run("gate", finished, "--must-pass", wanted).stderr


def broken(finished, change):
    path = finished / "result.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=3), "pip install --upgrade talan-eval"),
        (lambda d: d.pop("schema"), "no result of talan-eval"),
        (lambda d: d.pop("contrasts"), "contrasts: Field required"),
        (lambda d: d["contrasts"][0]["cells"][0].update(delta="NaN"), "contrasts.0.cells.0.delta"),
        (lambda d: d["contrasts"][0].update(base="\ud800"), "does not follow result schema 2"),
    ],
)
def test_results_of_another_form_are_refused_with_a_reason(finished, change, said):
    broken(finished, change)
    for command in ("report", "gate"):
        done = run(command, finished)
        assert done.returncode == 2, done.stderr
        assert said in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "nowhere"], "such as: talan-eval report results/NAME"),
        (["gate", "nowhere"], "such as: talan-eval gate results/NAME"),
        (["gate", "{run}", "--junit", "{run}"], "--junit FILE"),
        (["gate", "{run}", "--json", "{run}/result.json/gate.json"], "--json FILE"),
        (["report", "{run}", "--format", "docx"], "Unknown format 'docx'"),
        (["report", "{run}", "--format", ","], "names no format"),
        (["report", "{run}", "--margin", "-1"], "--margin 1.0"),
        (["report", "{run}", "--margin", "101", "--gain", "0"], "--gain 1.0"),
        (["report", "{run}", "--gain", "0"], "--gain 1.0"),
        (["report", "{run}", "--track", "tensorboard"], "Unknown tracker"),
        (["gate", "{run}", "--margin", "nan"], "--margin 1.0"),
        (["gate", "{run}", "--against", "nowhere"], "--against FILE"),
        (["gate", "{run}", "--per-slice"], "no slices"),
        (["diff", "{run}", "nowhere"], "such as: talan-eval diff results/OLD results/NEW"),
        (["init", "{run}/result.json"], "--force"),
    ],
)
def test_mistakes_are_one_message_with_exit_code_2(finished, words, said, monkeypatch):
    monkeypatch.chdir(finished.parent)
    done = run(*(word.replace("{run}", str(finished)) for word in words))
    assert done.returncode == 2, done.stdout
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_truncated_result_is_named_with_its_line(finished):
    path = finished / "result.json"
    path.write_text(path.read_text()[:2000])
    assert "line" in run("report", finished).stderr


def test_an_unfinished_comparison_is_incomplete(finished):
    (finished / "result.json").unlink()
    done = run("gate", finished)
    assert done.returncode == 4
    assert "has not finished" in done.stderr


def test_diff_shows_the_change_and_refuses_other_families(finished, tmp_path, cell, result):
    other = tmp_path / "other.json"
    other.write_text(result([cell(items=60, gain=0.3)]).to_json())
    assert "reading" in run("diff", finished, other).stdout
    assert "| mean (primary) |" in run("diff", finished, other, "--markdown").stdout.replace("**", "")
    other.write_text(result([cell("another", items=60)]).to_json())
    assert "different families" in run("diff", finished, other).stderr


def test_init_writes_a_file_that_compare_reads(tmp_path):
    file = tmp_path / "experiment.toml"
    assert run("init", file).returncode == 0
    options = tomllib.loads(file.read_text())
    assert options["treat"] == ["talan+lora"]
    file.write_text(file.read_text().replace('treat = ["talan+lora"]', 'treat = ["talan+lorra"]'))
    assert "Did you mean 'lora'" in run("compare", file).stderr
    assert "The arms are the same" in run("compare", file, "--treat", "lora").stderr


def test_init_shows_a_value_for_every_option_and_compare_would_read_all_of_them(tmp_path):
    file = tmp_path / "experiment.toml"
    file.write_text(re.sub(r"^# (\w+ = )", r"\1", experiment_file(), flags=re.MULTILINE))
    options = read_options(file, CompareRequest)
    assert set(options) == {field.name for field in dataclasses.fields(CompareRequest)}
    assert options["learning_rate"] == 0.003


def test_doctor_has_a_line_for_every_extra_and_says_what_is_missing(monkeypatch, tmp_path):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev", "docs", "train"}  # train has a line of its own, below
    for extra, (name, _) in EXTRAS.items():
        assert any(re.match(rf"{name}\b", wanted) for wanted in extras[extra])
    monkeypatch.setitem(EXTRAS, "ray", ("no-such-distribution", "--executor ray"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wandb").mkdir()  # what wandb itself leaves behind is no package
    found = {finding.name: finding for finding in examine(None, tmp_path, offline=True)}
    lacking = found["extras"]  # the last of the two
    assert lacking.state == "note"
    assert "ray (for --executor ray)" in lacking.found
    assert re.fullmatch(r"pip install 'talan-eval\[(\w+,)*ray(,\w+)*\]'", lacking.fix)
    assert "plots" not in lacking.found


def test_doctor_says_what_trains_and_asks_where_it_is_missing(monkeypatch, tmp_path):
    assert "extra train" not in {finding.name for finding in examine(None, tmp_path, offline=True)}
    monkeypatch.setattr("talan_eval.cli.checkup.TRAIN", ("torch", "no-such-distribution"))
    found = {finding.name: finding for finding in examine(None, tmp_path, offline=True)}["extra train"]
    assert (found.state, found.fix) == ("problem", "pip install 'talan-eval[train]'")
    assert found.found.startswith("no-such-distribution not installed")


def test_doctor_names_what_it_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TALAN_EVAL_DATA_DIR", str(tmp_path))
    done = run("doctor", "--offline")
    assert done.returncode == 0, done.stdout
    for name in ("python", "packages", "device", "sandbox", "benchmarks", "disk", "hub"):
        assert name in done.stdout
    assert "gsm8k: unusable, The data" in done.stdout
    assert all(line.split("\t")[0] in {"ok", "note"} for line in done.stdout.splitlines())
    assert len({line.split("\t")[2] for line in done.stdout.splitlines()}) == len(done.stdout.splitlines())


def test_a_margin_of_a_report_ends_at_100_only_where_it_is_in_points(tmp_path, matrices):
    arms = {"lora": 0.0, "talan+lora": 0.0}
    seconds = Measure(unit="seconds", higher_is_better=False, lower=0, upper=None)
    found = [
        dataclasses.replace(one, items=dataclasses.replace(one.items, measure=seconds), scores=500 + 90 * one.scores)
        for one in matrices(arms=arms)
    ]
    made = compare(found, [ContrastSpec("lora", "talan+lora")], Origin({"made": "here"}))
    (tmp_path / "result.json").write_text(made.to_json(), encoding="utf-8")
    done = run("report", tmp_path, "--margin", "400", "--gain", "300", "--format", "md")
    assert done.returncode == 0, done.stderr
    assert "equal within 400" in done.stdout
    assert run("report", tmp_path, "--margin", "inf").returncode == 2
