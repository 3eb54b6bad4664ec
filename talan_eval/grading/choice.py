r"""Multiple-choice answers in the style of GPQA (Rein et al., 2023, arXiv:2311.12022).

A letter counts where the answer claims it:

1. The prompt orders a last line "Answer: <letter>". The last line that is one decides; earlier ones, and claims inside
   sentences, are reasoning. "The answer is B." as a line of its own and ``<answer>B</answer>`` are such lines, too.
   Only a box behind the last such line can contradict it.
2. Without one: ``\boxed{B}``, also around ``\text{B}``, ``(B)``, ``Option B`` and the like; "the answer is B", "the
   correct option is **B**", "B is the correct answer", "I choose B". What stands behind "if" is no claim.
3. Without any of these, the layout counts: a line that starts with an option label ("B)", "(B) because ...", "**B**")
   or that is nothing but a letter.

Different letters in claims of the same kind earn no credit, whichever they are: ``MISMATCH``. A text that merely
repeats the options therefore earns none. Options that are discussed ("A is wrong because ...") are no claims, and a
formula that begins with a letter (``\boxed{A = 3 m}``) is none.

Full-width letters and signs count as their ASCII forms. In running text a lower-case letter counts only where the
sentence ends behind it, and "a" and "A" as an article ("The answer is a cell", "A cell divides") are none.
"""

from __future__ import annotations

import re
from typing import Final

from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.text import half_width, quoted
from talan_eval.grading.thinking import NEVER_ENDED, final_part

DEFAULT_LETTERS: Final = "ABCD"
_DECORATION: Final = re.compile(r"[*_`$\"'\u201c\u201d\u2018\u2019]|\\[()\[\]]|\\[,;! ]|\\(?:left|right)(?![A-Za-z])")
_FONT: Final = re.compile(r"\\(?:text(?:bf|it|rm|sf)?|math(?:rm|bf|sf)|mbox|bf|rm)\s?\{([^{}]{0,40})\}")
_TAG: Final = re.compile(r"</?(?:answer|response|final|output|solution|final_answer|option|choice)>", re.IGNORECASE)
_OTHER_TAG: Final = re.compile(r"</?[A-Za-z][A-Za-z_:]{1,19}>|\[/?THINK\]")
_PLACEHOLDER: Final = re.compile(r"<[ ]?([A-Za-z])[ ]?>")
_ALSO: Final = re.compile(r"[ ]?(?:,|/|&|\bor\b|\band\b)[ ]?(?:or[ ]|and[ ])?")
_AFTER_PRONOUN: Final = re.compile(r"[ \t]+(?:because|since|as|and|or|which|with|for|due|based)\b")
_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s?\{")
_MAX_BOXES: Final = 200
"""So many boxes are read from the end of the text."""
_NOUN: Final = r"(?i:answer|option|choice|letter)"
_VERB: Final = r"(?i:is|are|would be|should be|must be|will be)"
_THEN: Final = (
    r"(?i:(?:therefore|thus|hence|then|clearly|indeed|simply|most likely|likely|probably|for sure|surely|certainly"
    r"|definitely|obviously|,)\s{1,3}){0,2}"
)
_LINE_LEAD: Final = re.compile(
    r"[ \t]*(?:[-#>\u2022]+[ \t]*){0,3}(?i:(?:so|thus|therefore|hence|finally|in conclusion),?[ ])?(?i:the[ ]|my[ ])?"
    rf"(?i:final[ ]|correct[ ]|right[ ]|best[ ]){{0,2}}(?i:answer|\u7b54\u6848)[ ]?"
    rf"(?:{_VERB}[ ]?[:=]?|[:=]|[-\u2013\u2014](?=\s)|\u662f|\u4e3a|(?=[ ][A-Za-z(\[]))[ \t]*"
    rf"{_THEN}(?:(?i:the[ ])?{_NOUN}[ ]?:?[ ]?)?\s{{0,4}}"
)
_HYPOTHETICAL: Final = re.compile(r"(?i:\b(?:if|suppose|assume|assuming|were|whether|unless|had|say))[^.!?\n]{0,40}\Z")


def grade_choice(answer: str, target: str, letters: str = DEFAULT_LETTERS, *, thinking: bool = False) -> Grade:
    """Grade a multiple-choice answer.

    Args:
        answer: What the model wrote.
        target: The right letter, bare or in brackets.
        letters: The valid letters, upper case, in the order of the choices.
        thinking: Whether the answer begins inside the thinking.

    Returns:
        The grade; ``ERROR`` where the target is not one of ``letters``.
    """
    right = target.strip().strip("().").upper()
    if len(right) != 1 or right not in letters:
        return Grade(Verdict.ERROR, None, f"the target {quoted(target)} is none of {letters}")
    final = final_part(answer, opened=thinking)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    claimed = claimed_letters(final, letters)
    if not claimed:
        return Grade(Verdict.UNPARSED, None, "no letter is claimed")
    if len(claimed) > 1:
        listed = ", ".join(claimed)
        return Grade(Verdict.MISMATCH, listed, f"several letters are claimed: {listed}")
    verdict = Verdict.MATCH if claimed[0] == right else Verdict.MISMATCH
    return Grade(verdict, claimed[0], f"claims {claimed[0]}, the target is {right}")


def claimed_letters(answer: str, letters: str = DEFAULT_LETTERS) -> tuple[str, ...]:
    """Return the different letters that an answer claims, sorted; see the module's text for the rules."""
    plain = _PLACEHOLDER.sub(r"(\1)", half_width(answer).replace("[[", "(").replace("]]", ")"))
    text = _FONT.sub(r"\1", _DECORATION.sub("", _OTHER_TAG.sub(" ", _TAG.sub(_line_break, plain))))
    decided = _by_answer_line(text, letters)
    if decided is None:
        decided = _boxed(text, letters) | _explicit(text, letters) or _by_layout(text, letters)
    return tuple(sorted(decided))


def _line_break(tag: re.Match[str]) -> str:
    """Make ``<answer>C</answer>`` a line "answer: C" of its own."""
    return "\n" if tag.group().startswith("</") or "answer" not in tag.group().lower() else "\nanswer: "


def _letter_pattern(letters: str) -> str:
    """Return a pattern for one claimed letter, bracketed or bare; a formula that begins with a letter is none."""
    both = f"{letters}{letters.lower()}"
    formula = r"(?![A-Za-z0-9\-+=^_(\[])(?![ ]?(?:[=+^_<>\u2248\u00d7\u00b7]|\\[a-z]))"
    bare = rf"(?P<bare>[{letters}]){formula}"
    lower = rf"(?P<lower>[{letters.lower()}])(?=[ \t]*(?:[).:,;!]?[ \t]*(?:\n|\Z|\}})|[).:](?:\s|\Z)))"
    return rf"(?:[(\[{{][ ]?(?P<bracketed>[{both}])[ ]?[)\]}}]|{bare}|{lower})"


def _by_answer_line(text: str, letters: str) -> set[str] | None:
    """Return what the last line "Answer: X" claims, or None where there is no such line."""
    letter = re.compile(_letter_pattern(letters))
    decided: set[str] = set()
    end = 0
    start = 0
    while start <= len(text):
        lead_in = _LINE_LEAD.match(text, start)
        if lead_in is not None:
            box = _BOX.match(text, lead_in.end())
            if box is not None:
                found = _claimed_in_box(_box_content(text, box.end()), letters)
            else:
                found = _letters_from(text, lead_in.end(), letter, lower_words=True)
                rest = text[lead_in.end() :].partition("\n")[0]
                found |= _explicit(rest, letters) if found else set()
            if found:
                decided, end = found, lead_in.end()
        line_end = text.find("\n", start)
        start = len(text) + 1 if line_end < 0 else line_end + 1
    if not decided:
        return None
    return decided | _boxed(text[end:], letters)


def _boxed(text: str, letters: str) -> set[str]:
    found: set[str] = set()
    for box in list(_BOX.finditer(text))[-_MAX_BOXES:]:
        found |= _claimed_in_box(_box_content(text, box.end()), letters)
    return found


def _box_content(text: str, start: int) -> str:
    """Return up to 200 characters of a box: what its letter is must show at its start."""
    depth = 1
    for place in range(start, min(len(text), start + 200)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start : start + 200]


def _claimed_in_box(content: str, letters: str) -> set[str]:
    """Return the letters that a box claims: a letter, a list of letters, or a label with its text."""
    both = f"{letters}{letters.lower()}"
    body = re.sub(
        rf"^\s*(?:(?i:the)\s)?(?:{_NOUN}\s?(?:is\b|[:=])?\s*)?", "", content.replace("{", " ").replace("}", " ")
    )
    one = rf"(?:\(\s?([{both}])\s?\)|\[\s?([{both}])\s?\]|([{both}]))"
    if re.fullmatch(rf"\s*{one}\s*[).:]?\s*", body) or re.fullmatch(
        rf"\s*{one}(?:\s*(?:,|/|&|or|and)\s*{one}){{1,5}}\s*\.?\s*", body
    ):
        return {found.upper() for found in re.findall(rf"(?<![A-Za-z])[{both}](?![A-Za-z])", body)}
    label = re.match(
        rf"\s*(?:\(\s?([{both}])\s?\)|\[\s?([{both}])\s?\]|([{letters}])\s?[).:](?=\s|[A-Za-z]))\s*\S", body
    )
    return set() if label is None else {next(group for group in label.groups() if group).upper()}


def _explicit(text: str, letters: str) -> set[str]:
    letter = re.compile(_letter_pattern(letters))
    lead_ins = re.compile(
        rf"\b(?i:answer)s?[ ]?(?:{_VERB}|[:=])+\s*{_THEN}(?i:that[ ])?(?:(?i:the[ ])?{_NOUN}\s?:?\s*)?"
        rf"|\b(?i:correct|right|best|final)[ ](?i:option|choice|letter)[ ]?"
        rf"(?:{_VERB}|[:=])+\s*{_THEN}(?:{_NOUN}\s?:?\s*)?"
        rf"|\bI(?:d|ll|[ ]would|[ ]will)?[ ](?i:choose|select|pick|go with|say)[ ](?:(?i:the[ ])?{_NOUN}[ ])?"
        rf"|\bI[ ](?i:think|believe)[ ](?i:that[ ])?(?i:its|it is)[ ](?:(?i:the[ ])?{_NOUN}[ ])?"
    )
    found: set[str] = set()
    for lead_in in lead_ins.finditer(text):
        if _HYPOTHETICAL.search(text, max(0, lead_in.start() - 60), lead_in.start()) is None:
            found |= _letters_from(text, lead_in.end(), letter)
    both = f"{letters}{letters.lower()}"
    backward = re.compile(
        rf"(?<![A-Za-z0-9])(?:\((?P<bracketed>[{both}])\)|(?P<bare>[{letters}]))[ ]is[ ](?:therefore[ ])?(?:the[ ])?"
        r"(?i:(?:correct|right|best|final)(?:[ ](?:answer|option|choice))?|answer)\b"
    )
    for match in backward.finditer(text):
        if _HYPOTHETICAL.search(text, max(0, match.start() - 60), match.start()) is None:
            found.add((match["bracketed"] or match["bare"]).upper())
    return found


def _letters_from(text: str, start: int, letter: re.Pattern[str], *, lower_words: bool = False) -> set[str]:
    """Return the letter at ``start`` and those joined to it ("A or B", "A, B and C").

    Args:
        text: The answer.
        start: Where a letter is looked for.
        letter: From :func:`_letter_pattern`.
        lower_words: Whether a lower-case letter may have words behind it ("Answer: c because"), but for an article.
    """
    found: set[str] = set()
    while True:
        match = letter.match(text, start)
        if match is None and lower_words:
            match = re.compile(r"(?P<bracketed>[b-hj-z])(?P<bare>)(?P<lower>)(?=[ ,/](?![=+*^]))").match(text, start)
            if match is not None and letter.match(match["bracketed"].upper()) is None:
                return found
        if match is None or _is_word(match, text):
            return found
        found.add((match["bracketed"] or match["bare"] or match["lower"]).upper())
        joined = _ALSO.match(text, match.end())
        if joined is None:
            return found
        start = joined.end()


def _is_word(match: re.Match[str], text: str) -> bool:
    """Tell whether a bare letter is an article or a pronoun: "A cell", "I think"."""
    if not match["bare"] or match["bare"] not in "AI":
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
