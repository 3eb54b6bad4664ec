"""One arm evaluated alone: its scores and intervals, what it shares with comparisons, and every face of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest
import torch
from typer.testing import CliRunner

import talan_eval
from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.execution.run_worker import Crew
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.dry_run import outlook
from talan_eval.pipeline.session import open_session
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.evaluate import EvaluateRequest
from talan_eval.result.arm_scores import ArmScores, json_schema
from talan_eval.stats.diverged import diverged_rate

ROOT = Path(__file__).parents[3]
QUICK = {"tasks": "gsm8k_micro,mbpp_micro", "limit": 6, "device": "cpu", "workers": 1, "max_tokens": 24}


def computed(request):
    """Evaluate or compare in this process, and return the document and the runs that were missing."""
    prepared = prepare(request)
    threads = torch.get_num_threads()
    with open_session(prepared) as session:
        crew = Crew(prepared.assignments, "cpu")
        for run in session.missing:
            assert crew.perform(run, lambda _: None) == ()
        alone = isinstance(request, EvaluateRequest)
        found = session.write_scores() if alone else session.write_reports()
    torch.set_num_threads(threads)
    return found, session


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def request_of(checkpoints, root):
    def make(arm, name, **options):
        typed = arm.replace("@", str(checkpoints))
        return EvaluateRequest(arm=(typed,), out=root / name, **{**QUICK, **options})

    return make


@pytest.fixture(scope="module")
def seeded(request_of):
    return computed(request_of("lora=@/lora/seed{seed}", "lora"))


@pytest.fixture(scope="module")
def untrained(request_of):
    return computed(request_of("base", "base"))


def test_a_stored_arm_has_scores_with_the_intervals_that_its_seeds_allow(seeded):
    scores, session = seeded
    assert len(session.missing) == 3
    (one,) = scores.backbones
    assert (scores.arm, one.kind, [score.task for score in one.scores]) == (
        "lora", "stored", ["gsm8k_micro", "mbpp_micro"],
    )  # fmt: skip
    for score in (*one.scores, one.mean):
        assert score.seeds == (0, 1, 2)
        assert [checkpoint.seed for checkpoint in score.checkpoints] == [0, 1, 2]
        assert score.e0.ci[0] <= score.mean <= score.e0.ci[1]
        assert score.e1.ci[0] <= score.mean <= score.e1.ci[1]
        assert score.e2 is not None
    assert one.mean.mean == pytest.approx(sum(score.mean for score in one.scores) / 2)
    right = round(one.scores[1].checkpoints[0].mean * 6 / 100)
    exact = diverged_rate(right, 6, 0.05).ci
    assert one.scores[1].checkpoints[0].e0.ci == pytest.approx((100 * exact.lo, 100 * exact.hi))
    assert any("How stored arms were trained is not known here (lora): whether" in text for text in scores.warnings)
    assert one.scores[0].loss is not None


def test_the_untrained_backbone_has_one_checkpoint_and_no_interval_over_seeds(untrained):
    scores, session = untrained
    (one,) = scores.backbones
    assert (one.kind, one.mean.seeds, one.mean.e1, one.mean.e2) == ("fixed", (), None, None)
    assert session.experiment.train == ()
    assert session.experiment.contrasts == ()


def test_a_comparison_takes_what_was_evaluated_alone_and_the_other_way_round(seeded, untrained, checkpoints, root):
    del seeded, untrained
    request = CompareRequest(
        base="base", treat=(f"lora={checkpoints}/lora/seed{{seed}}",), out=root / "both", resamples=50, **QUICK
    )
    found = outlook(prepare(request))
    assert (found.missing, found.offered) == ((), 8)
    trained = CompareRequest(
        base="base", treat=("lora",), seeds="2", out=root / "trained", train_tasks="gsm8k_micro", steps=1, **QUICK
    )
    missing = outlook(prepare(trained)).missing
    assert {run.arm for run in missing} == {"lora"}  # what others are trained on changes nothing of the backbone


def test_faces_and_files_say_the_same(seeded, root):
    scores, _ = seeded
    shown = talan_eval.load_scores(root / "lora")
    assert isinstance(shown, ArmScores)
    assert shown.to_json() == scores.to_json() == (root / "lora" / "result.json").read_text()
    mean = f"{scores.backbones[0].mean.mean:.2f}"
    for text in (shown.to_markdown(), shown._repr_html_(), repr(shown), (root / "lora" / "report.md").read_text()):
        assert mean in text
    rows = list(csv.DictReader(io.StringIO(shown.to_csv())))
    assert [row["benchmark"] for row in rows] == ["gsm8k_micro", "mbpp_micro", "mean"]
    assert float(rows[2]["score"]) == scores.backbones[0].mean.mean
    assert float(rows[0]["e1_low"]) == scores.backbones[0].scores[0].e1.ci[0]
    document = json.loads(scores.to_json())
    schema = json.loads((ROOT / "docs" / "schema" / "scores-1.json").read_text())
    assert schema == json_schema()
    jsonschema.validate(document, schema)


def test_report_and_the_index_show_it(seeded, untrained, root, tmp_path):
    del untrained
    scores, _ = seeded
    mean = f"{scores.backbones[0].mean.mean:.2f}"
    run = CliRunner()
    for words in ([], ["--explain"], ["--format", "html"], ["--format", "md"]):
        done = run.invoke(app, ["report", str(root / "lora"), *words])
        assert done.exit_code == 0, done.output
        assert mean in done.output
    done = run.invoke(app, ["report", str(root / "lora"), "--format", "tex"])
    assert isinstance(done.exception, UserError)
    assert "--format md, csv, json, html" in str(done.exception)
    done = run.invoke(app, ["report", str(root / "lora"), "--track", "wandb", "--margin", "1"])
    assert "--margin, --track: " in str(done.exception)
    done = run.invoke(app, ["report", str(root), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "index.html").read_text()
    assert "lora alone" in page
    assert "base alone" in page
    assert f"score {mean} points" in page


def test_two_evaluations_are_compared_from_their_directories(seeded, untrained, root):
    del seeded, untrained
    found = talan_eval.compare_logs(
        {"base": root / "base", "lora": root / "lora"}, fixed=["base"], resamples=50, tasks="gsm8k_micro"
    )
    assert found.contrasts[0].pairing == "fixed"
    assert found.contrasts[0].seeds == (0, 1, 2)


@pytest.mark.parametrize("read", [talan_eval.load_result, lambda place: CliRunner().invoke(app, ["gate", str(place)])])
def test_whatever_needs_a_comparison_says_what_this_is(seeded, root, read):
    del seeded
    try:
        error = read(root / "lora").exception
    except UserError as raised:
        error = raised
    assert "holds the scores of one arm" in str(error)
    assert "talan-eval compare-logs" in str(error)


@pytest.mark.parametrize(
    ("arms", "options", "said"),
    [
        ((), {}, "Not one arm is named"),
        (("lora", "dora"), {}, "Not one arm is named"),
        (("talan[slots=1|2]+lora",), {}, "is a grid of arms"),
        (("base",), {"seeds": "3"}, "no arm has seeds"),
        (("base",), {"steps": 3}, "the backbone is asked as it is"),
        (("base",), {"train_data": "mine.jsonl"}, "the backbone is asked as it is"),
        (("no such arm",), {}, "no such arm"),
        (("lora",), {"weights": ("gsm8k_mikro=2",)}, "gsm8k_mikro"),
        (("lora",), {"reduce": "pass@x"}, "pass@x"),
    ],
)
def test_mistakes_are_refused_before_anything_is_asked(arms, options, said, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        prepare(EvaluateRequest(arm=arms, out=tmp_path / "out", **{**QUICK, **options}))
    assert "Error" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_would_be_asked(root, checkpoints, monkeypatch):
    monkeypatch.chdir(root)
    words = ["evaluate", f"lora={checkpoints}/lora/seed{{seed}}", "--tasks", "gsm8k_micro", "--limit", "2", "--dry-run"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "lora alone on micro, seeds 0, 1, 2" in done.output
    assert "6 answers" in done.output


def test_a_damaged_or_newer_file_is_named(seeded, root, tmp_path):
    del seeded
    document = json.loads((root / "lora" / "result.json").read_text())
    file = tmp_path / "result.json"
    for change, said in (({"scores_schema": 2}, "scores schema 2"), ({"arm": 3}, "arm: ")):
        file.write_text(json.dumps({**document, **change}))
        with pytest.raises(UserError, match=said):
            talan_eval.load_scores(file)
