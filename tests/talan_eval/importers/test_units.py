"""Logged metrics that are no shares of right answers, and answers of which several make one score."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from talan_core.errors import UserError


def rows(seed, arm, **more):
    draw = np.random.default_rng((seed, arm == "treat"))
    loss = 2 + draw.random(12) - 0.5 * (arm == "treat")
    right = draw.integers(0, 2, 12).tolist()
    return [
        {"acc": float(good), "loss": float(value), "bleu": 40 + float(value), "err": float(value), **more}
        for good, value in zip(right, loss, strict=True)
    ]


@pytest.fixture
def logs(run, tmp_path):
    for seed in range(5):
        for arm in ("base", "treat"):
            run(f"{arm}/seed{seed}", {"task": rows(seed, arm), "other": rows(seed + 9, arm)}, lower=("err",))
    return tmp_path / "base", tmp_path / "treat"


def test_a_loss_is_in_nats_and_less_of_it_is_better(compared, logs):
    got = compared(*logs, metric=("loss",)).result
    cell = got.contrasts[0].cells[1]
    assert (got.measure.unit, got.measure.higher_is_better, got.measure.lower) == ("nats", False, None)
    assert 1 < cell.base_mean < 3
    assert cell.delta == pytest.approx(np.mean([[r["loss"] for r in rows(s, "treat")] for s in range(5)])
                                       - np.mean([[r["loss"] for r in rows(s, "base")] for s in range(5)]))  # fmt: skip
    assert (cell.delta < 0, got.contrasts[0].aggregate.verdict) == (True, "better")


def test_a_metric_of_no_known_unit_is_refused_with_what_to_type(compared, logs):
    with pytest.raises(UserError) as caught:
        compared(*logs, metric=("bleu",))
    said = str(caught.value)
    assert "not a score from 0 to 1" in said
    option = shlex.split(re.search(r"--unit \S+", said)[0])
    assert option == ["--unit", "bleu=UNIT"]
    got = compared(*logs, metric=("bleu",), unit=("bleu=BLEU:0:100",)).result
    assert (got.measure.unit, got.measure.upper, got.measure.higher_is_better) == ("BLEU", 100, True)
    assert compared(*logs, metric=("bleu",), unit=("bleu=BLEU",)).result.measure.upper is None


def test_a_direction_is_that_of_the_log_or_the_users(compared, logs):
    assert not compared(*logs, metric=("err",), unit=("err=mm",)).result.measure.higher_is_better
    got = compared(*logs, metric=("bleu",), unit=("bleu=edits",), less_is_better=("bleu",)).result
    assert not got.measure.higher_is_better


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unit": ("bleu",)}, "says no unit"),
        ({"unit": ("bleu=",)}, "says no unit"),
        ({"unit": ("bleu=BLEU:0",)}, "says no unit"),
        ({"unit": ("bleu=BLEU:9:1",)}, "says no unit"),
        ({"unit": ("bleu=BLEU:0:inf",)}, "says no unit"),
        ({"unit": ("blue=BLEU",)}, "Did you mean 'bleu'"),
        ({"less_is_better": ("errs",)}, "Did you mean 'err'"),
        ({"metric": ("bleu",), "unit": ("bleu=BLEU:0:41",)}, "not a number of BLEU from 0 to 41"),
        ({"metric": ("task=loss", "other=acc")}, r"(?s)measured in different ways.*--tasks other"),
    ],
)
def test_units_that_were_typed_wrongly(compared, logs, options, says):
    with pytest.raises(UserError, match=says):
        compared(*logs, **options)


def test_answers_of_one_checkpoint_make_its_pass_at_k(compared, run, tmp_path):
    answers = {"base": ("1010", "0101", "0000"), "treat": ("1100", "1100", "0011")}
    for arm, texts in answers.items():
        for sample, text in enumerate(texts):
            run(f"{arm}/try{sample}", {"task": [{"acc": float(letter), "n": float(sample)} for letter in text]})
    both = tmp_path / "base", tmp_path / "treat"
    got = compared(*both, trial_axis="sample", reduce="pass@3").result.contrasts[0].cells[0]
    assert (got.metric, got.base_mean, got.treat_mean) == ("acc pass@3", 100, 100)  # each has every item right once
    two = compared(*both, trial_axis="sample", reduce="pass@2").result.contrasts[0].cells[0]
    assert (two.base_mean, two.treat_mean) == (pytest.approx(200 / 3), pytest.approx(100 * (1 + 1 + 2 / 3 + 2 / 3) / 4))
    with pytest.raises(UserError, match="--reduce pass@3"):
        compared(*both, trial_axis="sample", reduce="pass@9")
