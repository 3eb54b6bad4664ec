"""The same bundled comparison by this checkout and by an earlier commit, alternating in one run.

    python benchmarks/against_commit.py --commit 00a2e29 --seeds 2 --rounds 3

The commit is checked out beside (`git worktree`) and runs in this environment. The order turns each round, so that
neither is always first; results of one are never taken over by another. Times are wall and CPU seconds of a whole
command, and the ratios those of medians. On a machine that others use as well only the CPU seconds can be compared.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent.parent


def spent(source: Path, options: list[str], out: Path) -> tuple[float, float]:
    """Run the comparison from a checkout; return its wall and CPU seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(source), "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-m", "talan_eval.cli.main", "compare", "--base", "lora", "--treat", "talan+lora"]
    done = subprocess.run(  # noqa: S603 - our own words
        [*words, *options, "--out", str(out / "run")],
        cwd=out, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{source}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def main() -> None:
    """Run both in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--commit", required=True, help="what this checkout is compared with")
    parser.add_argument("--seeds", default="2", help="training seeds, as compare takes them")
    parser.add_argument("--limit", help="items of each benchmark; all when left out")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asked = ["--seeds", options.seeds, *([] if options.limit is None else ["--limit", options.limit])]
    took: dict[str, list[tuple[float, float]]] = {"now": [], options.commit: []}
    print(f"lora and talan+lora on micro, {' '.join(asked)}, {len(os.sched_getaffinity(0))} cores\n")
    print("| round | version | wall, s | CPU, s |\n|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as directory:
        earlier = Path(directory) / "earlier"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--detach", str(earlier), options.commit], check=True, capture_output=True)  # noqa: S603 - our own words
        try:
            for number in range(options.rounds):
                for name in sorted(took, reverse=bool(number % 2)):
                    out = Path(directory) / f"{number}-{name}"
                    out.mkdir()
                    took[name].append(spent(HERE if name == "now" else earlier, asked, out))
                    wall, cpu = took[name][-1]
                    print(f"| {number + 1} | {name} | {wall:.0f} | {cpu:.0f} |", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True)  # noqa: S603 - as above
    wall, cpu = np.median(took["now"], axis=0) / np.median(took[options.commit], axis=0)
    print(f"| | now over {options.commit} | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
