"""What a user may ask of ``internals``: declared once, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time

from talan_eval.requests.fields import argument, option


@dataclass(frozen=True, kw_only=True)
class InternalsRequest:
    """The options of ``talan-eval internals``, as typed; nothing is checked yet."""

    results: Path = argument("Directory of a comparison that was run here.")
    task: tuple[str, ...] = option((), "Benchmark on which to measure; may be repeated. All of them when left out.")
    examples: int = option(48, "Items of each benchmark, evenly spread over it.")
    positions: str = option("solution", "Positions that count: those that predict the solution, the prompt, or all.")
    out: Path | None = option(None, "Directory for what is written; RESULTS/internals when left out.")
    dtype: str = option(
        "float32", "Type of the backbone: float32, with bfloat16 beside it, or bfloat16 alone, if it does not fit."
    )
    device: str = option("auto", "auto, cpu or cuda.")
    data_dir: Path | None = option(None, "Directory of the real benchmarks' data.")
    backbone: tuple[str, ...] = option((), "Directory of a backbone that was compared by its place; may be repeated.")
