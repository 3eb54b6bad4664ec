"""Checkpoints know what they hold, and cells are taken from siblings only when they are sound."""

from __future__ import annotations

import errno
import os

import pytest

from talan_core.errors import UserError
from talan_eval.store.failures import Failure
from talan_eval.store.records import CorruptedError, Manifest
from talan_eval.store.store import Store

ASKED = Manifest({"a": 1}, "now")


@pytest.fixture
def sibling(tmp_path):
    store = Store.open(tmp_path / "first", ASKED)
    with store.checkpoint_dir("train") as directory:
        (directory / "deep").mkdir()
        (directory / "deep" / "weights").write_bytes(b"123")
        (directory / "config.json").write_bytes(b"{}")
    store.seal("train", {"seconds": 1.0})
    store.seal("eval", {"score": 1.0}, {"task/eval.jsonl": b'{"answer": "12"}\n'})
    return store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "second", Manifest({"a": 2}, "now"))


def test_a_whole_checkpoint_is_sound(sibling):
    sibling.check_checkpoint("train")
    assert sibling.checkpoint_names() == ["train"]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "index"])
def test_a_damaged_checkpoint_is_named(sibling, damage):
    path = sibling.checkpoint("train") / ("checkpoint.json" if damage == "index" else "deep/weights")
    if damage == "remove":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"flip": b"124", "cut": b"12", "index": whole[:-9]}[damage])
    with pytest.raises(CorruptedError, match=path.name):
        sibling.check_checkpoint("train")


def refuse_links(monkeypatch):
    def another_disk(_source, _target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another_disk)


@pytest.mark.parametrize("links", [True, False])
def test_cells_and_checkpoints_are_adopted(sibling, store, links, monkeypatch):
    if not links:
        refuse_links(monkeypatch)
    store.adopt_checkpoint("train", sibling.directory)
    record = store.adopt("eval", sibling.directory)
    assert record.adopted_from == "first"
    assert store.finished() == {"eval": record}
    store.check_checkpoint("train")
    paths = [(s.payload_path("task/eval.jsonl"), s.checkpoint("train") / "deep" / "weights") for s in (sibling, store)]
    for theirs, ours in zip(*paths, strict=True):
        assert theirs.read_bytes() == ours.read_bytes()
        assert theirs.samefile(ours) == links


def test_the_first_origin_stays_named(sibling, store, tmp_path):
    store.adopt("eval", sibling.directory)
    third = Store.open(tmp_path / "third", Manifest({"a": 3}, "now"))
    assert third.adopt("eval", store.directory).adopted_from == "first"


def test_deleting_the_sibling_leaves_what_was_adopted(sibling, store):
    store.adopt("eval", sibling.directory)
    sibling.payload_path("task/eval.jsonl").unlink()
    assert set(store.finished()) == {"eval"}


@pytest.mark.parametrize("links", [True, False])
def test_damaged_work_is_not_adopted_and_leaves_nothing(sibling, store, links, monkeypatch):
    if not links:
        refuse_links(monkeypatch)
    sibling.payload_path("task/eval.jsonl").write_bytes(b'{"answer": "13"}\n')
    (sibling.checkpoint("train") / "deep" / "weights").write_bytes(b"124")
    for adopt, name in ((store.adopt, "eval"), (store.adopt_checkpoint, "train"), (store.adopt, "unknown")):
        with pytest.raises(CorruptedError):
            adopt(name, sibling.directory)
    assert store.finished() == {}
    assert store.checkpoint_names() == []
    assert [path for path in store.directory.rglob("*") if path.name.startswith(".tmp-")] == []


def test_sealing_forgets_the_journal_and_the_failure(store):
    store.journal("eval", {"plan": 1}).append({"batch": 0})
    store.fail(Failure("eval", "lora", 0, "task", "error", "it broke", "Traceback", 2))
    assert store.failures()["eval"].name == "lora seed 0 on task"
    store.seal("eval", {})
    assert store.failures() == {}
    assert list((store.directory / "running").iterdir()) == []


def test_a_damaged_failure_counts_for_nothing(store):
    store.fail(Failure("eval", "lora", 0, "task", "error", "it broke", "Traceback", 2))
    (store.directory / "failures" / "eval.json").write_bytes(b"{")
    assert store.failures() == {}


def test_the_directory_is_held_while_what_is_missing_is_found_out(store):
    with (
        Store.held(store.directory, Manifest({"a": 2}, "now")),
        pytest.raises(UserError, match="Another process is writing"),
        Store.held(store.directory, Manifest({"a": 2}, "now")),
    ):
        pass
