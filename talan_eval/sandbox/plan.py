"""Splits each test into a call, which goes to the program, and an expected value, which does not.

A test is one ``assert`` statement. Its shapes:

- ``assert CALL == VALUE`` (or the other way round), where VALUE is a literal: the call is evaluated behind the program,
  and its value is compared here.
- the same, where VALUE is an expression that needs only builtins and standard-library modules
  (``sys.getsizeof((1, 2))``): it is evaluated once, in a process that never sees a program.
- everything else (``assert f(x)``, ``assert f(x) is None``, ``assert abs(f(x) - 1) < 1e-6``, an expected side that
  needs the program): the whole condition is evaluated behind the program and its truth is what comes back. Such a
  verdict is one that the program could forge; no test of MBPP has this shape.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.inside.values import encode

if TYPE_CHECKING:
    from types import CodeType


@dataclass(frozen=True, slots=True)
class Literal:
    """An expected value that stands in the test: type-tagged JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class ComputedValue:
    """An expected value that has to be computed, without the program.

    Args:
        source: The expression.
        modules: The standard-library modules that it names.
    """

    source: str
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedTest:
    """One test: what to evaluate behind the program, compiled, and what to compare its value with."""

    call: CodeType
    expected: Literal | ComputedValue


class ExpectedTooLargeError(Exception):
    """A test, or its expected side, needs more than there is: its programs have no verdict, and the others have."""


_MOST_TEXT: Final = 1 << 20
"""Letters of one test. MBPP's longest has 1,000; a syntax tree takes some hundred times its text's size."""
_SIZES: Final = ("too many nested", "Exceeds the limit", "too complex", "too deep")
"""What Python says of a text that is Python, but larger than it can read."""


@functools.lru_cache(maxsize=8192)
def parse_test(test: str) -> ParsedTest:
    """Split and compile one test: once, because the tests of a benchmark come again with every model that answers it.

    Args:
        test: One ``assert`` statement, trusted.

    Raises:
        ValueError: It is not one ``assert`` statement.
        ExpectedTooLargeError: It is too long or too deep to be read.
    """
    if len(test) > _MOST_TEXT:
        raise ExpectedTooLargeError
    try:
        call, expected = split_test(test)
        return ParsedTest(compiled(call), expected)
    except (MemoryError, RecursionError) as error:
        raise ExpectedTooLargeError from error
    except SyntaxError as error:
        if any(size in str(error) for size in _SIZES):
            raise ExpectedTooLargeError from error
        raise ValueError(f"The test {test!r} is not Python: {error.msg}.") from error


def split_test(test: str) -> tuple[ast.expr, Literal | ComputedValue]:
    """Return what of a test is evaluated behind the program, and what its value is compared with.

    Raises:
        ValueError: It is not one ``assert`` statement.
        SyntaxError: It is not Python.
    """
    statements = ast.parse(test.strip()).body
    if len(statements) != 1 or not isinstance(statements[0], ast.Assert):
        raise ValueError(f"The test {test!r} is not one assert statement.")
    condition = statements[0].test
    if isinstance(condition, ast.Compare) and [type(operator) for operator in condition.ops] == [ast.Eq]:
        split = _split(condition.left, condition.comparators[0])
        if split is not None:
            return split
    truth = ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), condition))
    return ast.fix_missing_locations(ast.copy_location(truth, condition)), Literal(encode(True))  # noqa: FBT003 - the value, not a switch


def compiled(expression: ast.expr | str) -> CodeType:
    """Compile a trusted expression here, instead of in the process of each program.

    Raises:
        SyntaxError: It is not one.
    """
    source = expression if isinstance(expression, str) else ast.Expression(expression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # on the benchmark's style, which is not the caller's matter
        code: CodeType = compile(source, "<test>", "eval", dont_inherit=True)
        return code


def _split(left: ast.expr, right: ast.expr) -> tuple[ast.expr, Literal | ComputedValue] | None:
    """Return which side is called and what the other is expected to be; None where no side can be told apart.

    A literal is expected rather than called, even of something that looks like a builtin: MBPP's task 126 has programs
    define ``sum``. Between two expressions the right one is expected, as people write it.
    """
    of_left, of_right = _expected(left), _expected(right)
    for kind in (Literal, ComputedValue):
        for call, of_call, expected in ((left, of_left, of_right), (right, of_right, of_left)):
            if isinstance(expected, kind) and not isinstance(of_call, Literal):
                return call, expected
    return None


def _expected(node: ast.expr) -> Literal | ComputedValue | None:
    """Return what an expected side is, or None where it needs the program."""
    try:
        return Literal(encode(ast.literal_eval(node)))
    except (ValueError, TypeError, MemoryError, RecursionError):
        pass
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    modules = sorted(name for name in names if not hasattr(builtins, name))
    if set(modules) <= sys.stdlib_module_names:
        return ComputedValue(ast.unparse(node), tuple(modules))
    return None
