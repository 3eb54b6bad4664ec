"""Which arms were trained with a recipe of their own: said at every table, for a gain may be the recipe's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from talan_eval.result.schema import Result

_NAMED: Final = 3


def own_recipe(result: Result, arm: str) -> str | None:
    """Say what of an arm's recipe is its own, with the backbone where that differs.

    Args:
        result: The published result.
        arm: Arm name.

    Returns:
        Such as "learning_rate=0.002"; None for nothing, and where the result does not know recipes.
    """
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
    """Say that arms were trained with different recipes, and what is their own; empty where all have the same."""
    own = {arm: own_recipe(result, arm) for arm in arms}
    if len(set(own.values())) < 2:  # noqa: PLR2004 - two that differ
        return ""
    said = [f"{arm} ({text})" for arm, text in own.items() if text is not None]
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return f"recipes differ: {', '.join(said[:_NAMED])}{more}"


def titled(title: str, result: Result, arms: Iterable[str]) -> str:
    """Return the title of a table about some arms, with what is different in how they were trained."""
    different = different_recipes(result, arms)
    return f"{title}; {different}" if different else title


def part(document: object, *keys: str) -> object:
    """Return what stands under some keys; None where a level has none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
