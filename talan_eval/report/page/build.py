"""Builds the page from its template."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from talan_eval.report import plots, wording
from talan_eval.report.clean import clean, one_line
from talan_eval.report.context import Context
from talan_eval.report.cost import cost_table
from talan_eval.report.next_steps import margin_note, next_steps
from talan_eval.report.page.payload import payload
from talan_eval.report.paper import chance_sentence, cross_table
from talan_eval.report.table import also_table, e0_table, item_table, main_table, seed_table, slice_table
from talan_eval.result.names import cell_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.report.plots import Figure
    from talan_eval.report.table import Table
    from talan_eval.result.schema import Result

_ROOM: Final = files("talan_eval.report.page")
_MORE: Final = "Needs the extra: pip install 'talan-eval[plots]'"


@dataclass(frozen=True)
class _Section:
    """One table of the page."""

    key: str
    table: Table
    below: str = ""
    folded: bool = False


@dataclass(frozen=True)
class _Picture:
    """One figure of the page."""

    name: str
    title: str
    description: str
    svg: Markup


def render(result: Result, context: Context | None = None, figures: Sequence[Figure] | None = None) -> str:
    """Render the page.

    Names, warnings and model output are hostile text: the template escapes everything, answers travel as JSON and are
    put in place as text, and the content security policy admits no script but the page's own and no network at all.

    Args:
        result: The published result.
        context: What else is known: margin, advice, flips, curves.
        figures: Figures that were drawn already; drawn here where None, and left out where matplotlib is missing.

    Returns:
        HTML 5 in one file.
    """
    context = Context() if context is None else context
    if figures is None and plots.available():
        figures = plots.draw(result, context)
    script, data = _asset("page.js"), payload(context.flips)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FunctionLoader(_asset), finalize=_shown,
    )  # fmt: skip
    return environment.get_template("page.html").render(
        result=result,
        headline=wording.headline(result),
        sentences=[wording.per_benchmark(result), wording.sandbox_stamp(result)],
        steps=next_steps(result, context.advice),
        sections=_sections(result, context),
        pictures=_pictures(figures or ()),
        no_figures="" if figures else _MORE,
        notes=(*wording.notes(result), *margin_note(result, context.not_worse)),
        origin=[text for text in (wording.unparsed(result), wording.live_probe(result)) if text],
        provenance=wording.provenance_rows(result),
        names=cell_names(result),
        withheld=context.flips.withheld,
        data=data,
        flips=Markup(data.document),  # noqa: S704 - JSON without <, > and &; see payload
        style=Markup(_asset("page.css")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _sections(result: Result, context: Context) -> list[_Section]:
    sections = [
        _Section("main", main_table(result, context.not_worse)),
        _Section("slices", slice_table(result)),
        _Section("cross", cross_table(result), chance_sentence(result)),
        _Section("items", item_table(result)),
        _Section("seeds", seed_table(result), folded=True),
        _Section("pairs", e0_table(result), folded=True),
        _Section("also", also_table(result), folded=True),
        _Section("cost", cost_table(result), folded=True),
    ]
    return [section for section in sections if section.table.rows]


def _pictures(figures: Sequence[Figure]) -> list[_Picture]:
    if not figures:
        return []
    from talan_eval.report.plots.style import inline  # noqa: PLC0415 - an extra

    return [
        _Picture(one.name, one.title, one.description, Markup(inline(one.svg, one.name)))  # noqa: S704 - matplotlib escapes
        for one in figures
    ]


def _asset(name: str) -> str:
    return (_ROOM / name).read_text("utf-8")


def _shown(value: object) -> object:
    """Clean what the template shows; what is markup already stays."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else one_line(clean(value))
