"""The gate in words. "Could not exclude" is never called a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.gate.facts import CheckOutcome
from talan_eval.report import format as fmt

if TYPE_CHECKING:
    from talan_eval.gate.facts import Check, GateReport, GateSettings, MustPassItem, WorstFlip
    from talan_eval.result.schema import ArmRecord, Contrast, Result


def headline(report: GateReport) -> str:
    """Return the answer in one or two sentences, the deciding reason first."""
    word = report.outcome.value.upper()
    reasons = [check for check in report.checks if check.decides and check.outcome is report.outcome]
    first = reasons[0].text if reasons else ""
    more = f" And {fmt.count(len(reasons) - 1, 'more reason')}." if len(reasons) > 1 and _bad(report) else ""
    return f"{word}: {report.subject}. {first}{more}"


def mean_text(check: Check, settings: GateSettings, *, have: int, change: bool) -> str:
    """Explain the check of the mean.

    Args:
        check: Its numbers and outcome.
        settings: The declared gate.
        have: Seeds at hand.
        change: Whether it is about a change of the gain since a baseline.
    """
    level = fmt.percent(1 - settings.alpha)
    what = "The mean gain changed by" if change else "The mean difference is"
    size = f"{what} {fmt.gain(check.delta)} points"
    margin = fmt.points(settings.margin)
    if check.outcome is CheckOutcome.PASS:
        return (
            f"A loss of more than {margin} is excluded: {size[0].lower()}{size[1:]}, one-sided {level} lower bound "
            f"{_bound(check.lower, settings)}."
        )
    if check.outcome is CheckOutcome.FAIL:
        than = f"of more than {margin} " if settings.fail_below_margin else ""
        return (
            f"A loss {than}was shown: {size[0].lower()}{size[1:]}, one-sided {level} upper bound "
            f"{_bound(check.upper, settings)}."
        )
    seeds = (
        "no number of seeds up to 1,000 would decide if it stayed so"
        if check.seeds_to_decide is None
        else f"about {check.seeds_to_decide} seeds in all (now {have}) would decide if difference and noise stayed so"
    )
    bounds = f"{_bound(check.lower, settings)} and {_bound(check.upper, settings)}"
    return (
        f"{size}, one-sided {level} bounds {bounds}: a loss of more than {margin} could not be excluded, and no loss "
        f"was shown; {seeds}."
    )


def cell_text(check: Check, settings: GateSettings) -> str:
    """Explain the check of one benchmark or slice."""
    level = fmt.percent(1 - settings.alpha)
    bounds = f"one-sided {level} bounds {_bound(check.lower, settings)} and {_bound(check.upper, settings)}"
    p = f"p of a loss {fmt.p_value(check.p_fail, settings.alpha)} after Holm"
    if check.outcome is CheckOutcome.FAIL:
        return f"{check.name}: a loss was shown, {fmt.gain(check.delta)} points, {bounds}, {p}."
    return f"{check.name}: no loss was shown, {fmt.gain(check.delta)} points, {bounds}, {p}."


def identical_text() -> str:
    """Explain a check against a baseline that holds the very same numbers."""
    return "Every number is the same as in the baseline, seed by seed: nothing changed."


def holm_text(p: float, settings: GateSettings, contrasts: int) -> str:
    """Return the p of a loss where it is adjusted over several contrasts; empty for one."""
    if contrasts == 1:
        return ""
    return f" p of a loss {fmt.p_value(p, settings.alpha)} after Holm over {contrasts} contrasts."


def diverged_text(result: Result, contrast: Contrast) -> str:
    """Name how many trainings of each arm diverged, on the backbones on which any did."""
    backbones = dict.fromkeys(cell.backbone for cell in contrast.cells)
    rates = []
    for backbone in backbones:
        own = [
            arm
            for name in (contrast.treatment, contrast.base)
            for arm in result.arms
            if (arm.name, arm.backbone) == (name, backbone)
            and (arm.seeds or arm.diverged)  # a fixed arm is not trained
        ]
        if any(arm.diverged for arm in own):
            where = f" on {backbone}" if len(backbones) > 1 else ""
            rates += [_rate(arm, result.settings.alpha) + where for arm in own]
    return "; ".join(rates)


def _rate(arm: ArmRecord, alpha: float) -> str:
    trained = len(arm.seeds) + len(arm.diverged)
    ends = arm.divergence_ci
    level = fmt.percent(1 - alpha)
    ci = "" if ends is None else f" ({level} interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f} %)"
    return f"{arm.name} {len(arm.diverged)} of {trained}{ci}"


def withheld_text(rates: str, *, passed: bool) -> str:
    """Explain why scores alone do not pass where trainings diverged.

    Args:
        rates: How many of each arm.
        passed: Whether the scores that are there would have passed.
    """
    what = "PASS is withheld, because trainings diverged" if passed else "Trainings diverged"
    return f"{what} and their pairs are in no mean{': ' if rates else ''}{rates}."


def inestimable_text(name: str) -> str:
    """Explain a difference that one training seed, or none in common, cannot give an error for."""
    return f"{name}: how far re-training moves this cannot be told from one training seed; train at least 3."


def too_few_text(name: str, delta: float, have: int, need: int) -> str:
    """Explain that so few seeds allow no verdict."""
    return f"{name}: {fmt.gain(delta)} points over {fmt.count(have, 'seed')}; a verdict needs at least {need}."


def must_pass_name(item: MustPassItem) -> str:
    """Name an item, after its arm where there are several."""
    return f"{item.arm}: {item.benchmark} {item.item_id}" if item.arm else f"{item.benchmark} {item.item_id}"


def must_pass_text(item: MustPassItem) -> str:
    """Explain the check of an item that must be right at every seed."""
    where = must_pass_name(item)
    if not item.seeds:
        return f"{where}: declared as must-pass, and no answer to it was found."
    if item.failed:
        seeds = ", ".join(map(str, item.failed))
        return f"{where}: declared as must-pass, and wrong at seed {seeds}."
    return f"{where}: right at all {fmt.count(len(item.seeds), 'seed')}."


def flip_text(flip: WorstFlip) -> str:
    """Describe one item that is lost again and again."""
    return (
        f"{flip.benchmark} {flip.item_id}: lost at {flip.lost} of {flip.n_seeds} seeds, gained at {flip.gained} "
        f"(adjusted p {fmt.p_value(flip.adjusted_p)}, exploratory)"
    )


def rule(settings: GateSettings) -> str:
    """State the declared gate."""
    level = fmt.percent(1 - settings.alpha)
    fail = f"below {-settings.margin:g}" if settings.fail_below_margin and settings.margin else "below 0"
    cells = [name for name, on in (("benchmark", settings.per_cell), ("slice", settings.per_slice)) if on]
    single = f"; FAIL too when a loss is shown on a single {' or '.join(cells)} (Holm)" if cells else ""
    return (
        f"Guarded one-sided {level} bounds of the mean over benchmarks (E1): PASS when the lower one is above "
        f"-{settings.margin:g}, FAIL when the upper one is {fail}, else INCONCLUSIVE{single}."
    )


def _bad(report: GateReport) -> bool:
    return report.outcome is not CheckOutcome.PASS


def _bound(value: float | None, settings: GateSettings) -> str:
    return fmt.bound(value, -settings.margin, 0.0)


def selection_text(settings: GateSettings, tried: int) -> str:
    """Return what to add where the arm was picked out of several variants; empty where it was not."""
    if tried == 1:
        return ""
    level = fmt.percent(1 - settings.alpha / tried)
    return f" The lower bound is at {level}, because this arm was picked out of {tried} variants."


def looked_text(name: str, delta: float) -> str:
    """Explain why bounds for one look do not decide where seeds were added after an earlier one."""
    return (
        f"{name}: the difference is {fmt.gain(delta)} points, but seeds were added after an earlier look, and the "
        "bounds that hold at every look do not decide. Declare the number of seeds before the first look."
    )
