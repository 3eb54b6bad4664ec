"""The backbone's own weights, kept where an arm overwrites them, so that switching the arm off gives the backbone back.

Three kinds of arm change weights of the backbone itself: full fine-tuning, adapters that train its biases, and adapters
whose start takes a part out of each weight (PiSSA). PEFT's `disable_adapter` gives back neither biases nor that part.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

_TAKES_A_PART = ("pissa", "olora", "corda", "loftq")  # values of LoraConfig.init_lora_weights


@dataclass(frozen=True)
class Originals:
    """Parameters with their values at one moment, which are kept in main memory.

    Not covered: parameters sharded by FSDP or offloaded by accelerate.

    Args:
        kept: Each parameter and a copy of its value.
    """

    kept: list[tuple[nn.Parameter, torch.Tensor]] = field(default_factory=list)

    @classmethod
    def of(cls, model: nn.Module, wanted: Callable[[str], bool]) -> Originals:
        """Copy parameters.

        Args:
            model: The backbone, before it is changed.
            wanted: Says by name which parameters may be changed.
        """
        named = [(name, p.detach(), p) for name, p in model.named_parameters()]
        return cls([(p, (v if v.is_meta else v.cpu()).clone()) for name, v, p in named if wanted(name)])

    def changing(self) -> Originals:
        """Keep only what has changed since, or is going to because it is trained."""
        return Originals(
            [(p, value) for p, value in self.kept if p.requires_grad or not torch.equal(p.detach().cpu(), value)]
        )

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Put the original values back; the present ones return at the end, bit by bit. Nests."""
        present = [p.data for p, _ in self.kept]
        try:
            for p, value in self.kept:
                p.data = value.to(p.device, p.dtype)
            yield
        finally:
            for (p, _), value in zip(self.kept, present, strict=True):
                p.data = value

    def restore(self) -> None:
        """Put the original values back for good."""
        for p, value in self.kept:
            p.data.copy_(value)


def overwritten_by(peft_config: Any) -> Callable[[str], bool] | None:  # noqa: ANN401 - a PeftConfig; PEFT is untyped
    """Say which of the backbone's parameters an adapter may overwrite.

    Args:
        peft_config: The adapter's configuration.

    Returns:
        A predicate on names, or None if the adapter leaves the backbone alone.
    """
    start = getattr(peft_config, "init_lora_weights", None)
    takes_a_part = isinstance(start, str) and start.startswith(_TAKES_A_PART)
    biases = getattr(peft_config, "bias", "none") != "none"
    if not (takes_a_part or biases):
        return None
    return lambda name: (biases and name.endswith("bias")) or (takes_a_part and name.endswith("weight"))
