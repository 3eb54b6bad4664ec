"""Check a configuration of PEFT before a model is made of it: types, sizes, and what the adapter is for."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_core.stored import check_largest, damaged, misfit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peft import PeftConfig
    from transformers import PreTrainedModel

_SIZES: Final = (
    *("r", "init_r", "target_r", "num_virtual_tokens", "encoder_hidden_size", "encoder_num_layers", "num_layers"),
    *("oft_block_size", "boft_block_size", "boft_block_num", "boft_n_butterfly_factor"),
)
_LARGEST_SIZE: Final = 2**24  # LoKr is given ranks of 100,000 to say that it takes the whole matrix
_LARGEST_SCALE: Final = 1e6  # of an update; alpha is 16 or 32 where anybody says what it is
_SCALES: Final = (
    *("peft_type", "r", "lora_alpha", "alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"),
    *("init_weights", "module_dropout", "is_feedforward", "fan_in_fan_out", "coft", "eps", "scaling", "bias"),
)


def check_adapter_config(config: PeftConfig, path: Path) -> None:
    """Check types and what the adapter is for.

    Args:
        config: As PEFT read it.
        path: Where from.

    Raises:
        UserError: A value has a type that PEFT does not expect, or the adapter is not one of a language model.
    """
    for name in _SIZES:
        size = getattr(config, name, None)
        if isinstance(size, int | float) and not 0 <= size <= _LARGEST_SIZE:
            raise damaged(path, f"{name}={size!r}")
    hints = _hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in hints and not _fits(value, hints[field.name], scale="alpha" in field.name):
            raise damaged(path, f"{field.name}={value!r}")
    for name, scale in _scales_of(config):
        if isinstance(scale, bool) or not isinstance(scale, int | float) or abs(scale) > _LARGEST_SCALE:
            raise damaged(path, f"{name}={scale!r}")
    task = getattr(config.task_type, "value", config.task_type)
    if task not in (None, "CAUSAL_LM"):
        raise UserError(
            f"The adapter in {path.parent} was made for the task {task}, not for a causal language model.",
            'Train it with task_type="CAUSAL_LM", or load it with PEFT: PeftModel.from_pretrained(model, DIR)',
        )


def check_sizes(config: PeftConfig, path: Path, largest: int) -> None:
    """Refuse a configuration whose sizes no tensor of the checkpoint has, before memory is taken for them.

    Args:
        config: The adapter's configuration.
        path: Where from.
        largest: The largest dimension of the checkpoint's tensors.

    Raises:
        UserError: A size is larger.
    """
    # LoKr takes the whole matrix where the rank is too large for two factors, and large ranks are used to say so.
    names = [name for name in _SIZES if not (name == "r" and _kind(config) == "LOKR")]
    pattern = getattr(config, "rank_pattern", None) or {}
    sizes = [(name, getattr(config, name, None)) for name in names]
    check_largest(path, [*sizes, *(pattern.items() if _kind(config) != "LOKR" else ())], largest)


def check_virtual_tokens(config: PeftConfig, path: Path, backbone: PreTrainedModel) -> None:
    """Check that virtual tokens were trained for a backbone of this shape; PEFT does not, as they add no layer to it.

    Args:
        config: The adapter's configuration.
        path: Where from.
        backbone: The model.

    Raises:
        UserError: They were not.
    """
    if not config.is_prompt_learning:
        return
    shape = backbone.config.get_text_config()
    layers, width = getattr(config, "num_layers", None), getattr(config, "token_dim", None)
    if layers not in (None, shape.num_hidden_layers):
        raise misfit(path, f"\n  it was made for {layers} layers, this model has {shape.num_hidden_layers}")
    if _kind(config) == "PROMPT_TUNING" and width not in (None, shape.hidden_size):
        raise misfit(path, f"\n  it was made for a hidden size of {width}, this model has {shape.hidden_size}")


def differing_scale(one: PeftConfig, other: PeftConfig) -> str | None:
    """Name a difference between two configurations that would give the same tensors another effect, or None."""
    if _kind(one) != _kind(other):
        return f"peft_type is {_kind(one)} and {_kind(other)}"
    for name in _SCALES[1:]:
        values = getattr(one, name, None), getattr(other, name, None)
        if values[0] != values[1]:
            return f"{name} is {values[0]!r} and {values[1]!r}"
    return None


def _kind(config: PeftConfig) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _scales_of(config: PeftConfig) -> Iterator[tuple[str, Any]]:
    for name in ("lora_alpha", "alpha"):
        if hasattr(config, name):
            yield name, getattr(config, name)
    yield from (getattr(config, "alpha_pattern", None) or {}).items()


def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields; none where they name what cannot be imported."""
    try:
        return typing.get_type_hints(kind)
    except (NameError, TypeError, AttributeError):
        return {}


def _fits(value: Any, hint: Any, *, scale: bool) -> bool:  # noqa: ANN401, PLR0911 - any field of any method of PEFT
    """Say whether a value has a type; what is inside lists and mappings is not looked at."""
    origin = typing.get_origin(hint)
    if hint is Any or value is None:
        return True  # PEFT declares fields that may be None as if they might not
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, kind, scale=scale) for kind in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if hint is bool:
        return isinstance(value, bool)
    if hint in (int, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (isinstance(value, int) or hint is float or scale)
    if isinstance(hint, type) and issubclass(hint, str | enum.Enum):
        return isinstance(value, str | enum.Enum)
    if origin in (list, set, tuple):
        return isinstance(value, list | set | tuple)
    if origin is dict or hint is dict:
        return isinstance(value, dict)
    return not isinstance(hint, type) or isinstance(value, (hint, dict))
