r"""LaTeX answers in the style of MATH (Hendrycks et al., 2021, arXiv:2103.03874), compared by a strict normaliser.

The answer is the content of the last ``\boxed{...}`` whose braces balance; without one the answer is unparsed. Both
sides are brought to one form and must then be equal, part by part. Equal are:

- spacing, ``\left``/``\right``, ``$...$``, ``\dfrac``/``\tfrac``, ``\frac12``, ``x^{2}`` and ``x^2``, ``\leq`` and
  ``\le``;
- rational numbers, also inside tuples, intervals and matrices: ``0.5``, ``.5``, ``1/2``, ``\frac{2}{4}``, ``+1/2``,
  ``1\frac12`` (a mixed number); ``10,\!080`` and ``10080``;
- with and without a unit that may be dropped (``30^\circ``, ``50\%``, ``\$5``, ``15\text{ cm}^2``, ``5 people``; see
  ``talan_eval.grading.units``), where the two sides do not name different ones;
- ``\text{(B)}`` and ``B``; words in either case; what ``talan_eval.grading.latex_clean`` writes in one way;
- ``x = 5`` and ``5``, ``x \in [0,1]`` and ``[0,1]``, where one side only names the unknown.

Nothing is simplified: ``\frac{2\sqrt{3}}{2}`` is not ``\sqrt{3}``, ``2x+1`` is not ``1+2x`` and ``1,2`` is not
``2,1``. ``talan_eval.grading.math_answer`` puts a symbolic comparison beside this one for
such forms. Size and depth are bounded, time is linear in the size of the text.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Final

from talan_eval.grading.claims import DENIED_BEFORE, DENIED_BEHIND
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.latex_clean import clean
from talan_eval.grading.latex_form import UnreadableError, canonical
from talan_eval.grading.text import quoted
from talan_eval.grading.thinking import NEVER_ENDED, final_part
from talan_eval.grading.units import contradict, scaled, split_unit

MAX_CHARACTERS: Final = 4_000
"""A longer boxed answer is refused; the longest target of MATH-500 has 55 characters."""
MAX_BOXES: Final = 200
"""So many boxes are tried from the end of the text before it counts as unparsed."""
NO_BOX: Final = "no \\boxed{...} with balanced braces"
DENIED_BOX: Final = "the answer denies what it boxes"
_AROUND: Final = 60
_CLOSING: Final = re.compile(r"\A(?:\$+|\\[)\]]|[*}\s])*")
_BOX: Final = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s{0,3}")
_BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z]{3,}")
# A minus sign that touches the box, or follows "=" or a dollar sign; "8 - \\boxed{5} = 3" and a list's dash are none.
_MINUS_BEFORE: Final = re.compile(
    r"(?:(?:\A|[\n:(])[ \t]*|(?:[=$]|\\[(\[])\s*)[-\u2212]\$?\Z|(?:=|\\[(\[])\s*[-\u2212]\s*\$?\Z"
)
_SCALE_BEHIND: Final = re.compile(
    r"[\s$]*(?:\\(?:text|mathrm)\s?\{\s*)?(hundred|thousand|million|billion|trillion|dozen)\b"
)
_PLAIN_NUMBER: Final = re.compile(r"\s*[0-9][0-9.,]*\s*")
_LISTED: Final = re.compile(r"[=<>,;]|\\[lg]e|\\text|\A\s*-")


@dataclass(frozen=True, slots=True)
class Box:
    """A box with balanced braces, and where it stands in its text."""

    content: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Expression:
    """An answer as it is compared: cleaned LaTeX, the unit that was split off, and the strict normal form."""

    latex: str
    unit: str | None
    form: tuple[str, ...]


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last ``\boxed{...}`` with balanced braces, or None where there is none.

    ``\boxed 5`` without braces holds what follows up to white space or ``$``. Escaped braces do not count. A box longer
    than ``MAX_CHARACTERS`` is passed over.
    """
    found = boxes(text, most=1)
    return found[-1].content if found else None


def boxes(text: str, most: int = MAX_BOXES) -> list[Box]:
    """Return the last boxes of a text with balanced braces, in their order.

    Args:
        text: An answer.
        most: So many at most.
    """
    found: list[Box] = []
    for box in reversed(list(_BOX.finditer(text))[-MAX_BOXES:]):
        content, end = _content(text, box.end())
        if content is not None:
            found.append(Box(content, box.start(), end))
        if len(found) == most:
            break
    return found[::-1]


def claimed_boxes(text: str) -> list[Box]:
    r"""Return the last boxes of an answer without those that it denies: "\boxed{6}, not \boxed{5}" claims 6."""
    return [
        dataclasses.replace(box, content=_with_sign_and_scale(text, box))
        for box in boxes(text)
        if DENIED_BEFORE.search(text, max(0, box.start - _AROUND), box.start) is None
        and DENIED_BEHIND.match(_CLOSING.sub(" ", text[box.end : box.end + _AROUND])) is None
    ]


def _with_sign_and_scale(text: str, box: Box) -> str:
    r"""Return a box's content with what belongs to it outside: "-\boxed{5}" is -5, "\boxed{5} million" 5 million."""
    content = box.content
    scale = _SCALE_BEHIND.match(text[box.end : box.end + _AROUND])
    if scale is not None and _PLAIN_NUMBER.fullmatch(content) is not None:
        content = f"{content}\\text{{ {scale[1]}}}"
    if _MINUS_BEFORE.search(text, max(0, box.start - _AROUND), box.start) is None or _LISTED.search(content):
        return content
    return f"-({content})" if re.search(r"[-+]", content) else f"-{content}"


def expression(latex: str) -> Expression:
    """Read one side of a comparison.

    Raises:
        UnreadableError: It is too long, too deep or empty.
    """
    if len(latex) > MAX_CHARACTERS:
        raise UnreadableError(f"longer than {MAX_CHARACTERS} characters")
    value, unit = split_unit(scaled(clean(latex)))
    form = canonical(value)
    if not form:
        raise UnreadableError("empty")
    return Expression(clean(value), unit, form)


def grade_latex(answer: str, target: str, *, thinking: bool = False) -> Grade:
    r"""Grade a LaTeX answer by strict normal forms.

    Args:
        answer: What the model wrote, with ``\boxed{...}``.
        target: The bare target, or a reference solution with ``\boxed{...}``.
        thinking: Whether the answer begins inside the thinking.

    Returns:
        The grade; ``ERROR`` where the target cannot be normalised.
    """
    boxed_target = last_boxed(target)
    wanted = target if boxed_target is None else boxed_target
    try:
        right = expression(wanted)
    except UnreadableError as error:
        return Grade(Verdict.ERROR, None, f"the target {quoted(wanted)} is unreadable: {error}")
    final = final_part(answer, opened=thinking)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    found = claimed_boxes(final)
    if not found:
        return Grade(Verdict.UNPARSED, None, DENIED_BOX if boxes(final, most=1) else NO_BOX)
    return compare_content(found[-1].content, right, wanted)


def compare_content(content: str, right: Expression, wanted: str) -> Grade:
    """Compare the content of a box with what is right.

    Args:
        content: What the box holds.
        right: What is right.
        wanted: The same as it was given, for the reason.
    """
    try:
        claimed = expression(content)
    except UnreadableError as error:
        return Grade(Verdict.UNPARSED, content, f"unreadable: {error}")
    if contradict(claimed.unit, right.unit):
        return Grade(Verdict.MISMATCH, content, f"the unit {claimed.unit} is not {right.unit}")
    if _equal(claimed.form, right.form):
        return Grade(Verdict.MATCH, content, "equal normal forms")
    return Grade(Verdict.MISMATCH, content, f"differs from {quoted(wanted)}")


def _equal(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    if left == right:
        return True
    for sign in ("=", "\\in"):
        if (sign in left) != (sign in right) and _without_unknown(left, sign) == _without_unknown(right, sign):
            return True
    words = ("".join(left), "".join(right))
    return all(_WORD.fullmatch(word) for word in words) and words[0].casefold() == words[1].casefold()


def _without_unknown(form: tuple[str, ...], sign: str) -> tuple[str, ...]:
    r"""Return ``form`` without a leading "x =" or "x \in"."""
    named = form[1:2] == (sign,) and len(form[0]) == 1 and form[0].isalpha() and form.count(sign) == 1
    named = named and form[0] not in form[2:]  # "x = 5x - 20" is to be solved
    return form[2:] if named else form


def _content(text: str, start: int) -> tuple[str | None, int]:
    """Return what the box that opens at ``start`` holds and where it ends; None where its braces do not balance."""
    if not text.startswith("{", start):
        rest = re.compile(r"[^\s${}]{1,40}").match(text, start)
        return (None, start) if rest is None else (rest.group(), rest.end())
    depth = 0
    for brace in _BRACE.finditer(text, start, start + MAX_CHARACTERS + 2):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : brace.start()], brace.end()
    return None, start
