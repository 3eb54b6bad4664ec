"""How an option is declared: a field of a request's dataclass with its help, read by the command line and by files."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any


def option(default: Any, text: str, *, listed: bool = False) -> Any:  # noqa: ANN401 - dataclasses.field is typed by its default
    """Declare an option.

    Args:
        default: Its value when left out.
        text: Its help.
        listed: Whether it is a text with commas, which may be a list in an experiment file.
    """
    return field(default=default, metadata={"help": text, "listed": listed})


def argument(text: str, default: Any = MISSING) -> Any:  # noqa: ANN401 - as above
    """Declare what is typed without a name; without a default it must be given."""
    return field(default=default, metadata={"help": text, "listed": False, "argument": True})


def declared(request: type) -> tuple[Field[Any], ...]:
    """Return the options of a request in the order in which they are shown: its own, then those that it shares.

    Args:
        request: A dataclass, perhaps derived from others, in whose own order the shared ones come first.
    """
    classes = [kind for kind in request.__mro__ if is_dataclass(kind)]
    places = {found.name: place for place, kind in enumerate(classes) for found in fields(kind)}
    return tuple(sorted(fields(request), key=lambda found: places[found.name]))
