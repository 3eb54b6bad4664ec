"""Details of lighteval: ``details_TASK_TIME.parquet``, which it writes with ``--save-details``.

The files of one time are one run; where a model was evaluated several times the newest file of each task counts. An
item is known by its ``id`` in the document; it is the same question if query, choices and gold index are equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from talan_core.errors import UserError
from talan_eval.importers.documents import Node, digest, is_number
from talan_eval.importers.files import natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, OlderLog, TaskLog
from talan_eval.importers.reader import LogReader
from talan_eval.importers.table_rows import column_names, read_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.importers.files import FileReader, Pending
    from talan_eval.importers.reader import Source

_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d(?:\.\d+)?"
_DETAILS: Final = re.compile(rf"details_(?P<task>.+)_(?P<time>{_TIME})\.parquet")
_COLUMNS: Final = ("doc", "metric")


class _Details(NamedTuple):
    """The details of one task at one time."""

    time: str
    file: Path


class LightevalDetails(LogReader):
    """Reads details; the directories of several times below one model are one run."""

    harness: ClassVar[str] = "lighteval"
    readable: ClassVar[str] = "lighteval --save-details (details_*.parquet)"
    files_are_tasks: ClassVar[bool] = True

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file has the name and the columns of details."""
        del typed
        return _DETAILS.fullmatch(file.name) is not None and set(_COLUMNS) <= column_names(file)

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the newest details of each task of each model.

        Raises:
            UserError: A file cannot be read as what its name says.
        """
        models: dict[Path, dict[str, list[_Details]]] = {}
        for place in source.places:
            for file in place.files:
                match = _DETAILS.fullmatch(file.name)
                if match is None:
                    raise UserError(f"{file} is no details file of lighteval.", "Name details_TASK_TIME.parquet")
                home = file.parent.parent if re.fullmatch(_TIME, file.parent.name) else file.parent
                models.setdefault(home, {}).setdefault(match["task"], []).append(_Details(match["time"], file))
        return [self._run(home, {task: sorted(own) for task, own in found.items()}) for home, found in models.items()]

    def _run(self, home: Path, found: dict[str, list[_Details]]) -> LoggedRun:
        stamps: list[Pending] = []
        tasks = {task: self._task(task, found[task], stamps) for task in sorted(found, key=natural)}
        older = sum(len(own) - 1 for own in found.values())
        notes = (f"{home}: the newest details of each task are used; {older} older left aside",) if older else ()
        return LoggedRun(
            path=home,
            harness=LightevalDetails.harness,
            tasks=tasks,
            files=tuple(stamp.stamp() for stamp in stamps),
            model=home.name,
            notes=notes,
        )

    def _task(self, task: str, own: list[_Details], stamps: list[Pending]) -> TaskLog:
        file = own[-1].file
        data, pending = self._files.read(file)
        stamps.append(pending)
        answers = Answers()
        for number, row in read_parquet(file, data, _COLUMNS):
            doc = Node(file, f"row {number}", row)["doc"]
            item = doc.get("id")
            values = Node(file, f"row {number}", row)["metric"].table()
            answers.items.append(str(number - 1) if item is None or item.value == "" else item.name())
            answers.prompts.append(digest(*(doc.table().get(name) for name in ("query", "choices", "gold_index"))))
            answers.values.append({name: value for name, value in values.items() if is_number(value)})
            answers.lines.append(number)
            answers.samples.append(0)
        if not answers.items:
            raise UserError(f"{file} has no rows.", "Score this run again, or leave the file out.")
        older = tuple(OlderLog(one.file, 0) for one in own[:-1])
        return TaskLog(task, file, {NO_FILTER: answers}, unit="row", older=older)
