"""Run one checkpoint on one benchmark, and the checkpoints that it is set against, batch by batch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch

from talan_core.analysis import stream_effects
from talan_core.analysis.capture import make_batch, trace, trace_of_random
from talan_core.analysis.controls import DRAWS
from talan_eval.internals.kept import KeptRun, numbers
from talan_eval.internals.material import evenly_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from transformers import PreTrainedModel

    from talan_core.analysis.capture import State, TokenBatch, Trace
    from talan_core.analysis.stream_effects import Depth, Perturbation
    from talan_core.attach import TalanAttachment
    from talan_eval.internals.material import Sequences
    from talan_eval.internals.passes import RunSetup, SharedPasses
    from talan_eval.internals.subjects import ExaminedRun
    from talan_eval.stats.arrays import FloatArray

_LOGITS: Final = 2**24
"""Logits of a batch at most: they are compared in float64, several times over."""
_MOST: Final = 16
"""Examples of a batch at most: more are slower on CPUs, whose caches then do not hold what a layer computes."""
_DRAWN: Final = {
    "random_kl": "kl",
    "random_amplification": "amplification",
    "random_divergence": "divergence",
    "random_growth": "growth",
    "random_cosine": "cosine",
}
"""Controls whose draws are kept apart, and what `Perturbation` calls them."""
_DRAWN_ROUNDED: Final = {"random_amplification_bf16": "amplification", "random_growth_bf16": "growth"}
ROUNDED: Final = 4
"""Examples of a benchmark, evenly spread, on which the depth is measured in bfloat16 too; it is slow on CPUs."""


@dataclass(frozen=True)
class Measured:
    """A subject, and the passes of its backbone that it shares with others.

    Attributes:
        subject: What is measured, and what it is set against.
        passes: Its model, and those of the others.
        attachment: Its block; None without one.
        layers: L.
        hidden_size: d.
        vocabulary: Number of logits of a position.
    """

    subject: ExaminedRun
    passes: SharedPasses
    attachment: TalanAttachment | None
    layers: int
    hidden_size: int
    vocabulary: int

    @property
    def layer(self) -> int | None:
        """l*; None without a block."""
        return None if self.attachment is None else int(self.attachment.config.layer)


def open_subject(subject: ExaminedRun, passes: SharedPasses) -> Measured:
    """Load a subject."""
    with passes.model(subject.run) as model:
        backbone = cast("PreTrainedModel", model.get_base_model())
        config = backbone.config.get_text_config()
        return Measured(
            subject=subject,
            passes=passes,
            attachment=getattr(model, "talan", None),
            layers=int(config.num_hidden_layers),
            hidden_size=int(config.hidden_size),
            vocabulary=int(cast("torch.Tensor", backbone.get_input_embeddings().weight).shape[0]),
        )


@torch.no_grad()
def measure(opened: Measured, sequences: Sequences, pad: int, on_batch: Callable[[int], None]) -> KeptRun:
    """Measure a subject on a benchmark.

    Args:
        opened: From `open_subject`.
        sequences: E examples.
        pad: Token that fills a batch.
        on_batch: Told the number of examples that are done.

    Returns:
        Every quantity that the subject has, per example.
    """
    began = time.perf_counter()
    count = len(sequences.examples)
    setup = opened.passes.setup
    whole = _Collected(count)
    for rows in _batches(sequences, range(count), opened.vocabulary):
        named = _NamedBatch(f"{sequences.task} {rows}", _batch(sequences, rows, setup, pad))
        whole.add(rows, *_of_batch(opened, named))
        on_batch(whole.done)
    quantities, drawn = whole.quantities, whole.drawn
    if opened.layer is not None and setup.dtype != "bfloat16":
        rounded = _Collected(count)
        for rows in _batches(sequences, evenly_spread(count, ROUNDED), opened.vocabulary):
            rounded.add(rows, *_of_rounded(opened, _batch(sequences, rows, setup, pad), opened.layer))
            on_batch(whole.done)
        quantities |= _rounding(rounded.quantities, quantities)
        drawn |= rounded.drawn
    return KeptRun(
        layer=opened.layer,
        layers=opened.layers,
        hidden_size=opened.hidden_size,
        values={name: numbers(values) for name, values in quantities.items() if values.ndim == 1},
        curves={name: numbers(values) for name, values in quantities.items() if values.ndim > 1},
        drawn={name: numbers(_mean_over_examples(values)) for name, values in drawn.items()},
        seconds=round(time.perf_counter() - began, 3),
    )


@dataclass(frozen=True)
class _NamedBatch:
    """A batch, and its name, by which what others left of it is found."""

    name: str
    batch: TokenBatch


class _Collected:
    """What was found batch by batch, put in the order of the examples; NaN for those that were not measured."""

    def __init__(self, examples: int) -> None:
        self._examples = examples
        self._rows: list[int] = []
        self._quantities: list[Mapping[str, torch.Tensor]] = []
        self._drawn: list[Mapping[str, torch.Tensor]] = []

    def add(
        self, rows: Sequence[int], quantities: Mapping[str, torch.Tensor], drawn: Mapping[str, torch.Tensor]
    ) -> None:
        """Add a batch of B examples: quantities (B, ...), controls by draw (D, B, ...)."""
        self._rows += rows
        self._quantities.append(quantities)
        self._drawn.append(drawn)

    @property
    def done(self) -> int:
        """Examples that were added."""
        return len(self._rows)

    @property
    def quantities(self) -> dict[str, FloatArray]:
        """By name, (E, ...)."""
        return {name: self._ordered([one[name] for one in self._quantities]) for name in self._quantities[0]}

    @property
    def drawn(self) -> dict[str, FloatArray]:
        """By name, (E, D, ...)."""
        parts = [{name: value.movedim(0, 1) for name, value in one.items()} for one in self._drawn]
        return {name: self._ordered([one[name] for one in parts]) for name in parts[0]}

    def _ordered(self, parts: Sequence[torch.Tensor]) -> FloatArray:
        joined = torch.cat(list(parts)).double().cpu().numpy()
        ordered = np.full((self._examples, *joined.shape[1:]), np.nan)
        ordered[self._rows] = joined
        return ordered


def _batch(sequences: Sequences, rows: Sequence[int], setup: RunSetup, pad: int) -> TokenBatch:
    examples = [sequences.examples[row] for row in rows]
    places = [sequences.places[row] for row in rows]
    return make_batch(examples, places, setup.positions, pad=pad, device=setup.device)


def _of_batch(opened: Measured, named: _NamedBatch) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the quantities of a batch, and its controls by draw."""
    run, passes, batch = opened.subject.run, opened.passes, named.batch
    seen: dict[State, Trace] = {
        "10": passes.adapted(run, named.name, batch),
        "00": passes.plain(named.name, batch),
    }
    controls: list[Perturbation] = []
    if opened.layer is not None:
        with passes.model(run) as model:
            seen |= {"11": trace(model, batch, "11"), "01": trace(model, batch, "01")}
            controls = [
                stream_effects.perturbation(
                    batch, trace_of_random(model, batch, seen["11"], draw), seen["10"], seen["00"], opened.layer
                )
                for draw in range(DRAWS)
            ]
    update = stream_effects.update(batch, seen["10"], seen["00"])
    found = {
        "adapter_kl": update.kl,
        "adapter_size": update.size,
        "adapter_divergence": update.divergence,
        **{f"loss_{state}": stream_effects.loss(batch, one) for state, one in seen.items()},
        **_against_others(opened.subject, passes, named, seen),
    }
    passes.forget_logits(run, named.name)
    if opened.layer is None:
        return found, {}
    block = stream_effects.perturbation(batch, seen["11"], seen["10"], seen["00"], opened.layer)
    drawn = _by_draw(controls, _DRAWN)
    drawn["random_end_cosine"] = drawn["random_cosine"][..., -1]
    drawn["random_ratio_of_effects"] = torch.stack([_over(update.size[:, -1], one.size[:, -1]) for one in controls])
    of_write = _of_write(batch, seen, opened.layer)
    against = {"ratio_of_effects_over_random": of_write["ratio_of_effects"] - drawn["random_ratio_of_effects"].mean(0)}
    return found | of_write | _of_block(block, drawn) | against, drawn


def _of_rounded(
    opened: Measured, batch: TokenBatch, layer: int
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return how far the block's effect grows in bfloat16."""
    with opened.passes.model(opened.subject.run, "bfloat16") as model:
        both, adapted = trace(model, batch, "11"), trace(model, batch, "10")
        block = stream_effects.through_depth(batch, both, adapted, layer)
        controls = [
            stream_effects.through_depth(batch, trace_of_random(model, batch, both, draw), adapted, layer)
            for draw in range(DRAWS)
        ]
    drawn = _by_draw(controls, _DRAWN_ROUNDED)
    random = _over_draws(drawn)
    found = {
        "amplification_bf16": block.amplification,
        "amplification_bf16_over_random": block.amplification - random["random_amplification_bf16"],
        "growth_bf16": block.growth,
        "growth_bf16_over_random": block.growth - random["random_growth_bf16"],
    }
    return found | random, drawn


def _rounding(rounded: Mapping[str, FloatArray], exact: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Add what rounding does to an amplification, example by example."""
    block = rounded["amplification_bf16"] - exact["amplification"]
    random = rounded["random_amplification_bf16"] - exact["random_amplification"]
    return {**rounded, "rounding": block, "random_rounding": random, "rounding_over_random": block - random}


def _against_others(
    subject: ExaminedRun, passes: SharedPasses, named: _NamedBatch, seen: Mapping[State, Trace]
) -> dict[str, torch.Tensor]:
    """Set the checkpoint as it answers against its base and against another seed."""
    batch, whole = named.batch, seen.get("11", seen["10"])
    found = {}
    if subject.base is not None:
        base = passes.stream_of(subject.base, named.name, batch)
        found["run_divergence"] = stream_effects.divergence_of_runs(batch, whole, base)
        found["run_growth"] = _over(found["run_divergence"][:, -1], found["run_divergence"][:, 1])
    if subject.other is not None:
        adapted = passes.stream_of(subject.other, named.name, batch)
        if "11" not in seen:  # the control of `run_divergence`, whose base has no block
            apart = stream_effects.divergence_of_runs(batch, whole, adapted)
            found |= {"reseeding_divergence": apart, "reseeding_growth": _over(apart[:, -1], apart[:, 1])}
        found["seed_cosine"] = stream_effects.cosine_of_updates(batch, (seen["10"], seen["00"]), (adapted, seen["00"]))
    return found


def _of_write(batch: TokenBatch, seen: Mapping[State, Trace], layer: int) -> dict[str, torch.Tensor]:
    three = seen["11"], seen["10"], seen["00"]
    write = stream_effects.write(batch, *three, layer)
    ratios = stream_effects.ratios(batch, *three, layer)
    return {
        "write": write.size,
        "residual": write.residual,
        "relative_write": write.relative,
        "write_cosine": write.cosine,
        "bf16_share": write.bfloat16.share,
        "bf16_cosine": write.bfloat16.cosine,
        "float32_share": write.float32.share,
        "float32_cosine": write.float32.cosine,
        "ratio_at_write": ratios.at_write,
        "ratio_at_end": ratios.at_end,
        "ratio_of_effects": ratios.of_effects,
    }


def _of_block(block: Perturbation, drawn: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    random = _over_draws(drawn)
    return {
        "block_kl": block.kl,
        "kl_over_random": block.kl - random["random_kl"],
        "end_cosine": block.cosine[:, -1],
        "end_cosine_over_random": block.cosine[:, -1] - random["random_end_cosine"],
        "amplification": block.amplification,
        "amplification_over_random": block.amplification - random["random_amplification"],
        "block_size": block.size,
        "block_divergence": block.divergence,
        "divergence_over_random": block.divergence - random["random_divergence"],
        "growth": block.growth,
        "growth_over_random": block.growth - random["random_growth"],
        "cosine": block.cosine,
        "cosine_over_random": block.cosine - random["random_cosine"],
        **random,
    }


def _over(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a ratio, NaN where it would be one to zero: of a block that writes nothing, or of runs that are alike."""
    return torch.where(other > 0, one / other, torch.nan)


def _by_draw(controls: Sequence[Depth], fields: Mapping[str, str]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([getattr(one, field) for one in controls]) for name, field in fields.items()}


def _over_draws(drawn: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: values.mean(dim=0) for name, values in drawn.items()}


def _mean_over_examples(values: FloatArray) -> FloatArray:
    """Return the mean over examples of (E, D, ...), of those that have a value, as (D, K); NaN where none has."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means.reshape(len(means), -1)


def _batches(sequences: Sequences, rows: Sequence[int], vocabulary: int) -> Iterator[list[int]]:
    """Yield examples of similar length together, so many that their logits stay small."""
    batch: list[int] = []
    for row in sorted(rows, key=lambda row: len(sequences.examples[row].input_ids)):
        longest = len(sequences.examples[row].input_ids)
        if batch and (len(batch) == _MOST or (len(batch) + 1) * longest * vocabulary > _LOGITS):
            yield batch
            batch = []
        batch.append(row)
    yield batch
