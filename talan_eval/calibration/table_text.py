"""What all tables of the study are made of: records, and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_eval.calibration.contrasts import ContrastsSetting, SelectionSetting
from talan_eval.calibration.coverage import CoverageSetting
from talan_eval.calibration.gates import PeekSetting
from talan_eval.calibration.unpaired import IndependentSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from talan_eval.calibration.averages import Average
    from talan_eval.calibration.counting import Share
    from talan_eval.calibration.full_study import Setting

FEW_ITEMS = 100  # below which a benchmark is tabulated on its own


@dataclass(frozen=True)
class Record:
    """One simulated setting.

    Attributes:
        setting: What was simulated.
        shares: What was counted, by name.
        seconds: Processor time.
        averages: What was averaged, by name.
    """

    setting: Setting
    shares: dict[str, Share]
    seconds: float
    averages: dict[str, Average] = field(default_factory=dict)


def coverage_records(records: Sequence[Record]) -> list[Record]:
    """Return the records of single cells."""
    return [record for record in records if isinstance(record.setting, CoverageSetting)]


def plain(records: Sequence[Record]) -> list[Record]:
    """Return the records of cells with normal trainings and many independent items."""
    return [
        record
        for record in coverage_records(records)
        if record.setting.world.law == "normal"  # type: ignore[union-attr]  # filtered
        and record.setting.world.cluster == 1  # type: ignore[union-attr]  # filtered
        and record.setting.world.n_items >= FEW_ITEMS  # type: ignore[union-attr]  # filtered
    ]


def by_seeds(
    records: Sequence[Record],
    rows: Iterable[tuple[str, str]],
    *,
    worst: Callable[[Iterable[float]], float] = min,
) -> str:
    """Tabulate shares, one row per (label, name) and one column per number of seeds; empty where nothing was counted.

    Args:
        records: What to average over.
        rows: Label and name of each share.
        worst: Which setting is the worst one: the smallest share, or the largest.
    """
    counts = sorted({seeds_of(record) for record in records})
    body = []
    for label, name in rows:
        cells = [
            mean_and_worst([r.shares[name] for r in records if seeds_of(r) == count and name in r.shares], worst)
            for count in counts
        ]
        if any(cell != "-" for cell in cells):
            body.append([label, *cells])
    return markdown(["", *(f"S = {count}" for count in counts)], body) if body else ""


def seeds_of(record: Record) -> int:
    """Return the number of seeds: the last of those looked at, the smaller of two arms' numbers."""
    setting = record.setting
    if isinstance(setting, PeekSetting):
        return setting.last
    if isinstance(setting, IndependentSetting):
        return min(setting.n_treat, setting.n_base)
    return setting.n_seeds if isinstance(setting, (ContrastsSetting, SelectionSetting)) else setting.world.n_seeds


def mean_share(shares: Sequence[Share]) -> str:
    """Return the mean in percent."""
    return f"{sum(100 * share.value for share in shares) / len(shares):.1f}"


def mean_and_worst(shares: Sequence[Share], worst: Callable[[Iterable[float]], float] = min) -> str:
    """Return the mean in percent and, in brackets, the worst one; "-" without any."""
    values = [100 * share.value for share in shares if share.trials > 0]
    if not values:
        return "-"
    return f"{sum(values) / len(values):.1f} ({worst(values):.1f})"


def percent(record: Record, name: str) -> str:
    """Return one share of one setting in percent; "-" where it was not counted."""
    share = record.shares.get(name)
    return "-" if share is None or share.trials == 0 else f"{100 * share.value:.1f}"


def average(record: Record, name: str, digits: int = 2) -> str:
    """Return one average of one setting; "-" where it was not taken."""
    found = record.averages.get(name)
    return "-" if found is None else f"{found.value:.{digits}f}"


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [list(heading), ["---"] * len(heading), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
