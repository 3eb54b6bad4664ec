"""A thousand programs with mistakes put in: the sandbox and plain asserts agree on every one."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
import warnings

import pytest

from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.runner import run_programs

COUNT = 1000
SLOW_TASK = 123
PLAIN = """
import json, os, random, resource, sys
rows = json.load(open(sys.argv[1]))
os.chdir(sys.argv[2])
verdicts = []
for source, setup, tests in rows:
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for n in range(3): os.dup2(null, n)
        resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        random.seed(0)
        try:
            names = {"__name__": "program"}
            exec(source, names)
            exec(setup, names)
            for test in tests: exec(test, names)
        except BaseException: os._exit(1)
        os._exit(0)
    verdicts.append(os.waitpid(child, 0)[1] == 0)
print(json.dumps(verdicts))
"""


class _Mutation(ast.NodeTransformer):
    """Changes one place that is drawn: an operator, a comparison, a number, or a returned value."""

    def __init__(self, rng, place):
        self.rng, self.place, self.seen = rng, place, 0

    def _is_here(self):
        self.seen += 1
        return self.seen - 1 == self.place

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self._is_here():
            node.op = self.rng.choice([ast.Add(), ast.Sub(), ast.Mult(), ast.FloorDiv()])
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if self._is_here():
            node.ops = [self.rng.choice([ast.Lt(), ast.LtE(), ast.Eq(), ast.NotEq()]) for _ in node.ops]
        return node

    def visit_Constant(self, node):
        if isinstance(node.value, int) and self._is_here():
            return ast.copy_location(ast.Constant(node.value + self.rng.choice([-1, 1])), node)
        return node

    def visit_Return(self, node):
        self.generic_visit(node)
        if node.value is not None and self._is_here():
            return ast.copy_location(ast.Return(ast.List([node.value], ast.Load())), node)
        return node


def mutated(source, rng):
    tree = ast.parse(source)
    counter = _Mutation(rng, -1)
    counter.visit(ast.parse(source))
    if counter.seen == 0:
        return source
    return ast.unparse(ast.fix_missing_locations(_Mutation(rng, rng.randrange(counter.seen)).visit(tree)))


@pytest.mark.slow
def test_a_thousand_mutated_programs_get_the_verdict_of_plain_asserts(tier, tmp_path, real_data):
    rows = [json.loads(line) for line in real_data("mbpp/mbpp.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["task_id"] != SLOW_TASK]
    rng = random.Random(5)  # noqa: S311 - no secret
    drawn = rng.choices(rows, k=COUNT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # MBPP has regular expressions in plain strings
        warnings.simplefilter("ignore", DeprecationWarning)
        sources = [mutated(row["code"], rng) for row in drawn]
    jobs = [Job(s, tuple(r["test_list"]), r["test_setup_code"]) for s, r in zip(sources, drawn, strict=True)]
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([[job.source, job.setup, job.tests] for job in jobs]), encoding="utf-8")
    plain = subprocess.run(
        [sys.executable, "-s", "-S", "-P", "-c", PLAIN, str(file), str(tmp_path)],
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "0"},
    )
    expected = json.loads(plain.stdout)
    outcomes = run_programs(jobs, Limits(cpu_seconds=1), tier=tier)
    passed = [outcome.status is Status.PASSED for outcome in outcomes]
    assert [job.source for job, one, other in zip(jobs, passed, expected, strict=True) if one is not other] == []
    assert 100 < sum(passed) < 900  # the control: both verdicts are common
