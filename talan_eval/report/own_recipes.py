"""Which arms were trained with a recipe of their own: said at every table, for a gain may be the recipe's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from talan_eval.result.schema import Result

_NAMED: Final = 3
UNKNOWN: Final = "not known (stored)"


def own_recipe(result: Result, arm: str) -> str | None:
    """Say what of an arm's recipe is its own, with the backbone where that differs.

    Args:
        result: The published result.
        arm: Arm name.

    Returns:
        Such as "learning_rate=0.002"; None for nothing, and where the result does not know recipes. That it is not
        known of an arm that was trained elsewhere.
    """
    if arm in stored_arms(result):
        return UNKNOWN
    backbones = part(result.provenance, "experiment", "backbones")
    said: dict[str, str] = {}
    for one in backbones if isinstance(backbones, list) else []:
        own = part(one, "training_by_arm", arm)
        text = ", ".join(f"{key}={value}" for key, value in own.items()) if isinstance(own, dict) else ""
        said[str(part(one, "identity", "name"))] = text
    if len(set(said.values())) == 1:
        return next(iter(said.values())) or None
    return "; ".join(f"{name}: {text}" for name, text in said.items() if text) or None


def different_recipes(result: Result, arms: Iterable[str]) -> str:
    """Say that arms were trained with different recipes, and what is their own; empty where all have the same.

    Of arms that were trained elsewhere it is said that nobody knows.
    """
    every = dict.fromkeys(arms)
    stored = [arm for arm in every if arm in stored_arms(result)]
    own = {arm: own_recipe(result, arm) for arm in every if arm not in stored}
    differ = len(set(own.values())) > 1
    said = [f"{arm} ({text})" for arm, text in own.items() if text is not None] if differ else []
    parts = ("recipes differ", said), ("recipes not known of stored arms", stored)
    return "; ".join(f"{what}: {_first(names)}" for what, names in parts if names)


def stored_arms(result: Result) -> tuple[str, ...]:
    """Return the arms of a result that were trained elsewhere."""
    stored = part(result.provenance, "experiment", "stored")
    return tuple(str(part(one, "name")) for one in stored) if isinstance(stored, list) else ()


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def titled(title: str, result: Result, arms: Iterable[str]) -> str:
    """Return the title of a table about some arms, with what is different in how they were trained."""
    different = different_recipes(result, arms)
    return f"{title}; {different}" if different else title


def part(document: object, *keys: str) -> object:
    """Return what stands under some keys; None where a level has none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
