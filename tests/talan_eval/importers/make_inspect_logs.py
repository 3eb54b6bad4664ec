"""Writes the inspect_ai logs that the tests read: python make_inspect_logs.py DIRECTORY (needs inspect_ai).

A solver answers in place of a model, right or wrong by a fixed pattern, so that nothing is downloaded.
"""

from __future__ import annotations

import sys
from pathlib import Path

from inspect_ai import Epochs, Task
from inspect_ai import eval as run
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes, match
from inspect_ai.solver import solver

ITEMS = 4


@solver
def pattern(right: tuple[int, ...]):
    async def solve(state, generate):  # noqa: ARG001 - inspect_ai's signature
        number = int(state.sample_id.removeprefix("s"))
        good = (number + state.epoch) % ITEMS in right
        state.output = ModelOutput.from_content("mockllm/model", str(state.target.text if good else "no idea"))
        return state

    return solve


@solver
def broken():
    async def solve(state, generate):  # noqa: ARG001 - inspect_ai's signature
        raise RuntimeError("the model did not answer")

    return solve


def sums(answer, **changes) -> Task:
    samples = [Sample(id=f"s{n}", input=f"What is {n} + 1?", target=str(n + 1)) for n in range(ITEMS)]
    return Task(
        **{
            "name": "sums",
            "version": 2,
            "dataset": samples,
            "solver": answer,
            "scorer": [match(), includes()],
            **changes,
        }
    )


def write(directory: Path) -> None:
    def log(task: Task, where: str, kind: str = "eval") -> None:
        run(
            task,
            model="mockllm/model",
            log_dir=str(directory / where),
            log_format=kind,
            display="none",
            log_level="error",
        )

    for seed in (0, 1):
        log(sums(pattern((0, 1))), f"base/seed{seed}")
        log(sums(pattern((0, 1, 2 + seed))), f"treat/seed{seed}", "eval" if seed else "json")
    log(sums(pattern((0, 2)), epochs=Epochs(2)), "epochs")
    log(sums(broken()), "broken")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
