r"""Answers to MATH: the strict normaliser and math-verify side by side, on the same ``\boxed{...}``.

The answer is right where the normaliser says so, or where math-verify does and nothing speaks against it: the
normaliser knows no algebra (``2\sqrt{3}/2``), math-verify reads too much into an answer. What speaks against it is
written down in ``talan_eval.grading.relations`` (an equation is no value), ``talan_eval.grading.units`` (other
units), ``symbolic_worker`` (values differ, decimals), and here: words that only one side has, dots, an expression
that the question holds. docs/grading.md shows each rule with an example. Where the normaliser sees a difference and
math-verify does not finish, the verdict is ``TIMEOUT``, which earns nothing. Both verdicts are kept, so that their
disagreements can be counted and read.

Which boxes are the answer is said in ``talan_eval.grading.math_boxes``.

An expression that the question itself holds earns nothing for being equal to the target: "factor ab+5b+2a+10" is not
answered by ab+5b+2a+10. Not covered: other forms that a question may ask for; an expanded product or an unsimplified
root is right where it is equal.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.latex_answer import (
    DENIED_BOX,
    NO_BOX,
    Expression,
    boxes,
    claimed_boxes,
    compare_content,
    expression,
    last_boxed,
)
from talan_eval.grading.latex_clean import clean, is_vector
from talan_eval.grading.latex_form import UnreadableError, canonical
from talan_eval.grading.math_boxes import DOTS, contents, doubt
from talan_eval.grading.question import asked_expressions, repeats
from talan_eval.grading.relations import Reading, as_interval, has_unknowns, is_interval, read, split_list
from talan_eval.grading.symbolic import Comparison, Pair, SymbolicComparer, shared_comparer
from talan_eval.grading.text import quoted
from talan_eval.grading.thinking import NEVER_ENDED, final_part
from talan_eval.grading.units import contradict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_READ: Final = (Verdict.MATCH, Verdict.MISMATCH)
_DECIMAL: Final = re.compile(r"\s*[-+]?[0-9]*\.([0-9]+)\s*")
_TEXT: Final = re.compile(r"\\(?:text(?:rm|bf|it|normal)?|mbox|mathrm|operatorname)\s?\{([^{}]*)\}")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_SMALL_WORDS: Final = frozenset(
    ("and", "or", "if", "for", "where", "when", "the", "is", "are", "to", "of", "with", "all", "real", "any")
)
_COLUMN: Final = re.compile(r"\\begin\s?\{[pbv]?matrix\}(.*?)\\end\s?\{[pbv]?matrix\}", re.DOTALL)
_BRACED: Final = re.compile(r"\s*(?:\\left\s?)?\\\{[^{}()]*\\\}\s*\Z")
_ONE_POINT: Final = re.compile(r"\s*(?:\\left\s?)?\\\{\s*(?P<point>\([^(){}]*\))\s*(?:\\right\s?)?\\\}\s*\Z")
_PAIR: Final = re.compile(r"\s*(?:\\left\s?)?[(\[][^()\[\]]*,[^()\[\]]*[)\]]\s*\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class _Claim:
    """One way to read the boxes of an answer.

    Attributes:
        content: What is compared.
        strict: What the normaliser says of it.
        pair: What math-verify is asked; None where something speaks against the claim, or it cannot be read.
        objection: What speaks against it; empty where nothing does.
    """

    content: str
    strict: Grade
    pair: Pair | None = None
    objection: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Target:
    """What is right, read once."""

    wanted: str
    expression: Expression
    reading: Reading
    is_vector: bool


def grade_math(
    answers: Sequence[str],
    targets: Sequence[str],
    comparer: SymbolicComparer | None = None,
    *,
    questions: Sequence[str] | None = None,
    thinking: Sequence[bool] | None = None,
) -> list[Grade]:
    r"""Grade a batch of answers.

    Args:
        answers: What the model wrote, with ``\boxed{...}``.
        targets: The bare targets, or reference solutions with ``\boxed{...}``, in the same order.
        comparer: Where math-verify runs; None for this process's own.
        questions: What was asked, in the same order; None where that is not known.
        thinking: Whether each answer begins inside the thinking; None where none does.

    Returns:
        One grade per answer, in order.
    """
    asked = [""] * len(answers) if questions is None else questions
    opened = [False] * len(answers) if thinking is None else thinking
    read_all = [
        _claims(answer, target, question, opened=begins)
        for answer, target, question, begins in zip(answers, targets, asked, opened, strict=True)
    ]
    claims = [read_one if isinstance(read_one, list) else [] for read_one in read_all]
    pairs = [claim.pair for some in claims for claim in some if claim.pair is not None]
    compared = (comparer or shared_comparer()).compare(pairs) if pairs else []
    said: Iterator[Comparison] = iter(compared)
    return [
        _best([_joined(claim, None if claim.pair is None else next(said), question) for claim in read_one])
        if isinstance(read_one, list)
        else dataclasses.replace(read_one, strict=read_one.verdict)
        for read_one, question in zip(read_all, asked, strict=True)
    ]


def _claims(answer: str, target: str, question: str, *, opened: bool) -> list[_Claim] | Grade:
    """Return the ways to read an answer, or its grade where there is nothing to compare."""
    boxed = last_boxed(target)
    wanted = target if boxed is None else boxed
    names = asked_expressions(question)
    try:
        right = expression(wanted)
    except UnreadableError as error:
        return Grade(Verdict.ERROR, None, f"the target {quoted(wanted)} is unreadable: {error}")
    final = final_part(answer, opened=opened)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    found = claimed_boxes(final)
    if not found:
        return Grade(Verdict.UNPARSED, None, DENIED_BOX if boxes(final, most=1) else NO_BOX)
    known = _Target(wanted, right, read(right.latex, names), is_vector(wanted))
    claimed = contents(final, found, known.reading.value or known.expression.latex)
    first = _claim(claimed[0], known, names)
    if first.strict.verdict not in _READ:
        return first.strict
    other = doubt(final, found)
    if other:
        reason = f"{quoted(other)} stands beside the box"
        return Grade(Verdict.MISMATCH, found[-1].content, reason)
    others = [_claim(content, known, names) for content in claimed[1:]]
    return [first, *others, *_as_shares(first, known)]


def _claim(content: str, target: _Target, names: frozenset[str]) -> _Claim:
    strict = compare_content(content, target.expression, target.wanted)
    if strict.verdict not in _READ:
        return _Claim(content, strict)
    given = expression(content)
    point = _ONE_POINT.match(given.latex)
    if point is not None:
        given = dataclasses.replace(given, latex=point["point"])
    reading = read(given.latex, names)
    objection = _objection(given, target)
    if objection:
        return _Claim(content, strict, objection=objection)
    repeated = _repeated(target.reading.value or target.expression.latex, reading.value or given.latex)
    pair, reason = (repeated, "") if repeated else _pair(given, reading, target, vector=is_vector(content))
    return _Claim(content, strict, pair, reason)


def _as_shares(claim: _Claim, target: _Target) -> list[_Claim]:
    """Return a claim with "50 %" read as a half, where only one side is a percentage."""
    unit = expression(claim.content).unit
    if (
        claim.pair is None
        or claim.strict.verdict is Verdict.MATCH
        or {unit, target.expression.unit} != {"percent", None}
    ):
        return []
    share = "\\frac{%s}{100}"
    if unit == "percent":
        return [dataclasses.replace(claim, pair=claim.pair._replace(answer=share % claim.pair.answer))]
    return [dataclasses.replace(claim, pair=claim.pair._replace(gold=share % claim.pair.gold, digits=None))]


def _objection(given: Expression, target: _Target) -> str:
    """Return what speaks against equality whatever math-verify says; empty where nothing does."""
    right = target.expression
    if contradict(given.unit, right.unit):
        return f"the unit {given.unit} is not {right.unit}"
    if any(_BRACED.match(one) and _PAIR.match(other) for one, other in _both_ways(given.latex, right.latex)):
        return "a set is no point and no interval"
    if len(DOTS.findall(given.latex)) != len(DOTS.findall(right.latex)):
        return "dots on one side only"
    if DOTS.search(given.latex):
        return "math-verify does not read dots"
    for one, other in _both_ways(given.latex, right.latex):
        letters = "".join(re.findall("[A-Za-z]", other)).casefold()
        named = read(one).name
        for text in _TEXT.findall(one.replace(named, " ") if named else one):
            lonely = [
                word
                for word in _WORD.findall(text)
                if word.casefold() not in _SMALL_WORDS and word.casefold() not in letters
            ]
            if lonely:
                return f"the word {quoted(lonely[0])} stands on one side only"
    return ""


def _both_ways(one: str, other: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (one, other), (other, one)


def _pair(given: Expression, reading: Reading, target: _Target, *, vector: bool) -> tuple[Pair | None, str]:
    """Return what math-verify is asked, or why it need not be."""
    right = target.reading
    digits = _digits(right.value or target.expression.latex)
    if digits is not None and reading.relations <= {"\\approx", "="} and "\\approx" in reading.relations:
        # A rounded target asks for a rounded number, and "approximately" says no more.
        return Pair(right.value or "", re.split(r"\\approx|\\simeq|=", given.latex)[-1], digits), ""
    if not reading.relations and not right.relations:
        gold, answer = _as_vectors(target.expression.latex, given.latex, either=vector or target.is_vector)
        return Pair(gold, answer, digits), ""
    if right.relations and reading.relations:
        return _both_related(given, reading, target, digits)
    if right.relations:
        if is_interval(given.latex) and right.value is None:
            interval = as_interval(target.expression.latex)
            return Pair(interval or target.expression.latex, given.latex, inequality=interval is None), ""
        return Pair(right.value if right.value is not None else target.expression.latex, given.latex, digits), ""
    return _only_answer_related(given, reading, target.expression.latex, digits)


def _repeated(gold: str, answer: str) -> Pair | None:
    """Return a pair of lists to be compared element by element, where the target names an element more than once."""
    right = split_list(gold)
    if len(right) < 2 or len({_form(item) for item in right}) == len(right):  # noqa: PLR2004 - a list
        return None
    return Pair(gold, answer, gold_items=tuple(right), answer_items=tuple(split_list(answer)))


def _form(latex: str) -> tuple[str, ...]:
    try:
        return canonical(latex)
    except UnreadableError:
        return (latex,)


def _both_related(given: Expression, reading: Reading, target: _Target, digits: int | None) -> tuple[Pair | None, str]:
    right = target.reading
    values = reading.value is not None and right.value is not None
    if values and _bare(reading.name) == _bare(right.name) and reading.relations == right.relations:
        return Pair(right.value or "", reading.value or "", digits, reading.equal), ""
    membership = (right.relations | reading.relations) & {"\\in"}
    claimed = reading.value or (as_interval(given.latex) if membership else None)
    if membership and claimed is not None:
        wanted = right.value or as_interval(target.expression.latex)
        return Pair(wanted or target.expression.latex, claimed, digits, inequality=wanted is None), ""
    if not reading.relations <= right.relations | {"=", "<", ">", "\\le", "\\ge"}:
        return None, reading.reason or "another relation than the target's"
    solved = right.value is not None and not has_unknowns(right.value) and right.name.strip()
    if reading.equation is not None and solved and solved in "".join(reading.equation):
        return Pair(right.value or "", reading.equation[0], digits, solve=reading.equation[1]), ""
    # A chain of equations counts by its ends, and its sides were compared where both name the same.
    return Pair(target.expression.latex, f"{reading.name}={reading.value}" if reading.equal else given.latex), ""


def _only_answer_related(given: Expression, reading: Reading, gold: str, digits: int | None) -> tuple[Pair | None, str]:
    """The target is a value, a set or an interval, and the answer holds a relation."""
    if reading.value is not None:
        return Pair(gold, reading.value, digits, reading.equal), ""
    if reading.equation is not None:
        return Pair(gold, reading.equation[0], digits, solve=reading.equation[1]), ""
    inequality = reading.relations and reading.relations <= {"<", ">", "\\le", "\\ge", "\\ne"}
    if inequality and is_interval(gold):
        interval = as_interval(given.latex)
        if interval is not None:
            return Pair(_whole_line(gold), interval), ""
        return Pair(_whole_line(gold), given.latex, inequality=True), ""
    return None, reading.reason


def _whole_line(gold: str) -> str:
    return "(-\\infty,\\infty)" if "".join(gold.split()) in {"\\mathbb{R}", "\\mathbbR"} else gold


def _bare(name: str) -> str:
    return re.sub(r"[\s{}]|\\left|\\right", "", name)


def _digits(latex: str) -> int | None:
    decimal = _DECIMAL.fullmatch(latex)
    return None if decimal is None else len(decimal[1])


def _as_vectors(gold: str, answer: str, *, either: bool) -> tuple[str, str]:
    r"""Write matrices of one column or row as tuples, where the other side is written with ``\langle``."""
    if not either:
        return gold, answer
    return _COLUMN.sub(_entries, gold), _COLUMN.sub(_entries, answer)


def _entries(matrix: re.Match[str]) -> str:
    rows = [row.split("&") for row in matrix[1].split("\\\\") if row.strip()]
    if len(rows) > 1 and any(len(row) > 1 for row in rows):
        return matrix.group()
    return f"({','.join(entry.strip() for row in rows for entry in row)})"


def _joined(claim: _Claim, symbolic: Comparison | None, question: str) -> Grade:
    strict = claim.strict
    if claim.objection and strict.verdict is not Verdict.MATCH:
        return dataclasses.replace(strict, reason=claim.objection, strict=strict.verdict)
    if symbolic is None:
        return dataclasses.replace(strict, strict=strict.verdict)
    both = dataclasses.replace(strict, strict=strict.verdict, symbolic=symbolic.verdict)
    if strict.verdict is Verdict.MATCH:
        return both
    if symbolic.verdict is Verdict.MATCH and repeats(clean(claim.content), question):
        return dataclasses.replace(both, verdict=Verdict.MISMATCH, reason="repeats an expression of the question")
    if symbolic.verdict in (Verdict.MATCH, Verdict.TIMEOUT):
        return dataclasses.replace(both, verdict=symbolic.verdict, reason=symbolic.reason)
    return dataclasses.replace(both, reason=f"{strict.reason}; {symbolic.reason}")


def _best(grades: list[Grade]) -> Grade:
    """Return the first grade that is a match, else the first one: the last box decides what is reported."""
    return next((grade for grade in grades if grade.verdict is Verdict.MATCH), grades[0])
