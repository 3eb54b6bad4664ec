"""Why a cell has no result: one file for each cell that was given up, until it succeeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from talan_core.bounded import read_bounded
from talan_eval.store.atomic import TEMPORARY_PREFIX, atomic_write_bytes, make_directory, remove
from talan_eval.store.records import MOST_OF_A_RECORD, CorruptedError, check_name, sealed_json, unsealed_json

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["error", "diverged", "inactive", "memory", "killed"]
FOLDER: Final = "failures"


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that was given up.

    Attributes:
        cell_id: The cell.
        arm: Its arm.
        seed: Its training seed.
        task: Its benchmark; empty for a training, and where a whole run was lost.
        kind: "error" for an exception, "diverged" for a loss that is not finite, "inactive" for a trained
            adapter or block that does nothing, "memory" for a device out of memory, "killed" for a process that ended
            without a word.
        message: Why, in one sentence.
        traceback: The traceback, or empty where there is none.
        attempts: How often it was tried.
    """

    cell_id: str
    arm: str
    seed: int
    task: str
    kind: Kind
    message: str
    traceback: str
    attempts: int = 1

    @property
    def starved(self) -> bool:
        """Whether an evaluation, and no training, ran out of memory: fewer prompts at a time need less."""
        return self.kind == "memory" and bool(self.task)

    @property
    def name(self) -> str:
        """What people call the cell."""
        what = f" on {self.task}" if self.task else ""
        return f"{self.arm} seed {self.seed}{what}"


def write(directory: Path, failure: Failure) -> None:
    """Keep a failure in an experiment directory.

    Raises:
        UserError: No space or no permission.
    """
    make_directory(directory / FOLDER)
    atomic_write_bytes(_path(directory, failure.cell_id), sealed_json(asdict(failure)))


def read(directory: Path) -> dict[str, Failure]:
    """Return the failures of an experiment directory by cell; damaged files count for nothing."""
    found = {}
    for path in sorted((directory / FOLDER).glob("*.json")):
        if path.name.startswith(TEMPORARY_PREFIX):
            continue
        try:
            content = unsealed_json(read_bounded(path, MOST_OF_A_RECORD))
            del content["schema"]
            found[path.stem] = Failure(**content)
        except (OSError, CorruptedError, TypeError, ValueError):
            continue
    return found


def clear(directory: Path, cell_id: str) -> None:
    """Forget a failure; one that is not there is fine."""
    remove(_path(directory, cell_id))


def _path(directory: Path, cell_id: str) -> Path:
    return directory / FOLDER / f"{check_name(cell_id)}.json"
