"""Training items that are also test items: found by their text, refused unless the caller says otherwise."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from talan_core.errors import UserError
from talan_core.training.data import Example
from talan_core.training.encoding import ASSISTANT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from talan_core.training.data import Dialogue

Policy = Literal["refuse", "drop", "keep"]
"""What to do with a contaminated training item: refuse to train, leave it out, or train on it all the same."""

_LOOKALIKES: Final = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-", "\u2011": "-", "\u2013": "-"}
    | {"\u2014": "-", "\u2212": "-"}
)
_SHOWN: Final = 3


@dataclass(frozen=True)
class Screened:
    """A training set after the check.

    Args:
        examples: The items to train on, in order.
        contaminated: Numbers (from 0) of the items, in the set that was given, that equal a test item.
        test_items: Number of different normalised test items that the set was compared with.
    """

    examples: tuple[Example | Dialogue, ...]
    contaminated: tuple[int, ...]
    test_items: int


def normalise(text: str) -> str:
    """Return a text without what does not change its meaning.

    In this order: Unicode NFKC (full-width and styled letters become plain ones), case folded, curly quotes and dashes
    made straight, and everything invisible removed: white space, control and format characters. Words, digits, signs
    and punctuation stay, so that "2+3" and "2-3" are two items. Paraphrases, translations and changed numbers are NOT
    found.

    Args:
        text: Any text.
    """
    before = None
    while text != before:  # what is left after removing a space may compose into one letter
        before, text = text, _plainer(text)
    return text


def screen(examples: Sequence[Example | Dialogue], test_items: Iterable[str], *, policy: Policy = "refuse") -> Screened:
    """Check a training set against the items of a benchmark.

    A training item is contaminated if its prompt, its prompt and completion together, or any turn of it that is not the
    assistant's, equals a test item after `normalise`. Give the test items as they are asked, and bare (without
    instructions around them) where training prompts may be bare.

    Args:
        examples: The training set.
        test_items: Texts of the test items.
        policy: What to do with contaminated items.

    Returns:
        What is left to train on, and which items were contaminated: their count is to be reported with the result.

    Raises:
        UserError: If an item is contaminated and the policy is "refuse"; or if nothing is left.
    """
    asked = {text for text in map(normalise, test_items) if text}
    found = tuple(number for number, item in enumerate(examples) if not asked.isdisjoint(_texts(item)))
    if policy == "refuse" and found:
        shown = "\n".join(f"  item {number} of {examples[number].source}" for number in found[:_SHOWN])
        more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UserError(
            f"{len(found)} of {len(examples)} training items are also test items:\n{shown}{more}",
            'Remove them from the training data, or leave them out with policy="drop".',
        )
    out = set() if policy == "keep" else set(found)
    left = tuple(item for number, item in enumerate(examples) if number not in out)
    if examples and not left:
        raise UserError("All training items are also test items.", "Give other training data.")
    return Screened(left, found, len(asked))


def _plainer(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_LOOKALIKES)
    visible = re.sub(r"\s+", "", plain)
    return "".join(letter for letter in visible if unicodedata.category(letter) not in {"Cc", "Cf"})


def _texts(item: Example | Dialogue) -> set[str]:
    """Return the normalised texts of an item that may equal a test item."""
    if isinstance(item, Example):
        answers = (item.completion,) if item.rejected is None else (item.completion, item.rejected)
        return {normalise(item.prompt), *(normalise(item.prompt + answer) for answer in answers)}
    said = [turn for turn in item.turns if turn.role != ASSISTANT]
    whole = "".join(turn.content for turn in item.turns)
    return {normalise(whole), *(normalise(turn.content) for turn in said)}
