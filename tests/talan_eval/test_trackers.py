"""Trackers get numbers and names, and only when asked for."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from talan_core.errors import UserError
from talan_eval.reporters import TRACKERS, numbers, reporter_named, send


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_gets_one_run_with_finite_numbers(name, result, monkeypatch):
    calls = []
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.init = lambda **fields: calls.append(fields)
    module.log = calls.append
    module.finish = lambda: calls.append("finish")
    monkeypatch.setitem(sys.modules, name, module)
    one = result()
    send(one, reporter_named(name))
    started, logged, finished = calls
    assert started["project"] == "talan-eval"
    assert started["config"]["signature"] == one.signature
    assert logged == numbers(one)
    assert logged["mean/delta"] == one.aggregate.delta
    assert logged["micro/gsm8k_micro/e1_p"] == one.cells[0].e1.p
    assert finished == "finish"


def test_what_cannot_be_estimated_is_left_out(cell, result):
    assert "mean/e1_p" not in numbers(result([cell(seeds=1)]))


def test_unknown_trackers_are_refused_by_name():
    with pytest.raises(UserError, match="wandb"):
        reporter_named("wandbb")
