"""The whole ``report.md`` in GitHub-flavoured Markdown."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from talan_eval.report import wording
from talan_eval.report.table import Table, also_table, e0_table, item_table, main_table, seed_table, slice_table

if TYPE_CHECKING:
    from talan_eval.schema import Result

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")
_RULE = {"left": ":---", "right": "---:"}


def render(result: Result) -> str:
    """Render a comparison.

    Args:
        result: The published result.

    Returns:
        Title, verdict, main table, differences per seed, checkpoint pairs, notes, warnings and provenance.
    """
    sections = [
        f"# {escape(result.treat)} against {escape(result.base)}",
        f"**{escape(wording.headline(result))}**",
        escape(wording.per_benchmark(result)),
        escape(wording.sandbox_stamp(result)),
        *_titled(main_table(result)),
        *_titled(slice_table(result)),
        *_titled(seed_table(result)),
        *_titled(e0_table(result)),
        *_titled(item_table(result)),
        *_titled(also_table(result)),
        "## How to read this",
        "\n".join(f"- **{escape(note.label)}**: {escape(note.text)}" for note in wording.notes(result)),
        *_warnings(result),
        "## Provenance",
        escape(wording.unparsed(result)),
        escape(wording.live_probe(result)),
        "\n".join(f"- {escape(key)}: {escape(_value(value))}" for key, value in result.provenance.items()),
        "\n".join(f"- sandbox {escape(key)}: {escape(_value(value))}" for key, value in result.sandbox.items()),
        "## Methods",
        "\n".join(
            f"- {escape(f'{method.code} ({method.estimand})')}: {escape(method.text)} {escape(method.reference)}"
            for method in result.methods
        ),
        "Signature:",
        f"```text\n{result.signature}\n```",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(model: Table) -> str:
    """Render one table; every name is escaped, so a pipe in it cannot split a column."""
    header = [escape(column.name) for column in model.columns]
    rules = [_RULE[column.align] for column in model.columns]
    rows = [[escape(value) for value in row] for row in model.rows]
    if model.summary and rows:
        rows[-1] = [f"**{value}**" for value in rows[-1]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rules, *rows))


def escape(text: str) -> str:
    """Escape what Markdown would interpret, and put the text on one line.

    Underscores inside words stay as they are: GitHub does not read them as emphasis, and names stay legible.
    """
    flat = " ".join(text.split())
    marked = _SPECIAL.sub(r"\\\1", flat)
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", marked)


def _titled(model: Table) -> tuple[str, ...]:
    return (f"## {escape(model.title)}", table(model)) if model.rows else ()


def _warnings(result: Result) -> tuple[str, ...]:
    if not result.warnings:
        return ()
    return "## Warnings", "\n".join(f"- {escape(warning)}" for warning in result.warnings)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
