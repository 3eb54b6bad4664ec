"""The weights of an arm over its seeds: tensors, groups, gate, ensemble, and what the adapter adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_eval.internals.findings import EnsembleFindings, GroupFindings, TensorFindings, WeightFindings
from talan_eval.internals.over_seeds import band, of_seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.analysis.audit import BlockAudit, EnsembleAudit, GroupAudit, TensorAudit
    from talan_eval.internals.findings import SeedMean
    from talan_eval.internals.weighing import KeptWeights

CONSTANT: Final = "it starts constant, so that fresh draws of it do not differ"
RANDOM: Final = "it starts random; its distances have fresh draws as their unit"
NO_RATES: Final = "how many steps it was trained is not recorded, or nothing of it is trained"


def weight_findings(kept: Sequence[KeptWeights], alpha: float) -> WeightFindings | None:
    """Average the weights of one arm over seeds; None where nothing was kept.

    Args:
        kept: One for each seed.
        alpha: Error rate of intervals.
    """
    if not kept:
        return None
    audits = [one.block for one in kept]
    blocks: list[BlockAudit] = [one for one in audits if one is not None]
    if len(blocks) < len(audits):
        blocks = []
    gates = [one.gate for one in blocks if one.gate is not None]
    return WeightFindings(
        parameters=kept[0].parameters,
        update=_update(kept, alpha),
        tensors=tuple(_tensor([one.tensors[at] for one in blocks], alpha) for at in range(_count(blocks))),
        groups=tuple(
            _group([one.groups[at] for one in blocks], alpha) for at in range(len(blocks[0].groups) if blocks else 0)
        ),
        gate_rms=of_seeds([gate.rms for gate in gates], alpha, NO_RATES) if gates else None,
        gate_largest=of_seeds([gate.largest for gate in gates], alpha, NO_RATES) if gates else None,
        gate_of_ceiling=of_seeds([gate.rms_of_ceiling for gate in gates], alpha, NO_RATES) if gates else None,
        ensemble=_ensemble([one.ensemble for one in blocks if one.ensemble is not None], alpha),
    )


def _count(blocks: Sequence[BlockAudit]) -> int:
    return len(blocks[0].tensors) if blocks else 0


def _update(kept: Sequence[KeptWeights], alpha: float) -> dict[str, SeedMean]:
    updates = [one.update for one in kept if one.update is not None]
    if len(updates) < len(kept):
        return {}
    kinds = dict.fromkeys(kind for one in updates for kind in one)
    return {kind: of_seeds([one.get(kind, 0.0) for one in updates], alpha, "") for kind in kinds}


def _tensor(seeds: Sequence[TensorAudit], alpha: float) -> TensorFindings:
    return TensorFindings(
        name=seeds[0].name,
        start_from_fresh=of_seeds([one.start_from_fresh for one in seeds], alpha, CONSTANT),
        rms=of_seeds([one.rms for one in seeds], alpha, ""),
        **_distances(seeds, alpha),
    )


def _group(seeds: Sequence[GroupAudit], alpha: float) -> GroupFindings:
    share = of_seeds([one.share for one in seeds], alpha, "nothing of the block has moved")
    return GroupFindings(share=share, **_distances(seeds, alpha))


def _distances(seeds: Sequence[TensorAudit | GroupAudit], alpha: float) -> dict[str, Any]:
    """Return what tensors and groups have alike: which group, and how far they went."""
    why = NO_RATES if seeds[0].from_start is None else RANDOM
    return {
        "group": seeds[0].group,
        "from_start": of_seeds([one.from_start for one in seeds], alpha, CONSTANT),
        "from_fresh": of_seeds([one.from_fresh for one in seeds], alpha, CONSTANT),
        "rms_of_ceiling": of_seeds([one.rms_of_ceiling for one in seeds], alpha, why),
    }


def _ensemble(seeds: Sequence[EnsembleAudit], alpha: float) -> EnsembleFindings | None:
    if not seeds:
        return None
    return EnsembleFindings(
        cosine=of_seeds([one.cosine for one in seeds], alpha, ""),
        random=band([np.array([one.random for one in seeds])[:, :, None]]),
        entropy=of_seeds([one.entropy for one in seeds], alpha, ""),
        imbalance=of_seeds([one.imbalance for one in seeds], alpha, ""),
    )
