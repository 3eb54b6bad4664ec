"""Prints the thresholds of ``talan_eval.stats.outliers``: what the furthest of S normal seeds exceeds in 1 % of runs.

The worst case for a false flag is simulated: seeds that differ by training alone, so that nothing but their own median
absolute deviation says how far is far. About three minutes on one core.
"""

from __future__ import annotations

from typing import Final

import numpy as np

SEEDS: Final = (*range(5, 21), 25, 30, 40, 60, 100)
SHARE: Final = 0.01
RUNS: Final = 1_000_000
_AT_ONCE: Final = 100_000
_OF_NORMAL: Final = 1.482602218505602


def quantile(n_seeds: int, runs: int = RUNS) -> float:
    """Return the distance that is exceeded in 1 % of runs."""
    rng = np.random.default_rng([n_seeds, runs])
    found = []
    for _ in range(runs // _AT_ONCE):
        seeds = rng.normal(size=(_AT_ONCE, n_seeds))
        away = np.abs(seeds - np.median(seeds, axis=1, keepdims=True))
        found.append(away.max(axis=1) / (_OF_NORMAL * np.median(away, axis=1)))
    return float(np.quantile(np.concatenate(found), 1 - SHARE))


def main() -> None:
    """Print the table."""
    print("{" + ", ".join(f"{n_seeds}: {quantile(n_seeds):.2f}" for n_seeds in SEEDS) + "}")


if __name__ == "__main__":
    main()
