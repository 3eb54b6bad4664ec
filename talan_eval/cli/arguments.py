"""``@FILE`` on the command line: options from a TOML file, so that an experiment can be kept, reviewed and repeated."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = "@"


def expand(words: Iterable[str]) -> list[str]:
    """Replace each ``@FILE`` by the options that the file holds.

    A key is an option without its dashes (``-`` and ``_`` are the same), ``true`` sets a flag, ``false`` leaves it out,
    and a list repeats an option. Options that are typed after ``@FILE`` win.

    Args:
        words: The command line without the program.

    Raises:
        UserError: The file is missing, is no TOML, or holds a table.
    """
    return [part for word in words for part in (_options(word[1:]) if word.startswith(_MARK) else (word,))]


def _options(name: str) -> Iterator[str]:
    path = Path(name)
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"Cannot read {name!r}: {error.strerror}.", f"Name a file behind @, or write one: talan-eval init {name}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{name} is not TOML: {error}.", f"Write a fresh one: talan-eval init {name} --force"
        ) from error
    for key, value in content.items():
        for single in value if isinstance(value, list) else [value]:
            yield from _option(name, key, single)


def _option(name: str, key: str, value: object) -> Iterator[str]:
    option = f"--{key.replace('_', '-')}"
    if isinstance(value, bool):
        yield from (option,) if value else ()
    elif isinstance(value, str | int | float):
        yield f"{option}={value}"
    else:
        raise UserError(
            f"{name}: {key!r} is neither text nor a number.", f'Write one option per line, such as: {key} = "..."'
        )
