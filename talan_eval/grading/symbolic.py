r"""Symbolic comparison of LaTeX answers by math-verify, in worker processes with a hard limit.

math-verify bounds its time by alarms, which work in a main thread only and do not interrupt a long computation in C,
and by default it turns its own errors into "not equal". Here it runs in processes of its own with its alarms off and
its errors on; the kernel ends a comparison that needs too much. See ``talan_eval.grading.symbolic_worker``.

What it reads too generously is taken back, here and in the worker: it drops the base of a numeral, so ``12_5`` and
``12_7`` would be equal, and it has absolute tolerances, so ``1/2^{98}`` and ``1/2^{99}`` would be.

Not covered: a boundary. A comparison cannot run code, but nothing keeps math-verify or sympy from it. POSIX only.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self

from talan_eval.grading.grade import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

CPU_SECONDS: Final = 3
"""CPU time of one comparison; ordinary ones need a hundredth of it."""
WALL_SECONDS: Final = 120.0
"""Backstop behind it, for a comparison that waits or a machine that is overloaded."""
MEMORY_BYTES: Final = 2 << 30
"""Address space of one comparison."""
_PAIRS_PER_WORKER: Final = 16
_WORKER: Final = Path(__file__).with_name("symbolic_worker.py")
_BASE: Final = re.compile(r"_\s*\{?\s*([0-9]+)\s*\}?\s*$")


class SymbolicError(RuntimeError):
    """A worker process ended, or said something that is no answer: a mistake of ours, not of a text."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What math-verify says about one pair."""

    verdict: Verdict
    reason: str


class Pair(NamedTuple):
    """What is compared.

    Attributes:
        gold: The right expression, bare LaTeX.
        answer: What is claimed, bare LaTeX; the left side of an equation where ``solve`` is given.
        digits: Decimal places that ``gold`` shows, at which an answer is compared; None where it is no decimal.
        equal: Expressions that must all equal the answer, or it is no value.
        solve: Right side of an equation that is to be solved for its only unknown, which must be linear in it.
        inequality: Whether an inequality may equal the set of its solutions.
        gold_items: The elements of a list in which one stands more than once; empty for everything else.
        answer_items: The elements of the answer, where ``gold_items`` are given.
    """

    gold: str
    answer: str
    digits: int | None = None
    equal: tuple[str, ...] = ()
    solve: str | None = None
    inequality: bool = False
    gold_items: tuple[str, ...] = ()
    answer_items: tuple[str, ...] = ()


class SymbolicComparer:
    """Compares pairs of LaTeX expressions; starts its workers when they are needed. A context manager.

    Args:
        workers: Most worker processes at a time.
        cpu_seconds: CPU time of one comparison.
        wall_seconds: Wall time of one comparison.
    """

    def __init__(self, workers: int, cpu_seconds: int = CPU_SECONDS, wall_seconds: float = WALL_SECONDS) -> None:
        self._most = workers
        self._command = [sys.executable, str(_WORKER), str(cpu_seconds), str(wall_seconds), str(MEMORY_BYTES)]
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        self.close()

    def close(self) -> None:
        """End the workers; the next comparison starts new ones."""
        for process in self._processes:
            process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):  # what a dead worker has not read
                _pipe(process.stdin).close()
            _pipe(process.stdout).close()
        self._processes.clear()

    def compare(self, pairs: Sequence[Pair | tuple[str, str]]) -> list[Comparison]:
        """Compare answers with what is right.

        Args:
            pairs: The right expression and the answer, each bare LaTeX, with what there is to know about them.

        Returns:
            One comparison per pair, in order. Equal pairs are compared once.

        Raises:
            SymbolicError: A worker failed for a reason of its own.
        """
        wanted = [Pair(*pair) for pair in pairs]
        distinct = list(dict.fromkeys(wanted))
        count = min(self._most, 1 + len(distinct) // _PAIRS_PER_WORKER)
        while len(self._processes) < count and distinct:
            self._processes.append(self._start())
        shares = [distinct[start::count] for start in range(count)]
        with ThreadPoolExecutor(count) as threads:
            answers = list(threads.map(_serve, self._processes[:count], shares))
        known = {
            pair: said
            for share, done in zip(shares, answers, strict=False)
            for pair, said in zip(share, done, strict=True)
        }
        return [known[pair] for pair in wanted]

    def _start(self) -> subprocess.Popen[str]:
        # A fixed hash seed, because sympy orders some of its work by hashes, and nothing of the caller's environment.
        environment = {"PYTHONHASHSEED": "0"}
        return subprocess.Popen(  # noqa: S603 - our own script
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment
        )


@functools.cache
def shared_comparer() -> SymbolicComparer:
    """Return this process's comparer, whose workers live as long as the process: starting one takes a second.

    lm-eval scores one answer at a time, so they cannot be started for each call.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    comparer = SymbolicComparer(cores)
    atexit.register(comparer.close)
    return comparer


def _serve(process: subprocess.Popen[str], pairs: Sequence[Pair]) -> list[Comparison]:
    return [_ask(process, pair) for pair in pairs]


def _ask(process: subprocess.Popen[str], pair: Pair) -> Comparison:
    try:
        _pipe(process.stdin).write(json.dumps(pair._asdict()) + "\n")
        _pipe(process.stdin).flush()
        line = _pipe(process.stdout).readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise SymbolicError(f"the worker of math-verify ended with status {process.wait()}; is math-verify installed?")
    verdict, reason = json.loads(line)
    if verdict == Verdict.MATCH and _base(pair.gold) != _base(pair.answer):
        return Comparison(Verdict.MISMATCH, "equal digits in different bases")
    return Comparison(Verdict(verdict), reason)


def _base(latex: str) -> str | None:
    found = _BASE.search(latex)
    return None if found is None else found[1]


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise SymbolicError("the worker was started without a pipe")
    return stream
