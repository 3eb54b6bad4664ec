"""Output that GitHub Actions reads line by line, in which no text of others can start a command.

The runner takes a line for a command in two forms (``ActionCommand.cs`` of actions/runner): ``::name::data`` after any
white space, and ``##[name]data`` anywhere in a line. Both are broken by one blank before their last sign, which a
reader still understands. Signs without width between the others may be ignored by the runner's comparison of text, so
they are ignored here.
"""

from __future__ import annotations

import unicodedata

_BREAKING = frozenset("\n\r")
_WIDTHLESS = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Mn", "Me"})


class CommandBreaker:
    """Breaks commands in text that comes in pieces of any length; one for each stream."""

    def __init__(self) -> None:
        self._colons = 0  # of those that begin the line; 2 when it can be no command of the first form any more
        self._hashes = 0

    def __call__(self, text: str) -> str:
        """Return the next piece without commands."""
        return "".join(map(self._next, text))

    def _next(self, sign: str) -> str:
        if sign in _BREAKING:
            self._colons = self._hashes = 0
            return sign
        if unicodedata.category(sign) in _WIDTHLESS:
            return sign
        before = ""
        if sign == ":" and self._colons < 2:  # noqa: PLR2004 - the two colons of a command
            self._colons += 1
            before = " " if self._colons == 2 else ""  # noqa: PLR2004 - as above
        elif not (self._colons == 0 and sign.isspace()):
            self._colons = 2
        if sign == "[" and self._hashes >= 2:  # noqa: PLR2004 - the two hashes of a command
            before = " "
        self._hashes = self._hashes + 1 if sign == "#" else 0
        return before + sign


def without_commands(text: str) -> str:
    """Return text in which no line, alone or at the beginning of one, starts a command."""
    return CommandBreaker()(text)
