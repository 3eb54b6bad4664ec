"""Draw the figures of the documentation from the committed comparison: python benchmarks/docs_figures.py."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from talan_eval.gate.advice import power_curves
from talan_eval.gate.reading import read_result
from talan_eval.report.context import Context
from talan_eval.report.plots import draw

ROOT: Final = Path(__file__).parents[1]
RESULT: Final = ROOT / "results" / "micro_lora_vs_talan+lora"


def main() -> None:
    """Write each figure that needs no answers, which are not committed, as PNG."""
    result = read_result(RESULT)
    for figure in draw(result, Context(power=power_curves(result))):
        (ROOT / "docs" / "figures" / f"{figure.name}.png").write_bytes(figure.png())
        print(figure.name)


if __name__ == "__main__":
    main()
