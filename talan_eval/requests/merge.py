"""What a user may ask of ``merge``: declared once, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from talan_eval.requests.fields import argument, option
from talan_eval.requests.statistics import StatisticsOptions


@dataclass(frozen=True, kw_only=True)
class MergeRequest(StatisticsOptions):
    """The options of ``talan-eval merge``, as typed; nothing is checked yet."""

    results: tuple[str, ...] = argument("Directories of comparisons, or of evaluations of one arm: at least two.", ())
    out: Path = option(Path("results/merged"), "Directory for what they are together.")
    json: Path | None = option(None, "Write result.json to this file as well.")
    explain: bool = option(default=False, text="Print also how to read the table, methods, and the whole signature.")
