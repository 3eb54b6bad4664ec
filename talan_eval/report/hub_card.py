"""The model card of the arm under test: what it was compared with, its scores with intervals, its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from talan_eval.report import origin_words, wording
from talan_eval.report.columns import shown_lines
from talan_eval.report.context import Context
from talan_eval.report.contrast_tables import main_table
from talan_eval.report.loss_words import loss_sentence, loss_table
from talan_eval.report.markdown import code_span, escape
from talan_eval.report.markdown import table as markdown_table
from talan_eval.report.methods import paragraph
from talan_eval.report.recipe_words import recipe
from talan_eval.report.view import views
from talan_eval.result.labels import backbones
from talan_eval.result.restated import readable

if TYPE_CHECKING:
    from talan_eval.report.view import View
    from talan_eval.result.schema import Cell, Result

_TAGS: Final = ("peft", "talan-eval")


def render(result: Result) -> str:
    """Render the card of the primary contrast's arm under test in Markdown, with the Hub's metadata above it.

    Args:
        result: The published result.

    Returns:
        Metadata (``model-index`` with the mean score of each benchmark), verdict, scores with intervals, recipe, and
        what was compared. Nothing is said of use, licence or data: whoever publishes the model knows these.
    """
    result = readable(result)
    first = views(result, Context())[0]
    where = ", ".join(backbones(result))
    beside = [loss_table(first)] if loss_table(first).rows else []
    sections = [
        f"---\n{yaml.safe_dump(_metadata(first), sort_keys=False, allow_unicode=True)}---",
        f"# {escape(first.treatment)} on {escape(where)}",
        f"Compared with {code_span(first.base)} by talan-eval. **{escape(wording.headline(first))}**",
        escape(wording.per_benchmark(first)),
        "## Scores",
        markdown_table(main_table(first)),
        escape(wording.what_was_tested(first)),
        *(markdown_table(one) for one in beside),
        escape(loss_sentence(first)),
        f"Signature: {code_span(result.signature)}",
        "## Recipe",
        "\n".join(f"- {escape(sentence)}" for sentence in recipe(result)) or "Not recorded.",
        "## What was compared, and how",
        escape(paragraph(result)),
        escape(origin_words.sandbox_stamp(result)),
        "\n".join(f"- {escape(warning)}" for warning in result.warnings),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _metadata(view: View) -> dict[str, Any]:
    """Return what the Hub reads of a card: a backbone only where its name is one of the Hub's."""
    hub = [name for name in backbones(view.result) if "/" in name]
    return {
        "library_name": "peft",
        **({"base_model": hub[0] if len(hub) == 1 else hub} if hub else {}),
        "tags": list(_TAGS),
        "model-index": [{"name": view.treatment, "results": [*_results(view)]}],
    }


def _args(cell: Cell, view: View) -> dict[str, Any]:
    """Return what stands beside a score: how it differs from the arm that it was compared with, with the interval."""
    e1, e0 = cell.e1, cell.e0_mean
    name, found = ("E1", e1.ci) if e1 is not None else ("E0", e0.ci) if e0 is not None else ("", None)
    interval = (
        {}
        if found is None
        else {
            "estimand": name,
            "confidence_level": round(1 - view.alpha, 12),
            "confidence_interval": [round(end, 4) for end in found],
        }
    )
    return {"difference_to": view.base, "difference": round(cell.delta, 4), **interval, "verdict": cell.verdict}


def _results(view: View) -> list[dict[str, Any]]:
    lines = [line for line in shown_lines(view) if line.cell is not None]
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": line.cell.task, "type": line.cell.task},
            "metrics": [
                {
                    "type": line.cell.metric,
                    "name": f"{line.cell.metric}, mean over {line.cell.n_seeds} training seeds, {view.unit}",
                    "value": round(line.cell.treat_mean, 4),
                    "args": _args(line.cell, view),
                }
            ],
        }
        for line in lines
        if line.cell is not None
    ]
