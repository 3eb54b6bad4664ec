"""Several examples in one row, each seeing only itself.

transformers recognises packed rows by position numbers that start again, and masks attention block by block; the
memory of a TALAN block goes through the same mask. Padding at the end of a row is one more such stretch. Under
flash attention there is no mask: transformers cuts the row by the position numbers instead, and only where the batch is
a single row.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from talan_core.errors import UserError
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.data import IGNORED, EncodedExample, labels_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import nn

_PROBE: Final = ((3, 2, 1, 2, 3), (2, 1, 1, 3), (1, 1, 2, 3, 3, 2), (3, 1, 2))
"""Short sequences of numbers of tokens: two rows of `_PROBE_ROW` with borders at different places."""
_PROBE_ROW: Final = 9
_PIECES: Final = 7
"""Token number n is the id n / 7 through the vocabulary: ordinary tokens, where the first ids are often special ones,
in whose logits the rounding of bfloat16 can be as large as what they say (SmolLM2: 38 of 33)."""
_OTHERS: Final = 3
"""What is added to the numbers of an example to make another one of its length."""
_NAMES: Final = {"logits": "logits differ", "memory": "the memory of the block differs"}
_TOLERANCES: Final = {"logits": 0.05, "memory": 0.1}
"""Of the largest logit and of the largest entry of a block's memory. A leak moves logits by 0.3 or more, bfloat16
rounding by less than 0.01 but for rare tokens; in the memory it moves the first token of a sequence by about 1."""


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


def collate_packed(
    examples: Sequence[EncodedExample], pad_token_id: int, capacity: int | None
) -> dict[str, torch.Tensor]:
    """Put a batch into few rows.

    Args:
        examples: The items of the batch.
        pad_token_id: The token that fills a row; it carries no loss.
        capacity: Most tokens of a row; None puts the whole batch into one.

    Returns:
        "input_ids", "position_ids" (from zero in each example) and "labels", each (rows, longest row). The first token
        of an example carries no loss: the token before it belongs to another. There is no "attention_mask", because
        transformers looks at the position numbers only where there is none.
    """
    rows = _rows(examples, capacity)
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


def check_packing(model: nn.Module) -> bool:
    """Prove on a probe that this model keeps packed examples apart, before anything is trained.

    What an example gets must not change when the examples beside it do: shapes stay, so that this holds in every type.
    And it must be what the example gets alone, within three times what rounding makes of it, which in bfloat16 is much
    on some backbones. The logits show a leak of the backbone. A leak of the block's memory is looked for in the memory
    itself, because a block that was just made writes nothing, and a trained one may write too little to be seen in the
    logits.

    Args:
        model: The arm's model; its mode is restored. Nothing random is drawn.

    Returns:
        Whether a batch may have several packed rows. Otherwise all its examples must be in one.

    Raises:
        UserError: If an example sees the one before it even in a single row (linear attention, and attention
            implementations that do not read position numbers), the backbone takes none, or the adapter puts tokens of
            its own into the sequence.
    """
    config = getattr(model, "active_peft_config", None)
    if config is not None and config.is_prompt_learning:
        raise UserError(
            f"{config.peft_type.value} changes the sequence, so its examples cannot be packed.", "Set packing=False."
        )
    base = cast("Any", model).get_base_model() if hasattr(model, "get_base_model") else model
    if "position_ids" not in inspect.signature(base.forward).parameters:
        raise UserError(
            f"{type(base).__name__} takes no position numbers, so its examples cannot be packed.", "Set packing=False."
        )
    training = model.training
    model.eval()
    try:
        if _leak(model, _PROBE_ROW) is None:
            return True
        leak = _leak(model, None)
    finally:
        model.train(training)
    if leak is not None:
        raise UserError(f"This backbone does not keep packed examples apart: {leak}.", "Set packing=False.")
    return False


def can_pack(model: Any) -> bool:  # noqa: ANN401 - any arm's model
    """Say whether an arm's examples can be packed; the adapter and its block are off, so that no arm differs by them.

    Args:
        model: The arm's model; its mode is restored.
    """
    try:
        with model.disable_adapter():
            check_packing(model)
    except UserError:
        return False
    return True


@torch.no_grad()
def _leak(model: nn.Module, capacity: int | None) -> str | None:
    """Compare the probe's sequences packed into rows with each alone, and with others beside them.

    Returns:
        What differs, or None.
    """
    examples = _examples(model, ())
    rows = _rows(examples, capacity)
    together = _packed(model, examples, capacity)
    for parity in (0, 1):
        others = {number for row in rows for number in row[parity::2]}
        kept = torch.tensor([[at not in others for at in row for _ in examples[at].input_ids] for row in rows])
        beside = _packed(model, _examples(model, others), capacity)
        for what, values in together.items():
            moved = _apart(values[kept], beside[what][kept])
            if not moved <= _TOLERANCES[what]:
                return f"{_NAMES[what]} by {moved:.0%} with the examples beside"
    alone = [_seen(model, torch.tensor([one.input_ids]), None) for one in examples]
    # Rounding depends on the length of what is computed together, so the control is as long as a packed row.
    width = together["logits"].shape[1]
    padded = [_padded(model, one, width) for one in examples]
    for what, values in together.items():
        expected = torch.stack([torch.cat([alone[number][what][0] for number in row]) for row in rows])
        again = torch.stack(
            [torch.cat([padded[at][what][0, : len(examples[at].input_ids)] for at in row]) for row in rows]
        )
        moved = _apart(values, expected)
        if not moved <= max(_TOLERANCES[what], 3 * _apart(again, expected)):
            return f"{_NAMES[what]} by {moved:.0%} from those of the examples alone"
    return None


def _examples(model: nn.Module, changed: Collection[int]) -> list[EncodedExample]:
    """Return the probe as ids of a model's vocabulary, some examples changed into others of their length."""
    base = cast("Any", model).get_base_model() if hasattr(model, "get_base_model") else model
    size = int(cast("Any", base).config.get_text_config().vocab_size)
    return [
        EncodedExample(tuple(size * (one + (_OTHERS if at in changed else 0)) // _PIECES for one in numbers), 1)
        for at, numbers in enumerate(_PROBE)
    ]


def _packed(model: nn.Module, examples: Sequence[EncodedExample], capacity: int | None) -> dict[str, torch.Tensor]:
    packed = collate_packed(examples, 0, capacity)
    return _seen(model, packed["input_ids"], packed["position_ids"])


def _padded(model: nn.Module, example: EncodedExample, width: int) -> dict[str, torch.Tensor]:
    """Run one example with tokens behind it, which change nothing of it but by rounding."""
    ids = [*example.input_ids, *[example.input_ids[0]] * (width - len(example.input_ids))]
    return _seen(model, torch.tensor([ids]), None, Prompts(lengths=torch.tensor([len(example.input_ids)])))


def _apart(values: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference, of the largest value."""
    return float((values - expected).abs().max() / expected.abs().max())


def _seen(
    model: nn.Module, input_ids: torch.Tensor, positions: torch.Tensor | None, prompts: Prompts | None = None
) -> dict[str, torch.Tensor]:
    """Run a batch; return its logits, and what an active block remembers at each position."""
    found: dict[str, torch.Tensor] = {}

    def remember(_: nn.Module, __: Any, memory: torch.Tensor) -> None:  # noqa: ANN401 - torch's signature
        found["memory"] = memory.float()

    device = cast("Any", model).device
    attachment = getattr(model, "talan", None)
    handle = None if attachment is None else attachment.block.memory.register_forward_hook(remember)
    try:
        given = {} if positions is None else {"position_ids": positions.to(device)}
        with prompts_told(model, prompts or Prompts()):
            found["logits"] = model(input_ids=input_ids.to(device), use_cache=False, **given).logits.float()
    finally:
        if handle is not None:
            handle.remove()
    return found


def _rows(examples: Sequence[EncodedExample], capacity: int | None) -> list[list[int]]:
    lengths = [len(example.input_ids) for example in examples]
    return pack(lengths, sum(lengths) if capacity is None else capacity)
