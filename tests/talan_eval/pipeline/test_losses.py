"""Held-out loss in the result: a family of its own, read back in every face, and refused where it was changed."""

from __future__ import annotations

import csv
import io
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from talan_core.errors import UserError
from talan_eval.comparison import (
    ContrastSpec,
    ItemTable,
    Origin,
    ScoreColumns,
    ScoreMatrix,
    StatisticsSettings,
    compare,
)
from talan_eval.pipeline.losses import RunLoss, loss_of, with_losses
from talan_eval.records.samples import Sample
from talan_eval.report import delimited, latex, markdown, page
from talan_eval.report.layout import details
from talan_eval.report.loss_words import loss_table
from talan_eval.report.view import View
from talan_eval.result.reading import read_result
from talan_eval.result.schema import Result

SEEDS = tuple(range(6))
TASKS = ("gsm", "math")
ARMS = ("lora", "talan+lora", "noise+lora")
SPECS = (ContrastSpec("lora", "talan+lora"), ContrastSpec("lora", "noise+lora"))
QUICK = StatisticsSettings(resamples=60)


def losses(gain=0.002, tasks=TASKS, arms=ARMS):
    rng = np.random.default_rng(0)
    found = []
    for task in tasks:
        items = 0.1 + 0.05 * rng.random(40)
        for arm in arms:
            for seed in SEEDS:
                values = items + rng.normal(0, 0.001, 40) - (gain if arm == "talan+lora" else 0)
                columns = ScoreColumns(
                    arm, "micro", task, seed, tuple(f"i{n:02}" for n in range(40)), tuple(f"p{n}" for n in range(40)),
                    values,
                )  # fmt: skip
                found.append(RunLoss(columns, nats=float(values.sum() * 20), bytes=40 * 50))
    return found


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(1)
    matrices = [
        ScoreMatrix("micro", arm, ItemTable(task, "exact_match", tuple(f"i{n:02}" for n in range(40)), "0" * 12), SEEDS,
                    (rng.random((6, 40)) < 0.5).astype(float))
        for task in TASKS
        for arm in ARMS
    ]  # fmt: skip
    return compare(matrices, SPECS, Origin({"made": "here"}), QUICK)


@pytest.fixture(scope="module")
def result(scored):
    return with_losses(scored, losses(), SPECS, Origin({"made": "here"}), QUICK)


def test_the_loss_of_an_evaluation_is_that_of_its_first_answers():
    run = SimpleNamespace(arm="lora", backbone="micro", seed=3)

    samples = [
        Sample("a", "p", 1.0, "match", None, "", "", 0, loss=0.5, loss_tokens=10, loss_bytes=30),
        Sample("b", "q", 0.0, "mismatch", None, "", "", 0, loss=1.0, loss_tokens=2, loss_bytes=5),
        Sample("a", "p", 1.0, "match", None, "", "", 1),
    ]
    found = loss_of(run, "gsm", samples)
    assert found.columns.scores.tolist() == [0.5, 1.0]
    assert (found.nats, found.bytes) == (7.0, 35)
    assert loss_of(run, "gsm", samples[2:]) is None


def test_scores_and_their_verdicts_stay_as_they_are(scored, result):
    assert result.model_copy(update={"loss": None, "arms": scored.arms}) == scored
    assert with_losses(scored, [], SPECS, Origin({}), QUICK) is scored


def test_its_numbers_are_the_guarded_t_of_the_losses_in_nats(result):
    found = {(one.columns.arm, one.columns.task, one.columns.seed): one.columns.scores for one in losses()}
    for contrast in result.loss.contrasts:
        for cell in contrast.cells:
            base, treatment = (
                np.array([found[arm, cell.task, seed] for seed in SEEDS]) for arm in (contrast.base, contrast.treatment)
            )
            gains = treatment - base
            assert cell.delta == pytest.approx(gains.mean())
            assert cell.deltas == pytest.approx(tuple(gains.mean(axis=1)))
            assert cell.e1.t.p == pytest.approx(stats.ttest_1samp(gains.mean(axis=1), 0).pvalue, rel=1e-6)
            assert cell.e1.p >= cell.e1.t.p
    better, other = result.loss.contrasts
    assert better.aggregate.delta < 0  # less is better
    assert better.aggregate.verdict == "better"
    assert other.aggregate.verdict == "inconclusive"
    assert [(one.task, one.bits_per_byte) for one in result.arms[0].loss] == [
        (task, pytest.approx(sum(r.nats for r in losses() if r.columns.arm == "lora" and r.columns.task == task)
                             / math.log(2) / (6 * 2000)))
        for task in TASKS
    ]  # fmt: skip


def test_no_mean_of_it_is_a_primary_test_that_escapes_the_family(result):
    first = result.loss.contrasts[0].aggregate
    assert first.family_p >= first.adjusted_p
    barely = with_losses(
        result.model_copy(update={"loss": None}), losses(gain=0.0003), SPECS, Origin({"made": "here"}), QUICK
    )
    mean = barely.loss.contrasts[0].aggregate
    assert mean.adjusted_p < 0.05 < mean.family_p  # a primary test would call this better
    assert mean.verdict == "inconclusive"


def test_a_contrast_without_losses_is_left_out(scored):
    found = with_losses(scored, losses(arms=ARMS[:2]), SPECS, Origin({"made": "here"}), QUICK)
    assert [one.treatment for one in found.loss.contrasts] == ["talan+lora"]
    assert found.arms[2].loss is None
    assert loss_table(View(found, 1)).rows == ()


def test_every_face_shows_the_table_in_thousandths(result):
    cell = result.loss.contrasts[0].cells[0]
    shown = f"{1000 * cell.delta:+.2f}"
    for text in (markdown.render(result), page.render(result), latex.render(result).replace("$-$", "-")):
        assert "millinats per token of the reference solutions" in text
        assert shown in text
        assert "no rate of right answers" in text
    keys = [part.key for part in details(View(result))]
    assert keys.index("main") < keys.index("loss")
    table = loss_table(View(result))
    assert [row[0] for row in table.rows] == ["gsm", "math", "mean"]
    assert "flips" not in " ".join(column.name for column in table.columns)
    rows = [row for row in csv.DictReader(io.StringIO(delimited.render(result))) if row["unit"] == "nats"]
    assert [float(row["delta"]) for row in rows[:2]] == [one.delta for one in result.loss.contrasts[0].cells]
    assert {row["metric"] for row in rows if row["metric"]} == {"loss"}


def test_it_reads_back_and_a_changed_one_is_refused(result, tmp_path):
    file = tmp_path / "result.json"
    file.write_text(result.to_json())
    assert read_result(file) == result == Result.from_json(result.to_json())
    document = json.loads(result.to_json())
    document["loss"]["contrasts"][0]["cells"][0]["deltas"].pop()
    file.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"loss\.contrasts\.0"):
        read_result(file)
