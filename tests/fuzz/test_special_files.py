"""Pipes, sockets and devices in place of files, and names that no file has: one error each, and no waiting."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from talan_core.bounded import NotRegularError, open_regular, read_bounded
from talan_core.errors import UserError
from talan_core.stored import read_tensors
from talan_core.training.sources import read_lines
from talan_eval.cli.compare import CompareRequest
from talan_eval.cli.main import main
from talan_eval.pipeline.must_pass import _wanted
from talan_eval.records.listing import Unlisted, look_at
from talan_eval.requests.experiment_file import read_options
from talan_eval.result.reading import read_result, read_scores
from talan_eval.store.atomic import atomic_write_bytes, sha256_of
from talan_eval.store.journal import Journal
from talan_eval.store.ledger import Ledger
from talan_eval.store.lock import holder_of, holder_record
from talan_eval.store.records import CorruptedError, Manifest, sealed_json
from talan_eval.store.reports import report_problems
from talan_eval.store.store import Store
from talan_eval.tasks.datafiles.local import DataFile, read_rows

from .logs import ROWS, meaning

RESULT = Path(__file__).parents[1] / "data" / "result_schema_1.json"
TABLE = "".join(json.dumps(row) + "\n" for row in ROWS)
PLACES = {
    "result": ("result.json", read_result),
    "result's directory": ("r/result.json", lambda path: read_result(path.parent)),
    "must pass": ("must.txt", lambda path: list(_wanted(path))),
    "options": ("e.toml", lambda path: read_options(path, CompareRequest)),
    "data": ("rows.jsonl", lambda path: read_rows(DataFile(path, 1, ()))),
    "training data": ("train.jsonl", lambda path: list(read_lines(path))),
    "tensors": ("adapter_model.safetensors", read_tensors),
    "journal": ("running/cell.jsonl", lambda path: Journal.open(path, {})),
    "ledger": ("ledger.jsonl", lambda path: Ledger(path.parent).read()),
    "log": ("log.jsonl", meaning),
    "table": ("d/x.csv", lambda path: meaning(path.parent)),
    "tabs": ("d/x.tsv", lambda path: meaning(path.parent)),
    "lines": ("d/x.jsonl", lambda path: meaning(path.parent)),
    "columns": ("d/x.parquet", lambda path: meaning(path.parent)),
    "details": ("d/details_t_2026-01-02T03-04-05.parquet", lambda path: meaning(path.parent)),
    "document": ("d/x.json", lambda path: meaning(path.parent)),
    "export": ("d/x.table.json", lambda path: meaning(path.parent)),
    "samples": ("d/samples_t_2026-11-24T21-02-24.236824.jsonl", lambda path: meaning(path.parent)),
    "results": ("d/results_2026-11-24T21-02-24.236824.json", lambda path: meaning(path.parent)),
    "archive": ("d/x.eval", lambda path: meaning(path.parent)),
}


def socket_at(path):
    there = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have a hundred letters
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(there)


MAKERS = {"pipe": os.mkfifo, "socket": socket_at, "device": lambda path: path.symlink_to("/dev/zero")}


@contextlib.contextmanager
def at_once():
    """Interrupt a reader that waits."""

    def late(*_):
        raise AssertionError("it waits for somebody who writes")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_file_is_one_error_that_names_it(name, kind, tmp_path):
    place, read = PLACES[name]
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    if path.parent.name == "d":
        (path.parent / "a.jsonl").write_text(TABLE)
    MAKERS[kind](path)
    with at_once(), pytest.raises(UserError) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert kind in str(caught.value)


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "experiment", Manifest({"name": "x"}, "2026-01-02T03:04:05+00:00"))


def test_a_record_that_is_a_pipe_is_damage(store):
    os.mkfifo(store.directory / "cells" / "eval_a.json")
    with at_once():
        (problem,) = store.verify().problems
    assert "eval_a" in problem
    assert "a pipe" in problem


def test_a_payload_that_is_a_pipe_is_damage(store):
    store.seal("eval_a", {"kind": "evaluation"}, {"a.jsonl": b'{"a": 1}\n'})
    path = store.payload_path("a.jsonl")
    path.unlink()
    os.mkfifo(path)
    with at_once():
        assert store.verify().records == {}
        with pytest.raises(NotRegularError):
            sha256_of(path)


def test_a_manifest_that_is_a_pipe_is_no_experiment(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    with at_once():
        assert isinstance(look_at(tmp_path), Unlisted)
        with pytest.raises(UserError, match="manifest"):
            Store.load(tmp_path)


def sealed(name, size=0, digest="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"):
    return sealed_json({"cells": [], "files": [{"name": name, "sha256": digest, "size": size}]})


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "../secret", "a/../../secret", 5, None, [], "", "x" * 300])
def test_a_seal_vouches_for_files_of_its_own_directory_alone(name, tmp_path):
    (tmp_path / "secret").write_bytes(b"")
    directory = tmp_path / "experiment"
    directory.mkdir()
    (directory / "reports.json").write_bytes(sealed(name))
    with at_once():
        (problem,) = report_problems(directory, ())
    assert "reports.json is damaged" in problem
    (directory / "result.json").write_bytes(b"")
    (directory / "reports.json").write_bytes(sealed("result.json"))
    assert list(report_problems(directory, ())) == []


def test_a_seal_or_a_report_that_is_no_file_is_damage(tmp_path):
    os.mkfifo(tmp_path / "reports.json")
    with at_once():
        (problem,) = report_problems(tmp_path, ())
    assert "reports.json is damaged" in problem
    (tmp_path / "reports.json").unlink()
    (tmp_path / "reports.json").write_bytes(sealed("result.json"))
    (tmp_path / "result.json").symlink_to("/dev/zero")
    with at_once():
        (problem,) = report_problems(tmp_path, ())
    assert "result.json is damaged" in problem
    (tmp_path / "reports.json").write_bytes(sealed_json({"cells": ["a", 5], "files": []}))
    (problem,) = report_problems(tmp_path, ())
    assert "reports.json is damaged" in problem


def holder(**changes):
    return json.dumps({**json.loads(holder_record()), **changes}).encode()


HOLDERS = {
    "a large process": holder(pid=10**30),
    "a process of 5,000 digits": holder().replace(b'"pid": ', b'"pid": ' + b"9" * 5000),
    "all processes": holder(pid=-1),
    "its own group": holder(pid=0),
    "a process that is true": holder(pid=True),
    "a process that is a text": holder(pid="1"),
    "brackets": b"[" * 100_000,
    "a list": b"[1]",
    "a number": b"5",
    "no host": b'{"pid": 1, "since": "x"}',
    "a long host": holder(host="h" * 3000),
    "bytes": b"\xff\xfe",
    "much": b" " * 2**20 + holder(),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_holder_that_nobody_wrote_is_nobody(name, tmp_path):
    (tmp_path / ".lock-holder.json").write_bytes(HOLDERS[name])
    assert holder_of(tmp_path) == ""


def test_a_holder_is_named_and_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / ".lock-holder.json"
    path.write_bytes(holder_record())
    assert holder_of(tmp_path).startswith(f"process {os.getpid()} on ")
    path.unlink()
    os.mkfifo(path)
    with at_once():
        assert holder_of(tmp_path) == ""


def test_a_stream_that_was_typed_is_read_and_one_that_was_found_is_not():
    reader, writer = os.pipe()
    try:
        os.write(writer, b"gsm8k item\n")
        os.close(writer)
        typed = Path(f"/dev/fd/{reader}")
        with at_once(), pytest.raises(NotRegularError):
            open_regular(typed)
        with at_once(), pytest.raises(NotRegularError):
            read_bounded(Path("/dev/zero"), 10, typed=True)
        assert list(_wanted(typed)) == [("gsm8k", "item")]
    finally:
        os.close(reader)


def test_a_result_may_come_through_a_pipe():
    command = [sys.executable, "-m", "talan_eval.cli.main", "gate", "/dev/stdin", "--margin", "1"]
    piped = subprocess.run(
        command, input=RESULT.read_bytes(), capture_output=True, check=False, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert piped.returncode in {0, 1, 3}, piped.stderr.decode()
    assert piped.stdout


NAMES = {"300 letters": "n" * 300, "5,000 letters": "n" * 5000, "many directories": "n/" * 2500}
WORDS = {
    "gate": ["gate", "{}", "--margin", "1"],
    "gate against": ["gate", str(RESULT), "--margin", "1", "--against", "{}"],
    "gate must pass": ["gate", str(RESULT), "--margin", "1", "--must-pass", "{}"],
    "gate json": ["gate", str(RESULT), "--margin", "1", "--json", "{}"],
    "report": ["report", "{}"],
    "diff": ["diff", "{}", str(RESULT)],
    "runs": ["runs", "{}"],
    "internals": ["internals", "{}"],
    "merge": ["merge", "{}", "x", "--out", "y"],
    "logs": ["compare-logs", "a={}", "b={}"],
    "pattern": ["compare-logs", "a={}[a-z]*", "b=x"],
    "out": ["compare-logs", "a=x", "b=y", "--out", "{}"],
    "a checkpoint": ["compare", "--base", "lora", "--treat", "mine={}", "--seeds", "2"],
    "a file": ["compare", "{}.toml"],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", WORDS)
def test_a_name_that_no_file_has_is_one_error(command, name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["talan-eval", *(word.replace("{}", NAMES[name]) for word in WORDS[command])])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("Error: ")
    assert "Traceback" not in said
    assert len(said) < 20_000


def test_reading_a_result_of_a_long_name_is_an_error_of_the_user(tmp_path):
    with pytest.raises(UserError, match="There is no result at"):
        read_result(tmp_path / ("n" * 300))
    assert read_scores(tmp_path / ("n" * 300)) is None


def test_a_file_system_without_new_files_is_named():
    if not Path("/proc/self").is_dir():
        pytest.skip("needs /proc")
    with pytest.raises(UserError, match="/proc/x cannot be written"):
        atomic_write_bytes(Path("/proc/x"), b"")


def test_a_damaged_record_of_a_number_is_damage(store):
    store.seal("eval_a", {"kind": "evaluation"}, {"a.jsonl": b'{"a": 1}\n'})
    path = store.directory / "cells" / "eval_a.json"
    content = json.loads(path.read_bytes())
    content.pop("sha256")
    content["files"][0]["name"] = 5
    path.write_bytes(sealed_json({name: value for name, value in content.items() if name != "schema"}))
    with pytest.raises(CorruptedError, match="another type"):
        store.record("eval_a")
