"""AdapterFusion's stages (Pfeiffer et al., 2021): an adapter for each domain, then attention over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from talan_core.bottleneck_edits import FusionEdit
from talan_core.errors import UserError
from talan_core.partners.bottleneck import Fusion
from talan_core.training.data import EncodedData, encode
from talan_core.training.drawing import LazyData
from talan_core.training.trainer import Stage, TrainingLog, TrainingSet, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from talan_core.plain import PlainModel
    from talan_core.training_settings import TrainingSettings

_FEWEST_STEPS: Final = 2  # of a stage: the first step of a warm-up moves nothing


@dataclass(frozen=True)
class _Plan:
    """What one stage trains.

    Attributes:
        domain: Number of the domain whose adapter learns; None where the fusion does.
        name: The domain, or "fusion".
        steps: Optimizer steps.
    """

    domain: int | None
    name: str
    steps: int


def fuse(
    model: PlainModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: TrainingSet,
    settings: TrainingSettings,
    *,
    seed: int,
    work_dir: Path,
    on_step: Callable[[int, int, float], None] | None = None,
) -> TrainingLog:
    """Train an AdapterFusion arm in its stages; arguments, errors and pairing as for `train`.

    Every stage has the recipe's schedule over its own steps, and draws from the run's seed. A stage of a domain sees
    the examples of that source alone, the last one what single-stage arms see, in the same order.

    Returns:
        What happened in all stages together; `stages` has their steps and parameters.

    Raises:
        UserError: There are fewer than two domains, or fewer steps than stages need; or as for `train`.
    """
    edit, partner = model.edit, model.partner
    if not (isinstance(edit, FusionEdit) and isinstance(partner, Fusion)):
        raise TypeError("only a fusion arm has stages")
    items, apart = (examples.items, examples.held_out) if isinstance(examples, LazyData) else (examples, ())
    data = encode(tokenizer, items, settings.max_length, held_out=apart)
    plans = _plans(data, settings.settled(len(data.examples)), partner.budget)
    found = len(plans) - 1
    if edit.domains not in (0, found):
        raise UserError(
            f"This fusion has adapters of {edit.domains} domains, and the training data have {found}.",
            f"Type fusion without domains, or train it on {edit.domains} sources.",
        )
    edit.grow(found)
    total = sum(plan.steps for plan in plans)
    logs: list[TrainingLog] = []
    stages: list[Stage] = []
    for plan in plans:
        edit.learn(plan.domain)
        learned = sum(weight.numel() for weight in edit.parameters() if weight.requires_grad)
        before = sum(stage.steps for stage in stages)
        logs.append(
            train(
                model, tokenizer, _of(data, plan), settings.with_steps(plan.steps), seed=seed,
                work_dir=work_dir / plan.name, on_step=_counted(on_step, before, total),
            )
        )  # fmt: skip
        stages.append(Stage(plan.name, plan.steps, logs[-1].tokens, learned))
    edit.requires_grad_(requires_grad=True)  # all of it was trained
    return _together(logs, tuple(stages))


def _plans(data: EncodedData, settings: TrainingSettings, budget: str) -> list[_Plan]:
    domains = list(dict.fromkeys(example.source for example in data.examples))
    if len(domains) < 2:  # noqa: PLR2004 - a fusion of one is none
        raise UserError(
            f"fusion mixes adapters of several domains, and the training data have one source ({domains[0]}).",
            "Train on several: --train-tasks gsm8k_micro,math500_micro, or --train-data a.jsonl,b.jsonl",
        )
    steps = int(settings.steps or 0)
    if budget == "steps":
        return [*(_Plan(at, name, steps) for at, name in enumerate(domains)), _Plan(None, "fusion", steps)]
    each = steps // (2 * len(domains))
    if each < _FEWEST_STEPS:
        raise UserError(
            f"{steps} optimizer steps are too few for {len(domains)} domains and their fusion.",
            f"Type --steps {2 * _FEWEST_STEPS * len(domains)} or more, or fusion[budget=steps].",
        )
    rest = steps - each * len(domains)
    return [*(_Plan(at, name, each) for at, name in enumerate(domains)), _Plan(None, "fusion", rest)]


def _of(data: EncodedData, plan: _Plan) -> EncodedData:
    if plan.domain is None:
        return data
    return replace(data, examples=tuple(one for one in data.examples if one.source == plan.name), weights={})


def _counted(
    on_step: Callable[[int, int, float], None] | None, before: int, total: int
) -> Callable[[int, int, float], None] | None:
    """Return a callback that counts the steps of all stages."""
    if on_step is None:
        return None
    return lambda step, _, loss: on_step(before + step, total, loss)


def _together(logs: list[TrainingLog], stages: tuple[Stage, ...]) -> TrainingLog:
    last = logs[-1]
    return replace(
        last,
        losses=tuple(loss for log in logs for loss in log.losses),
        tokens=sum(log.tokens for log in logs),
        target_tokens=sum(log.target_tokens for log in logs),
        seconds=sum(log.seconds for log in logs),
        stages=stages,
    )
