"""The ledger of looks: no look is lost, none is entered twice, and looks at something else do not count."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

from talan_eval.store.ledger import EnteredLook, Ledger, earlier_looks

LOOK = EnteredLook("2026-01-01T00:00:00+00:00", "e", "r", "f", "p", "micro", (0, 1, 2))


def look(**changes):
    return dataclasses.replace(LOOK, **changes)


def test_looks_are_read_in_the_order_of_entry(tmp_path):
    ledger = Ledger(tmp_path)
    entered = [look(), look(seeds=(0,)), look(family="g")]
    for one in entered:
        ledger.enter(one)
    assert ledger.read() == (tuple(entered), 0)


def test_the_same_look_later_or_before_the_clock_is_entered_once(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.enter(look())
    before = ledger.path.read_bytes()
    ledger.enter(look(time="1999-01-01T00:00:00+00:00"))
    assert ledger.path.read_bytes() == before


def test_only_looks_at_the_same_question_count():
    others = [look(**{name: "x", "experiment": "d"}) for name in ("recipe", "family", "pairing", "backbone")]
    own = look(seeds=(0, 2))
    first, second = look(seeds=(0,), experiment="d"), look(seeds=(0, 1), experiment="c")
    assert earlier_looks([*others, first, own, second, first, look()], look()) == ((0,), (0, 1))


def test_a_torn_last_line_is_cut_off_and_nothing_else(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.enter(look())
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + whole[: len(whole) // 2])
    assert ledger.read() == ((look(),), 0)
    ledger.enter(look(seeds=(0,)))
    assert ledger.read() == ((look(), look(seeds=(0,))), 0)
    assert ledger.path.read_bytes().startswith(whole)


def test_a_damaged_line_is_counted_and_left(tmp_path):
    ledger = Ledger(tmp_path)
    for seed in range(3):
        ledger.enter(look(seeds=(seed,)))
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(lines[0] + lines[1].replace(b"micro", b"macro") + lines[2])
    ledger.enter(look(seeds=(9,)))
    looks, damaged = ledger.read()
    assert damaged == 1
    assert [one.seeds for one in looks] == [(0,), (2,), (9,)]


ENTER = """
import pathlib, sys
from talan_eval.store.ledger import Ledger, EnteredLook
for seed in range(20):
    look = EnteredLook("t", "e", "r", "f", "p", "micro", (int(sys.argv[2]), 100 + seed))
    Ledger(pathlib.Path(sys.argv[1])).enter(look)
"""


def test_processes_that_enter_together_lose_nothing(tmp_path):
    started = [subprocess.Popen([sys.executable, "-c", ENTER, str(tmp_path), str(number)]) for number in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    looks, damaged = Ledger(tmp_path).read()
    assert damaged == 0
    assert len({one.seeds for one in looks}) == len(looks) == 60
