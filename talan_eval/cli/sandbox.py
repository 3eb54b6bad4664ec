"""``talan-eval sandbox check``: which boundary stands around model-written programs here, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from talan_eval.cli.help import HelpfulCommand, HelpfulGroup, examples
from talan_eval.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from talan_eval.sandbox.conformance.check import AttackResult
    from talan_eval.sandbox.tiers import AvailableTier, Tier

EXAMPLES = examples(
    "talan-eval sandbox check",
    "talan-eval sandbox check --tier 2",
)
ESCAPED = 1

app = typer.Typer(cls=HelpfulGroup, help="Look into the boundary around model-written programs.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep the commands as subcommands even while there is one of them."""


@app.command("check", cls=HelpfulCommand, epilog=EXAMPLES)
def check(
    tier: str = typer.Option("auto", help="1, 2, or auto for the highest that holds here."),
    verbose: bool = typer.Option(False, "--verbose", help="Name every program, not only those that escape."),
) -> None:
    """Name the tier, run the conformance suite and the positive control.

    Exits with 1 if anything escapes, and with 2 where no tier is available.
    """
    from talan_eval.sandbox.conformance.check import check as run_suite  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.sandbox.info import boundary_in_words  # noqa: PLC0415 - as above

    found = _find(tier)
    for other, reason in found.tried:
        say(f"tier {other.value} is not available: {reason}\n")
    say(f"tier {found.tier.value}: {boundary_in_words(found.tier)}\n")
    say(f"layers: {', '.join(found.layers)}\n\n")
    counts: dict[str, list[int]] = {}
    problems = 0
    for finding in _findings(run_suite, found.tier):
        count = counts.setdefault(finding.group, [0, 0])
        count[0] += finding.problem is None
        count[1] += 1
        if finding.problem is not None:
            problems += 1
            say(f"ESCAPED  {finding.group}: {finding.name}: {finding.problem}\n")
        elif verbose:
            say(f"held     {finding.group}: {finding.name}\n")
    for group, (held, total) in counts.items():
        say(f"{group:<17} {held:>3} of {total}\n")
    if problems:
        say(f"\nThe boundary does not hold: {problems} programs did what they should not.\n")
        raise typer.Exit(ESCAPED)
    say("\nThe boundary holds.\n")


def _findings(run_suite: Callable[[Tier], Iterator[AttackResult]], tier: Tier) -> Iterator[AttackResult]:
    """Yield what became of each program.

    Raises:
        UserError: This machine has no room for the suite.
    """
    from talan_core.errors import UserError  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.sandbox.judge import SandboxError  # noqa: PLC0415 - as above

    try:
        yield from run_suite(tier)
    except (OSError, SandboxError) as error:
        raise UserError(
            f"The suite cannot be run here: {error}",
            "Allow more memory, files or space among the temporary files (ulimit -a, TMPDIR), then type it again: "
            "talan-eval sandbox check",
        ) from error


def _find(tier: str) -> AvailableTier:
    """Return the boundary to check.

    Raises:
        UserError: There is none, or the name is none.
    """
    from talan_core.errors import UserError  # noqa: PLC0415 - --help must not wait for it
    from talan_eval.sandbox.tiers import (  # noqa: PLC0415 - as above
        SANDBOXED,
        SandboxUnavailableError,
        Tier,
        find_tier,
        try_tier,
    )
    from talan_eval.sandbox.worker import TierUnavailableError  # noqa: PLC0415 - as above

    if tier not in {"auto", *SANDBOXED}:
        raise UserError(f"The tier {tier!r} is not known.", "Type --tier with one of auto, 1, 2.")
    try:
        return find_tier() if tier == "auto" else try_tier(Tier(tier))
    except SandboxUnavailableError as error:
        raise UserError(error.problem, error.fix) from error
    except TierUnavailableError as error:
        raise UserError(
            f"Tier {tier} is not available: {error}.", "Type --tier auto for the highest that is."
        ) from error
