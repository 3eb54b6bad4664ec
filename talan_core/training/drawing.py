"""A training set that is encoded item by item as it is drawn, and not before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_core.training.data import EncodedData, encode_item
from talan_core.training.pairing import data_order, mixed_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_core.training.data import Dialogue, Example
    from talan_core.training.encoding import EncodedExample
    from talan_core.training_settings import TrainingSettings


@dataclass(frozen=True)
class LazyData:
    """Items with a tokenizer; what was encoded once is kept for the next run.

    Args:
        tokenizer: The backbone's tokenizer.
        items: The items, of one source or of several without weights.
        held_out: Items that are not learned, see `EncodedData`; longer ones than the limit are left out.
    """

    tokenizer: PreTrainedTokenizerBase
    items: Sequence[Example | Dialogue]
    held_out: Sequence[Example] = ()
    _encoded: dict[int, tuple[EncodedExample, ...]] = field(default_factory=dict, compare=False, repr=False)

    def sequences(self, number: int) -> tuple[EncodedExample, ...]:
        """Return the sequences of an item, however long."""
        if number not in self._encoded:
            self._encoded[number] = tuple(encode_item(self.tokenizer, self.items[number]))
        return self._encoded[number]

    def draw(self, settings: TrainingSettings, seed: int) -> DrawnData:
        """Draw what a run uses: permutations of the items, one after the other.

        The sequences of an item (a dialogue may have several) come one after the other. One that is longer than
        `max_length` is passed over and counted. Where no item is too long and none has several sequences, the order is
        that of a training set which was encoded whole.

        Args:
            settings: The recipe, with its number of steps.
            seed: What the order is drawn from.

        Raises:
            UserError: No item fits.
        """
        places: dict[tuple[int, int], int] = {}
        examples: list[EncodedExample] = []
        dropped: set[tuple[int, int]] = set()
        order: list[int] = []
        drawn = 0
        while len(order) < settings.draws:
            drawn += len(self.items)
            for number in data_order(seed, len(self.items), drawn)[drawn - len(self.items) :]:
                for part, sequence in enumerate(self.sequences(number)):
                    if len(sequence.input_ids) > settings.max_length:
                        dropped.add((number, part))
                        continue
                    if (number, part) not in places:
                        places[number, part] = len(examples)
                        examples.append(sequence)
                    order.append(places[number, part])
                if len(order) >= settings.draws:
                    break
            if not examples:
                raise UserError(
                    f"No training example is left: {len(self.items)} given, none of at most {settings.max_length} "
                    "tokens.",
                    "Give more examples, or a larger max_length.",
                )
        apart = [sequence for item in self.held_out for sequence in encode_item(self.tokenizer, item)]
        fitting = tuple(sequence for sequence in apart if len(sequence.input_ids) <= settings.max_length)
        data = EncodedData(tuple(examples), len(dropped), held_out=fitting)
        return DrawnData(data, order[: settings.draws])


@dataclass(frozen=True)
class DrawnData:
    """What a run uses.

    Args:
        data: The sequences.
        order: The number of each, in the order of use.
    """

    data: EncodedData
    order: list[int]


def drawn_from(data: EncodedData, settings: TrainingSettings, seed: int) -> DrawnData:
    """Draw what a run uses from a training set that is encoded whole.

    Args:
        data: The sequences that fit, perhaps of several sources with weights.
        settings: The recipe, with its number of steps.
        seed: What the order is drawn from.
    """
    if data.weights:
        sources = [example.source for example in data.examples]
        return DrawnData(data, mixed_order(seed, sources, data.weights, settings.draws))
    return DrawnData(data, data_order(seed, len(data.examples), settings.draws))
