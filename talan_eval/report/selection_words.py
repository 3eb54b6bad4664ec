"""The best of several treatments in words: what having been chosen did to its gain, and what fresh seeds say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.wording import SCOPE_OF_PAIR, beside, named_seeds

if TYPE_CHECKING:
    from talan_eval.result.schema import Aggregate, Result, Selection


def selection(result: Result) -> tuple[str, ...]:
    """Return what choosing the best of several treatments did to its gain, and what fresh seeds say of it."""
    chosen = result.selection
    if chosen is None:
        return ()
    unit = result.measure.unit
    said = (
        f"The best of {chosen.tried} treatments by the mean gain on {named_seeds(chosen.selection_seeds)} is "
        f"{chosen.best.treatment} against {chosen.best.base}: {fmt.gain(chosen.selection_gain)} {unit}. Being the "
        f"largest exaggerates it{_exaggeration(chosen, unit)}."
    )
    mean = chosen.confirmed
    if mean is None:
        trained = any(arm.kind == "trained" and arm.name == chosen.best.treatment for arm in result.arms)
        how = ": --confirm N trains it and its base anew" if trained else ""
        return said, f"It was not confirmed on fresh seeds{how}."
    where = f" and on {fmt.count(chosen.held_out_items, 'item')}" if chosen.held_out_items else ""
    return said, (
        f"Trained anew on {named_seeds(chosen.confirmation_seeds)}{where}, which did not choose it: "
        f"{fmt.gain(mean.delta)} {unit} ({_evidence(mean, result.settings.alpha)}), verdict: {mean.verdict}; "
        f"{fmt.gain(chosen.difference)} against the gain that chose it. Tested alone, unadjusted. "
        f"{_scope(chosen, mean)}"
    )


def _exaggeration(chosen: Selection, unit: str) -> str:
    if chosen.expected_exaggeration is None:
        return ""
    said = f", on average by {fmt.score(chosen.expected_exaggeration)} {unit} at the means seen here"
    if chosen.exaggeration_if_equal is None:
        return said
    return f"{said} and by {fmt.score(chosen.exaggeration_if_equal)} if all arms were equal (bootstrap)"


def _evidence(mean: Aggregate, alpha: float) -> str:
    level = fmt.percent(1 - alpha)
    if mean.verdict_estimand == "E0" and mean.e0_mean is not None:
        return f"E0 {level} CI {fmt.interval(mean.e0_mean.ci)}, {fmt.equals(mean.e0_mean.p, alpha)}"
    if mean.e1 is None:
        return "no interval"
    return f"E1 {level} CI {fmt.interval(mean.e1.ci)}, {fmt.equals(mean.e1.p, alpha)}{beside(mean.e1, alpha)}"


def _scope(chosen: Selection, mean: Aggregate) -> str:
    """Return what the confirmation speaks of: from one fresh seed of a pair of checkpoints, whatever the items."""
    of_pair = mean.verdict_estimand == "E0"
    if not chosen.held_out_items:
        return SCOPE_OF_PAIR if of_pair else "The items are the same, so it speaks of E1 only."
    new = "" if mean.e2 is None else f", so it speaks of new items too: E2 CI {fmt.interval(mean.e2.ci)}"
    return f"The items chose nothing either{new}.{f' {SCOPE_OF_PAIR}' if of_pair else ''}"
