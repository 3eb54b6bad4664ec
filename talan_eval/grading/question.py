r"""What a question holds: its expressions, and whether it offers choices.

An answer that repeats an expression of the question is no answer to it, even where both are equal. Whole expressions
are compared: what stands between dollar signs or ``\[ \]``, its sides, and in plain text the runs between words. A
plain number is never a repetition, and where the question offers choices, one of them is the answer.
"""

from __future__ import annotations

import functools
import re
from typing import Final

_MATH: Final = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
_WORDS: Final = re.compile(r"(?<![\\A-Za-z^_{])(?:[A-Za-z]{2,}[,.;:?!']*(?=\s|\Z)|a(?=\s[A-Za-z]{2}))")
_CHOICES: Final = re.compile(
    r"\b(?:which|choose|select|pick|options?|choices?|among|one of)\b"
    r"|\(A\).{1,300}\(B\)|\\text(?:bf|rm)?\s?\{\s?\(?A\)?"
    r"|(?:^|\n)\s*\(?[aA][).].{1,300}\n\s*\(?[bB][).]",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER: Final = re.compile(
    r"[-+]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)|[-+]?\\frac\{[0-9]+\}\{[0-9]+\}|[-+]?[0-9]+/[0-9]+"
)
_IGNORED: Final = re.compile(r"\\left|\\right|\\displaystyle|\\[,;:! ]|[\s{}]")
_CHOOSE: Final = re.compile(r"\{\s?([^{}]{1,20}?)\s?\\choose\s?([^{}]{1,20}?)\s?\}")
_ROOT: Final = re.compile("\u221a\\s?([0-9A-Za-z(])")
_LONGEST: Final = 4000
_SHORTEST: Final = 3  # characters; a shorter expression stands in a question by chance


def asked_expressions(question: str) -> frozenset[str]:
    """Return the expressions of a question without spaces, as names for what it asks ("find $m+n$")."""
    return _expressions(question)[1]


def repeats(answer: str, question: str) -> bool:
    """Tell whether an answer is an expression of the question, other than a number or one of its choices.

    Args:
        answer: A cleaned answer.
        question: What was asked; empty where that is not known.
    """
    bare = _bare(answer)
    if len(bare) < _SHORTEST or _NUMBER.fullmatch(answer.strip()) or not question:
        return False
    return bare in _expressions(question)[0] and _CHOICES.search(question) is None


@functools.lru_cache(maxsize=4096)
def _expressions(question: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the whole expressions of a question and their sides in bare form, and the whole ones without spaces."""
    text = question[:_LONGEST]
    whole = [next(part for part in found.groups() if part is not None) for found in _MATH.finditer(text)]
    plain = list(_WORDS.split(_MATH.sub(" is ", text)))
    stripped = [part.strip().strip(".,;:?") for part in (*whole, *plain)]
    # "Evaluate 9!/7!" ends in a factorial, "Compute it!" does not.
    expressions = [part.strip() for part in (*stripped, *(part.strip(".,;:?!") for part in stripped))]
    sides = [side for part in expressions for side in re.split(r"(?<![<>!])=", part)]
    bare = frozenset(map(_bare, (*expressions, *sides))) - {""}
    return bare, frozenset("".join(part.split()) for part in whole)


def _bare(latex: str) -> str:
    text = (
        latex.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cdot", "*").replace("\\times", "*")
    )
    text = _CHOOSE.sub(r"\\binom{\1}{\2}", text.replace("\\dbinom", "\\binom").replace("\\tbinom", "\\binom"))
    return _IGNORED.sub("", _ROOT.sub(r"\\sqrt\1", text)).strip(".,;:")
