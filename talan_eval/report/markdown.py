"""The whole ``report.md`` in GitHub-flavoured Markdown."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report import origin_words, wording
from talan_eval.report.clean import one_line
from talan_eval.report.context import Context
from talan_eval.report.layout import closing, details, overview
from talan_eval.report.next_steps import margin_note, next_steps
from talan_eval.report.selection_words import selection
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.report.layout import ReportTable
    from talan_eval.report.table import Table
    from talan_eval.report.view import View
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
        Title and verdict; with several contrasts their matrix; of each contrast main table, differences per seed and
        checkpoint pairs; notes, warnings and provenance. The signature stands below every table.
    """
    result = readable(result)
    every = views(result, Context() if context is None else context)
    sections = [
        f"# {escape(wording.title(result))}",
        *_opening(every),
        *_parts(overview(every), result, "##"),
        *_selected(result),
        *(section for view in every for section in _contrast(view)),
        *_parts(closing(result), result, "##"),
        "## How to read this",
        "\n".join(
            f"- **{escape(note.label)}**: {escape(note.text)}" for note in (*wording.notes(every), *margin_note(every))
        ),
        *_warnings(result),
        "## Provenance",
        escape(origin_words.unparsed(result)),
        escape(origin_words.live_probe(result)),
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
    rows = [["<br>".join(map(escape, text.split(fmt.BREAK))) for text in row] for row in model.texts()]
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


def _opening(every: Sequence[View]) -> Iterator[str]:
    first = every[0]
    yield f"**{escape(wording.headline(first))}**"
    if not first.several:
        yield escape(wording.per_benchmark(first))
    yield escape(origin_words.sandbox_stamp(first.result))


def _contrast(view: View) -> Iterator[str]:
    """Yield the sections of one contrast, under a heading of its own where there are several."""
    marks = "##"
    if view.several:
        yield f"## {escape(view.contrast.name)}"
        yield escape(wording.headline(view))
        yield escape(wording.per_benchmark(view))
        marks = "###"
    for part in details(view):
        yield from _parts((part,), view.result, marks)
        if part.key == "main" and (steps := next_steps(view)):
            yield f"{marks} What to do next"
            yield "\n".join(f"- {escape(step)}" for step in steps)


def _parts(parts: Sequence[ReportTable], result: Result, marks: str) -> Iterator[str]:
    for part in parts:
        yield f"{marks} {escape(part.table.title)}"
        yield table(part.table)
        yield f"Signature: {code_span(result.signature)}"
        yield escape(part.below)


def _selected(result: Result) -> Iterator[str]:
    if said := selection(result):
        yield "## The best one"
        yield from map(escape, said)


def _warnings(result: Result) -> tuple[str, ...]:
    if not result.warnings:
        return ()
    return "## Warnings", "\n".join(f"- {escape(warning)}" for warning in result.warnings)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
