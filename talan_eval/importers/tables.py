"""Plain tables: CSV, TSV, Parquet or JSON lines with one row per scored answer.

Columns: ``arm``, ``seed``, ``task``, ``item``, ``score``; optional ``backbone`` (the model below the adapters),
``prompt`` (text or hash of the question), ``sample`` (which of several answers), ``metric``, ``cluster``, and
``label_<name>`` for slices. ``id`` stands for ``item``. Other columns are ignored, and named in a note.

A table without ``arm`` holds the arm as which it is named. Without ``seed`` each file is one run, whose seed is told as
that of other logs is: by its name, or its place. Without ``task`` all rows are of one task, ``scores``.

Without ``prompt`` nothing but the item id says that two rows are the same question.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from talan_core.bounded import real_number, shown, whole_number
from talan_core.errors import UserError
from talan_eval.importers.files import natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader, chosen_arm
from talan_eval.importers.table_rows import EXPORTED, column_names, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader
    from talan_eval.importers.logged import Stamp
    from talan_eval.importers.reader import Source
    from talan_eval.importers.table_rows import Row

REQUIRED: Final = ("item", "score")
PLACES: Final = ("arm", "seed", "task")
OPTIONAL: Final = ("backbone", "prompt", "sample", "metric", "cluster")
LABEL: Final = "label_"
_ID: Final = "id"  # another name of "item"
_ONLY_METRIC: Final = "score"
_ONLY_TASK: Final = "scores"
_NAMES: Final = ("arm", "task", "item", "backbone", "prompt", "metric", "cluster")
_LARGEST: Final = 10**18
_EXAMPLES: Final = 12
_SUFFIXES: Final = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})


class _Checkpoint(NamedTuple):
    """One trained checkpoint of an arm."""

    backbone: str | None
    seed: int | None
    file: Path | None  # where the table states no seed: each file is a run then


_Runs = dict[_Checkpoint, dict[str, tuple["Path", Answers]]]  # checkpoint -> task -> where the answers are


@dataclass(eq=False, slots=True)
class Gathered:
    """The rows of one table, wherever they lie; filled while reading.

    Attributes:
        arms: Arm to checkpoint to task to file and answers; the arm is None where the table states none.
        stamps: What was read.
    """

    arms: dict[str | None, _Runs] = field(default_factory=dict)
    stamps: list[Stamp] = field(default_factory=list)
    _labels: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)  # by the columns: nearly always alike
    _answers: dict[tuple[object, ...], dict[str, object]] = field(default_factory=dict)

    def add(self, path: Path, rows: Iterable[tuple[int, Row]]) -> None:
        """Add rows with their numbers.

        Args:
            path: Where they are, for messages.
            rows: Number and columns of each.

        Raises:
            UserError: A column is missing, or a value cannot be read.
        """
        first: dict[tuple[str, ...], int] = {}  # the first row with these columns
        for number, row in rows:
            if _ID in row and "item" not in row:
                row["item"] = row.pop(_ID)
            columns = tuple(row)
            if columns not in first:
                first[columns] = number
                self._labels[columns] = tuple(name for name in columns if name.startswith(LABEL))
            if "item" not in row:
                raise _missing("item", path, number, columns)
            _add(row, (path, number, self._labels[columns]), self.arms, self._answers)
        _check_columns(first, path)

    def runs(self, arm: str | None, path: Path) -> list[LoggedRun]:
        """Return the runs of an arm, one per backbone and seed.

        Args:
            arm: One of ``arms``.
            path: Where the table begins.
        """
        ignored = ", ".join(sorted({name for columns in self._labels for name in columns if not _known(name)}))
        notes = (f"{path}: columns ignored: {ignored}",) if ignored else ()
        runs = self.arms[arm]
        return [
            LoggedRun(
                path=next(iter(runs[key].values()))[0],  # where its first rows are
                harness=Tables.harness,
                tasks={task: _task(task, *runs[key][task]) for task in sorted(runs[key], key=natural)},
                files=tuple(one for one in self.stamps if key.file in (None, one.path)),
                model=arm,
                backbone=key.backbone,
                seed=key.seed,
                notes=notes if number == 0 else (),
            )
            for number, key in enumerate(sorted(runs, key=_order))
        ]


class Tables(LogReader):
    """Reads tables, each of them once: usually all arms are in one."""

    harness: ClassVar[str] = "table"
    readable: ClassVar[str] = (
        f"tables (.csv, .tsv, .parquet, .jsonl, W&B's .table.json) with the columns {', '.join((*PLACES, *REQUIRED))}, "
        f"or {_ID}, score and a file per run"
    )

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files
        self._parsed: dict[tuple[Path, ...], Gathered] = {}

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file is a table; training logs and data that lie beside one have other columns."""
        known = file.suffix.lower() in _SUFFIXES or file.name.lower().endswith(EXPORTED)
        if not known or typed:
            return known
        names = column_names(file)
        return "score" in names and ("item" in names or _ID in names)

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm of the files, which together are one table.

        Returns:
            One run per backbone and seed.

        Raises:
            UserError: A column is missing, a value cannot be read, or it is not clear which arm is meant.
        """
        files = tuple(file for place in source.places for file in place.files)
        if files not in self._parsed:
            self._parsed[files] = _parse(files, self._files)
        table = self._parsed[files]
        if not table.arms:
            raise UserError(f"{files[0]} has no rows.", f"Write one row per answer with the columns {_required()}.")
        named = [arm for arm in table.arms if arm is not None]
        if named and None in table.arms:
            raise UserError(
                f"{source.word.typed}: some rows name an arm and others do not.",
                "Fill the column arm in all rows, or leave it out of all.",
            )
        if not named and source.word.inside is not None:
            raise UserError(
                f"{source.word.typed}: {files[0]} has no column arm, so that it holds no arm {source.word.inside!r}.",
                f"Name the arm before the file: {source.word.inside}={source.word.path}",
            )
        return table.runs(chosen_arm(named, source, files[0]) if named else None, files[0])


def _order(key: _Checkpoint) -> tuple[Any, ...]:
    return natural(key.backbone or ""), natural(key.file or ""), key.seed or 0


def _task(task: str, path: Path, answers: Answers) -> TaskLog:
    return TaskLog(task, path, {NO_FILTER: answers}, unit="row")


def _parse(files: Sequence[Path], reader: FileReader) -> Gathered:
    table = Gathered()
    pending = []
    for path in files:
        data, stamp = reader.read(path)
        table.add(path, read_rows(path, data))
        pending.append(stamp)
    table.stamps += [stamp.stamp() for stamp in pending]
    return table


def _known(name: str) -> bool:
    return name in REQUIRED or name in PLACES or name in OPTIONAL or name.startswith(LABEL)


def _check_columns(first: Mapping[tuple[str, ...], int], path: Path) -> None:
    """Refuse a file without scores, and rows without what others state; a row without a score is an answer without one.

    Args:
        first: The columns that have a value, with the first row that has just these.
        path: The file.
    """
    stated = set().union(*first)
    for columns, number in first.items():
        if "score" not in stated:
            raise _missing("score", path, number, columns)
        for name in PLACES:
            if name in stated and name not in columns:
                raise _missing(name, path, number, columns)


def _missing(name: str, path: Path, number: int, columns: Sequence[str]) -> UserError:
    return UserError(
        f"{path}, row {number}: no value for {name} (there are: {', '.join(sorted(columns)) or 'none'}).",
        f"A table of scores has the columns {_required()}; optional are {', '.join(OPTIONAL)} and {LABEL}NAME. With "
        f"one file per run, {_ID} and score are enough.",
    )


def _required() -> str:
    return ", ".join((*PLACES, *REQUIRED))


def _add(
    row: Row,
    where: tuple[Path, int, tuple[str, ...]],
    arms: dict[str | None, _Runs],
    rows: dict[tuple[object, ...], dict[str, object]],
) -> None:
    """Add one row; rows that differ in the metric alone become one answer with several metrics."""
    path, number, labels = where
    for column in _NAMES:
        value = row.get(column)
        if isinstance(value, list | dict | bytes) or (isinstance(value, bool) and column != "cluster"):
            raise UserError(
                f"{path}, row {number}: {column} is {shown(value)}, neither a text nor a number.",
                f"Write the {column} as a text.",
            )
    seed = _whole(row, "seed", path, number) if "seed" in row else None
    sample = _whole(row, "sample", path, number) if "sample" in row else 0
    task, item, metric = str(row.get("task", _ONLY_TASK)), str(row["item"]), str(row.get("metric", _ONLY_METRIC))
    arm = None if "arm" not in row else str(row["arm"])
    backbone = None if "backbone" not in row else str(row["backbone"])
    checkpoint = _Checkpoint(backbone, seed, path if seed is None else None)
    key = (arm, checkpoint, task, item, sample)
    values = rows.get(key)
    if values is not None and metric not in values:
        values[metric] = _score(row.get("score"))
        return
    values = rows[key] = {metric: _score(row.get("score"))}
    _, answers = arms.setdefault(arm, {}).setdefault(checkpoint, {}).setdefault(task, (path, Answers()))
    answers.items.append(item)
    answers.prompts.append(_digest(row.get("prompt")))
    answers.values.append(values)
    answers.lines.append(number)
    answers.samples.append(sample)
    answers.clusters.append(None if "cluster" not in row else str(row["cluster"]))
    answers.labels.append({name.removeprefix(LABEL): str(row[name]) for name in labels})


def _whole(row: Mapping[str, Any], column: str, path: Path, number: int) -> int:
    value = row[column]
    if type(value) is int and 0 <= value <= _LARGEST:
        return value
    try:
        whole = -1 if isinstance(value, bool) else whole_number(value) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if not 0 <= whole <= _LARGEST or (isinstance(value, float) and value != whole):
        raise UserError(
            f"{path}, row {number}: {column} is {shown(value)}, not a whole number from 0 upwards.",
            f"Number the {column}s 0, 1, 2, ...",
        )
    return whole


def _score(value: object) -> object:
    """Return a number where the text is one; what it may be is checked where the metric is chosen."""
    if not isinstance(value, str):
        return value
    try:
        return real_number(value)
    except ValueError:
        lowered = value.strip().lower()
        return lowered == "true" if lowered in {"true", "false"} else value


def _digest(prompt: object) -> str:
    # half a surrogate pair is no text, and JSON may hold it
    return "" if prompt is None else hashlib.sha256(str(prompt).encode("utf-8", "surrogatepass")).hexdigest()
