"""The formats that can be read. To add one, add its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.importers.inspect_ai import InspectLogs
from talan_eval.importers.lm_eval import LmEvalLogs
from talan_eval.importers.own import OwnResults
from talan_eval.importers.tables import Tables

if TYPE_CHECKING:
    from talan_eval.importers.reader import LogReader

READERS: Final[tuple[type[LogReader], ...]] = (
    OwnResults,
    InspectLogs,
    LmEvalLogs,
    Tables,
)
"""The first that recognises a file reads it."""
