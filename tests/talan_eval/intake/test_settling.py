"""What a request becomes depends on the backbone: its files, and the date where its chat template writes one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from talan_core.backbones.names import MICRO_WEIGHTS
from talan_core.errors import UserError
from talan_core.training.rendering import render_prompt
from talan_eval.generation.prompts import chat_renderer, open_tokenizer
from talan_eval.grid import plan
from talan_eval.intake.prepare import prepare
from talan_eval.requests.compare import CompareRequest

DATED = "<|im_start|>system\nNow: {{ strftime_now('%d %b %Y %H:%M') }}<|im_end|>\n"


def prepared(backbone="micro", **changes):
    asked = {
        "seeds": "1",
        "tasks": "gsm8k_micro",
        "limit": 2,
        "steps": 2,
        "backbone": (str(backbone),),
        "device": "cpu",
    }
    return prepare(CompareRequest(**{**asked, "out": Path("nowhere"), **changes}))


def names(asked):
    runs = plan(asked.experiment)
    return {run.cell_id for run in runs}, {cell.cell_id for run in runs for cell in run.evaluations}


@pytest.fixture
def dated(tmp_path):
    model = shutil.copytree(MICRO_WEIGHTS, tmp_path / "model")
    template = model / "chat_template.jinja"
    template.write_text(DATED + template.read_text())
    return model


def test_a_date_is_part_of_the_identity_where_the_template_writes_one(dated):
    usual, other = prepared(dated), prepared(dated, template_date="2025-01-31")
    assert usual.experiment.tasks[0].generation.template_date == "2024-07-26"
    assert "date=2024-07-26" in usual.experiment.tasks[0].version  # the signature of the result shows it
    assert not names(usual)[0] & names(other)[0]  # it is trained with the date, too
    assert not names(usual)[1] & names(other)[1]
    plain = [prepared(dated, no_chat_template=True, template_date=date) for date in (None, "2025-01-31")]
    assert names(plain[0]) == names(plain[1])


def test_a_date_changes_nothing_where_the_template_writes_none():
    usual, other = prepared(), prepared(template_date="2025-01-31")
    assert usual.experiment == other.experiment
    assert usual.experiment.tasks[0].generation.template_date is None


def test_training_and_answering_write_the_same_date(dated):
    assignment = prepared(dated, template_date="2025-01-31").assignments[0]
    tokenizer = open_tokenizer(assignment.revision, assignment.generation)
    trained = render_prompt(tokenizer, "2+2=")
    asked = chat_renderer(tokenizer, assignment.generation)([{"role": "user", "content": "2+2="}])
    assert trained == asked
    assert "Now: 31 Jan 2025 00:00" in asked


@pytest.mark.parametrize("date", ["today", "2024-7-26", "2024-02-30", "20240726"])
def test_what_is_no_date_is_refused(date):
    with pytest.raises(UserError, match="--template-date"):
        prepared(template_date=date)


def test_an_unknown_backend_is_named_with_what_to_type():
    with pytest.raises(UserError, match="backend 'transformer'"):
        prepared(backend="transformer")


def test_changed_files_of_a_backbone_make_every_cell_new(tmp_path):
    model = shutil.copytree(MICRO_WEIGHTS, tmp_path / "model")
    before = names(prepared(model))
    (model / "README.md").write_text("other words")
    assert names(prepared(model)) == before
    for file, old, new in (
        ("config.json", "rope_theta", '"rope_theta": 500.0, "was"'),
        ("generation_config.json", "use_cache", '"max_new_tokens": 20, "use_cache"'),
    ):
        text = (model / file).read_text()
        assert f'"{old}"' in text
        (model / file).write_text(text.replace(f'"{old}"', new))
        after = names(prepared(model))
        assert not before[0] & after[0]
        assert not before[1] & after[1]
        (model / file).write_text(text)


def test_one_backbone_under_two_names_is_refused(tmp_path):
    model = shutil.copytree(MICRO_WEIGHTS, tmp_path / "model")
    with pytest.raises(UserError, match="are the same files"):
        prepare(CompareRequest(backbone=("micro", str(model)), seeds="1", limit=2, tasks="gsm8k_micro", device="cpu"))


def test_what_answers_is_named_in_the_experiment():
    answering = prepared().experiment.backbones[0].answering
    assert answering["backend.name"] == "transformers"
    assert answering["backend.dtype"] == "float32"
    assert {"lm-eval", "grading", "backend.version", "backend.attention"} <= answering.keys()
    assert "lm-eval" not in prepared().experiment.versions
