r"""Which boxes of an answer to MATH are its answer.

The last box counts that the answer does not deny. Boxes that are joined ("\\boxed{1} or \\boxed{2}") are one list;
where the target is a list or a set, all boxes that nothing takes back ("\\boxed{5}, wrong. \\boxed{6}") are tried as
one, too. Boxes are no point and no interval, unless brackets around them make them one. What a doubt joins to the
last box ("or maybe \\boxed{6}", "\\boxed{5} or 6") leaves no single answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_eval.grading.claims import TAKEN_BACK
from talan_eval.grading.latex_answer import expression
from talan_eval.grading.latex_form import UnreadableError
from talan_eval.grading.relations import is_interval, is_set

if TYPE_CHECKING:
    from talan_eval.grading.latex_answer import Box

DOTS: Final = re.compile(r"\\(?:ldots|cdots|dots|dotsc|dotsb)(?![A-Za-z])|\.\.\.|\u2026")
"""Dots that stand for the rest of a list."""
_JOINED: Final = re.compile(
    r"(?:[\s$.,;&]|\\[()\[\],;! ]|\\quad|\\qquad|\\(?:text|mbox)\s?\{\s*(?:,|or|and|,? or|,? and)?\s*\}|\bor\b|\band\b"
    r"|[A-Za-z](?:_[0-9a-z]|_\{[0-9a-z]{1,3}\})?\s?=\s?)*"
)
_JOINT: Final = re.compile(r"\bor\b|\band\b|,|;")
_DOUBT: Final = re.compile(
    r"[\s$.,;?!()]*(?:\\text\s?\{)?\s*(?:or|but|and)?,?\s*(?:it )?"
    r"(?:maybe|perhaps|possibly|alternatively|could be|might be|may be|probably|likely"
    r"|either|[-=]>|\\to|\\(?:long)?[rR]ightarrow|\u2192)[\s,]*(?:it is|it's|even|\})?[\s$(]*"
)
_RETRACTED: Final = re.compile(
    r"\b(?:wrong|incorrect|mistakes?|errors?|retry|again|really|instead|corrected|correction|recheck|re-check|redo|not|no"
    r"|however|rejected?|discard(?:ed)?|extraneous|should (?:be|have)|impossible|contradiction)\b",
    re.IGNORECASE,
)
_NUMBER_BEHIND: Final = re.compile(
    r"[\s$}]*,?\s*(?:or|or maybe|maybe|perhaps|or perhaps|or possibly|possibly|wait,?|no,?|to)\s+\$?(-?[0-9]+)"
    r"(?![0-9]|\.[0-9]|\s?[\\%A-Za-z/^(])"
)
_INTEGER: Final = re.compile(r"\s*-?[0-9]+\s*")
_MOST_CLAIMS: Final = 3
_MOST_LISTED: Final = 12
_LONGEST_JOINT: Final = 80
"""Characters between two boxes that may join them; more is a sentence."""


def contents(final: str, found: list[Box], wanted: str) -> list[str]:
    """Return what may be the answer: the last box, those joined to it, and all of them where the target is a set.

    Args:
        final: The answer without its thinking.
        found: Its boxes.
        wanted: The value of the target.
    """
    group = [found[-1]]
    for before, behind in zip(found[-2::-1], found[:0:-1], strict=True):
        between = final[before.end : behind.start]
        if len(between) > _LONGEST_JOINT or _JOINED.fullmatch(between) is None or _JOINT.search(between) is None:
            break
        group.insert(0, before)
    listed = is_set(wanted) and not is_interval(wanted)
    if not (listed or DOTS.search(wanted)):
        return [_as_point(final, group) or _list(group, point=is_interval(wanted))]
    kept = found
    for place in range(len(found) - 1, 0, -1):
        between = final[found[place - 1].end : found[place].start]
        if TAKEN_BACK.search(between) or _RETRACTED.search(between):
            kept = found[place:]
            break
    return list(dict.fromkeys((found[-1].content, _list(group), _list(kept[-_MOST_LISTED:]))))[:_MOST_CLAIMS]


def _as_point(final: str, group: list[Box]) -> str | None:
    r"""Return boxes inside brackets as what these make of them: "(\boxed{2},\boxed{3})" is (2,3)."""
    before, behind = final[: group[0].start].rstrip(" $")[-1:], final[group[-1].end :].lstrip(" $")[:1]
    if len(group) == 1 or before not in {"(", "["} or behind not in {")", "]"}:
        return None
    return f"{before}{','.join(box.content for box in group)}{behind}"


def _list(group: list[Box], *, point: bool = False) -> str:
    """Return the boxes as one list, which is never a point or an interval."""
    contents = list({_form(box.content): box.content for box in group}.values())
    if len(contents) == 1:
        return contents[0]
    return f"\\{{{','.join(contents)}\\}}" if point else ",".join(contents)


def _form(content: str) -> tuple[str, ...]:
    r"""Return what two boxes have in common that say the same: "15\frac{39}{40}" and "\frac{639}{40}"."""
    try:
        return expression(content).form
    except UnreadableError:
        return (content,)


def doubt(final: str, found: list[Box]) -> str:
    """Return what stands beside the last box as an alternative to it; empty where nothing does."""
    last = found[-1]
    if len(found) > 1:
        between = final[found[-2].end : last.start]
        if (
            len(between) <= _LONGEST_JOINT
            and _DOUBT.fullmatch(between) is not None
            and found[-2].content != last.content
        ):
            return found[-2].content
    behind = _NUMBER_BEHIND.match(final[last.end : last.end + 60]) if _INTEGER.fullmatch(last.content) else None
    return behind[1] if behind is not None and int(behind[1]) != int(last.content) else ""
