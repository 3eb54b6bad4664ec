"""Tests of HumanEval+ and MBPP+ as they are published, as the assertions that the sandbox takes.

Each item has one text of Python with lists ``inputs`` and ``results`` and a loop that calls the function on each (Liu
et al. 2023, arXiv:2305.01210). The text is not run here: calls and expected values are taken from its syntax, so that a
program's value and never its verdict leaves the sandbox. As there, floats may differ by 1e-6 and a share of 1e-7.

Not covered: items that compute what they expect with a reference function, or compare otherwise; they are refused.
"""

from __future__ import annotations

import ast
import functools
from typing import Final

_NUMBERS: Final = {"inf": "float('inf')"}
_CANDIDATE: Final = "candidate"
_NEAR: Final = 1e-6
_SHARE: Final = 1e-7
_MOST: Final = 1 << 24  # letters of one text; the longest published one has some megabytes


@functools.lru_cache(maxsize=8)
def assertions_of(text: str, entry_point: str | None) -> tuple[str, ...]:
    """Return one assertion for each input.

    Args:
        text: What an item has as its ``test``.
        entry_point: The function; None where the loop names it itself.

    Raises:
        ValueError: The text is not of that form; the message says where it differs.
    """
    if len(text) > _MOST:
        raise ValueError("its test is too long")
    try:
        tree = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("its test is no Python") from error
    inputs, results = _list_of(tree, "inputs"), _list_of(tree, "results")
    if len(inputs) != len(results) or not inputs:
        raise ValueError(f"its test has {len(inputs)} inputs and {len(results)} results")
    name = _called(tree)
    function = entry_point if name == _CANDIDATE else name
    if function is None:
        raise ValueError("nothing says which function is tested: there is no entry_point")
    return tuple(_assertion(function, given, wanted) for given, wanted in zip(inputs, results, strict=True))


def helpers_of(prompt: str, entry_point: str) -> str:
    """Return what a prompt defines beside the function that it asks for: imports, and functions that it may call."""
    try:
        body = ast.parse(prompt).body
    except (SyntaxError, RecursionError, MemoryError):  # a prompt that ends in the middle of a function
        return ""
    kept = [one for one in body if not (isinstance(one, ast.FunctionDef) and one.name == entry_point)]
    return "\n".join(map(ast.unparse, kept))


def _list_of(tree: ast.Module, name: str) -> list[ast.expr]:
    """Return the members of the list that is assigned to a name, at whatever depth."""
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [one.id for one in node.targets if isinstance(one, ast.Name)] == [name]
    ]
    if len(found) != 1 or not isinstance(found[0], ast.List):
        raise ValueError(f"its test has no one list of {name}")
    return found[0].elts


def _called(tree: ast.Module) -> str:
    """Return the function that ``assertion(NAME(*inp), exp, ...)`` calls."""
    calls = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assertion" and node.args
    ]
    names = {one.func.id for one in calls if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    if len(names) != 1 or len(calls) != 1:
        raise ValueError("its test does not compare what one function returns")
    return names.pop()


def _assertion(function: str, given: ast.expr, wanted: ast.expr) -> str:
    if not isinstance(given, ast.List | ast.Tuple):
        raise ValueError(f"an input of its test is no list: {ast.unparse(given)[:80]}")  # noqa: TRY004 - of the text
    call = f"{function}({', '.join(map(_written, given.elts))})"
    expected = _written(wanted)
    if _is_float(wanted):
        return f"assert abs({call} - ({expected})) <= {_NEAR} + {_SHARE} * abs({expected})"
    if isinstance(wanted, ast.List | ast.Tuple) and wanted.elts and all(map(_is_float, wanted.elts)):
        near = f"abs(a - b) <= {_NEAR} + {_SHARE} * abs(b)"
        return f"assert all({near} for a, b in zip({call}, {expected}, strict=True))"
    return f"assert {call} == {expected}"


def _is_float(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and type(inner.value) is float


def _written(node: ast.expr) -> str:
    """Write a value as it stands; a name in it may be that of infinity alone."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - {"set", "float", "frozenset"}
    if names - _NUMBERS.keys():
        raise ValueError(f"a value of its test is computed: {ast.unparse(node)[:80]}")
    text = ast.unparse(node)
    return text if not names else ast.unparse(_Infinite().visit(ast.parse(text, mode="eval")))


class _Infinite(ast.NodeTransformer):
    """Writes infinity without an import."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name."""
        return ast.parse(_NUMBERS[node.id], mode="eval").body if node.id in _NUMBERS else node
