"""How often tools that compare evaluations report a difference between two recipes that do not differ.

    python benchmarks/peers.py --peers VENV/bin/python [--experiments 400] [--page docs/how-it-compares.md]

VENV: `python -m venv VENV && VENV/bin/pip install errorbars==0.2.4 evalstats==0.3.3 siggate==0.1.1`.

Two recipes are trained with seven seeds each and answer the same 200 items; over seeds and items the gain is exactly
zero (`talan_eval.calibration.world`). In the first column all trainings of a recipe are equally good, in the others
they differ from seed to seed by so many points (standard deviation of the true difference). A tool is given what it
takes: all seven runs as repeated samples of an item, or the first pair of checkpoints. What counts is whether it calls
the recipes different at 5 %. A tool that takes no training seeds answers another question, whether *these checkpoints*
differ, and is right to say yes where they do; the table shows what its answer is worth for the question about recipes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import talan_eval
from talan_eval.calibration.world import World, run_experiments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.calibration.world import Experiments

SEEDS, ITEMS, ALPHA = 7, 200, 0.05
SPREADS: Final = (0.0, 1.0, 2.0)
"""Standard deviation of a seed pair's true difference, points."""
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"

OF_PEERS: Final = r"""
import json, sys
from importlib.metadata import version
import numpy as np, pandas as pd
import evalstats
from errorbars.compare import paired_compare
from siggate.gate import compare as gated
experiments = np.load(sys.argv[1])
base, treat = experiments["base"], experiments["treat"]
found = {}
def say(name, package, decide):
    found[f"{name} ({package} {version(package)})"] = [bool(decide(*pair)) for pair in zip(base, treat)]
def frame(a, b):
    rows = [(arm, seed, f"q{item}", score) for arm, scores in (("a", a), ("b", b))
            for seed, row in enumerate(scores) for item, score in enumerate(row)]
    return pd.DataFrame(rows, columns=["model", "run", "item", "score"])
def by_evalstats(a, b):
    return evalstats.compare(evalstats.load_from(frame(a, b)), factors="model").to_dict()["pairwise"][0]["significant"]
say("compare, runs as samples", "errorbars", lambda a, b: paired_compare(b.mean(axis=0), a.mean(axis=0)).p_value < 0.05)
say("compare, runs as runs", "evalstats", by_evalstats)
say("compare, first pair", "errorbars", lambda a, b: paired_compare(b[0], a[0]).p_value < 0.05)
say("compare, first pair", "siggate", lambda a, b: gated(list(a[0]), list(b[0])).label == "REAL")
print(json.dumps(found))
"""


def simulated(spread: float, experiments: int) -> Experiments:
    """Draw experiments in which the recipes do not differ."""
    world = World(SEEDS, ITEMS, tau=spread / 100, open_share=0.6, agreement=0.5)
    return run_experiments(world, experiments, np.random.default_rng([SEEDS, ITEMS, round(spread * 10)]))


def by_peers(drawn: Experiments, python: Path, place: Path) -> dict[str, float]:
    """Return how often each peer reports a difference."""
    np.savez(place, base=drawn.base, treat=drawn.treat)
    command = [str(python), "-W", "ignore", "-c", OF_PEERS, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - chosen by who runs this
    place.unlink()
    return {name: float(np.mean(said)) for name, said in json.loads(done.stdout.splitlines()[-1]).items()}


def by_us(drawn: Experiments) -> dict[str, float]:
    """Return how often talan-eval reports a difference, of recipes and of the first pair of checkpoints."""
    pairs = list(zip(drawn.base, drawn.treat, strict=True))
    return {
        "compare, seven seeds (talan-eval, E1)": float(np.mean([_differs(a, b) for a, b in pairs])),
        "compare, first pair (talan-eval, E0)": float(np.mean([_differs(a[:1], b[:1]) for a, b in pairs])),
    }


def _differs(base: np.ndarray, treat: np.ndarray) -> bool:
    result = talan_eval.compare_scores({"a": base, "b": treat}, base="a", resamples=100)
    return result.contrasts[0].aggregate.verdict in {"better", "worse"}


def table(columns: Sequence[dict[str, float]], experiments: int) -> str:
    """Return what was found, as Markdown."""
    error = 100 * (ALPHA * (1 - ALPHA) / experiments) ** 0.5
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    heads = " | ".join(f"seeds differ by {spread:g} points" for spread in SPREADS)
    rows = [f"| {name} | " + " | ".join(f"{100 * one[name]:.1f}" for one in columns) + " |" for name in columns[0]]
    below = f"{experiments} experiments a column; Monte Carlo standard error {error:.1f} at 5 %; {machine}."
    return "\n".join([f"| called different, % | {heads} |", "|---|" + "---:|" * len(SPREADS), *rows, "", below])


def main() -> None:
    """Print the table, and write it into a page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="Python of an environment that has the peers.")
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--page", type=Path, help="Page whose table is replaced.")
    asked = parser.parse_args()
    columns = []
    for spread in SPREADS:
        drawn = simulated(spread, asked.experiments)
        columns.append(by_us(drawn) | by_peers(drawn, asked.peers, Path("peers-scores.npz")))
    found = table(columns, asked.experiments)
    print(found)
    if asked.page is not None:
        before, _, rest = asked.page.read_text("utf-8").partition(BEGIN)
        asked.page.write_text(f"{before}{BEGIN}\n{found}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
