"""``talan-eval runs`` on directories that were made without models."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.experiment import BackboneIdentity, Experiment, TaskIdentity, TrainingSource
from talan_eval.grid import plan
from talan_eval.store.failures import Failure
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

TASK = TaskIdentity(
    name="a", version="1:0", metric="exact_match", grader="number", n_items=3, n_train=9, items_hash="i",
    train_hash="t", runs_code=False,
)  # fmt: skip
ASKED = Experiment(
    backbone=BackboneIdentity(name="micro", commit=None, sha256="0", note=""), base="lora", treat="talan+lora",
    seeds=(0, 1), tasks=(TASK,), train=(TrainingSource(name="a", n_train=9, train_hash="t"),), training={},
    operating_point={}, eval_batch=8, device="cpu", versions={},
)  # fmt: skip


def talan_eval(*words, code=0):
    done = CliRunner().invoke(app, ["runs", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def root(tmp_path):
    store = Store.open(tmp_path / "one", Manifest(ASKED.to_json(), "2026-01-01T00:00:00+00:00"))
    first, second, third, _ = plan(ASKED)
    with store.checkpoint_dir(first.cell_id) as directory:
        (directory / "adapter.safetensors").write_bytes(b"1" * 2**20)
    store.seal(first.cell_id, {})
    store.seal(first.evaluations[0].cell_id, {}, {"a/x.jsonl": b"{}\n"})
    store.journal(second.evaluations[0].cell_id, {})
    store.fail(Failure(third.cell_id, "lora", 1, "", "error", "it broke", "Traceback", 2))
    Store.open(tmp_path / "two", Manifest({"arms": 2}, "2025-01-01T00:00:00+00:00"))
    return tmp_path


def test_experiments_are_listed_with_their_status(root):
    lines = talan_eval(root).splitlines()
    assert lines[1].split() == ["1/4", "1", "incomplete", "2026-01-01T00:00:00+00:00", "one"]
    assert lines[2].split() == ["?", "0", "unreadable", "2025-01-01T00:00:00+00:00", "two"]
    assert talan_eval("list", root).splitlines() == lines


def test_the_cells_of_one_are_listed(root):
    lines = [line.split() for line in talan_eval(root / "one").splitlines()[1:]]
    assert [line[:2] for line in lines] == [
        ["finished", "training"], ["finished", "a"],
        ["missing", "training"], ["running", "a"],
        ["failed", "training"], ["failed", "a"],
        ["missing", "training"], ["missing", "a"],
    ]  # fmt: skip


def test_a_running_experiment_is_shown_as_one(root):
    store = Store.load(root / "one")
    with store.lock():
        assert "running" in talan_eval(root).splitlines()[1]


def test_verify_is_quiet_about_sound_files_and_names_damaged_ones(root):
    assert "3 sound, 0 damaged" in talan_eval("verify", root)
    store = Store.load(root / "one")
    name = store.checkpoint_names()[0]
    (store.checkpoint(name) / "adapter.safetensors").write_bytes(b"2" * 2**20)
    store.payload_path("a/x.jsonl").write_bytes(b"[]\n")
    shown = talan_eval("verify", root, code=1)
    assert "adapter.safetensors was changed" in shown
    assert "x.jsonl was changed" in shown
    assert "1 sound, 2 damaged" in shown


def test_gc_removes_nothing_without_yes_and_keeps_what_is_needed(root):
    store = Store.load(root / "one")
    assert "Nothing to remove" in talan_eval("gc", root)
    assert "1.0 MB could be removed" in talan_eval("gc", root, "--finished")
    assert len(store.checkpoint_names()) == 1
    assert "1.0 MB removed" in talan_eval("gc", root, "--finished", "--yes")
    assert store.checkpoint_names() == []


def test_no_experiment_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match="no experiment"):
        talan_eval(tmp_path)
