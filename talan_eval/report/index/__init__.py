"""One page over the experiments of a results root: what each compared, its verdict, and the way to its own page."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from talan_eval.report import format as fmt
from talan_eval.report.clean import clean, one_line
from talan_eval.report.context import Context
from talan_eval.report.scored import best_interval, summary
from talan_eval.report.view import views
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.report.view import View
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result

_ROOM: Final = files("talan_eval.report.index")
_STYLE: Final = files("talan_eval.report.page") / "page.css"
_COLOURED: Final = frozenset({"better", "worse"})
_ALONE: Final = "alone"


@dataclass(frozen=True)
class Listed:
    """One directory of a results root.

    Attributes:
        name: Its name.
        result: What it holds; None where nothing can be read.
        pages: Its files to read, relative to the page, by what the link says; the first is its main page.
        problem: Why nothing can be read.
        scores: What it holds where one arm was evaluated alone.
    """

    name: str
    result: Result | None
    pages: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    scores: ArmScores | None = None

    @property
    def is_read(self) -> bool:
        """Whether there is anything to show."""
        return self.result is not None or self.scores is not None


@dataclass(frozen=True)
class _Line:
    """One contrast of an experiment."""

    listed: Listed
    contrast: str
    backbones: str
    benchmarks: str
    seeds: str
    gain: str
    interval: str
    verdict: str
    kind: str


def render_index(listed: Sequence[Listed], title: str) -> str:
    """Render the page.

    Names are hostile text: the template escapes all, and the content security policy admits the page's own script only.

    Args:
        listed: The directories, in the order of the page.
        title: What they are together, such as the name of the results root.

    Returns:
        HTML 5 in one file; its links are relative.
    """
    rows = [row for one in listed if one.result is not None for row in _rows(one, one.result)]
    rows += [row for one in listed if one.scores is not None for row in _alone(one, one.scores)]
    script = (_ROOM / "index.js").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return environment.from_string((_ROOM / "index.html").read_text("utf-8")).render(
        title=title,
        rows=rows,
        experiments=fmt.count(sum(one.is_read for one in listed), "experiment"),
        contrasts=fmt.count(sum(row.kind != _ALONE for row in rows), "contrast"),
        verdicts=sorted({row.verdict for row in rows}),
        unread=[one for one in listed if not one.is_read],
        link=quote,
        style=Markup(_STYLE.read_text("utf-8")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _rows(listed: Listed, result: Result) -> Iterator[_Line]:
    for view in views(readable(result), Context()):
        verdict = view.mean.verdict
        yield _Line(
            listed=listed,
            contrast=view.contrast.name,
            backbones=", ".join(dict.fromkeys(cell.backbone for cell in view.cells)),
            benchmarks=", ".join(dict.fromkeys(cell.task for cell in view.cells)),
            seeds=str(len(view.contrast.seeds)),
            gain=f"{fmt.gain(view.mean.delta)} {view.unit}",
            interval=_interval(view),
            verdict=verdict,
            kind=verdict if verdict in _COLOURED else "",
        )


def _alone(listed: Listed, scores: ArmScores) -> Iterator[_Line]:
    """Yield a line for each backbone on which one arm was evaluated; its score stands where gains stand."""
    for one in scores.backbones:
        found = summary(one)
        interval = best_interval(found)
        level = f"{100 * (1 - scores.settings.alpha):g} %"
        yield _Line(
            listed=listed,
            contrast=f"{scores.arm} alone",
            backbones=one.backbone,
            benchmarks=", ".join(score.task for score in one.scores),
            seeds=str(len(found.seeds)),
            gain=f"score {fmt.score(found.mean)} points",
            interval=fmt.MISSING if interval is None else f"{interval[0]} {level} {fmt.score_range(interval[1].ci)}",
            verdict="not compared",
            kind=_ALONE,
        )


def _interval(view: View) -> str:
    """Return the interval that the verdict rests on, with its estimand."""
    mean = view.mean
    basis = mean.e0_mean if mean.verdict_estimand == "E0" else mean.e1
    ci = None if basis is None else basis.ci
    return f"{mean.verdict_estimand} {100 * (1 - view.alpha):g} % {fmt.interval(ci)}"


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else one_line(clean(value))
