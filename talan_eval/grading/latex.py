r"""LaTeX answers in the style of MATH (Hendrycks et al., 2021, arXiv:2103.03874), compared by a strict normaliser.

The answer is the content of the last ``\boxed{...}`` whose braces balance; without one the answer is unparsed. Both
sides are brought to one form and must then be equal, part by part. Equal are:

- spacing, ``\left``/``\right``, ``$...$``, ``\dfrac``/``\tfrac``, ``\frac12``, ``x^{2}`` and ``x^2``, ``\leq`` and
  ``\le``;
- rational numbers, also inside tuples, intervals and matrices: ``0.5``, ``.5``, ``1/2``, ``\frac{2}{4}``, ``+1/2``,
  ``1\frac12`` (a mixed number); ``10,\!080`` and ``10080``;
- with and without degrees, ``\%``, ``\$`` or a unit in ``\text{}`` at the end (``15\text{ cm}^2``), as in the
  benchmark's own normaliser; ``\text{(B)}`` and ``B``; words in either case;
- ``x = 5`` and ``5``, ``x \in [0,1]`` and ``[0,1]``, where one side only names the unknown.

Nothing is simplified: ``\frac{2\sqrt{3}}{2}`` is not ``\sqrt{3}``, ``2x+1`` is not ``1+2x`` and ``1,2`` is not
``2,1``. :mod:`talan_eval.grading.math_answer` puts a symbolic comparison beside this one for
such forms. Size and depth are bounded, time is linear in the size of the text.
"""

from __future__ import annotations

import re
from typing import Final

from talan_eval.grading.latex_form import UnreadableError, canonical
from talan_eval.grading.text import quoted
from talan_eval.grading.thinking import NEVER_ENDED, final_part
from talan_eval.grading.verdict import Grade, Verdict

MAX_CHARACTERS: Final = 4_000
"""A longer boxed answer is refused; the longest target of MATH-500 has 55 characters."""
MAX_BOXES: Final = 200
"""So many boxes are tried from the end of the text before it counts as unparsed."""
_BOX: Final = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s?")
_BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z]{3,}")


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last ``\boxed{...}`` with balanced braces, or None where there is none.

    ``\boxed 5`` without braces holds what follows up to white space or ``$``. Escaped braces do not count. A box longer
    than ``MAX_CHARACTERS`` is passed over.
    """
    boxes = list(_BOX.finditer(text))
    for box in reversed(boxes[-MAX_BOXES:]):
        content = _content(text, box.end())
        if content is not None:
            return content
    return None


def grade_latex(answer: str, target: str, *, thinking: bool = False) -> Grade:
    r"""Grade a LaTeX answer by strict normal forms.

    Args:
        answer: What the model wrote, with ``\boxed{...}``.
        target: The bare target, or a reference solution with ``\boxed{...}``.

    Returns:
        The grade; ``ERROR`` where the target cannot be normalised.
    """
    boxed_target = last_boxed(target)
    wanted = target if boxed_target is None else boxed_target
    try:
        right = _form(wanted)
    except UnreadableError as error:
        return Grade(Verdict.ERROR, None, f"the target {quoted(wanted)} is unreadable: {error}")
    final = final_part(answer, opened=thinking)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    found = last_boxed(final)
    if found is None:
        return Grade(Verdict.UNPARSED, None, "no \\boxed{...} with balanced braces")
    try:
        form = _form(found)
    except UnreadableError as error:
        return Grade(Verdict.UNPARSED, found, f"unreadable: {error}")
    if _equal(form, right):
        return Grade(Verdict.MATCH, found, "equal normal forms")
    return Grade(Verdict.MISMATCH, found, f"differs from {quoted(wanted)}")


def _form(latex: str) -> tuple[str, ...]:
    """Return a normal form that is not empty."""
    if len(latex) > MAX_CHARACTERS:
        raise UnreadableError(f"longer than {MAX_CHARACTERS} characters")
    form = canonical(latex)
    if not form:
        raise UnreadableError("empty")
    return form


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
    return form[2:] if named else form


def _content(text: str, start: int) -> str | None:
    """Return what the box that opens at ``start`` holds, or None where its braces do not balance soon enough."""
    if not text.startswith("{", start):
        rest = re.compile(r"[^\s${}]{1,40}").match(text, start)
        return None if rest is None else rest.group()
    depth = 0
    for brace in _BRACE.finditer(text, start, start + MAX_CHARACTERS + 2):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : brace.start()]
    return None
