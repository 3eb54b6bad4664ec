"""Draw the figures of the documentation from the committed comparison: python benchmarks/docs_figures.py RESULT."""

from __future__ import annotations

import sys
from pathlib import Path

from talan_eval.gate.reading import read_result
from talan_eval.report.plots import draw


def main(result: Path, out: Path) -> None:
    """Write each figure as PNG.

    Args:
        result: A result.json or its directory.
        out: Directory.
    """
    for figure in draw(read_result(result)):
        (out / f"{figure.name}.png").write_bytes(figure.png())
        print(figure.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[1] / "docs" / "figures")
