from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from talan_core.errors import UserError
from talan_eval.store.atomic import (
    TEMPORARY_PREFIX,
    atomic_copy,
    atomic_write_bytes,
    make_directory,
    remove_leftovers,
    temporary_sibling,
)


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_written_bytes_replace_the_old_ones(tmp_path):
    path = tmp_path / "a.json"
    atomic_write_bytes(path, b"old")
    atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert _names(tmp_path) == {"a.json"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "No space left"),
        (errno.EDQUOT, "No space left"),
        (errno.EACCES, "No permission"),
        (errno.EROFS, "No permission"),
        (errno.EIO, "Cannot write"),
    ],
)
@pytest.mark.parametrize("step", ["open", "fsync"])
def test_a_refusal_by_the_system_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch, code, words, step):
    path = tmp_path / "a.json"
    atomic_write_bytes(path, b"old")

    def refuse(*_args: object, **_options: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(UserError, match=words) as caught:
        atomic_write_bytes(path, b"new")
    monkeypatch.undo()
    assert str(path) in caught.value.problem
    assert "--out" in caught.value.fix
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == {"a.json"}


def test_a_failed_rename_leaves_nothing(tmp_path, monkeypatch):
    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UserError, match="No permission"):
        atomic_write_bytes(tmp_path / "a.json", b"new")
    assert _names(tmp_path) == set()


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write_bytes(tmp_path / "a.json", b"new")
    assert _names(tmp_path) == set()


def test_a_missing_directory_is_a_bug_and_keeps_its_traceback(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write_bytes(tmp_path / "missing" / "a.json", b"")


def test_a_copy_has_the_same_bytes(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 5000)
    atomic_copy(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_leftovers_are_removed_at_every_level_and_nothing_else(tmp_path):
    (tmp_path / "below").mkdir()
    keep = tmp_path / "below" / "keep"
    keep.write_bytes(b"")
    temporary_sibling(keep).write_bytes(b"half")
    temporary_sibling(tmp_path / "dir").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}full").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}full" / "file").write_bytes(b"half")
    assert remove_leftovers(tmp_path) == 3
    assert _names(tmp_path) == {"below"}
    assert _names(tmp_path / "below") == {"keep"}


def test_a_file_in_the_way_of_a_directory_is_named(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(UserError, match=r"out is a file"):
        make_directory(tmp_path / "out")
    with pytest.raises(UserError, match="Not a directory"):
        make_directory(tmp_path / "out" / "below")
    if Path("/proc/self").is_dir():
        with pytest.raises(UserError, match="cannot be made"):
            make_directory(Path("/proc/talan/out"))
