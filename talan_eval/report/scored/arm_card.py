"""The model card of an arm that was evaluated alone: its scores with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from talan_eval.report import origin_words
from talan_eval.report.markdown import code_span, escape
from talan_eval.report.markdown import table as markdown_table
from talan_eval.report.scored import HOW_TO_READ, best_interval, headlines, score_table, title

if TYPE_CHECKING:
    from talan_eval.result.arm_scores import ArmScores, BenchmarkScore


def card(scores: ArmScores) -> str:
    """Render the card in Markdown, with the Hub's metadata above it."""
    hub = [one.backbone for one in scores.backbones if "/" in one.backbone]
    metadata = {
        "library_name": "peft",
        **({"base_model": hub[0] if len(hub) == 1 else hub} if hub else {}),
        "tags": ["peft", "talan-eval"],
        "model-index": [
            {
                "name": scores.arm,
                "results": [_entry(scores, one) for backbone in scores.backbones for one in backbone.scores],
            }
        ],
    }
    sections = [
        f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---",
        f"# {escape(title(scores))}",
        *(f"**{escape(text)}**" for text in headlines(scores)),
        "## Scores",
        markdown_table(score_table(scores)),
        "\n".join(f"- **{label}**: {escape(text)}" for label, text in HOW_TO_READ),
        f"Signature: {code_span(scores.signature)}",
        escape(origin_words.sandbox_stamp(scores)),
        "\n".join(f"- {escape(warning)}" for warning in scores.warnings),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _entry(scores: ArmScores, one: BenchmarkScore) -> dict[str, Any]:
    interval = best_interval(one)
    args: dict[str, Any] = {"items": one.n_items, "seeds": len(one.seeds)}
    if interval is not None:
        name, found = interval
        args |= {
            "estimand": name,
            "confidence_level": round(1 - scores.settings.alpha, 12),
            "confidence_interval": [round(end, 4) for end in found.ci],
        }
    return {
        "task": {"type": "text-generation"},
        "dataset": {"name": one.task, "type": one.task},
        "metrics": [{"type": one.metric, "name": f"{one.metric}, points", "value": round(one.mean, 4), "args": args}],
    }
