"""One grid here, against a loop over a TRL script and an ``lm_eval`` call per checkpoint: same backbone, data, batches.

The loop starts two processes for each arm and seed, and each loads all libraries, backbone and benchmarks again.
Times are wall and CPU seconds of all processes; on a machine that others use as well only the CPU seconds can be
compared. TRL must be importable by the Python that is named (it is no dependency of this project).

    python benchmarks/against_loop.py --loop-python /path/to/python-with-trl --seeds 7
    python benchmarks/against_loop.py --loop-python /path/to/python-with-trl --backbone smollm2-135m --tasks gsm8k \
        --data-dir DATA --seeds 2 --limit 16 --steps 8 --eval-batch 8

The grid can be given what makes it faster, and the environment of `make install-vllm`: ``--grid-python
build/vllm/bin/python --grid-options '--backend vllm --eval-batch 256 --recipe logits=targets --recipe packing=true'``.
Both sides load the backbone in the type of its own recipe, or in that of ``--dtype``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from talan_core.backbones.load import locate
from talan_core.backbones.names import find_backbone
from talan_eval.tasks.benchmark import load_benchmark, task_files, tasks_directory

RATE, LENGTH = 3e-3, 320
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asked:
    """What both have to do."""

    backbone: str
    weights: str
    tasks: tuple[str, ...]
    data: Path | None
    dtype: str
    seeds: int
    limit: int
    steps: int
    batch: int
    eval_batch: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one or several commands."""

    wall: float
    cpu: float

    def __add__(self, other: Spent) -> Spent:
        """Add both."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu)


def run(words: list[str], cwd: Path) -> Spent:
    """Run a command to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {
        **os.environ, "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(HERE.parent),
    }  # fmt: skip
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def write_data(asked: Asked, path: Path) -> None:
    """Write the training mix as conversations, as TRL takes them."""
    with path.open("w", encoding="utf-8") as file:
        for name in asked.tasks:
            for prompt, completion in load_benchmark(name, data_dir=asked.data, limit=None).training:
                row = {
                    "prompt": [{"role": "user", "content": prompt}],
                    "completion": [{"role": "assistant", "content": completion}],
                }
                file.write(json.dumps(row) + "\n")


def loop(python: str, asked: Asked, cells: list[tuple[str, int]], root: Path) -> tuple[Spent, Spent]:
    """Train and evaluate each arm and seed; return what training and what evaluation took."""
    training = evaluation = Spent(0, 0)
    data = root / "train.jsonl"
    write_data(asked, data)
    for arm, seed in cells:
        out = root / f"{arm}-{seed}"
        recipe = ["--steps", str(asked.steps), "--batch-size", str(asked.batch), "--learning-rate", str(RATE)]
        words = [python, str(HERE / "loop_sft.py"), "--model", asked.weights, "--data", str(data)]
        training += run(
            [
                *words,
                "--out",
                str(out),
                "--seed",
                str(seed),
                "--max-length",
                str(LENGTH),
                "--dtype",
                asked.dtype,
                *recipe,
            ]
            + (["--dora"] if arm == "dora" else []),
            root,
        )
        evaluation += run(
            [
                python, "-m", "lm_eval", "run", "--model", "hf",
                "--model_args", f"pretrained={asked.weights},peft={out},dtype={asked.dtype}",
                "--tasks", ",".join(task_files()[name].stem for name in asked.tasks),
                "--include_path", str(tasks_directory()), "--limit", str(asked.limit),
                "--batch_size", str(asked.eval_batch), "--device", "cpu", "--apply_chat_template",
                "--log_samples", "--output_path", str(out / "log"),
                *([] if asked.data is None else ["--metadata", json.dumps({"data_dir": str(asked.data)})]),
            ],
            root,
        )  # fmt: skip
        print(f"  {arm} {seed}: training {training.wall:.0f} s, evaluation {evaluation.wall:.0f} s so far", flush=True)
    return training, evaluation


def start_up(python: str, root: Path) -> Spent:
    """Return what the two processes of one arm and seed take before they have done anything: importing libraries."""
    trainer = run([python, str(HERE / "loop_sft.py"), "--help"], root)
    return trainer + run([python, "-c", "import lm_eval.models.huggingface, peft"], root)


def grid(python: str, asked: Asked, more: list[str], root: Path) -> Spent:
    """Run the same grid here, with further options."""
    return run(
        [
            python, "-m", "talan_eval.cli.main", "compare", "--base", "lora", "--treat", "dora",
            "--backbone", asked.backbone, "--seeds", str(asked.seeds), "--tasks", ",".join(asked.tasks),
            "--limit", str(asked.limit), "--steps", str(asked.steps), "--batch-size", str(asked.batch),
            "--learning-rate", str(RATE), "--recipe", f"dtype={asked.dtype}", "--recipe", f"max_length={LENGTH}",
            "--eval-batch", str(asked.eval_batch), "--out", str(root / "grid"), *more,
            *([] if asked.data is None else ["--data-dir", str(asked.data)]),
        ],
        root,
    )  # fmt: skip


def program(name: str) -> str:
    """Return a Python that can be started from any directory; a link stays one, it leads to its environment."""
    found = str(Path(shutil.which(name) or name).absolute())
    with tempfile.TemporaryDirectory() as elsewhere:
        run([found, "--version"], Path(elsewhere))
    return found


def main() -> None:
    """Run both and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--loop-python", required=True, help="a Python with trl, peft and lm_eval")
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--tasks", default="gsm8k_micro,gpqa_diamond_micro")
    parser.add_argument("--data-dir", type=Path, help="where the benchmarks lie that are not part of the project")
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--eval-batch", type=int, default=64)
    parser.add_argument("--loop-cells", type=int, help="perform only so many arms and seeds of the loop, and scale up")
    parser.add_argument("--grid-python", default=sys.executable, help="the Python of the grid; this one when left out")
    parser.add_argument("--grid-options", default="", help="what the grid is given beside, as typed")
    parser.add_argument("--dtype", help="type of the backbone's weights; that of its recipe when left out")
    options = parser.parse_args()
    loop_python, grid_python = program(options.loop_python), program(options.grid_python)
    spec = find_backbone(options.backbone)
    asked = Asked(
        options.backbone, locate(spec).location, tuple(options.tasks.split(",")),
        options.data_dir and options.data_dir.resolve(), options.dtype or spec.dtype, options.seeds, options.limit,
        options.steps, options.batch_size, options.eval_batch,
    )  # fmt: skip
    cells = [(arm, seed) for seed in range(asked.seeds) for arm in ("lora", "dora")]
    some = cells if options.loop_cells is None else cells[: options.loop_cells]
    scale = len(cells) / len(some)
    print(f"{asked.backbone} in {asked.dtype}, {', '.join(asked.tasks)}, {len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        training, evaluation = loop(loop_python, asked, some, root)
        print(f"loop: {len(some)} of {len(cells)} arms and seeds, scaled by {scale:g}")
        for name, spent in (("training", training), ("evaluation", evaluation), ("both", training + evaluation)):
            print(f"  {name:<12}{spent.wall * scale:>9.0f} s wall{spent.cpu * scale:>9.0f} s CPU", flush=True)
        idle = start_up(loop_python, root)
        print(f"  of it imports{idle.wall * len(cells):>7.0f} s wall{idle.cpu * len(cells):>9.0f} s CPU", flush=True)
        ours = grid(grid_python, asked, shlex.split(options.grid_options), root)
        times = json.loads((root / "grid" / "result.json").read_text(encoding="utf-8"))["provenance"]["times"]
    both = training + evaluation
    print(f"grid:         {ours.wall:>9.0f} s wall{ours.cpu:>9.0f} s CPU; its workers were training for")
    print(f"  {times['training_seconds']:.0f} s and evaluating for {times['evaluation_seconds']:.0f} s, side by side")
    print(f"ratio:        {both.wall * scale / ours.wall:>9.1f}       {both.cpu * scale / ours.cpu:>9.1f}")


if __name__ == "__main__":
    main()
