"""What to do next: how many seeds, samples or items would decide, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.columns import seeds_of_mean
from talan_eval.report.wording import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.report.context import Advice
    from talan_eval.report.view import View


def next_steps(view: View) -> tuple[str, ...]:
    """Return what would decide the test of a contrast's mean; empty where nothing is to be advised."""
    advice = view.advice
    if advice is None:
        return ()
    have = seeds_of_mean(view.mean)
    steps = [_to_find(advice, have)]
    if advice.seeds_to_decide is not None:
        steps.append(
            f"If difference and noise stayed what they are, {advice.seeds_to_decide} seeds in all would give an "
            "interval without zero. That is a plan, not a promise: seeds that are added until a test rejects need the "
            "anytime-valid test."
        )
    elif view.mean.verdict == "inconclusive":
        steps.append("At the difference seen here no affordable number of seeds would give an interval without zero.")
    return tuple(steps)


def margin_note(views: Sequence[View]) -> tuple[Note, ...]:
    """Return how words about a margin are to be read; empty without a margin."""
    first = views[0]
    test = first.mean.margin_test
    if test is None:
        return ()
    level, size = fmt.percent(1 - first.alpha), fmt.amount(test.margin, first.unit)
    about = first.mean.verdict_estimand
    seeds = " and, from five seeds on, the bootstrap-t bound" if about == "E1" else ""
    return (
        Note(
            f"margin {test.margin:g}",
            f"No worse (no better) than {size}: the one-sided {level} bound{seeds} excludes a larger loss "
            f"(gain); {about}, Holm over the benchmarks. Equal within: both. Nothing is said where a seed stands "
            "apart. The margin is the gate's, and must be declared before results are read.",
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
    start = (
        f"To find a true mean gain of {fmt.amount(advice.gain, advice.unit)} with 80 % power at the noise seen here: "
    )
    if advice.seeds is not None and advice.seeds <= have:
        return f"{start}{fmt.count(have, 'seed')}, as run here, are enough."
    return f"{start}{'; or '.join(ways)}." if ways else f"{start}no affordable number of seeds, items or samples."
