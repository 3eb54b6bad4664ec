"""``talan-eval runs`` on directories that were made without models."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.grid import plan
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.failures import Failure
from talan_eval.store.records import Manifest, sealed_json
from talan_eval.store.reports import write_reports
from talan_eval.store.store import Store

TASK = TaskSpec(
    name="a", version="1:0", metric="exact_match", grader="number", n_items=3, n_train=9, items_hash="i",
    train_hash="t", runs_code=False,
)  # fmt: skip
ASKED = Experiment(
    backbones=(
        TunedBackbone(
            identity=BackboneIdentity(name="micro", commit=None, sha256="0", note=""), training={}, operating_point={},
            eval_batch=8,
        ),
    ),
    arms=("lora", "talan+lora"), contrasts=(ContrastSpec("lora", "talan+lora"),), seeds=(0, 1), tasks=(TASK,),
    train=(TrainingSource(name="a", n_train=9, train_hash="t"),), device="cpu", versions={},
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
    assert lines[2].split() == ["?", "0", "other", "version", "2025-01-01T00:00:00+00:00", "two"]
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


@pytest.fixture
def reported(root):
    """Return an experiment with reports, and a function that writes them again."""
    store = Store.load(root / "one")
    files = {"result.json": b"{}", "report.md": b"# so"}
    write_reports(store.directory, files, store.record_hashes())
    return store


def test_verify_notices_a_record_that_was_removed_after_the_reports(root, reported):
    assert "3 sound, 0 damaged" in talan_eval("verify", root)
    (name,) = [one for one in reported.record_names() if one.startswith("eval")]
    (reported.directory / "cells" / f"{name}.json").unlink()
    assert f"Cell {name} counts as missing: its record was removed" in talan_eval("verify", root, code=1)
    write_reports(reported.directory, {"result.json": b"{}"}, reported.record_hashes())
    assert "2 sound, 0 damaged" in talan_eval("verify", root)


def test_verify_notices_a_record_in_the_place_of_another_one(root, reported):
    """Whole by its own checksum, as one that was copied from another directory is."""
    (name,) = [one for one in reported.record_names() if one.startswith("eval")]
    path = reported.directory / "cells" / f"{name}.json"
    record = reported.record(name)
    path.write_bytes(dataclasses.replace(record, data=record.data | {"score": 1}).to_bytes())
    shown = talan_eval("verify", root, code=1)
    assert f"Cell {name} has another record than the one that the reports were made from" in shown
    assert "counts as missing" not in shown


def test_a_seal_of_an_earlier_version_names_records_without_hashes(root, reported):
    described = [{"name": "report.md", "sha256": hashlib.sha256(b"# so").hexdigest(), "size": 4}]
    seal = reported.directory / "reports.json"
    seal.write_bytes(sealed_json({"cells": sorted(reported.record_names()), "files": described}))
    assert "3 sound, 0 damaged" in talan_eval("verify", root)
    seal.write_bytes(sealed_json({"cells": ["eval_gone"], "files": described}))
    assert "Cell eval_gone counts as missing" in talan_eval("verify", root, code=1)


@pytest.mark.parametrize("named", ["../one/manifest.json", "/dev/zero", 5, ""])
def test_a_seal_names_files_beside_it(root, reported, named):
    described = [{"name": named, "sha256": hashlib.sha256(b"").hexdigest(), "size": 0}]
    (reported.directory / "reports.json").write_bytes(sealed_json({"cells": {}, "files": described}))
    assert "its reports cannot be checked" in talan_eval("verify", root, code=1)


@pytest.mark.parametrize("name", ["result.json", "report.md"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"[]"), Path.unlink])
def test_verify_notices_a_report_that_is_not_what_was_written(root, reported, name, damage):
    damage(reported.directory / name)
    assert f"Report {name} is damaged" in talan_eval("verify", root, code=1)


@pytest.mark.parametrize("content", ["{}", "[]", "[" * 100_000, '{"sha256": 1}'])
def test_verify_notices_a_damaged_seal(root, reported, content):
    (reported.directory / "reports.json").write_text(content)
    assert "its reports cannot be checked" in talan_eval("verify", root, code=1)


def test_verify_looks_into_results_that_an_earlier_version_did_not_seal(root, reported):
    (reported.directory / "reports.json").unlink()
    assert "Report result.json is damaged" in talan_eval("verify", root, code=1)
    shutil.copy(Path(__file__).parents[3] / "tests" / "data" / "result_schema_1.json", root / "one" / "result.json")
    shown = talan_eval("verify", root, code=1)
    assert shown.count("there is a result, and its record was removed") == 2  # one has its record, one was given up
    (root / "one" / "result.json").unlink()
    assert "3 sound, 0 damaged" in talan_eval("verify", root)


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
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"manifest\.json is not one of an experiment, here or one level below"):
        talan_eval(tmp_path)
    with pytest.raises(UserError, match="it is a file"):
        talan_eval(tmp_path / "manifest.json")


def newer(content, **changes):
    """Seal a manifest again as a later version might write it."""
    return sealed_json(content | changes).decode()


def put(text):
    return lambda path: (path / "manifest.json").write_text(text)


def change(**changes):
    def apply(path):
        content = json.loads((path / "manifest.json").read_text())
        del content["sha256"]
        (path / "manifest.json").write_text(newer(content, **changes))

    return apply


def next_schema(monkeypatch):
    def apply(path):
        monkeypatch.setattr("talan_eval.store.records.SCHEMA", 2)
        change()(path)
        monkeypatch.undo()

    return apply


def replace_by(name, make):
    def apply(path):
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
        make(path / name)

    return apply


def loop(path):
    path.symlink_to(path.name)


STRANGERS = {
    "a manifest of another program": (put('{"command": "calibrate"}'), "foreign", "not one of an experiment"),
    "a list": (put("[1]"), "foreign", "not one of an experiment"),
    "a manifest that was cut off": (put('{"created": "2026'), "damaged", "it is not JSON"),
    "no text": (lambda path: (path / "manifest.json").write_bytes(b"\xff\x00"), "damaged", "it is not JSON"),
    "deep nesting": (put("[" * 100_000), "damaged", "it is not JSON"),
    "a changed byte": (
        lambda path: (path / "manifest.json").write_text((path / "manifest.json").read_text().replace("2026", "2025")),
        "damaged",
        "checksum does not fit",
    ),
    "another type of field": (change(experiment=["lora"]), "other version", "no field 'experiment'"),
    "a time as a number": (change(created=3), "other version", "no field 'created'"),
    "an empty directory": (lambda path: (shutil.rmtree(path), path.mkdir()), "foreign", "no manifest.json"),
    "a manifest that is a directory": (replace_by("manifest.json", Path.mkdir), "foreign", "is no file"),
    "a manifest that is a pipe": (replace_by("manifest.json", os.mkfifo), "foreign", "is no file"),
    "a manifest that links to itself": (replace_by("manifest.json", loop), "unreadable", "symbolic links"),
    "cells that are a file": (replace_by("cells", Path.touch), "damaged", "cells is no directory"),
    "cells that link nowhere": (
        replace_by("cells", lambda path: path.symlink_to("gone")), "damaged", "cells is no directory",
    ),
    "samples that link to themselves": (replace_by("samples", loop), "unreadable", "samples: "),
}  # fmt: skip


def make_strange(root, deed):
    """Copy the sound experiment to a directory between the two others, and do something to it."""
    path = root / "strange"
    shutil.copytree(root / "one", path)
    deed(path)


def check_strange(root, state, reason, *, sound):
    """The row says it, the other rows and their order stay, and verify answers for what it could not check."""
    lines = talan_eval(root).splitlines()
    assert [line.split("2026")[0].split("2025")[0].split()[:3] for line in lines[1:]] == [
        ["1/4", "1", "incomplete"], ["?", "?", state.split()[0]], ["?", "0", "other"],
    ]  # fmt: skip
    assert f"?  {state}  " in lines[2]
    assert reason in lines[2].split("strange (")[1]
    checked = talan_eval("verify", root, code=0 if sound else 1)
    assert [line.split(": ")[0] for line in checked.splitlines()[:3]] == [
        str(root / name) for name in ("one", "strange", "two")
    ]
    assert f"strange: {state}, not checked: " in checked
    assert "3 sound, 0 damaged" in checked
    assert "Nothing to remove" in talan_eval("gc", root)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_foreign_or_damaged_directory_is_one_row_and_never_the_end_of_the_listing(root, name):
    deed, state, reason = STRANGERS[name]
    make_strange(root, deed)
    check_strange(root, state, reason, sound=state == "foreign")
    with pytest.raises(UserError, match="no experiment" if state == "foreign" else "cannot be listed"):
        talan_eval(root / "strange")


def test_an_experiment_of_a_newer_schema_is_one_row(root, monkeypatch):
    make_strange(root, next_schema(monkeypatch))
    check_strange(root, "other version", "it has schema 2, and this version reads 1", sound=False)


def test_a_directory_that_may_not_be_read_is_one_row_and_not_taken_for_an_empty_one(root, monkeypatch):
    make_strange(root, lambda _: None)
    names = Path.iterdir

    def guarded(path):
        if path == root / "strange" / "cells":
            raise PermissionError(13, "Permission denied")
        return names(path)

    monkeypatch.setattr(Path, "iterdir", guarded)
    check_strange(root, "unreadable", "cells: Permission denied", sound=False)


def test_names_cannot_end_a_line_or_steer_the_terminal(root):
    shutil.copytree(root / "one", root / "line\nbreak \x1b[31m red é")
    (root / os.fsdecode(b"no text \xff")).mkdir()
    for shown in (talan_eval(root), talan_eval("verify", root)):
        assert "line\\nbreak \\x1b[31m red é" in shown
        assert "no text \\udcff" in shown
        assert "\x1b" not in shown


def test_links_that_lead_nowhere_are_rows_and_files_and_hidden_directories_are_not(root):
    loop(root / "round")
    (root / "gone").symlink_to("nowhere")
    (root / "README.md").write_text("# Results")
    (root / ".cache").mkdir()
    names = [line.split("  ")[-1].strip() for line in talan_eval(root).splitlines()[1:]]
    assert [name.split(" (")[0].split("+00:00")[-1] for name in names] == ["gone", "one", "round", "two"]


def test_the_committed_study_of_intervals_is_a_foreign_row(root):
    shutil.copytree(Path(__file__).parents[3] / "results" / "calibration", root / "calibration")
    assert "foreign" in talan_eval(root).splitlines()[1]
    assert "calibration: foreign, not checked" in talan_eval("verify", root)


def test_a_result_without_cells_is_a_row_of_its_own_and_nothing_to_check(root):
    alone = root / "strange"
    alone.mkdir()
    (alone / "result.json").write_text("{}", encoding="utf-8")
    check_strange(root, "result only", "without cells, of logs or archived", sound=True)
    (alone / "cells").mkdir()  # the control: what has cells and no manifest is not taken for it
    assert "?  foreign" in talan_eval(root)
