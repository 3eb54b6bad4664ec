"""Reads whatever was typed into arms: an argument each, and arguments of one name together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from talan_core.errors import Problems, UserError
from talan_eval.importers import registry
from talan_eval.importers.files import FileReader, natural
from talan_eval.importers.logged import LoggedArm
from talan_eval.importers.naming import arm_names
from talan_eval.importers.one_model import refuse_other_models
from talan_eval.importers.places import find
from talan_eval.importers.reader import LoggedSource
from talan_eval.importers.variants import told_apart
from talan_eval.importers.words import COMMAND, split, typed_again, typed_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from talan_eval.importers.logged import LoggedRun
    from talan_eval.importers.reader import Source

_LEAST: Final = 2
_EXAMPLES: Final = 3


def read_arms(typed: Sequence[str]) -> tuple[LoggedArm, ...]:
    """Read the logs of all arms.

    Args:
        typed: NAME=PATH each, or PATH, which is an arm of its own; the base first.

    Returns:
        The arms in the order in which they first appear, at least two; runs in the order in which they pair.

    Raises:
        UserError: What is named is not there, is no log, cannot be read, or is named twice.
    """
    words = [split(word) for word in typed]
    with FileReader() as files:
        readers = [kind(files) for kind in registry.readers()]
        found = [find(word, readers) for word in words]
        read = []
        problems = Problems()
        for place in found:
            with problems.collecting():
                read.append(LoggedSource(place, _noted(place, place.reader.read(place))))
        problems.raise_any()
    sources = _told_apart(read)
    groups = _groups(sources)
    for group in groups:
        _refuse_mixed(group)
        for source in group:
            _refuse_crowded(source)
            refuse_other_models(source)
    _refuse_twice(groups)
    if len(groups) < _LEAST:
        only = f"One arm is named ({groups[0][0].typed})" if groups else "No logs are named"
        raise UserError(
            f"{only}; a comparison needs two or more.",
            f"Type: {COMMAND} NAME=DIR NAME=DIR, the base first; a NAME that is typed again adds seeds to its arm.",
        )
    return tuple(
        LoggedArm(
            name=name,
            runs=_joined(group),
            words=tuple(source.typed for source in group),
            in_order=all(source.source.is_one for source in group),
        )
        for name, group in zip(arm_names(groups), groups, strict=True)
    )


def _noted(source: Source, runs: Sequence[LoggedRun]) -> tuple[LoggedRun, ...]:
    """Add what was left out beside the logs to the notes of the first run, which the result keeps."""
    first, *others = runs
    return (replace(first, notes=(*first.notes, *source.left_out)), *others)


def _told_apart(sources: Sequence[LoggedSource]) -> list[LoggedSource]:
    runs = iter(told_apart([run for source in sources for run in source.runs]))
    return [replace(source, runs=tuple(next(runs) for _ in source.runs)) for source in sources]


def _groups(sources: Sequence[LoggedSource]) -> list[list[LoggedSource]]:
    """Put arguments of one name together; one without a name is an arm of its own."""
    groups: dict[str | int, list[LoggedSource]] = {}
    for index, source in enumerate(sources):
        groups.setdefault(index if source.name is None else source.name, []).append(source)
    return list(groups.values())


def _joined(group: Sequence[LoggedSource]) -> tuple[LoggedRun, ...]:
    """Return the runs of an arm; files of one directory that were named one by one are one run if no task is twice."""
    runs: list[LoggedRun] = []
    for source in group:
        for run in source.runs:
            same = next((n for n, other in enumerate(runs) if _is_one_run(other, run)), None)
            if same is None or not source.source.reader.files_are_tasks:
                runs.append(run)
                continue
            other = runs[same]
            runs[same] = replace(
                other,
                path=run.path.parent,
                tasks=dict(sorted({**other.tasks, **run.tasks}.items(), key=lambda item: natural(item[0]))),
                files=tuple(dict.fromkeys((*other.files, *run.files))),
                notes=(*other.notes, *run.notes),
            )
    return tuple(runs)


def _is_one_run(one: LoggedRun, other: LoggedRun) -> bool:
    places = [run.path.parent if run.path.is_file() else run.path for run in (one, other)]
    alike = (one.model, one.backbone, one.version) == (other.model, other.backbone, other.version)
    return other.path.is_file() and places[0] == places[1] and alike and not set(one.tasks) & set(other.tasks)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who has named some answers."""

    arm: int
    source: LoggedSource
    run: LoggedRun


def _refuse_twice(groups: Sequence[Sequence[LoggedSource]]) -> None:
    """Refuse answers that are named twice, in one arm or in two, however their path was spelled."""
    seen: dict[tuple[Path, str | None, str | None, int | None], _Owner] = {}
    for arm, group in enumerate(groups):
        for source in group:
            for run in source.runs:
                for log in run.tasks.values():
                    # a file of tables or of ours holds many checkpoints; elsewhere the file says it all
                    key = (log.file.resolve(), run.model, run.adapted, run.seed)
                    owner = seen.setdefault(key, _Owner(arm, source, run))
                    if owner.run is not run:
                        _refuse_pair(owner.source, source, run, same_arm=owner.arm == arm)


def _refuse_pair(first: LoggedSource, second: LoggedSource, run: LoggedRun, *, same_arm: bool) -> None:
    if same_arm:
        raise UserError(
            f"{second.typed}: {run.path} is named twice; a copy is no new seed.",
            f"Name each run once: {typed_again(first.typed)} ...",
        )
    raise UserError(
        f"{first.typed} and {second.typed} are the same logs, {run.path}: an arm is not compared with itself.",
        f"Name two different arms: {COMMAND} {first.name or 'NAME'}={first.source.word.path} OTHER=DIR",
    )


def _refuse_mixed(group: Sequence[LoggedSource]) -> None:
    kinds = {source.source.reader.harness: source.typed for source in group}
    if len(kinds) > 1:
        listed = "; ".join(f"{typed} ({harness})" for harness, typed in kinds.items())
        raise UserError(
            f"Logs of several kinds make no arm: {listed}.",
            f"Give one of them a name of its own, or leave it out: {typed_again(group[0].typed)} ...",
        )


def _refuse_crowded(source: LoggedSource) -> None:
    """Refuse a tree in which one seed's directory holds several runs of a backbone: nothing says which is meant."""
    for root in source.source.word.matches:
        paths = dict.fromkeys((run.adapted, run.path) for run in source.runs if run.path.is_relative_to(root))
        parts = {key: key[1].relative_to(root).parts for key in paths}
        while parts and len({part[:1] for part in parts.values()}) == 1 and all(len(p) > 1 for p in parts.values()):
            parts = {key: part[1:] for key, part in parts.items()}
        crowds: dict[tuple[str | None, str], list[Path]] = {}
        for (backbone, path), part in parts.items():
            crowds.setdefault((backbone, part[0] if part else ""), []).append(path)
        crowd = next((found for found in crowds.values() if len(found) > 1), None)
        if crowd is not None:
            names = ", ".join(map(str, crowd[:_EXAMPLES]))
            name = source.name or "NAME"
            word = typed_words(f"{name}={_alone(crowd[0], crowd, source)}")
            raise UserError(
                f"{source.typed}: several runs lie where one is expected: {names}.",
                f"Name each run, in the order of the seeds: {word} {name}=...",
            )


def _alone(path: Path, crowd: Sequence[Path], source: LoggedSource) -> str:
    """Return what names one run of a crowd; of one that lies above another its files."""
    if not any(other != path and other.is_relative_to(path) for other in crowd):
        return str(path)
    logs = next(iter(next(run for run in source.runs if run.path == path).tasks.values()))
    return f"{path}/*{logs.file.suffix}"
