"""What to do next: how many seeds, samples or items would decide, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.wording import Note

if TYPE_CHECKING:
    from talan_eval.report.context import Advice
    from talan_eval.report.table import NotWorse
    from talan_eval.result.schema import Result


def next_steps(result: Result, advice: Advice | None) -> tuple[str, ...]:
    """Return what would decide the primary test; empty where nothing is to be advised.

    Args:
        result: The published result.
        advice: The planner's numbers; None where there is no estimate of the noise.
    """
    if advice is None:
        return ()
    have = min(len(entry.seeds) for entry in result.aggregate.backbones)
    steps = [_to_find(advice, have)]
    if advice.seeds_to_decide is not None:
        steps.append(
            f"If difference and noise stayed what they are, {advice.seeds_to_decide} seeds in all would give an "
            "interval without zero. That is a plan, not a promise: seeds that are added until a test rejects need the "
            "anytime-valid test."
        )
    elif result.aggregate.verdict == "inconclusive":
        steps.append("At the difference seen here no affordable number of seeds would give an interval without zero.")
    return tuple(steps)


def margin_note(result: Result, not_worse: NotWorse | None) -> tuple[Note, ...]:
    """Return how "no worse than" is to be read; empty without a margin."""
    if not_worse is None:
        return ()
    level = fmt.percent(1 - result.settings.alpha)
    return (
        Note(
            not_worse.words,
            f"The one-sided {level} guarded lower bound excludes a loss of more than {fmt.points(not_worse.margin)} "
            "(E1; Holm over the benchmarks). The margin must be declared before results are read.",
        ),
    )


def _to_find(advice: Advice, have: int) -> str:
    ways = []
    if advice.seeds is not None:
        ways.append(f"{fmt.count(advice.seeds, 'seed')} in all")
    if advice.items is not None and advice.items > 1:
        ways.append(f"{advice.items} times as many items at {fmt.count(have, 'seed')}")
    if advice.samples is not None:
        ways.append(
            f"at best {fmt.count(advice.samples, 'sample')} per item at {fmt.count(have, 'seed')} (if the noise of "
            "single items is decoding noise)"
        )
    start = f"To find a true mean gain of {fmt.points(advice.gain)} with 80 % power at the noise seen here: "
    if advice.seeds is not None and advice.seeds <= have:
        return f"{start}{fmt.count(have, 'seed')}, as run here, are enough."
    return f"{start}{'; or '.join(ways)}." if ways else f"{start}no affordable number of seeds, items or samples."
