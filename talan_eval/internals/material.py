"""What the checkpoints are run on: backbones, and prompts with their reference solutions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.backbones.load import Revision, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError, unknown_name
from talan_core.training.data import Example, encode_item
from talan_eval.generation.prompts import open_tokenizer
from talan_eval.tasks.benchmark import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.training.encoding import EncodedExample
    from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec
    from talan_eval.tasks.benchmark import Benchmark

LONGEST: Final = 2048
"""Tokens of a sequence; longer ones are left out, because every state keeps the stream of all their positions."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """The sequences of one benchmark for one backbone.

    Attributes:
        task: Benchmark name.
        items_hash: Hash over all its evaluated items and settings.
        item_ids: Items that are measured, E.
        places: Their places in the benchmark, from which their random directions are drawn.
        examples: Prompt and reference solution as token ids, E.
        left_out: Items that were chosen and have no reference solution, or a longer sequence than is run.
    """

    task: str
    items_hash: str
    item_ids: tuple[str, ...]
    places: tuple[int, ...]
    examples: tuple[EncodedExample, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """What all checkpoints of one backbone are run on.

    Attributes:
        revision: Where its weights are.
        sequences: By benchmark.
        pad: Token that fills a batch.
    """

    revision: Revision
    sequences: tuple[Sequences, ...]
    pad: int


def chosen_tasks(experiment: Experiment, asked: Sequence[str]) -> tuple[TaskSpec, ...]:
    """Return the benchmarks of a comparison on which to measure.

    Raises:
        UserError: It has none of that name.
    """
    known = {spec.name: spec for spec in experiment.tasks}
    for name in asked:
        if name not in known:
            raise unknown_name("benchmark of this comparison", name, known)
    return tuple(known[name] for name in dict.fromkeys(asked or known))


def load_benchmarks(specs: Sequence[TaskSpec], data_dir: Path | None) -> tuple[Benchmark, ...]:
    """Load benchmarks as they were compared.

    Raises:
        UserError: The data is missing, or the items are not those of the comparison.
    """
    loaded = []
    for spec in specs:
        one = load_benchmark(spec.name, data_dir=data_dir, limit=spec.n_items, settings=spec.generation)
        if one.spec.items_hash != spec.items_hash:
            raise UserError(
                f"The items of {spec.name} are not those that were compared: {one.spec.items_hash}, and then "
                f"{spec.items_hash}.",
                "Use the data and the version of that comparison, or run it again: talan-eval compare ...",
            )
        loaded.append(one)
    return tuple(loaded)


def make_material(
    identity: BackboneIdentity, benchmarks: Sequence[Benchmark], examples: int, places: Sequence[str]
) -> Material:
    """Find a backbone and encode the sequences for it.

    Args:
        identity: The backbone of the comparison.
        benchmarks: From `load_benchmarks`.
        examples: Most items of each; they are spread evenly over it.
        places: Directories of backbones that were compared by their place.

    Raises:
        UserError: The backbone cannot be found, or is another one now; or a benchmark has no solutions that fit.
    """
    revision = _located(identity, {Path(place).resolve().name: place for place in places})
    settings = benchmarks[0].spec.generation
    tokenizer = open_tokenizer(revision, settings)
    found = []
    for one in benchmarks:
        kept: list[tuple[int, EncodedExample]] = []
        chosen = evenly_spread(len(one.items), examples)
        for place in chosen:
            prompt, solution = one.solutions[place]
            if solution.strip():
                encoded = encode_item(tokenizer, Example(prompt, solution, one.spec.name))[0]
                if len(encoded.input_ids) <= LONGEST:
                    kept.append((place, encoded))
        if not kept:
            raise UserError(
                f"{one.spec.name} has no reference solution of at most {LONGEST} tokens.",
                "Measure on another benchmark: --task NAME",
            )
        found.append(
            Sequences(
                task=one.spec.name,
                items_hash=one.spec.items_hash,
                item_ids=tuple(one.items[place].item_id for place, _ in kept),
                places=tuple(place for place, _ in kept),
                examples=tuple(encoded for _, encoded in kept),
                left_out=len(chosen) - len(kept),
            )
        )
    return Material(revision, tuple(found), int(tokenizer.pad_token_id or 0))


def evenly_spread(count: int, most: int) -> tuple[int, ...]:
    """Return at most so many of the places 0 ... count - 1, evenly spread over all of them."""
    chosen = min(count, most)
    return tuple(number * count // chosen for number in range(chosen))


def _located(identity: BackboneIdentity, places: Mapping[str, str]) -> Revision:
    """Find a backbone and check that it is the one that was compared."""
    try:
        revision = locate(find_backbone(places.get(identity.name, identity.name)))
    except UserError as error:
        raise UserError(
            f"The backbone {identity.name!r} of the comparison cannot be found: {error.problem}",
            f"Say where it is: --backbone DIR/{Path(identity.name).name}",
        ) from error
    if (revision.commit, revision.sha256) != (identity.commit, identity.sha256):
        raise UserError(
            f"The backbone {identity.name!r} is not the one that was compared: its files have changed since.",
            "Restore it, or run the comparison again: talan-eval compare ...",
        )
    return revision
