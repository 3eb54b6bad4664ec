"""How many GPU hours a comparison takes on backbones that are not here, from their architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.arms import parse_arm
from talan_eval.intake.room import CHARACTERS_PER_TOKEN, as_typed, configuration, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PretrainedConfig

    from talan_core.recipes.footprint import Footprint
    from talan_core.training.data import Dialogue, Example
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment
    from talan_eval.tasks.benchmark import Benchmark


@dataclass(frozen=True, slots=True)
class Lengths:
    """About how many tokens texts have, counted from their letters.

    Attributes:
        longest: Of the longest prompt with its answer.
        learned: Of a training example, the mean.
        asked: Of a benchmark's prompts, the mean.
        answered: The most that an answer to a benchmark may have.
    """

    longest: int
    learned: float
    asked: Mapping[str, float]
    answered: Mapping[str, int]

    @classmethod
    def of(cls, evaluated: Sequence[Benchmark], learned: Sequence[Example | Dialogue]) -> Lengths:
        """Count the letters of what is asked and learned."""
        asked = {one.spec.name: [len(item.prompt) for item in one.items] for one in evaluated}
        answered = {one.spec.name: one.spec.max_tokens for one in evaluated}
        texts = [_letters(one) for one in learned]
        return cls(
            longest=max(
                max(found, default=0) // CHARACTERS_PER_TOKEN + answered[name] for name, found in asked.items()
            ),
            learned=_mean(texts),
            asked={name: _mean(found) for name, found in asked.items()},
            answered=answered,
        )


@dataclass(frozen=True, slots=True)
class Hours:
    """An estimate for one backbone, in hours of one kind of accelerator.

    Attributes:
        arm: The one that needs the most memory, which decides what fits.
        device: Which.
        changes: What has to change to fit its memory, as typed; empty where nothing has.
        devices: How many are needed at a time, among which the layers are divided.
        training: GPU hours of all trainings.
        answering: GPU hours of all answers, if each is as long as it may be.
        footprint: What that arm needs with these changes.
    """

    arm: str
    device: str
    changes: str
    devices: int
    training: float
    answering: float
    footprint: Footprint


def hours(assignment: Assignment, runs: Sequence[Run], lengths: Lengths, items: Mapping[str, int]) -> Hours:
    """Estimate what runs take on H100s.

    Args:
        assignment: What is to be done on the backbone.
        runs: The runs there, at least one.
        lengths: Of the texts.
        items: Answers of each benchmark.
    """
    from talan_core.recipes.duration import H100, Size, answering_seconds, training_seconds  # noqa: PLC0415 - heavy
    from talan_core.recipes.fitting import cheapest_fit  # noqa: PLC0415 - as above

    config = configuration(assignment.revision)
    arm = _largest(assignment, runs, lengths.longest, config)
    fit = cheapest_fit(task_of(assignment, arm, lengths.longest, config), assignment.recipe_of(arm), H100.memory)
    size, batch = Size.of(config), assignment.eval_batch if fit.answers is None else fit.answers.prompts
    learned = {name: assignment.recipe_of(name) for name in {run.arm for run in runs}}
    examples = sum(source.n_train for source in assignment.train)
    training = sum(
        training_seconds(
            size, fit.settings, learned[run.arm].settled(examples).draws * lengths.learned, H100,
            all_weights=parse_arm(run.arm).partner.trains_backbone,
        )
        for run in runs
        if parse_arm(run.arm).is_trained_by_gradients
    )  # fmt: skip
    answering = sum(
        answering_seconds(size, items[cell.task], (lengths.asked[cell.task], lengths.answered[cell.task]), batch, H100)
        for run in runs
        for cell in run.evaluations
    )
    each = fit.devices / 3600
    return Hours(arm, H100.name, as_typed(fit.changes), fit.devices, training * each, answering * each, fit.footprint)


def _largest(assignment: Assignment, runs: Sequence[Run], tokens: int, config: PretrainedConfig) -> str:
    """Return the arm that needs the most memory; of those with one adapter the one with the largest block is asked."""
    kinds: dict[tuple[object, object], str] = {}
    for name in dict.fromkeys(run.arm for run in runs):
        parsed = parse_arm(name)
        kind = (parsed.partner, parsed.overrides)
        if kind not in kinds or _block_size(name) > _block_size(kinds[kind]):
            kinds[kind] = name
    needed = {
        name: task_of(assignment, name, tokens, config).footprint(assignment.recipe_of(name)).needed
        for name in kinds.values()
    }
    return max(needed, key=lambda name: needed[name])


def _block_size(arm: str) -> tuple[bool, int, int, int]:
    """Return what orders blocks by size: whether there is one, its components, width and slots as far as given."""
    block = parse_arm(arm).block
    if block is None:
        return False, 0, 0, 0
    return True, block.components or 0, block.d_mem or 0, block.slots or 0


def _letters(item: Example | Dialogue) -> int:
    from talan_core.training.data import Dialogue  # noqa: PLC0415 - heavy, and this file is read without it

    if isinstance(item, Dialogue):
        return sum(len(turn.content) for turn in item.turns)
    return len(item.prompt) + len(item.completion)


def _mean(letters: Sequence[int]) -> float:
    return sum(letters) / CHARACTERS_PER_TOKEN / max(1, len(letters))
