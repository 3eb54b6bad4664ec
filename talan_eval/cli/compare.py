"""``talan-eval compare``: train both arms with paired seeds, and print the table."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from talan_core.errors import UserError
from talan_eval.cli.completion import COMPLETED
from talan_eval.cli.help import HelpfulCommand, examples
from talan_eval.requests.commands import command_of
from talan_eval.requests.compare import CompareRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DOC = """Train both arms with paired seeds, evaluate them on the same items, and say whether they differ.

Writes report.md, result.json, manifest.json and the graded answers. Killed at any point, the same command goes on
where it stopped, and cells that a comparison beside it has computed are taken from there. Options can also stand in
an experiment file, or in the environment (TALAN_EVAL_SEEDS for --seeds). The default backbone and benchmarks are
bundled: nothing is downloaded. An arm that was trained elsewhere is NAME=DIR, with {seed} in DIR where there is one for
each seed: it is asked, and not trained. To compare logs that you have, see talan-eval compare-logs.
"""
EXAMPLES = examples(
    "talan-eval compare --base lora --treat talan+lora --seeds 7",
    "talan-eval compare --base dora --treat 'talan[slots=4]+dora' --seeds 0,3,5 --tasks gsm8k_micro",
    "talan-eval compare --base 'lora=runs/lora/seed{seed}' --treat mine=runs/mine --backbone micro",
    "talan-eval compare experiment.toml --dry-run",
)


class Command(HelpfulCommand):
    """``compare``, which says where the options for logs have gone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps its click to itself
        """Read what was typed.

        Raises:
            UserError: It has an option that ``compare-logs`` has taken over, with what to type now.
        """
        refuse_moved(args)
        return super().parse_args(ctx, args)


def refuse_moved(words: Sequence[str]) -> None:
    """Refuse options that another command has taken over.

    Raises:
        UserError: With what to type now.
    """
    option = next((word.partition("=")[0] for word in words if _name(word) in CompareRequest.MOVED), None)
    if option is None:
        return
    command = f"talan-eval {CompareRequest.MOVED[_name(option)]}"
    typed = [word for name in ("base_logs", "treat_logs") for word in _arm(words, name)]
    logs = " ".join(shlex.quote(word) for word in typed) if len(typed) > 1 else "NAME=DIR NAME=DIR"
    raise UserError(
        f"{option} is no option of compare, which trains its arms: logs have a command of their own.",
        f"Type: {command} {logs}",
    )


def _name(word: str) -> str:
    return word.partition("=")[0].removeprefix("--").replace("-", "_") if word.startswith("--") else ""


def _arm(words: Sequence[str], name: str) -> list[str]:
    """Return the values of a former option as words of ``compare-logs``, which needs a name to add seeds."""
    values = [
        word.partition("=")[2] if "=" in word else following
        for word, following in zip(words, [*words[1:], ""], strict=True)
        if _name(word) == name
    ]
    if len(values) == 1 or any("=" in value for value in values):
        return values
    return [f"{name.removesuffix('_logs')}={value}" for value in values]


def perform(request: CompareRequest, file: Path | None = None) -> None:
    """Run the comparison and print its table."""
    from talan_eval.cli.grid import perform_grid  # noqa: PLC0415 - --help must not wait for it

    perform_grid(request, file)


command = command_of(CompareRequest, perform, DOC, from_file=True, completed=COMPLETED)
