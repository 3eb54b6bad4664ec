"""``talan-eval compare``: train both arms with paired seeds, evaluate, and print the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.options import command_of
from talan_eval.request import CompareRequest

if TYPE_CHECKING:
    from pathlib import Path

DOC = """Train both arms with paired seeds, evaluate them on the same items, and say whether they differ.

Writes report.md, result.json, manifest.json and the graded answers. Killed at any point, the same command goes on
where it stopped, and cells that a comparison beside it has computed are taken from there. Options can also stand in
an experiment file, or in the environment (TALAN_EVAL_SEEDS for --seeds). The default backbone and benchmarks are
bundled: nothing is downloaded.
"""
EXAMPLES = (
    "Examples:  talan-eval compare --base lora --treat talan+lora --seeds 7  |  "
    "talan-eval compare --base dora --treat 'talan[slots=4]+dora' --seeds 0,3,5 --tasks gsm8k_micro  |  "
    "talan-eval compare experiment.toml --dry-run"
)


def perform(request: CompareRequest, file: Path | None) -> None:
    """Run the comparison and print its table."""
    from talan_eval.cli.grid import perform_grid  # noqa: PLC0415 - --help must not wait for it

    perform_grid(request, file)


command = command_of(CompareRequest, perform, DOC)
