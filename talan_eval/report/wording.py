"""The result in words: the verdict first, then how to read it. Plain sentences that the terminal and Markdown share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from talan_eval.report import format as fmt
from talan_eval.report.columns import FLAG, adjusted_p, seeds_of_mean, shown_lines
from talan_eval.result.labels import backbones
from talan_eval.result.schema import SPARSE_SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.report.view import View
    from talan_eval.result.schema import E0, E1, Aggregate, Result


SCOPE_OF_PAIR: Final = "E0: this pair of checkpoints; nothing about re-training."
"""What a verdict from one seed is about."""


class Note(NamedTuple):
    """A labelled paragraph."""

    label: str
    text: str


def title(result: Result) -> str:
    """Return what was compared."""
    contrasts = result.contrasts
    if len(contrasts) == 1:
        return contrasts[0].name
    bases = dict.fromkeys(contrast.base for contrast in contrasts)
    if len(bases) == 1:
        treatments = ", ".join(contrast.treatment for contrast in contrasts)
        return f"{treatments} against {next(iter(bases))}"
    return ", ".join(contrast.name for contrast in contrasts)


def headline(view: View) -> str:
    """Return the verdict on a contrast's mean in one or two sentences; that of the first is the primary test."""
    mean, result = view.mean, view.result
    if mean.verdict == "withheld":
        return _withheld(view)
    if mean.verdict_estimand == "E0" and mean.e0_mean is not None:
        return _of_checkpoints(view, mean.e0_mean)
    if mean.delta is None or mean.e1 is None or mean.verdict == "not estimable":
        return _no_verdict(view)
    over = "on the one benchmark" if mean.n_cells == 1 else _on_average(view)
    level = fmt.percent(1 - view.alpha)
    alpha, tried = view.alpha, result.settings.variants_tried
    picked = f"; {fmt.equals(mean.adjusted_p, alpha)} after {tried} variants tried" if tried > 1 else ""
    among = _among_means(view)
    evidence = (
        f"(E1 {level} CI {fmt.interval(mean.e1.ci)}, {fmt.equals(mean.e1.p, alpha)}{beside(mean.e1, alpha)}"
        f"{picked}{among})"
    )
    size = f"{fmt.gain(mean.delta)} {view.unit} {over} {evidence}"
    if mean.verdict == "inconclusive":
        return f"No significant difference between {view.treatment} and {view.base}: {size}. {_what_was_visible(view)}"
    agree = "guarded t and sign-flip agree (two tests of the same seeds)"
    basis = agree if mean.verdict_basis == "confirmed" else "resting on the t test alone"
    return f"{view.treatment} is {mean.verdict} than {view.base}: {size}, {basis}."


def _of_checkpoints(view: View, e0: E0) -> str:
    """Return the verdict on one pair of checkpoints, with what it is about."""
    mean, alpha = view.mean, view.alpha
    over = f"on {view.cell_names[0]}" if mean.n_cells == 1 else _on_average(view)
    evidence = f"{fmt.percent(1 - alpha)} CI {fmt.interval(e0.ci)}, {fmt.equals(e0.p, alpha)}"
    tried = view.result.settings.variants_tried
    picked = f"; {fmt.equals(mean.adjusted_p, alpha)} after {tried} variants tried" if tried > 1 else ""
    size = f"{fmt.gain(e0.delta)} {view.unit} {over} ({evidence}{picked}{_among_means(view)})"
    if mean.verdict == "inconclusive":
        low, high = (fmt.gain(end) for end in e0.ci)
        return (
            f"{SCOPE_OF_PAIR} No significant difference between {view.treatment} and {view.base}: {size}. The data are "
            f"compatible with differences from {low} to {high} {view.unit}."
        )
    return f"{SCOPE_OF_PAIR} {view.treatment} is {mean.verdict} than {view.base}: {size}."


def _on_average(view: View) -> str:
    return f"on {'weighted ' if view.weighted else ''}average over {view.mean.n_cells} benchmarks"


def per_benchmark(view: View) -> str:
    """Return which benchmarks stand on their own after adjustment; empty with a single benchmark."""
    if len(view.cells) == 1:
        return ""
    by_word: dict[str, list[str]] = {}
    for cell, name in zip(view.cells, view.cell_names, strict=True):
        by_word.setdefault(cell.verdict, []).append(name)
    parts = [f"{word} on {', '.join(by_word[word])}" for word in ("better", "worse") if word in by_word]
    for word in ("inconclusive", "not judged", "not estimable", "withheld"):
        if word in by_word:
            names = by_word[word]
            parts.append(f"{word} on {f'all {len(names)}' if len(names) == len(view.cells) else ', '.join(names)}")
    every = sum(len(contrast.cells) for contrast in view.result.contrasts)
    family = f"{every} cells of {len(view.result.contrasts)} contrasts" if view.several else f"{every}"
    return f"Per benchmark, adjusted for all {family}: {'; '.join(parts)}."


def cautions(views: Sequence[View]) -> tuple[Note, ...]:
    """Return what the tests that were asked for by name do not do, each once."""
    tests = [test for view in views for cell in (*view.cells, *view.slices) for test in cell.also]
    tests += [test for view in views for test in view.mean.also]
    said = {test.name: test.caution for test in tests}
    return tuple(Note(name, f"{text[:1].upper()}{text[1:]}.") for name, text in said.items())


def notes(views: Sequence[View]) -> tuple[Note, ...]:
    """Return how to read the tables, in the order in which a reader meets the terms."""
    first = views[0]
    result = first.result
    alpha = f"{first.alpha:g}"
    level = fmt.percent(1 - first.alpha)
    arms = ("the treatment", "the base arm") if first.several else (first.treatment, first.base)
    of_pair = first.mean.verdict_estimand == "E0"
    tested = not of_pair and any(view.mean.e1 is not None and view.mean.verdict != "not estimable" for view in views)
    entries = [
        Note("E0", "These pairs of checkpoints, one per seed: items random. It says nothing about re-training."),
        *([Note("E1", "Would re-training give the gain on these benchmarks? Seeds random, items fixed. "
                f"{_guarded(views)}."),
           Note("E2", "Would re-training give the gain on new items of this kind? Seeds and items random.")]
          if tested else []),
        Note("Scope", f"Intervals speak of these benchmarks and {_these_backbones(result)}, not of others."),
        Note("Primary test", _primary(first)),
        *([_of_p(arms, of_pair=of_pair)] if tested or of_pair else []),
        *([Note("inconclusive", f"The data fit no effect as well as every effect inside the {level} interval. This is "
                f"no evidence that the arms are equal; more {'items' if of_pair else 'seeds or items'} narrow the "
                "interval.")]
          if tested or of_pair else []),
        *_not_judged(views),
        *(_exact_tests(views) if tested else ()),
        *([Note("bootstrap", "Interval from resampled seeds (E1), beside the guarded one; no verdict rests on it.")]
          if _bootstrapped(views) else []),
        *([_of_adjusted(first)] if any(adjusted_p(line) is not None for view in views for line in shown_lines(view))
          else []),
        *_simultaneous(views),
        Note("flips", "Items on which the treat arm scored less (lost) or more (gained), summed over seeds."),
        *([Note("MDE 80 %", f"The true gain in {result.measure.unit} that would have been called better in 80 % of "
                f"such experiments at alpha {alpha}, at the noise seen here; of a benchmark before adjustment.")]
          if tested else []),
        *_families(result),
        *_seeds(views),
        *_divergence(result),
    ]  # fmt: skip
    bases = [base for view in views for base in (*(c.verdict_basis for c in view.cells), view.mean.verdict_basis)]
    if "normality-based" in bases:
        text = "Rests on the guarded t alone, hence on normal seed differences: no exact test can confirm it here."
        entries.append(Note(FLAG, text))
    return tuple(entries)


def _of_p(arms: tuple[str, str], *, of_pair: bool) -> Note:
    null = (
        f"the checkpoints of {arms[0]} and {arms[1]} were equally good on items of this kind"
        if of_pair
        else f"training {arms[0]} in place of {arms[1]} changed nothing"
    )
    return Note(
        "p",
        f"How often a difference at least this large would arise if {null} (the null). It is not the probability that "
        "the arms are equal, and a small p says nothing about the size of a difference or about other benchmarks.",
    )


def _of_adjusted(view: View) -> Note:
    if view.mean.verdict_estimand == "E0":
        return Note("adjusted p", f"For {_family(view.result)} together: Holm's p.")
    if len(view.cells) == 1 and not view.several and not view.slices:
        return Note(
            "adjusted p", "The larger of guarded t and, from six seeds on, sign-flip p: there is one benchmark."
        )
    return Note(
        "adjusted p",
        f"For {_family(view.result)} together: the larger of Holm's p and the joint sign-flip max-T p; Holm's alone "
        f"with too few seeds for max-T; {fmt.MISSING} below five seeds."
        f"{_slices_adjusted(view.result)}{_means_adjusted(view)}",
    )


def _not_judged(views: Sequence[View]) -> Iterator[Note]:
    if any(cell.verdict == "not judged" for view in views for cell in (*view.cells, *view.slices)):
        yield Note("not judged", "Below five seeds no claim is made about a single benchmark among several.")


def _bootstrapped(views: Sequence[View]) -> bool:
    every = [cell.e1 for view in views for cell in view.cells] + [view.mean.e1 for view in views]
    return any(e1 is not None and e1.bootstrap is not None and e1.bootstrap.ci is not None for e1 in every)


def beside(e1: E1, alpha: float) -> str:
    """Return the exact companion's p, where there is one."""
    if e1.signflip is not None:
        return f"; sign-flip {fmt.equals(e1.signflip.p, alpha)}"
    if e1.permutation is not None:
        return f"; permutation {fmt.equals(e1.permutation.p, alpha)}"
    return ""


def _among_means(view: View) -> str:
    if not view.several or view.mean.family_p is None:
        return ""
    return f"; adjusted among {len(view.result.contrasts)} means {fmt.equals(view.mean.family_p, view.alpha)}"


def _no_verdict(view: View) -> str:
    mean = view.mean
    common = "training seed" if view.contrast.pairing != "paired" else "common training seed"
    size = "" if mean.delta is None else f" The mean difference is {fmt.gain(mean.delta)} {view.unit}."
    if _fewest(view) >= SPARSE_SEEDS:
        return f"No verdict on {view.treatment} against {view.base}: nothing tells how the difference could vary.{size}"
    return (
        f"No verdict on {view.treatment} against {view.base}: {fmt.count(_fewest(view), common)}, and at "
        f"least {SPARSE_SEEDS} are needed to tell a gain from the luck of a training run.{size}"
    )


def _fewest(view: View) -> int:
    """Return the number of seeds by which rules about few seeds go."""
    if view.contrast.pairing == "independent":
        return min(cell.n_seeds for cell in view.cells)
    return seeds_of_mean(view.mean)


def _withheld(view: View) -> str:
    """Return why there is no verdict although there are numbers."""
    names = (view.base, view.treatment)
    rates = [
        f"{len(arm.diverged)} of {len(arm.diverged) + len(arm.seeds)} of {arm.name} on {arm.backbone}"
        for arm in view.result.arms
        if arm.name in names and arm.diverged
    ]
    size = "" if view.mean.delta is None else f" The mean over the rest is {fmt.gain(view.mean.delta)} {view.unit}."
    return (
        f"Verdict on {view.treatment} against {view.base} withheld: trainings diverged ({'; '.join(rates)}). That is "
        f"an outcome of the arm, and the scores of the trainings that did not diverge cannot speak of it.{size}"
    )


def _what_was_visible(view: View) -> str:
    mean, alpha = view.mean, view.alpha
    floor = f"a true gain of {fmt.score(mean.mde80)} {view.unit} would have been found in 80 % of such experiments"
    if mean.e1 is None:
        return f"{floor[:1].upper()}{floor[1:]}."
    if mean.e1.p >= alpha:
        low, high = (fmt.gain(end) for end in mean.e1.ci)
        return f"The data are compatible with effects from {low} to {high} {view.unit}; {floor}."
    if mean.e1.signflip is not None and mean.e1.signflip.p >= alpha:
        return f"The t test alone rejects, the exact sign-flip test does not, and both must; {floor}."
    if mean.e1.permutation is not None and mean.e1.permutation.p >= alpha:
        return f"The t test alone rejects, the permutation test does not, and both must; {floor}."
    if not view.primary:
        return f"It would be one without the other contrasts, among which its p is adjusted; {floor}."
    return f"It would be one without the variants that were tried before this one was picked; {floor}."


def _these_backbones(result: Result) -> str:
    return "this backbone" if len(backbones(result)) == 1 else "these backbones"


def _family(result: Result) -> str:
    if len(result.contrasts) > 1:
        every = sum(len(contrast.cells) for contrast in result.contrasts)
        return f"{fmt.count(every, 'cell')} of {len(result.contrasts)} contrasts"
    (contrast,) = result.contrasts
    joint = bool(contrast.slices) and all(family.name != "slices" for family in result.families)  # as in schema 1
    slices = f" and {fmt.count(len(contrast.slices), 'slice')}" if joint else ""
    return f"{fmt.count(len(contrast.cells), 'benchmark')}{slices}"


def _slices_adjusted(result: Result) -> str:
    sizes = [family.cells for family in result.families if family.name == "slices"]
    return "".join(f" In the rows of slices: the same among all {fmt.count(size, 'slice')}." for size in sizes)


def _means_adjusted(view: View) -> str:
    if not view.several:
        return ""
    return " In the rows of means: the same among the means of all contrasts. The primary one is judged by its own p."


def _primary(view: View) -> str:
    result = view.result
    cells = fmt.count(len(view.cells), "benchmark")
    which = f" of {view.contrast.name}" if view.several else ""
    mean = "weighted mean" if view.weighted else "equal-weight mean"
    return (
        f"The {mean} gain{which} over {cells}, {result.primary.estimand}, two-sided at alpha "
        f"{view.alpha:g}. Called better or worse when: {result.primary.rule}. Family {result.primary.family_hash} "
        "(arms, benchmarks, metrics)."
    )


_GUARDED: Final = {
    "paired": "Guarded paired t",
    "fixed": "Guarded one-sample t where the base arm has no seeds",
    "independent": "Guarded Welch t where seeds are independent",
}


def _guarded(views: Sequence[View]) -> str:
    return "; ".join(dict.fromkeys(_GUARDED[view.contrast.pairing] for view in views))


def _exact_tests(views: Sequence[View]) -> Iterator[Note]:
    """Yield what the exact companions of the t are, by the contrasts that have them."""
    dependent = [view for view in views if view.contrast.pairing != "independent"]
    if dependent:
        yield Note("Sign-flip", _sign_flip(dependent[0].mean))
    independent = [view for view in views if view.contrast.pairing == "independent"]
    if independent:
        e1 = independent[0].mean.e1
        test = None if e1 is None else e1.permutation
        floor = "" if test is None else f" Its p cannot fall below 2/C(S1+S2, S1) = {test.floor:.4g}."
        drawn = "" if test is None or test.enumerated else " A fixed sample of labellings was drawn."
        yield Note(
            "Permutation",
            "Seed labels permuted between two arms with independent seeds, studentised; exact only where both arms' "
            f"seed effects have one distribution.{floor}{drawn}",
        )


def _sign_flip(mean: Aggregate) -> str:
    if mean.e1 is None or mean.e1.signflip is None:
        return "Not computed for this number of seeds."
    n_seeds = sum(len(entry.seeds) for entry in mean.backbones)
    return (
        f"Exact test over all sign patterns of {n_seeds} seed differences; its p cannot fall below 2/2^{n_seeds} = "
        f"{mean.e1.signflip.floor:.4g}."
    )


def _simultaneous(views: Sequence[View]) -> Iterator[Note]:
    found = [cell.simultaneous_ci for view in views for cell in (*view.cells, *view.slices)]
    found += [view.mean.simultaneous_ci for view in views]
    if any(ci is not None for ci in found):
        yield Note(
            "simultaneous",
            "Interval that holds for all of its family at once: Bonferroni's, of E1 the wider of it and single-step "
            "max-T. The adjusted p is step-down and can reject where this interval still holds zero.",
        )


def _families(result: Result) -> Iterator[Note]:
    """Yield what is judged together, and whether any arm differs; nothing with one contrast, where it is said above."""
    if len(result.contrasts) == 1:
        return
    for family in result.families:
        size = f"{fmt.count(family.cells, 'test')} of {fmt.count(family.contrasts, 'contrast')}, hash {family.hash}."
        p = ""
        if family.global_p is not None:
            p = (
                f" Does any arm differ? {fmt.equals(family.global_p, result.settings.alpha)} (arms permuted within "
                "seeds, largest difference of two means)."
            )
        rough = " Its joint sign flips are approximate, because contrasts share an arm." if family.approximate else ""
        yield Note(f"Family {family.name}", f"{size}{p}{rough}")


def _seeds(views: Sequence[View]) -> Iterator[Note]:
    """Yield how the seeds of each contrast's arms relate, and what pairing them gained, where that is known."""
    said = [(view.contrast.name, text) for view in views if (text := _how_paired(view))]
    if len(views) > 1:
        said = [(name, f"{name}: {text}") for name, text in said]
    if said:
        yield Note("Seeds", " ".join(text for _, text in said))


def _how_paired(view: View) -> str:
    if view.contrast.pairing == "fixed":
        return (
            f"{view.base} has no seeds: its answers are those of one checkpoint, the same against every seed of "
            f"{view.treatment}. Nothing is said of training {view.base} again."
        )
    if view.contrast.pairing == "independent":
        return "Independent, as declared: nothing of one arm's seed is subtracted from the other's."
    if view.mean.pairedness is None or view.mean.pairedness.correlation is None:
        return ""
    ratio = view.mean.pairedness.width_ratio
    width = "" if ratio is None else f"; without pairing the E1 t interval would be {ratio:.2f} times as wide"
    return f"Paired; the arms' means correlate over seeds with r = {view.mean.pairedness.correlation:.2f}{width}."


def _divergence(result: Result) -> Iterator[Note]:
    if any(arm.diverged for arm in result.arms):
        level = fmt.percent(1 - result.settings.alpha)
        yield Note(
            "withheld",
            "A training that diverged is an outcome of its arm, not a missing value: its seed stays out of the means, "
            f"and no verdict is given. The table of arms has the rates with their {level} Clopper-Pearson intervals.",
        )


def what_was_tested(view: View) -> str:
    """Return what a caption must carry: estimand, seeds, items, and what was judged together."""
    mean, result = view.mean, view.result
    about = {
        "E0": "E0, this pair of checkpoints (items random)",
        "E1": "E1, re-training on these benchmarks (seeds random, items fixed)",
    }.get(mean.verdict_estimand, mean.verdict_estimand)
    seeds = fmt.count(len(view.contrast.seeds), f"{view.contrast.pairing} training seed")
    items = "/".join(dict.fromkeys(str(cell.n_items) for cell in view.cells))
    each = " each" if len(view.cells) > 1 and "/" not in items else ""
    family = f"{fmt.count(len(view.cells), 'benchmark')} of {fmt.count(len(result.contrasts), 'contrast')}"
    primary = "the mean is the primary test" if view.primary else "the mean is no primary test"
    return (
        f"Estimand: {about}; {seeds}; {items} items{each}; {fmt.percent(1 - view.alpha)} intervals; {primary}; "
        f"benchmarks are adjusted within the family of {family} ({result.primary.family_hash})."
    )


def named_seeds(seeds: Sequence[int]) -> str:
    """Return "seed 3", "seeds 0 to 6" or "seeds 1, 4, 9"."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    whole = len(seeds) > 2 and tuple(seeds) == tuple(range(seeds[0], seeds[0] + len(seeds)))  # noqa: PLR2004 - a range
    return f"seeds {seeds[0]} to {seeds[-1]}" if whole else f"seeds {', '.join(map(str, seeds))}"
