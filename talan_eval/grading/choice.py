r"""Multiple-choice answers in the style of GPQA (Rein et al., 2023, arXiv:2311.12022).

A letter counts where the answer claims it. Explicit claims come first:

- ``\boxed{B}``, also around ``\text{B}``, ``(B)`` and the like;
- "the answer is B", "Answer: (B)", "the correct option is **B**", "B is the correct answer", "I choose B".

Only without any of these, the layout counts: a line that starts with an option label ("B)", "(B) because ...",
"**B**") or that is nothing but a letter.

Different letters in claims of the same kind earn no credit, whichever they are: ``MISMATCH``. A text that merely
repeats the options therefore earns none. Options that are discussed ("A is wrong because ...") are no claims.

Letters are upper case in running text; "a" and "A" as an article ("The answer is a cell", "A cell divides") are none.
A lower-case letter counts in brackets and on its own.
"""

from __future__ import annotations

import re
from typing import Final

from talan_eval.grading.text import final_part, quoted
from talan_eval.grading.verdict import Grade, Verdict

DEFAULT_LETTERS: Final = "ABCD"
_DECORATION: Final = re.compile(r"[*_`$\"'\u201c\u201d\u2018\u2019]|\\[()\[\]]")
_FONT: Final = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s?\{([^{}]{0,12})\}")
_ALSO: Final = re.compile(r"[ ]?(?:,|/|&|\bor\b|\band\b)[ ]?(?:or[ ]|and[ ])?")
_AFTER_PRONOUN: Final = re.compile(r"[ \t]+(?:because|since|as|and|or|which|with|for|due|based)\b")


def grade_choice(answer: str, target: str, letters: str = DEFAULT_LETTERS) -> Grade:
    """Grade a multiple-choice answer.

    Args:
        answer: What the model wrote.
        target: The right letter, bare or in brackets.
        letters: The valid letters, upper case, in the order of the choices.

    Returns:
        The grade; ``ERROR`` where the target is not one of ``letters``.
    """
    right = target.strip().strip("().").upper()
    if len(right) != 1 or right not in letters:
        return Grade(Verdict.ERROR, None, f"the target {quoted(target)} is none of {letters}")
    claimed = claimed_letters(final_part(answer), letters)
    if not claimed:
        return Grade(Verdict.UNPARSED, None, "no letter is claimed")
    if len(claimed) > 1:
        listed = ", ".join(claimed)
        return Grade(Verdict.MISMATCH, listed, f"several letters are claimed: {listed}")
    verdict = Verdict.MATCH if claimed[0] == right else Verdict.MISMATCH
    return Grade(verdict, claimed[0], f"claims {claimed[0]}, the target is {right}")


def claimed_letters(answer: str, letters: str = DEFAULT_LETTERS) -> tuple[str, ...]:
    """Return the different letters that an answer claims, sorted; see the module's text for the rules."""
    text = _FONT.sub(r"\1", _DECORATION.sub("", answer))
    found = _explicit(text, letters) or _by_layout(text, letters)
    return tuple(sorted(found))


def _letter_pattern(letters: str) -> str:
    """Return a pattern for one claimed letter, bracketed (either case) or bare (upper case)."""
    both = f"{letters}{letters.lower()}"
    return rf"(?:[(\[{{][ ]?(?P<bracketed>[{both}])[ ]?[)\]}}]|(?P<bare>[{letters}])(?![A-Za-z0-9\-+=^_]))"


def _explicit(text: str, letters: str) -> set[str]:
    letter = re.compile(_letter_pattern(letters))
    verb = r"(?i:is|are|would be|should be|must be|will be)"
    noun = r"(?i:answer|option|choice|letter)"
    lead_ins = re.compile(
        rf"\\(?:boxed|fbox)\s?(?=\{{[ ]?[{letters}{letters.lower()}][ ]?\}})|\\(?:boxed|fbox)\s?\{{\s?"
        rf"|\b(?i:answer)s?[ ]?(?:{verb}|[:=])+\s*(?i:that[ ])?(?:{noun}\s?:?\s*)?"
        rf"|\b(?i:correct|right|best|final)[ ](?i:option|choice|letter)[ ]?(?:{verb}|[:=])+\s*(?:{noun}\s?:?\s*)?"
        rf"|\bI[ ](?i:choose|select|pick|would choose|will choose|go with)[ ](?:(?i:the[ ])?{noun}[ ])?"
    )
    found: set[str] = set()
    for lead_in in lead_ins.finditer(text):
        found |= _letters_from(text, lead_in.end(), letter)
    both = f"{letters}{letters.lower()}"
    backward = re.compile(
        rf"(?<![A-Za-z0-9])(?:\((?P<bracketed>[{both}])\)|(?P<bare>[{letters}]))[ ]is[ ](?:therefore[ ])?(?:the[ ])?"
        r"(?i:(?:correct|right|best|final)(?:[ ](?:answer|option|choice))?|answer)\b"
    )
    found |= {(match["bracketed"] or match["bare"]).upper() for match in backward.finditer(text)}
    return found


def _letters_from(text: str, start: int, letter: re.Pattern[str]) -> set[str]:
    """Return the letter at ``start`` and those joined to it ("A or B", "A, B and C")."""
    found: set[str] = set()
    while True:
        match = letter.match(text, start)
        if match is None or _is_word(match, text):
            return found
        found.add((match["bracketed"] or match["bare"]).upper())
        joined = _ALSO.match(text, match.end())
        if joined is None:
            return found
        start = joined.end()


def _is_word(match: re.Match[str], text: str) -> bool:
    """Tell whether a bare letter is an article or a pronoun: "A cell", "I think"."""
    if match["bare"] is None or match["bare"] not in "AI":
        return False
    follows_word = re.compile(r"[ \t]+[A-Za-z]").match(text, match.end()) is not None
    return follows_word and _AFTER_PRONOUN.match(text, match.end()) is None


def _by_layout(text: str, letters: str) -> set[str]:
    both = f"{letters}{letters.lower()}"
    label = re.compile(
        rf"\s*(?:[-#>]+[ ]*)?(?i:option[ ]|choice[ ])?"
        rf"(?:[(\[](?P<bracketed>[{both}])[)\]]|(?P<bare>[{both}])(?:[).:](?=\s|$)|\s*$))"
    )
    found: set[str] = set()
    for line in text.splitlines():
        match = label.match(line)
        if match is not None:
            found.add((match["bracketed"] or match["bare"]).upper())
    return found
