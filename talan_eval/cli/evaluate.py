"""``talan-eval evaluate``: the scores of one arm, with the intervals that its items and its seeds allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.completion import COMPLETED
from talan_eval.cli.help import examples
from talan_eval.requests.commands import command_of
from talan_eval.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    from pathlib import Path

DOC = """Score one arm on benchmarks, with intervals. Nothing is compared.

The arm is one that is stored (NAME=WHERE: nothing is trained), base for the untrained backbone, or one that is trained
here. Each score has E0 (these checkpoints, items random) and, from three seeds on, E1 and E2 (re-training). Writes
report.md, result.json, manifest.json and the graded answers. Killed at any point, the same command goes on; evaluations
that a comparison beside it has computed are taken from there, and a comparison takes those that were computed here.
"""
EXAMPLES = examples(
    "talan-eval evaluate mine=out/checkpoint-500 --tasks gsm8k_micro",
    "talan-eval evaluate 'lora=runs/lora/seed{seed}' --backbone micro --tasks gsm8k_micro,mbpp_micro",
    "talan-eval evaluate base --tasks gsm8k_micro --limit 50",
    "talan-eval evaluate lora --seeds 3",
)


def perform(request: EvaluateRequest, file: Path | None = None) -> None:
    """Evaluate the arm and print its scores."""
    from talan_eval.cli.grid import perform_evaluation  # noqa: PLC0415 - --help must not wait for it

    perform_evaluation(request, file)


command = command_of(EvaluateRequest, perform, DOC, from_file=True, completed=COMPLETED)
