"""The two files between caller and program: nothing of one program reaches the next, and nobody is woken early."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from talan_eval.sandbox import worker as worker_module
from talan_eval.sandbox.inside.leftovers import remove_tree
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.runner import Runner
from talan_eval.sandbox.tiers import Tier
from talan_eval.sandbox.worker import Worker

SMALL = Limits(cpu_seconds=2, wall_seconds=30.0, memory_bytes=256 << 20)
GOOD = Job("def f(): return 1", ("assert f() == 1",))
FORGED = b'["loaded"]\n["value", 0, 1]\n["ended"]\n'


@pytest.fixture(scope="module")
def warm(any_tier):
    with Runner(SMALL, 1, any_tier) as runner:
        assert next(runner.run([GOOD])).status is Status.PASSED
        yield runner


def outcome_of(runner, source, *tests):
    (outcome,) = runner.run([Job(source, tests or GOOD.tests)])
    return outcome


@pytest.mark.parametrize(
    "source",
    [
        "def f(): return 'x' * (2 << 20)",
        "import os\ndef f(): os.ftruncate(4, 2 << 20); return 1",
        "import os\ndef f(): os.pwrite(4, b'x', 2 << 20); return 1",
        "import mmap, os\nos.ftruncate(4, 2 << 20)\ndef f(): mmap.mmap(4, 2 << 20)[:] = b'x' * (2 << 20)",
    ],
)
def test_a_report_over_the_limit_fails_its_program_and_not_the_next(warm, source):
    outcome = outcome_of(warm, source)
    assert outcome.status is Status.FAILED
    assert outcome.detail == f"values of more than {SMALL.result_bytes} bytes"
    assert next(warm.run([GOOD])).status is Status.PASSED


def test_a_report_that_grows_while_a_program_waits_ends_it(any_tier):
    source = "import os, time\nos.ftruncate(4, 2 << 20)\ntime.sleep(600)"
    with Runner(SMALL, 1, any_tier) as runner:
        assert "values of more than" in outcome_of(runner, source).detail


@pytest.mark.parametrize(
    "change",
    [
        "os.ftruncate(4, 0)",
        "os.ftruncate(4, 0); os.lseek(4, 0, 0); os.write(4, b'[]')",
        "os.pwrite(4, b'x' * 20, 0)",
        "mmap.mmap(4, 11)[:] = b'x' * 11",
        "os.close(4)",
    ],
)
def test_a_program_that_spoils_its_report_fails_and_breaks_nothing(warm, change):
    """Were it in the report that the boundary is complete, each of these would stop the whole run."""
    outcome = outcome_of(warm, f"import mmap, os\n{change}\nos._exit(0)")
    assert (outcome.status, outcome.passed_tests) == (Status.FAILED, (False,))
    assert next(warm.run([GOOD])).status is Status.PASSED


def test_the_next_program_does_not_inherit_a_report(warm):
    forged = outcome_of(warm, f"import os\nos.write(4, {FORGED!r})\nos._exit(0)")
    assert forged.status is Status.PASSED  # the control: these frames, known values and all, would count
    for before in ("", "os.lseek(4, 0, 0)", "import fcntl; fcntl.fcntl(4, 4, os.O_APPEND)", "os.lseek(4, 9999, 0)"):
        outcome_of(warm, f"import os\nos.write(4, {FORGED!r})\n{before}\nos._exit(0)")
        assert outcome_of(warm, "import os\nos._exit(0)").status is Status.FAILED
        assert next(warm.run([GOOD])).status is Status.PASSED


def test_a_program_cannot_read_the_job_of_another_nor_its_own(warm):
    look = """
import os
def f():
    found = []
    for n in range(3, 64):
        try: found.append((n, os.pread(n, 9, 0)))
        except OSError: pass
    return found
"""
    outcome_of(warm, "mark = 'the one before'")
    assert outcome_of(warm, look, "assert f() == [(4, b'[\"loaded\"')]").status is Status.PASSED


def test_both_files_hold_what_they_should_and_cannot_be_sealed(warm):
    outcome_of(warm, "mark = 'a long job' * 1000")
    outcome_of(warm, "short = 1")
    (worker,) = warm._workers
    held = os.pread(worker._job, 1 << 20, 0)
    assert b"short" in held  # the control: this is where jobs are
    assert b"a long job" not in held
    for descriptor in (worker._job, worker._result):
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SEAL
        with pytest.raises(PermissionError):
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)


def test_a_program_with_many_tests_wakes_its_caller_once(warm, monkeypatch):
    woken = []
    receive = Worker.receive
    monkeypatch.setattr(Worker, "receive", lambda worker: (woken.append(worker), receive(worker)))
    tests = tuple(f"assert f({n}) == {n}" for n in range(50))
    assert outcome_of(warm, "def f(x): return x", *tests).passed_tests == (True,) * 50
    assert len(woken) == 1


def test_a_job_of_any_length_arrives(warm):
    for length in (1, (1 << 16) - 300, 1 << 16, (1 << 17) + 1, 3 << 20):
        source = f"x = {'y' * length!r}\ndef f(): return len(x)"
        assert outcome_of(warm, source, f"assert f() == {length}").status is Status.PASSED


def test_what_a_program_reported_before_it_crashed_counts(warm):
    crash = "import ctypes\ndef f(x): return ctypes.string_at(0) if x == 2 else x"
    outcome = outcome_of(warm, crash, "assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3")
    assert (outcome.status, outcome.passed_tests) == (Status.CRASHED, (True, False, False))


def test_a_lost_worker_is_replaced_with_files_of_its_own():
    source = f"import os, time\nos.write(4, {FORGED!r})\nos.kill(os.getppid(), 9)\ntime.sleep(60)"
    with Runner(SMALL, 1, Tier.NONE) as runner:
        lost = outcome_of(runner, source)
        assert (lost.status, lost.detail) == (Status.LIMITS, "3 processes that ran it were killed")
        assert outcome_of(runner, "import os\nos._exit(0)").status is Status.FAILED
        assert next(runner.run([GOOD])).status is Status.PASSED


def test_descriptors_are_arranged_whatever_their_numbers_are():
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
from inside.descriptors import ALL, Given, arrange
given = Given(*map(int, sys.argv[2:]))
os.closerange(3, 64)
made = {}
for n in given:
    made[n] = os.memfd_create(str(n))
for n, fd in made.items(): os.dup2(fd, n + 100)
os.closerange(3, 64)
for n in given:
    os.dup2(n + 100, n)
    os.write(n, str(n).encode())
arrange(given)
assert [int(os.pread(n, 9, 0)) for n in (3, 4, 5, 6)] == list(given)
assert not any(os.get_inheritable(n) for n in (3, 4, 5, 6))
assert sorted(map(int, os.listdir('/proc/self/fd')))[-2:] == [6, 7]  # 7 is the one with which the directory is read
"""
    package = str(Path(worker_module.__file__).parent)
    for numbers in ((3, 4, 5, 6), (6, 5, 4, 3), (4, 5, 6, 3), (60, 6, 3, 9), (7, 8, 9, 10)):
        subprocess.run([sys.executable, "-S", "-c", code, package, *map(str, numbers)], check=True)


def test_files_must_be_allowed_to_be_larger_than_reports():
    with pytest.raises(ValueError, match="file_bytes must be more than"):
        Limits(file_bytes=1 << 20)
    assert Limits(file_bytes=1000, result_bytes=999).file_bytes == 1000


def test_a_link_in_place_of_a_directory_is_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    link = tmp_path / "link"
    link.symlink_to(kept)
    remove_tree(str(link))
    assert not link.is_symlink()
    assert (kept / "file").exists()
