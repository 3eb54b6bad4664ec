"""What a user may ask of ``gate``: declared once, for the command line and whatever else gates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time

from talan_eval.requests.fields import argument, option


@dataclass(frozen=True, kw_only=True)
class GateRequest:
    """The options of ``talan-eval gate``, as typed; nothing is checked yet."""

    result: Path = argument("result.json, or the directory of a comparison.")
    contrast: tuple[str, ...] = option((), "TREATMENT:BASE to gate; may be repeated. All contrasts when left out.")
    margin: float = option(1.0, "Loss that is tolerated, in points.")
    alpha: float = option(0.05, "One-sided error rate of each bound.")
    per_cell: bool = option(default=False, text="FAIL too when one benchmark shows a loss (Holm).")
    per_slice: bool = option(default=False, text="FAIL too when one slice shows a loss (Holm).")
    fail_below_margin: bool = option(default=False, text="FAIL only for a loss shown to exceed the margin.")
    estimand: str | None = option(
        None,
        "E0 (these checkpoints), E1 (re-training) or E2 (re-training, new items). When left out: E1 from two seeds on, "
        "E0 with one.",
    )
    least_share: float = option(
        1.0, "Share of either arm's items, and of its seeds, that must be compared; INCOMPLETE below."
    )
    against: Path | None = option(
        None, "Baseline result of the same contrasts: gate the change of the gain since then."
    )
    must_pass: Path | None = option(None, 'File of items, "BENCHMARK ITEM" per line, that must be right at every seed.')
    junit: Path | None = option(None, "Write JUnit XML to this file.")
    summary: Path | None = option(None, "Write the Markdown report to this file.")
    json: Path | None = option(None, "Write the report as JSON to this file.")
