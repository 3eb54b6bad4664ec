"""Runs ``speed_of_statistics.py``, and stands aside for whoever wants the standard library's module of this name.

Python puts a script's directory first on its path, so every script in this directory, and every library that it loads,
would get this file for ``import statistics``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)


def main() -> None:
    """Measure and print the table."""
    importlib.import_module("speed_of_statistics").main()


if __name__ == "__main__":
    main()
else:
    _path = sys.path[:]
    sys.path[:] = [entry for entry in sys.path if str(Path(entry or ".").resolve()) != str(Path(_HERE).resolve())]
    del sys.modules[__name__]
    sys.modules[__name__] = importlib.import_module(__name__)
    sys.path[:] = _path
