"""Filters of lm-eval logs from before it wrote which filter a line belongs to.

Such a file holds the lines of one filter after those of another, each with every item. Whose lines are whose is told by
the results file, where the mean of each block equals what it reports of one filter alone; else the log is refused.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from talan_core.errors import UserError
from talan_eval.importers.logged import NO_FILTER, Answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.importers.lm_eval_results import Summary

UNNAMED: Final = ""
"""The filter of lines that name none."""
_CLOSE: Final = 1e-6


def with_filters(answers: Mapping[str, Answers], task: str, file: Path, summary: Summary) -> dict[str, Answers]:
    """Return the answers by filter, also where the lines name none.

    Args:
        answers: As read, by filter.
        task: Task name.
        file: Where they were read.
        summary: What the results file says.

    Raises:
        UserError: There are several filters, and nothing says which lines are whose.
    """
    found = dict(answers)
    if UNNAMED not in found:
        return found
    unnamed = found.pop(UNNAMED)
    blocks = _blocks(unnamed)
    if len(blocks) == 1 or found:
        return found | {NO_FILTER: _joined(found[NO_FILTER], unnamed) if NO_FILTER in found else unnamed}
    names = summary.filters(task)
    named = _matched(blocks, summary.claims(task))
    if named is None:
        raise _unknown(blocks, names or _installed(task), task, file)
    return named


def _joined(first: Answers, second: Answers) -> Answers:
    """Return the lines of both in the order of the file."""
    lines = first.lines + second.lines
    order = sorted(range(len(lines)), key=lines.__getitem__)
    items, prompts, values = first.items + second.items, first.prompts + second.prompts, first.values + second.values
    return Answers(
        items=[items[place] for place in order],
        prompts=[prompts[place] for place in order],
        values=[values[place] for place in order],
        lines=[lines[place] for place in order],
    )


def _blocks(answers: Answers) -> list[Answers]:
    """Part the lines where the whole sequence of items begins anew."""
    items = answers.items
    size = items.index(items[0], 1) if items[0] in items[1:] else len(items)
    if len(items) % size or items != items[:size] * (len(items) // size) or len(set(items[:size])) < size:
        return [answers]
    return [
        Answers(
            items=items[start : start + size],
            prompts=answers.prompts[start : start + size],
            values=answers.values[start : start + size],
            lines=answers.lines[start : start + size],
        )
        for start in range(0, len(items), size)
    ]


def _matched(blocks: Sequence[Answers], claims: Any) -> dict[str, Answers] | None:  # noqa: ANN401
    if claims is None:
        return None
    found: dict[str, Answers] = {}
    for block in blocks:
        fitting = [name for name in claims.filters if _fits(block, name, claims.means)]
        if len(fitting) != 1 or fitting[0] in found:
            return None
        found[fitting[0]] = block
    return found


def _fits(block: Answers, name: str, means: Mapping[tuple[str, str], float]) -> bool:
    """Return whether every mean that is reported of a filter is that of the block, and one at least is."""
    told = {metric: value for (owner, metric), value in means.items() if owner == name}
    for metric, value in told.items():
        scores = [row.get(metric) for row in block.values]
        numbers = [float(score) for score in scores if isinstance(score, int | float)]
        if len(numbers) < len(scores) or not math.isclose(sum(numbers) / len(numbers), value, abs_tol=_CLOSE):
            return False
    return bool(told)


def _unknown(blocks: Sequence[Answers], names: Sequence[str], task: str, file: Path) -> UserError:
    spans = [f"lines {block.lines[0]} to {block.lines[-1]}" for block in blocks]
    known = f"; the filters of {task} are {', '.join(names)}" if names else ""
    return UserError(
        f"{file}: task {task!r} was scored under {len(blocks)} filters ({'; '.join(spans)}){known}. Its lines name no "
        "filter, as older versions of lm-eval wrote them, so that it is not known which lines are whose; averaging "
        "them would count each answer twice.",
        "Score this run again with a version that names them (0.4.13 does), or keep the lines of one filter alone: "
        f"sed -i.bak '{blocks[1].lines[0]},$d' '{file}'",
    )


def _installed(task: str) -> tuple[str, ...]:
    """Return the filters that the installed lm-eval's own file of a task lists; none without it."""
    spec = find_spec("lm_eval")
    roots = [] if spec is None else list(spec.submodule_search_locations or ())
    for root in roots:
        for file in sorted((Path(root) / "tasks").rglob(f"{task}.yaml")):
            content = yaml.load(file.read_text("utf-8"), Loader=_Plain)  # noqa: S506 - derived from the safe loader
            listed = content.get("filter_list") if isinstance(content, dict) else None
            if isinstance(listed, list):
                return tuple(str(one["name"]) for one in listed if isinstance(one, dict) and "name" in one)
    return ()


class _Plain(yaml.SafeLoader):
    """Reads lm-eval's YAML, whose tags name functions; they are no concern here."""


_Plain.add_multi_constructor("!", lambda loader, suffix, node: None)  # noqa: ARG005 - yaml's signature
