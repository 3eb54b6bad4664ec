"""The ledger of looks: which seeds had been read when, so that seeds which were added afterwards are known to be added.

One file for all experiments of a results root. A look is entered, and flushed to the disk, before the result that it
describes is written: whoever saw a number finds its look here. Lines that were damaged are skipped and counted, never
removed; only a last line without its end, which nobody has seen the result of, is cut off.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import filelock

from talan_core.bounded import open_regular
from talan_core.errors import UserError
from talan_eval.store.atomic import atomic_write_bytes, explained
from talan_eval.store.journal import journal_line, read_line
from talan_eval.store.lock import holder_record, named_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from talan_eval.store.canonical import JsonObject

LEDGER_NAME: Final = "ledger.jsonl"
_LOCK_NAME: Final = ".ledger.lock"
_HOLDER_NAME: Final = ".ledger.lock-holder.json"
_PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class EnteredLook:
    """One reading of a result.

    Attributes:
        time: When, as an ISO 8601 time; for people, nothing is ordered by it.
        experiment: Digest of the experiment.
        recipe: Digest of the experiment without its seeds: looks with another recipe are looks at something else.
        family: Hash of the declared family.
        pairing: Hash of the paired items and prompts.
        backbone: Name of the backbone.
        seeds: Training seeds that the primary test used.
    """

    time: str
    experiment: str
    recipe: str
    family: str
    pairing: str
    backbone: str
    seeds: tuple[int, ...]

    def same_question(self, other: EnteredLook) -> bool:
        """Whether two looks are at the same numbers but for their seeds."""
        return all(getattr(self, name) == getattr(other, name) for name in ("recipe", "family", "pairing", "backbone"))


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a results root.

    Args:
        root: The directory that holds the experiments' directories.
    """

    root: Path

    @property
    def path(self) -> Path:
        """Its file."""
        return self.root / LEDGER_NAME

    def read(self) -> tuple[tuple[EnteredLook, ...], int]:
        """Return the looks in the order of entry, and the number of damaged lines.

        Raises:
            UserError: The file cannot be read.
        """
        with explained(self.path):
            lines = _content(self.path).splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        entries = [read_line(line) for line in whole]
        looks = tuple(look for entry in entries if (look := _look(entry)) is not None)
        return looks, len(entries) - len(looks)

    def enter(self, look: EnteredLook) -> None:
        """Enter a look; one that differs from an entered one in nothing but its time is not entered again.

        Raises:
            UserError: No space or no permission, or another process keeps the ledger locked.
        """
        with explained(self.path), self._locked():
            known = [one for one in self.read()[0] if one.experiment == look.experiment]
            if look.seeds in _seeds_of(known, look):
                return
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            with os.fdopen(descriptor, "r+b") as file:
                content = file.read()
                file.truncate(content.rfind(b"\n") + 1)
                file.seek(0, os.SEEK_END)
                file.write(journal_line(asdict(look)))
                file.flush()
                os.fsync(file.fileno())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock, holder = filelock.FileLock(self.root / _LOCK_NAME, timeout=_PATIENCE_SECONDS), self.root / _HOLDER_NAME
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise UserError(
                f"Another process{named_in(holder)} has kept {self.path} locked for {_PATIENCE_SECONDS} s.",
                "End that process, then give the same command again.",
            ) from error
        try:
            atomic_write_bytes(holder, holder_record())
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


def _content(path: Path) -> bytes:
    if not path.exists():
        return b""
    with open_regular(path) as file:
        return file.read()


def earlier_looks(looks: Sequence[EnteredLook], now: EnteredLook) -> tuple[tuple[int, ...], ...]:
    """Return the seeds of the looks of other experiments at the same question, in the order of entry, without repeats.

    An experiment declares its seeds before it runs: reading it while some had failed adds none later.
    """
    others = [look for look in looks if look.experiment != now.experiment]
    return tuple(seeds for seeds in _seeds_of(others, now) if seeds != now.seeds)


def _seeds_of(looks: Sequence[EnteredLook], now: EnteredLook) -> list[tuple[int, ...]]:
    return list(dict.fromkeys(look.seeds for look in looks if look.same_question(now)))


def _look(entry: JsonObject | None) -> EnteredLook | None:
    """Return the look that a line enters, or None where it is damaged or of another form."""
    try:
        return None if entry is None else EnteredLook(**{**entry, "seeds": tuple(map(int, entry["seeds"]))})
    except (TypeError, KeyError, ValueError):
        return None
