"""Several examples in one row, each seeing only itself.

transformers recognises packed rows by position numbers that start again, and masks attention block by block; the
memory of a TALAN block goes through the same mask. Padding at the end of a row is one more such stretch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import torch

from talan_core.errors import UserError
from talan_core.training.data import IGNORED, EncodedExample, labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

_PROBE: Final = ((3, 2, 4, 2, 3), (2, 4, 4, 3))
"""Two short sequences of token ids that every vocabulary has."""
_TOLERANCE: Final = 0.05  # of the largest logit; a leak moved it by 0.3 or more, bfloat16 rounding by less than 0.01


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Distribute sequences over rows: longest first, each into the first row with room.

    Args:
        lengths: Tokens of each sequence, at most `capacity`.
        capacity: Most tokens of a row.

    Returns:
        For each row the numbers of its sequences. It depends on the lengths only, so that both arms of a pair have the
        same rows.
    """
    rows: list[list[int]] = []
    free: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        place = next((row for row, room in enumerate(free) if room >= lengths[number]), len(rows))
        if place == len(rows):
            rows.append([])
            free.append(capacity)
        rows[place].append(number)
        free[place] -= lengths[number]
    return rows


def collate_packed(examples: Sequence[EncodedExample], pad_token_id: int, capacity: int) -> dict[str, torch.Tensor]:
    """Put a batch into few rows.

    Args:
        examples: The items of the batch.
        pad_token_id: The token that fills a row; it carries no loss.
        capacity: Most tokens of a row.

    Returns:
        "input_ids", "position_ids" (from zero in each example) and "labels", each (rows, longest row). The first token
        of an example carries no loss: the token before it belongs to another. There is no "attention_mask", because
        transformers looks at the position numbers only where there is none.
    """
    rows = pack([len(example.input_ids) for example in examples], capacity)
    shape = (len(rows), max(sum(len(examples[at].input_ids) for at in row) for row in rows))
    input_ids, labels = torch.full(shape, pad_token_id), torch.full(shape, IGNORED)
    positions = torch.zeros(shape, dtype=torch.long)
    for place, row in enumerate(rows):
        begin = 0
        for number in row:
            end = begin + len(examples[number].input_ids)
            input_ids[place, begin:end] = torch.tensor(examples[number].input_ids)
            positions[place, begin:end] = torch.arange(end - begin)
            labels[place, begin:end] = labels_of(examples[number])
            labels[place, begin] = IGNORED
            begin = end
        positions[place, begin:] = torch.arange(shape[1] - begin)
    return {"input_ids": input_ids, "position_ids": positions, "labels": labels}


@torch.no_grad()
def check_packing(model: nn.Module) -> None:
    """Prove on a probe that this model keeps packed examples apart, before anything is trained.

    Args:
        model: The arm's model; its mode is restored. Nothing random is drawn.

    Raises:
        UserError: If an example sees the one before it (linear attention, and attention implementations that do not
            read position numbers), or the adapter puts tokens of its own into the sequence.
    """
    config = getattr(model, "active_peft_config", None)
    if config is not None and config.is_prompt_learning:
        raise UserError(
            f"{config.peft_type.value} changes the sequence, so its examples cannot be packed.", "Set packing=False."
        )
    device = cast("Any", model).device
    packed = collate_packed([EncodedExample(ids, 1) for ids in _PROBE], 0, sum(map(len, _PROBE)))
    training = model.training
    model.eval()
    try:
        together = model(
            input_ids=packed["input_ids"].to(device), position_ids=packed["position_ids"].to(device), use_cache=False
        ).logits[0]
        apart = [model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0] for ids in _PROBE]
    finally:
        model.train(training)
    expected = torch.cat(apart)
    difference = float((together - expected).abs().max() / expected.abs().max())
    if not difference <= _TOLERANCE:
        raise UserError(
            f"This backbone does not keep packed examples apart: logits differ by {difference:.0%} from those of the "
            "examples alone.",
            "Set packing=False.",
        )
