"""Whatever a program does or leaves, and whichever of our processes dies over it, the other programs have verdicts."""

from __future__ import annotations

import dataclasses
import os
import select
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from talan_eval.grading.grade import Verdict
from talan_eval.grading.symbolic import SymbolicComparer
from talan_eval.sandbox import worker as worker_module
from talan_eval.sandbox.inside import leftovers
from talan_eval.sandbox.inside.leftovers import remove_tree
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.judge import Ending, SandboxError
from talan_eval.sandbox.judge_process import JudgeProcess
from talan_eval.sandbox.runner import Runner
from talan_eval.sandbox.tiers import Tier
from talan_eval.sandbox.worker import Worker

SMALL = Limits(cpu_seconds=1, wall_seconds=30.0, memory_bytes=256 << 20)
GOOD = Job("def f(x):\n    return x + 1", ("assert f(1) == 2",))
WAITING = Job("import time\ntime.sleep(600)", ("assert 1 == f()",))
TREES = {
    "deep": "for n in range(5000):\n    os.mkdir('a')\n    os.chdir('a')",
    "deep below a mode": "os.mkdir('d', 0o300)\nos.chdir('d')\nfor n in range(5000): os.mkdir('a'), os.chdir('a')",
    "deep with long names": "for n in range(2000):\n    os.mkdir('a' * 255)\n    os.chdir('a' * 255)",
    "deep under a mask": "os.umask(0o477)\nfor n in range(2000):\n    os.mkdir('a')\n    os.chdir('a')",
    "wide": "for n in range(5000): os.mkdir(str(n), 0)",
}
"""Deeper than Python recurses, longer than a path may be, and more than tier 1 has room for."""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The directory for temporary files, this test's own."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def statuses(runner, jobs):
    return [outcome.status for outcome in runner.run(jobs)]


def descendants(pid):
    below = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*below, *(two for one in below for two in descendants(one))]


@pytest.mark.parametrize("name", TREES)
def test_a_tree_without_end_costs_its_program_alone_and_leaves_nothing(any_tier, scratch, name):
    source = f"import os\n{TREES[name]}"
    with Runner(SMALL, 1, any_tier) as runner:
        first, bad, last = statuses(runner, [GOOD, Job(source, ("assert 1 == f()",)), GOOD])
        assert (first, last) == (Status.PASSED, Status.PASSED)
        assert bad in {Status.FAILED, Status.TIMEOUT, Status.LIMITS}
        assert list(scratch.iterdir()) != []  # the control of the last line
    assert list(scratch.iterdir()) == []


def test_what_takes_too_long_to_remove_is_charged_to_its_program(scratch, tmp_path, monkeypatch):
    """Without a boundary here, where a directory is removed from a real disk. The time is made short."""
    source = Path(worker_module.__file__).parent / "inside"
    shutil.copytree(source, tmp_path / "inside")
    changed = tmp_path / "inside" / "leftovers.py"
    text = changed.read_text(encoding="utf-8").replace("CLEANING_SECONDS = 2.0", "CLEANING_SECONDS = 0.002")
    changed.write_text(text, encoding="utf-8")
    many = Job("import os\nfor n in range(1200): os.mkdir(str(n))\ndef f(x): return x + 1", GOOD.tests)
    with Runner(SMALL, 1, Tier.NONE) as runner:
        assert statuses(runner, [many, GOOD]) == [Status.PASSED] * 2  # the control: there is time enough
    monkeypatch.setattr(worker_module, "__file__", str(tmp_path / "worker.py"))
    with Runner(SMALL, 1, Tier.NONE) as runner:
        assert statuses(runner, [GOOD]) == [Status.PASSED]
        (pid,) = runner.pids
        outcomes = list(runner.run([many, GOOD]))
        assert [outcome.status for outcome in outcomes] == [Status.LIMITS, Status.PASSED]
        assert outcomes[0].detail == "what it left in its working directory cannot be removed in time"
        assert outcomes[0].passed_tests == (False,)
        assert runner.pids != (pid,)
    assert list(scratch.iterdir()) == []


def test_removing_stops_when_its_time_is_over_and_goes_on_later(tmp_path):
    for number in range(2000):
        (tmp_path / "tree" / str(number)).mkdir(parents=True)
    assert not remove_tree(str(tmp_path / "tree"), 0.0)
    assert (tmp_path / "tree").exists()
    assert remove_tree(str(tmp_path / "tree"), 60.0)
    assert not (tmp_path / "tree").exists()


def test_removing_needs_few_descriptors_and_no_recursion_however_deep(tmp_path, monkeypatch):
    opened = []
    real = os.open
    monkeypatch.setattr(leftovers.os, "open", lambda *a, **k: opened.append(real(*a, **k)) or opened[-1])
    top = tmp_path / "top"
    top.mkdir()
    here = real(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = real("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert remove_tree(str(top))
    assert not top.exists()
    assert len(opened) > 3000
    assert len(set(opened)) < 8  # numbers are used again; which ones are free depends on what else is open


def test_an_ordinary_user_removes_what_he_may_neither_list_nor_enter(readable_python):
    """Root may list and enter everything, so the test becomes another user where it can."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        shutil.copy(leftovers.__file__, directory)
        code = (
            "import os, sys; sys.path.insert(0, '.'); import leftovers\n"
            "for place in ('t', 't/a', 't/b', 't/b/c', 't/b/d'): os.mkdir(place)\n"
            "open('t/b/c/file', 'x').close()\n"
            "os.chmod('t/b/c', 0o300); os.chmod('t/b/d', 0o500); os.chmod('t/b', 0); os.chmod('t/a', 0o100)\n"
            "os.chmod('t', 0o200)\n"
            "try: os.listdir('t')\n"
            "except PermissionError: print('refused')\n"
            "print(leftovers.remove_tree('t', 60.0), os.path.exists('t'))"
        )
        other = {"user": "nobody", "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [readable_python, "-S", "-B", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory, **other)
    assert (done.stdout, done.stderr) == ("refused\nTrue False\n", "")


def test_a_directory_that_is_not_ours_is_left_without_an_error(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()

    def refuse(*_args, **_kwargs):
        raise PermissionError

    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(leftovers.os, name, refuse)
    assert remove_tree(str(tmp_path / "kept"))
    assert (tmp_path / "kept" / "file").exists()


@pytest.mark.parametrize(("deaths", "status"), [(2, Status.FAILED), (3, Status.LIMITS)])
def test_a_worker_that_is_killed_over_a_program_costs_that_program_alone(any_tier, monkeypatch, deaths, status):
    """Two deaths cost nothing: the program is asked again."""
    start = Worker.start
    killed = []

    def killed_over_it(worker, job):
        start(worker, job)
        if b"sleep" in job and len(killed) < deaths:
            select.select([worker._locked], [], [], 30)  # until the program is reached
            killed.append(worker.pid)
            os.kill(worker.pid, 9)

    monkeypatch.setattr(Worker, "start", killed_over_it)
    slow = Job("import time\ntime.sleep(2)", ("assert 1 == 2",))
    with Runner(SMALL, 1, any_tier) as runner:
        outcomes = list(runner.run([GOOD, slow, GOOD]))
    assert [outcome.status for outcome in outcomes] == [Status.PASSED, status, Status.PASSED]
    if status is Status.LIMITS:
        assert outcomes[1].status.value == "error: limits"
        assert outcomes[1].detail == "3 processes that ran it were killed"
    assert len(set(killed)) == deaths


@pytest.mark.parametrize(("deaths", "status"), [(2, Status.PASSED), (3, Status.LIMITS)])
def test_a_program_whose_own_process_is_killed_is_asked_again_and_not_called_wrong(tier, monkeypatch, deaths, status):
    """As the kernel does for want of memory: it ends the largest process, which is seldom the worker."""
    start = Worker.start
    killed = []

    def killed_over_it(worker, job):
        start(worker, job)
        if b"sleep" in job and len(killed) < deaths:
            select.select([worker._locked], [], [], 30)  # until the program is reached
            killed.append(descendants(worker.pid)[-1])
            os.kill(killed[-1], 9)

    monkeypatch.setattr(Worker, "start", killed_over_it)
    slow = Job("import time\ntime.sleep(1)\ndef f(x): return x + 1", GOOD.tests)
    with Runner(SMALL, 1, tier) as runner:
        assert statuses(runner, [GOOD, slow, GOOD]) == [Status.PASSED, status, Status.PASSED]
        assert len(runner.pids) == 1  # the worker went on
    assert len(set(killed)) == deaths


@pytest.mark.parametrize(("deaths", "passes"), [(2, True), (3, False)])
def test_a_process_that_is_killed_before_it_reaches_its_program_is_replaced_twice(tier, monkeypatch, deaths, passes):
    end = Worker._end
    killed = []

    def killed_before_it(worker, exit_code, why):
        end(worker, exit_code, why)
        if len(killed) < deaths:
            killed.append(worker.pid)
            worker._ending = Ending(-signal.SIGKILL, None, locked=False)

    monkeypatch.setattr(Worker, "_end", killed_before_it)
    with Runner(SMALL, 1, tier) as runner:
        if passes:
            assert statuses(runner, [GOOD, GOOD]) == [Status.PASSED, Status.PASSED]
        else:
            with pytest.raises(SandboxError, match="3 processes died before they came to a program"):
                statuses(runner, [GOOD, GOOD])


def test_an_expected_side_whose_process_is_killed_is_computed_again(tier, monkeypatch):
    start = Worker.start
    killed = []

    def killed_over_it(worker, job):
        start(worker, job)
        if b"import time" in job and len(killed) < 2:
            select.select([worker._locked], [], [], 30)
            killed.append(descendants(worker.pid)[-1])
            os.kill(killed[-1], 9)

    monkeypatch.setattr(Worker, "start", killed_over_it)
    job = Job("def f(x): return None", ("assert f(1) == time.sleep(1)",))
    with Runner(SMALL, 1, tier) as runner:
        assert statuses(runner, [job]) == [Status.PASSED]
    assert len(killed) == 2


def test_a_worker_that_does_not_answer_costs_its_program_at_once(tier, monkeypatch):
    monkeypatch.setattr(worker_module, "GRACE_SECONDS", 0.0)
    start = Worker.start
    stopped = []

    def stopping(worker, job):
        start(worker, job)
        if b"sleep" in job:
            select.select([worker._locked], [], [], 30)
            stopped.append(worker.pid)
            for pid in (worker.pid, *descendants(worker.pid)):
                os.kill(pid, signal.SIGSTOP)

    monkeypatch.setattr(Worker, "start", stopping)
    with Runner(dataclasses.replace(SMALL, wall_seconds=3.0), 1, tier) as runner:
        outcomes = list(runner.run([GOOD, WAITING, GOOD]))
    assert [outcome.status for outcome in outcomes] == [Status.PASSED, Status.LIMITS, Status.PASSED]
    assert outcomes[1].detail == "the worker that ran it did not answer in time"
    assert len(stopped) == 1


@pytest.mark.parametrize(("deaths", "passes"), [(1, True), (2, True), (3, False)])
def test_a_worker_that_dies_before_it_reaches_a_program_is_replaced_twice(tier, monkeypatch, deaths, passes):
    start = Worker.start
    killed = []

    def dying(worker, job):
        if len(killed) < deaths:
            killed.append(worker.pid)
            worker._process.kill()
            worker._process.wait()
        start(worker, job)

    monkeypatch.setattr(Worker, "start", dying)
    with Runner(SMALL, 1, tier) as runner:
        if passes:
            assert statuses(runner, [GOOD, GOOD]) == [Status.PASSED, Status.PASSED]
        else:
            with pytest.raises(SandboxError, match="3 processes died before they came to a program"):
                statuses(runner, [GOOD, GOOD])
        assert len(set(killed)) == deaths


def test_a_worker_that_is_killed_between_two_programs_is_replaced(tier):
    with Runner(SMALL, 2, tier) as runner:
        assert statuses(runner, [GOOD, GOOD]) == [Status.PASSED] * 2
        for pid in runner.pids:
            os.kill(pid, 9)
        assert statuses(runner, [GOOD] * 4) == [Status.PASSED] * 4


def test_workers_that_are_killed_while_they_start_are_replaced_twice(tier, monkeypatch):
    ready = Worker.await_ready
    killed = []

    def dying(worker):
        if len(killed) < deaths:
            killed.append(worker.pid)
            os.kill(worker.pid, 9)
        ready(worker)

    monkeypatch.setattr(Worker, "await_ready", dying)
    for deaths in (2, 3):
        killed.clear()
        with Runner(SMALL, 2, tier) as runner:
            if deaths == 2:
                assert statuses(runner, [GOOD] * 3) == [Status.PASSED] * 3
            else:
                with pytest.raises(SandboxError, match=r"A worker did not start: .* ended with status -9"):
                    statuses(runner, [GOOD] * 3)
        assert len(set(killed)) == deaths


@pytest.mark.parametrize("which", [0, -1])
def test_workers_of_two_processes_are_replaced_whichever_is_killed_between_programs(tier, which):
    """In tier 1 the inner process may take one more program before it follows the outer one."""
    with Runner(SMALL, 2, tier) as runner:
        for _ in range(10):
            assert statuses(runner, [GOOD, GOOD]) == [Status.PASSED] * 2
            for pid in runner.pids:
                os.kill([pid, *descendants(pid)][which], 9)


@pytest.mark.parametrize(("deaths", "lost"), [(1, 0), (2, 0), (3, 1)])
def test_a_judge_that_is_killed_costs_the_program_that_it_judged(tier, monkeypatch, deaths, lost):
    """Two deaths cost nothing: the case is asked again."""
    send = JudgeProcess._send
    killed = []

    def killing(judge):
        if judge._is_ready and judge._waiting and judge._waiting[0].number == 3 and len(killed) < deaths:
            killed.append(judge._process.pid)
            judge._process.kill()
            judge._process.wait()
        send(judge)

    monkeypatch.setattr(JudgeProcess, "_send", killing)
    with Runner(SMALL, 1, tier) as runner:
        found = statuses(runner, [GOOD] * 30)
        assert len(set(killed)) == deaths
        assert [number for number, status in enumerate(found) if status is not Status.PASSED] == [3] * lost
        assert set(found) <= {Status.PASSED, Status.LIMITS}
        runner._judge._process.kill()
        runner._judge._process.wait()  # it has died before the next program is sent
        assert statuses(runner, [GOOD] * 3) == [Status.PASSED] * 3  # it was idle


def test_closing_raises_nothing_whatever_is_gone_already(any_tier, scratch):
    runner = Runner(SMALL, 1, any_tier)
    assert statuses(runner, [GOOD]) == [Status.PASSED]
    os.kill(runner.pids[0], 9)
    runner._workers[0]._process.wait()
    runner._judge._process.kill()
    runner._selector.unregister(runner._judge._stdout)
    (directory,) = scratch.iterdir()
    os.rename(directory, scratch / "moved")  # noqa: PTH104 - plain
    runner.close()
    runner.close()
    assert list(scratch.iterdir()) == [scratch / "moved"]


def test_half_a_surrogate_pair_does_not_get_out(tier):
    with Runner(SMALL, 1, tier) as runner:
        (outcome,) = runner.run([Job("raise ValueError('\\ud800')", ())])
    assert outcome.detail.encode("utf-8") == b"source raised ValueError: \\ud800"


TOO_LARGE = {
    "computed text": "'x' * (4 << 20)",
    "computed list": "list(range(10**9))",
    "computed number": "10 ** 10 ** 9",
    "computed set": "set(range(10**6))",
    "more than an index": "'x' * 10**30",
    "computed depth": "eval('[' * 150 + ']' * 150)",
    "no end": "sum(range(10**13))",
    "long literal": repr("x" * (1 << 20)),
    "literal that grows when it is written": repr("\u00e9" * 300_000),
    "literal of many parts": "[" + "0, " * 300_000 + "]",
    "deep literal": "[" * 150 + "]" * 150,
    "deeper literal": "[" * 500 + "]" * 500,
    "deepest literal": "-" * 100_000 + "1",
    "long sum": "+".join("1" * 20_000),
    "many digits": "9" * 5000,
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_an_expected_side_of_any_size_costs_its_own_programs_alone(any_tier, name):
    large = Job("def f(x): return x + 1", ("assert f(1) == 2", f"assert f(1) == {TOO_LARGE[name]}"))
    with Runner(SMALL, 1, any_tier) as runner:
        outcomes = list(runner.run([GOOD, large, large, GOOD]))
    detail = "test 2 has an expected side that is too large or takes too long"
    assert [outcome.status for outcome in outcomes] == [Status.PASSED, Status.LIMITS, Status.LIMITS, Status.PASSED]
    assert [outcomes[1].detail, outcomes[1].passed_tests] == [detail, (False, False)]


def test_an_expected_side_that_nobody_can_read_is_still_a_mistake_of_the_benchmark(tier):
    with Runner(SMALL, 1, tier) as runner:
        for test in ("assert f(1) == math.sqrt(-1)", "assert f(1) == ("):
            with pytest.raises(ValueError, match=r"has no value|is not Python"):
                statuses(runner, [Job(GOOD.source, (test,))])
        assert statuses(runner, [GOOD]) == [Status.PASSED]


def test_math_verify_sees_nothing_of_the_callers_environment(monkeypatch):
    monkeypatch.setenv("A_SECRET", "never to be seen")
    with SymbolicComparer(1) as comparer:
        assert comparer.compare([("1/2", "0.5")])[0].verdict is Verdict.MATCH
        (process,) = comparer._processes
        assert Path(f"/proc/{process.pid}/environ").read_bytes() == b"PYTHONHASHSEED=0\0"
        assert os.environ["A_SECRET"]  # the control
