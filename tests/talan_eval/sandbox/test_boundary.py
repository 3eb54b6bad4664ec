"""What the boundary promises beyond the conformance suite: processes, memory, the judge's limit, and refusal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from talan_eval.sandbox import judge_process, tiers
from talan_eval.sandbox import worker as worker_module
from talan_eval.sandbox.info import describe
from talan_eval.sandbox.inside.boundary import Layer
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.judge import SandboxError
from talan_eval.sandbox.runner import Runner, run_programs
from talan_eval.sandbox.tiers import SandboxUnavailableError, Tier, find_tier, try_tier
from talan_eval.sandbox.worker import TierUnavailableError

GOOD = Job("def f(x):\n    return x + 1", ("assert f(1) == 2",))
SMALL = Limits(cpu_seconds=2, wall_seconds=30.0, memory_bytes=256 << 20)


def descendants():
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_no_process_outlives_a_run(any_tier):
    before = descendants()
    with Runner(SMALL, 2, any_tier) as runner:
        assert {outcome.status for outcome in runner.run([GOOD] * 8)} == {Status.PASSED}
        assert len(descendants() - before) >= 3  # the control: while it runs there are some
    assert descendants() == before


def test_a_killed_caller_leaves_nothing_running(tier):
    code = (
        "import sys; from talan_eval.sandbox.job import Job, Limits; from talan_eval.sandbox.runner import Runner;"
        "from talan_eval.sandbox.tiers import Tier; r = Runner(Limits(), 2, Tier(sys.argv[1]));"
        "o = r.run([Job('', ()), Job('import time\\ntime.sleep(600)', ())]); next(o); print('up', flush=True); next(o)"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, tier.value], stdout=subprocess.PIPE, text=True)
    assert caller.stdout.readline() == "up\n"
    started = psutil.Process(caller.pid).children(recursive=True)
    assert len(started) >= 3
    caller.kill()
    caller.wait()
    caller.stdout.close()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []


def test_a_worker_never_holds_the_source_of_a_program(tier):
    """Privileges are left out: with them given up, nobody but root may look into a worker."""
    mark = "a-mark-that-only-the-program-has"
    with Runner(SMALL, 1, tier, without=[Layer.PRIVILEGES]) as runner:
        list(runner.run([Job(f"x = {mark!r}", ()), GOOD]))
        found = 0
        for process in [*map(psutil.Process, runner.pids), *psutil.Process(runner.pids[0]).children()]:
            found += holds(process.pid, mark[:20].encode() + mark[20:].encode())
            assert holds(process.pid, b"inside.server")  # the control: this memory can be searched
        assert found == 0


def holds(pid, text):
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if rights.startswith("rw") and "[v" not in line:
                start, end = (int(part, 16) for part in span.split("-"))
                memory.seek(start)
                if text in memory.read(end - start):
                    return True
    return False


def test_the_environment_of_a_worker_holds_nothing_of_the_callers(tier):
    with Runner(SMALL, 1, tier, without=[Layer.PRIVILEGES]) as runner:  # as above
        list(runner.run([GOOD]))
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in runner.pids]
    assert environments == [b"PYTHONHASHSEED=0\0LD_BIND_NOW=1\0"]


def test_a_worker_uses_less_than_64_mb(tier):
    with Runner(SMALL, 1, tier, without=[Layer.PRIVILEGES]) as runner:  # as above
        list(runner.run([GOOD]))
        (pid,) = runner.pids
        tree = [psutil.Process(pid), *psutil.Process(pid).children()]
        assert sum(process.memory_full_info().pss for process in tree) < 64 << 20


def test_a_comparison_that_takes_too_long_fails_its_program_and_no_other(monkeypatch):
    monkeypatch.setattr(judge_process.JudgeProcess.__init__, "__defaults__", (0.02,))
    numbers = "import os, random\na, b = (hex(random.getrandbits(10**6)) for _ in range(2))\n"
    frame = """'["loaded"]\\n["value", 0, {"n": [{"i": "%s"}, {"i": "%s"}]}]\\n' % (a, b)"""
    forged = f"os.write(4, ({frame}).encode())\nos._exit(0)"
    slow = Job(numbers + forged, ("assert f(1) == 0.5",))
    outcomes = run_programs([GOOD, slow, GOOD, slow, GOOD], SMALL, 2)
    assert [outcome.status for outcome in outcomes] == [
        Status.PASSED,
        Status.FAILED,
        Status.PASSED,
        Status.FAILED,
        Status.PASSED,
    ]
    assert outcomes[1].detail == "its values take more than 0.02 s or 2 GiB to compare"
    assert outcomes[1].passed_tests == (False,)


def test_a_missing_locked_frame_is_no_verdict(monkeypatch, tmp_path):
    broken = tmp_path / "inside"
    subprocess.run(["cp", "-r", Path(worker_module.__file__).parent / "inside", broken], check=True)  # noqa: S607 - a tool of every system
    program = broken / "program.py"
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace("        lock()\n", "        raise OSError\n", 1), encoding="utf-8")
    monkeypatch.setattr(worker_module, "__file__", str(tmp_path / "worker.py"))
    with pytest.raises(SandboxError, match="before its boundary was complete"):
        run_programs([GOOD], SMALL, 1, Tier.NONE)


def test_the_highest_tier_that_holds_is_chosen(allowed_tiers):
    assert find_tier().tier is allowed_tiers[0]
    assert describe().tier == allowed_tiers[0].value
    assert Layer.SECCOMP in find_tier().layers


def test_without_tier_1_tier_2_is_chosen_and_it_is_said_why(monkeypatch, allowed_tiers):
    if Tier.LANDLOCK not in allowed_tiers:
        return
    real = try_tier

    def refusing(tier, tried=()):
        if tier is Tier.NAMESPACES:
            raise TierUnavailableError("unshare: Operation not permitted")
        return real(tier, tried)

    monkeypatch.setattr(tiers, "try_tier", refusing)
    found = tiers.find_tier.__wrapped__()
    assert found.tier is Tier.LANDLOCK
    assert found.tried == ((Tier.NAMESPACES, "unshare: Operation not permitted"),)


def test_without_any_tier_it_is_said_what_was_tried_and_what_to_type(monkeypatch):
    def refusing(tier, _tried=()):
        raise TierUnavailableError(f"no {tier.name.lower()}")

    monkeypatch.setattr(tiers, "try_tier", refusing)
    with pytest.raises(SandboxUnavailableError, match="tier 1: no namespaces; tier 2: no landlock") as caught:
        tiers.find_tier.__wrapped__()
    assert caught.value.fix.endswith("type --unsafe-no-sandbox.")


def test_where_programs_cannot_run_at_all_nobody_is_sent_to_the_option_that_lets_them(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    error = SandboxUnavailableError([(Tier.NAMESPACES, "this is darwin, not Linux")])
    assert "--unsafe-no-sandbox" not in error.fix
    assert "--tasks" in error.fix


def test_a_boundary_that_leaks_is_not_available(monkeypatch, tmp_path, tier):
    broken = tmp_path / "inside"
    subprocess.run(["cp", "-r", Path(worker_module.__file__).parent / "inside", broken], check=True)  # noqa: S607 - a tool of every system
    seccomp = broken / "seccomp.py"
    text = seccomp.read_text(encoding="utf-8")
    seccomp.write_text(
        text.replace("        self.take_on = prepared(", "        self.take_on = lambda: None\n        prepared("),
        encoding="utf-8",
    )
    monkeypatch.setattr(worker_module, "__file__", str(tmp_path / "worker.py"))
    with pytest.raises(TierUnavailableError, match="it could start a process"):
        try_tier(tier)


def test_a_worker_starts_in_less_than_200_ms_of_processor_time(tier):
    before = os.times()
    try_tier(tier)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    assert used < 0.2


def test_outcomes_come_as_they_are_known(tier):
    with Runner(SMALL, 2, tier) as runner:
        outcomes = runner.run([GOOD, Job("import time\ntime.sleep(2)\ndef f(x): return 2", ("assert f(1) == 2",))])
        began = time.monotonic()
        assert next(outcomes).status is Status.PASSED
        assert time.monotonic() - began < 1.9
        assert next(outcomes).status is Status.PASSED
