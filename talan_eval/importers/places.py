"""From what was typed to the places that hold logs, each with the format that reads them."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import Problems, UserError
from talan_eval.importers.damage import NOT_JSON, damage_of, kind_of
from talan_eval.importers.files import first_bytes, natural
from talan_eval.importers.reader import Place, Source
from talan_eval.importers.words import several

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.importers.reader import LogReader
    from talan_eval.importers.words import Word

_EXAMPLES: Final = 4
_DEEPEST: Final = 64
"""Levels of directories; trees of logs have fewer than ten."""
_OFTEN_OTHERS: Final = ".json"  # configurations lie beside logs, so nothing is said of those that are sound


@dataclass(slots=True)
class _UnderPath:
    """What lies under an argument; filled while looking.

    Attributes:
        places: Where logs are.
        others: Files that no format recognised, in directories.
    """

    places: list[Place] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def find(word: Word, readers: Sequence[LogReader]) -> Source:
    """Find the logs that an argument names.

    Args:
        word: A path to a directory, a directory of directories, a file, or a glob.
        readers: The formats; the first that recognises a file takes it.

    Returns:
        The places, at least one.

    Raises:
        UserError: Nothing there is a log, logs of several formats lie there, or a file that has the ending of the logs
            beside it cannot be read as one.
    """
    found = _UnderPath()
    for match in word.matches:
        own = _UnderPath()
        _look(match, readers, own)
        found.places += sorted(own.places, key=lambda place: natural(place.path))
        found.others += own.others
    damaged = {file: why for file in found.others if (why := damage_of(file))}
    if not found.places:
        _refuse(damaged)
        raise UserError(
            f"{word.typed}: no sample log is in it.",
            f"{_what_is_there(word.matches)}Readable are {', '.join(reader.readable for reader in readers)}. lm-eval "
            "writes samples only with: lm_eval ... --log_samples --output_path DIR",
        )
    kinds = {place.reader.harness: place.path for place in found.places}
    if len(kinds) > 1:
        listed = ", ".join(f"{path} ({harness})" for harness, path in sorted(kinds.items()))
        raise UserError(
            f"{word.typed}: logs of several kinds lie there: {listed}.", "Name the logs of one harness, file by file."
        )
    endings = {kind_of(file) for place in found.places for file in place.files}
    _refuse({file: why for file, why in damaged.items() if kind_of(file) in endings and not _may_be_other(file, why)})
    return Source(word, tuple(found.places), tuple(_left_out(found.others, damaged, endings)))


def _refuse(damaged: Mapping[Path, str]) -> None:
    """Refuse files that were meant to be logs and are not readable as such."""
    problems = Problems()
    for file, why in damaged.items():
        with problems.collecting():
            name = shlex.quote(str(file))
            raise UserError(
                f"{file} cannot be read as a log: {why}.", f"Write it again, or move it away: mv {name} {name}.bad"
            )
    problems.raise_any()


def _may_be_other(file: Path, why: str) -> bool:
    """Return whether a file is a document that has no JSON in it, as configurations of other programs may be."""
    return kind_of(file) == _OFTEN_OTHERS and why.startswith(NOT_JSON)


def _left_out(others: Sequence[Path], damaged: Mapping[Path, str], endings: set[str]) -> Iterator[str]:
    """Say what was left out that may have been a log: what cannot be read, and files that are named like the logs."""
    for file, why in damaged.items():
        yield f"left out: {file} ({why})"
    alike = [str(file) for file in others if file not in damaged and kind_of(file) in endings - {"", _OFTEN_OTHERS}]
    if alike:
        yield f"left out: {several(alike)} (no scores of this kind are in {'it' if len(alike) == 1 else 'them'})"


def _look(path: Path, readers: Sequence[LogReader], found: _UnderPath) -> None:
    if path.is_file():
        reader = _reader_of(path, readers, typed=True)
        if reader is not None:
            found.places.append(Place(reader, path, (path,)))
        return
    if not path.is_dir():
        if kind_of(path):
            first_bytes(path)  # which says what it is instead of a file
        return
    seen: set[tuple[int, int]] = set()
    depth = len(path.parts)
    for root, folders, names in os.walk(path, followlinks=True, onerror=_refuse_unlisted):
        directory = Path(root)
        status = directory.stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back up
            folders.clear()
            continue
        if len(directory.parts) - depth > _DEEPEST:
            raise UserError(
                f"{path} holds directories more than {_DEEPEST} levels deep.",
                "Name the directories of the logs themselves: NAME=DIR NAME=DIR ...",
            )
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        entries = {*names, *folders}
        whole = next((reader for reader in readers if reader.recognises_directory(directory, entries)), None)
        if whole is None:
            _in_directory(directory, names, readers, found)
        else:
            found.places.append(Place(whole, directory))
            folders.clear()


def _refuse_unlisted(error: OSError) -> None:
    """Refuse a directory that cannot be listed: the logs in it would be missed without a word."""
    raise UserError(
        f"Cannot look into {error.filename}: {error.strerror}.",
        f"Make it readable: chmod u+rx {shlex.quote(str(error.filename))}",
    ) from error


def _in_directory(directory: Path, names: Sequence[str], readers: Sequence[LogReader], found: _UnderPath) -> None:
    """Add the logs that lie directly in a directory: one place per format."""
    logs: dict[LogReader, list[Path]] = {}
    for name in sorted(names, key=natural):
        if name.startswith("."):
            continue
        file = directory / name
        reader = _reader_of(file, readers, typed=False)
        if reader is None:
            found.others.append(file)
            continue
        if not file.is_file():  # recognised by its name alone
            first_bytes(file)
        logs.setdefault(reader, []).append(file)
    found.places += [Place(reader, directory, tuple(files)) for reader, files in logs.items()]


def _reader_of(file: Path, readers: Sequence[LogReader], *, typed: bool) -> LogReader | None:
    return next((reader for reader in readers if reader.recognises(file, typed=typed)), None)


def _what_is_there(matches: Sequence[Path]) -> str:
    """Say what a directory without logs holds instead."""
    if len(matches) != 1:
        return ""
    (path,) = matches
    if not path.is_dir():
        return f"{path.name} is not one of the readable formats. "
    names = sorted((entry.name for entry in path.iterdir()), key=natural)
    if not names:
        return "The directory is empty. "
    more = ", ..." if len(names) > _EXAMPLES else ""
    return f"The directory holds {', '.join(names[:_EXAMPLES])}{more}. "
