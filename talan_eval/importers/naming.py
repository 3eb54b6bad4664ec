"""What the two arms are called: the user's name, the model's, the directory's, or base and treat."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.model import LoggedRun
    from talan_eval.importers.sources import Found

_ARMS_INSIDE: Final = frozenset({"table", "talan-eval"})
_HUB_PARTS: Final = 2  # "owner/model"
_SEED_END: Final = re.compile(r"(?i)[-_./ ]+(seed|run|s)?[-_./ ]*$")


def arm_names(
    base: Sequence[Found], base_runs: Sequence[LoggedRun], treat: Sequence[Found], treat_runs: Sequence[LoggedRun]
) -> tuple[str, str]:
    """Choose the first pair of names in which both arms have one and the two differ.

    Raises:
        UserError: One arm was given two names, or both arms the same.
    """
    typed = (_typed(base, "base"), _typed(treat, "treat"))
    if typed[0] is not None and typed[0] == typed[1] and base_runs[0].harness in _ARMS_INSIDE:
        typed = (None, None)  # there NAME says which arm of the file is read, and one arm of two files may be compared
    elif typed[0] is not None and typed[0] == typed[1]:
        raise UserError(
            f"Both arms are called {typed[0]!r}.",
            f"Give them different names: --base-logs base={base[0].text} --treat-logs treat={treat[0].text}",
        )
    models = (_model(base_runs), _model(treat_runs))
    places, parents = ((_place(base, up), _place(treat, up)) for up in (False, True))
    fallback = ("base", "treat")
    for first, second in (models, places, parents, fallback):
        names = (typed[0] or first, typed[1] or second)
        if names[0] and names[1] and names[0] != names[1]:
            return names[0], names[1]
    return fallback


def _typed(found: Sequence[Found], side: str) -> str | None:
    names = list(dict.fromkeys(one.name for one in found if one.name is not None))
    if len(names) > 1:
        raise UserError(
            f"--{side}-logs: one arm has several names: {', '.join(names)}.",
            f"Name the first directory only: --{side}-logs {names[0]}={found[0].text}",
        )
    return names[0] if names else None


def _model(runs: Sequence[LoggedRun]) -> str:
    """Return what the models' names share: "lora" for lora-seed0 and lora-seed1."""
    names = [_short(run.model) for run in runs if run.model is not None]
    if len(names) < len(runs):
        return ""
    return names[0] if len(set(names)) == 1 else _SEED_END.sub("", _common_start(names))


def _short(model: str) -> str:
    """Return a Hub id whole and of a path its last part."""
    parts = [part for part in re.split(r"[/\\]", model) if part]
    is_path = len(parts) > _HUB_PARTS or model.startswith(("/", ".", "~"))
    return parts[-1] if is_path and parts else model


def _place(found: Sequence[Found], up: bool) -> str:  # noqa: FBT001 - private
    """Return what the last parts of the paths share, or the parts above them."""
    paths = [Path(one.text).absolute() for one in found]
    names = [re.sub(r"[*?\[\]]+", "", (path.parent if up else path).name) for path in paths]
    return _SEED_END.sub("", _common_start(names))


def _common_start(names: Sequence[str]) -> str:
    return os.path.commonprefix(list(names))  # noqa: RUF071 - the letters are compared, not parts of a path
