"""Checks the planner against the comparison itself: simulates tables of scores, compares them and counts verdicts.

No code is shared with the planner: right-or-wrong answers of two arms are drawn, ``talan_eval.comparison.compare``
judges them, and the share of verdicts "better" stands beside the planned one. The gate reads the same comparisons:
with a true gain of what is planned and a margin of zero it is as far from what it has to exclude as with no gain and a
margin of that size.

    python benchmarks/verdict_power.py --seeds 3-20 --experiments 500 --pieces 8 --out results/verdict_power.jsonl
    python benchmarks/verdict_power.py --seeds 5,6,7,10 --cells 4 --pieces 4 --out results/verdict_power.jsonl
    python benchmarks/statistics_page.py

Each piece is a line of counts, drawn from a seed of its own; a killed run goes on where it stopped, and the last
command writes the table of all lines into docs/statistics.md. An idle core takes about 15 ms for an experiment on one
benchmark, and 300 ms with twenty seeds, whose million sign patterns are listed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.planning.verdicts import KnownNoise, VerdictPlan
from talan_eval.stats.variance import Components
from talan_eval.stats.verdict_power import FamilySize

ITEMS: Final = 400
TAU: Final = 0.03  # standard deviation of a training's true gain
CHANCE: Final = 0.5  # of a right answer; two independent answers differ with variance 1/2
_FAST: Final = StatisticsSettings(resamples=1, bootstrap="percentile")
_NO_MARGIN: Final = GateSettings(margin=0.0)


@dataclass(frozen=True)
class Counted:
    """Verdicts about simulated tables.

    Attributes:
        seeds: S.
        cells: Benchmarks.
        gain: True gain of the first benchmark, a proportion; the others gain nothing.
        piece: Seed of the simulation.
        experiments: Tables.
        first: Verdicts "better" about the first benchmark.
        mean: The same about the mean.
        passed: Gates that said PASS with a margin of zero.
    """

    seeds: int
    cells: int
    gain: float
    piece: int
    experiments: int
    first: int
    mean: int
    passed: int


def table(n_seeds: int, gains: tuple[float, ...], rng: np.random.Generator) -> list[ScoreMatrix]:
    """Draw right-or-wrong answers of two arms; the arms' trainings differ by their own gain on each benchmark."""
    seeds, matrices = tuple(range(n_seeds)), []
    for cell, gain in enumerate(gains):
        items = ItemTable(f"t{cell}", "acc", tuple(map(str, range(ITEMS))), "0" * 12)
        # half of the gain on either side of one half, where the variance of an answer hardly changes
        chance = CHANCE + gain / 2 + TAU * rng.normal(size=(n_seeds, 1))
        for arm, right in (("base", CHANCE - gain / 2), ("treat", chance)):
            scores = (rng.random((n_seeds, ITEMS)) < right).astype(np.float64)
            matrices.append(ScoreMatrix("b", arm, items, seeds, scores))
    return matrices


def counted(n_seeds: int, gains: tuple[float, ...], experiments: int, piece: int = 0) -> Counted:
    """Compare so many simulated tables and count the verdicts."""
    rng = np.random.default_rng([n_seeds, len(gains), piece])
    first = mean = passed = 0
    for _ in range(experiments):
        found = compare(table(n_seeds, gains, rng), [ContrastSpec("base", "treat")], Origin({}), _FAST)
        (contrast,) = found.contrasts
        first += contrast.cells[0].verdict == "better"
        mean += contrast.aggregate.verdict == "better"
        passed += decide(found, _NO_MARGIN).outcome is CheckOutcome.PASS
    return Counted(n_seeds, len(gains), gains[0], piece, experiments, first, mean, passed)


@lru_cache(maxsize=64)
def planned(n_cells: int, gain: float = 0.0) -> tuple[VerdictPlan, VerdictPlan]:
    """Return the plans of one benchmark and of the mean over so many; a gain moves answers away from one half."""
    noise = 2 * (CHANCE * (1 - CHANCE) - gain * gain / 4)
    one = Components(TAU**2, 0.0, noise)
    flat = 2 * CHANCE * (1 - CHANCE)  # of the benchmarks that gain nothing
    alone = VerdictPlan(KnownNoise("one", (ITEMS,), (one,), ITEMS, FamilySize(n_cells)), one, 0.05, 0.8)
    mean = Components(one.tau2 / n_cells, 0.0, (noise + (n_cells - 1) * flat) / ITEMS / n_cells**2)
    return alone, VerdictPlan(KnownNoise("mean", (ITEMS,) * n_cells, (mean,)), mean, 0.05, 0.8)


def detectable(n_seeds: int, n_cells: int) -> float:
    """Return the gain that the plan finds in 80 % of experiments, rounded to a tenth of a point."""
    one, mean = planned(n_cells)
    return round(one.detectable(n_seeds, 1) or mean.detectable(n_seeds, 1) or 0.0, 3)


def read(path: Path) -> list[Counted]:
    """Read stored pieces; a line that a kill cut short is left out."""
    whole = path.read_text(encoding="utf-8") if path.exists() else ""
    return [Counted(**json.loads(line)) for line in whole.splitlines(keepends=True) if line.endswith("}\n")]


def tables(pieces: list[Counted]) -> str:
    """Return the Markdown tables of planned and counted power, for one benchmark and for several."""
    pooled: dict[tuple[int, int, float], list[Counted]] = defaultdict(list)
    for piece in pieces:
        pooled[piece.cells, piece.seeds, piece.gain].append(piece)
    text = []
    for cells in sorted({key[0] for key in pooled}):
        one = cells == 1
        verdicts = ["verdict"] if one else ["one benchmark", "their mean"]
        heads = ["seeds", "gain, points", *(f"{name}: {word}" for name in verdicts for word in ("planned", "counted"))]
        heads += ["difference", "standard error", "experiments", "PASS: planned", "PASS: counted", "difference"]
        lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
        lines += [_row(pooled[key]) for key in sorted(pooled) if key[0] == cells]
        title = (
            "Verdicts about one benchmark" if one else f"Verdicts about {cells} benchmarks, the first of which gains"
        )
        text.append(f"### {title}, percent\n\n" + "\n".join(lines) + "\n")
    return "\n".join(text)


def _row(pieces: list[Counted]) -> str:
    head = pieces[0]
    plans = planned(head.cells, head.gain)
    chances = [
        plan.chance(head.seeds, 1, gain) for plan, gain in zip(plans, (head.gain, head.gain / head.cells), strict=True)
    ]
    total = sum(piece.experiments for piece in pieces)
    shares = [sum(getattr(piece, name) for piece in pieces) / total for name in ("first", "mean", "passed")]
    shown = list(zip(chances, shares[:2], strict=True))[: 1 if head.cells == 1 else 2]
    error = max(math.sqrt(chance * (1 - chance) / total) for chance, _ in shown)
    parts = [str(head.seeds), f"{100 * head.gain:.1f}", *(f"{100 * part:.1f}" for pair in shown for part in pair)]
    parts += [" / ".join(f"{100 * (got - chance):+.1f}" for chance, got in shown), f"{100 * error:.1f}", f"{total:,}"]
    # the mean is gated: a true gain of it with a margin of zero
    gated = plans[head.cells > 1].passes(head.seeds, 1, 0.0, head.gain / head.cells)
    parts += [f"{100 * gated:.1f}", f"{100 * shares[2]:.1f}", f"{100 * (shares[2] - gated):+.1f}"]
    return "| " + " | ".join(parts) + " |"


def main() -> None:
    """Count what is missing, piece by piece, and print the tables of all pieces."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="3-20", help="such as 3-20 or 5,7")
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--experiments", type=int, default=500, help="of a piece")
    parser.add_argument("--pieces", type=int, default=1, help="of each number of seeds; each has a seed of its own")
    parser.add_argument("--out", type=Path, help="file of counts that is read first and appended to")
    words = parser.parse_args()
    low, dash, high = words.seeds.partition("-")
    several = range(int(low), int(high) + 1) if dash else [int(word) for word in words.seeds.split(",")]
    pieces = [] if words.out is None else read(words.out)
    done = {(piece.cells, piece.seeds, piece.piece) for piece in pieces}
    for piece in range(words.pieces):
        for n_seeds in several:
            if (words.cells, n_seeds, piece) in done:
                continue
            gains = (detectable(n_seeds, words.cells), *((0.0,) * (words.cells - 1)))
            pieces.append(counted(n_seeds, gains, words.experiments, piece))
            if words.out is not None:
                with words.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(pieces[-1])) + "\n")
    print(tables(pieces))


if __name__ == "__main__":
    main()
