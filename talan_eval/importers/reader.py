"""What a log format must offer; the formats themselves are listed in ``registry``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from talan_core.bounded import shown
from talan_core.errors import UserError, unknown_name
from talan_eval.importers.files import natural
from talan_eval.importers.words import typed_again

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader
    from talan_eval.importers.logged import LoggedRun
    from talan_eval.importers.words import Word

_NAMED: Final = 12  # arms of a file that a message lists
_LONGEST: Final = 200  # letters of a name that can be typed


@dataclass(frozen=True, slots=True)
class Place:
    """Where logs of one format lie together.

    Attributes:
        reader: Reads them.
        path: The directory or file, as found.
        files: The logs; empty where the format recognised the whole directory.
    """

    reader: LogReader
    path: Path
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What one argument stands for.

    Attributes:
        word: The argument.
        places: At least one, in natural order, all of one format.
        left_out: What lay there and could not be read, and may have been something else: a note each.
    """

    word: Word
    places: tuple[Place, ...]
    left_out: tuple[str, ...] = ()

    @property
    def reader(self) -> LogReader:
        """The format."""
        return self.places[0].reader

    @property
    def is_one(self) -> bool:
        """Whether the argument names one place itself, not a directory or pattern that holds some."""
        return len(self.places) == 1 and self.word.is_one


@dataclass(frozen=True, slots=True)
class LoggedSource:
    """An argument with what was read.

    Attributes:
        source: Where.
        runs: One per checkpoint, at least one.
    """

    source: Source
    runs: tuple[LoggedRun, ...]

    @property
    def typed(self) -> str:
        """The argument as typed."""
        return self.source.word.typed

    @property
    def name(self) -> str | None:
        """The name of its arm where one was typed: before the path, or after it as the arm of a file."""
        word = self.source.word
        return word.inside if word.name is None else word.name


class LogReader(Protocol):
    """Reads the logs of one format, one arm at a time.

    An instance lives as long as one comparison and may remember what it has read. To add a format, derive a class from
    this one in a file of its own, and add it to ``registry.READERS``.
    """

    harness: ClassVar[str]
    """Who wrote such logs, for tables and messages: arms of different harnesses are not compared."""
    readable: ClassVar[str]
    """What it reads, for messages."""
    files_are_tasks: ClassVar[bool] = False
    """Whether lone files of one directory are tasks of one run, not a run each."""

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file is such a log, from its name and its first bytes.

        Args:
            file: An existing file.
            typed: Whether the user named it; in a directory there are other files beside logs.
        """

    def recognises_directory(self, directory: Path, names: Collection[str]) -> bool:
        """Return whether a directory with entries of these names is one such log as a whole."""
        del directory, names
        return False

    def read(self, source: Source) -> Sequence[LoggedRun]:
        """Read one arm.

        Args:
            source: Its logs. Where a file holds several arms, ``chosen_arm`` says which is meant.

        Returns:
            One run per checkpoint, at least one.

        Raises:
            UserError: A log cannot be read; the message has file and line.
        """


def chosen_arm(arms: Iterable[str], source: Source, path: Path) -> str:
    """Return which arm of a file is meant: what was typed after a colon, else the name, else the only one.

    Args:
        arms: The arms in the file, at least one.
        source: What was typed.
        path: The file, for messages.

    Raises:
        UserError: There is no such arm, or there are several and none was named.
    """
    word = source.word
    names = sorted(set(arms), key=natural)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = ", ".join(map(shown, names[:_NAMED])) + more
    short = [name for name in names if len(name) <= _LONGEST] or ["ARM"]
    example = typed_again(*(f"{name}={word.path}" for name in short[:2]))
    wanted = word.inside if word.inside is not None else word.name
    if wanted in names:
        return str(wanted)
    if word.inside is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise UserError(f"{word.typed} holds several arms: {listed}.", f"Name those that are meant: {example}")
    guess = unknown_name("arm", wanted, names)
    given = "NAME" if word.name is None else word.name
    raise UserError(
        f"{word.typed}: there is no arm {wanted!r} in {path}; it has {listed}.",
        f"{guess.fix} Type the arm after the file: {given}={word.path}:{short[0]}",
    )
