"""Where in a pass the prompts are: what an edit of a few places of the prompt must be told, and its places.

The tokens alone do not say where a prompt ends. Labels do, and generation does, which sees the prompt first and alone;
elsewhere whoever runs a model says it: `with prompts_told(model, Prompts(lengths)): model(...)`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_LOSS: Final = -100


@dataclass(frozen=True, slots=True)
class Prompts:
    """Which tokens of a pass are prompt; all of them where none is given.

    Attributes:
        columns: Tokens of every row's prompt, padding included: while answers are generated, whatever stands behind.
        lengths: (batch,), tokens of each row's prompt, padding not counted.
        labels: (batch, length), -100 where there is no loss. A prompt is what stands in its sequence before the first
            token with loss; of a conversation with several answers that is the prompt of the first.
    """

    lengths: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    columns: int | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """The first and the last tokens of prompts.

    Attributes:
        first: (batch, length), true at the first tokens of a prompt.
        last: (batch, length), true at its last.
    """

    first: torch.Tensor
    last: torch.Tensor


def places(prompts: Prompts, real: torch.Tensor, positions: torch.Tensor | None, *, first: int, last: int) -> Places:
    """Find the first and the last tokens of each prompt (Wu et al., 2024, section 3.2).

    Of a prompt of n tokens at most n // 2 are first and at most n // 2 are last, as in the authors' package pyreft, so
    that no place is both.

    Args:
        prompts: Which tokens are prompt.
        real: (batch, length), false at padding.
        positions: (batch or 1, length), where several sequences share a row: each starts again at zero.
        first: Tokens at the beginning of a prompt.
        last: Tokens at its end.
    """
    real = real.bool()
    starts = real & ~torch.nn.functional.pad(real, (1, 0))[:, :-1]
    if positions is not None:
        starts = starts | (real & (positions == 0))
    columns = torch.arange(real.shape[1], device=real.device).expand_as(real)
    begin = torch.where(starts, columns, 0).cummax(dim=1).values
    behind = columns - begin  # tokens of the same sequence before this one
    is_prompt = real & _is_prompt(prompts, behind, begin)
    sequence = (starts.long().cumsum(dim=1) - 1).clamp(min=0)
    count = torch.zeros_like(sequence).scatter_add(1, sequence, is_prompt.long()).gather(1, sequence)
    half = count // 2
    return Places(
        first=is_prompt & (behind < half.clamp(max=first)),
        last=is_prompt & (count - behind <= half.clamp(max=last)),
    )


def _is_prompt(prompts: Prompts, behind: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
    if prompts.lengths is not None:
        return behind < prompts.lengths.to(behind.device)[:, None]
    if prompts.columns is not None:
        return torch.arange(behind.shape[1], device=behind.device).expand_as(behind) < prompts.columns
    if prompts.labels is None:
        return torch.ones_like(behind, dtype=torch.bool)
    learned = (prompts.labels.to(behind.device) != _NO_LOSS).long()
    so_far = learned.cumsum(dim=1)
    return so_far == (so_far - learned).gather(1, begin)


class PromptReader:
    """Mixin of edits that change a few places of the prompt.

    Attributes:
        prompts: What was told of the passes that run now; None where nothing was.
    """

    prompts: Prompts | None = None

    @property
    def known(self) -> Prompts:
        """What was told of the pass that runs, without which there is no pass.

        Raises:
            UserError: Nothing was.
        """
        if self.prompts is None:
            raise UserError(
                "This arm edits places of the prompt, and nothing says where in this pass the prompt ends.",
                "Give labels to the model's forward, use its generate, or run it inside "
                "`with talan_core.prompt_places.prompts_told(model, Prompts(lengths)):`",
            )
        return self.prompts


@contextlib.contextmanager
def prompts_told(model: Any, prompts: Prompts) -> Iterator[None]:  # noqa: ANN401 - any model
    """Tell a model inside where the prompts of its passes are; models that do not ask are left alone.

    Args:
        model: An arm's model or a bare backbone.
        prompts: Which tokens are prompt.
    """
    reader = getattr(model, "edit", None)
    if not isinstance(reader, PromptReader):
        yield
        return
    before, reader.prompts = reader.prompts, prompts
    try:
        yield
    finally:
        reader.prompts = before
