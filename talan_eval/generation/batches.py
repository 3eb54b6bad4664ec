"""A model's answers, batch by batch: batches are fixed before the first answer, and each is kept when it is done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from talan_eval.store.canonical import JsonObject, canonical_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts that are answered together.

    Attributes:
        sample: Number of the answer to each of them, from 0.
        rows: Places of the prompts in their benchmark.
    """

    sample: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Replies:
    """What a model said.

    Attributes:
        texts: All prompts' first answers in the order of the prompts, then all second ones, and so on.
        seconds_before: Wall time that answers took which a journal held already.
    """

    texts: tuple[str, ...]
    seconds_before: float


class Recorder(Protocol):
    """Opens what keeps finished batches, given what they depend on."""

    def __call__(self, header: JsonObject) -> Journal:
        """Return the journal; its entries were written under an equal header."""


def cut(lengths: Sequence[int], size: int, samples: int = 1) -> tuple[Batch, ...]:
    """Decide which prompts share a batch.

    The longest come first, so that a batch too large for the device fails at once; prompts of equal length stay in
    their order. Which prompts share a batch depends on the arguments alone, never on what was answered before.

    Args:
        lengths: Tokens of each prompt.
        size: Prompts in a batch.
        samples: Replies to each prompt.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    rows = [tuple(order[start : start + size]) for start in range(0, len(order), size)]
    return tuple(Batch(sample, some) for sample in range(samples) for some in rows)


def answer(
    batches: Sequence[Batch],
    prompts: Sequence[str],
    ask: Callable[[Batch], list[str]],
    *,
    record: Recorder | None = None,
    on_items: Callable[[int, int], None] | None = None,
) -> Replies:
    """Answer all batches that a journal does not hold yet.

    Args:
        batches: From ``cut``.
        prompts: The prompts, to which kept answers must belong.
        ask: Replies one batch: one text per row, in order.
        record: Opens the journal; None keeps nothing.
        on_items: Told the number of answers that are there and of all.

    Returns:
        All answers.
    """
    began = time.perf_counter()
    total = sum(len(batch.rows) for batch in batches)
    journal = None if record is None else record({"plan": _plan_hash(batches, prompts)})
    answers: dict[tuple[int, int], str] = {}
    kept = {} if journal is None else {entry["batch"]: entry["answers"] for entry in journal.entries}
    before = 0.0 if journal is None else max((entry.get("seconds", 0.0) for entry in journal.entries), default=0.0)
    for number, batch in enumerate(batches):
        said = kept[number] if number in kept else ask(batch)
        if journal is not None and number not in kept:
            seconds = round(before + time.perf_counter() - began, 6)
            journal.append({"batch": number, "answers": said, "seconds": seconds})
        answers.update(zip(((batch.sample, row) for row in batch.rows), said, strict=True))
        if on_items is not None:
            on_items(len(answers), total)
    return Replies(tuple(answers[place] for place in sorted(answers)), before)


def _plan_hash(batches: Sequence[Batch], prompts: Sequence[str]) -> str:
    return canonical_hash({"batches": [[batch.sample, batch.rows] for batch in batches], "prompts": list(prompts)})
