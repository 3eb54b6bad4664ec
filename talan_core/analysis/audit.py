"""A block's weights against their initial values and against fresh draws, and what the adapter's weights add up to.

The initial values are recomputed from the seed that the checkpoint names. Distances are Frobenius norms in units of the
mean distance between two fresh draws of the same tensor: 0 is untouched, 1 is as far as a stranger. Tensors that start
constant have no such unit; theirs is how far AdamW could have carried them, the sum of learning rates times lr_scale.
Zhang et al. (2026) speak of a fresh-sample distance without a formula; these are ours.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from talan_core.analysis.controls import FRESH, generator_of
from talan_core.block import TalanBlock
from talan_core.mixers import Ensemble
from talan_core.training.pairing import derive_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from peft import PeftModel

    from talan_core.attach import TalanAttachment
    from talan_core.plain import PlainModel

GROUPS: Final = ("theme queries", "projections", "biases", "gate", "mixture")
_ENDINGS: Final = {"themes": "theme queries", "_weight": "projections", "_shift": "biases", "gate": "gate"}


@dataclass(frozen=True)
class TensorAudit:
    """One tensor of a block.

    Attributes:
        name: Its name in the block.
        group: One of `GROUPS`; "noise" for what belongs to the noise control.
        squared_update: |W - W0|^2.
        from_start: |W - W0| over the unit; None for a tensor that starts constant.
        from_fresh: Mean |W - F| over fresh draws F, over the unit; None likewise.
        start_from_fresh: The same of W0, the control: what an untouched tensor shows.
        rms: Root mean square of W - W0.
        rms_of_ceiling: That over the ceiling; None for a tensor that starts random, or without a ceiling.
    """

    name: str
    group: str
    squared_update: float
    from_start: float | None
    from_fresh: float | None
    start_from_fresh: float | None
    rms: float
    rms_of_ceiling: float | None


@dataclass(frozen=True)
class GroupAudit:
    """All tensors of a group, as one long vector.

    Attributes:
        group: One of `GROUPS`.
        share: Share of the squared update of the whole block; None where nothing moved.
        from_start: As for a tensor, of those that start random; None where there is none.
        from_fresh: Likewise.
        rms_of_ceiling: Of those that start constant; None where there is none, or without a ceiling.
    """

    group: str
    share: float | None
    from_start: float | None
    from_fresh: float | None
    rms_of_ceiling: float | None


@dataclass(frozen=True)
class GateAudit:
    """The gate.

    Attributes:
        rms: Root mean square.
        largest: Largest absolute value.
        rms_of_ceiling: `rms` over the sum of learning rates times lr_scale; None without one.
        largest_of_ceiling: Likewise.
    """

    rms: float
    largest: float
    rms_of_ceiling: float | None
    largest_of_ceiling: float | None


@dataclass(frozen=True)
class EnsembleAudit:
    """The components of an ensemble.

    Attributes:
        cosine: Mean |cosine| of the first right singular vectors of the components' query matrices, over pairs.
        random: The same of random matrices of that shape, one value per draw: the control.
        entropy: Entropy of the mixture weights over that of equal ones, in [0, 1].
        imbalance: Largest mixture weight times the number of components; 1 where all are equal.
    """

    cosine: float
    random: tuple[float, ...]
    entropy: float
    imbalance: float


@dataclass(frozen=True)
class BlockAudit:
    """A block's weights.

    Attributes:
        tensors: One entry per tensor, in the block's order.
        groups: One entry per group that the block has.
        gate: None without a gate.
        ensemble: None without an ensemble.
    """

    tensors: tuple[TensorAudit, ...]
    groups: tuple[GroupAudit, ...]
    gate: GateAudit | None
    ensemble: EnsembleAudit | None


@torch.no_grad()
def audit_block(attachment: TalanAttachment, *, rates: float | None) -> BlockAudit:
    """Audit a block.

    Args:
        attachment: A block that knows its seed.
        rates: Sum over steps of the learning rate that it was trained with, lr_scale not counted; None where unknown.

    Raises:
        ValueError: The block does not say which seed it was drawn from.
    """
    if attachment.provenance is None:
        raise ValueError("the block does not say which seed it was drawn from")
    start = _weights(attachment, torch.Generator().manual_seed(derive_seed(attachment.provenance.seed, "talan-init")))
    fresh = [_weights(attachment, generator_of("fresh", draw)) for draw in range(FRESH)]
    trained = {name: value.detach().cpu().double() for name, value in attachment.block.named_parameters()}
    ceiling = None if not rates else rates * float(attachment.config.lr_scale)
    tensors = tuple(
        _tensor(name, value, start[name], [draw[name] for draw in fresh], ceiling) for name, value in trained.items()
    )
    groups = tuple(
        found for group in GROUPS if (found := _group(group, tensors, trained, start, fresh, ceiling)) is not None
    )
    gate = trained.get("writeback.gate")
    mixer = attachment.block.mixer
    return BlockAudit(
        tensors=tensors,
        groups=groups,
        gate=None if gate is None else _gate(gate, ceiling),
        ensemble=_ensemble(mixer) if isinstance(mixer, Ensemble) else None,
    )


def group_of(name: str) -> str:
    """Return the group of a block's tensor."""
    if name.startswith("writeback.") and not name.endswith(".gate"):
        return "noise"
    if name.endswith(".mixture"):
        return "mixture"
    return next(group for ending, group in _ENDINGS.items() if name.endswith(ending))


@torch.no_grad()
def weight_update(model: PeftModel | PlainModel, plain: Mapping[str, torch.Tensor]) -> dict[str, float] | None:
    """Return |Delta W|_F of an adapter by the kind of layer that it changes, and "all"; merges the adapter.

    Args:
        model: An arm's model; not to be used afterwards.
        plain: The backbone's own tensors by name, of the type in which the model was loaded.

    Returns:
        Square roots of sums of squares over all layers; None where the arm changes no weight (virtual tokens, edits of
        activations).
    """
    config = getattr(model, "active_peft_config", None)
    if getattr(model, "edit", None) is not None or (config is not None and config.is_prompt_learning):
        return None
    merge = getattr(model.base_model, "merge_and_unload", None)  # the adapter's own: the block does not matter here
    merged = cast("Any", model).get_base_model() if merge is None else merge()
    squares: dict[str, float] = {}
    for name, value in merged.named_parameters():
        if name in plain:
            change = float((value.detach().double() - plain[name].detach().double()).square().sum())
            if change > 0:
                parts = name.split(".")
                kind = parts[-2] if len(parts) > 1 else name
                squares[kind] = squares.get(kind, 0.0) + change
    return {kind: value**0.5 for kind, value in {**squares, "all": sum(squares.values())}.items()}


def _weights(attachment: TalanAttachment, generator: torch.Generator) -> dict[str, torch.Tensor]:
    block = TalanBlock(attachment.config, attachment.hidden_size, generator=generator)
    return {name: value.detach().double() for name, value in block.named_parameters()}


def _unit(fresh: Sequence[torch.Tensor]) -> float:
    """Return the mean distance between two fresh draws; 0 for a tensor that starts constant."""
    pairs = [float((one - other).norm()) for one, other in itertools.combinations(fresh, 2)]
    return sum(pairs) / len(pairs)


def _to_fresh(value: torch.Tensor, fresh: Sequence[torch.Tensor], unit: float) -> float:
    """Return the mean distance to the fresh draws; a draw that it is itself does not count."""
    distances = [float((value - draw).norm()) for draw in fresh]
    return sum(distances) / len(distances) / unit


def _tensor(
    name: str, value: torch.Tensor, start: torch.Tensor, fresh: Sequence[torch.Tensor], ceiling: float | None
) -> TensorAudit:
    change = value - start
    unit = _unit(fresh)
    rms = float(change.square().mean().sqrt())
    return TensorAudit(
        name=name,
        group=group_of(name),
        squared_update=float(change.square().sum()),
        from_start=float(change.norm()) / unit if unit else None,
        from_fresh=_to_fresh(value, fresh, unit) if unit else None,
        start_from_fresh=_to_fresh(start, fresh, unit) if unit else None,
        rms=rms,
        rms_of_ceiling=None if unit or ceiling is None else rms / ceiling,
    )


def _group(
    group: str,
    tensors: Sequence[TensorAudit],
    trained: Mapping[str, torch.Tensor],
    start: Mapping[str, torch.Tensor],
    fresh: Sequence[Mapping[str, torch.Tensor]],
    ceiling: float | None,
) -> GroupAudit | None:
    own = [tensor for tensor in tensors if tensor.group == group]
    if not own:
        return None
    random = [tensor.name for tensor in own if tensor.from_start is not None]
    constant = [tensor.name for tensor in own if tensor.from_start is None]
    total = sum(tensor.squared_update for tensor in tensors)
    from_start = from_fresh = of_ceiling = None
    if random:
        draws = [_joined(draw, random) for draw in fresh]
        unit, value = _unit(draws), _joined(trained, random)
        from_start = float((value - _joined(start, random)).norm()) / unit
        from_fresh = _to_fresh(value, draws, unit)
    if constant and ceiling is not None:
        of_ceiling = float((_joined(trained, constant) - _joined(start, constant)).square().mean().sqrt()) / ceiling
    share = sum(tensor.squared_update for tensor in own) / total if total else None
    return GroupAudit(group, share, from_start, from_fresh, of_ceiling)


def _joined(values: Mapping[str, torch.Tensor], names: Sequence[str]) -> torch.Tensor:
    return torch.cat([values[name].flatten() for name in names])


def _gate(gate: torch.Tensor, ceiling: float | None) -> GateAudit:
    rms, largest = float(gate.square().mean().sqrt()), float(gate.abs().max())
    return GateAudit(
        rms, largest, None if ceiling is None else rms / ceiling, None if ceiling is None else largest / ceiling
    )


def _ensemble(mixer: Ensemble) -> EnsembleAudit | None:
    queries = [cast("Any", component).query_weight.detach().cpu().float() for component in mixer.components]
    if len(queries) < 2:  # noqa: PLR2004 - a pair
        return None
    random = tuple(
        _alignment([torch.randn(query.shape, generator=generator) for query in queries])
        for generator in (generator_of("ensemble", draw) for draw in range(FRESH))
    )
    shares = mixer.mixture.detach().cpu().double().softmax(0)
    entropy = float(-(shares * shares.log()).sum() / torch.tensor(float(len(queries))).log())
    return EnsembleAudit(_alignment(queries), random, entropy, float(shares.max()) * len(queries))


def _alignment(matrices: Sequence[torch.Tensor]) -> float:
    """Return the mean |cosine| of the first right singular vectors, over pairs; their signs mean nothing."""
    first = [torch.linalg.svd(matrix, full_matrices=False).Vh[0] for matrix in matrices]
    cosines = [float((one @ other).abs()) for one, other in itertools.combinations(first, 2)]
    return sum(cosines) / len(cosines)
