r"""Numeric answers in the style of GSM8K (Cobbe et al., 2021, arXiv:2110.14168).

Which number of the answer counts:

1. The number right behind the first ``####``. The first, because text behind it is usually the model going on to
   another problem; lm-eval's ``strict-match`` filter does the same. A Markdown heading ("#### Step 1", "#### 1. Add")
   is no answer. Where a calculation stands there, it counts by its value: the result that it states ("#### 3 weeks * 6
   = 18", "#### 18 = 3 * 6", "#### x = 18"), else what it comes to ("#### 3 * 6"). Words between its numbers are units.
2. Otherwise the last number of the text, as lm-eval's ``flexible-extract``. "The answer is n" has no rule of its own: a
   phrase list would favour the arm that happens to use its phrases, and the last number is nearly always the same one.

What a line says is read by ``talan_eval.grading.number_line``, what prose says by
``talan_eval.grading.number_prose``: several values ("#### 5 or 6", "3 hours 20 minutes"), sides that differ or a
denial ("#### not 5") leave none. What is one number is said in ``talan_eval.grading.number_text``, what is a
calculation in ``talan_eval.grading.number_expression``. Units and percent signs behind it are dropped, "50%" is
50; tags ("<answer>") and special tokens ("</s>") are no text; "million", "dozen" and the like are factors, unless the
question asks in them. Values are compared exactly, as fractions.

Not covered: numbers in words ("twelve"), European decimal commas, Indian grouping, converting units.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_eval.grading.claims import without_struck
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.number_expression import SCALES
from talan_eval.grading.number_line import SEVERAL, SIDES, read_line
from talan_eval.grading.number_prose import last_claim
from talan_eval.grading.number_text import NUMBER, FoundNumber, number_of, plain_text
from talan_eval.grading.text import quoted, without_tokens
from talan_eval.grading.thinking import NEVER_ENDED, final_part

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER: Final = re.compile(
    r"####[ \t]*(?:(?:the[ ])?(?:final[ ])?answer(?:[ ]is)?[ ]?:?[ \t]*)?(?:[*_`=(\s]|\\\(|\\boxed\{|\$(?=\\))*+",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(
    r"(?:(?:minus|negative|about|approximately|approx\.?|around|roughly|exactly|only|just|nearly|almost"
    r"|total(?: of)?:?|a total of|at least|at most|up to|it is|it's|there are|maybe|perhaps|probably|possibly"
    r"|likely|most likely|either|both|between|from|somewhere|not|isn't|is not|it isn't|less than|more than|fewer than"
    r"|greater than|over|under|half of|twice|double|\u2248|~|<=?|>=?|\u2264|\u2265|\u221a"
    r"|\\approx|\\sqrt|\\[lg]e|\\ne)[\s({$]*){1,4}(?=[-+$(.0-9])",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(r"[.:)](?:\*\*)?[ \t]+\S[^\n]*\n\s*\S")
_UNKNOWN: Final = re.compile(r"[A-Za-z][A-Za-z_ ]{0,30}[ ]?=[ ]?")
_LINE_END: Final = re.compile(r"\n|(?<=[\w.)}$*])[ \t]*####")
_PLACEHOLDER: Final = re.compile(r"<[ ]?([-+]?\$?[0-9][0-9,.]*)[ ]?>")
_BARE: Final = re.compile(r"[ \t.*$}]*(?:\n|\Z)")
_ASKED: Final = re.compile(
    rf"\b(?:how many(?: more| fewer| other)?|in|number of)\s+({'|'.join(SCALES)})s?\b", re.IGNORECASE
)

_TAG: Final = re.compile(r"</?(?!su[bp]>)[A-Za-z][A-Za-z_]{1,19}/?>")
_ITALIC: Final = re.compile(r"(?<![\w\\)}])_{1,3}([-$\d][^_\n]{0,40})_{1,3}(?![\w{])")


def find_number(text: str, question: str = "") -> FoundNumber | None:
    """Return the number that counts as the answer in ``text``, or None where there is none.

    Args:
        text: A model's answer, a reference solution or a bare number.
        question: What was asked; empty where that is not known.
    """
    alone = NUMBER.fullmatch(text)
    if alone is not None:
        return number_of(alone)
    plain = plain_text(_without_tags(without_tokens(without_struck(text))))
    for start in _answer_lines(plain):
        match = NUMBER.match(plain, start)
        if match is not None and _BARE.match(plain, match.end()) is not None:
            return number_of(match)
        said = read_line(_LINE_END.split(plain[start:], maxsplit=1)[0], asked=_asked(question))
        if said is not None:
            return said
    return last_claim(plain, _asked(question))


def _without_tags(text: str) -> str:
    """Return a text without tags such as ``<answer>``, whose angle bracket is no bound, and without ``_italics_``."""
    text = _TAG.sub(" ", _PLACEHOLDER.sub(r" \1 ", text)) if "<" in text else text
    return _ITALIC.sub(r"\1", text) if "_" in text else text


def _asked(question: str) -> frozenset[str]:
    """Return the scales in which a question asks: "how many dozen eggs", "in millions"."""
    return frozenset(found[1].lower() for found in _ASKED.finditer(question))


def _answer_lines(plain: str) -> Iterator[int]:
    """Yield where numbers stand behind ``####``, in order; headings are left out."""
    for marker in _MARKER.finditer(plain):
        unknown = _UNKNOWN.match(plain, marker.end())
        start = marker.end() if unknown is None else unknown.end()
        match = NUMBER.match(plain, start)
        if match is not None and _HEADING.match(plain, match.end()) is not None:
            continue
        if match is not None or _LEAD.match(plain, start) is not None:
            # A bracket belongs to the calculation: "(3+2)*4".
            yield start - 1 if plain.startswith("(", start - 1) else start


def grade_number(answer_text: str, target_text: str, *, question: str = "", thinking: bool = False) -> Grade:
    """Grade an answer against a target by exact comparison of two numbers.

    Args:
        answer_text: What the model wrote.
        target_text: The bare target, or a whole reference solution that ends in ``#### n``.
        question: What was asked; empty where that is not known.
        thinking: Whether the answer begins inside the thinking.

    Returns:
        The grade; ``ERROR`` where the target holds no number.
    """
    target = find_number(target_text)
    if target is None or target.value is None:
        return Grade(Verdict.ERROR, None, f"the target {quoted(target_text)} holds no number")
    final = final_part(answer_text, opened=thinking)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    found = find_number(final, question)
    if found is None:
        return Grade(Verdict.UNPARSED, None, "no number in the answer")
    if found.value is None:
        several = found.reason in {SEVERAL, SIDES}
        return Grade(Verdict.MISMATCH if several else Verdict.UNPARSED, found.text, found.reason)
    if found.value == target.value:
        return Grade(Verdict.MATCH, found.text, "equal numbers")
    return Grade(Verdict.MISMATCH, found.text, f"differs from {target.text}")
