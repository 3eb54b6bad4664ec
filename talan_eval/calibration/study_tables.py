"""The tables of the study, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.calibration.families import FamilySetting
from talan_eval.calibration.gates import GateSetting, PeekSetting
from talan_eval.calibration.law_tables import few_items, gates_by_law, laws_of_trainings
from talan_eval.calibration.many_arms_tables import many_arms_tables
from talan_eval.calibration.table_text import Record, by_seeds, coverage_records, markdown, mean_share, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_POINT = 0.01  # the margin of the gates that are tabulated by the size of the loss
E1_METHODS = (
    "guarded t",
    "plain t",
    "sign-flip interval",
    "bootstrap-t",
    "expanded-percentile",
    "percentile",
    "basic",
    "bca",
    "items only",
)
E2_METHODS = ("guarded crossed", "pigeonhole", "plain t")
CLAIMS = (
    "verdict",
    "guarded t",
    "sign-flip",
    "plain t",
    "McNemar pooled over seeds",
    "McNemar of one seed",
    "unpaired z of one seed",
    "CMH over seeds",
)
ADJUSTMENTS = ("Holm", "max-T", "larger of Holm and max-T", "Benjamini-Hochberg", "no adjustment")


def all_tables(records: Sequence[Record]) -> str:
    """Return every table that the records allow, each under a heading."""
    # true gains are counted one by one, everything else per experiment
    trials = max(share.trials for r in records for name, share in r.shares.items() if not name.startswith("found"))
    error = 100 * (0.05 * 0.95 / trials) ** 0.5
    introduction = (
        f"{len(records)} settings, {trials:,} simulated experiments each. Cells give the mean over settings in percent "
        f"and, in brackets, the worst setting. One setting's Monte Carlo standard error is {error:.1f} points; "
        "bootstraps were tried on fewer experiments."
    )
    parts = [introduction]
    for heading, text in (
        ("Coverage of E1, nominal 95 %", e1_coverage(records)),
        ("Coverage of E2, nominal 95 %", e2_coverage(records)),
        ("E1 in the tenth of the experiments whose seeds agree best", small_spreads(records)),
        ("Skewed trainings: one in ten is three standard deviations worse", skewed(records)),
        *laws_of_trainings(records),
        ("Items in clusters of 5 and 25", clustered(records)),
        ("E0: one checkpoint pair on new items", e0_coverage(records)),
        ("E0: false claims about one checkpoint pair, nominal 5 %", e0_claims(records)),
        *few_items(records),
        ("False claims about re-training, nominal 5 %", false_claims(records)),
        ("Family of four benchmarks: any false claim, and true gains found", families(records)),
        ("Mean over benchmarks and backbones", means(records)),
        ("Gate with a margin of 1 point", gates(records)),
        *gates_by_law(records),
        ("Looking after every added seed, from the third on", peeking(records)),
        *many_arms_tables(records),
    ):
        if text:
            parts.append(f"### {heading}\n\n{text}")
    return "\n\n".join(parts) + "\n"


def e1_coverage(records: Sequence[Record]) -> str:
    """Tabulate E1 coverage by method and seeds, normal trainings and independent items."""
    return by_seeds(plain(records), [(name, f"E1 {name}") for name in E1_METHODS])


def e2_coverage(records: Sequence[Record]) -> str:
    """Tabulate E2 coverage by method and seeds, normal trainings and independent items."""
    return by_seeds(plain(records), [(name, f"E2 {name}") for name in E2_METHODS])


def small_spreads(records: Sequence[Record]) -> str:
    """Tabulate what is left of the coverage where the seeds agreed best."""
    rows = [(name, f"smallest spreads: {name}") for name in ("guarded t", "plain t")]
    return by_seeds(plain(records), rows)


def skewed(records: Sequence[Record]) -> str:
    """Tabulate E1 coverage under a skewed law of the trainings."""
    chosen = [r for r in coverage_records(records) if r.setting.world.law == "skewed"]  # type: ignore[union-attr]  # filtered
    return by_seeds(chosen, [(name, f"E1 {name}") for name in E1_METHODS if name != "items only"])


def clustered(records: Sequence[Record]) -> str:
    """Tabulate E2 and E0 with clusters and with clusters ignored."""
    chosen = [r for r in coverage_records(records) if r.setting.world.cluster > 1]  # type: ignore[union-attr]  # filtered
    names = ("E2 guarded crossed", "E2 pigeonhole", "E2 guarded crossed, clusters ignored", "E0 interval")
    return by_seeds(chosen, [(name, name) for name in (*names, "E0 interval, clusters ignored")])


def e0_coverage(records: Sequence[Record]) -> str:
    """Tabulate the interval of one checkpoint pair, and of the mean over benchmarks."""
    return by_seeds(plain(records), [("one benchmark", "E0 interval")])


def e0_claims(records: Sequence[Record]) -> str:
    """Tabulate claims about checkpoints that are equally good on new items."""
    rows = [("verdict", "claims E0: verdict"), ("exact McNemar", "claims E0: McNemar")]
    return by_seeds(plain(records), rows, worst=max)


def false_claims(records: Sequence[Record]) -> str:
    """Tabulate rejections where re-training gives no gain; here the worst setting is the largest."""
    rows = [(name, f"claims: {name}") for name in CLAIMS]
    return by_seeds(plain(records), rows, worst=max)


def families(records: Sequence[Record]) -> str:
    """Tabulate family-wise errors and the share of true gains that is found."""
    chosen = [r for r in records if isinstance(r.setting, FamilySetting) and r.setting.n_backbones == 1]
    rows = [(f"{name}: any false claim", f"any false: {name}") for name in ADJUSTMENTS]
    rows += [(f"{name}: true gains found", f"found: {name}") for name in ADJUSTMENTS]
    return by_seeds(chosen, rows, worst=max)


def means(records: Sequence[Record]) -> str:
    """Tabulate coverage of the mean: ours, and with seeds or items taken as independent where they are shared."""
    parts = []
    for several, title in ((False, "one backbone, four benchmarks"), (True, "four backbones, two benchmarks")):
        chosen = [r for r in records if isinstance(r.setting, FamilySetting) and (r.setting.n_backbones > 1) is several]
        names = ["mean E1 guarded", "mean E1, cells taken as independent", "mean E2 guarded"]
        names += ["mean E2, items taken as new per backbone"] if several else []
        names += ["mean E0", *(["mean E0, items taken as new per backbone"] if several else [])]
        if text := by_seeds(chosen, [(f"{name[5:]}", name) for name in names]):
            parts.append(f"{title[0].upper()}{title[1:]}:\n\n{text}")
    return "\n\n".join(parts)


def gates(records: Sequence[Record]) -> str:
    """Tabulate the outcomes of the gate by seeds and true gain, the mean over settings."""
    chosen = [
        record for record in records if isinstance(record.setting, GateSetting) and record.setting.margin == _POINT
    ]
    where = sorted({(r.setting.world.n_seeds, -r.setting.world.delta) for r in chosen})  # type: ignore[union-attr]  # filtered
    rows = []
    for n_seeds, loss in where:
        group = [
            r.shares
            for r in chosen
            if (r.setting.world.n_seeds, -r.setting.world.delta) == (n_seeds, loss)  # type: ignore[union-attr]  # filtered
        ]
        names = ("gate: pass", "gate: inconclusive", "gate: fail", "gate: mean below zero")
        rows.append([str(n_seeds), f"{-100 * loss:+.1f}", *(mean_share([s[name] for s in group]) for name in names)])
    heading = ["seeds", "true gain, points", "pass", "inconclusive", "fail", '"mean < 0 fails"']
    return markdown(heading, rows) if rows else ""


def peeking(records: Sequence[Record]) -> str:
    """Tabulate false claims when results are read after every added seed."""
    chosen = sorted(
        (r for r in records if isinstance(r.setting, PeekSetting)),
        key=lambda r: r.setting.last,  # type: ignore[union-attr]  # filtered
    )
    names = ("peeking: t", "peeking: anytime-valid t", "peeking: last look only")
    rows = [
        [f"{r.setting.first} to {r.setting.last}", *(f"{100 * r.shares[name].value:.1f}" for name in names)]  # type: ignore[union-attr]  # filtered
        for r in chosen
    ]
    return markdown(["seeds", "t at every look", "anytime-valid t", "t at the last look"], rows) if rows else ""
