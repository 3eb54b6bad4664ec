"""Builds the page from its template."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from talan_eval.report import format as fmt
from talan_eval.report import origin_words, plots, wording
from talan_eval.report.clean import clean, one_line
from talan_eval.report.columns import FLAG
from talan_eval.report.context import Context
from talan_eval.report.layout import closing, details, overview
from talan_eval.report.next_steps import margin_note, next_steps
from talan_eval.report.page.payload import payload
from talan_eval.report.selection_words import selection
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.report.layout import ReportTable
    from talan_eval.report.plots import Figure
    from talan_eval.report.table import Column
    from talan_eval.report.view import View
    from talan_eval.result.schema import Result

_ROOM: Final = files("talan_eval.report.page")
_COLOURED: Final = frozenset({"better", "worse"})
_MORE: Final = "Needs the extra: pip install 'talan-eval[plots]'"


@dataclass(frozen=True)
class _Shown:
    """One cell of a table as the page shows it.

    Attributes:
        lines: Its lines.
        kind: The classes of its column, and "better" or "worse" where it is such a verdict.
        order: By what its column is sorted; empty for its text.
    """

    lines: tuple[str, ...]
    kind: str
    order: str


@dataclass(frozen=True)
class _Section:
    """One table of the page."""

    key: str
    part: ReportTable
    headings: tuple[tuple[str, str], ...]
    rows: tuple[tuple[_Shown, ...], ...]


@dataclass(frozen=True)
class _Contrast:
    """One contrast of the page."""

    view: View
    badge: tuple[str, str]
    headline: str
    sentence: str
    steps: tuple[str, ...]
    sections: tuple[_Section, ...]


@dataclass(frozen=True)
class _Picture:
    """One figure of the page."""

    name: str
    title: str
    description: str
    svg: Markup
    narrow: Markup | None
    contrast: int | None


def render(
    result: Result,
    context: Context | None = None,
    figures: Sequence[Figure] | None = None,
    narrow: Sequence[Figure] = (),
) -> str:
    """Render the page.

    Names, warnings and model output are hostile text: the template escapes everything, answers travel as JSON and are
    put in place as text, and the content security policy admits no script but the page's own and no network at all.

    Args:
        result: The published result.
        context: What else is known: margin, advice, flips, curves.
        figures: Figures that were drawn already; drawn here where None, and left out where matplotlib is missing.
        narrow: The same, drawn for one column, for a phone; without them it is shown the others.

    Returns:
        HTML 5 in one file.
    """
    found, result = result, readable(result)
    context = Context() if context is None else context
    every = views(result, context)
    if figures is None and plots.available():
        figures = plots.draw(found, context)
    tasks = [[cell.task for cell in view.cells] for view in every]
    script, data = _asset("page.js"), payload(context.flips, tasks)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FunctionLoader(_asset), finalize=_shown,
    )  # fmt: skip
    return environment.get_template("page.html").render(
        result=result,
        title=wording.title(result),
        verdict=every[0].mean.verdict.replace(" ", "-"),
        headline=wording.headline(every[0]),
        stamp=origin_words.sandbox_stamp(result),
        overview=[_section(part, part.key) for part in overview(every)],
        selection=selection(result),
        contrasts=[_contrast(view) for view in every],
        arms=" and ".join(dict.fromkeys(arm for view in every for arm in (view.base, view.treatment))),
        closing=[_section(part, part.key) for part in closing(result)],
        pictures=_pictures(figures or (), {one.name: one for one in narrow}),
        no_figures="" if figures else _MORE,
        notes=(*wording.notes(every), *margin_note(every)),
        origin=[text for text in (origin_words.unparsed(result), origin_words.live_probe(result)) if text],
        provenance=origin_words.provenance_rows(result),
        names=[_names(view) for view in every],
        benchmarks=list(dict.fromkeys(name for view in every for name in view.cell_names)),
        seeds=sorted({seed for view in every for seed in view.contrast.seeds}),
        withheld=context.flips.withheld,
        lacking=context.flips.notes,
        badge=_badge(every[0]),
        data=data,
        flips=Markup(data.document),  # noqa: S704 - JSON without <, > and &; see payload
        style=Markup(_asset("page.css")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _contrast(view: View) -> _Contrast:
    sections = tuple(_section(part, f"{part.key}-{view.place + 1}") for part in details(view))
    sentence = wording.per_benchmark(view)
    return _Contrast(view, _badge(view), wording.headline(view), sentence, next_steps(view), sections)


def _badge(view: View) -> tuple[str, str]:
    """Return the verdict in a word, and what it is about."""
    about = {"E0": "E0: this pair of checkpoints", "E1": "E1: re-training, these benchmarks"}
    primary = "primary test, " if view.primary else ""
    return view.mean.verdict, f"{primary}{about.get(view.mean.verdict_estimand, view.mean.verdict_estimand)}"


def _names(view: View) -> dict[str, object]:
    """Return what the script calls a contrast, its arms and its benchmarks."""
    arms = [one_line(arm) for arm in (view.base, view.treatment)]
    benchmarks, tasks = [*map(one_line, view.cell_names)], [cell.task for cell in view.cells]
    return {"name": one_line(view.contrast.name), "arms": arms, "benchmarks": benchmarks, "tasks": tasks}


def _section(part: ReportTable, key: str) -> _Section:
    columns = part.table.columns
    rows = tuple(
        tuple(_cell(value, text, _class(column)) for value, text, column in zip(values, texts, columns, strict=True))
        for values, texts in zip(part.table.rows, part.table.texts(), strict=True)
    )
    return _Section(key, part, tuple((_class(column), column.name) for column in columns), rows)


def _class(column: Column) -> str:
    """Return the class of a column: its side, and whether it stays in sight where the table is wider than its place."""
    return f"{column.align} stays" if column.name == "verdict" else column.align


def _cell(value: fmt.Value, text: str, kind: str) -> _Shown:
    lines = tuple(text.split(fmt.BREAK))
    word = lines[-1].removesuffix(FLAG)
    first = value[0] if isinstance(value, tuple) else value
    order = "" if isinstance(first, str) or first is None else repr(first)
    return _Shown(lines, f"{kind} {word}" if word in _COLOURED else kind, order)


def _pictures(figures: Sequence[Figure], narrow: Mapping[str, Figure]) -> list[_Picture]:
    if not figures:
        return []
    from talan_eval.report.plots.style import inline  # noqa: PLC0415 - an extra

    return [
        _Picture(
            one.name,
            one.title,
            one.description,
            Markup(inline(one.svg, one.name)),  # noqa: S704 - matplotlib escapes
            _narrow(narrow.get(one.name)),
            one.contrast,
        )
        for one in figures
    ]


def _narrow(figure: Figure | None) -> Markup | None:
    if figure is None:
        return None
    from talan_eval.report.plots.style import inline  # noqa: PLC0415 - an extra

    return Markup(inline(figure.svg, f"{figure.name}-narrow"))  # noqa: S704 - matplotlib escapes


def _asset(name: str) -> str:
    return (_ROOM / name).read_text("utf-8")


def _shown(value: object) -> object:
    """Clean what the template shows; what is markup already stays."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else one_line(clean(value))
