"""The first look at a request: names and numbers, without loading anything heavy."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError, check_name, mistakes_of, refuse, unknown_name
from talan_core.partners import PARTNERS
from talan_core.recipes.recipe import TypedRecipe, parse_recipe, recipe_of
from talan_eval.comparison.statistics_settings import StatisticsSettings
from talan_eval.comparison.task_weights import task_weights
from talan_eval.experiment import parse_seeds
from talan_eval.generation.registry import BACKENDS, check_backend_name
from talan_eval.generation_settings import DEFAULT_TEMPLATE_DATE, GenerationSettings, temperature_of
from talan_eval.grading.graders import GRADERS
from talan_eval.intake.arm_grids import read_arms
from talan_eval.intake.found_arms import find_arms
from talan_eval.intake.stored_arms import SEED
from talan_eval.intake.training_names import TrainingNames, of_benchmarks, of_typed
from talan_eval.result.evidence import Measure
from talan_eval.store.atomic import refuse_unwritable
from talan_eval.tasks.benchmark import MICRO_TASKS
from talan_eval.tasks.lookup import NamedTasks, named_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_core.backbones.names import BackboneSpec
    from talan_core.training_settings import TrainingSettings
    from talan_eval.intake.arm_grids import Arms
    from talan_eval.intake.found_arms import FoundArm
    from talan_eval.requests.grid import GridRequest

_OF_ANSWERING: Final = ("dtype", "quantization")
_SHORT_FORMS: Final = ("steps", "batch_size", "learning_rate")
_DEVICES: Final = ("auto", "cpu", "cuda")
_MOST_MINUTES: Final = 1e9
_USUAL_SEEDS: Final = "7"


@dataclass(frozen=True, slots=True)
class CheckedBackbone:
    """A backbone by name and what goes with it.

    Attributes:
        spec: What is known of it by name.
        training: The recipe of all arms, what was typed included.
        recipes: The recipe of each arm that has one of its own.
        eval_batch: Prompts answered at a time.
    """

    spec: BackboneSpec
    training: TrainingSettings
    recipes: Mapping[str, TrainingSettings]
    eval_batch: int


@dataclass(frozen=True, slots=True)
class Checked:
    """The parts of a request that have been checked."""

    arms: Arms
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    training: TrainingNames
    task_files: Mapping[str, Path]
    metrics: Mapping[str, str]
    backbones: tuple[CheckedBackbone, ...]
    generation: GenerationSettings
    statistics: StatisticsSettings
    stored: tuple[FoundArm, ...] = ()


def check(request: GridRequest) -> Checked:
    """Check all names and numbers.

    Raises:
        UserError: Some of them cannot be meant; one error names all that is wrong.
    """
    request = _with_groups(request)
    found = _SeedsAndArms()
    refuse(
        mistakes_of(
            lambda: _check_choice(request, _arms(request)),
            request.check_words,
            lambda: found.look(request),
            lambda: _tasks(request.tasks, request),
            lambda: _learned(request),
            lambda: _metrics(request),
            lambda: _backbones(request),
            lambda: _typed_recipe(request),
            lambda: _generation_settings(request),
            lambda: _check_numbers(request),
            lambda: refuse(_without_effect(request, _arms(request))),
            lambda: check_name("device", request.device, _DEVICES),
            lambda: check_backend_name(request.backend),
            *(registry.added for registry in (PARTNERS, BACKENDS, GRADERS)),
            lambda: refuse_unwritable(request.json, "--json"),
            lambda: StatisticsSettings.of_request(request).check_margin(Measure()),  # all that is graded here is points
            lambda: task_weights(request.weights, _tasks(request.tasks, request).names),
            lambda: _check_also(request),
        )
    )
    tasks, arms = _tasks(request.tasks, request), _arms(request)
    learned, learned_tasks = _learned(request)
    if not arms.trained:
        learned, learned_tasks = of_benchmarks(()), NamedTasks()
    return Checked(
        arms=arms,
        seeds=found.seeds if arms.have_seeds else (0,),
        stored=found.arms,
        tasks=tasks.names,
        training=learned,
        task_files=dict((*tasks.files, *learned_tasks.files)),
        metrics=_metrics(request),
        backbones=tuple(_with_recipe(spec, arms.unstored, request) for spec in _backbones(request)),
        generation=_generation_settings(request),
        statistics=dataclasses.replace(
            StatisticsSettings.of_request(request),
            confirm_items=request.asked.held_out if request.asked.fresh_seeds else 0.0,
        ),
    )


class _SeedsAndArms:
    """The seeds of an experiment and its stored arms, which are found while a request is checked."""

    def __init__(self) -> None:
        self.seeds: tuple[int, ...] = ()
        self.arms: tuple[FoundArm, ...] = ()

    def look(self, request: GridRequest) -> None:
        """Read the seeds, and the checkpoints of stored arms.

        Raises:
            UserError: A mistake in either, or one that is no arm.
        """
        typed = None if request.seeds is None else parse_seeds(request.seeds)
        arms = _arms(request)
        self.seeds = parse_seeds(_USUAL_SEEDS) if typed is None else typed
        if arms.stored:
            self.arms, seeds = find_arms(
                arms.stored, typed, independent=request.asked.independent, trained=bool(arms.trained)
            )
            self.seeds = seeds or self.seeds


def _arms(request: GridRequest) -> Arms:
    return read_arms(request.asked)


def _tasks(typed: str | None, request: GridRequest) -> NamedTasks:
    names = MICRO_TASKS if typed is None else tuple(_names(typed))
    return named_tasks(names, tuple(Path(path) for path in request.include_path))


def _learned(request: GridRequest) -> tuple[TrainingNames, NamedTasks]:
    """Return what adapters are trained on, and the benchmarks among it."""
    if request.train_data is None:
        tasks = _tasks(request.tasks if request.train_tasks is None else request.train_tasks, request)
        return of_benchmarks(tasks.names), tasks
    if request.train_tasks is not None:
        raise UserError(
            "--train-tasks and --train-data both say what adapters are trained on.",
            f"Name all of it in one: --train-data {request.train_tasks},{request.train_data}",
        )
    return of_typed(request.train_data, lambda typed: _tasks(typed, request), request.data_dir)


def _with_groups(request: GridRequest) -> GridRequest:
    """Let a group that was typed beside others count as one in the mean, unless weights were typed."""
    try:
        tasks = _tasks(request.tasks, request)
    except UserError:
        return request  # told with all other mistakes
    if request.weights or not tasks.groups or {len(members) for _, members in tasks.groups} == {len(tasks.names)}:
        return request
    return dataclasses.replace(request, weights=tuple(f"{name}={'+'.join(members)}" for name, members in tasks.groups))


def _metrics(request: GridRequest) -> dict[str, str]:
    """Read ``--metric``: of each task that it names the metric, with the filter where one was typed."""
    tasks = _tasks(request.tasks, request)
    others = [name for name, _ in tasks.files]
    found: dict[str, str] = {}
    for value in request.metric:
        name, equals, metric = value.partition("=")
        if not equals or not metric:
            raise UserError(f"--metric {value} names no metric of a task.", "Type --metric TASK=METRIC")
        if name in tasks.names and name not in others:
            raise UserError(f"{name} has one metric, by our own grader.", f"Leave --metric {value} out.")
        if name not in others:
            raise unknown_name("task in --metric", name, others or tasks.names)
        found[name] = metric
    return found


def _check_also(request: GridRequest) -> None:
    if "cmh" in StatisticsSettings.of_request(request).also and request.samples_per_item > 1:
        raise UserError(
            "--also cmh counts right and wrong answers, and the mean of several samples is neither.",
            "Leave out cmh, or type --samples-per-item 1.",
        )


def _backbones(request: GridRequest) -> tuple[BackboneSpec, ...]:
    names = request.backbone
    fix = "Name each backbone once: --backbone micro"
    if not names:
        raise UserError("No backbone is named.", fix)
    twice = [UserError(f"The backbone {name!r} is named twice.", fix) for name in names if names.count(name) > 1]
    refuse([*mistakes_of(*(partial(find_backbone, name) for name in names)), *twice])
    return tuple(find_backbone(name) for name in names)


def _typed_recipe(request: GridRequest) -> TypedRecipe:
    """Return what was typed of a recipe, the short forms included."""
    values = dict(parse_recipe(request.recipe).values)
    short = {key: value for key in _SHORT_FORMS if (value := getattr(request, key)) is not None}
    refuse(
        UserError(
            f"--{key.replace('_', '-')} {value} and --recipe {key}={values[key]} contradict each other.",
            f"Type one of them: --recipe {key}={value}",
        )
        for key, value in short.items()
        if key in values and values[key] != value
    )
    return TypedRecipe({**values, **short})


def _with_recipe(spec: BackboneSpec, arms: Sequence[str], request: GridRequest) -> CheckedBackbone:
    """Return a backbone with its own recipe, and those of the arms that have another; what was typed holds for all."""
    typed = _typed_recipe(request)
    common = typed.over(spec.training)
    recipes: dict[str, TrainingSettings] = {}

    def settle(name: str) -> None:
        recipes[name] = recipe_of(parse_arm(name), common, typed)

    refuse(mistakes_of(*(partial(settle, name) for name in arms)))
    own = {name: recipe for name, recipe in recipes.items() if recipe != common}
    return CheckedBackbone(spec, common, own, spec.eval_batch if request.eval_batch is None else request.eval_batch)


def _check_choice(request: GridRequest, arms: Arms) -> None:
    fresh = request.asked.fresh_seeds
    if fresh > 0 and arms.stored:
        raise UserError(
            "--confirm trains the best arm anew, and a stored arm is not trained here.",
            "Leave it out, or name arms that are trained.",
        )
    if fresh > 0 and len(arms.contrasts) == 1:
        raise UserError(
            "--confirm trains the best of several arms anew, and there is one.",
            "Leave it out, and type more --seeds; or name further arms with --treat.",
        )


def _without_effect(request: GridRequest, arms: Arms) -> Iterator[UserError]:
    """Yield options of a training where no arm is trained, and those of seeds where no arm has any."""
    if not arms.trained:
        asked = [
            f"--{name.replace('_', '-')}"
            for name in (*_SHORT_FORMS, "train_tasks", "train_data")
            if getattr(request, name)
        ]
        asked += [f"--recipe {key}" for key in parse_recipe(request.recipe).values if key not in _OF_ANSWERING]
        if asked:
            known = ", ".join(f"--recipe {key}=..." for key in _OF_ANSWERING)
            yield UserError(
                f"{', '.join(asked)} would say how arms are trained, and none is: {_untrained(arms)}.",
                f"Leave it out; what of a recipe acts on answers is {known}.",
            )
    if request.seeds is not None and not arms.have_seeds:
        yield UserError(
            f"--seeds {request.seeds}: no arm has seeds; each is one checkpoint.",
            f"Leave --seeds out, or type {SEED} where the seed stands: mine=runs/mine/seed{SEED}",
        )
    backbones = dict.fromkeys(request.backbone)
    if arms.stored and len(backbones) > 1:
        yield UserError(
            f"Stored arms belong to one backbone, and {len(backbones)} are named.",
            f"Compare on one at a time: --backbone {next(iter(backbones))}",
        )


def _untrained(arms: Arms) -> str:
    return "stored arms are asked as they are" if arms.stored else "the backbone is asked as it is"


def _check_numbers(request: GridRequest) -> None:
    """Refuse numbers that count nothing; those of prompts and statistics are checked where they are used."""
    refuse(_wrong_numbers(request))


def _wrong_numbers(request: GridRequest) -> Iterator[UserError]:
    for name in ("limit", "workers", "eval_batch", "steps", "batch_size"):
        value, option = getattr(request, name), f"--{name.replace('_', '-')}"
        if value is not None and value < 1:
            yield UserError(f"{option} {value} is not a positive number.", f"Type a whole number from 1: {option} 8")
    rate = request.learning_rate
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        yield UserError(
            f"--learning-rate {rate:g} is not a positive number.", "Type a rate such as --learning-rate 0.001"
        )
    gpus = request.gpus_per_run
    if gpus is not None and not (math.isfinite(gpus) and gpus > 0):
        yield UserError(
            f"--gpus-per-run {gpus:g} is not a positive number.",
            "Type a share or a number of GPUs, such as --gpus-per-run 0.5",
        )
    if request.retries < 0:
        yield UserError(f"--retries {request.retries} is negative.", "Type --retries 0 or more.")
    fresh, held_out = request.asked.fresh_seeds, request.asked.held_out
    if fresh < 0:
        yield UserError(f"--confirm {fresh} is negative.", "Type a number of fresh seeds: --confirm 7")
    if not 0 <= held_out < 1:
        yield UserError(
            f"--confirm-items {held_out:g} is no share of the items.",
            "Type one from 0 to below 1, such as --confirm-items 0.5",
        )
    elif held_out and not fresh:
        yield UserError(
            "--confirm-items keeps items for a confirmation, and none is asked for.",
            "Type the number of fresh seeds as well: --confirm 7",
        )
    if not 0 <= request.save_minutes <= _MOST_MINUTES:
        yield UserError(
            f"--save-minutes {request.save_minutes:g} is no length of time.",
            "Type --save-minutes with a number of minutes; 0 keeps no state of a training.",
        )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _generation_settings(request: GridRequest) -> GenerationSettings:
    return GenerationSettings(
        few_shot=request.few_shot,
        chat_template=not request.no_chat_template,
        thinking=request.thinking,
        max_tokens=request.max_tokens,
        samples=request.samples_per_item,
        temperature=temperature_of(request.temperature, request.samples_per_item),
        top_p=request.top_p,
        sampling_seed=request.sampling_seed,
        template_date=DEFAULT_TEMPLATE_DATE if request.template_date is None else request.template_date,
    )
