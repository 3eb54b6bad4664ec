"""Scores of one arm as one HTML page, and as the fragment that a notebook shows."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from talan_eval.report import origin_words
from talan_eval.report.clean import clean, one_line
from talan_eval.report.notebook import grid
from talan_eval.report.scored import ALONE, HOW_TO_READ, checkpoint_table, headlines, score_table, title

if TYPE_CHECKING:
    from talan_eval.result.arm_scores import ArmScores

_TEMPLATE: Final = files("talan_eval.report.scored") / "scored.html"
_STYLE: Final = files("talan_eval.report.page") / "page.css"


def render(scores: ArmScores) -> str:
    """Render the page: HTML 5 in one file, without scripts; every name in it is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        title=title(scores),
        headlines=headlines(scores),
        alone=ALONE,
        stamp=origin_words.sandbox_stamp(scores),
        tables=[table for table in (score_table(scores), checkpoint_table(scores)) if table.rows],
        notes=HOW_TO_READ,
        warnings=scores.warnings,
        probe=origin_words.live_probe(scores),
        signature=scores.signature,
        origin=origin_words.provenance_rows(scores),
        style=Markup(_STYLE.read_text("utf-8")),  # noqa: S704 - our own
    )


def fragment(scores: ArmScores) -> str:
    """Render what a notebook shows: the headlines, the table of scores, warnings, signature."""
    said = Markup("<p><strong>{}</strong></p>")
    parts = [
        *(said.format(_plain(text)) for text in headlines(scores)),
        grid(score_table(scores)),
        *(Markup("<p>Warning: {}</p>").format(_plain(text)) for text in scores.warnings),
        Markup("<p><small>Signature: <code>{}</code></small></p>").format(_plain(scores.signature)),
    ]
    return str(Markup("<div>{}</div>").format(Markup("\n").join(parts)))


def _plain(text: str) -> str:
    return one_line(clean(text))


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else _plain(value)
