"""The one kind of error that is the user's to mend.

A ``UserError`` is printed without a traceback and its message ends in what to type. Everything else that escapes is a
bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MOST: Final = 12


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
        """Return the problem and, on the next line, the fix."""
        return f"{self.problem}\n{self.fix}"


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
    return UserError(f"Unknown {kind} {name!r}.", f"{hint}Valid: {', '.join(names)}.")


class JointError(UserError):
    """Several mistakes as one message: each problem once, numbered, and then each thing to do once.

    Args:
        errors: At least one.
    """

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = tuple(errors)
        problems = list(dict.fromkeys(error.problem for error in errors))
        fixes = dict.fromkeys(error.fix for error in errors)
        listed = [f"({number}) {problem}" for number, problem in enumerate(problems[:_MOST], 1)]
        if len(problems) > _MOST:
            listed.append(f"... and {len(problems) - _MOST} more")
        text = problems[0] if len(problems) == 1 else f"{len(problems)} problems:\n" + "\n".join(listed)
        super().__init__(text, "\n".join(fixes))


class Problems:
    """Errors that were met and not raised yet, so that one message names all of them and not only the first."""

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
        self._found += error.errors if isinstance(error, JointError) else (error,)

    def raise_any(self) -> None:
        """Raise what was kept.

        Raises:
            UserError: Something was kept; a :class:`JointError` for several.
        """
        if self._found:
            raise self._found[0] if len(self._found) == 1 else JointError(self._found)
