"""The result in words: the verdict first, then how to read it. Plain sentences that the terminal and Markdown share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from talan_eval.report import format as fmt
from talan_eval.report.table import FLAG
from talan_eval.result.names import cell_names
from talan_eval.result.schema import SPARSE_SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from talan_eval.result.schema import Result


class Note(NamedTuple):
    """A labelled paragraph."""

    label: str
    text: str


def headline(result: Result) -> str:
    """Return the verdict of the primary test in one or two sentences."""
    mean = result.aggregate
    if mean.delta is None or mean.e1 is None or mean.verdict == "not estimable":
        return _no_verdict(result)
    over = "on the one benchmark" if mean.n_cells == 1 else f"on average over {mean.n_cells} benchmarks"
    level = fmt.percent(1 - result.settings.alpha)
    alpha, tried = result.settings.alpha, result.settings.variants_tried
    sign = "" if mean.e1.signflip is None else f"; sign-flip p = {fmt.p_value(mean.e1.signflip.p, alpha)}"
    picked = f"; p = {fmt.p_value(mean.adjusted_p, alpha)} after {tried} variants tried" if tried > 1 else ""
    evidence = f"(E1 {level} CI {fmt.interval(mean.e1.ci)}, p = {fmt.p_value(mean.e1.p, alpha)}{sign}{picked})"
    size = f"{fmt.gain(mean.delta)} points {over} {evidence}"
    if mean.verdict == "inconclusive":
        return (
            f"No significant difference between {result.treat} and {result.base}: {size}. {_what_was_visible(result)}"
        )
    basis = "confirmed by both tests" if mean.verdict_basis == "confirmed" else "resting on the t test alone"
    return f"{result.treat} is {mean.verdict} than {result.base}: {size}, {basis}."


def per_benchmark(result: Result) -> str:
    """Return which benchmarks stand on their own after adjustment; empty with a single benchmark."""
    if len(result.cells) == 1:
        return ""
    by_word: dict[str, list[str]] = {}
    for cell, name in zip(result.cells, cell_names(result), strict=True):
        by_word.setdefault(cell.verdict, []).append(name)
    parts = [f"{word} on {', '.join(by_word[word])}" for word in ("better", "worse") if word in by_word]
    for word in ("inconclusive", "not estimable"):
        if word in by_word:
            names = by_word[word]
            parts.append(f"{word} on {f'all {len(names)}' if len(names) == len(result.cells) else ', '.join(names)}")
    return f"Per benchmark, adjusted for all {len(result.cells)}: {'; '.join(parts)}."


def cautions(result: Result) -> tuple[Note, ...]:
    """Return what the tests that were asked for by name do not do, each once."""
    tests = [test for cell in (*result.cells, *result.slices) for test in cell.also]
    said = {test.name: test.caution for test in (*tests, *result.aggregate.also)}
    return tuple(Note(name, f"{text[:1].upper()}{text[1:]}.") for name, text in said.items())


def notes(result: Result) -> tuple[Note, ...]:
    """Return how to read the table, in the order in which a reader meets the terms."""
    alpha = f"{result.settings.alpha:g}"
    level = fmt.percent(1 - result.settings.alpha)
    entries = [
        Note("E0", "This trained pair of checkpoints: items random, one seed. It says nothing about re-training."),
        Note("E1", "Would re-training give the gain on these benchmarks? Seeds random, items fixed. Guarded paired t."),
        Note("E2", "Would re-training give the gain on new items of this kind? Seeds and items random."),
        Note("Scope", f"Intervals speak of these benchmarks and {_these_backbones(result)}, not of others."),
        Note("Primary test", _primary(result)),
        Note("p", f"How often a difference at least this large would arise if training {result.treat} in place of "
             f"{result.base} changed nothing (the null). It is not the probability that the arms are equal, and a "
             "small p says nothing about the size of a difference or about other benchmarks."),
        Note("inconclusive", f"The data fit no effect as well as every effect inside the {level} interval. This is no "
             "evidence that the arms are equal; more seeds or items narrow the interval."),
        Note("Sign-flip", _sign_flip(result)),
        Note("bootstrap", "Interval from resampled seeds (E1), beside the guarded one; no verdict rests on it."),
        Note("adjusted p", f"For {_family(result)} together: the larger of Holm's p and the "
             f"joint sign-flip max-T p; Holm's alone with too few seeds for max-T; {fmt.MISSING} below five seeds."),
        Note("flips", "Items on which the treat arm scored less (lost) or more (gained), summed over seeds."),
        Note("MDE 80 %", f"The true gain in points that this experiment would have found in 80 % of repetitions at "
             f"alpha {alpha}, at the noise seen here and before adjustment."),
    ]  # fmt: skip
    bases = [*(cell.verdict_basis for cell in result.cells), result.aggregate.verdict_basis]
    if "normality-based" in bases:
        text = "Rests on the guarded t alone, hence on normal seed differences: no exact test can confirm it here."
        entries.append(Note(FLAG, text))
    return tuple(entries)


def sandbox_stamp(result: Result) -> str:
    """Return how model-written programs were run, in one sentence that cannot be overlooked where it matters."""
    info = result.sandbox
    if not info:
        return "No model-written program was run."
    boundary = info.get("boundary")
    if info.get("label") == "imported":
        return f"Scores were read from logs; whether and how model-written programs were run is {boundary}."
    how = f" ({boundary})" if isinstance(boundary, str) and boundary else ""
    if info.get("label") == "unsandboxed" or info.get("tier") in {"none", None}:
        return f"UNSANDBOXED: model-written programs ran without a kernel boundary{how}."
    mixed = info.get("tiers_of_cells")
    others = f"; cells in tiers {', '.join(map(str, mixed))}" if isinstance(mixed, list) else ""
    return f"Model-written programs ran in sandbox tier {info['tier']}{how}{others}."


def provenance_summary(result: Result) -> str:
    """Return the scalar entries of the provenance as "key value" pairs; nested entries are in the JSON."""
    pairs = [f"{key} {value}" for key, value in result.provenance.items() if isinstance(value, str | int | float)]
    return ", ".join(pairs) if pairs else "not recorded"


def provenance_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """Return provenance and sandbox as pairs of text: two levels as names like "machine.device", the rest as JSON."""
    whole = {**result.provenance, **{f"sandbox {key}": value for key, value in result.sandbox.items()}}
    parts = [part for key, value in whole.items() for part in _opened(key, value)]
    rows = [row for key, value in parts for row in _listed(key, value)]
    return tuple((key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)) for key, value in rows)


def unparsed(result: Result) -> str:
    """Return the shares of unreadable answers per benchmark and arm; empty if unknown."""
    parts = [
        f"{name} {fmt.percent(cell.base_unparsed)} / {fmt.percent(cell.treat_unparsed)}"
        for cell, name in zip(result.cells, cell_names(result), strict=True)
        if cell.base_unparsed is not None and cell.treat_unparsed is not None
    ]
    return f"Answers without a readable result, base / treat: {', '.join(parts)}." if parts else ""


def live_probe(result: Result) -> str:
    """Return the weakest probe of each arm: its adapter was active if the logits moved; empty if none was recorded."""
    weakest: dict[str, float] = {}
    for probe in result.live_probes:
        weakest[probe.arm] = min(probe.max_logit_change, weakest.get(probe.arm, probe.max_logit_change))
    parts = [f"{arm} {change:.3g}" for arm, change in weakest.items()]
    return f"Smallest logit change against the bare backbone over seeds: {', '.join(parts)}." if parts else ""


def _opened(key: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Yield the parts of an object under their names, and anything else as it is."""
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, inner in value.items():
        yield f"{key}.{name}", inner


def _listed(key: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Yield the members of a list that all have names, such as benchmarks, and anything else as it is."""
    members = value if isinstance(value, list) else []
    named = [member for member in members if isinstance(member, dict) and "name" in member]
    if not named or len(named) < len(members):
        yield key, value
        return
    for member in named:
        yield f"{key}.{member['name']}", {name: inner for name, inner in member.items() if name != "name"}


def _no_verdict(result: Result) -> str:
    mean = result.aggregate
    n_seeds = min(len(entry.seeds) for entry in mean.backbones)
    size = "" if mean.delta is None else f" The mean difference is {fmt.gain(mean.delta)} points."
    return (
        f"No verdict on {result.treat} against {result.base}: {fmt.count(n_seeds, 'common training seed')}, and at "
        f"least {SPARSE_SEEDS} are needed to tell a gain from the luck of a training run.{size}"
    )


def _what_was_visible(result: Result) -> str:
    mean, alpha = result.aggregate, result.settings.alpha
    floor = f"a true gain of {fmt.score(mean.mde80)} points would have been found in 80 % of such experiments"
    if mean.e1 is None or mean.e1.p >= alpha:
        return f"The effect of re-training lies anywhere inside the interval; {floor}."
    if mean.e1.signflip is not None and mean.e1.signflip.p >= alpha:
        return f"The t test alone rejects, the exact sign-flip test does not, and both must; {floor}."
    return f"It would be one without the variants that were tried before this one was picked; {floor}."


def _these_backbones(result: Result) -> str:
    return "this backbone" if len(result.aggregate.backbones) == 1 else "these backbones"


def _family(result: Result) -> str:
    slices = f" and {fmt.count(len(result.slices), 'slice')}" if result.slices else ""
    return f"{fmt.count(len(result.cells), 'benchmark')}{slices}"


def _primary(result: Result) -> str:
    cells = fmt.count(len(result.cells), "benchmark")
    return (
        f"The equal-weight mean gain over {cells}, E1, two-sided at alpha {result.settings.alpha:g}. Called better or "
        f"worse when: {result.primary.rule}. Family {result.primary.family_hash} (arms, benchmarks, metrics)."
    )


def _sign_flip(result: Result) -> str:
    e1 = result.aggregate.e1
    if e1 is None or e1.signflip is None:
        return "Not computed for this number of seeds."
    n_seeds = sum(len(entry.seeds) for entry in result.aggregate.backbones)
    return (
        f"Exact test over all sign patterns of {n_seeds} seed differences; its p cannot fall below 2/2^{n_seeds} = "
        f"{e1.signflip.floor:.4g}."
    )
