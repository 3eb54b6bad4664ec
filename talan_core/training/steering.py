"""The steering vector of "actadd": a difference of means (Turner et al., 2023; Zou et al., 2023).

Each used item gives two sequences with the same prompt: its own completion, and that of another item. The vector is the
mean hidden state over the completions' tokens of the first kind, minus that of the second, at the input of the edited
layer. The contrast is ours: it needs nothing but the training set that the other arms are trained on. Where that has
preferences (`rejected`), they are the contrast, as published recipes take pairs that somebody wrote.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from talan_core.attach import decoder_layers, find_decoder, hidden_of
from talan_core.errors import UserError
from talan_core.interventions import SteeringEdit
from talan_core.partners.plain import ActAdd
from talan_core.training.data import IGNORED, EncodedExample, collate, encode, pad_token
from talan_core.training.drawing import LazyData
from talan_core.training.pairing import data_order
from talan_core.training.trainer import TrainingLog, TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from talan_core.plain import PlainModel
    from talan_core.training_settings import TrainingSettings


def steer(
    model: PlainModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: TrainingSet,
    settings: TrainingSettings,
    *,
    seed: int,
) -> TrainingLog:
    """Compute the vector of a steering arm and set it; no random state is touched.

    Args:
        model: The arm's model; in evaluation mode afterwards.
        tokenizer: The backbone's tokenizer.
        examples: The training set, encoded or not.
        settings: Of the recipe only `max_length` and `batch_size` count.
        seed: Chooses the items: the first ones in the order in which the other arms of this seed see them.

    Returns:
        What happened.

    Raises:
        UserError: If fewer than two items are usable, or all completions are alike.
    """
    edit, partner = model.edit, model.partner
    if not (isinstance(edit, SteeringEdit) and isinstance(partner, ActAdd)):
        raise TypeError("only a steering arm has a vector")
    start = time.perf_counter()
    items = examples.items if isinstance(examples, LazyData) else examples
    usable = encode(tokenizer, items, settings.max_length)
    right, wrong = _contrast(usable.examples, partner.pairs, settings, seed)
    model.eval()
    edit.vector.zero_()
    pad = pad_token(tokenizer)
    means = [_mean_hidden(model, edit.layer, some, pad, settings.batch_size) for some in (right, wrong)]
    edit.vector.copy_(means[0] - means[1])
    both = [*right, *wrong]
    return TrainingLog(
        losses=(),
        tokens=sum(len(item.input_ids) for item in both),
        target_tokens=sum(len(item.input_ids) - item.prompt_length for item in both),
        examples=len(usable.examples),
        dropped=usable.dropped,
        seconds=time.perf_counter() - start,
    )


def _contrast(
    usable: Sequence[EncodedExample], pairs: int, settings: TrainingSettings, seed: int
) -> tuple[list[EncodedExample], list[EncodedExample]]:
    """Choose items, and give each a wrong completion: the one that its data reject, else that of another item.

    Of data in which some items have a rejected answer that fits and differs, these alone are used.
    """
    with_rejected = [one for one in usable if one.rejected]
    rejecting = [
        one
        for one in with_rejected
        if _length_rejected(one) <= settings.max_length and one.rejected != one.input_ids[one.prompt_length :]
    ]
    if with_rejected and not rejecting:
        raise UserError(
            "actadd needs rejected answers that fit into max_length and differ from what was chosen; there is none.",
            "Give other preferences, or training data without rejected answers.",
        )
    usable = rejecting or usable
    chosen = [usable[i] for i in data_order(settings.seed_of(seed), len(usable), min(pairs, len(usable)))]
    if rejecting:
        return chosen, [replace(one, input_ids=(*one.input_ids[: one.prompt_length], *one.rejected)) for one in chosen]
    return chosen, _with_others_completions(chosen)


def _length_rejected(item: EncodedExample) -> int:
    return item.prompt_length + len(item.rejected)


def _with_others_completions(items: Sequence[EncodedExample]) -> list[EncodedExample]:
    """Give each item the completion of the next one that has another; two items with one answer are no contrast."""
    completions = [item.input_ids[item.prompt_length :] for item in items]
    if len(set(completions)) < 2:  # noqa: PLR2004 - a contrast needs two
        raise UserError("actadd needs training items with at least two different completions.", "Give more examples.")
    wrong = []
    for at, item in enumerate(items):
        others = (completions[(at + step) % len(items)] for step in range(1, len(items)))
        other = next(completion for completion in others if completion != completions[at])
        wrong.append(replace(item, input_ids=(*item.input_ids[: item.prompt_length], *other)))
    return wrong


@torch.no_grad()
def _mean_hidden(
    model: PlainModel, layer: int, items: Sequence[EncodedExample], pad: int, batch_size: int
) -> torch.Tensor:
    """Return the mean input of a layer over the completions' tokens, (d,), in 32 bits."""
    backbone = model.get_base_model()
    seen: list[torch.Tensor] = []

    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(hidden_of(args, kwargs))

    total, count = torch.zeros(backbone.config.get_text_config().hidden_size, device=backbone.device), 0
    handle = decoder_layers(find_decoder(backbone))[layer].register_forward_pre_hook(note, with_kwargs=True)
    try:
        for begin in range(0, len(items), batch_size):
            batch = {k: v.to(backbone.device) for k, v in collate(items[begin : begin + batch_size], pad).items()}
            counted = batch.pop("labels") != IGNORED
            model(**batch, use_cache=False)
            total += seen.pop()[counted].float().sum(0)
            count += int(counted.sum())
    finally:
        handle.remove()
    return total / count
