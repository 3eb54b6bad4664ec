"""Training items: the worked solutions of benchmarks, and the user's own data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from talan_core.errors import UserError, mistakes_of, refuse
from talan_core.training.data import Example, Mixture, encode_item
from talan_core.training.sources import load_source
from talan_eval.experiment import TrainingSource
from talan_eval.tasks.benchmark import learned_hash
from talan_eval.tasks.datafiles.local import named_data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerBase

    from talan_core.training.data import Dialogue
    from talan_core.training_sources import SourceSpec
    from talan_eval.generation_settings import GenerationSettings
    from talan_eval.intake.training_names import TrainingNames
    from talan_eval.tasks.benchmark import Benchmark

    _Items = tuple[Example | Dialogue, ...]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training items by source, loaded.

    Attributes:
        sources: What identifies each.
        items: The items of each.
    """

    sources: tuple[TrainingSource, ...]
    items: tuple[tuple[Example | Dialogue, ...], ...]

    @property
    def together(self) -> tuple[Example | Dialogue, ...]:
        """All items, in order."""
        return tuple(item for items in self.items for item in items)

    @property
    def to_learn(self) -> tuple[Example | Dialogue, ...] | Mixture:
        """What a training is given: all items, or a mixture where sources have weights."""
        weights = {one.name: one.weight for one in self.sources if one.weight is not None}
        return Mixture(self.together, weights) if weights else self.together

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """Prompt and completion of every item of one turn."""
        return {(item.prompt, item.completion) for item in self.together if isinstance(item, Example)}


def load_training_data(
    names: TrainingNames, benchmarks: Mapping[str, Benchmark], settings: GenerationSettings
) -> TrainingData:
    """Read all sources.

    Args:
        names: The sources.
        benchmarks: Those among them, loaded.
        settings: How questions are put: training items are worded with the same template.

    Raises:
        UserError: Data cannot be read, or a row is unusable; of all sources at once.
    """
    loaded: list[tuple[TrainingSource, _Items]] = []

    def read(spec: SourceSpec, label: str) -> None:
        if spec.name in names.tasks:
            benchmark = benchmarks[spec.name]
            items: _Items = tuple(Example(*pair, label) for pair in benchmark.training)
            digest = benchmark.spec.train_hash
        else:
            own = load_source(spec.name, named_data_dir(names.data_dir))
            items = tuple(replace(item, source=label) for item in own)
            digest = learned_hash([_row(item) for item in items], settings)
        if names.weighted and not items:
            raise UserError(f"{label} has no training split.", f"Leave {label} out of --train-data.")
        weight = spec.weight if names.weighted else None
        loaded.append((TrainingSource(name=label, n_train=len(items), train_hash=digest, weight=weight), items))

    refuse(mistakes_of(*(partial(read, *one) for one in zip(names.specs, names.labels, strict=True))))
    return TrainingData(tuple(source for source, _ in loaded), tuple(items for _, items in loaded))


def check_wording(data: TrainingData, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse items that a backbone's template cannot word, before anything is trained.

    Args:
        data: The items; of each source one with the most turns is tried.
        tokenizer: The backbone's tokenizer.

    Raises:
        UserError: A conversation has no chat template, or the template cannot be split at the answer.
    """
    refuse(mistakes_of(*(partial(encode_item, tokenizer, max(items, key=_turns)) for items in data.items if items)))


def _turns(item: Example | Dialogue) -> int:
    return 2 if isinstance(item, Example) else len(item.turns)


def _row(item: Example | Dialogue) -> list[list[str]] | list[str]:
    if isinstance(item, Example):
        return [item.prompt, item.completion, *(() if item.rejected is None else (item.rejected,))]
    return [[turn.role, turn.content] for turn in item.turns]
