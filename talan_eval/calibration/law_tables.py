"""The study's tables by the law of the trainings, and of benchmarks with few items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.calibration.gates import GateSetting
from talan_eval.calibration.table_text import FEW_ITEMS, Record, by_seeds, coverage_records, markdown, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAWS = ("normal", "exponential", "exponential losses", "t3", "failed")
_NAMES = {"t3": "t with 3 degrees of freedom", "failed": "one training in ten fails"}
_POINTS = 100
_STUDIED_MARGIN = 0.02
_TAU = 0.02
_ITEMS = 1319


def laws_of_trainings(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Tabulate coverage and false verdicts by the law of the trainings, whose spread is twice the items' noise."""
    rows = (
        ("E1 guarded t", "E1 guarded t"),
        ("E1 plain t", "E1 plain t"),
        ("E1 sign-flip interval", "E1 sign-flip interval"),
        ("E1 bootstrap-t", "E1 bootstrap-t"),
        ("E2 guarded crossed", "E2 guarded crossed"),
        ("false claims: verdict", "claims: verdict"),
        ("false claims: guarded t", "claims: guarded t"),
        ("false claims: sign-flip", "claims: sign-flip"),
    )
    parts = []
    for law in _LAWS:
        chosen = [record for record in coverage_records(records) if _by_law(record, law)]
        if text := by_seeds(chosen, rows):
            parts.append(f"{_heading(law)}:\n\n{text}")
    return [("Trainings of other laws: coverage (95 %) and false claims about re-training (5 %)", "\n\n".join(parts))]


def few_items(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Tabulate coverage and false claims on benchmarks of ten and thirty items."""
    chosen = [
        record
        for record in coverage_records(records)
        if record.setting.world.n_items < FEW_ITEMS  # type: ignore[union-attr]  # filtered
    ]
    rows = [(name, name) for name in ("E1 guarded t", "E1 plain t", "E2 guarded crossed", "E0 interval")]
    text = by_seeds(chosen, rows)
    claims = by_seeds(
        chosen,
        [
            ("verdict", "claims: verdict"),
            ("E0: verdict", "claims E0: verdict"),
            ("E0: exact McNemar", "claims E0: McNemar"),
        ],
        worst=max,
    )
    whole = f"{text}\n\nFalse claims, nominal 5 %:\n\n{claims}" if text else ""
    return [("Benchmarks of 10 and 30 items: coverage, nominal 95 %", whole)]


def gates_by_law(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Tabulate wrong PASS at a loss of the margin, wrong FAIL without a loss, and the power at a gain of the margin."""
    found = [r for r in records if isinstance(r.setting, GateSetting) and r.setting.margin == _STUDIED_MARGIN]
    laws = [r for r in found if r.setting.world.n_items == _ITEMS]  # type: ignore[union-attr]  # filtered
    few = [r for r in found if r.setting.world.n_items != _ITEMS]  # type: ignore[union-attr]  # filtered
    rows = [
        [_heading(law), str(n_seeds), *_errors([r for r in laws if _of(r, law, n_seeds)])]
        for law in _LAWS
        for n_seeds in sorted({_seeds(r) for r in laws if _law(r) == law})
    ]
    small = [
        [str(n_items), str(n_seeds), *_errors([r for r in few if (_items(r), _seeds(r)) == (n_items, n_seeds)])]
        for n_items, n_seeds in sorted({(_items(r), _seeds(r)) for r in few})
    ]
    heading = [
        "seeds",
        "loss of the margin excluded though true: guard alone",
        "with bootstrap-t",
        "and no outlying seed",
        "wrong PASS at -margin: the gate",
        "wrong FAIL at 0",
        "PASS at 0",
        "PASS at +margin",
        "outlying seed",
    ]
    return [
        (
            "Gate by the law of the trainings, margin 2 points",
            markdown(["trainings", *heading], rows) if rows else "",
        ),
        ("Gate on few items, margin 2 points, trainings alike", markdown(["items", *heading], small) if small else ""),
    ]


def _errors(group: Sequence[Record]) -> list[str]:
    """Return wrong PASS by growing rules, wrong FAIL, and PASS where it is right, of settings with several gains."""
    by_gain = {round(_POINTS * r.setting.world.delta): r for r in group}  # type: ignore[union-attr]  # filtered

    def at(gain: int, name: str) -> str:
        return percent(by_gain[gain], name) if gain in by_gain else "-"

    return [
        at(-2, "excluded: guard"),
        at(-2, "excluded: with bootstrap-t"),
        at(-2, "excluded: without an outlying seed"),
        at(-2, "gate: pass"),
        at(0, "gate: fail"),
        at(0, "gate: pass"),
        at(2, "gate: pass"),
        at(0, "gate: outlying seed"),
    ]


def _by_law(record: Record, law: str) -> bool:
    world = record.setting.world  # type: ignore[union-attr]  # records of cells
    return (
        world.law == law
        and (world.n_items, world.tau, world.agreement, world.lean) == (_ITEMS, _TAU, 0.8, 0.0)
        and (world.open_share == 1.0)
    )


def _heading(law: str) -> str:
    name = _NAMES.get(law, law)
    return f"{name[:1].upper()}{name[1:]}"


def _law(record: Record) -> str:
    return str(record.setting.world.law)  # type: ignore[union-attr]  # gates


def _seeds(record: Record) -> int:
    return int(record.setting.world.n_seeds)  # type: ignore[union-attr]  # gates


def _items(record: Record) -> int:
    return int(record.setting.world.n_items)  # type: ignore[union-attr]  # gates


def _of(record: Record, law: str, n_seeds: int) -> bool:
    return (_law(record), _seeds(record)) == (law, n_seeds)
