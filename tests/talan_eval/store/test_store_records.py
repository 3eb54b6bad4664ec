from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from talan_core.errors import UserError
from talan_eval.store.atomic import temporary_sibling
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

_ASKED = Manifest({"arms": ["lora", "talan+lora"], "seeds": [0, 1]}, "2026-01-01T00:00:00+00:00", {"torch": "2.13.0"})
_ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "run", _ASKED)


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file() and path.name[0] != "."}


def _checkpoints(store: Store) -> list[str]:
    return [path.name for path in (store.directory / "checkpoints").iterdir()]


def _weights(store: Store, cell_id: str) -> bytes | None:
    directory = store.checkpoint(cell_id)
    return None if directory is None else (directory / "weights").read_bytes()


def test_a_new_directory_holds_what_was_asked(store):
    assert Store.load(store.directory).manifest == _ASKED
    assert _files(store.directory) == {"manifest.json"}


def test_the_same_experiment_resumes_and_keeps_the_first_manifest(store):
    later = Manifest(dict(reversed(_ASKED.experiment.items())), "2027-01-01T00:00:00+00:00", {"torch": "3.0"})
    assert Store.open(store.directory, later).manifest == _ASKED


def test_another_experiment_is_refused_by_its_first_difference(store):
    other = Manifest({**_ASKED.experiment, "seeds": [0, 1, 2]}, "x")
    with pytest.raises(UserError, match=r"seeds is \[0,1\] there and \[0,1,2\] in this command") as caught:
        Store.open(store.directory, other)
    assert "--out" in caught.value.fix


def test_a_directory_with_other_things_in_it_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        Store.open(tmp_path, _ASKED)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_leftovers_of_a_killed_first_start_do_not_make_it_foreign(tmp_path):
    temporary_sibling(tmp_path / "manifest.json").write_bytes(b"{")
    (tmp_path / ".lock").write_bytes(b"")
    assert Store.open(tmp_path, _ASKED).manifest == _ASKED
    assert _files(tmp_path) == {"manifest.json"}


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "list"])
def test_a_damaged_manifest_is_refused(store, damage):
    path = store.directory / "manifest.json"
    whole = path.read_bytes()
    damaged = {
        "truncate": whole[:-20],
        "flip": whole.replace(b"talan+lora", b"talan+dora"),
        "empty": b"",
        "list": b"[]",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UserError, match="damaged"):
        Store.open(store.directory, _ASKED)


def test_a_directory_without_manifest_cannot_be_loaded(tmp_path):
    with pytest.raises(UserError, match="holds no experiment"):
        Store.load(tmp_path)
    with pytest.raises(UserError, match="holds no experiment"):
        Store.load(tmp_path / "missing")


def test_a_sealed_cell_is_finished_with_its_hashes(store, tmp_path):
    (tmp_path / "long.jsonl").write_bytes(b'{"i":1}\n{"i":2}\n')
    sealed = store.seal("talan+lora-s0", {"score": 0.5}, {"a/x.jsonl": tmp_path / "long.jsonl", "b.jsonl": b""})
    assert store.finished() == {"talan+lora-s0": sealed}
    assert sealed.data == {"score": 0.5}
    assert [(file.name, file.size, file.lines) for file in sealed.files] == [("a/x.jsonl", 16, 2), ("b.jsonl", 0, 0)]
    assert store.payload_path("a/x.jsonl").read_bytes() == b'{"i":1}\n{"i":2}\n'
    assert (tmp_path / "long.jsonl").exists()


def test_sealing_again_replaces(store):
    store.seal("c", {"n": 1}, {"c.jsonl": b"1\n"})
    store.seal("c", {"n": 2}, {"c.jsonl": b"2\n"})
    assert store.finished()["c"].data == {"n": 2}


@pytest.mark.parametrize("name", ["../x", "", "a/../../x", "/x", "a b", ".hidden", "x" * 300])
def test_names_that_could_leave_the_directory_are_refused(store, name):
    with pytest.raises(ValueError, match="cannot be a name"):
        store.seal("cell", {}, {name: b""})
    with pytest.raises(ValueError, match="cannot be a name"):
        store.seal(name, {})


def test_a_record_without_json_form_is_refused_before_anything_is_written(store):
    with pytest.raises(ValueError, match="JSON"):
        store.seal("c", {"score": float("nan")}, {"c.jsonl": b""})
    assert _files(store.directory) == {"manifest.json"}


@pytest.mark.parametrize("name", ["cells/c.json", "samples/c.jsonl"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "append", "remove"])
def test_damage_to_a_finished_cell_is_reported_and_the_cell_is_missing(store, name, damage):
    store.seal("c", {"score": 1.0}, {"c.jsonl": b'{"answer": "12"}\n'})
    store.seal("d", {"score": 0.0})
    path = store.directory / name
    whole = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"truncate": whole[:-3], "flip": flipped, "append": whole + b"1"}[damage])
    found = store.verify()
    assert set(found.records) == {"d"}
    if (name, damage) == ("cells/c.json", "remove"):
        assert found.problems == ()
    else:
        assert len(found.problems) == 1
        assert str(path) in found.problems[0]


def test_every_flipped_byte_of_a_record_is_seen(store):
    store.seal("c", {"score": 1.0})
    path = store.directory / "cells" / "c.json"
    whole = path.read_bytes()
    for position, byte in enumerate(whole):
        if byte in b" \n":
            continue  # white space between the values carries nothing
        path.write_bytes(whole[:position] + bytes([byte ^ 0x10]) + whole[position + 1 :])
        assert store.finished() == {}, position


def test_a_record_under_another_name_is_not_that_cell(store):
    store.seal("c", {})
    (store.directory / "cells" / "c.json").rename(store.directory / "cells" / "d.json")
    assert "record of cell c" in store.verify().problems[0]


def test_a_full_disk_while_sealing_leaves_the_cell_missing(store, monkeypatch):
    store.seal("c", {}, {"c.jsonl": b"old"})

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        store.seal("c", {}, {"c.jsonl": b"new"})
    monkeypatch.undo()
    assert store.verify().records == {}
    assert store.verify().problems == ()


def test_a_checkpoint_appears_whole_or_not_at_all(store):
    def build(fail: type[BaseException] | None) -> None:
        with store.checkpoint_dir("c") as directory:
            (directory / "weights").write_bytes(b"1" if fail is None else b"2")
            assert _weights(store, "c") in {None, b"1"}
            if fail is not None:
                raise fail

    with pytest.raises(RuntimeError):
        build(RuntimeError)
    assert store.checkpoint("c") is None
    build(None)
    with pytest.raises(KeyboardInterrupt):
        build(KeyboardInterrupt)
    assert _weights(store, "c") == b"1"
    assert _checkpoints(store) == ["c"]


def test_a_checkpoint_replaces_an_older_one(store):
    for content in (b"1", b"2"):
        with store.checkpoint_dir("c") as directory:
            (directory / "weights").write_bytes(content)
    assert _weights(store, "c") == b"2"
    assert _checkpoints(store) == ["c"]


def test_a_full_disk_while_building_a_checkpoint_is_explained(store):
    def fill() -> None:
        with store.checkpoint_dir("c"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        fill()
    assert _checkpoints(store) == []


def _start(program: str, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )


_PRELUDE = """
import sys, itertools, pathlib
from talan_eval.store.store import Store
from talan_eval.store.records import Manifest
store = Store.open(pathlib.Path(sys.argv[1]), Manifest({"a": 1}, "now"))
"""


def test_a_second_process_is_refused_and_the_first_is_named(tmp_path):
    directory = tmp_path / "run"
    holder = _start(_PRELUDE + "with store.lock():\n    print('held', flush=True)\n    sys.stdin.read()\n", directory)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=rf"process {holder.pid} on ") as caught:
            Store.open(directory, Manifest({"a": 1}, "now"))
        assert "Wait until it has ended" in caught.value.fix
        assert Store.load(directory).finished() == {}
    finally:
        holder.kill()
        holder.communicate()
    with Store.open(directory, Manifest({"a": 1}, "now")).lock():
        pass


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_killed_writer_leaves_only_whole_cells(tmp_path, lines):
    directory = tmp_path / "run"
    writer = _start(
        _PRELUDE
        + """
with store.lock():
    for number in itertools.count():
        payload = (b"%d\\n" % number) * 200_000
        with store.checkpoint_dir(f"c{number}") as building:
            (building / "weights").write_bytes(payload)
        store.seal(f"c{number}", {"number": number}, {f"c{number}.jsonl": payload})
        print(number, flush=True)
""",
        directory,
    )
    assert writer.stdout is not None
    seen = [int(writer.stdout.readline()) for _ in range(lines)]
    writer.kill()
    writer.communicate()
    store = Store.open(directory, Manifest({"a": 1}, "now"))
    found = store.verify()
    assert found.problems == ()
    assert {f"c{number}" for number in seen} <= set(found.records)
    for record in found.records.values():
        assert record.files[0].lines == 200_000
        assert _weights(store, record.cell_id) == store.payload_path(record.files[0].name).read_bytes()
    assert not [path for path in directory.rglob("*") if path.name.startswith(".tmp-")]
