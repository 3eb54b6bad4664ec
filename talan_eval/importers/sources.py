"""From what was typed after ``--base-logs`` to the places that hold one run each."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from talan_core.errors import UserError
from talan_eval.importers import lm_eval
from talan_eval.importers.files import natural
from talan_eval.importers.tables import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["lm-eval", "inspect_ai", "table", "talan-eval"]

_MANIFEST: Final = "manifest.json"
_TABLES: Final = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})
_WILD: Final = frozenset("*?[")
_SNIFF: Final = 1 << 16
_INSPECT_KEYS: Final = (b'"eval"', b'"status"')
_EXAMPLES: Final = 4
FORMATS: Final = (
    "lm-eval --log_samples directories, inspect_ai logs (.eval, .json), tables (.csv, .tsv, .parquet, .jsonl) with the "
    "columns arm, seed, task, item, score, and results directories of talan-eval"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run is (several runs, for a table or a results directory of ours).

    Attributes:
        kind: Which harness wrote it.
        path: The directory or file, as found.
        files: Its logs; empty for a results directory of ours.
    """

    kind: Kind
    path: Path
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What one option value stands for.

    Attributes:
        text: The path or glob as typed, without the name.
        name: The name before "=", or None.
        places: At least one, in natural order.
        exact: Whether the value names one place itself, not a directory or glob that holds some.
    """

    text: str
    name: str | None
    places: tuple[Place, ...]
    exact: bool


def find(value: str, option: str) -> Found:
    """Find the logs that an option value names.

    Args:
        value: PATH or NAME=PATH; PATH is a directory, a directory of directories, a file, or a glob.
        option: The option, for messages.

    Returns:
        The places, at least one.

    Raises:
        UserError: Nothing is there, nothing in it is a log, or it is not clear which logs make one run.
    """
    name, text, matches = resolve(value, option)
    places = [place for match in matches for place in _places(match, option)]
    if any(match.is_file() for match in matches):
        places = _merged(places)
    if not places:
        raise UserError(
            f"{option} {value}: no sample log is in it.",
            f"{_what_is_there(matches)}Readable are {FORMATS}. lm-eval writes samples only with: "
            "lm_eval ... --log_samples --output_path DIR",
        )
    exact = len(places) == 1 and not _is_glob(text)
    return Found(text, name, tuple(places), exact)


def resolve(value: str, option: str) -> tuple[str | None, str, list[Path]]:
    """Return name, path text and matches of an option value; a path may itself contain "=", so what exists decides."""
    matches = _matches(value)
    if matches:
        return None, value, matches
    for index, letter in enumerate(value):
        if letter == "=" and 0 < index < len(value) - 1 and (matches := _matches(value[index + 1 :])):
            return value[:index], value[index + 1 :], matches
    text = value.split("=", 1)[-1] if "=" in value else value
    if _is_glob(text):
        raise UserError(f"{option} {value}: the pattern matches nothing.", f"Look at what is there: ls -d {text}")
    parent = Path(text).absolute().parent
    while not parent.is_dir():
        parent = parent.parent
    raise UserError(f"{option} {value}: there is no such directory or file.", f"Look at what is there: ls {parent}")


def _matches(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if text and path.exists():
        return [path]
    if not _is_glob(text):
        return []
    return [Path(found) for found in sorted(glob.glob(str(path), recursive=True), key=natural)]  # noqa: PTH207 - absolute patterns


def _is_glob(text: str) -> bool:
    return bool(_WILD & set(text)) and not Path(text).expanduser().exists()


def _places(path: Path, option: str) -> list[Place]:
    if path.is_file():
        kind = _kind_of_file(path)
        return [] if kind is None else [Place(kind, path, (path,))]
    found: list[Place] = []
    seen: set[Path] = set()
    for root, folders, names in os.walk(path, followlinks=True):
        directory = Path(root)
        if directory.resolve() in seen:  # a link back up
            folders.clear()
            continue
        seen.add(directory.resolve())
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        if _is_ours(directory, names):
            found.append(Place("talan-eval", directory))
            folders.clear()
        else:
            found += _in_directory(directory, names)
    found.sort(key=lambda place: natural(place.path))
    _refuse_crowded(path, found, option)
    return found


def _is_ours(directory: Path, names: Iterable[str]) -> bool:
    return _MANIFEST in set(names) and (directory / "cells").is_dir()


def _in_directory(directory: Path, names: Sequence[str]) -> list[Place]:
    """Return the runs whose logs lie directly in a directory: one per kind of log."""
    by_kind: dict[Kind, list[Path]] = {}
    for name in sorted(names, key=natural):
        kind = None if name.startswith(".") else _kind_of_file(directory / name)
        if kind is not None and (kind != "table" or _has_columns(directory / name)):
            by_kind.setdefault(kind, []).append(directory / name)
    return [Place(kind, directory, tuple(files)) for kind, files in by_kind.items()]


def _kind_of_file(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    if suffix == ".eval":
        return "inspect_ai"
    if suffix == ".jsonl":
        return "lm-eval" if lm_eval.is_samples(path) or b'"doc_id"' in _start(path).split(b"\n", 1)[0] else "table"
    if suffix in _TABLES:
        return "table"
    if suffix == ".json" and all(key in _start(path) for key in _INSPECT_KEYS):
        return "inspect_ai"
    return None


def _has_columns(path: Path) -> bool:
    """Return whether a file looks like a table of scores; training logs and data lie in the same directories."""
    parquet = path.suffix.lower() == ".parquet"  # which keeps the names of its columns at its end
    head = _start(path, from_end=True) if parquet else _start(path).split(b"\n", 1)[0]
    return all(name.encode() in head for name in REQUIRED)


def _start(path: Path, *, from_end: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            if from_end:
                file.seek(max(0, path.stat().st_size - _SNIFF))
            return file.read(_SNIFF)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", f"Make it readable: chmod u+r {path}") from error


def _merged(places: Sequence[Place]) -> list[Place]:
    """Join lm-eval sample files of one directory, which a glob names one by one: they are the tasks of one run."""
    joined: dict[tuple[Kind, Path], Place] = {}
    for place in places:
        lone = place.kind == "lm-eval" and place.path.is_file()
        key = (place.kind, place.path.parent if lone else place.path)
        before = joined.get(key)
        if before is None:
            joined[key] = place
        else:
            joined[key] = Place(place.kind, place.path.parent, (*before.files, *place.files))
    return list(joined.values())


def _refuse_crowded(path: Path, places: Sequence[Place], option: str) -> None:
    """Refuse a tree in which one seed's directory holds several runs: nothing says which of them is meant."""
    parts = [place.path.relative_to(path).parts for place in places]
    while parts and all(len(one) > 1 and one[0] == parts[0][0] for one in parts):
        parts = [one[1:] for one in parts]
    groups: dict[str, list[Place]] = {}
    for place, one in zip(places, parts, strict=True):
        groups.setdefault(one[0] if one else "", []).append(place)
    crowded = next((group for group in groups.values() if len(group) > 1), None)
    if crowded is None:
        return
    names = ", ".join(f"{place.path} ({place.kind})" for place in crowded[:_EXAMPLES])
    raise UserError(
        f"{option} {path}: several runs lie where one is expected: {names}.",
        f"Name the directory of each run, in the order of the seeds: {option} {crowded[0].path} {option} ...",
    )


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
