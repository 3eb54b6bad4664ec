"""The gate in words. "Could not exclude" is never called a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.gate.facts import CheckOutcome
from talan_eval.report import format as fmt
from talan_eval.result.evidence import SPARSE_SEEDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from talan_eval.gate.facts import Check, GateReport, GateSettings, MustPassItem, WorstFlip
    from talan_eval.result.estimates import Estimate, Question
    from talan_eval.result.schema import ArmRecord, Contrast, Result
    from talan_eval.stats.outliers import OutlyingSeed


SCOPES: Final[Mapping[Question, str]] = {
    "E0": "E0: these checkpoints on items of this kind; nothing about re-training",
    "E1": "E1: re-training, these benchmarks",
    "E2": "E2: re-training, new items of this kind",
}
"""What each answer is about; the first line of every report says it."""


def headline(report: GateReport) -> str:
    """Return the answer in one or two sentences, the deciding reason first."""
    word = report.outcome.value.upper()
    reasons = [check for check in report.checks if check.decides and check.outcome is report.outcome]
    first = reasons[0].text if reasons else ""
    more = f" And {fmt.count(len(reasons) - 1, 'more reason')}." if len(reasons) > 1 and _bad(report) else ""
    return f"{word}: {report.subject} ({SCOPES[report.estimand]}). {first}{more}"


def mean_text(check: Check, settings: GateSettings, *, have: Estimate, change: bool) -> str:
    """Explain the check of the mean.

    Args:
        check: Its numbers and outcome.
        settings: The declared gate.
        have: What is known of it.
        change: Whether it is about a change of the gain since a baseline.
    """
    level = fmt.percent(1 - settings.alpha)
    what = "The mean gain changed by" if change else "The mean difference is"
    size = f"{what} {signed(check.delta, settings)} {settings.unit}"
    margin = fmt.amount(settings.margin, settings.unit)
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
    bounds = f"{_bound(check.lower, settings)} and {_bound(check.upper, settings)}"
    return (
        f"{size}, one-sided {level} bounds {bounds}: a loss of more than {margin} could not be excluded, and no loss "
        f"was shown; {_what_decides(check, have)}."
    )


def _what_decides(check: Check, have: Estimate) -> str:
    if have.of == "E0":
        return "only more items would decide about these checkpoints"
    if check.seeds_to_decide is None:
        return "no number of seeds up to 1,000 would decide if it stayed so"
    now = f"now {have.n_seeds}"
    return f"about {check.seeds_to_decide} seeds in all ({now}) would decide if difference and noise stayed so"


def cell_text(check: Check, settings: GateSettings) -> str:
    """Explain the check of one benchmark or slice."""
    bounds = f"one-sided bounds {_bound(check.lower, settings)} and {_bound(check.upper, settings)}"
    p = f"p of a loss {fmt.p_value(check.p_fail, settings.alpha)}, all after Holm"
    said = "a loss was shown" if check.outcome is CheckOutcome.FAIL else check.says
    return f"{check.name}: {said}, {signed(check.delta, settings)} {settings.unit}, {bounds}, {p}."


def outlying_text(
    apart: OutlyingSeed,
    seed: tuple[int, float],
    rest: tuple[float, float, float],
    settings: GateSettings,
    *,
    passed: bool,
) -> str:
    """Explain a seed that stands apart, with the numbers without it.

    Args:
        apart: How far it is from the others.
        seed: Which, and its difference in points.
        rest: Difference and bounds without it, points.
        settings: The declared gate.
        passed: Whether a PASS is withheld for it.
    """
    what = "PASS is withheld: seed" if passed else "Seed"
    delta, lower, upper = rest
    return (
        f"{what} {seed[0]} stands apart with {difference_text(seed[1], settings)} (robust distance "
        f"{apart.distance:.1f}; normal seeds exceed {apart.threshold:.1f} in 1 % of comparisons). Without it: "
        f"{difference_text(delta, settings)}, "
        f"bounds {_bound(lower, settings)} and {_bound(upper, settings)}."
    )


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


def inestimable_text(name: str, of: Question = "E1", seeds: int = 1) -> str:
    """Explain why nothing is known of a difference, and what to do about it.

    Args:
        name: Of what.
        of: What was asked.
        seeds: Training seeds that it was seen at.
    """
    if of == "E0":
        return f"{name}: the result does not say how pairs of checkpoints differ (E0); compare the runs again, paired."
    if seeds >= SPARSE_SEEDS:
        return f"{name}: the result does not hold what {of} needs; compare the runs again."
    few = "one training seed" if seeds == 1 else f"{seeds} training seeds"
    return f"{name}: how far re-training moves this cannot be told from {few}; train at least {SPARSE_SEEDS}."


def too_few_text(name: str, difference: str, have: int, need: int) -> str:
    """Explain that so few seeds allow no verdict."""
    return f"{name}: {difference} over {fmt.count(have, 'seed')}; a verdict needs at least {need}."


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


def rule(settings: GateSettings, of: Question = "E1") -> str:
    """State the declared gate."""
    level = fmt.percent(1 - settings.alpha)
    fail = f"below {-settings.margin:g}" if settings.fail_below_margin and settings.margin else "below 0"
    cells = [name for name, on in (("benchmark", settings.per_cell), ("slice", settings.per_slice)) if on]
    single = f"; FAIL too when a loss is shown on a single {' or '.join(cells)} (Holm)" if cells else ""
    both = ", from five seeds on by the bootstrap-t as well" if of == "E1" else ""
    seeds = ", and no seed stands apart" if of == "E1" else ""
    told = " Less is better here, so differences are turned: one above 0 is a gain."
    turned = told if settings.less_is_better else ""
    return (
        f"One-sided {level} bounds of the mean over benchmarks ({of}): PASS when the lower one is above "
        f"{0 - settings.margin:g}{both}{seeds}; FAIL when the upper one is {fail}; else INCONCLUSIVE{single}."
        f"{turned}"
    )


def _bad(report: GateReport) -> bool:
    return report.outcome is not CheckOutcome.PASS


def signed(difference: float | None, settings: GateSettings) -> str:
    """Return a difference with its sign, in the digits that its unit needs."""
    return fmt.change(difference, settings.unit)


def difference_text(delta: float, settings: GateSettings) -> str:
    """Return a difference with its unit."""
    return f"{signed(delta, settings)} {settings.unit}"


def _bound(value: float | None, settings: GateSettings) -> str:
    return fmt.bound(value, -settings.margin, 0.0)


def selection_text(settings: GateSettings, tried: int) -> str:
    """Return what to add where the arm was picked out of several variants; empty where it was not."""
    if tried == 1:
        return ""
    level = fmt.percent(1 - settings.alpha / tried)
    return f" The lower bound is at {level}, because this arm was picked out of {tried} variants."


def looked_text(name: str, difference: str) -> str:
    """Explain why bounds for one look do not decide where seeds were added after an earlier one."""
    return (
        f"{name}: the difference is {difference}, but seeds were added after an earlier look, and the "
        "bounds that hold at every look do not decide. Declare the number of seeds before the first look."
    )
