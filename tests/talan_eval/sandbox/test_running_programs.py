from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from talan_eval.sandbox import worker as worker_module
from talan_eval.sandbox.info import describe
from talan_eval.sandbox.inside.leftovers import remove_tree
from talan_eval.sandbox.job import Job, Limits, ProgramOutcome, Status
from talan_eval.sandbox.judge import SandboxError
from talan_eval.sandbox.runner import Runner, run_programs
from talan_eval.sandbox.tiers import Tier

_SMALL = Limits(cpu_seconds=1, wall_seconds=60.0, memory_bytes=256 << 20, processes=16)
_GOOD = Job("def f(x):\n    return x + 1", ("assert f(1) == 2", "assert f(2) == 3"))


@pytest.fixture(scope="module")
def warm(any_tier):
    with Runner(_SMALL, 1, any_tier) as runner:
        yield runner


@pytest.fixture(scope="module")
def open_runner():
    with Runner(_SMALL, 1, Tier.NONE) as runner:
        yield runner


def _one(runner: Runner, source: str, *tests: str, setup: str = "") -> ProgramOutcome:
    (outcome,) = runner.run([Job(source, tests or ("assert f() == 1",), setup)])
    return outcome


def test_a_right_program_passes(warm):
    (outcome,) = warm.run([_GOOD])
    assert outcome == ProgramOutcome(Status.PASSED, (True, True), "2 of 2 tests")


def test_each_test_is_judged(warm):
    outcome = _one(
        warm, "def f(x): return x", "assert f(1) == 1", "assert f(1) == 2", "assert f(1, 2) == 1", "assert f(3) == 3"
    )
    assert outcome.status is Status.FAILED
    assert outcome.passed_tests == (True, False, False, True)
    assert outcome.detail == "test 2 gave another value"


def test_setup_runs_behind_the_program(warm):
    assert _one(warm, "class N: v = 1", "assert n.v == 1", setup="n = N()").status is Status.PASSED
    assert "setup raised NameError" in _one(warm, "", "assert 1 == n", setup="n = N()").detail


def test_an_expected_side_that_must_be_computed_is_computed_without_the_program(warm):
    source = "import sys\ndef f(x): return sys.getsizeof(x)\n"
    assert _one(warm, source, "assert f((1, 2)) == sys.getsizeof((1, 2))").status is Status.PASSED
    forged = "import sys\nsys.getsizeof = lambda x: 7\ndef f(x): return 7\n"
    assert _one(warm, forged, "assert f((1, 2)) == sys.getsizeof((1, 2))").status is Status.FAILED
    with pytest.raises(ValueError, match=r"math\.sqrt"):
        _one(warm, source, "assert f(1) == math.sqrt(-1)")


def test_other_conditions_are_judged_by_their_truth(warm):
    tests = ("assert f(1)", "assert f(1) is not None", "assert abs(f(1) - 1.0) < 1e-6", "assert f(0) != 1")
    assert _one(warm, "def f(x): return x", *tests).passed_tests == (True, True, True, True)
    assert _one(warm, "def f(x): return 0", "assert f(1)").status is Status.FAILED


def test_a_program_without_tests_passes_by_running(warm):
    assert next(warm.run([Job("x = 1", ())])).status is Status.PASSED
    assert next(warm.run([Job("raise ValueError('a')", ())])).detail == "source raised ValueError: a"


def test_order_is_kept_with_several_workers():
    jobs = [
        Job(f"import time\ntime.sleep({0.05 * (n % 3 == 0)})\ndef f(): return {n}", (f"assert f() == {n}",))
        for n in range(12)
    ]
    assert [outcome.status for outcome in run_programs(jobs, _SMALL, workers=2)] == [Status.PASSED] * 12
    jobs[5] = Job("def f(): return 0", ("assert f() == 1",))
    outcomes = run_programs(iter(jobs), _SMALL, workers=3)
    assert [number for number, outcome in enumerate(outcomes) if outcome.status is not Status.PASSED] == [5]


def test_no_jobs_need_no_worker(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert run_programs([], _SMALL, workers=2) == []


_THREADS = """
import threading, time
def f():
    for _ in range(24): threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)
"""
_PROCESSES = """
import os, time
def f():
    for _ in range(40):
        if os.fork() == 0: time.sleep(60)
    time.sleep(60)
"""
_DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class P:
    x: int
def f(): return P(1).x
"""
_LOOP = "def f():\n    while True: pass"
_HOSTILE = {
    "endless loop": (_LOOP, Status.TIMEOUT, "1 s of CPU time"),
    "endless loop at the top": ("while True: pass", Status.TIMEOUT, "CPU time"),
    "loop that ignores the signal": (
        f"import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{_LOOP}",
        Status.TIMEOUT,
        "CPU",
    ),
    "loop in C": ("def f(): return sum(range(10**12))", Status.TIMEOUT, "CPU time"),
    "memory bomb": ("def f():\n    x = [0]\n    while True: x += x", Status.MEMORY, "address space"),
    "memory bomb at the top": ("x = bytearray(1 << 40)", Status.MEMORY, "MemoryError"),
    "early exit": ("import sys\nsys.exit(0)", Status.FAILED, "SystemExit"),
    "early exit in a call": ("import sys\ndef f(): sys.exit(0)", Status.FAILED, "SystemExit"),
    "hard exit": ("import os\nos._exit(0)", Status.FAILED, "before its tests"),
    "hard exit in a call": ("import os\ndef f(): os._exit(0)", Status.FAILED, "before its tests"),
    "hard exit with a status": ("import os\nos._exit(3)", Status.FAILED, "status 3"),
    "closed descriptors": ("import os\nos.closerange(0, 100)\ndef f(): return 1", Status.FAILED, "before its tests"),
    "deep recursion": ("def f(): return f()", Status.FAILED, "RecursionError"),
    "stack overflow": ("import ctypes\ndef f(): return ctypes.string_at(0)", Status.CRASHED, "signal 11"),
    "abort": ("import os\ndef f(): os.abort()", Status.CRASHED, "signal"),
    "huge output": ("def f():\n    print('x' * (64 << 20))\n    return 1", Status.PASSED, ""),
    "input": ("def f(): return input()", Status.FAILED, "EOFError"),
    "syntax error": ("def f(:", Status.INVALID, "SyntaxError"),
    "NUL bytes": ("x = 1\0", Status.INVALID, "null bytes"),
    "lone surrogates": ("x = '\ud800'\ndef f(): return 1", Status.INVALID, "UnicodeEncodeError"),
    "deep brackets": ("(" * 5000 + ")" * 5000, Status.INVALID, ""),
    "megabytes of source": ("def f(): return 1\n" + "# padding\n" * 400_000, Status.PASSED, ""),
    "megabytes of nonsense": ("a b\n" * 1_000_000, Status.INVALID, "SyntaxError"),
    "huge value": ("def f(): return 'x' * (4 << 20)", Status.FAILED, "bytes"),
    "many values": ("def f(): return list(range(10**6))", Status.FAILED, "values"),
    "deep value": ("def f():\n    x = []\n    for _ in range(10**5): x = [x]\n    return x", Status.FAILED, "deeper"),
    "cyclic value": ("def f():\n    x = []\n    x.append(x)\n    return x", Status.FAILED, "cyclic"),
    "not a number": ("def f(): return float('nan')", Status.FAILED, "another value"),
    "always equal": (
        "class E:\n    def __eq__(s, o): return True\ndef f(): return E()",
        Status.FAILED,
        "another value",
    ),
    "hostile exception": (
        "class E(BaseException):\n    def __str__(s): raise s\ndef f(): raise E",
        Status.FAILED,
        "raised E",
    ),
    "forged frames": (
        'import os\nos.write(4, b\'["loaded"]\\n["ended"]\\n\')\nos._exit(0)',
        Status.FAILED,
        "another value",
    ),
    "flood of frames": ("import os\nwhile True: os.write(4, b'x' * 65536)", Status.FAILED, "values of more than"),
    "large file": ("def f():\n    open('x', 'wb').write(b'x' * (20 << 20))\n    return 1", Status.FAILED, "Error"),
    "many descriptors": ("def f(): return len([open('/dev/null') for _ in range(1000)])", Status.FAILED, "OSError"),
    "threads": (_THREADS, Status.FAILED, "new thread"),
    "lambda": ("f = lambda: 1", Status.PASSED, ""),
    "dataclass with postponed annotations": (_DATACLASS, Status.PASSED, ""),
}


_HOSTILE_WITHOUT_A_BOUNDARY = {
    "killed itself": ("import os\nos.kill(os.getpid(), 9)", Status.LIMITS, "processes that ran"),
    "killed its worker": ("import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)", Status.LIMITS, "3 processes"),
    "processes": (_PROCESSES, Status.CRASHED, "processes and threads"),
    "exec": ("import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])", Status.FAILED, "before its tests"),
}


@pytest.mark.parametrize("name", _HOSTILE_WITHOUT_A_BOUNDARY)
def test_without_a_boundary_programs_have_an_outcome_and_the_next_one_runs(open_runner, name):
    source, status, detail = _HOSTILE_WITHOUT_A_BOUNDARY[name]
    outcome = _one(open_runner, source)
    assert outcome.status is status, outcome
    assert detail in outcome.detail
    assert _one(open_runner, "def f(): return 1").status is Status.PASSED


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_programs_have_an_outcome_and_do_no_harm_to_the_next(warm, name):
    source, status, detail = _HOSTILE[name]
    outcome = _one(warm, source)
    assert outcome.status is status, outcome
    assert detail in outcome.detail
    assert outcome.passed_tests == (status is Status.PASSED,)
    assert _one(warm, "def f(): return 1").status is Status.PASSED


def test_a_program_that_takes_the_evaluation_over_still_has_to_know_the_values(warm):
    source = "import builtins\nbuiltins.eval = lambda *a: 1\ndef f(x): return 0"
    assert _one(warm, source, "assert f(1) == 1", "assert f(2) == 4").passed_tests == (True, False)


def test_waiting_is_ended_by_the_wall_clock():
    limits = Limits(cpu_seconds=1, wall_seconds=0.3)
    (outcome,) = run_programs([Job("import time\ntime.sleep(60)", ())], limits, 1)
    assert outcome == ProgramOutcome(Status.TIMEOUT, (), "more than 0.3 s of wall time")


def test_a_worker_that_a_program_has_stopped_is_given_up(monkeypatch):  # possible only without a boundary
    monkeypatch.setattr(worker_module, "GRACE_SECONDS", 0.3)
    source = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)"
    limits = Limits(cpu_seconds=1, wall_seconds=0.3)
    outcomes = run_programs([Job(source, ()), _GOOD], limits, 1, Tier.NONE)
    assert [outcome.status for outcome in outcomes] == [Status.LIMITS, Status.PASSED]


_DAEMON = """
import os, pathlib, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pathlib.Path({path!r}).write_text(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
while not os.path.exists({path!r}) or not os.path.getsize({path!r}):
    time.sleep(0.01)
def f(): return 1
"""


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_daemon_does_not_outlive_its_program_even_without_a_boundary(open_runner, tmp_path):
    path = tmp_path / "pid"
    assert _one(open_runner, _DAEMON.format(path=str(path))).status is Status.PASSED
    assert not _is_alive(int(path.read_text()))


def test_nothing_outlives_the_caller_that_stops_listening(tmp_path):
    path = tmp_path / "pid"
    source = f"import os, pathlib, time\npathlib.Path({str(path)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    with Runner(_SMALL, 2, Tier.NONE) as runner:
        outcomes = runner.run([_GOOD, Job(source, ())])
        assert next(outcomes).status is Status.PASSED
        while not path.exists() or not path.read_text():
            time.sleep(0.01)
        del outcomes
        assert not _is_alive(int(path.read_text()))
        assert _one(runner, "def f(): return 1").status is Status.PASSED


def test_a_program_starts_from_nothing(open_runner):
    source = """
import os, sys
def f(what):
    if what == "environment": return sorted(set(os.environ) - {"LC_CTYPE", "LD_BIND_NOW"})
    if what == "files": return os.listdir(".")
    if what == "descriptors": return sorted(os.listdir("/proc/self/fd"))
    if what == "modules": return "pytest" in sys.modules or "talan_eval" in sys.modules
    return any("site-packages" in path or "talan" in path for path in sys.path)
"""
    # Descriptors: the null device three times, the one with which the directory is read, and the file for values.
    tests = (
        "assert f('environment') == ['PYTHONHASHSEED']",
        "assert f('files') == []",
        "assert f('descriptors') == ['0', '1', '2', '3', '4']",
        "assert f('modules') == False",
        "assert f('path') == False",
    )
    assert _one(open_runner, source, *tests).passed_tests == (True,) * 5


def test_files_and_names_are_gone_for_the_next_program(warm, any_tier):
    leave = """
import os, builtins
builtins.x = 1
def f():
    try:
        open('left', 'w').close()
        os.mkdir('sub')
    except PermissionError:
        return 'refused'
    return os.path.isdir('sub') and os.path.isfile('left')
"""
    look = "import os, builtins\ndef f(): return os.listdir('.') == [] and not hasattr(builtins, 'x')"
    left = "'refused'" if any_tier is Tier.LANDLOCK else "True"
    assert _one(warm, leave, f"assert f() == {left}").status is Status.PASSED
    assert _one(warm, look, "assert f() == True").status is Status.PASSED


def test_a_directory_that_was_replaced_is_put_back(open_runner):
    look = "import os\ndef f(): return os.listdir('.') == [] and os.path.isdir(os.getcwd())"
    for other in ("open(d, 'w').close()", "os.symlink('/tmp', d)", "os.mkdir(d, 0)", "pass"):
        replace = f"import os\ndef f():\n    d = os.getcwd()\n    os.rmdir(d)\n    {other}\n    return 1"
        assert _one(open_runner, replace).status is Status.PASSED
        assert _one(open_runner, look, "assert f() == True").status is Status.PASSED


def test_random_numbers_are_the_same_each_time():
    job = Job("import random\ndef f(): return random.random()", ("assert f() == 0.8444218515250481",))
    assert [run_programs([job], _SMALL, 1)[0].status for _ in range(2)] == [Status.PASSED] * 2


def test_directories_are_removed_however_deep(tmp_path):
    root = tmp_path / "work"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(250):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (root / "file").write_bytes(b"")
    (root / "link").symlink_to(tmp_path)
    (root / "locked").mkdir(mode=0o000)
    remove_tree(str(root))
    assert not root.exists()
    assert tmp_path.exists()


def test_tests_that_cannot_be_run_are_refused(warm):
    with pytest.raises(ValueError, match="not one assert"):
        list(warm.run([_GOOD, Job("", ("f(1)",))]))
    assert _one(warm, "def f(): return 1").status is Status.PASSED


@pytest.mark.parametrize("name", ["cpu_seconds", "wall_seconds", "memory_bytes", "processes"])
def test_limits_that_allow_nothing_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_a_worker_that_does_not_start_is_no_verdict(monkeypatch):
    monkeypatch.setattr(worker_module, "_BOOTSTRAP", "raise SystemExit(7)")
    with pytest.raises(SandboxError, match="status 7"):
        run_programs([_GOOD], _SMALL, 1)


def test_at_least_one_worker_is_needed():
    with pytest.raises(ValueError, match="workers"):
        Runner(_SMALL, 0)


def test_the_description_says_what_there_is(any_tier):
    info = describe(_SMALL, any_tier)
    assert (info.tier, info.limits) == (any_tier.value, _SMALL)
    assert info.label == ("unsandboxed" if any_tier is Tier.NONE else "sandboxed")
    assert info.python
    assert info.kernel.startswith("Linux ")


@pytest.mark.speed
def test_two_hundred_programs_take_little_of_the_callers_time(warm):
    start = time.process_time()
    outcomes = list(warm.run([_GOOD] * 200))
    assert {outcome.status for outcome in outcomes} == {Status.PASSED}
    assert time.process_time() - start < 1.0


def test_every_reference_solution_of_mbpp_passes_all_its_tests(tier, real_data):
    rows = [json.loads(line) for line in real_data("mbpp/mbpp.jsonl").read_text(encoding="utf-8").splitlines()]
    jobs = [Job(r["code"], (*r["test_list"], *r["challenge_test_list"]), r["test_setup_code"]) for r in rows]
    outcomes = run_programs(jobs, Limits(), tier=tier)
    assert len(outcomes) == 974
    assert [
        row["task_id"] for row, outcome in zip(rows, outcomes, strict=True) if outcome.status is not Status.PASSED
    ] == []


_FILLS = {
    "mode": "os.mkdir('d', 0o300); os.chdir('d')",
    "mask": "os.umask(0o400); os.mkdir('d'); os.chdir('d')",
    "long path": "for _ in range(18): os.mkdir('a' * 250); os.chdir('a' * 250)",
    "plain": "pass",
}


@pytest.mark.parametrize("name", _FILLS)
def test_no_program_fills_more_of_the_disk_than_the_limit(tier, name, tmp_path, monkeypatch):
    """What is written is counted by the program: in tier 1 the file system has a size, in tier 2 nothing is written."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = f"""
import os
written = 0
try:
    {_FILLS[name]}
    for number in range(20):
        with open(str(number), "wb", 0) as file: written += file.write(bytes(1 << 20))
except OSError: pass
def f(most): return 0 if written == 0 else 1 if written <= most else written
"""
    limits = dataclasses.replace(_SMALL, disk_bytes=6 << 20)
    with Runner(limits, 1, tier) as runner:
        expected = 0 if tier is Tier.LANDLOCK else 1
        assert _one(runner, source, f"assert f({6 << 20}) == {expected}").status is Status.PASSED
        assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "outside"] == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_boundary_the_same_program_fills_the_disk(open_runner):  # the control of the test before
    source = "open('x', 'wb').write(bytes(7 << 20))\nopen('y', 'wb').write(bytes(7 << 20))\ndef f(): return 1"
    assert _one(open_runner, source).status is Status.PASSED
