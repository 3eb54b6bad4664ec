"""Writes the worked example, the check of the planner and the calibration tables of docs/statistics.md.

The example is computed here, from a fixed table of differences; the tables come from results/calibration/records.jsonl,
which ``talan-eval calibrate --settings full --out results/calibration`` writes, and results/verdict_power.jsonl, which
``python benchmarks/verdict_power.py --out results/verdict_power.jsonl`` writes.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.calibration.study import RECORDS, read_records
from talan_eval.calibration.study_tables import all_tables
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mcnemar import checkpoint_pair
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.noninferiority import GuardedDifference, SeedDifference, gate_numbers
from talan_eval.stats.pigeonhole import pigeonhole_interval
from talan_eval.stats.power import minimum_detectable
from talan_eval.stats.seed_bootstrap import default_interval, exact_law
from talan_eval.stats.signflip import hartigan_interval, seed_sums, sign_flip

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray, Interval

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "statistics.md"
RESULTS: Final = ROOT / "results" / "calibration"
ALPHA: Final = 0.05
EXAMPLE: Final = "worked example"
TABLES: Final = "calibration"
PLANNED: Final = "planned verdicts"
COUNTS: Final = ROOT / "results" / "verdict_power.jsonl"
# items gained and lost by each of seven seeds, of 198
FLIPS: Final = ((17, 10), (14, 9), (16, 7), (11, 12), (15, 12), (19, 8), (13, 9))
ITEMS: Final = 198


def example_deltas() -> FloatArray:
    """Return the example's differences, shape (7, 198): each seed gains and loses items of its own."""
    rng = np.random.default_rng(0)
    deltas = np.zeros((len(FLIPS), ITEMS))
    for row, (gained, lost) in zip(deltas, FLIPS, strict=True):
        changed = rng.choice(ITEMS, gained + lost, replace=False)
        row[changed[:gained]], row[changed[gained:]] = 1.0, -1.0
    return deltas


def worked_example() -> str:
    """Return the example as text, every number computed."""
    deltas = example_deltas()
    per_seed, squares = deltas.mean(axis=1), mean_squares(deltas)
    e1 = guarded_t(per_seed, [squares], ALPHA)
    e2 = guarded_crossed(per_seed, [squares], ALPHA)
    flips = sign_flip(seed_sums(deltas, 1))
    hartigan, law = hartigan_interval(per_seed, ALPHA), exact_law(len(per_seed))
    bootstrap = default_interval(per_seed, law, ALPHA)
    two_way = pigeonhole_interval([deltas], 10_000, np.random.default_rng(0), ALPHA)
    difference = SeedDifference(GuardedDifference(e1.delta, e1.terms), tuple(per_seed.tolist()))
    gate = gate_numbers(difference, len(per_seed), 0.01)
    pair = checkpoint_pair(deltas[0], ALPHA)
    widths = {term.name: 100 * term.half_width(ALPHA) for term in e1.terms}
    item, error = squares.item or 0.0, squares.error or 0.0
    rows = [
        ("seeds 0 to 6", f"{'  '.join(f'{100 * d:+.2f}' for d in per_seed)}   points on {ITEMS} items"),
        ("mean", f"{100 * e1.delta:+.2f}"),
        ("mean squares", f"MS_S {1e4 * squares.seed:.0f}   MS_I {1e4 * item:.0f}   MS_E {1e4 * error:.0f}   points^2"),
        ("", ""),
        ("E1 half-widths", "   ".join(f"{name} {width:.2f}" for name, width in widths.items())),
        ("E1 guarded t", f"{_points(e1.guard.ci)}   p {e1.guard.p:.4f}   set by {e1.guard.binding}"),
        ("E1 plain t", f"{_points(e1.plain.ci)}   p {e1.plain.p or math.nan:.4f}"),
        ("E1 sign-flip", f"{_points(hartigan)}   p {flips.p:.4f}   cannot be below {flips.floor:.4f}"),
        (f"E1 {bootstrap.method.label}", f"{_points(bootstrap.ci)}   all {len(law.weights):,} resamples listed"),
        ("E2 crossed", f"{_points(e2.guard.ci)}   p {e2.guard.p:.4f}   {e2.df or math.nan:.1f} degrees of freedom"),
        ("E2 pigeonhole", _points(two_way)),
        ("E0 of seed 0", f"{_points(pair.ci)}   p {pair.p:.4f}   {pair.gained} gained, {pair.lost} lost"),
        ("", ""),
        ("gate, margin 1", f"{gate.outcome.value}: 95 % lower bound {100 * gate.bounds.lower:+.2f}"),
        ("MDE 80 %", f"{100 * minimum_detectable(e1.guard.se, len(per_seed) - 1, ALPHA):.2f}"),
    ]
    lines = [f"{name:<17}{text}" for name, text in rows]
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"


def calibration_tables() -> str:
    """Return the tables of the committed study."""
    return all_tables(read_records(RESULTS / RECORDS))


def planned_verdicts() -> str:
    """Return the tables of planned and counted verdicts, of the script beside this one."""
    spec = importlib.util.spec_from_file_location("verdict_power_check", ROOT / "benchmarks" / "verdict_power.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("benchmarks/verdict_power.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return str(module.tables(module.read(COUNTS)))


def updated(page: str) -> str:
    """Return the page with its blocks written anew."""
    for name, text in ((EXAMPLE, worked_example()), (PLANNED, planned_verdicts()), (TABLES, calibration_tables())):
        begin, end = (
            f"<!-- {name}: {word} (python benchmarks/statistics_page.py writes this) -->\n" for word in ("begin", "end")
        )
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{PAGE.name} has no block for the {name}")
        page = before + begin + "\n" + text + "\n" + end + after
    return page


def _points(interval: Interval | None) -> str:
    return "none" if interval is None else f"{100 * interval.lo:+.2f} to {100 * interval.hi:+.2f}"


def main() -> None:
    """Rewrite docs/statistics.md in place."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE.name}: example, plans and tables")


if __name__ == "__main__":
    main()
