"""What the held-out loss adds to a comparison: CPU time of `compare` with and without `--no-loss`, by turns.

    python benchmarks/loss_cost.py [--seeds 2] [--repeats 2] [--limit N]

CPU seconds of the command and of all its processes; other work on the machine does not count. Every run has a directory
of its own, so that none takes what another has computed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_VARIANTS: Final = (("with the loss", ()), ("--no-loss", ("--no-loss",)))
Seconds = dict[str, list[float]]


def table(found: Seconds) -> str:
    """Write the seconds of each run, their mean, and how many times as long the loss makes it."""
    (with_loss, _), (without, _) = _VARIANTS
    means = {name: sum(runs) / len(runs) for name, runs in found.items()}
    lines = ["| compare | CPU s of each run | mean |", "|---|---|---:|"]
    lines += [
        f"| {name} | {', '.join(f'{one:.1f}' for one in runs)} | {means[name]:.1f} |" for name, runs in found.items()
    ]
    pairs = [one / other for one, other in zip(found[with_loss], found[without], strict=True)]
    each = ", ".join(f"{one:.3f}" for one in pairs)
    return "\n".join([*lines, f"| ratio | {each} | {means[with_loss] / means[without]:.3f} |"])


def cpu_seconds(words: list[str]) -> float:
    """Run the command line and return the CPU time of its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "talan_eval", *words], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run both by turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="Items of each benchmark; all when left out.")
    asked = parser.parse_args()
    limit = [] if asked.limit is None else ["--limit", str(asked.limit)]
    found: Seconds = {name: [] for name, _ in _VARIANTS}
    with tempfile.TemporaryDirectory() as root:
        for repeat in range(asked.repeats):
            for name, option in _VARIANTS[:: 1 if repeat % 2 == 0 else -1]:
                out = Path(root) / f"{repeat}-{len(option)}" / "compared"
                words = ["compare", "--base", "lora", "--treat", "talan+lora", "--seeds", str(asked.seeds), *limit]
                found[name].append(cpu_seconds([*words, *option, "--out", str(out)]))
                print(f"{name}: {found[name][-1]:.1f} CPU s", file=sys.stderr, flush=True)
    print(table(found))


if __name__ == "__main__":
    main()
