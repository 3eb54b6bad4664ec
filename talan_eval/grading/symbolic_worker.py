r"""The process in which math-verify runs; a script of its own, started by :mod:`talan_eval.grading.symbolic`.

It reads one JSON line ``[gold, answer]`` at a time and writes one JSON line ``[verdict, reason]``. Each pair is
compared in a child that is forked for it, so that no pair can change another's verdict (sympy caches), and so that
the kernel's limits on CPU time and memory end a hostile one without costing the next a new import. CPU time is what is
limited: wall time would make a verdict depend on the load of the machine; it is only a backstop.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import sys
import time

from math_verify import LatexExtractionConfig, parse, verify

MATCH, MISMATCH, UNPARSED, TIMEOUT, ERROR = "match", "mismatch", "unparsed", "timeout", "error"
_WARM_UP = (
    (r"\frac{1}{2}", "0.5"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3,\pi/2)"),
    (r"x^2+2x-1", r"2x+x^{2}-1"),
    (r"(-\infty,2]\cup[3,\infty)", r"x \le 2"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"2\sqrt{3}+5i"),
)
# The box and nothing else is read, by LaTeX rules and nothing else: math-verify would otherwise look for any number.
_CONFIG = (LatexExtractionConfig(boxed_match_priority=0),)


def compare(gold: str, answer: str) -> tuple[str, str]:
    """Compare two LaTeX expressions; raises whatever math-verify and sympy raise."""
    right, given = (
        parse(f"\\boxed{{{text}}}", _CONFIG, extraction_mode="first_match", parsing_timeout=None, raise_on_error=True)
        for text in (gold, answer)
    )
    if verify(right, given, timeout_seconds=None, raise_on_error=True):
        return MATCH, "equal by math-verify"
    if all(isinstance(found, str) for found in given):
        return UNPARSED, "not an expression that math-verify reads"
    if all(isinstance(found, str) for found in right):
        return ERROR, "the target is not an expression that math-verify reads"
    return MISMATCH, "different by math-verify"


def compare_apart(pair: tuple[str, str], cpu_seconds: int, wall_seconds: float, memory_bytes: int) -> tuple[str, str]:
    """Compare one pair in a child with limits."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        os.write(1, json.dumps(compare(*pair)).encode())  # an exception ends the child with its traceback in the pipe
        os._exit(0)
    os.close(writer)
    said, late = _read(reader, time.monotonic() + wall_seconds)
    os.close(reader)
    if late:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return _verdict(said, status, late=late, cpu_seconds=cpu_seconds)


def _read(reader: int, deadline: float) -> tuple[bytes, bool]:
    """Return what the child wrote, and whether it is still writing at the deadline."""
    said = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return said, True
        part = os.read(reader, 65536)
        if not part:
            return said, False
        said = (said + part)[-65536:]


def _verdict(said: bytes, status: int, *, late: bool, cpu_seconds: int) -> tuple[str, str]:
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        return TIMEOUT, f"math-verify needs more than {cpu_seconds} s"
    if os.WIFSIGNALED(status):
        return ERROR, f"math-verify was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    if os.WEXITSTATUS(status) != 0:
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return ERROR, f"math-verify raised {last[:80]}"
    verdict, reason = json.loads(said)
    return verdict, reason


def main(cpu_seconds: int, wall_seconds: float, memory_bytes: int) -> None:
    """Serve until standard input ends."""
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time limits are off: ours are outside
    for gold, answer in _WARM_UP:
        compare(gold, answer)
    for line in sys.stdin:
        gold, answer = json.loads(line)
        print(json.dumps(compare_apart((gold, answer), cpu_seconds, wall_seconds, memory_bytes)), flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
