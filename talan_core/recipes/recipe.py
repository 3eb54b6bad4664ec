"""A recipe as it is typed, KEY=VALUE, and the recipe of one arm: what was typed, over its partner's own defaults.

Importing this module loads no tensor library.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import real_number, whole_number
from talan_core.errors import UserError, refuse, unknown_name
from talan_core.training_settings import CHOICES, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from talan_core.arms import Arm

FIELDS: Final[Mapping[str, Any]] = typing.get_type_hints(TrainingSettings)
"""The fields of a recipe with their types."""

_SHORT: Final[Mapping[str, str]] = {"lr": "learning_rate"}
_TRUTH: Final[Mapping[str, bool]] = {"true": True, "false": False}
_DIGITS: Final = 12  # of a rate that is a product


@dataclass(frozen=True)
class TypedRecipe:
    """The fields of a recipe that were typed; all others are the backbone's.

    Args:
        values: By field name.
    """

    values: Mapping[str, Any]

    def over(self, default: TrainingSettings) -> TrainingSettings:
        """Lay what was typed over a backbone's own recipe.

        Raises:
            UserError: The recipe that results is none.
        """
        values = dict(self.values)
        if values.get("epochs") is not None:
            values.setdefault("steps", None)
        return dataclasses.replace(default, **values)


def parse_recipe(texts: Iterable[str]) -> TypedRecipe:
    """Read "KEY=VALUE" texts.

    Args:
        texts: Such as "epochs=2" or "packing=true".

    Returns:
        The values, each of its field's type.

    Raises:
        UserError: A key that does not exist, that is given twice, or a value that its field cannot have.
    """
    values: dict[str, Any] = {}
    problems: list[UserError] = []
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        name = _SHORT.get(key, key)
        if name not in FIELDS:
            problems.append(unknown_name("recipe key", key, FIELDS))
        elif not equals or not value:
            problems.append(UserError(f"The recipe {text!r} has no value.", f"Type KEY=VALUE, as in {key}=1."))
        elif name in values:
            problems.append(UserError(f"The recipe gives {name} twice.", f"Type {name}=VALUE once."))
        else:
            try:
                values[name] = _value(name, value)
            except ValueError as error:
                problems.append(UserError(f"The recipe's {name}={value} is not {error}.", _example(name)))
    refuse(problems)
    return TypedRecipe(values)


def recipe_of(arm: Arm, common: TrainingSettings, typed: TypedRecipe) -> TrainingSettings:
    """Return the recipe of one arm.

    Its own brackets come first, then what was typed for all arms, then its partner's defaults, then the backbone's.

    Args:
        arm: The arm.
        common: The recipe of the experiment on this backbone, what was typed included.
        typed: What of it was typed.

    Raises:
        UserError: The arm cannot be trained so.
    """
    if not arm.is_trained_by_gradients:
        return common
    partner = arm.partner
    changes: dict[str, Any] = {}
    if "learning_rate" not in typed.values and partner.rate_factor != 1.0:
        rate = common.learning_rate * partner.rate_factor
        changes["learning_rate"] = float(f"{rate:.{_DIGITS}g}")
    changes["masters"] = partner.trains_backbone and common.dtype == "bfloat16" and typed.values.get("masters", True)
    if common.gradient_checkpointing and not partner.recomputes:
        raise UserError(
            f"The arm {arm.name!r} cannot be trained with gradient checkpointing: PEFT puts its tokens into the cache, "
            "which recomputing does without.",
            "Leave out gradient_checkpointing, or take another arm, such as prompt.",
        )
    if common.quantization is not None and common.quantization not in partner.takes_quantized:
        raise UserError(
            f"The arm {arm.name!r} cannot be trained on a backbone of {common.quantization}: "
            f"{'its own weights are' if partner.trains_backbone else 'PEFT does not train it on what is'} quantised.",
            "Leave out quantization, or use an arm such as lora or rslora; in 4bit also dora and adalora.",
        )
    return dataclasses.replace(common, **{**changes, **arm.overrides.given})


def differences(recipe: TrainingSettings, common: TrainingSettings) -> dict[str, Any]:
    """Return the fields in which a recipe differs from another, with its own values."""
    return {name: value for name in FIELDS if (value := getattr(recipe, name)) != getattr(common, name)}


def json_properties() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each key of a recipe, as a table in a file may hold them."""
    names = {int: "integer", float: "number", bool: "boolean"}
    found: dict[str, dict[str, Any]] = {}
    for name, hint in FIELDS.items():
        kinds = [kind for kind in (typing.get_args(hint) or (hint,)) if kind in names]
        found[name] = {"enum": list(CHOICES[name])} if name in CHOICES else {"type": [names[kinds[0]], "string"]}
    return found


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - the field's own type
    """Read a value; a ValueError says what it should have been."""
    kinds = typing.get_args(FIELDS[name]) or (FIELDS[name],)
    if name in CHOICES:
        if text not in CHOICES[name]:
            raise ValueError(f"one of {', '.join(CHOICES[name])}")
        return text
    if bool in kinds:
        words = (*_TRUTH, *(word for kind in kinds for word in typing.get_args(kind)))
        if text.lower() not in words:
            raise ValueError(f"{', '.join(words[:-1])} or {words[-1]}")
        return _TRUTH.get(text.lower(), text.lower())
    read, what = (real_number, "a number") if float in kinds else (whole_number, "a whole number")
    try:
        value = read(text)
    except ValueError:
        raise ValueError(what) from None
    if not math.isfinite(value):
        raise ValueError("a finite number")
    return value


def _example(name: str) -> str:
    if name in CHOICES:
        return f"Type {name}={CHOICES[name][0]}."
    return f"Type {name}={'true' if FIELDS[name] is bool else '0.001' if FIELDS[name] is float else '8'}."
