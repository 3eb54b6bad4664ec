"""Fenced blocks in a model's answer, as CommonMark has them where that is meant, and as models write them.

A fence is a run of three or more backquotes or tildes. It opens a block at the start of a line, indented by up to 12
spaces (blocks in lists), or behind prose at the end of one ("the code:```python"). It closes one where it is as long as
the opening one, of the same character, indented by at most three spaces more or less than that, and nothing follows.

What models write beyond that: a closing fence glued to the last line of code, two fences glued to each other, the
language on a line of its own, code on the line of the opening fence, words behind the closing one, a whole answer
inside a block of Markdown. A fence inside a triple-quoted string of the program closes nothing, as long as that
string ends before another fence.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LANGUAGE: Final = r"[A-Za-z][A-Za-z0-9_+.#-]{0,20}"
_OPENING: Final = re.compile(
    rf"([ \t]{{0,12}})(`{{3,}}|~{{3,}})[ \t]*({_LANGUAGE})?"
    r"(?:[ \t]*\{[^}\n]{0,80}\}|[ \t]+[\w=.\"':-]{1,80})?[ \t]*"
)
_CODE_BEHIND: Final = re.compile(
    rf"([ \t]{{0,12}})(`{{3,}}|~{{3,}})[ \t]*(?:(python3?|py)[ \t]*|{_LANGUAGE}[ \t]+)?"
    r"((?:async[ ]+def|def|class|from|import)[ ]+\w[^\n]*|@\w[^\n]*)"
)
_GLUED_OPENING: Final = re.compile(rf"[^\n`~]*[^\n`~\s](`{{3,}}|~{{3,}})({_LANGUAGE})?[ \t]*")
_FENCE_LINE: Final = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\n]*)")
_GLUED_END: Final = re.compile(r"(`{3,}|~{3,})[ \t]*\Z")
_STRING: Final = re.compile(r"\"\"\"|'''|#[^\n]*|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|\\.", re.DOTALL)
_MARKDOWN: Final = frozenset(("markdown", "md"))
_LANGUAGE_LINE: Final = re.compile(r"\s*(python3?|py)[ \t]*\n", re.IGNORECASE)
_INDENT: Final = 3
_MIN: Final = 3
_MAX_TAKEN_BACK: Final = 20
"""So often a text is read again from a fence that turns out to stand in no string: each time costs its length."""


class Block(NamedTuple):
    """One fenced block."""

    language: str
    source: str


class Fenced(NamedTuple):
    """All blocks of a text.

    Attributes:
        blocks: In order.
        first_line: Number of the line of the first fence; None where there is none.
        first_is_bare: Whether that fence is a bare one, which may close what the prompt had opened.
    """

    blocks: list[Block]
    first_line: int | None
    first_is_bare: bool


def fenced_blocks(text: str) -> Fenced:
    """Return the fenced blocks of a text; a block that is never closed runs to its end."""
    reader = _FenceReader(text.split("\n"))
    reader.read()
    blocks = [inner for block in reader.blocks for inner in _unwrapped(block)]
    return Fenced(blocks, reader.first_line, reader.first_is_bare)


def _unwrapped(block: Block) -> list[Block]:
    """Return the blocks inside a block of Markdown, or the block itself without its language on a line of its own."""
    begins = _FENCE_LINE.match(block.source.lstrip("\n")) is not None
    if not (begins and block.language == "") and block.language not in _MARKDOWN:
        named = _LANGUAGE_LINE.match(block.source) if block.language == "" else None
        return [block if named is None else Block(named[1].lower(), block.source[named.end() :])]
    reader = _FenceReader(block.source.split("\n"))
    reader.read()
    return reader.blocks


class _FenceReader:
    """Reads lines once from the first to the last."""

    def __init__(self, lines: list[str]) -> None:
        self.blocks: list[Block] = []
        self.first_line: int | None = None
        self.first_is_bare = False
        self._lines = lines
        self._fence = ""
        self._indent = 0
        self._language = ""
        self._held: list[str] = []
        self._string = ""
        # A fence inside a string is kept only where the string still ends before a later fence.
        self._in_string: tuple[int, int, int] | None = None
        self._left = _MAX_TAKEN_BACK

    def read(self) -> None:
        """Fill ``blocks``."""
        number = 0
        while number < len(self._lines):
            number = self._outside(number) if not self._fence else self._inside(number)
            if number >= len(self._lines) and self._fence and self._string and self._in_string is not None:
                number = self._taken_back()
        if self._fence:
            self._close()

    def _outside(self, number: int) -> int:
        line = self._lines[number]
        opening = _OPENING.fullmatch(line)
        behind = None if opening else _CODE_BEHIND.fullmatch(line)
        glued = None if opening or behind else _GLUED_OPENING.fullmatch(line)
        if opening is None and behind is None and glued is None:
            return number + 1
        if self.first_line is None:
            self.first_line = number
            language = opening[3] if opening is not None else glued[2] if glued is not None else ""
            self.first_is_bare = language is None
        if opening is not None:
            self._open(opening[2], len(opening[1]), opening[3])
        elif behind is not None:
            self._open(behind[2], len(behind[1]), behind[3])
            self._code(behind[4].rstrip())
        elif glued is not None:
            self._open(glued[1], 0, glued[2])
        return number + 1

    def _inside(self, number: int) -> int:
        line = self._lines[number]
        fence = _FENCE_LINE.fullmatch(line)
        if fence is None or fence[2][0] != self._fence[0] or len(fence[2]) < len(self._fence):
            self._code(line)
            return number + 1
        if abs(len(fence[1].expandtabs(4)) - self._indent) > _INDENT:
            self._hold(line)
            return number + 1
        if self._string:
            if self._in_string is None:
                self._in_string = (number, len(self._held), len(self.blocks))
            self._hold(line)
            return number + 1
        run = fence[2]
        self._close()
        if len(run) >= 2 * _MIN and len(run) % 2 == 0 and fence[3]:
            self._open(run[: len(run) // 2], 0, fence[3].strip())  # two fences glued to each other
        elif fence[3] and _OPENING.fullmatch(line) and fence[3].strip().lower() in {"python", "py", "python3"}:
            self._open(run, len(fence[1]), fence[3].strip())  # the closing fence was forgotten
        return number + 1

    def _code(self, line: str) -> None:
        """Take one line of code, and the fence that is glued to its end."""
        end = _GLUED_END.search(line) if self._fence[0] * _MIN in line else None
        code = "" if end is None else line[: end.start()]
        if end is not None and end[1].startswith(self._fence) and code.strip(" \t#") and not self._after(code):
            self._hold(code)
            self._close()
            return
        self._hold(line)

    def _hold(self, line: str) -> None:
        self._held.append(line)
        before = self._string
        self._string = self._after(line)
        if before and not self._string:
            self._in_string = None

    def _after(self, line: str) -> str:
        """Return the delimiter of the triple-quoted string that is open behind a line; empty where none is."""
        string, position = self._string, 0
        while position < len(line):
            if string:
                end = _string_end(line, string, position)
                if end < 0:
                    return string
                string, position = "", end
                continue
            token = _STRING.search(line, position)
            if token is None:
                return ""
            position = token.end()
            if token.group() in {'"""', "'''"}:
                string = token.group()
        return string

    def _open(self, fence: str, indent: int, language: str | None) -> None:
        self._fence, self._indent, self._language = fence, indent, (language or "").lower()
        self._held, self._string, self._in_string = [], "", None

    def _close(self) -> None:
        self.blocks.append(Block(self._language, "\n".join(self._held)))
        self._fence = ""
        self._held = []

    def _taken_back(self) -> int:
        """Go back to the fence that stood inside a string which never ended: it was the closing one."""
        if self._in_string is None or self._left == 0:
            self._string = ""
            return len(self._lines)
        self._left -= 1
        number, held, blocks = self._in_string
        del self.blocks[blocks:], self._held[held:]
        self._in_string, self._string = None, ""
        self._close()
        return number + 1


def _string_end(line: str, delimiter: str, start: int) -> int:
    """Return where a triple-quoted string ends in a line; -1 where it goes on."""
    place = line.find(delimiter, start)
    while place > 0 and line[place - 1] == "\\":
        place = line.find(delimiter, place + 1)
    return -1 if place < 0 else place + len(delimiter)
