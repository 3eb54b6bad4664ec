"""Kill a comparison again and again, at random times, and check that nothing is lost, doubled or different at its end.

A micro grid (two arms, two benchmarks of twelve items, trainings that write their state at each step) is started,
killed by SIGKILL and started again until it ends by itself; then its
result must be that of an uninterrupted run, byte for byte but for ``provenance.times``, its samples must be the same
rows, and every checksum must hold. Then the next grid begins, until so many kills have struck. A kill strikes the
process that was started (its workers must end by themselves), the whole process group, or one worker (the grid must go
on by itself).

All processes are forked from one that has loaded the libraries: a kill while libraries load would test nothing, and a
restart comes at once, while orphans may still be ending, which is harder than what a user can do. The package that is
tested is the installed one, or the one that PYTHONPATH names.

    python benchmarks/torture.py --kills 100
    python benchmarks/torture.py --kills 100 --sibling         # half of each grid is adopted from a directory beside it
    python benchmarks/torture.py --kills 10 --executor ray     # each start begins a Ray cluster of its own, here
    python benchmarks/torture.py --kills 10 --backend vllm     # in an environment that has vLLM

Over Ray a kill strikes the process that was started, its group or a worker of Ray's; what Ray leaves behind of a killed
driver has to end by itself, and may still be writing while the next start reads. A sibling must be sound and have the
same files after each grid; the result must also be that of a grid that had none.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import difflib
import gc
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS, BATCH, STEPS = 12, 3, 24
AT_EACH_STEP = 1e-9  # minutes between two states of a training
TASKS = ("gsm8k_micro", "mbpp_micro")
_PATIENCE_SECONDS = 600
_MOST_KILLS = 8  # in one grid: a finished one could else be killed again and again while it reads what is there
_LATE = 0.15  # share of kills that wait for the last evaluation, to strike the reports


class LostError(AssertionError):
    """Something was lost, doubled or changed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """What is started again and again.

    Attributes:
        seeds: Training seeds.
        executor: What performs the runs.
        backend: What answers.
    """

    seeds: int
    executor: str = "local"
    backend: str = "transformers"

    @property
    def evaluations(self) -> int:
        """Evaluations of the grid: two arms."""
        return 2 * self.seeds * len(TASKS)


@dataclasses.dataclass(slots=True)
class Tally:
    """What the kills met."""

    kills: int = 0
    grids: int = 0
    starts: int = 0
    targets: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    moments: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def load_libraries() -> None:
    """Import what a comparison needs, once, without starting a thread."""
    os.environ.update(
        TQDM_DISABLE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false",
        TRANSFORMERS_VERBOSITY="error", OMP_NUM_THREADS="1", ARROW_DEFAULT_MEMORY_POOL="system",
    )  # fmt: skip
    import torch  # noqa: PLC0415 - as above

    import talan_eval.cli.grid  # noqa: PLC0415 - as above
    import talan_eval.execution.run_worker  # noqa: PLC0415 - as above
    import talan_eval.intake.prepare  # noqa: PLC0415 - as above
    import talan_eval.pipeline.comparing  # noqa: F401, PLC0415 - as above

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # or every collection in every forked process goes through all libraries


def start(out: Path, grid: Grid) -> int:
    """Start the comparison in a process group of its own and return its process id."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    log = os.open(out.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        _compare(out, grid)
        code = 0
    except Exception:  # noqa: BLE001 - the end of a process; its log says what happened
        import traceback  # noqa: PLC0415 - only here

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _compare(out: Path, grid: Grid) -> None:
    from talan_eval.cli.grid import perform_grid  # noqa: PLC0415 - loaded before
    from talan_eval.execution import executors  # noqa: PLC0415 - as above
    from talan_eval.execution.local_executor import LocalExecutor  # noqa: PLC0415 - as above
    from talan_eval.requests.compare import CompareRequest  # noqa: PLC0415 - as above

    if grid.executor == "local":
        # see the module: how processes start is nothing that a user chooses
        vars(executors)["EXECUTORS"] = {"local": lambda _, prepared: LocalExecutor(prepared.workers, method="fork")}
    request = CompareRequest(
        executor=grid.executor, backend=grid.backend,
        seeds=str(grid.seeds), tasks=",".join(TASKS), limit=ITEMS, eval_batch=BATCH, steps=STEPS, batch_size=2,
        workers=2, retries=9, save_minutes=AT_EACH_STEP, out=out,
    )  # fmt: skip
    perform_grid(request, None)


def wait(process: int) -> int:
    """Wait for the end of a process and return its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: so many seconds after the start, or after the last evaluation."""

    delay: float
    late: bool


def strike(process: int, out: Path, grid: Grid, when: Moment, dice: random.Random, tally: Tally) -> bool:
    """Wait, then kill; return whether the process was still there to be killed."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while when.late and finished(out) < grid.evaluations:
        if ended(process) or time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    began = time.monotonic()
    while time.monotonic() < began + when.delay:
        if ended(process):
            return False
        time.sleep(0.002)
    workers = forked(process) if grid.executor == "local" else of_ray(process)
    target = dice.choice(("the process", "the group", "one worker")) if workers else "the process"
    tally.moments[moment(out, grid.evaluations)] += 1
    tally.targets[target] += 1
    tally.kills += 1
    if target == "one worker":
        dice.choice(workers).kill()
    elif target == "the group":
        os.killpg(process, signal.SIGKILL)
    else:
        os.kill(process, signal.SIGKILL)
    return True


def forked(process: int) -> list[psutil.Process]:
    """Return the grid's workers; the sandbox's have a command line of their own, and its start is not retried."""
    parent = psutil.Process(process)
    found = []
    for child in parent.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.cmdline() == parent.cmdline():
                found.append(child)
    return found


def of_ray(process: int) -> list[psutil.Process]:
    """Return the processes of Ray that perform runs, of the cluster that a process has started."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(child.cmdline()).startswith("ray::_perform"):
                found.append(child)
    return found


def ended(process: int) -> bool:
    """Return whether a child has ended, without reaping it."""
    return psutil.Process(process).status() == psutil.STATUS_ZOMBIE


def moment(out: Path, evaluations: int) -> str:
    """Say what the comparison seems to be doing."""
    if not (out / "manifest.json").exists():
        return "starting"
    temporary = [path for path in out.rglob(".tmp-*") if ".tmp-" in path.name]
    if finished(out) == evaluations:
        return "reporting"
    if any(path.parent.name in {"cells", *TASKS} for path in temporary):
        return "sealing"
    if any((out / "running").glob("*.jsonl")):
        return "evaluating"
    if any((out / "running").glob("*/")):
        return "training"
    return "between"


def content(out: Path) -> tuple[str, dict[str, Any]]:
    """Return the result without its times, as text, and all samples by file."""
    from talan_eval.store.sealed_rows import read_rows  # noqa: PLC0415 - loaded before

    result = json.loads((out / "result.json").read_text())
    del result["provenance"]["times"]
    samples = {str(path.relative_to(out)): read_rows(path) for path in sorted((out / "samples").rglob("*.parquet"))}
    return json.dumps(result, indent=2), samples


def differing(found: tuple[str, dict[str, Any]], reference: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    """Return the lines of the result, and the files of samples, in which two contents differ; at most 20."""
    lines = difflib.unified_diff(reference[0].splitlines(), found[0].splitlines(), n=0, lineterm="")
    files = [name for name in sorted({*found[1], *reference[1]}) if found[1].get(name) != reference[1].get(name)]
    return tuple(itertools.islice((*lines, *files), 20))


def check(out: Path, reference: tuple[str, dict[str, Any]], evaluations: int) -> None:
    """Compare a finished directory with the uninterrupted one.

    Raises:
        LostError: They differ, or something unsound is left.
    """
    from talan_eval.store.store import Store  # noqa: PLC0415 - loaded before

    store = Store.load(out)
    for name in store.checkpoint_names():
        store.check_checkpoint(name)
    rows = [row["item_id"] for rows in content(out)[1].values() for row in rows]
    findings = {
        "damaged": store.verify().problems,
        "failed": tuple(store.failures()),
        "journals or states left": tuple(store.journal_names() | store.training_names()),
        "temporary files left": tuple(path.name for path in out.rglob(".tmp-*")),
        "samples lost or doubled": () if len(rows) == evaluations * ITEMS else (len(rows),),
        "other result or samples": differing(content(out), reference),
    }
    wrong = {name: found for name, found in findings.items() if found}
    if wrong:
        raise LostError(f"{out}: {wrong}")


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the hashes of all files of a directory by name."""
    found = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).digest() for path in found}


def check_sibling(out: Path, sibling: Path, before: dict[str, bytes]) -> None:
    """Check that a sibling is as it was, and that each of its checkpoints and evaluations was taken over, not repeated.

    Raises:
        LostError: It was changed, or something of it is not the same file in both.
    """
    if files_of(sibling) != before:
        raise LostError(f"{sibling} was changed")
    shared = [*sibling.glob("samples/*/*.parquet"), *sibling.glob("checkpoints/*/*.safetensors")]
    own = [out / path.relative_to(sibling) for path in shared]
    repeated = [str(mine) for mine, path in zip(own, shared, strict=True) if not mine.samefile(path)]
    if repeated or not shared:
        raise LostError(f"not taken over from {sibling}: {repeated[:20]}")


def whole(out: Path, grid: Grid) -> tuple[str, dict[str, Any]]:
    """Run a grid without interrupting it and return its content.

    Raises:
        LostError: It failed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if wait(start(out, grid)) != 0:
        raise LostError((out.parent / "log").read_text())
    return content(out)


def torture(root: Path, kills: int, grid: Grid, seed: int, *, sibling: bool) -> Iterator[Tally]:
    """Kill and restart until so many kills have struck; yield the tally after each grid.

    Raises:
        LostError: A grid did not end as the uninterrupted one, or its sibling was changed.
    """
    dice = random.Random(seed)  # noqa: S311 - times of kills
    tally = Tally()
    began = time.monotonic()
    reference = whole(root / "whole" / "run", grid)
    longest = time.monotonic() - began
    beside = root / "half" / "sibling"
    if sibling:
        whole(beside, dataclasses.replace(grid, seeds=max(1, grid.seeds // 2)))
        longest /= 2
    before = files_of(beside)
    while tally.kills < kills:
        out = root / f"grid-{tally.grids}" / "run"
        out.parent.mkdir()
        if sibling:
            shutil.copytree(beside, out.parent / "sibling", copy_function=os.link)
        _until_it_ends(out, grid, kills, (dice, longest), tally)
        check(out, reference, grid.evaluations)
        if sibling:
            check_sibling(out, out.parent / "sibling", before)
        shutil.rmtree(out.parent)
        tally.grids += 1
        yield tally


def _until_it_ends(out: Path, grid: Grid, kills: int, chance: tuple[random.Random, float], tally: Tally) -> None:
    """Start a grid, kill it and start it again until it ends by itself.

    Args:
        out: Its directory.
        grid: What is started.
        kills: Kills of all grids together.
        chance: The dice, and how long an uninterrupted grid takes, seconds.
        tally: Kills are counted there.
    """
    dice, longest = chance
    struck = 0
    while True:
        tally.starts += 1
        process = start(out, grid)
        late = dice.random() < _LATE
        # squared, because the reference was the first and slowest: a delay beyond the end kills nothing
        delay = dice.random() ** 2 * (0.5 if late else longest * max(0.1, 1 - finished(out) / grid.evaluations))
        if tally.kills < kills and struck < _MOST_KILLS:
            struck += strike(process, out, grid, Moment(delay, late), dice, tally)
        code = wait(process)
        if code == 0:
            return
        if code != -signal.SIGKILL:
            raise LostError(f"{out}: exit code {code}\n{(out.parent / 'log').read_text()}")


def finished(out: Path) -> int:
    """Return how many evaluations are sealed."""
    return len(list((out / "cells").glob("eval_*.json")))


def main() -> None:
    """Run the torture and print what it met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--grid-seeds", type=int, default=2, help="training seeds of the grid")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times of the kills")
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help="what performs the runs")
    parser.add_argument("--backend", choices=("transformers", "vllm"), default="transformers", help="what answers")
    parser.add_argument("--sibling", action="store_true", help="put a finished comparison of fewer seeds beside each")
    asked = parser.parse_args()
    grid = Grid(asked.grid_seeds, asked.executor, asked.backend)
    load_libraries()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        for tally in torture(Path(directory), asked.kills, grid, asked.seed, sibling=asked.sibling):
            seconds = time.monotonic() - began
            print(
                f"{tally.kills} kills, {tally.starts} starts, {tally.grids} grids equal to the uninterrupted one, "
                f"{seconds:.0f} s; struck {dict(tally.moments)}, {dict(tally.targets)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
