"""What a worker holds is kept from its programs by more than one wall, and whatever they do to it ends no run."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from talan_eval.sandbox import worker as worker_module
from talan_eval.sandbox.conformance.check import check
from talan_eval.sandbox.inside.boundary import Layer
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.judge import Ending, SandboxError
from talan_eval.sandbox.runner import Runner
from talan_eval.sandbox.tiers import Tier, try_tier
from talan_eval.sandbox.worker import TierUnavailableError, Worker

SMALL = Limits(cpu_seconds=1, wall_seconds=30.0, memory_bytes=256 << 20)
GOOD = Job("def f(x):\n    return x + 1", ("assert f(1) == 2",))
NO_DUMP = ("kernel.py", "    prctl(_PR_SET_DUMPABLE, 0)", "    pass")
ONE_DOMAIN = ("server.py", "            self._set_apart()\n", "")
KEPT_OPEN = (
    "program.py",
    "    os.write(descriptor, what)\n    os.close(descriptor)\n",
    "    os.write(descriptor, what)\n",
)
BY_NAME = {
    "open the worker's descriptors",
    "take what the worker's channels hold",
    "write into the worker's channels",
    "fill the worker's channels",
}
"""Attacks that only these two walls hold: Landlock allows files in memory and pipes to whoever can name them."""


@pytest.fixture
def without(monkeypatch, tmp_path):
    """Return a function after which workers are started from a copy of our code with pieces taken out."""
    source = Path(worker_module.__file__).parent / "inside"

    def change(*pieces):
        shutil.copytree(source, tmp_path / "inside")
        for name, old, new in pieces:
            path = tmp_path / "inside" / name
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1
            path.write_text(text.replace(old, new), encoding="utf-8")
        monkeypatch.setattr(worker_module, "__file__", str(tmp_path / "worker.py"))

    return change


def escaped(tier):
    """Run the attacks without the self-test, which would refuse such a boundary before they are run."""
    return {one.name for one in check(tier, only=BY_NAME, without=[Layer.ENVIRONMENT]) if one.problem is not None}


@pytest.mark.parametrize("piece", [NO_DUMP, ONE_DOMAIN], ids=["a domain of its own", "no dumps"])
def test_either_wall_alone_keeps_the_descriptors_of_the_worker(tier, without, piece):
    without(piece)
    assert try_tier(tier).tier is tier
    assert escaped(tier) == set()


def test_without_both_walls_the_self_test_and_every_attack_notice_it(allowed_tiers, without):
    if Tier.LANDLOCK not in allowed_tiers:
        return  # in tier 1 processes have no names
    without(NO_DUMP, ONE_DOMAIN)
    with pytest.raises(TierUnavailableError, match="it could reach a descriptor of the worker's"):
        try_tier(Tier.LANDLOCK)
    assert escaped(Tier.LANDLOCK) == BY_NAME


def test_without_landlock_the_self_test_and_the_suite_notice_that_other_processes_are_open(allowed_tiers, without):
    """As an ordinary user; those of root have capabilities, and are kept from programs by that as well."""
    if Tier.LANDLOCK not in allowed_tiers or os.geteuid() == 0:
        return
    name = "open the descriptors of a process outside"
    (noticed,) = check(Tier.LANDLOCK, only=[name], without=[Layer.LANDLOCK])
    assert noticed.problem is not None
    without(ONE_DOMAIN, ("boundary.py", "            self._set_apart()\n", ""))
    with pytest.raises(TierUnavailableError, match="it could reach a descriptor of a process outside"):
        try_tier(Tier.LANDLOCK)


def test_what_says_that_a_boundary_is_complete_cannot_be_opened_by_its_name_even_without_both_walls(
    allowed_tiers, without
):
    if Tier.LANDLOCK not in allowed_tiers:
        return
    without(NO_DUMP, ONE_DOMAIN)
    source = """
import os, stat
def f():
    kinds = {}
    for number in (3, 4, 5, 6):
        name = '/proc/%d/fd/%d' % (os.getppid(), number)
        try:
            os.close(os.open(name, os.O_RDWR | os.O_NONBLOCK))
            opened = True
        except OSError:
            opened = False
        kinds[number] = stat.S_IFMT(os.stat(name).st_mode), opened
    return kinds
"""
    file, channel = (stat.S_IFREG, True), (stat.S_IFSOCK, False)
    test = f"assert f() == { ({3: file, 4: file, 5: channel, 6: channel})!r}"
    with Runner(SMALL, 1, Tier.LANDLOCK, without=[Layer.ENVIRONMENT]) as runner:
        assert [one.status for one in runner.run([Job(source, (test,)), GOOD])] == [Status.PASSED] * 2


MORE = {
    "a byte": "os.write(5, b'x')",
    "our byte again": "os.write(5, b'L' * 9)",
    "a byte, for ever": "os.write(5, b'x')\nwhile True: pass",
    "no end of it": "os.set_blocking(5, False)\ntry:\n    while True: os.write(5, b'LL')\nexcept OSError: pass",
}


@pytest.mark.parametrize("what", MORE)
def test_whoever_writes_where_his_boundary_is_reported_costs_himself_alone(any_tier, without, what):
    """No program can, so the descriptor is left open for it here."""
    without(KEPT_OPEN)
    writing = Job(f"import os\n{MORE[what]}\ndef f(x): return x + 1", GOOD.tests)
    with Runner(SMALL, 1, any_tier) as runner:
        assert [one.status for one in runner.run([GOOD])] == [Status.PASSED]
        (pid,) = runner.pids
        outcomes = list(runner.run([GOOD, writing, GOOD, GOOD]))
        assert runner.pids[0] != pid  # what else was written would be taken for the next program's
    assert [one.status.value for one in outcomes] == ["passed", "error: limits", "passed", "passed"]
    assert outcomes[1].detail == "it wrote where its process says that its boundary is complete"
    assert outcomes[1].passed_tests == (False,)


@pytest.mark.parametrize(("times", "status"), [(2, Status.PASSED), (3, Status.LIMITS)])
def test_a_program_whose_boundary_is_not_reported_costs_itself_alone_where_others_are(tier, monkeypatch, times, status):
    """Twice may be chance, for want of memory of the machine."""
    start, end = Worker.start, Worker._end
    running, unsaid = {}, []

    def starting(worker, job):
        running[worker] = b"took" in job
        start(worker, job)

    def silent(worker, exit_code, why):
        end(worker, exit_code, why)
        if running[worker] and len(unsaid) < times:
            unsaid.append(worker.pid)
            worker._ending = Ending(exit_code, why, locked=False)

    monkeypatch.setattr(Worker, "start", starting)
    monkeypatch.setattr(Worker, "_end", silent)
    taking = Job("took = True\ndef f(x): return x + 1", GOOD.tests)
    with Runner(SMALL, 1, tier) as runner:
        outcomes = list(runner.run([GOOD, taking, GOOD]))
    assert [one.status for one in outcomes] == [Status.PASSED, status, Status.PASSED]
    assert len(set(unsaid)) == times  # each time in another worker
    if status is Status.LIMITS:
        assert outcomes[1].passed_tests == (False,)
        why = "3 processes that ran it did not say that their boundary was complete, as others do"
        assert outcomes[1].detail == why


def test_where_no_boundary_is_reported_the_run_ends(tier, monkeypatch):
    end = Worker._end
    unsaid = []

    def silent(worker, exit_code, why):
        end(worker, exit_code, why)
        unsaid.append(worker.pid)
        worker._ending = Ending(exit_code, why, locked=False)

    monkeypatch.setattr(Worker, "_end", silent)
    with Runner(SMALL, 1, tier) as runner, pytest.raises(SandboxError, match="before its boundary was complete"):
        list(runner.run([GOOD]))
    assert len(unsaid) == 4  # three for the program, one for what does nothing


def test_a_process_that_has_given_up_its_privileges_is_not_to_be_looked_into(tier):
    """As an ordinary user; root may look into everything."""
    if os.geteuid() == 0:
        return
    with Runner(SMALL, 1, tier) as runner:
        assert [one.status for one in runner.run([GOOD])] == [Status.PASSED]
        place = Path(f"/proc/{runner.pids[0]}/task/{runner.pids[0]}/children")
        inner = int(place.read_text().split()[0]) if tier is Tier.NAMESPACES else runner.pids[0]
        assert Path(f"/proc/{inner}/environ").stat().st_uid != os.geteuid()
        with pytest.raises(PermissionError):
            list(Path(f"/proc/{inner}/fd").iterdir())
