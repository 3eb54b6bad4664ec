"""``talan-eval compare-logs``: the table of a comparison, made from logs of evaluations that have been run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.displayed import show_result
from talan_eval.cli.help import examples
from talan_eval.cli.output import note, terminal
from talan_eval.report.clean import one_line
from talan_eval.requests.commands import command_of
from talan_eval.requests.compare_logs import CompareLogsRequest

if TYPE_CHECKING:
    from pathlib import Path

DOC = """Compare arms from their sample logs, and say whether they differ. Nothing is trained.

Reads lm-eval (--log_samples), inspect_ai, HELM, lighteval (details), OpenAI evals, promptfoo, tables of scores (CSV,
TSV, Parquet, JSON lines, Weights & Biases) and results directories of talan-eval. The first arm is the base. Three and
more logs of an arm, one per training seed, say whether re-training would give the difference again; one log of each arm
speaks of these checkpoints only.
"""
EXAMPLES = examples(
    "talan-eval compare-logs lora=runs/lora dora=runs/dora --json result.json",
    "talan-eval compare-logs lora='runs/lora-seed*' dora='runs/dora-seed*' --filter strict-match",
    "talan-eval compare-logs lora=scores.csv dora=scores.csv old=scores-2025.csv:lora",
    "talan-eval compare-logs lora=helm/logs/lora dora=helm/logs/dora",
)


def perform(request: CompareLogsRequest, file: Path | None = None) -> None:
    """Compare, print the table and write what was asked for."""
    del file  # what it says is in the request
    from talan_eval.pipeline.compare_logs import compare_logs, write_reports  # noqa: PLC0415 - as above

    compared = compare_logs(request)
    for text in compared.notes:
        note(f"Note: {one_line(text)}\n")
    write_reports(compared.result, request.out, request.json)
    console = terminal()
    if request.out is not None:
        console.print(f"Written to {request.out}: report.md, result.json", markup=False, soft_wrap=True)
    show_result(console, compared.result, explain=request.explain)


command = command_of(CompareLogsRequest, perform, DOC, from_file=True)
