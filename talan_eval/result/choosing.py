"""Contrasts by name, as they are typed: TREATMENT:BASE."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from talan_eval.result.schema import Contrast, ContrastName, Result

OPTION = "--contrast"


def typed(contrast: ContrastName) -> str:
    """Return what a user types for a contrast."""
    return f"{contrast.treatment}:{contrast.base}"


def chosen_contrasts(result: Result, names: Sequence[str]) -> tuple[Contrast, ...]:
    """Return the contrasts that were named, each once, in the order of the result; all of them without a name.

    A name is compared as a whole with those of the result: arms of logs may have a colon in their own name.

    Args:
        result: The result.
        names: TREATMENT:BASE of each.

    Raises:
        UserError: The result has no such contrast, or two that are typed alike.
    """
    if not names:
        return result.contrasts
    wanted = {_named(result.contrasts, name) for name in names}
    return tuple(one for one in result.contrasts if typed(one) in wanted)


def chosen_contrast(result: Result, name: str | None) -> Contrast:
    """Return the contrast that was named, or the primary one without a name.

    Raises:
        UserError: As for ``chosen_contrasts``.
    """
    return result.contrasts[0] if name is None else chosen_contrasts(result, (name,))[0]


def _named(contrasts: Iterable[Contrast], name: str) -> str:
    text = name.strip()
    valid = [typed(one) for one in contrasts]
    if valid.count(text) > 1:
        raise UserError(
            f"{OPTION} {name!r} names two contrasts of arms that have a colon in their names.",
            f"Leave {OPTION} out to take all contrasts, or give the arms names without a colon and compare again.",
        )
    if text in valid:
        return text
    turned = [typed(one) for one in contrasts if text == f"{one.base}:{one.treatment}"]
    close = turned or difflib.get_close_matches(text, valid, n=1, cutoff=0.4)
    hint = f"Did you mean {OPTION} '{close[0]}'? " if close else ""
    listed = ", ".join(f"'{one}'" for one in valid)
    raise UserError(f"The result has no contrast {name!r}.", f"{hint}Type TREATMENT:BASE; it has {listed}.")
