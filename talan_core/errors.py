"""The one kind of error that is the user's to mend.

A ``UserError`` is printed without a traceback and its message ends in what to type. Everything else that escapes is a
bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from talan_core.bounded import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_LONGEST: Final = 200  # letters of a name that is listed whole
_MOST: Final = 24  # mistakes that are listed; what to do is said of all


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


class MistakesError(UserError):
    """Several mistakes at once, so that they are mended together and not one a try.

    Args:
        mistakes: At least two.
    """

    def __init__(self, mistakes: tuple[UserError, ...]) -> None:
        listed = [f"  {one.problem}" for one in mistakes[:_MOST]]
        if len(mistakes) > _MOST:
            listed.append(f"  ... and {len(mistakes) - _MOST} more")
        super().__init__(
            "\n".join((f"There are {len(mistakes)} mistakes:", *listed)),
            "\n".join(dict.fromkeys(one.fix for one in mistakes)),
        )
        self.mistakes = mistakes


def mistakes_of(*checks: Callable[[], object]) -> list[UserError]:
    """Make every check, and return what was found wrong, in their order; other errors escape."""
    found: list[UserError] = []
    for check in checks:
        try:
            check()
        except MistakesError as error:
            found += error.mistakes
        except UserError as error:
            found.append(error)
    return found


def refuse(mistakes: Iterable[UserError]) -> None:
    """Raise what was found wrong as one error, the same mistake once; return where there is none.

    Raises:
        UserError: The only one, or a ``MistakesError`` of all.
    """
    different = tuple({str(one): one for one in mistakes}.values())
    if len(different) > 1:
        raise MistakesError(different)
    if different:
        raise different[0]


class InactiveError(UserError):
    """A trained adapter or block that does nothing: it would do nothing again, and other runs are not concerned."""


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
    hint = f"Did you mean {shown(close[0])}? " if close else ""
    listed = ", ".join(one if len(one) <= _LONGEST else shown(one) for one in names)
    return UserError(f"Unknown {kind} {shown(name)}.", f"{hint}Valid: {listed}.")


def check_name(kind: str, name: str, valid: Collection[str]) -> None:
    """Refuse a name that is not in a registry; see ``unknown_name``.

    Raises:
        UserError: It is not.
    """
    if name not in valid:
        raise unknown_name(kind, name, valid)


class Problems:
    """Mistakes that were met in blocks of code and not raised yet; ``mistakes_of`` does the same for checks."""

    def __init__(self) -> None:
        self._found: list[UserError] = []

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep a ``UserError`` of the block; what follows the block goes on."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def add(self, error: UserError) -> None:
        """Keep an error, or those that it consists of."""
        self._found += error.mistakes if isinstance(error, MistakesError) else (error,)

    def raise_any(self) -> None:
        """Raise what was kept as ``refuse`` does; return where nothing was."""
        refuse(self._found)
