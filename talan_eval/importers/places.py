"""From what was typed to the places that hold logs, each with the format that reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.importers.files import natural
from talan_eval.importers.reader import Place, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.reader import LogReader
    from talan_eval.importers.words import Word

_EXAMPLES: Final = 4


def find(word: Word, readers: Sequence[LogReader]) -> Source:
    """Find the logs that an argument names.

    Args:
        word: A path to a directory, a directory of directories, a file, or a glob.
        readers: The formats; the first that recognises a file takes it.

    Returns:
        The places, at least one.

    Raises:
        UserError: Nothing there is a log, or logs of several formats lie there.
    """
    places = [place for match in word.matches for place in _places(match, readers)]
    if not places:
        raise UserError(
            f"{word.typed}: no sample log is in it.",
            f"{_what_is_there(word.matches)}Readable are {', '.join(reader.readable for reader in readers)}. lm-eval "
            "writes samples only with: lm_eval ... --log_samples --output_path DIR",
        )
    kinds = {place.reader.harness: place.path for place in places}
    if len(kinds) > 1:
        listed = ", ".join(f"{path} ({harness})" for harness, path in sorted(kinds.items()))
        raise UserError(
            f"{word.typed}: logs of several kinds lie there: {listed}.", "Name the logs of one harness, file by file."
        )
    return Source(word, tuple(places))


def _places(path: Path, readers: Sequence[LogReader]) -> list[Place]:
    if path.is_file():
        reader = _reader_of(path, readers, typed=True)
        return [] if reader is None else [Place(reader, path, (path,))]
    found: list[Place] = []
    seen: set[Path] = set()
    for root, folders, names in os.walk(path, followlinks=True):
        directory = Path(root)
        if directory.resolve() in seen:  # a link back up
            folders.clear()
            continue
        seen.add(directory.resolve())
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        entries = {*names, *folders}
        whole = next((reader for reader in readers if reader.recognises_directory(directory, entries)), None)
        if whole is None:
            found += _in_directory(directory, names, readers)
        else:
            found.append(Place(whole, directory))
            folders.clear()
    return sorted(found, key=lambda place: natural(place.path))


def _in_directory(directory: Path, names: Sequence[str], readers: Sequence[LogReader]) -> list[Place]:
    """Return the logs that lie directly in a directory: one place per format."""
    found: dict[LogReader, list[Path]] = {}
    for name in sorted(names, key=natural):
        reader = None if name.startswith(".") else _reader_of(directory / name, readers, typed=False)
        if reader is not None:
            found.setdefault(reader, []).append(directory / name)
    return [Place(reader, directory, tuple(files)) for reader, files in found.items()]


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
