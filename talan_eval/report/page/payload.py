"""The answers that the page lets a reader look at, within a budget of bytes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report.clean import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.report.context import Answers, Flip, Flips, GradedAnswer

BUDGET: Final = 7_000_000  # bytes of answers in the page; figures and tables take well below 3 MB more
LONGEST: Final = 3_000  # characters of one answer
_SHORT: Final = 300  # characters of an extracted answer, or of a reason


@dataclass(frozen=True)
class Payload:
    """The flips of a page.

    Attributes:
        document: JSON in ASCII, without "<", "&" and ">" so that it can stand in a script element: "flips", and
            "questions" by task and item, each with its target.
        shown: Flips in it.
        total: All flips.
    """

    document: str
    shown: int
    total: int


def payload(flips: Flips, tasks: Sequence[Sequence[str]] = (), budget: int = BUDGET) -> Payload:
    """Choose and encode the flips: items that flip at most seeds in one direction first, until the budget is used up.

    Args:
        flips: All of them.
        tasks: The task of each cell of each contrast; without them no question is shown.
        budget: Bytes.
    """
    questions: dict[str, dict[str, str]]
    parts, questions, used = [], {}, 0
    for index in by_persistence(flips.entries):
        flip = flips.entries[index]
        part = _encoded(_row(flip, flips.answers[index]))
        task = tasks[flip.contrast][flip.cell] if tasks else ""
        asked = flips.questions.get((task, flip.item_id))
        of_task, item = questions.setdefault(task, {}), one_line(flip.item_id)
        question = ""
        if asked is not None and item not in of_task:
            texts = [_cut(clean(text), LONGEST) for text in (asked.text, asked.target)]
            question = f"{_encoded(item)}:{_encoded(texts)}"
        used += len(part) + len(question) + 2
        if used > budget:
            break
        parts.append(part)
        if question:
            of_task[item] = question
    by_task = ",".join(f"{_encoded(task)}:{{{','.join(texts.values())}}}" for task, texts in questions.items() if texts)
    return Payload(f'{{"flips":[{",".join(parts)}],"questions":{{{by_task}}}}}', len(parts), len(flips.entries))


def _encoded(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def by_persistence(entries: Sequence[Flip]) -> list[int]:
    """Order flips: items that flip at most seeds in one direction first, losses before gains, seeds ascending."""
    net: Counter[tuple[int, int, str]] = Counter()
    for flip in entries:
        net[flip.contrast, flip.cell, flip.item_id] += -1 if flip.lost else 1

    def rank(index: int) -> tuple[int, int, int, int, str, int]:
        flip = entries[index]
        balance = net[flip.contrast, flip.cell, flip.item_id]
        return -abs(balance), balance, flip.contrast, flip.cell, flip.item_id, flip.seed

    return sorted(range(len(entries)), key=rank)


def _row(flip: Flip, answers: Answers) -> list[object]:
    return [flip.contrast, flip.cell, flip.seed, one_line(flip.item_id), *(_answer(answer) for answer in answers)]


def _answer(answer: GradedAnswer) -> list[object]:
    return [
        round(answer.score, 4),
        one_line(answer.verdict),
        None if answer.extracted is None else _cut(one_line(answer.extracted), _SHORT),
        _cut(one_line(answer.reason), _SHORT),
        None if answer.text is None else _cut(clean(answer.text), LONGEST),
    ]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest} more characters)"
