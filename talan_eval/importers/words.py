"""What was typed for an arm: NAME=PATH, PATH, NAME=FILE:ARM or FILE:ARM; what exists decides where it is split."""

from __future__ import annotations

import errno
import glob
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.bounded import shown
from talan_core.errors import UserError
from talan_eval.importers.files import natural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND: Final = "talan-eval compare-logs"
_LONGEST: Final = 1000  # letters of an argument that a message repeats as it was typed
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Word:
    """One argument, split.

    Attributes:
        typed: As typed; messages name it.
        name: What the arm is called, or None where nothing was typed.
        path: The path or glob.
        inside: Which arm of a file is meant, where that was typed after a colon.
        matches: What exists under the path, at least one, in natural order.
    """

    typed: str
    name: str | None
    path: str
    inside: str | None
    matches: tuple[Path, ...]

    @property
    def is_one(self) -> bool:
        """Whether the path names one place, not a pattern that may match several."""
        return len(self.matches) == 1 and not _is_pattern(self.path)


def typed_again(*words: str) -> str:
    """Return what to type: the command with these arguments, quoted for a shell."""
    return f"{COMMAND} {typed_words(*words)}"


def typed_words(*words: str) -> str:
    """Return arguments as they are typed, quoted for a shell."""
    return " ".join(shlex.quote(word) for word in words)


def several(names: Sequence[str], most: int = 8) -> str:
    """Return a list for a message, cut after so many entries with the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def split(typed: str) -> Word:
    """Split an argument.

    A path may hold "=" and ":" itself, as a Windows path does, and so may the name of an arm: a whole path that exists
    comes before one with a name, and that before one with an arm of the file.

    Raises:
        UserError: Nothing exists under any reading of it.
    """
    readings = list(_readings(typed))
    for name, path in readings:
        if matches := _matches(path):
            return Word(typed, name, path, None, matches)
    for name, path in readings:
        for index in (place for place in range(len(path) - 2, 0, -1) if path[place] == ":"):
            if matches := _matches(path[:index]):
                return Word(typed, name, path[:index], path[index + 1 :], matches)
    raise _nothing(typed)


def _readings(typed: str) -> Iterator[tuple[str | None, str]]:
    yield None, typed
    for index, letter in enumerate(typed):
        if letter == "=" and 0 < index < len(typed) - 1:
            yield typed[:index], typed[index + 1 :]


def _matches(text: str) -> tuple[Path, ...]:
    path = Path(text).expanduser()
    if text and _exists(path):
        return (path,)
    if not _is_pattern(text):
        return ()
    return tuple(Path(found) for found in sorted(glob.glob(str(path), recursive=True), key=natural))  # noqa: PTH207 - absolute patterns


def _is_pattern(text: str) -> bool:
    return bool(_WILD & set(text)) and not _exists(Path(text).expanduser())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False  # no file system has such a name


def _nothing(typed: str) -> UserError:
    """Say what is wrong with an argument under which nothing exists."""
    name, path = _outside_brackets(typed)
    if not path.strip():
        given = name or "NAME"
        what = "is empty" if not typed.strip() else "has no path after its name"
        return UserError(f"The argument {typed!r} {what}.", f"Type: {COMMAND} {given}=DIR NAME=DIR")
    if name == "":
        return UserError(f"{typed}: there is no name before the '='.", f"Name the arm: {typed_again(f'NAME{typed}')}")
    if _is_pattern(path):
        if len(typed) > _LONGEST:
            return UserError(f"{shown(typed)}: the pattern matches nothing.", "Look at what is there: ls")
        return UserError(f"{typed}: the pattern matches nothing.", f"Look at what is there: ls -d {path}")
    parent = Path(path).expanduser().absolute().parent
    while not (_exists(parent) and parent.is_dir()):
        parent = parent.parent
    looked = f" ({path})" if name else ""
    if len(typed) > _LONGEST:
        typed, looked = shown(typed), ""
    return UserError(
        f"{typed}: there is no such directory or file{looked}.", f"Look at what is there: ls {shlex.quote(str(parent))}"
    )


def _outside_brackets(typed: str) -> tuple[str | None, str]:
    """Return name and path as they were probably meant: an "=" in brackets or after a "/" is no name's end."""
    depth = 0
    for index, letter in enumerate(typed):
        depth += (letter == "[") - (letter == "]")
        if letter == "=" and depth <= 0 and "/" not in typed[:index]:
            return typed[:index], typed[index + 1 :]
    return None, typed
