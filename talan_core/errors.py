"""The one kind of error that is the user's to mend.

A ``UserError`` is printed without a traceback and its message ends in what to type. Everything else that escapes is a
bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from talan_core.bounded import shown

if TYPE_CHECKING:
    from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for.

    Args:
        problem: One sentence that names the thing which is wrong.
        fix: What to do about it, ending in what to type.
    """

    exit_code = 2

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        """Return the problem and, on the next line, the fix, with nothing in them that steers a terminal."""
        return printable(f"{self.problem}\n{self.fix}")


def printable(text: str) -> str:
    """Return text with every sign that is acted upon instead of shown written as Python writes it; lines stay lines.

    Messages hold names, paths and words of others: terminal escapes, C1 controls and marks that reorder text become
    their codes.
    """
    return "".join(
        one if one.isprintable() or one in "\n\N{NO-BREAK SPACE}" else one.encode("unicode_escape").decode()
        for one in text
    )


class DivergedError(UserError):
    """A training whose loss is no longer finite: it would diverge again, and other trainings are not concerned."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """Build the error for a name that is not in a registry, with the nearest valid one first.

    Args:
        kind: What the name stands for, as the user would call it ("arm", "task").
        name: The name as typed.
        valid: All valid names.

    Returns:
        The error, to be raised by the caller.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return UserError(f"Unknown {kind} {shown(name)}.", f"{hint}Valid: {', '.join(names)}.")
