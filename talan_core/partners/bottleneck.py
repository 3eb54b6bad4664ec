"""Bottleneck adapters inside the decoder layers, and AdapterFusion, which trains several and then a mix of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from talan_core.partners.base import PlainPartner

BUDGETS: Final = ("tokens", "steps")


@dataclass(frozen=True, kw_only=True)
class BottleneckPartner(PlainPartner):
    """What bottleneck adapters have in common.

    Args:
        r: Width of the bottleneck.
    """

    r: int = 16

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return self._too_small("r")


@dataclass(frozen=True, kw_only=True)
class Pfeiffer(BottleneckPartner):
    """One bottleneck adapter per decoder layer, behind its feed-forward part: s + U relu(D s) (Pfeiffer et al., 2021).

    s is the residual stream behind the layer, as `SeqBnConfig` of the package `adapters` has it in decoders whose norms
    stand before the sublayers. U starts as zero (ours; the package draws it), so that the adapter starts as nothing.
    """

    kind: ClassVar[str] = "pfeiffer"


@dataclass(frozen=True, kw_only=True)
class Houlsby(BottleneckPartner):
    """Two bottleneck adapters per decoder layer, on what attention and feed-forward part add (Houlsby et al., 2019).

    h + U silu(D h), h being a sublayer's output before it is added to the residual stream, as `DoubleSeqBnConfig` of
    the package `adapters` has it. U starts as zero (ours).
    """

    kind: ClassVar[str] = "houlsby"


@dataclass(frozen=True, kw_only=True)
class Fusion(BottleneckPartner):
    """AdapterFusion (Pfeiffer et al., 2021): adapters of single domains, then attention over them, which stay frozen.

    A domain is a source of the training data. In the first stages one Pfeiffer adapter is trained on the examples of
    each domain, from the untouched backbone; in the last one, on all data, queries, keys and values (initially the
    identity, and pulled back to it) that mix the adapters' outputs at each layer and position.

    Args:
        r: Width of each domain's bottleneck.
        budget: What the stages share: "tokens", the optimizer steps of the recipe in all, half of them for the domains
            together and half for the fusion (the halves are ours); or "steps", the recipe's steps in each stage.
        domains: Number of domains. What an arm is trained on says it; a checkpoint records it.
    """

    kind: ClassVar[str] = "fusion"
    refuses_block: ClassVar[str] = "it is trained in stages, and a block would learn in each of them"

    budget: str = "tokens"
    domains: int = 0

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        found = super().problems()
        if self.budget not in BUDGETS:
            found.append(f"budget={self.budget}: must be {' or '.join(BUDGETS)}")
        if self.domains < 0:
            found.append(f"domains={self.domains}: must be at least 0, which leaves it to the training data")
        return found
