"""Bottleneck adapters inside the decoder layers, and AdapterFusion, which trains several and then a mix of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from talan_core.errors import UserError
from talan_core.partners.base import PlainPartner

if TYPE_CHECKING:
    from collections.abc import Sequence

BUDGETS: Final = ("tokens", "steps")
_FEWEST_DOMAINS: Final = 2
_FEWEST_STEPS: Final = 2  # of a stage: the first step of a warm-up moves nothing


@dataclass(frozen=True)
class PlannedStage:
    """One of the trainings that make a fusion.

    Attributes:
        name: The domain, or "fusion".
        domain: Number of the domain whose adapter learns; None where the fusion does.
        steps: Optimizer steps.
    """

    name: str
    domain: int | None
    steps: int


@dataclass(frozen=True, kw_only=True)
class BottleneckPartner(PlainPartner):
    """What bottleneck adapters have in common.

    Args:
        r: Width of the bottleneck.
    """

    rate_factor: ClassVar[float] = 3.0
    is_mergeable: ClassVar[bool] = False

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
            together and half for the fusion (the halves are ours), so that they see as many examples as a single stage
            and, as far as domains are equally long, as many tokens; or "steps", the recipe's steps in each stage.
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

    def stages(self, domains: Sequence[str], steps: int) -> tuple[PlannedStage, ...]:
        """Return what is trained one after the other.

        Args:
            domains: Names of the sources of the training data, each once.
            steps: Optimizer steps of the recipe.

        Raises:
            UserError: There are fewer than two domains, another number of them than the arm says, or too few steps.
        """
        if len(domains) < _FEWEST_DOMAINS:
            raise UserError(
                f"fusion mixes adapters of several domains, and the training data have one source ({domains[0]}).",
                "Train on several: --train-tasks gsm8k_micro,math500_micro, or --train-data a.jsonl,b.jsonl",
            )
        if self.domains not in (0, len(domains)):
            raise UserError(
                f"fusion[domains={self.domains}] has another number of domains than the training data, which have "
                f"{len(domains)} sources: {', '.join(domains)}.",
                "Type fusion without domains.",
            )
        each = steps if self.budget == "steps" else steps // (2 * len(domains))
        if each < _FEWEST_STEPS:
            fewest = _FEWEST_STEPS * (1 if self.budget == "steps" else 2 * len(domains))
            raise UserError(
                f"{steps} optimizer steps are too few for {len(domains)} domains and their fusion.",
                f"Type --steps {fewest} or more{'' if self.budget == 'steps' else ', or fusion[budget=steps]'}.",
            )
        last = steps if self.budget == "steps" else steps - each * len(domains)
        return (*(PlannedStage(name, at, each) for at, name in enumerate(domains)), PlannedStage("fusion", None, last))
