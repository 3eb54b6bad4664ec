"""Everything that the commands show goes out through here, so that text of others cannot steer what reads it.

Text of others (names, answers, paths, messages of other programs) may hold terminal escapes and lines that GitHub
Actions takes for commands. ``say``, ``note`` and the console replace control characters; the streams that ``guarded``
installs break commands, also where a table was wrapped. Not covered: what other programs write to the descriptors
themselves.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Final, TextIO

from talan_core.errors import UserError
from talan_eval.report.clean import clean
from talan_eval.report.command_breaking import CommandBreaker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from rich.console import Console


_PLAIN: Final = str.maketrans(
    {"\N{PLUS-MINUS SIGN}": "+/-", "\N{HORIZONTAL ELLIPSIS}": "...", "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-"}
)
"""What stands for characters of ours where a code page lacks some of a text's."""


class GuardedStream:
    """A text stream that starts no workflow command.

    Args:
        stream: Where the text goes; everything but writing is left to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream
        self._breaker = CommandBreaker()

    def write(self, text: str) -> int:
        """Write text; what the stream's encoding lacks is replaced."""
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes text, not {type(text).__name__}")
        safe = self._breaker(text)
        try:
            self.unguarded.write(safe)
        except UnicodeEncodeError:
            encoding = self.unguarded.encoding or "ascii"
            plain = safe.translate(_PLAIN)
            self.unguarded.write(plain.encode(encoding, "replace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Leave everything else to the stream."""
        return getattr(self.unguarded, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard the standard streams inside the block, and what Python itself says for the rest of the process."""
    streams = sys.stdout, sys.stderr
    sys.excepthook = _show_traceback
    warnings.formatwarning = _warning
    guards: tuple[Any, Any] = GuardedStream(streams[0]), GuardedStream(streams[1])
    sys.stdout, sys.stderr = guards
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def refuse_controls(words: Iterable[str]) -> None:
    """Refuse words of a command that would steer the terminal which shows them again.

    Raises:
        UserError: One has a control character.
    """
    for word in words:
        shown = "".join(sign for sign in word if sign in "\t\n" or not (sign < " " or "\x7f" <= sign <= "\x9f"))
        if shown != word:
            raise UserError(f"The word {word!r} has a control character.", "Type it without: a name can be changed.")


def say(text: str) -> None:
    """Write to the standard output."""
    sys.stdout.write(clean(text))


def note(text: str) -> None:
    """Write to the standard error."""
    sys.stderr.write(clean(text))


def say_document(content: bytes) -> None:
    """Write a whole document to the standard output as it is, but into the log of GitHub Actions without commands."""
    into_file = False
    with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor
        into_file = stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    if os.environ.get("GITHUB_ACTIONS") == "true" and not into_file:
        sys.stdout.write(content.decode("utf-8", "replace"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def workflow_commands(lines: Iterable[str]) -> None:
    """Write commands of our own for GitHub Actions, past the guard; their text was escaped where they were made."""
    stream = getattr(sys.stdout, "unguarded", sys.stdout)
    sys.stdout.flush()
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def terminal(**options: Any) -> Console:  # noqa: ANN401 - rich's own
    """Return a console in which only the console itself steers the terminal: its text is cleaned, its styles stay.

    Args:
        options: Handed on to rich.
    """
    from rich.console import Console  # noqa: PLC0415 - --help must not wait for it
    from rich.segment import Segment  # noqa: PLC0415 - as above

    class CleanConsole(Console):
        def _render_buffer(self, buffer: Iterable[Segment]) -> str:  # where rich turns what it has laid out into text
            kept = (part if part.control else Segment(clean(part.text), part.style) for part in buffer)
            return super()._render_buffer(kept)

    return CleanConsole(highlight=False, **options)


def _show_traceback(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    GuardedStream(sys.stderr).write(clean("".join(traceback.format_exception(kind, error, place))))


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    del line  # of the source, which says nothing to a reader
    return clean(f"{filename}:{lineno}: {category.__name__}: {message}\n")
