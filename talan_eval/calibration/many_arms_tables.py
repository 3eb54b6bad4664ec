"""The study's tables of many arms: other pairings, families of contrasts, the global test, the best arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from talan_eval.calibration.contrasts import ContrastsSetting, SelectionSetting
from talan_eval.calibration.table_text import Record, average, by_seeds, markdown, mean_and_worst, percent
from talan_eval.calibration.unpaired import FixedSetting, IndependentSetting

if TYPE_CHECKING:
    from collections.abc import Sequence

S = TypeVar("S")


def many_arms_tables(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return (heading, table) of each; an empty table where the records have nothing for it."""
    return [
        ("A comparator without seeds: coverage, nominal 95 %", fixed(records)),
        ("Independent seeds: coverage, nominal 95 %", independent(records)),
        ("Independent seeds: false claims about re-training, nominal 5 %", independent_claims(records)),
        ("What pairing is worth: width with independent seeds over the paired width", pairing_worth(records)),
        ("Several contrasts on four benchmarks: any false claim among the cells, nominal 5 %", cells(records)),
        ("Several contrasts: any false claim among the means, and of the global test", means(records)),
        ("Several contrasts: all cells covered at once, nominal 95 %", simultaneous(records)),
        ("Several contrasts: true gains of 8 points found", found(records)),
        ("The best of several arms, points", best(records)),
    ]


def fixed(records: Sequence[Record]) -> str:
    """Tabulate coverage against a fixed comparator, greedy and with drawn answers."""
    parts = []
    for answers, title in ((0, "One answer per item, for good"), (4, "Four drawn answers per item")):
        chosen = [record for record, setting in _of(records, FixedSetting) if setting.answers == answers]
        names = ("E1 fixed: guarded t", "E1 fixed: unguarded t", "E1 fixed: answers' noise ignored")
        rows = [(name.replace(" fixed:", ""), name) for name in (*names, "E2 fixed: guarded crossed")]
        if text := by_seeds(chosen, rows):
            parts.append(f"{title}:\n\n{text}")
        claims = by_seeds(chosen, [("sign-flip", "claims fixed: sign-flip")], worst=max)
        if claims:
            parts.append(f"False claims of sign flips over {title.lower().split()[0]} answer per item:\n\n{claims}")
    return "\n\n".join(parts)


def independent(records: Sequence[Record]) -> str:
    """Tabulate coverage with independent seeds, normal trainings, by the numbers of seeds."""
    chosen = [(r, s) for r, s in _of(records, IndependentSetting) if s.law == "normal" and s.r == 0]
    sizes = sorted({(s.n_treat, s.n_base) for _, s in chosen})
    rows = []
    for name in ("E1 independent: guarded Welch", "E1 independent: plain Welch", "E2 independent: guarded crossed"):
        line = [
            mean_and_worst([r.shares[name] for r, s in chosen if (s.n_treat, s.n_base) == size and name in r.shares])
            for size in sizes
        ]
        rows.append([name.replace(" independent:", ""), *line])
    return markdown(["", *(f"{one} + {other}" for one, other in sizes)], rows) if chosen else ""


def independent_claims(records: Sequence[Record]) -> str:
    """Tabulate false claims by numbers of seeds, spreads and law, without lean."""
    methods = ("guarded Welch", "plain Welch", "studentised permutation", "both", "permutation of means")
    chosen = [(r, s) for r, s in _of(records, IndependentSetting) if s.lean == 0 and s.r == 0 and s.open_share == 1]
    groups: dict[tuple[int, int, str, float], list[Record]] = {}
    for record, setting in chosen:
        ratio = setting.tau_treat / setting.tau_base
        groups.setdefault((setting.n_treat, setting.n_base, setting.law, ratio), []).append(record)
    rows = []
    for (one, other, law, ratio), members in sorted(
        groups.items(), key=lambda group: (group[0][2] != "normal", group[0])
    ):
        spreads = "equal" if ratio == 1 else f"{ratio:.0f} : 1" if ratio > 1 else f"1 : {1 / ratio:.0f}"
        shares = [[r.shares[f"claims independent: {name}"] for r in members] for name in methods]
        rows.append([f"{one} + {other}", law, spreads, *(mean_and_worst(own, max) for own in shares)])
    return markdown(["seeds", "law", "true spreads", *methods], rows) if rows else ""


def pairing_worth(records: Sequence[Record]) -> str:
    """Tabulate the ratio of widths by seeds and correlation, where seeds matter more than items."""
    chosen = [
        (record, setting)
        for record, setting in _of(records, IndependentSetting)
        if setting.n_treat == setting.n_base and setting.tau_treat == setting.tau_base == 0.06  # noqa: PLR2004 - these
    ]
    correlations = sorted({setting.r for _, setting in chosen})
    rows = []
    for count in sorted({setting.n_treat for _, setting in chosen}):
        own = {setting.r: record for record, setting in chosen if setting.n_treat == count}
        rows.append(
            [str(count), *(average(own[r], "unpaired width over paired") if r in own else "-" for r in correlations)]
        )
    return markdown(["seeds", *(f"r = {r:g}" for r in correlations)], rows) if rows else ""


def cells(records: Sequence[Record]) -> str:
    """Tabulate any false claim among the cells of all contrasts."""
    methods = ("no adjustment", "Holm", "joint flips", "adjusted")
    rows = [
        [*_contrasts(setting), *(percent(record, f"any false cells: {name}") for name in methods)]
        for record, setting in _null(records)
    ]
    return markdown([*_HEADING, *methods], rows) if rows else ""


def means(records: Sequence[Record]) -> str:
    """Tabulate any false claim among the means of all contrasts, and false claims of the global test."""
    methods = ("no adjustment", "Holm", "joint flips", "adjusted")
    rows = [
        [
            *_contrasts(setting),
            *(percent(record, f"any false means: {name}") for name in methods),
            percent(record, "global claims: mean"),
            percent(record, "global claims: any cell"),
        ]
        for record, setting in _null(records)
    ]
    return markdown([*_HEADING, *methods, "global, mean", "global, any cell"], rows) if rows else ""


def simultaneous(records: Sequence[Record]) -> str:
    """Tabulate simultaneous coverage, and beside it the rate G1 without any true difference."""
    rows = [
        [
            *_contrasts(setting),
            percent(record, "all cells covered: simultaneous"),
            percent(record, "all cells covered: plain"),
            *(_share(record, name) for name in ("G1 rate, arm", "G1 rate, re-seeded base")),
        ]
        for record, setting in [*_null(records), *_with_gains(records)]
    ]
    names = ("simultaneous", "plain", "G1 rate by luck, %", "re-seeded base, %")
    return markdown([*_HEADING, *names], rows) if rows else ""


def found(records: Sequence[Record]) -> str:
    """Tabulate how many true gains each adjustment finds, and whether it still makes no false claim."""
    rows = [
        [
            *_contrasts(setting),
            *(percent(record, f"found cells: {name}") for name in ("no adjustment", "Holm", "adjusted")),
            percent(record, "found means: adjusted"),
            percent(record, "any false cells: adjusted"),
            percent(record, "any false means: adjusted"),
        ]
        for record, setting in _with_gains(records)
    ]
    names = (
        "cells, unadjusted",
        "cells, Holm",
        "cells, adjusted",
        "means, adjusted",
        "any false cell",
        "any false mean",
    )
    return markdown([*_HEADING, *names], rows) if rows else ""


def best(records: Sequence[Record]) -> str:
    """Tabulate what selecting the best arm exaggerates, and what fresh seeds say."""
    names = (
        "exaggeration: selected",
        "exaggeration: confirmed",
        "expected: around the observed means",
        "expected: all arms equal",
    )
    shares = (
        "selected: its own interval",
        "confirmed: interval of fresh seeds",
        "claims best: its own p",
        "claims best: fresh seeds",
    )
    rows = [
        [
            str(setting.n_arms),
            str(setting.n_seeds),
            f"0 to {100 * setting.spread:g}" if setting.spread else "all 0",
            *(average(record, name) for name in names),
            *(percent(record, name) for name in shares),
        ]
        for record, setting in sorted(
            _of(records, SelectionSetting), key=lambda pair: (pair[1].n_arms, pair[1].n_seeds, pair[1].spread)
        )
    ]
    heading = ["arms", "seeds", "true gains", "exaggeration", "on fresh seeds", "expected (observed means)"]
    heading += [
        "expected (equal arms)",
        "coverage, own seeds",
        "coverage, fresh",
        "false claim, own",
        "false claim, fresh",
    ]
    return markdown(heading, rows) if rows else ""


_HEADING = ("arms", "contrasts", "seeds", "law")


def _of(records: Sequence[Record], kind: type[S]) -> list[tuple[Record, S]]:
    return [(record, record.setting) for record in records if isinstance(record.setting, kind)]


def _null(records: Sequence[Record]) -> list[tuple[Record, ContrastsSetting]]:
    return _sorted([pair for pair in _of(records, ContrastsSetting) if pair[1].gains == 0])


def _with_gains(records: Sequence[Record]) -> list[tuple[Record, ContrastsSetting]]:
    return _sorted([pair for pair in _of(records, ContrastsSetting) if pair[1].gains > 0])


def _sorted(pairs: list[tuple[Record, ContrastsSetting]]) -> list[tuple[Record, ContrastsSetting]]:
    return sorted(pairs, key=lambda pair: (pair[1].pairs != "base", pair[1].n_arms, pair[1].n_seeds, pair[1].law))


def _contrasts(setting: ContrastsSetting) -> tuple[str, str, str, str]:
    count = setting.n_arms - 1 if setting.pairs == "base" else setting.n_arms * (setting.n_arms - 1) // 2
    what = "with the base" if setting.pairs == "base" else "all pairs"
    law = setting.law if setting.gains == 0 else f"{setting.law}, {setting.gains} arms better"
    return str(setting.n_arms), f"{count}, {what}", str(setting.n_seeds), law


def _share(record: Record, name: str) -> str:
    found = record.averages.get(name)
    return "-" if found is None else f"{100 * found.value:.1f}"
