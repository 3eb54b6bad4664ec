"""Graded answers of a results directory, read column by column: scores of all, texts of those that are looked at."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from talan_eval.report.context import GradedAnswer
from talan_eval.store.sealed_rows import read_columns
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

_TEXTS: Final = ("verdict", "extracted", "reason", "answer")


@dataclass(frozen=True)
class Key:
    """Which evaluation: one run answers one task.

    Attributes:
        backbone: Its backbone; empty in directories of the first version, which had one.
    """

    arm: str
    backbone: str
    task: str
    seed: int


@dataclass(frozen=True)
class Graded:
    """The graded answers of one evaluation: N rows, of which an item has one or, with several samples, more.

    Attributes:
        files: Its payload.
    """

    files: tuple[Path, ...]

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """The mean score of each item."""
        items, values = self._scored
        if self._only:
            return dict(zip(items, values, strict=True))
        return {item: sum(values[row] for row in rows) / len(rows) for item, rows in self._rows.items()}

    def shown(self, item: str, *, best: bool) -> int:
        """Return the row to show of an item: that of its best answer or of its worst, the first of equal ones."""
        if self._only:
            return self._only[item]
        return (max if best else min)(self._rows[item], key=self._scored[1].__getitem__)

    def answers(self, rows: Sequence[int], *, secret: bool) -> list[GradedAnswer]:
        """Read the answers in some rows.

        Args:
            rows: R of them.
            secret: Whether what the model wrote stays out.

        Returns:
            R answers, each with the mean score of its item.
        """
        names = _TEXTS[:-1] if secret else _TEXTS
        taken = self._table(names).take(_indices(rows))
        texts = [taken[name].to_pylist() for name in names] + ([[None] * len(rows)] if secret else [])
        answers = []
        for row, verdict, extracted, reason, text in zip(rows, *texts, strict=True):
            item = self._scored[0][row]
            count = 1 if self._only else len(self._rows[item])
            of = f" (one of {count} answers)" if count > 1 else ""
            answers.append(GradedAnswer(self.scores[item], verdict, extracted, f"{reason}{of}", text))
        return answers

    @cached_property
    def _only(self) -> Mapping[str, int]:
        """The row of each item where each has one, which is the rule; empty where some have several."""
        items = self._scored[0]
        rows = {item: row for row, item in enumerate(items)}
        return rows if len(rows) == len(items) else {}

    @cached_property
    def _rows(self) -> Mapping[str, Sequence[int]]:
        """The rows of each item."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, item in enumerate(self._scored[0]):
            rows[item].append(row)
        return rows

    @cached_property
    def _scored(self) -> tuple[list[str], list[float]]:
        """The item and the score of each row."""
        table = self._table(("item_id", "score"))
        return table["item_id"].to_pylist(), table["score"].to_pylist()

    def _table(self, names: Sequence[str]) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 - results without answers must not wait for it

        return pa.concat_tables([read_columns(file, names) for file in self.files], promote_options="permissive")


def _indices(rows: Sequence[int]) -> pa.Array:
    """Return rows as Arrow's indices, without pyarrow.array, which would import pandas first."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(array("q", rows))])


def read_graded(directory: Path) -> Mapping[Key, Graded]:
    """Find the sealed evaluations of a directory; a damaged or missing one is left out."""
    if not (directory / "manifest.json").is_file():
        return {}
    store = Store.load(directory)
    return {
        Key(record.data["arm"], record.data.get("backbone", ""), record.data["task"], record.data["seed"]): Graded(
            tuple(store.payload_path(file.name) for file in record.files)
        )
        for record in store.finished().values()
        if record.data.get("kind") == "evaluation" and record.files
    }
