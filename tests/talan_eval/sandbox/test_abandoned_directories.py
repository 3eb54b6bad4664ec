"""What a killed caller leaves among the temporary files, the next start removes; what is in use, nobody does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talan_eval.sandbox.home import PREFIX, Home, remove_abandoned
from talan_eval.sandbox.job import Job, Limits
from talan_eval.sandbox.runner import Runner

ROOT = Path(__file__).parents[3]
CALLER = """
import time
from talan_eval.sandbox.job import Job, Limits
from talan_eval.sandbox.runner import Runner
from talan_eval.sandbox.tiers import Tier
runner = Runner(Limits(), workers=1, tier=Tier("TIER"))
outcomes = runner.run([Job("def f(x): return x", ("assert f(1) == 1",))] * 2)
print(next(outcomes).status, flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_caller_that_was_killed_leaves_what_the_next_start_removes(temporary, any_tier):
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER.replace("TIER", any_tier.value)], stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert caller.stdout.readline() == "passed\n"
    assert len(names(temporary)) == 1
    assert remove_abandoned() == 0  # its owner lives
    caller.send_signal(signal.SIGKILL)
    caller.communicate()
    assert len(names(temporary)) == 1
    with Runner(Limits(), workers=1) as runner:
        (outcome,) = runner.run([Job("def f(x): return x", ("assert f(1) == 1",))])
        assert outcome.status == "passed"
        assert len(names(temporary)) == 1
    end = time.monotonic() + 20
    while names(temporary) and time.monotonic() < end:
        remove_abandoned()
        time.sleep(0.1)
    assert names(temporary) == []


def test_homes_that_are_held_are_left_and_others_are_not(temporary):
    with Home() as one, Home() as two:
        assert one.path.name.startswith(PREFIX)
        assert remove_abandoned() == 0
        assert len(names(temporary)) == 2
        os.close(two._lock)  # as the kernel does when its owner dies
        assert remove_abandoned() == 1
        assert names(temporary) == [one.path.name]
    assert names(temporary) == []


def test_a_link_or_a_file_of_that_name_is_left(temporary, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("x")
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").write_text("x")
    assert remove_abandoned() == 0
    assert (elsewhere / "precious").exists()
