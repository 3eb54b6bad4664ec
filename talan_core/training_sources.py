"""What training items are called: sources by name with their weights, read without opening any.

A source is written NAME or NAME:WEIGHT, several are separated by commas: "gsm8k:2,math:1", "mine.jsonl",
"owner/dataset@train", "owner/dataset@train#revision".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from talan_core.errors import UserError

HUB: Final = re.compile(
    r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?:(?P<config>[\w.-]+)/)?(?P<split>[\w.-]+))?(?:#(?P<revision>[\w./-]+))?"
)
"""A data set of the Hub, or a local directory of that path."""
LINES: Final = (".jsonl", ".ndjson")
"""How files of JSON lines are called."""
EXAMPLE: Final = 'Type for example "gsm8k", "gsm8k:2,math:1", "mine.jsonl" or "owner/dataset@train".'


@dataclass(frozen=True)
class SourceSpec:
    """A source as it was named.

    Args:
        name: A benchmark, a file of JSON lines, or a data set of the Hub with its split.
        weight: Its weight in a mixture.
    """

    name: str
    weight: float


def parse_sources(text: str) -> tuple[SourceSpec, ...]:
    """Read sources and weights.

    Args:
        text: As typed; see the module's description.

    Returns:
        The sources in the order given. Nothing is opened.

    Raises:
        UserError: A source is named twice, a weight is not a positive number, or nothing is named.
    """
    specs = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, colon, weight = part.rpartition(":")
        if not colon:
            name, weight = part, "1"
        try:
            value = float(weight)
        except ValueError:
            value = math.nan
        if not name or not (math.isfinite(value) and value > 0):
            raise UserError(f"The source {part!r} has the weight {weight!r}, not a positive number.", EXAMPLE)
        specs.append(SourceSpec(name, value))
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not specs:
        problem = "No source is named." if twice is None else f"The source {twice!r} is named twice."
        raise UserError(problem, EXAMPLE)
    return tuple(specs)


def is_data(name: str) -> bool:
    """Return whether a source is a file or a data set of the Hub by its form, or MATH, of which no task is called so.

    Args:
        name: A source without its weight.
    """
    return name.endswith(LINES) or HUB.fullmatch(name) is not None or name == "math"
