"""Run a command of a checkout, and write down the call stacks at the stations of one number: a part of structure.py.

    python -P benchmarks/follow_number.py CHECKOUT OUT WORD ...

OUT becomes JSON: for each station a stack, outermost call first, of [number of the call, file in the checkout]. Only
files of the packages are in it, and nothing that happens while a module is loaded counts as a station.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

PACKAGES: Final = ("talan_eval", "talan_core", "tasks")

STATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "the request is read": (
        "talan_eval.requests.compare_logs.CompareLogsRequest",
        "talan_eval.request.CompareRequest",
    ),
    "the rows of a file are read": ("talan_eval.importers.table_rows.read_rows", "talan_eval.importers.tables._rows"),
    "scores of a seed become columns": (
        "talan_eval.comparison.score_columns.ScoreColumns",
        "talan_eval.comparison.columns.ScoreColumns",
    ),
    "columns become a matrix": (
        "talan_eval.comparison.matrix.ScoreMatrix",
        "talan_eval.comparison.pairing.CellScores",
    ),
    "base and treatment become a cell": (
        "talan_eval.comparison.matrix.CellScores",
        "talan_eval.comparison.contrast.CellScores",
        "talan_eval.comparison.pairing.CellScores.ordered",  # the first version's cells are pairs from the start
    ),
    "the guarded t is computed": ("talan_eval.stats.guard.guarded",),
    "its record is made": (
        "talan_eval.result.evidence.E1",
        "talan_eval.result.schema.E1",
        "talan_eval.schema.E1",
    ),
    "the result is made": ("talan_eval.result.schema.Result", "talan_eval.schema.Result"),
    "a row of the table is made": (
        "talan_eval.report.contrast_tables.main_table",
        "talan_eval.report.table.main_table",
    ),
    "the interval is written": ("talan_eval.report.format.interval",),
    "the table is printed": ("talan_eval.report.terminal.rich_table", "talan_eval.report.piped.table_lines"),
}
"""Where the stack is taken, in order: dotted names of functions or classes, under all names that they have had."""


class _Follower:
    """A profile function that takes the stack at each station."""

    def __init__(self, root: Path) -> None:
        self._packages = tuple(f"{root / name}{os.sep}" for name in PACKAGES)
        self._root = root
        self._seen: dict[FrameType, int] = {}  # keeps the frames alive, so that no two have one identity
        self.stacks: list[list[tuple[int, str]]] = []
        self._candidates = list(STATIONS.values())

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or len(self.stacks) == len(self._candidates):
            return
        names = self._candidates[len(self.stacks)]
        made = _made(frame)
        if made is not None and f"{made.__module__}.{made.__qualname__}" in names:
            home = sys.modules[made.__module__].__file__
            assert home is not None  # noqa: S101 - the module was loaded from a file
            stack = [*self._stack(frame.f_back), (-len(self.stacks) - 1, self._path(home))]
        elif f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" in names:
            stack = self._stack(frame)
        else:
            return
        if not _loading(frame):  # what a module makes while it is loaded belongs to no number
            self.stacks.append(stack)

    def _stack(self, top: FrameType | None) -> list[tuple[int, str]]:
        found = []
        while top is not None:
            if top.f_code.co_filename.startswith(self._packages):
                number = self._seen.setdefault(top, len(self._seen))
                found.append((number, self._path(top.f_code.co_filename)))
            top = top.f_back
        return found[::-1]

    def _path(self, file: str) -> str:
        return Path(file).relative_to(self._root).as_posix()


def _made(frame: FrameType) -> type | None:
    """Return the class of which this call makes a record: by its constructor, or by pydantic's validation."""
    name, values = frame.f_code.co_name, frame.f_locals
    if name == "__init__" and "self" in values:
        return type(values["self"])
    return values["cls"] if name == "model_validate" and isinstance(values.get("cls"), type) else None


def _loading(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        if frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def main() -> None:
    """Run the words as a command of the checkout, in this process."""
    root, out, *words = sys.argv[1:]
    sys.path.insert(0, root)
    module = importlib.import_module("talan_eval.cli.main")
    if not Path(module.__file__ or "").is_relative_to(root):
        sys.exit(f"{root} holds no talan_eval.cli.main; another one is installed: {module.__file__}")
    sys.argv = ["talan-eval", *words]
    follower = _Follower(Path(root))
    sys.setprofile(follower)
    try:
        module.main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
    if len(follower.stacks) < len(STATIONS):
        station, names = list(STATIONS.items())[len(follower.stacks)]
        sys.exit(
            f"After {len(follower.stacks)} stations, none of {', '.join(names)} was called: {station}.\n"
            f"Add to STATIONS in {Path(__file__).name} what does this now."
        )
    Path(out).write_text(json.dumps(follower.stacks), encoding="utf-8")


if __name__ == "__main__":
    main()
