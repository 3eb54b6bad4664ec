r"""Multiple-choice answers in the style of GPQA (Rein et al., 2023, arXiv:2311.12022).

A letter counts where the answer claims it:

1. The prompt orders a last line "Answer: <letter>". The last line that is one decides; earlier ones, and claims inside
   sentences, are reasoning. "The answer is B." as a line of its own and ``<answer>B</answer>`` are such lines, too.
   Only a box behind it, or a line behind it that takes it back ("Wait, it is C"), can contradict it.
2. Without one: ``\boxed{B}``, also around ``\text{B}``, ``(B)``, ``Option B`` and the like; "the answer is B", "the
   correct option is **B**", "B is the correct answer", "I choose B". What stands behind "if" is no claim.
3. Without any of these, the layout counts: a line that starts with an option label ("B)", "(B) because ...", "**B**")
   or that is nothing but a letter.

A claim is one letter. Another letter beside it ("A or maybe D", "B, wait C", "B -> C") is a second claim, and a
letter that is denied ("B doesn't hold", "not B") is none; what is only spoken of ("B because C is heavier", "A) B and
C") changes nothing, see ``talan_eval.grading.claims``. Different letters in claims of the same kind earn no
credit, whichever they are: ``MISMATCH``. A text that merely repeats the options therefore earns none. Options that
are discussed ("A is wrong because ...") are no claims, and a formula that begins with a letter (``\boxed{A = 3 m}``)
is none.

Full-width letters and signs count as their ASCII forms. In running text a lower-case letter counts only where the
sentence ends behind it, and "a" and "A" as an article ("The answer is a cell", "A cell divides") are none.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

from talan_eval.grading.claims import DENIED_BEFORE, DENIED_BEHIND, FAILS_BEHIND, TAKEN_BACK, without_struck
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.text import half_width, quoted, without_tokens
from talan_eval.grading.thinking import NEVER_ENDED, final_part

DEFAULT_LETTERS: Final = "ABCD"
_APOSTROPHE: Final = re.compile(r"(?<=[A-Za-z])['\u2019](?=[A-Za-z])")
_QUOTED: Final = re.compile(r"(['\"`\u201c\u2018])[ ]?(\(?[A-Za-z]\)?)[ ]?['\"`\u201d\u2019]")
_ITALIC: Final = re.compile(r"(?<![\w^*)\]}])\*(?=\S)([^*\n]{1,120})(?<=\S)\*(?![\w*])")
_DECORATION: Final = re.compile(
    r"\*{2,}|(?<![\w^*)\]}])\*(?=[\w(])|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9{\\(])|[`$\"\u201c\u201d]|\\[()\[\]]|\\[,;! ]"
    r"|\\(?:left|right)(?![A-Za-z])"
)
_OLD_FONT: Final = re.compile(r"\\(?:rm|bf|it|sf|tt)(?![A-Za-z])\s*")
_FONT: Final = re.compile(r"\\(?:text(?:bf|it|rm|sf)?|math(?:rm|bf|sf)|mbox|bf|rm)\s?\{([^{}]{0,40})\}")
_TAG: Final = re.compile(r"</?(?:answer|response|final|output|solution|final_answer|option|choice)>", re.IGNORECASE)
_OTHER_TAG: Final = re.compile(r"</?[A-Za-z][A-Za-z_:]{1,19}>|\[/?THINK\]")
_PLACEHOLDER: Final = re.compile(r"<[ ]?([A-Za-z])[ ]?>")
_ALSO: Final = re.compile(r"[ ]?(?:,|/|&|\bor\b|\band\b)[ ]?(?:or[ ]|and[ ])?")
_AFTER_PRONOUN: Final = re.compile(r"[ \t]+(?:because|since|as|and|or|which|with|for|due|based)\b")
_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s?\{")
_MAX_BOXES: Final = 200
"""So many boxes are read from the end of the text."""
_MAX_CLAIMS: Final = 1000
"""So many claims in sentences are read from the beginning: whoever makes more makes several."""
_NOUN: Final = r"(?i:answer|option|choice|letter)"
_VERB: Final = r"(?i:is|are|would be|should be|must be|will be)"
_THEN: Final = (
    r"(?i:(?:therefore|thus|hence|then|clearly|indeed|simply|most likely|likely|probably|for sure|surely|certainly"
    r"|definitely|obviously|both|either|between|one of|all of|maybe|perhaps|possibly|i think|i believe|i guess|id say"
    r"|it is|its|,)\s{1,3}){0,2}"
)
# "Therefore, the right ..."; "answer" or "option"; "is", "should be" or "choose"; "I choose".
_SO_IN_CHINESE: Final = (
    r"(?:(?:\u56e0\u6b64|\u6240\u4ee5|\u6545|\u7efc\u4e0a)[,]?[ ]?)?"
    r"(?:(?:\u6b63\u786e|\u6700\u7ec8|\u6700\u540e)\u7684?)?"
)
_ANSWER_IN_CHINESE: Final = r"\u7b54\u6848|\u9009\u9879"
_IS_IN_CHINESE: Final = r"\u5e94?[\u662f\u4e3a\u9009]"
_CHOSEN_IN_CHINESE: Final = r"\u9009(?:\u62e9)?"
_LINE_LEAD: Final = re.compile(
    r"[ \t]*(?:[-#>*\u2022]+[ \t]*){0,3}(?i:(?:so|thus|therefore|hence|finally|in conclusion),?[ ])?(?i:the[ ]|my[ ])?"
    rf"{_SO_IN_CHINESE}(?:(?i:final[ ]|correct[ ]|right[ ]|best[ ]){{0,2}}"
    rf"\[?(?i:answer|ans\b|{_ANSWER_IN_CHINESE})\]?[ ]?"
    rf"(?:{_VERB}[ ]?[:=]?|[:=](?!>)|[-=]>|[.\u2192](?=\s)|[-\u2013\u2014](?=\s)|{_IS_IN_CHINESE}(?:[ ]?:)?"
    rf"|(?=[ ][A-Za-z(\[]))|{_CHOSEN_IN_CHINESE}[ ]?:?)[ \t]*"
    rf"{_THEN}(?:(?i:the[ ])?(?i:correct[ ]|right[ ]|best[ ])?{_NOUN}[ ]?:?[ ]?(?:{_VERB}[ ]{{1,2}})?)?\s{{0,4}}"
)
_HYPOTHETICAL: Final = re.compile(
    r"(?i:\b(?:if|suppose|assume|assuming|were|whether|unless|had|say))[^.!?\n]{0,40}\Z"
    r"|(?i:\b(?:dont|doesnt|do not|does not|not|never|doubt|neither|nor|cannot|cant|hardly|no way))"
    r"(?:(?!\b(?:so|thus|therefore|hence|but|then)\b)[^.!?\n,;:]){0,40}\Z"
)
_DENIED_LEAD: Final = re.compile(
    r"(?i:(?:not|none|neither|nothing|no|unclear|unknown|undetermined|undecided|uncertain|cannot|cant|impossible|isnt"
    r"|I (?:dont|do not|cannot|cant))\b)"
)
# What may stand between a letter and another one beside it: words that say nothing else, and signs.
_NEUTRAL: Final = (
    r"(?:it|its|is|the|then|now|so|even|more|less|equally|both|too|as well|option|choice|answer|letter|be|sure|a)"
)
_JOINING: Final = (
    r"(?:and/or|or|and|nor|also|maybe|perhaps|possibly|probably|likely|either|alternatively|otherwise|else|wait|no|nope"
    r"|actually|hm+|sorry|correction|oops|rather|instead|i meant?|make that|scratch that|hold on|should|could|might|may"
    r"|must|not sure|vs|versus|to|through|thru|plus|on second thoughts?)"
)
_ARROW: Final = (
    r"(?:[-=]{1,2}>|\u2192|\u21d2|\u2228|\u2227|\\(?:lor|land|vee|wedge)|\\to|\\(?:long)?[rR]ightarrow|\\implies)"
)
_WEAK: Final = r"(?:but|(?:al)?though|[\s.,;:?!\u2026()\[\]{}\u2013\u2014/&|~-])"
_GAP: Final = re.compile(
    rf"(?:(?P<joining>{_JOINING}\b|{_ARROW}|[/&|])|{_NEUTRAL}\b|{_WEAK}){{1,40}}?"
    r"(?=[(\[{][ ]?[A-Za-z][ ]?[)\]}]|[A-Za-z](?![A-Za-z]))",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(rf"[ ]?[)\]}}.,;:?!]*(?=\s*(?:\Z|\n|[(,;.?!/&|]|\b{_JOINING}\b|{_ARROW}))", re.IGNORECASE)
_LATER_LINE: Final = re.compile(
    r"[\s(*>-]*(?:(?:wait|actually|no(?=[,.!])|nope|hm+|correction|sorry|oops|hold on|scratch that|on second thoughts?"
    r"|or|maybe|perhaps|possibly|alternatively|rather|i meant?)\b"
    r"|(?:that|this|it)(?:s| is| was) (?:wrong|incorrect|not))",
    re.IGNORECASE,
)
_THAT_IS_FALSE: Final = re.compile(
    r"\b(?:that|this|it|which|my answer)"
    r"(?:(?:s| is| was) (?:\w+ly )?(?:wrong|incorrect|a mistake|not (?:right|correct))"
    r"|(?: isnt| wasnt) (?:\w+ly )?(?:right|correct))",
    re.IGNORECASE,
)
_FALSE_LABEL: Final = re.compile(
    r"[\s,:;\u2013\u2014(\[-]*(?:is |was |cannot be )?(?:\w+ly )?"
    r"(?:wrong|incorrect|not (?:correct|right|the|true)|ruled out|eliminated)\b",
    re.IGNORECASE,
)
_LABEL_MARK: Final = re.compile(r"[ ]?[).:]\s")
_LONGEST_TAIL: Final = 300


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
    plain = _PLACEHOLDER.sub(
        r"(\1)",
        half_width(without_tokens(without_struck(answer))).replace("[[", "(").replace("]]", ")").replace("&nbsp;", " "),
    )
    words = _QUOTED.sub(r"\2", _APOSTROPHE.sub("", _OTHER_TAG.sub(" ", _TAG.sub(_line_break, plain))))
    text = _FONT.sub(r"\1", _OLD_FONT.sub("", _DECORATION.sub("", _ITALIC.sub(r"\1", words))))
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
    formula = r"(?![A-Za-z0-9\-+=^_(\[*'\u2019\u2032\u2033])(?![ ]?(?:[=+^_<>\u2248\u00d7\u00b7]|\\[a-z]))"
    bare = rf"(?P<bare>[{letters}]){formula}"
    lower = rf"(?P<lower>[{letters.lower()}])(?=[ \t]*(?:[).:,;!]?[ \t]*(?:\n|\Z|\}})|[).:](?:\s|\Z)))"
    return rf"(?:[(\[{{][ ]?(?P<bracketed>[{both}])[ ]?[)\]}}]|{bare}|{lower})"


def _by_answer_line(text: str, letters: str) -> set[str] | None:
    """Return what the last line "Answer: X" claims, or None where there is no such line."""
    letter = re.compile(_letter_pattern(letters))
    decided: set[str] | None = None
    end = 0
    start = 0
    while start <= len(text):
        lead_in = _LINE_LEAD.match(text, start)
        if lead_in is not None:
            box = _BOX.match(text, lead_in.end())
            rest = text[lead_in.end() :].partition("\n")[0]
            if box is not None:
                found = _claimed_by_box(text, box, letters) or None
            else:
                found = _letters_from(text, lead_in.end(), letter, lower_words=True)
                denied = None if found is not None else _DENIED_LEAD.match(rest)
                if denied is not None and ":" in lead_in.group():
                    found = set()
                elif denied is not None and decided:
                    # "The answer is not B" takes back an earlier B, and no other letter.
                    found = decided - (_letters_from(rest.lstrip(), len(denied.group()) + 1, letter) or set())
                if found is not None:
                    found |= _explicit(rest, letters)
            if found is not None:
                decided, end = found, lead_in.end()
        line_end = text.find("\n", start)
        start = len(text) + 1 if line_end < 0 else line_end + 1
    if decided is None:
        return None
    later = _taken_back_later(text[end:], letters, decided)
    return later | _boxed(text[end:], letters)


def _taken_back_later(rest: str, letters: str, decided: set[str]) -> set[str]:
    """Return what is claimed after the lines behind the last answer line, which may take it back."""
    claimed = set(decided)
    letter = re.compile(_letter_pattern(letters))
    for line in rest.split("\n")[1:12]:
        if _LATER_LINE.match(line) is None:
            continue
        other = (_claimed_alone(line, letter) | _explicit(line, letters)) - decided
        if not other and _THAT_IS_FALSE.search(line) is not None:
            return set()
        claimed |= other
    return claimed


def _claimed_alone(text: str, letter: re.Pattern[str]) -> set[str]:
    """Return the letters in a text that stand alone, as a claim does, and are not denied."""
    found: set[str] = set()
    for place in re.finditer(r"(?<![A-Za-z0-9\\])[(\[]?[A-Za-z](?![A-Za-z])", text):
        match = letter.match(text, place.start())
        if match is None or match["lower"] or _ALONE.match(text, match.end()) is None:
            continue
        if DENIED_BEFORE.search(text, max(0, place.start() - 40), place.start()) is None:
            found.add(_letter(match))
    return found


def _letter(match: re.Match[str]) -> str:
    return (match["bracketed"] or match["bare"] or match["lower"]).upper()


def _boxed(text: str, letters: str) -> set[str]:
    found: set[str] = set()
    for box in list(_BOX.finditer(text))[-_MAX_BOXES:]:
        found |= _claimed_by_box(text, box, letters)
    return found


def _claimed_by_box(text: str, box: re.Match[str], letters: str) -> set[str]:
    """Return the letters of a box and those beside it; none where it is denied."""
    content = _box_content(text, box.end())
    found = _claimed_in_box(content, letters)
    end = box.end() + len(content) + 1
    if not found or DENIED_BEFORE.search(text, max(0, box.start() - 40), box.start()) or DENIED_BEHIND.match(text, end):
        return set()
    return found | _beside(text, end, re.compile(_letter_pattern(letters)))


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
    if label is None or _FALSE_LABEL.match(body, label.end() - 1) is not None:
        return set()
    letter = re.compile(_letter_pattern(letters))
    return {next(group for group in label.groups() if group).upper()} | _beside(body, label.end() - 1, letter)


def _explicit(text: str, letters: str) -> set[str]:
    letter = re.compile(_letter_pattern(letters))
    lead_ins = re.compile(
        rf"\b(?i:answer)s?[ ]?(?:{_VERB}|[:=])+\s*{_THEN}(?i:that[ ])?(?:(?i:the[ ])?{_NOUN}\s?:?\s*)?"
        rf"|\b(?i:correct|right|best|final|selected|chosen|the)[ ](?i:option|choice|letter)[ ]?"
        rf"(?:{_VERB}|[:=])+\s*{_THEN}(?:{_NOUN}\s?:?\s*)?"
        rf"|\bI(?:d|ll|[ ]would|[ ]will)?[ ](?i:choose|select|pick|go with|say)[ ](?:(?i:the[ ])?{_NOUN}[ ])?"
        rf"|(?:\A|\n)[ \t]*(?i:my[ ])?(?i:option|choice|letter|selection)[ ]?[:=]\s*"
        r"|\b(?i:so|thus|hence|therefore|leaving|leaves|leaving only),?[ ](?:its[ ]|it[ ]is[ ]|option[ ])?"
        r"(?=\(?[A-Z]\)?[ ]*[.!]?[ ]*(?:\n|\Z))"
        rf"|\bI[ ](?i:think|believe)[ ](?i:that[ ])?(?i:its|it is)[ ](?:(?i:the[ ])?{_NOUN}[ ])?"
    )
    found: set[str] = set()
    for lead_in in itertools.islice(lead_ins.finditer(text), _MAX_CLAIMS):
        if _HYPOTHETICAL.search(text, max(0, lead_in.start() - 60), lead_in.start()) is None:
            found |= _letters_from(text, lead_in.end(), letter) or set()
    both = f"{letters}{letters.lower()}"
    backward = re.compile(
        rf"(?<![A-Za-z0-9])(?:\((?P<bracketed>[{both}])\)|(?P<bare>[{letters}]))[ ]is[ ](?:therefore[ ])?(?:the[ ])?"
        r"(?i:(?:correct|right|best|final)(?:[ ](?:answer|option|choice))?|answer)\b"
    )
    for match in backward.finditer(text):
        if _HYPOTHETICAL.search(text, max(0, match.start() - 60), match.start()) is None:
            found.add((match["bracketed"] or match["bare"]).upper())
    return found


def _letters_from(text: str, start: int, letter: re.Pattern[str], *, lower_words: bool = False) -> set[str] | None:
    """Return the letter at ``start`` and those beside it ("A or B", "A, wait C"); None where no letter stands there.

    Args:
        text: The answer.
        start: Where a letter is looked for.
        letter: From ``_letter_pattern``.
        lower_words: Whether a lower-case letter may have words behind it ("Answer: c because"), but for an article.

    Returns:
        The letters; none where the only one is denied ("B is incorrect").
    """
    found: set[str] | None = None
    while True:
        match = letter.match(text, start)
        if match is None and lower_words:
            match = re.compile(r"(?P<bracketed>[b-hj-z])(?P<bare>)(?P<lower>)(?=[ ,/](?![=+*^]))").match(text, start)
            if match is not None and letter.match(match["bracketed"].upper()) is None:
                return found
        if match is None or _is_word(match, text):
            return found
        found = found or set()
        if DENIED_BEHIND.match(text, match.end()) or FAILS_BEHIND.match(text, match.end()):
            return found
        found.add(_letter(match))
        joined = _ALSO.match(text, match.end())
        if joined is None or letter.match(text, joined.end()) is None:
            return found | _beside(text, match.end(), letter)
        start = joined.end()


def _beside(text: str, start: int, letter: re.Pattern[str]) -> set[str]:
    """Return the letters that stand beside one that ends at ``start``, on its line."""
    tail = text[start : start + _LONGEST_TAIL].partition("\n")[0]
    found: set[str] = set()
    gap = _GAP.match(tail)
    if gap is not None:
        match = letter.match(tail, gap.end())
        denied = match is not None and (DENIED_BEHIND.match(tail, match.end()) or FAILS_BEHIND.match(tail, match.end()))
        alone = match is not None and _ALONE.match(tail, _list_end(tail, match.end(), letter)) is not None
        if match is not None and gap["joining"] is None:
            # "A) B and C" is the text of option A, and so is "A) d".
            labelled = _LABEL_MARK.match(tail) is not None and tail[match.end() :].strip(" ).:]") != ""
            same_case = text[:start].rstrip(" )]}")[-1:].isupper() == match.group().strip("()[]{} ").isupper()
            alone = alone and same_case and not labelled
        if match is not None and not denied and (alone or (gap["joining"] is not None and not _is_word(match, tail))):
            found.add(_letter(match))
    again = TAKEN_BACK.search(tail)
    if again is not None:
        found |= _claimed_alone(tail[again.end() :], letter)
    return found


def _list_end(text: str, end: int, letter: re.Pattern[str]) -> int:
    """Return where a list of letters ends whose first one ends at ``end``: "A and B" in "A and B violate parity"."""
    joined = _ALSO.match(text, end)
    while joined is not None and (other := letter.match(text, joined.end())) is not None:
        end = other.end()
        joined = _ALSO.match(text, end)
    return end


def _is_word(match: re.Match[str], text: str) -> bool:
    """Tell whether a bare letter is an article or a pronoun: "A cell", "I think"."""
    if not match["bare"] or match["bare"] not in "AI":
        return False
    follows_word = re.compile(r"[ \t]+[A-Za-z]").match(text, match.end()) is not None
    return follows_word and _AFTER_PRONOUN.match(text, match.end()) is None


def _by_layout(text: str, letters: str) -> set[str]:
    letter = re.compile(_letter_pattern(letters))
    both = f"{letters}{letters.lower()}"
    label = re.compile(
        rf"\s*(?:[-#>*]+[ ]*)?(?i:option[ ]|choice[ ])?"
        rf"(?:[(\[](?P<bracketed>[{both}])[)\]]|(?P<bare>[{both}])(?:[).:](?=\s|$)|\s*$"
        rf"|[ ][-\u2013\u2014][ ](?=\S)|[ ](?=(?:because|since)\b)))"
    )
    found: set[str] = set()
    for line in text.splitlines():
        match = label.match(line)
        if match is not None and not (_FALSE_LABEL.match(line, match.end()) or FAILS_BEHIND.match(line, match.end())):
            found.add((match["bracketed"] or match["bare"]).upper())
            found |= _beside(line, match.end(), letter)
    return found
