r"""The process in which math-verify runs; a script of its own, started by ``talan_eval.grading.symbolic``.

It reads one JSON object at a time, a ``symbolic.Pair``, and writes one JSON line ``[verdict, reason]``. Each pair is
compared in a child that is forked for it, so that no pair can change another's verdict (sympy caches), and so that
the kernel's limits on CPU time and memory end a hostile one without costing the next a new import. CPU time is what is
limited: wall time would make a verdict depend on the load of the machine; it is only a backstop.

math-verify says that two expressions are equal; it is believed only where nothing proves them different. What proves
it is their values to 50 digits, at two points where they have free symbols, compared relatively: math-verify rounds
decimals to six places and takes what is below its precision for zero. Decimals are exact fractions here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import select
import signal
import sys
import time
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy.core.relational import Relational

MATCH, MISMATCH, UNPARSED, TIMEOUT, ERROR = "match", "mismatch", "unparsed", "timeout", "error"
_WARM_UP = (
    (r"\frac{1}{2}", "0.5"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3,\pi/2)"),
    (r"x^2+2x-1", r"2x+x^{2}-1"),
    (r"(-\infty,2]\cup[3,\infty)", r"x \le 2"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"2\sqrt{3}+5i"),
    (r"\sin {\frac{30\pi}{180}}", r"\frac{1}{2}"),
)
# The box and nothing else is read, by LaTeX rules and nothing else: math-verify would otherwise look for any number.
# Units and the braces of fractions are brought to one form before, by rules of ours.
_CONFIG = (
    LatexExtractionConfig(
        boxed_match_priority=0,
        normalization_config=NormalizationConfig(
            basic_latex=True, units=False, malformed_operators=False, nits=False, boxed="all", equations=False
        ),
    ),
)
_DIGITS = 50
_NEAR = sympy.Float("1e-35", 60)
_PRECISE_BITS = 100
_POINTS = (
    ((137, 100), (271, 50), (89, 70), (613, 200), (47, 30), (211, 90)),
    ((59, 40), (33, 25), (401, 90), (77, 60), (311, 80), (29, 12)),
)
_DECIMAL = re.compile(r"(\^\s*)?(?<![0-9._])([0-9]*)\.([0-9]+)(?![0-9]|\s*_|\.[0-9])")


def compare(pair: dict[str, Any]) -> tuple[str, str]:
    """Compare two LaTeX expressions; raises whatever math-verify and sympy raise."""
    right, given = _parsed(pair["gold"]), _parsed(pair["answer"])
    if given and pair.get("solve") is not None:
        solution = _solution(given, _parsed(pair["solve"]))
        if solution is None:
            return MISMATCH, "an equation that is no assignment and not linear in one unknown"
        given = [solution]
    if all(isinstance(found, str) for found in given):
        same = bool(right) and bool(given) and _equal(right, given)
        return (MATCH, "equal by math-verify") if same else (UNPARSED, "not an expression that math-verify reads")
    if any(not _equal(given, other) if (other := _parsed(side)) else True for side in pair.get("equal", ())):
        return MISMATCH, "a calculation whose sides are not equal"
    if all(isinstance(found, str) for found in right):
        return ERROR, "the target is not an expression that math-verify reads"
    return _compare_values(pair, right, given)


def _compare_values(pair: dict[str, Any], right: list[Any], given: list[Any]) -> tuple[str, str]:
    if pair.get("digits") is not None:
        return _at_digits(right[0], given[0], pair["digits"])
    if pair.get("gold_items"):
        return _with_multiplicity(pair["gold_items"], pair["answer_items"])
    right, given = [_as_set(right[0]), *right[1:]], [_as_set(given[0]), *given[1:]]
    if pair.get("inequality") and not _is_linear(given[0]):
        return MISMATCH, "an inequality that is not solved"
    if _equal(right, given, relations_are_sets=bool(pair.get("inequality"))):
        return MATCH, "equal by math-verify"
    decimals = _DECIMAL.finditer(pair["gold"])
    places = {sympy.Rational(int(found[2] + found[3]), 10 ** len(found[3])): len(found[3]) for found in decimals}
    if places and _equal_parts(right[0], given[0], places):
        return MATCH, "equal at the decimal places of the target's parts"
    equal = _equal_with_unit(right[0], given[0])
    return (MATCH, "equal complex numbers") if equal else (MISMATCH, "different by math-verify")


def _parsed(latex: str) -> list[Any]:
    found: list[Any] = parse(
        f"\\boxed{{{_DECIMAL.sub(_fraction, latex)}}}",
        _CONFIG,
        extraction_mode="first_match",
        parsing_timeout=None,
        raise_on_error=True,
    )
    return found


def _fraction(decimal: re.Match[str]) -> str:
    """Write a decimal as a fraction; in braces only as an exponent, because bare braces read as a set."""
    exact = f"\\frac{{{int(decimal[2] + decimal[3])}}}{{{10 ** len(decimal[3])}}}"
    return f"^{{{exact}}}" if decimal[1] else f" {exact} "


def _equal(right: list[Any], given: list[Any], *, relations_are_sets: bool = False) -> bool:
    if differ(right[0], given[0]):
        return False
    if verify(
        right,
        given,
        float_rounding=12,
        numeric_precision=_DIGITS,
        allow_set_relation_comp=relations_are_sets,
        timeout_seconds=None,
        raise_on_error=True,
    ):
        return True
    return _same_number(right[0], given[0])


def differ(gold: Any, answer: Any) -> bool:  # noqa: ANN401 - sympy's classes have no common base
    """Tell whether two parsed expressions are proved to differ; where nothing is proved, they may be equal."""
    if isinstance(gold, str) or isinstance(answer, str):
        return False
    if isinstance(gold, sympy.Eq) and not isinstance(answer, Relational):
        gold = gold.rhs
    if isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
        return _values_differ(gold, answer)
    if isinstance(gold, sympy.Eq) and isinstance(answer, sympy.Eq):
        return gold.lhs == answer.lhs and differ(gold.rhs, answer.rhs)
    if isinstance(gold, sympy.FiniteSet) and isinstance(answer, sympy.FiniteSet):
        lonely = any(all(differ(one, other) for other in answer.args) for one in gold.args)
        return lonely or any(all(differ(one, other) for one in gold.args) for other in answer.args)
    return any(map(differ, *parts)) if (parts := _parts(gold, answer)) is not None else False


def _parts(gold: Any, answer: Any) -> tuple[list[Any], list[Any]] | None:  # noqa: ANN401 - as above
    """Return the parts of two tuples, matrices or intervals of one shape, in order; None for everything else."""
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase) and gold.shape == answer.shape:
        return list(gold.flat()), list(answer.flat())
    if isinstance(gold, sympy.Tuple) and isinstance(answer, sympy.Tuple) and len(gold) == len(answer):
        return list(gold.args), list(answer.args)
    if not isinstance(gold, sympy.Interval) or not isinstance(answer, sympy.Interval):
        return None
    same = (gold.left_open, gold.right_open) == (answer.left_open, answer.right_open)
    return ([gold.start, gold.end], [answer.start, answer.end]) if same else None


def _values_differ(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    if isinstance(gold, sympy.Symbol) or isinstance(answer, sympy.Symbol):
        return False  # math-verify compares "east" with the product of its letters
    names = sorted({symbol.name for symbol in gold.free_symbols | answer.free_symbols})
    if len(names) > len(_POINTS[0]) or any(len(name) > 1 and "_" not in name and not name.isalpha() for name in names):
        return False
    for point in _POINTS if names else _POINTS[:1]:
        at = {name: sympy.Rational(*value) for name, value in zip(names, point, strict=False)}
        left, right = _value(gold, at), _value(answer, at)
        if left is not None and right is not None and _far(left, right):
            return True
    return False


def _value(expression: sympy.Expr, at: dict[str, Any]) -> Any | None:  # noqa: ANN401 - a complex number of sympy's
    """Return the value of an expression to 50 digits, or None where it has none that can be trusted."""
    try:
        exact = expression.subs({symbol: at[symbol.name] for symbol in expression.free_symbols})
        value = exact.evalf(_DIGITS, maxn=4 * _DIGITS)
    except (ArithmeticError, AttributeError, TypeError, ValueError, NotImplementedError):
        return None
    if not value.is_number or value.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo) or value.free_symbols:
        return None
    parts = value.as_real_imag()
    trusted = all(part.is_zero or (part.is_Float and part._prec >= _PRECISE_BITS) or part.is_Rational for part in parts)  # noqa: SLF001 - the accuracy of a Float
    return value if trusted else None


def _far(left: Any, right: Any) -> bool:  # noqa: ANN401 - as above
    largest = max(abs(left), abs(right))
    if largest == 0:
        return False
    if min(abs(left), abs(right)) == 0:
        return bool(largest > _NEAR)
    return bool(abs(left - right) > _NEAR * largest)


def _same_number(gold: Any, answer: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether two numbers agree to 35 digits, which math-verify sometimes cannot show."""
    if not all(isinstance(side, sympy.Expr) and not side.free_symbols for side in (gold, answer)):
        return False
    left, right = _value(gold, {}), _value(answer, {})
    return left is not None and right is not None and left != 0 and not _far(left, right)


def _equal_with_unit(gold: Any, answer: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether two numbers are equal where i is the imaginary unit, which math-verify reads as an unknown."""
    if not all(isinstance(side, sympy.Expr) for side in (gold, answer)):
        return False
    if {symbol.name for symbol in gold.free_symbols | answer.free_symbols} - {"i"}:
        return False
    left, right = (side.subs(dict.fromkeys(side.free_symbols, sympy.I)) for side in (gold, answer))
    return _same_number(left, right)


def _equal_parts(gold: Any, answer: Any, places: dict[Any, int]) -> bool:  # noqa: ANN401 - as above
    """Compare tuples, intervals and matrices part by part; decimals of the target at the places that they show."""
    if isinstance(gold, sympy.FiniteSet) and len(gold.args) == 1 and isinstance(gold.args[0], sympy.MatrixBase):
        (gold,) = gold.args  # a matrix in parentheses
    parts = _parts(gold, answer)
    return parts is not None and all(
        _at_digits(one, other, places[abs(one)])[0] == MATCH if abs(one) in places else _equal([one], [other])
        for one, other in zip(*parts, strict=True)
    )


def _at_digits(gold: Any, answer: Any, digits: int) -> tuple[str, str]:  # noqa: ANN401 - as above
    """Compare with a decimal at the places that it shows."""
    if isinstance(gold, sympy.Eq):
        gold = gold.rhs
    if isinstance(answer, sympy.FiniteSet) and len(answer.args) == 1:
        (answer,) = answer.args
    left, right = (
        _value(side, {}) if isinstance(side, sympy.Expr) and not side.free_symbols else None for side in (gold, answer)
    )
    if left is None or right is None or not right.is_real:
        return MISMATCH, "no number to compare with the target's decimal"
    half_a_place = sympy.Rational(1, 2 * 10**digits)
    beyond = (right - left) * (1 if left >= 0 else -1)  # halves are rounded away from zero
    if -half_a_place - _NEAR <= beyond < half_a_place - _NEAR:
        return MATCH, f"equal at the target's {digits} decimal places"
    return MISMATCH, f"different at the target's {digits} decimal places"


def _solution(left: list[Any], right: list[Any]) -> Any | None:  # noqa: ANN401 - as above
    """Return the solution of an equation that is linear in its only unknown, or None."""
    if not left or not right or not all(isinstance(side[0], sympy.Expr) for side in (left, right)):
        return None
    difference = sympy.expand(left[0].doit() - right[0].doit())
    if len(difference.free_symbols) != 1:
        return None
    (unknown,) = difference.free_symbols
    if not difference.is_polynomial(unknown) or sympy.degree(difference, unknown) != 1:
        return None
    return -difference.coeff(unknown, 0) / difference.coeff(unknown, 1)


def _with_multiplicity(right: list[str], given: list[str]) -> tuple[str, str]:
    """Compare two lists in any order, an element as often as it stands there."""
    left = [_parsed(item) for item in given]
    if len(right) != len(left):
        return MISMATCH, "lists of different length"
    for item in map(_parsed, right):
        equal = next((place for place, other in enumerate(left) if item and other and _equal(item, other)), None)
        if equal is None:
            return MISMATCH, "an element stands there more often on one side"
        del left[equal]
    return MATCH, "equal lists"


def _as_set(side: Any) -> Any:  # noqa: ANN401 - as above
    """Return an intersection as what it comes to, and an inequality of absolute values as the set that solves it."""
    if isinstance(side, sympy.Intersection):
        return side.doit()
    if not isinstance(side, (Relational, sympy.And)) or not side.has(sympy.Abs) or len(side.free_symbols) != 1:
        return side
    (unknown,) = side.free_symbols
    inside = [part.args[0] for part in side.atoms(sympy.Abs)]
    if not all(part.is_polynomial(unknown) and sympy.degree(part, unknown) == 1 for part in inside):
        return side
    return side.subs(unknown, sympy.Symbol(unknown.name, real=True)).as_set()


def _is_linear(side: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether the inequalities in an answer are linear in one unknown: others are not solved."""
    for part in side.args if not isinstance(side, Relational) and side.has(Relational) else (side,):
        if isinstance(part, Relational):
            difference = sympy.expand(part.lhs - part.rhs)
            if len(difference.free_symbols) != 1 or not difference.is_polynomial() or sympy.degree(difference) != 1:
                return False
    return True


def compare_apart(pair: dict[str, Any], cpu_seconds: int, wall_seconds: float, memory_bytes: int) -> tuple[str, str]:
    """Compare one pair in a child with limits."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit(resource.RLIMIT_AS, memory_bytes, memory_bytes)
        _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
        os.write(1, json.dumps(compare(pair)).encode())  # an exception ends the child with its traceback in the pipe
        os._exit(0)
    os.close(writer)
    said, late = _read(reader, time.monotonic() + wall_seconds)
    os.close(reader)
    if late:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return _verdict(said, status, late=late, cpu_seconds=cpu_seconds)


def _limit(which: int, soft: int, hard: int) -> None:
    """Set a limit of this process; one that is lower already (``ulimit``, a scheduler) cannot be raised, and stays."""
    highest = resource.getrlimit(which)[1]
    lowest = sys.maxsize if highest == resource.RLIM_INFINITY else highest
    resource.setrlimit(which, (min(soft, lowest), min(hard, lowest)))


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
        compare({"gold": gold, "answer": answer})
    for line in sys.stdin:
        print(json.dumps(compare_apart(json.loads(line), cpu_seconds, wall_seconds, memory_bytes)), flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
