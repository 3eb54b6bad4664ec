"""From captured residual streams to norms, ratios, cosines and divergences, per example.

|.| is the Euclidean norm of a position's vector. Every quantity is a mean over the positions of an example that count,
and a ratio is one of such means; E is the number of examples of a batch. What is not defined is NaN here, and null with
its reason where it is published. Reductions are in float64.

With a_l = h_l(10) - h_l(00) the adapter's effect, b_l = h_l(11) - h_l(10) the block's, p = h+ - h- the write in state
11 and l* its layer. All these definitions are ours: Zhang et al. (2026) name the quantities without formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.analysis.capture import TokenBatch, Trace

AT_THE_EMBEDDING = "at layer 0 nothing of the adapter has run, so its effect there is zero by construction"
"""Why a ratio or a cosine with the adapter's effect at the block's layer is not defined there."""


@dataclass(frozen=True)
class Update:
    """What the adapter does, without the block.

    Attributes:
        size: (E, L + 1), |a_l|.
        divergence: (E, L + 1), |a_l| / |h_l(00)|.
        kl: (E,), KL(next token in 10 || in 00), nats.
    """

    size: torch.Tensor
    divergence: torch.Tensor
    kl: torch.Tensor


@dataclass(frozen=True)
class Depth:
    """How far the block, or a random direction in its place, moves the stream at each layer.

    Attributes:
        size: (E, L + 1), |b_l|.
        divergence: (E, L + 1), |b_l| / |h_l(10)|; exactly zero below l*.
        growth: (E, L + 1), divergence over that at l*; NaN below l*.
        amplification: (E,), growth at L.
    """

    size: torch.Tensor
    divergence: torch.Tensor
    growth: torch.Tensor
    amplification: torch.Tensor


@dataclass(frozen=True)
class Perturbation(Depth):
    """What the block does beside the adapter, or what a random direction in place of its write does.

    Attributes:
        cosine: (E, L + 1), cos(a_l, b_l), mean over positions where both are not zero; NaN where there are none.
        kl: (E,), KL(next token in 11 || in 10), nats.
        loss: (E,), mean -log p of the predicted tokens in 11, nats.
    """

    cosine: torch.Tensor
    kl: torch.Tensor
    loss: torch.Tensor


@dataclass(frozen=True)
class Survival:
    """What is left of a write when it is added in some type.

    Attributes:
        share: (E,), share of the elements of h- that change.
        cosine: (E,), cosine of the change with p; NaN where nothing changes.
    """

    share: torch.Tensor
    cosine: torch.Tensor


@dataclass(frozen=True)
class Write:
    """The write itself.

    Attributes:
        size: (E,), |p|.
        residual: (E,), |h-|.
        relative: (E,), |p| / |h-|.
        cosine: (E,), cos(a_{l*}, p); NaN where a_{l*} is zero.
        bfloat16: What is left of it when it is added in bfloat16.
        float32: The control: the same addition in float32.
    """

    size: torch.Tensor
    residual: torch.Tensor
    relative: torch.Tensor
    cosine: torch.Tensor
    bfloat16: Survival
    float32: Survival


@dataclass(frozen=True)
class Ratios:
    """The adapter's update over the block's perturbation: three readings of one sentence of the paper.

    Attributes:
        at_write: (E,), |a_{l*}| / |p|; NaN where a_{l*} is zero, as it is at layer 0.
        at_end: (E,), |a_L| / |p|.
        of_effects: (E,), |a_L| / |b_L|.
    """

    at_write: torch.Tensor
    at_end: torch.Tensor
    of_effects: torch.Tensor


def update(batch: TokenBatch, adapted: Trace, plain: Trace) -> Update:
    """Measure the adapter.

    Args:
        batch: What was run.
        adapted: In state 10.
        plain: In state 00.
    """
    size = _means(batch, _norms(adapted.hidden - plain.hidden))
    return Update(
        size=size,
        divergence=size / _means(batch, _norms(plain.hidden)),
        kl=_means(batch, _kl(adapted, plain)),
    )


def perturbation(batch: TokenBatch, changed: Trace, adapted: Trace, plain: Trace, layer: int) -> Perturbation:
    """Measure the block, or a control in its place.

    Args:
        batch: What was run.
        changed: In state 11, the write as it is or replaced.
        adapted: In state 10.
        plain: In state 00.
        layer: l*.

    Raises:
        ValueError: The stream below l* is not bit-equal in both states, or has not changed at l* although it was
            written to: the states or the layer are not what they are said to be.
    """
    depth = through_depth(batch, changed, adapted, layer)
    return Perturbation(
        size=depth.size,
        divergence=depth.divergence,
        growth=depth.growth,
        amplification=depth.amplification,
        cosine=_cosines(batch, adapted.hidden - plain.hidden, changed.hidden - adapted.hidden),
        kl=_means(batch, _kl(changed, adapted)),
        loss=loss(batch, changed),
    )


def through_depth(batch: TokenBatch, changed: Trace, adapted: Trace, layer: int) -> Depth:
    """Measure how far the block, or a control in its place, moves the stream; arguments and errors as above."""
    effect = changed.hidden - adapted.hidden
    _check_layer(effect, changed, layer)
    size = _means(batch, _norms(effect))
    divergence = size / _means(batch, _norms(adapted.hidden))
    growth = divergence / divergence[:, layer : layer + 1]
    growth[:, :layer] = torch.nan
    return Depth(size=size, divergence=divergence, growth=growth, amplification=growth[:, -1])


def write(batch: TokenBatch, both: Trace, adapted: Trace, plain: Trace, layer: int) -> Write:
    """Measure the write.

    Args:
        batch: What was run.
        both: In state 11.
        adapted: In state 10.
        plain: In state 00.
        layer: l*.
    """
    before, written = _write_of(both, layer)
    size, residual = _means(batch, _norms(written)), _means(batch, _norms(before))
    there = adapted.hidden[layer] - plain.hidden[layer]
    return Write(
        size=size,
        residual=residual,
        relative=size / residual,
        cosine=_cosines(batch, there[None], written[None])[:, 0],
        bfloat16=_survival(batch, before, written, torch.bfloat16),
        float32=_survival(batch, before, written, torch.float32),
    )


def ratios(batch: TokenBatch, both: Trace, adapted: Trace, plain: Trace, layer: int) -> Ratios:
    """Set the adapter's update against the block's perturbation; arguments as for `write`."""
    _, written = _write_of(both, layer)
    size = _means(batch, _norms(written))
    of_adapter = _means(batch, _norms(adapted.hidden - plain.hidden))
    of_block = _means(batch, _norms(both.hidden[-1] - adapted.hidden[-1]))
    there = of_adapter[:, layer]
    return Ratios(
        at_write=torch.where((there > 0) & (size > 0), there / size, torch.nan),
        at_end=torch.where(size > 0, of_adapter[:, -1] / size, torch.nan),
        of_effects=torch.where(of_block > 0, of_adapter[:, -1] / of_block, torch.nan),
    )


def divergence_of_runs(batch: TokenBatch, one: Trace, other: Trace) -> torch.Tensor:
    """Return |h_l(one) - h_l(other)| / |h_l(other)| of two trained models, (E, L + 1)."""
    return _means(batch, _norms(one.hidden - other.hidden)) / _means(batch, _norms(other.hidden))


def cosine_of_updates(batch: TokenBatch, one: tuple[Trace, Trace], other: tuple[Trace, Trace]) -> torch.Tensor:
    """Return the cosine of what two adapters do, (E, L + 1); NaN where one of them does nothing.

    Args:
        batch: What was run.
        one: States 10 and 00 of one model.
        other: Those of the other.
    """
    return _cosines(batch, one[0].hidden - one[1].hidden, other[0].hidden - other[1].hidden)


def loss(batch: TokenBatch, seen: Trace) -> torch.Tensor:
    """Return the mean loss of the predicted tokens, (E,), nats."""
    return _means(batch, -seen.log_probabilities.gather(1, batch.targets[:, None])[:, 0])


def correlations(curves: Sequence[torch.Tensor]) -> tuple[float, ...]:
    """Return the correlation of each pair of curves over layers: how much the shape of one is that of the other.

    Args:
        curves: Two or more of one length; equal numbers all along have no shape, and the correlation is NaN.
    """
    matrix = torch.corrcoef(torch.stack([curve.double() for curve in curves]))
    return tuple(float(matrix[i, j]) for i in range(len(curves)) for j in range(i))


def _check_layer(effect: torch.Tensor, changed: Trace, layer: int) -> None:
    if effect[:layer].any():
        raise ValueError(f"the stream has changed below layer {layer}, where nothing was written yet")
    if changed.before is None:
        raise ValueError("no block wrote in this pass")
    if not torch.equal(changed.hidden[layer] - changed.before, effect[layer]):
        raise ValueError(f"what changed at layer {layer} is not what was written there")
    if effect.any() and not effect[layer].any():
        raise ValueError(f"nothing was written at layer {layer}, and the stream has changed above")


def _write_of(both: Trace, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    if both.before is None:
        raise ValueError("no block wrote in this pass")
    return both.before, both.hidden[layer] - both.before


def _survival(batch: TokenBatch, before: torch.Tensor, written: torch.Tensor, dtype: torch.dtype) -> Survival:
    start = before.to(dtype)
    after = start + written.to(dtype)
    change = after.float() - start.float()
    return Survival(
        share=_means(batch, (after != start).double().mean(dim=-1)),
        cosine=_cosines(batch, change[None], written[None])[:, 0],
    )


def _norms(values: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(values, dim=-1, dtype=torch.float64)
    return norms


def _kl(one: Trace, other: Trace) -> torch.Tensor:
    """Return KL(next token in one || in other) at each position, (N,)."""
    own = one.log_probabilities
    divergence: torch.Tensor = (own.exp() * (own - other.log_probabilities)).sum(-1)
    return divergence


def _cosines(batch: TokenBatch, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean cosine of vectors, (..., N, d), over the positions where both are not zero, (E, ...)."""
    sizes = _norms(one) * _norms(other)
    product = (one.double() * other.double()).sum(-1)
    defined = sizes > 0
    cosines = torch.where(defined, product / torch.where(defined, sizes, 1.0), 0.0)
    return _sums(batch, cosines) / _sums(batch, defined.double())  # 0 / 0 is NaN


def _means(batch: TokenBatch, values: torch.Tensor) -> torch.Tensor:
    """Return the mean over positions of each example: (..., N) to (E, ...)."""
    return _sums(batch, values) / _sums(batch, torch.ones_like(values))


def _sums(batch: TokenBatch, values: torch.Tensor) -> torch.Tensor:
    found = values.new_zeros((len(batch.keys), *values.shape[:-1]))
    return found.index_add_(0, batch.rows, values.movedim(-1, 0))
