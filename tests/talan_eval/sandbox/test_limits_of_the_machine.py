"""What ``ulimit`` or a scheduler has lowered: programs get no more, and verdicts and results say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RUN = """
import resource, sys
from talan_eval.sandbox.info import describe
from talan_eval.sandbox.job import Job
from talan_eval.sandbox.runner import run_programs
from talan_eval.sandbox.tiers import Tier
tier = Tier(sys.argv[1])
jobs = [Job("def f(x): return x + 1", ("assert f(1) == 2",)), Job(sys.argv[2], ("assert f(1) == 0",))]
print([(one.status.value, one.detail) for one in run_programs(jobs, workers=1, tier=tier)])
print(describe(tier=tier).limits)
"""
ASK = """
from talan_eval.sandbox.tiers import SandboxUnavailableError, find_tier
try:
    print(find_tier().tier)
except SandboxUnavailableError as error:
    print(error.problem, error.fix)
"""
SYMBOLIC = """
from talan_eval.grading.symbolic import SymbolicComparer
with SymbolicComparer(1) as comparer:
    print([one.verdict.value for one in comparer.compare([("1/2", "0.5"), ("2", "3")])])
"""


def under(limit, script, *words):
    """Run a script under a limit of the shell."""
    return subprocess.run(
        ["/bin/bash", "-c", f'ulimit {limit}; exec "$@"', "bash", sys.executable, "-c", script, *words], check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "program", "outcome", "recorded"),
    [
        ("-v 300000", "x = bytes(400 << 20)", ("memory", "source: MemoryError"), "memory_bytes=307200000"),
        ("-t 2", "while True: pass", ("timeout", "more than 1 s of CPU time"), "cpu_seconds=1"),
        ("-n 24", "f = lambda x: [open('/dev/null') for _ in range(30)]", None, "open_files=24"),
        ("-f 2000", "f = lambda x: 'x' * 900_000", ("failed", "test 1 gave another value"), "file_bytes=2048000"),
    ],
)
def test_programs_get_what_the_machine_allows_and_the_record_says_it(tier, limit, program, outcome, recorded):
    done = under(limit, RUN, tier.value, program)
    assert done.stderr == ""
    found, limits = done.stdout.splitlines()
    assert found.startswith("[('passed', '1 of 1 tests'), ('")
    assert str(outcome or "Too many open files").strip("()") in found
    assert recorded in limits


def test_files_that_cannot_hold_the_values_are_no_verdict(tier):
    done = under("-f 100", RUN, tier.value, "f = lambda x: 'x' * 500_000")
    assert done.stdout == ""
    assert "SandboxError: files may have 102400 bytes here (ulimit -f)" in done.stderr


@pytest.mark.parametrize("limit", ["-n 12", "-f 100"])
def test_where_no_worker_can_be_started_it_is_said_what_to_allow(limit):
    done = under(limit, ASK)
    assert done.stderr == ""
    assert done.stdout.startswith("Programs cannot be sandboxed here: tier 1: no worker can be started: ")
    assert done.stdout.endswith("then type: talan-eval sandbox check\n")
    assert "unsafe" not in done.stdout  # the way out is not to do without


@pytest.mark.parametrize("limit", ["-v 1500000", "-t 600"])
def test_math_verify_compares_within_what_the_machine_allows(limit):
    assert under(limit, SYMBOLIC).stdout == "['match', 'mismatch']\n"
