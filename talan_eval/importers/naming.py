"""What arms are called: the user's name, the arm of a file, the model's, the directory's, or a number."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.importers.reader import LoggedSource

    _Group = Sequence[LoggedSource]

_HUB_PARTS: Final = 2  # "owner/model"
_PART_OF_RUN: Final = re.compile(r"(?i)(checkpoint|step|epoch|seed|run)[-_]?\d+|adapter|final|best|last|model|merged")
_STORED: Final = re.compile(r"train_(?P<arm>.+)_seed-\d+_[0-9a-f]{12}")  # the name of a training in grid.py
_SEED_END: Final = re.compile(r"(?i)[-_./ ]+(seed|run|s)?[-_./ ]*$")


def arm_names(groups: Sequence[_Group]) -> tuple[str, ...]:
    """Name the arms by the first rule under which every arm that was not named has a name, and all differ.

    Args:
        groups: The logs of each arm.

    Returns:
        One name per arm.
    """
    rules: tuple[Callable[[_Group], str], ...] = (_model, _place, _parent)
    for rule in rules:
        names = tuple(group[0].name or rule(group) for group in groups)
        if all(names) and len(set(names)) == len(names):
            return names
    taken = {group[0].name for group in groups}
    numbers = (f"arm{number}" for number in range(1, len(groups) + len(taken) + 1))
    free = (name for name in numbers if name not in taken)
    return tuple(group[0].name or next(free) for group in groups)


def _model(group: _Group) -> str:
    """Return what the models' names share: "lora" for lora-seed0 and lora-seed1."""
    runs = [run for source in group for run in source.runs]
    names = [_short(run.model) for run in runs if run.model is not None]
    if len(names) < len(runs):
        return ""
    return names[0] if len(set(names)) == 1 else _SEED_END.sub("", _common_start(names))


def _short(model: str) -> str:
    """Return a Hub id whole, and of a path its last part that names a model.

    A checkpoint of ours is called after its arm, not after the name that its directory bears in a store; directories
    such as "checkpoint-500", "seed0" and "adapter" are called after the one above.
    """
    parts = [part for part in re.split(r"[/\\]", model) if part]
    while len(parts) > _HUB_PARTS and _PART_OF_RUN.fullmatch(parts[-1]):
        parts.pop()
    stored = _STORED.fullmatch(parts[-1]) if parts else None
    if stored is not None:
        return stored["arm"]
    is_path = len(parts) > _HUB_PARTS or model.startswith(("/", ".", "~"))
    return parts[-1] if is_path and parts else "/".join(parts) or model


def _place(group: _Group) -> str:
    """Return what the last parts of the paths share."""
    return _shared([Path(source.source.word.path).absolute() for source in group])


def _parent(group: _Group) -> str:
    """Return what the parts above the last ones share."""
    return _shared([Path(source.source.word.path).absolute().parent for source in group])


def _shared(paths: Sequence[Path]) -> str:
    return _SEED_END.sub("", _common_start([re.sub(r"[*?\[\]]+", "", path.name) for path in paths]))


def _common_start(names: Sequence[str]) -> str:
    return os.path.commonprefix(list(names))  # noqa: RUF071 - the letters are compared, not parts of a path
