"""Reads whatever an option names into one arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.importers import inspect_logs, lm_eval, tables
from talan_eval.importers.files import Reader
from talan_eval.importers.lm_eval_lines import LineReader
from talan_eval.importers.model import LoggedArm
from talan_eval.importers.naming import arm_names
from talan_eval.importers.sources import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.model import LoggedRun
    from talan_eval.importers.sources import Found

_SIDES = ("base", "treat")


@dataclass(frozen=True, slots=True)
class _Readers:
    """What both arms share: each remembers what it has read."""

    files: Reader
    lines: LineReader
    tables: tables.TableReader


def read_arms(base: Sequence[str], treat: Sequence[str]) -> tuple[LoggedArm, LoggedArm]:
    """Read the logs of both arms.

    Args:
        base: The values of ``--base-logs``, in order, at least one.
        treat: The values of ``--treat-logs``.

    Returns:
        Base and treat arm, runs in the order in which they pair.

    Raises:
        UserError: What is named is not there, is no log, or cannot be read.
    """
    found = [_find(values, side) for values, side in zip((base, treat), _SIDES, strict=True)]
    with Reader() as reader:
        readers = _Readers(reader, LineReader(), tables.TableReader(reader))
        runs = [_read(one, side, readers) for one, side in zip(found, _SIDES, strict=True)]
    names = arm_names(found[0], runs[0], found[1], runs[1])
    first, second = (
        LoggedArm(side, name, tuple(logged), explicit=all(one.exact for one in places))
        for side, name, logged, places in zip(_SIDES, names, runs, found, strict=True)
    )
    return first, second


def _find(values: Sequence[str], side: str) -> list[Found]:
    option = f"--{side}-logs"
    found = [find(value, option) for value in values]
    kinds = sorted({place.kind for one in found for place in one.places})
    if len(kinds) > 1:
        raise UserError(
            f"{option}: logs of several kinds ({', '.join(kinds)}) make no arm.",
            f"Name logs of one kind: {option} {found[0].text}",
        )
    places = [place.path for one in found for place in one.places]
    twice = next((path for path in places if places.count(path) > 1), None)
    if twice is not None:
        raise UserError(
            f"{option}: {twice} is named twice; a copy is no new seed.", f"Name each run once: {option} {twice}"
        )
    return found


def _read(found: Sequence[Found], side: str, readers: _Readers) -> list[LoggedRun]:
    option = f"--{side}-logs"
    runs: list[LoggedRun] = []
    for one in found:
        tabular = [place for place in one.places if place.kind == "table"]
        if tabular:
            files = [file for place in tabular for file in place.files]
            runs += readers.tables.read(files, one.name, option)
            continue
        for place in one.places:
            if place.kind == "talan-eval":
                from talan_eval.importers import own  # noqa: PLC0415 - only our results need the store

                runs += own.read_results(place.path, one.name, side, option)
            elif place.kind == "inspect_ai":
                runs.append(inspect_logs.read_run(place.path, place.files, option, readers.files))
            else:
                runs.append(lm_eval.read_run(place.path, place.files, readers.files, readers.lines))
    return runs
