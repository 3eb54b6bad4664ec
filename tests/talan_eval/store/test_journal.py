"""The journal of a running cell: whatever happens to its file, what is left of it is true."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_eval.store.journal import Journal

HEADER = {"cell": "c", "plan": "p"}
ENTRIES = [{"batch": number, "answers": ["4\n2", "\ud800", "x" * number]} for number in range(4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "running" / "c.jsonl"


def filled(path, entries=ENTRIES):
    journal = Journal.open(path, HEADER)
    for entry in entries:
        journal.append(entry)
    return path.read_bytes()


def test_what_was_appended_is_there_after_opening_again(path):
    filled(path)
    again = Journal.open(path, HEADER)
    assert list(again.entries) == ENTRIES
    assert again.repaired == 0


def test_cut_off_anywhere_it_keeps_the_whole_lines_and_goes_on(path):
    whole = filled(path)
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        journal = Journal.open(path, HEADER)
        kept = sum(end <= size for end in ends) - 1
        assert list(journal.entries) == ENTRIES[: max(kept, 0)], size
        for entry in ENTRIES[max(kept, 0) :]:
            journal.append(entry)
        assert path.read_bytes() == whole


@settings(derandomize=True, deadline=None, max_examples=60)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_its_line_and_what_follows_and_nothing_before(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("flipped") / "c.jsonl"
    whole = bytearray(filled(path))
    place %= len(whole)
    whole[place] ^= 1 << bit
    path.write_bytes(bytes(whole))
    kept = bytes(whole[:place]).count(b"\n") - 1
    assert list(Journal.open(path, HEADER).entries) == ENTRIES[: max(kept, 0)]


def test_the_journal_of_another_plan_is_begun_again(path):
    filled(path)
    assert Journal.open(path, {**HEADER, "plan": "q"}).entries == ()
    assert Journal.open(path, HEADER).entries == ()


def test_an_entry_is_on_the_disk_when_append_returns(path, monkeypatch):
    journal = Journal.open(path, HEADER)
    flushed = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (flushed.append(os.fstat(descriptor).st_size), real(descriptor))
    )
    journal.append(ENTRIES[0])
    assert flushed == [path.stat().st_size]


def test_a_full_disk_is_explained_and_the_torn_line_does_no_harm(path, monkeypatch):
    journal = Journal.open(path, HEADER)
    journal.append(ENTRIES[0])

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        journal.append(ENTRIES[1])
    monkeypatch.undo()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)
    assert list(Journal.open(path, HEADER).entries) == ENTRIES[:1]
