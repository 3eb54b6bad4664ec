"""Make a saved checkpoint fit to be given away: files that others of the machine may read, no paths of the machine."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from talan_core.backbones.names import BY_NAME
from talan_core.checkpoint import ADAPTER_CONFIG, BLOCK_CONFIG
from talan_core.modes import follow_umask
from talan_core.plain import ARM_CONFIG
from talan_core.stored import read_json

if TYPE_CHECKING:
    from pathlib import Path

_NAMING: Final = {ADAPTER_CONFIG: "base_model_name_or_path", BLOCK_CONFIG: "base_model", ARM_CONFIG: "base_model"}


def make_portable(directory: Path, location: str, name: str) -> None:
    """Name the backbone instead of its place, and give every file the mode that the user's umask allows.

    Args:
        directory: What ``save_pretrained`` wrote.
        location: Where the backbone was loaded from; an id of the Hub is a name already and stays.
        name: What stands in its place. ``talan_core.load`` knows ``micro``, ``mini`` and ``smollm2-135m``; for other
            names it asks for the backbone.
    """
    if os.path.isabs(location):  # noqa: PTH117 - a Hub id is no path
        for file, key in _NAMING.items():
            path = directory / file
            if path.is_file():
                data = read_json(path)
                if data.get(key) == location:
                    path.write_text(json.dumps({**data, key: name}, indent=2) + "\n", encoding="utf-8")
        card = directory / "README.md"
        if card.is_file():
            card.write_text(card.read_text(encoding="utf-8").replace(location, name), encoding="utf-8")
    follow_umask(directory, directory.rglob("*"))


def known_location(name: str) -> str:
    """Return where the backbone of a name is, for the names that this package knows; else the name itself."""
    if name not in BY_NAME:
        return name
    from talan_core.backbones.load import locate  # noqa: PLC0415 - only for these names

    return locate(BY_NAME[name]).location
