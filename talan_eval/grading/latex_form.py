r"""The strict normal form of a LaTeX answer: a flat tuple of parts, in which rational numbers are reduced fractions.

Three steps, each linear in the length of the text: characters are cleaned by fixed replacements and cut into symbols,
and these are read by a parser of bounded depth that gives every argument its braces. Runs of symbols between separators
(commas, brackets, ``&``, ``\\``, relations) that spell a rational number are replaced by that number.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

MAX_DEPTH: Final = 40
MAX_NUMBER: Final = 60
"""Digits beyond this many stay text: exact arithmetic on them is not linear."""


class UnreadableError(ValueError):
    """The text is too long or too deep to be an answer."""


_SPACING: Final = re.compile(
    r"\\[,!;:> ]|~|\\(?:quad|qquad|displaystyle|textstyle|left|right|limits|thinspace)(?![A-Za-z])"
    r"|\\(?:[bB]igg?[lrm]?)(?![A-Za-z])|\\[()\[\]]|\$"
)
_DEGREES: Final = re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])|°")
_TEXT: Final = re.compile(r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|mathit|operatorname|rm)(?![A-Za-z])\s?")
_TOKEN: Final = re.compile(r"\\(?:begin|end)\s?\{[A-Za-z*]{1,20}\}|\\[A-Za-z]+|\\.|[0-9]+|\S", re.DOTALL)
_SAME_COMMAND: Final = {
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\leq": "\\le",
    "\\leqslant": "\\le",
    "\\geq": "\\ge",
    "\\geqslant": "\\ge",
    "\\neq": "\\ne",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\varnothing": "\\emptyset",
    "\\begin{bmatrix}": "\\begin{pmatrix}",
    "\\end{bmatrix}": "\\end{pmatrix}",
}
_ARGUMENTS: Final = {"\\frac": 2, "\\sqrt": 1, "^": 1, "_": 1}
_SEPARATORS: Final = frozenset(
    {
        ",",
        ";",
        ":",
        "&",
        "\\\\",
        "(",
        ")",
        "[",
        "]",
        "\\{",
        "\\}",
        "=",
        "<",
        ">",
        "\\le",
        "\\ge",
        "\\ne",
        "\\in",
        "\\cup",
        "\\cap",
    }
)
_DIGIT_GROUPS: Final = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3}){1,12}(?:\.[0-9]+)?")
_LISTED: Final = re.compile(r",\s+[0-9]")
_DECIMAL: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_PLAIN: Final = re.compile(rf"([-+]*)({_DECIMAL})")
_SLASHED: Final = re.compile(rf"([-+]*)({_DECIMAL})/([-+]?)({_DECIMAL})")
_FRACTION: Final = re.compile(rf"([-+]*)([0-9]*)\\frac\{{([-+]?)({_DECIMAL})\}}\{{([-+]?)({_DECIMAL})\}}")
_LABEL: Final = re.compile(r"\(([A-Z])\)")


def canonical(latex: str) -> tuple[str, ...]:
    """Return the normal form of a LaTeX answer.

    Args:
        latex: The answer without its box.

    Returns:
        The parts of the normal form; empty where nothing is left.

    Raises:
        UnreadableError: The answer is nested deeper than ``MAX_DEPTH``.
    """
    tokens = [_SAME_COMMAND.get(token, token) for token in _TOKEN.findall(_clean(latex))]
    parts = _Reader(tokens).read()
    while parts and parts[-1] in {".", ",", ";", ":"}:
        parts.pop()
    while parts and parts[0] == "+":
        del parts[0]
    whole = "".join(parts)
    if _DIGIT_GROUPS.fullmatch(whole) and _LISTED.search(latex) is None:
        parts = [whole.replace(",", "")]
    label = _LABEL.fullmatch(whole)
    return (label[1],) if label else tuple(_with_numbers(parts))


def _clean(latex: str) -> str:
    """Remove what carries no meaning."""
    latex = latex.replace("\\$", "").replace("\\%", "").replace("%", "").replace("{,}", ",")
    latex = _DEGREES.sub("", latex.strip())
    # "\\" ends a row of a matrix: cut there first, or the second backslash and a space would read as a spacing command.
    rows = [_SPACING.sub(" ", row) for row in latex.split("\\\\")]
    return "\\\\".join(_TEXT.sub(" ", row) for row in rows)


class _Reader:
    """Reads tokens once from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def read(self) -> list[str]:
        """Return the parts of the whole text; braces that nobody opened are dropped."""
        parts: list[str] = []
        while self._next < len(self._tokens):
            parts += self._group(0)
            self._next += 1
        return parts

    def _group(self, depth: int) -> list[str]:
        """Return the parts up to a closing brace, which is left to the caller."""
        parts: list[str] = []
        while self._next < len(self._tokens) and self._tokens[self._next] != "}":
            parts += self._item(depth)
        return parts

    def _item(self, depth: int) -> list[str]:
        """Return the parts of one token, with its arguments in braces; a bare group dissolves into its parts."""
        if depth > MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH}")
        symbol = self._tokens[self._next]
        self._next += 1
        if symbol == "{":
            inner = self._group(depth + 1)
            self._next += 1
            return inner
        parts = [symbol]
        for _ in range(_ARGUMENTS.get(symbol, 0)):
            parts += ["{", *_numbers_joined(self._argument(symbol, depth + 1)), "}"]
        return parts

    def _argument(self, command: str, depth: int) -> list[str]:
        r"""Return one argument: a group, a command with its own arguments, or one character (``\frac12`` is 1/2)."""
        if self._next >= len(self._tokens) or self._tokens[self._next] == "}":
            return []
        symbol = self._tokens[self._next]
        if symbol[0].isdigit() and len(symbol) > 1:
            self._tokens[self._next] = symbol[1:]
            return [symbol[0]]
        if command == "\\sqrt" and symbol == "[":
            return self._root(depth)
        return self._item(depth)

    def _root(self, depth: int) -> list[str]:
        r"""Return index and radicand of ``\sqrt[n]{x}``."""
        parts: list[str] = []
        while self._next < len(self._tokens) and self._tokens[self._next] not in {"]", "}"}:
            parts += self._item(depth)
        if self._next < len(self._tokens) and self._tokens[self._next] == "]":
            self._next += 1
            parts.append("]")
        return parts + self._argument("", depth)


def _numbers_joined(parts: list[str]) -> list[str]:
    r"""Return an argument with a rational number in it reduced, so that ``\sqrt{0.50}`` is ``\sqrt{1/2}``."""
    return _with_numbers(parts) if len(parts) > 1 else parts


def _with_numbers(parts: list[str]) -> list[str]:
    """Replace each run between separators that spells a rational number by that number."""
    done: list[str] = []
    run: list[str] = []
    for part in [*parts, None]:
        if part is not None and part not in _SEPARATORS and not part.startswith(("\\begin{", "\\end{")):
            run.append(part)
            continue
        done += _number(run)
        run = []
        if part is not None:
            done.append(part)
    return done


def _number(run: list[str]) -> list[str]:
    if not run or sum(map(len, run[: MAX_NUMBER + 1])) > MAX_NUMBER or len(run) > MAX_NUMBER:
        return run
    value = _rational("".join(run))
    return run if value is None else [str(value)]


def _rational(text: str) -> Fraction | None:
    r"""Return the value of a signed decimal, ``a/b``, ``\frac{a}{b}`` or a mixed number; None for everything else."""
    match = _PLAIN.fullmatch(text)
    if match:
        return _signed(match[1], Fraction(match[2]))
    match = _SLASHED.fullmatch(text)
    if match:
        return _divided(match[1] + match[3], match[2], match[4])
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    if match[2] and match[3] + match[5]:
        return None  # 2\frac{-1}{3} is a product, not a mixed number
    value = _divided(match[3] + match[5], match[4], match[6])
    return None if value is None else _signed(match[1], value + int(match[2] or 0))


def _divided(signs: str, top: str, bottom: str) -> Fraction | None:
    divisor = Fraction(bottom)
    return None if divisor == 0 else _signed(signs, Fraction(top) / divisor)


def _signed(signs: str, value: Fraction) -> Fraction:
    return -value if signs.count("-") % 2 else value
