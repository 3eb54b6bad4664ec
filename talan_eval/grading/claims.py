"""What the words around a claim say about it: the small grammar of a final answer, shared by the graders.

A final answer claims one thing. It claims none where it takes the thing back ("5 is wrong", "B doesn't hold", "not 5"),
and no single one where another stands beside it ("5 or 6", "B, wait C", "A -> B"). Another that is only spoken of
("B because C is heavier", "18 of the 20", "6, not 5") changes nothing. What counts is the last word before it that says
how it stands to the claim.
"""

from __future__ import annotations

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BESIDE: Final = _words(
    "or and to nor versus vs through thru maybe perhaps possibly alternatively alternately otherwise else "
    "either also plus wait actually no nope sorry correction oops hmm hm mean meant rather should could might "
    "must may scratch hold make again probably likely"
)
"""Words before another claim that put it beside the first one or in its place."""
ABOUT: Final = _words(
    "of per for from in on at by with after before because since as when if than each every within over "
    "during that which where while given assuming using rounded not into among between without under above "
    "below out via until whose who ie eg see step problem question note like unlike except excluding "
    "including across"
)
"""Words before another number that make it part of what is said about the first one."""
SO: Final = _words(
    "so thus therefore hence equals equal is are be becomes gives give get gets makes making giving total "
    "totals totaling altogether answer result => -> \u2192 \u21d2 = \u2248 --> ==> \\to \\rightarrow \\approx"
)
"""Words before another number that make it the result of what stands before."""
_WHY: Final = _words("because since as if when that which where while given note")
"""Words behind which no result is announced any more."""
_FALSE: Final = (
    r"(?:wrong|incorrect|invalid|impossible|false|untrue|mistaken|a mistake|an error|a trap|unlikely|ruled out|excluded"
    r"|eliminated|rejected|discarded|refuted)"
)
_IS: Final = r"(?:is|was|are|were|seems|looks|has been|must be|would be|should be|can be|could be|will be|gets|be)"
_ADVERB: Final = r"(?:(?:(?!only)[a-z]{2,12}ly|just|also|then|thus|so) )?"
_IS_NOT: Final = rf"(?:{_IS} {_ADVERB}(?:not|never|no longer)|(?:is|was|are|were)n'?t)"
_WHAT_IT_IS: Final = (
    r"(?:the (?:right |correct |final )?(?:answer|option|choice|solution|value|result|one)"
    r"|an? (?:answer|solution|option)|right|correct|true|valid|possible|allowed|it\b)"
)
DENIED_BEHIND: Final = re.compile(
    r"[\s,\u2013\u2014-]{0,4}(?:(?:which|that|but that|but it|but this|this|it) )?"
    rf"(?:{_IS} {_ADVERB}{_FALSE}\b|{_IS_NOT} {_ADVERB}{_WHAT_IT_IS})"
    r"|\s*[.,:;?!(\[\u2013\u2014-]+\s*(?:(?:no|nope|wait|hmm)[,. ]{1,3})?(?:(?:that|this|it)(?:'?s| is| was) )?"
    rf"{_ADVERB}(?:wrong|incorrect|not (?:right|correct|it|the (?:right |correct |final )?answer)|a mistake)\b"
    r"(?! (?:than|answers?|guess|ones?|turns?|number))"
    r"|\s*\?\s*(?:no|nope)\b[.! ]*(?:\Z|\n)|\s*[\u2717\u2718\u274c]",
    re.IGNORECASE,
)
"""Behind a claim: what says that it is false."""
FAILS_BEHIND: Final = re.compile(
    r"[ \t]{1,4}(?:(?:does|do|did|would|could|should|must|will|can|has|had|may|might)(?:n'?t| not)\b"
    rf"|(?:won'?t|can'?t|cannot|fails|violates|contradicts)\b|(?:{_IS_NOT}|{_IS} {_ADVERB}out) (?!only))",
    re.IGNORECASE,
)
"""Behind a bare letter, which is nothing that could do or be something else: what says that it is false, too."""
DENIED_BEFORE: Final = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot be|other than|anything but|rather than|instead of|except)"
    r"|\b(?:is|was|are|were|do|does|did|ca|could|would|should|wo)n['\u2019]?t(?: be)?"
    r"|\\neq?|\u2260|(?<![0-9A-Za-z)\]}])!=|(?<!<)<>(?!>))"
    r"\s*(?:(?:equal(?: to)?|be|is|at all|just|the|(?!only)[a-z]{2,12}ly|option|answer|choice)\s)*[\s$(]*\Z",
    re.IGNORECASE,
)
"""Before a claim: what says that it is none."""
TAKEN_BACK: Final = re.compile(
    r"\b(?:wait|actually|hmm+|no(?=[,.!])|nope|correction|sorry|oops|hold on|scratch that|on second thoughts?|make that"
    r"|i mean|or (?:maybe|perhaps|possibly)|maybe|perhaps|possibly|alternatively|rather(?! than\b))\b",
    re.IGNORECASE,
)
"""What takes a claim back or opens it again."""
NUMBER_WORD: Final = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    r"|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|none|nothing)"
)
_KEYWORD: Final = re.compile(r"[a-z][a-z.]*[a-z]|[a-z]|[-=]{1,2}>|\\(?:to|rightarrow|approx)|[=\u2192\u21d2\u2248]")
_STRUCK: Final = re.compile(r"~~(?!~)[^~\n]{1,80}~~(?!~)")


def without_struck(text: str) -> str:
    """Return a text without what Markdown shows as struck through: ``~~B~~ C`` is C."""
    return _STRUCK.sub(" ", text) if "~~" in text else text


def says_why(gap: str) -> bool:
    """Tell whether a gap leads over to a reason or a remark: "because", "which is"."""
    return not _WHY.isdisjoint(_KEYWORD.findall(gap.casefold()))


def standing(gap: str) -> str | None:
    """Return the last word of a gap that says how what follows stands to what precedes, or None.

    Args:
        gap: The text between two claims.

    Returns:
        The word in lower case, from ``BESIDE``, ``ABOUT`` or ``SO``.
    """
    words = _KEYWORD.findall(gap.casefold())
    return next((word for word in reversed(words) if word in BESIDE or word in ABOUT or word in SO), None)
