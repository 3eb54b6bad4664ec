"""How an option is declared: a field of a request's dataclass with its help, read by the command line and by files."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def option(
    default: Any,  # noqa: ANN401 - dataclasses.field is typed by its default
    text: str,
    *,
    listed: bool = False,
    table: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - as above
    """Declare an option.

    Args:
        default: Its value when left out.
        text: Its help.
        listed: Whether it is a text with commas, which may be a list in an experiment file.
        table: Of an option that is repeated as KEY=VALUE: the JSON schema of each key. It may be a table in an
            experiment file, and a key that is typed comes before the same key there.
    """
    return field(default=default, metadata={"help": text, "listed": listed, "table": table})


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
