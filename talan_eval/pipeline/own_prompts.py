"""Arms that are asked in their own way: paired by question, with the difference of their prompts put into words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.comparison import ScoreColumns
    from talan_eval.experiment import Experiment

_LONGEST: Final = 400  # letters of what a template writes around a question


def asked_their_own_way(experiment: Experiment) -> frozenset[str]:
    """Return the arms that are not asked with the backbone's tokenizer and chat template."""
    return frozenset(one.name for one in experiment.stored if one.is_asked_its_own_way)


def by_question(columns: Sequence[ScoreColumns], experiment: Experiment) -> list[ScoreColumns]:
    """Give an arm that is asked in its own way the prompts of the others, item by item, so that it pairs with them.

    An item stands for one question in an experiment: its benchmark's items are hashed before anything is asked, with
    question and target. So the rendered prompt must be the same only where the same tokenizer renders it.

    Args:
        columns: Of all arms, with the prompts that each saw.
        experiment: What was asked for.
    """
    own = asked_their_own_way(experiment)
    reference = _references(columns, own)
    return [
        replace(one, prompts=tuple(reference[one.backbone, one.task].get(item, "") for item in one.item_ids))
        if one.arm in own
        else one
        for one in columns
    ]


def prompt_notes(columns: Sequence[ScoreColumns], experiment: Experiment, frames: Mapping[str, str]) -> Iterator[str]:
    """Say of each arm that is asked in its own way how its prompts differ from those of the others.

    Args:
        columns: Of all arms, with the prompts that each saw.
        experiment: What was asked for.
        frames: What stands around a question, by arm, where that is recorded.
    """
    own = asked_their_own_way(experiment)
    reference = _references(columns, own)
    others = [arm for arm in experiment.arms if arm not in own] or [experiment.arms[0]]
    for arm in experiment.arms:
        if arm not in own:
            continue
        of = "the other arms'" if arm != others[0] and others[0] not in own else f"those of {others[0]}"
        counts = [_differing(one, reference[one.backbone, one.task]) for one in columns if one.arm == arm]
        by_task = dict(zip((one.task for one in columns if one.arm == arm), counts, strict=True))
        said = ", ".join(f"{differ} of {n} on {task}" for task, (differ, n) in by_task.items())
        yield (
            f"{arm} is asked with a tokenizer or chat template of its own, and items are paired by question; prompts "
            f"that differ from {of}: {said}.{_frames(arm, others[0], frames)} Its held-out loss is not compared: nats "
            "per token of other tokens are another unit."
        )


def _references(columns: Sequence[ScoreColumns], own: frozenset[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return each item's prompt by backbone and task: of an arm that is asked as the backbone is, if one is."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in sorted(columns, key=lambda one: one.arm in own):  # stable: the first of each kind
        known = found.setdefault((one.backbone, one.task), {})
        for item, prompt in zip(one.item_ids, one.prompts, strict=True):
            known.setdefault(item, prompt)
    return found


def _differing(one: ScoreColumns, reference: Mapping[str, str]) -> tuple[int, int]:
    pairs = zip(one.item_ids, one.prompts, strict=True)
    return sum(reference[item] != prompt for item, prompt in pairs), len(one.item_ids)


def _frames(arm: str, other: str, frames: Mapping[str, str]) -> str:
    mine, theirs = frames.get(arm), frames.get(other)
    if mine is None or theirs is None or arm == other:
        return ""
    if mine == theirs:
        return " Around a question both write the same."
    return f" Around a QUESTION {arm} is asked {_quoted(mine)}, {other} {_quoted(theirs)}."


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...", ensure_ascii=False)
