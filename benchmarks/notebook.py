"""Run the notebook of examples/ from top to bottom, and keep what it shows.

    python benchmarks/notebook.py

To be given again whenever what a result shows has changed; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "compare.ipynb"


def main() -> None:
    """Execute all cells in the notebook's directory and write it back without times and versions."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # nbformat is untyped
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)  # type: ignore[no-untyped-call]  # as above


if __name__ == "__main__":
    main()
