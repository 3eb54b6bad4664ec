"""What processes that compute inherit from the one that starts them: an environment, and no script of the user's."""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUIET: Final = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
_MAIN: Final = "__main__"


@contextlib.contextmanager
def libraries_quiet() -> Iterator[None]:
    """Keep the libraries' bars out of our display of progress, here and in processes that are started inside.

    What the environment says already stays. Not covered: libraries that were imported before.
    """
    added = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def without_main_script() -> Iterator[None]:
    """Let a process that is spawned inside not import the script that started this one.

    It would run it again, and needs nothing of it: a script may then start a comparison on its first level.
    """
    main = sys.modules[_MAIN]
    sys.modules[_MAIN] = ModuleType(_MAIN)
    try:
        yield
    finally:
        sys.modules[_MAIN] = main
