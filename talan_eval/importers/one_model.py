"""Whether the runs below one directory are of one arm: models whose names differ in more than a number may be none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.importers.seeds import SEED_NUMBER
from talan_eval.importers.words import several, typed_words

if TYPE_CHECKING:
    from talan_eval.importers.reader import LoggedSource

_DIGITS: Final = re.compile(r"\d+")


def refuse_other_models(source: LoggedSource) -> None:
    """Refuse a directory below which several models were scored, if nothing says that they are seeds of one arm.

    lm-eval puts the logs of each model into a directory of its own, so that two models that were scored into one
    directory would be taken for two trainings of one arm. They are, if their paths or the logs state seeds, if their
    names differ in numbers alone, or if each run was named by the user, one by one or by a pattern.

    Raises:
        UserError: With the models, and what names the runs of one of them.
    """
    directory = source.source.word.path
    if any(word in directory for word in "*?["):
        return
    open_runs = [
        run
        for run in source.runs
        if run.seed is None and run.model is not None and not SEED_NUMBER.search(str(run.path))
    ]
    by_backbone: dict[str | None, dict[str, list[str]]] = {}
    for run in open_runs:
        models = by_backbone.setdefault(run.adapted, {})
        models.setdefault(_DIGITS.sub("0", str(run.model)), []).append(f"{run.model} ({run.path})")
    for models in by_backbone.values():
        if len(models) > 1:
            name = source.name or "NAME"
            kept = next(iter(models))
            words = [f"{name}={run.path}" for run in open_runs if _DIGITS.sub("0", str(run.model)) == kept]
            raise UserError(
                f"{source.typed} holds runs of {len(models)} models: {several([own[0] for own in models.values()])}.",
                "Trainings of one arm with other seeds are named one by one, or by a pattern. To compare the first "
                f"model alone, type instead of {source.typed}: {typed_words(*words)}",
            )
