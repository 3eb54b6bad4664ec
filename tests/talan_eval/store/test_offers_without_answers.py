"""What is taken over where answers may not lie: evaluations that were sealed without them, and trainings."""

from __future__ import annotations

import pytest

from talan_eval.records.adoption import offers
from talan_eval.records.samples import NOT_KEPT
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store


@pytest.fixture
def root(tmp_path):
    store = Store.open(tmp_path / "other", Manifest({"a": 1}, "now"))
    store.seal("train_lora", {"kind": "training"})
    store.seal("eval_silent", {"kind": "evaluation", "answers": NOT_KEPT})
    store.seal("eval_spoken", {"kind": "evaluation"})
    return tmp_path


def test_answers_are_not_taken_where_they_may_not_lie(root):
    assert set(offers(root / "mine").cells) == {"train_lora", "eval_silent", "eval_spoken"}
    assert set(offers(root / "mine", answers=False).cells) == {"train_lora", "eval_silent"}


def test_a_damaged_record_or_directory_offers_no_evaluation(root):
    path = root / "other" / "cells" / "eval_silent.json"
    path.write_text(path.read_text().replace(NOT_KEPT, "no kept"))
    assert set(offers(root / "mine", answers=False).cells) == {"train_lora"}
    (root / "other" / "manifest.json").write_text("{}")
    assert set(offers(root / "mine", answers=False).cells) == {"train_lora"}
