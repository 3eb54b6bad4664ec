"""What all graders do to an answer before they look for anything in it."""

from __future__ import annotations

from typing import Final

THINKING_END: Final = "</think>"
MAX_QUOTED: Final = 80


def final_part(answer: str) -> str:
    """Return what follows the last ``</think>``; the whole text where there is none.

    Numbers, letters and programs inside a closed chain of thought are drafts, not answers.
    """
    return answer.rpartition(THINKING_END)[2]


def quoted(text: str) -> str:
    """Return ``text`` in quotes on one line of bounded length, for use in a reason."""
    short = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"
    return repr(short)
