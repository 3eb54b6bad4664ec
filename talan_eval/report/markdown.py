"""The whole ``report.md`` in GitHub-flavoured Markdown."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from talan_eval.report import wording
from talan_eval.report.clean import one_line
from talan_eval.report.context import Context
from talan_eval.report.cost import cost_table
from talan_eval.report.next_steps import margin_note, next_steps
from talan_eval.report.paper import chance_sentence, cross_table
from talan_eval.report.table import Table, also_table, e0_table, item_table, main_table, seed_table, slice_table

if TYPE_CHECKING:
    from talan_eval.result.schema import Result

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_BLOCK = re.compile(r"(#{1,6}|[-+=]+|\d+[.)])(?=\s|$)")  # what opens a heading or a list at the start of a line
_RULE = {"left": ":---", "right": "---:"}


def render(result: Result, context: Context | None = None) -> str:
    """Render a comparison.

    Args:
        result: The published result.
        context: What else is known.

    Returns:
        Title, verdict, main table, differences per seed, checkpoint pairs, notes, warnings and provenance; the
        signature below every table.
    """
    context = Context() if context is None else context
    signature = result.signature
    sections = [
        f"# {escape(result.treat)} against {escape(result.base)}",
        f"**{escape(wording.headline(result))}**",
        escape(wording.per_benchmark(result)),
        escape(wording.sandbox_stamp(result)),
        *_titled(main_table(result, context.not_worse), signature),
        *_titled(slice_table(result), signature),
        *_next(result, context),
        *_titled(cross_table(result), signature),
        escape(chance_sentence(result)),
        *_titled(seed_table(result), signature),
        *_titled(e0_table(result), signature),
        *_titled(item_table(result), signature),
        *_titled(also_table(result), signature),
        *_titled(cost_table(result), signature),
        "## How to read this",
        "\n".join(
            f"- **{escape(note.label)}**: {escape(note.text)}"
            for note in (*wording.notes(result), *margin_note(result, context.not_worse))
        ),
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
    flat = one_line(text)
    marked = _SPECIAL.sub(r"\\\1", flat)
    if opens := _BLOCK.match(flat):
        # a digit cannot be escaped, the sign behind it can
        place = opens.end() - 1 if flat[0].isdigit() else 0
        marked = f"{marked[:place]}\\{marked[place:]}"
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", marked)


def code_span(text: str) -> str:
    """Set text as a code span that nothing inside can end."""
    flat = one_line(text)
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _titled(model: Table, signature: str) -> tuple[str, ...]:
    if not model.rows:
        return ()
    return f"## {escape(model.title)}", table(model), f"Signature: {code_span(signature)}"


def _next(result: Result, context: Context) -> tuple[str, ...]:
    steps = next_steps(result, context.advice)
    return ("## What to do next", "\n".join(f"- {escape(step)}" for step in steps)) if steps else ()


def _warnings(result: Result) -> tuple[str, ...]:
    if not result.warnings:
        return ()
    return "## Warnings", "\n".join(f"- {escape(warning)}" for warning in result.warnings)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
