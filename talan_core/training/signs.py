"""Early signs of life of a training: gradients by group, the gate, and the loss on examples that are not learned."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch.nn import functional

from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.data import collate
from talan_core.writeback import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from peft import PeftModel

    from talan_core.plain import PlainModel
    from talan_core.training.encoding import EncodedExample

LOOKS: Final = 8
"""Most times that the held-out loss is measured after the first step, that after the last one included (ours)."""
_FEWEST: Final = 2
_SHARE: Final = 0.1
_PASSES_OF_A_STEP: Final = 3
"""About what learning an example takes: its forward pass, and a backward pass of twice as many products."""
_IGNORED: Final = -100


@dataclass(frozen=True)
class HeldOutLoss:
    """The loss on examples that are not learned.

    Attributes:
        step: Optimizer steps done.
        loss: Mean over the target tokens of all of them, nats, in evaluation mode and float32.
    """

    step: int
    loss: float


@dataclass(frozen=True)
class Signs:
    """What was seen while an arm was trained.

    Attributes:
        adapter_gradients: Norm of the partner's gradient at each step, before clipping.
        block_gradients: The same of the block's; empty without one.
        gates: Root mean square of the block's gate after each step; empty without one.
        held_out: The held-out loss before the first step and at regular intervals; empty without examples.
    """

    adapter_gradients: tuple[float, ...] = ()
    block_gradients: tuple[float, ...] = ()
    gates: tuple[float, ...] = ()
    held_out: tuple[HeldOutLoss, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signs:
        """Read the JSON form; what is missing is empty."""
        curves = {name: tuple(data.get(name, ())) for name in ("adapter_gradients", "block_gradients", "gates")}
        return cls(**curves, held_out=tuple(HeldOutLoss(**one) for one in data.get("held_out", ())))


@dataclass
class Watch:
    """Looks at a model while it is trained, and changes nothing of it: neither weights nor random numbers.

    Args:
        held_out: Examples that are not learned.
        steps: Optimizer steps of the training.
        pad: Token id that fills a batch.
        batch_size: Examples per forward pass.
        learned: Examples that the training learns, as often as it does.
        signs: What was seen before an interruption.
    """

    held_out: Sequence[EncodedExample]
    steps: int
    pad: int
    batch_size: int
    learned: int
    signs: Signs = field(default_factory=Signs)

    @property
    def every(self) -> int:
        """Steps from one look at the held-out loss to the next, so that looking costs about a tenth of a training.

        A short training is looked at twice beside the beginning, whatever it costs.
        """
        affordable = int(_SHARE * _PASSES_OF_A_STEP * self.learned / max(1, len(self.held_out)))
        return max(1, math.ceil(self.steps / max(_FEWEST, min(LOOKS, affordable))))

    def begin(self, model: PeftModel | PlainModel) -> None:
        """Measure the held-out loss before the first step; not again where a training goes on."""
        if self.held_out and not self.signs.held_out:
            self._add(held_out=(HeldOutLoss(0, held_out_loss(model, self.held_out, self.pad, self.batch_size)),))

    def note_gradients(self, of_partner: float | None, of_block: float | None) -> None:
        """Note the norms of a step's gradients, before clipping."""
        self._add(
            adapter_gradients=() if of_partner is None else (of_partner,),
            block_gradients=() if of_block is None else (of_block,),
        )

    def end_step(self, model: PeftModel | PlainModel, step: int) -> None:
        """Look after an optimizer step.

        Args:
            model: As it is now.
            step: Steps done.
        """
        gate = gate_rms(model)
        self._add(gates=() if gate is None else (gate,))
        if self.held_out and (step % self.every == 0 or step == self.steps):
            loss = held_out_loss(model, self.held_out, self.pad, self.batch_size)
            self._add(held_out=(HeldOutLoss(step, loss),))

    def _add(self, **more: tuple[Any, ...]) -> None:
        self.signs = Signs(**{
            name: (*getattr(self.signs, name), *more.get(name, ()))
            for name in ("adapter_gradients", "block_gradients", "gates", "held_out")
        })  # fmt: skip


@torch.no_grad()
def gate_rms(model: PeftModel | PlainModel) -> float | None:
    """Return the root mean square of the gate of a model's block; None without a block, or one without a gate."""
    block = getattr(model, "talan", None)
    gate = None if block is None else block.block.writeback
    return float(gate.gate.float().square().mean().sqrt()) if isinstance(gate, Gate) else None


@torch.no_grad()
def held_out_loss(
    model: PeftModel | PlainModel, examples: Sequence[EncodedExample], pad: int, batch_size: int
) -> float:
    """Return the mean loss over all target tokens of some examples, in nats.

    The model's mode is restored, and no random number is drawn.
    """
    training = model.training
    model.eval()
    total, count = 0.0, 0
    try:
        for start in range(0, len(examples), batch_size):
            batch = {
                name: values.to(model.device)
                for name, values in collate(examples[start : start + batch_size], pad_token_id=pad).items()
            }
            labels = batch.pop("labels")
            with prompts_told(model, Prompts(labels=labels)):
                logits = cast("Any", model)(**batch, use_cache=False).logits[:, :-1]
            labels = labels[:, 1:]
            learned = labels != _IGNORED
            total += float(functional.cross_entropy(logits[learned].float(), labels[learned], reduction="sum"))
            count += int(learned.sum())
    finally:
        model.train(training)
    return total / count
