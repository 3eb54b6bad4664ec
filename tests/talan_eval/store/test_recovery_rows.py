"""Rows of docs/design/recovery.md that need no training: limits, stops, kills and disks."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talan_core.errors import UserError
from talan_eval.store import atomic, lock
from talan_eval.store.ledger import EnteredLook, Ledger
from talan_eval.store.lock import exclusive
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

ROOT = Path(__file__).parents[3]
MANIFEST = Manifest({"arms": ["lora"]}, "2026-01-01T00:00:00+00:00")


def python(script, *words, **options):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def sealed(store):
    return {name: store.record(name).to_bytes() for name in store.record_names()}


LIMITED = """
import resource, sys
from pathlib import Path
from talan_core.errors import UserError
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store
store = Store.load(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.seal("large", {}, {"a.jsonl": b"1" * 100_000})
except UserError as error:
    print(error.problem)
"""


def test_a_limit_on_the_size_of_files_is_one_message_and_leaves_nothing_half(tmp_path):
    store = Store.open(tmp_path / "out", MANIFEST)
    store.seal("small", {}, {"b.jsonl": b"{}\n"})
    before = sealed(store)
    said, trace = python(LIMITED, tmp_path / "out").communicate(timeout=60)
    assert "would be larger than files may be here" in said, trace
    with Store.load(tmp_path / "out").lock():
        pass
    assert sealed(store) == before
    assert store.verify().problems == ()
    assert not list((tmp_path / "out").rglob(".tmp-*"))


HOLDER = """
import sys, time
from pathlib import Path
from talan_eval.store.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_holder_that_was_stopped_is_named_and_one_that_was_killed_is_not(tmp_path):
    holder = python(HOLDER, tmp_path)
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(UserError, match=rf"process {holder.pid} on "), exclusive(tmp_path):
        pass
    assert str(holder.pid) in lock.holder_of(tmp_path)
    holder.kill()
    holder.communicate()
    assert lock.holder_of(tmp_path) == ""
    with exclusive(tmp_path):
        pass


def test_the_holder_of_the_ledger_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("talan_eval.store.ledger._PATIENCE_SECONDS", 0.1)
    ledger = Ledger(tmp_path)
    look = EnteredLook("t", "e", "r", "f", "p", "b", (0,))
    with ledger._locked(), pytest.raises(UserError, match=rf"process {os.getpid()} on .* has kept"):
        Ledger(tmp_path).enter(look)
    ledger.enter(look)
    assert not (tmp_path / ".ledger.lock-holder.json").exists()


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "out", MANIFEST)
    store.seal("one", {"seed": 1}, {"a.jsonl": b"{}\n"})
    before = sealed(store)

    class Past(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(1971, 1, 1, tzinfo=tz)

    monkeypatch.setattr(lock.dt, "datetime", Past)
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (2**33, 2**33))  # written in the future, as seen from now
    with Store.held(tmp_path / "out", MANIFEST) as again:
        again.seal("two", {"seed": 2}, {"b.jsonl": b"{}\n"})
        assert again.verify().problems == ()
        assert {name: record for name, record in sealed(again).items() if name == "one"} == before


def test_cells_of_another_file_system_are_copied(tmp_path, monkeypatch):
    one, two = (Store.open(tmp_path / name, MANIFEST) for name in ("one", "two"))
    one.seal("cell", {"seed": 1}, {"a.jsonl": b"{}\n"})
    with one.checkpoint_dir("train") as directory:
        (directory / "adapter.safetensors").write_bytes(b"1" * 100)

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(atomic.os, "link", other_disk)
    two.adopt("cell", one.directory)
    two.adopt_checkpoint("train", one.directory)
    assert two.verify().problems == ()
    two.check_checkpoint("train")
    assert (two.directory / "samples" / "a.jsonl").stat().st_nlink == 1


ADOPTER = """
import sys
from pathlib import Path
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store
manifest = Manifest({"arms": ["lora"]}, "2026-01-01T00:00:00+00:00")
theirs = Path(sys.argv[1])
with Store.held(Path(sys.argv[2]), manifest) as store:
    print("begun", flush=True)
    for name in sorted(Store.load(theirs).record_names()):
        if not store.is_sound(name):
            store.adopt(name, theirs)
    for name in Store.load(theirs).checkpoint_names():
        if store.checkpoint(name) is None:
            store.adopt_checkpoint(name, theirs)
"""


def test_adoption_that_is_killed_anywhere_ends_as_if_it_had_not_been(tmp_path):
    theirs = Store.open(tmp_path / "theirs", MANIFEST)
    for number in range(40):
        theirs.seal(f"cell{number:02}", {"seed": number}, {f"{number}.jsonl": b'{"a": 1}\n' * 50})
    for number in range(4):
        with theirs.checkpoint_dir(f"train{number}") as directory:
            (directory / "adapter.safetensors").write_bytes(bytes([number]) * 200_000)
    before = sealed(theirs)
    kills = 0
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16):
        running = python(ADOPTER, tmp_path / "theirs", tmp_path / "mine")
        running.stdout.readline()
        time.sleep(delay)
        running.kill()
        running.communicate()
        kills += running.returncode == -signal.SIGKILL
        assert Store.load(tmp_path / "mine").verify().problems == ()
        assert sealed(theirs) == before
    done = python(ADOPTER, tmp_path / "theirs", tmp_path / "mine")
    _, trace = done.communicate(timeout=120)
    assert done.returncode == 0, trace
    assert kills >= 4
    mine = Store.load(tmp_path / "mine")
    assert mine.record_names() == theirs.record_names()
    for name in theirs.record_names():
        assert mine.record(name).files == theirs.record(name).files
    for name in theirs.checkpoint_names():
        mine.check_checkpoint(name)
    assert not list(mine.directory.rglob(".tmp-*"))


TERMINATED = """
import sys, time
from talan_eval.cli import main as entry
import typer
app = typer.Typer()
@app.command()
def wait():
    print("waiting", flush=True)
    time.sleep(600)
entry.app = app
sys.argv = ["talan-eval"]
entry.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_scheduler_interrupts_as_a_terminal_does(number):
    running = python(TERMINATED)
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
