"""From a request to a checked experiment: every mistake is found here, before anything is trained or written."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_core.errors import UserError, mistakes_of, refuse, unknown_name
from talan_core.extras import need_train
from talan_core.partners import PARTNERS
from talan_core.partners.bottleneck import Fusion
from talan_core.recipes.recipe import differences
from talan_eval.comparison.held_out import check_split
from talan_eval.comparison.slices import slice_values
from talan_eval.experiment import BackboneIdentity, Experiment, TunedBackbone
from talan_eval.generation.backend import BackendOptions
from talan_eval.generation.registry import make_backend
from talan_eval.grading.graders import GRADING_VERSION
from talan_eval.identity import AnsweringIdentity, TrainingIdentity
from talan_eval.intake.assignment import Assignment
from talan_eval.intake.backend_choice import chosen_backend
from talan_eval.intake.batch_size import in_batches
from talan_eval.intake.checked import Checked, check
from talan_eval.intake.fit_stored import check_stored, fit_stored
from talan_eval.intake.hours import Lengths
from talan_eval.intake.ray_connection import has_gpus
from talan_eval.intake.room import Room, check_room
from talan_eval.intake.served_arms import endpoint_of, served_names
from talan_eval.records.samples import LABELS
from talan_eval.sandbox.tiers import SandboxUnavailableError, Tier, find_tier
from talan_eval.tasks.task_sources import TaskSources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.backbones.load import Revision
    from talan_core.backbones.names import BackboneSpec
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.experiment import TaskSpec, TrainingSource
    from talan_eval.generation.backend import Endpoint
    from talan_eval.intake.assignment import StoredSource
    from talan_eval.intake.checked import CheckedBackbone
    from talan_eval.intake.training_data import TrainingData
    from talan_eval.requests.grid import GridRequest
    from talan_eval.tasks.benchmark import Benchmark

RESULTS: Final = Path("results")
_FREE_BYTES: Final = 64 * 2**20
_BARE: Final = ("question", "problem")  # where documents keep an item without the instructions around it


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked experiment, ready to run.

    Attributes:
        experiment: The identity of what will be computed.
        assignments: What the workers need to know, one for each backbone.
        workers: Processes at a time.
        retries: How often a failed run is tried again.
        statistics: Settings of the statistics.
        lengths: About how many tokens there are to learn, to ask and to answer.
        may_stop: Whether an evaluation that runs out of memory stops all of them; see `smaller_batches`.
    """

    experiment: Experiment
    assignments: tuple[Assignment, ...]
    workers: int
    retries: int
    statistics: StatisticsSettings
    lengths: Lengths
    may_stop: bool = False


def prepare(request: GridRequest) -> Prepared:
    """Check a request and find out what it stands for.

    Args:
        request: The options as typed.

    Returns:
        The experiment, and how to run it on this machine.

    Raises:
        UserError: Anything in the request cannot be done; nothing has been written then.
    """
    need_train("Training or asking an arm")
    checked = check(request)
    from talan_eval.generation.prompts import settled  # noqa: PLC0415 - torch and lm-eval are loaded from here on

    revisions = _located(checked, outlines=request.dry_run and not request.pilot and not checked.stored)
    whole = [revision for revision in revisions if not revision.outline]
    stored = fit_stored(checked.stored, checked.backbones[0].spec, revisions[0])
    checked = replace(checked, generation=settled(checked.generation, [*whole, *stored.tokenizers]))
    _check_recipes(checked, device := _device(request))
    gpus = _gpus(request, device)
    backend = chosen_backend(request.backend, device, checked, revisions, stored.sources, divided=gpus > 1)
    request = replace(request, backend=backend)
    sources = TaskSources(checked.task_files, checked.metrics, request.data_dir, checked.generation)
    loaded = _loaded(request, checked, sources)
    evaluated, learned = [loaded[name] for name in checked.tasks], _learned(checked, loaded)
    contaminated = _contaminated(request, learned, evaluated)
    _check_stages(checked, learned.sources)
    _check_backbones(whole, checked, evaluated, learned)
    check_stored(stored, revisions[0], checked.generation, evaluated)
    specs = {name: benchmark.spec for name, benchmark in loaded.items()}
    found = {"train": learned.sources, "contaminated": contaminated, "stored": stored.arms}
    served = served_names(request.served, checked.arms.names, stored.sources, asked=request.backend == "openai")
    endpoint = endpoint_of(request.base_url, served)
    workers = _workers(request.workers, checked, device, gpus)
    lengths = Lengths.of(evaluated, learned.together)
    share = _gpu_share(request, device, workers)
    room = Room(None, "") if _is_elsewhere(request) else Room.here(device, workers, gpus, share)
    if request.eval_batch is None:
        gpu, domains = room if device == "cuda" else None, len(learned.sources)
        checked = in_batches(checked, request.backend, revisions, domains, gpu, lengths.longest)
    experiment = _experiment(request, checked, revisions, specs, endpoint, device).model_copy(update=found)
    tier = _sandbox_tier(request, [specs[name] for name in checked.tasks])
    _check_space(out := request.out or RESULTS / experiment.default_name)
    where = _Where(device, gpus, share, workers, tier)
    common = _Common(out, learned.sources, sources, where, stored.sources, served, endpoint)
    assignments = tuple(
        _assignment(request, checked, one, revision, common)
        for one, revision in zip(checked.backbones, revisions, strict=True)
    )
    refuse(mistakes_of(*(partial(_check_backend, one) for one in assignments)))
    here = [one for one in assignments if not one.revision.outline]
    check_room(here, checked.arms.unstored, room, lengths.longest)
    return Prepared(experiment, assignments, workers, request.retries, checked.statistics, lengths)


@dataclass(frozen=True, slots=True)
class _Where:
    """What there is to compute on; the fields are those of :class:`Assignment`, and the number of workers."""

    device: str
    gpus: int
    gpu_share: float
    workers: int
    sandbox_tier: Tier | None


@dataclass(frozen=True, slots=True)
class _Common:
    """What was found out for all backbones; the fields are those of :class:`Assignment`."""

    directory: Path
    train: tuple[TrainingSource, ...]
    sources: TaskSources
    where: _Where
    stored: Mapping[tuple[str, int], StoredSource]
    served: Mapping[tuple[str, int], str]
    endpoint: Endpoint | None


def _assignment(
    request: GridRequest, checked: Checked, one: CheckedBackbone, revision: Revision, common: _Common
) -> Assignment:
    return Assignment(
        backbone=one.spec.name,
        directory=common.directory,
        revision=revision,
        training=one.training,
        recipes=one.recipes,
        operating_point=one.spec.talan,
        tasks=checked.tasks,
        training_names=checked.training,
        train=common.train,
        sources=common.sources,
        limit=request.limit,
        backend=request.backend,
        loss=request.loss,
        eval_batch=one.eval_batch,
        device=common.where.device,
        gpus=common.where.gpus,
        gpu_share=common.where.gpu_share,
        threads=one.spec.threads or _threads(request, common.where.workers),
        save_every=_save_every(request.save_minutes),
        sandbox_tier=common.where.sandbox_tier,
        stored=common.stored,
        keep_answers=not request.no_samples,
        arms=checked.arms.names,
        served=common.served,
        endpoint=common.endpoint,
    )


def _check_backend(assignment: Assignment) -> None:
    assignment.backend_on(assignment.device).check(assignment.revision, assignment.asked)


def _check_recipes(checked: Checked, device: str) -> None:
    """Refuse recipes that need what is not here."""
    from talan_core.training.requirements import check_available  # noqa: PLC0415 - heavy, see prepare

    recipes = [recipe for one in checked.backbones for recipe in (one.training, *one.recipes.values())]
    refuse(mistakes_of(*(partial(check_available, recipe, device) for recipe in recipes)))


def _located(checked: Checked, *, outlines: bool) -> list[Revision]:
    """Find the files of every backbone; all that are not there are named together.

    Where nothing is run, the configuration alone will do of a backbone whose files cannot be had.
    """
    from talan_core.backbones.load import locate  # noqa: PLC0415 - heavy, see prepare
    from talan_core.backbones.outlines import outline  # noqa: PLC0415 - as above

    revisions: list[Revision] = []

    def find(spec: BackboneSpec) -> None:
        try:
            revisions.append(locate(spec))
        except UserError:
            if not outlines or (known := outline(spec)) is None:
                raise
            revisions.append(known)

    refuse(mistakes_of(*(partial(find, one.spec) for one in checked.backbones)))
    _refuse_equal(checked, revisions)
    return revisions


def _refuse_equal(checked: Checked, revisions: Sequence[Revision]) -> None:
    """Refuse one backbone under two names: its trainings would count as those of two."""
    seen: dict[tuple[str | None, str | None, str], str] = {}
    for one, revision in zip(checked.backbones, revisions, strict=True):
        where = "" if revision.sha256 is not None else revision.location
        key = (revision.commit, revision.sha256, where)
        if key in seen:
            raise UserError(
                f"The backbones {seen[key]!r} and {one.spec.name!r} are the same files; they are no two backbones.",
                f"Name it once: --backbone {seen[key]}",
            )
        seen[key] = one.spec.name


def _loaded(request: GridRequest, checked: Checked, sources: TaskSources) -> dict[str, Benchmark]:
    """Load every benchmark that is evaluated or trained on, and check what they are needed for."""
    loaded: dict[str, Benchmark] = {}

    def load(name: str) -> None:
        loaded[name] = sources.load(name, request.limit if name in checked.tasks else None)

    refuse(mistakes_of(*(partial(load, name) for name in dict.fromkeys((*checked.tasks, *checked.training.tasks)))))
    settings = checked.statistics
    for name in checked.tasks:
        ids = [item.item_id for item in loaded[name].items]
        check_split(name, ids, settings.confirm_items, settings.rng_seed)
    _check_slices(checked.statistics.slices, [loaded[name] for name in checked.tasks])
    return loaded


def _check_backbones(
    revisions: Sequence[Revision], checked: Checked, evaluated: Sequence[Benchmark], learned: TrainingData
) -> None:
    """Refuse a backbone that cannot be asked, or whose template cannot word what is learned."""
    from talan_eval.generation.prompts import check_backbone, open_tokenizer  # noqa: PLC0415 - heavy, see prepare
    from talan_eval.intake.training_data import check_wording  # noqa: PLC0415 - as above

    for revision in revisions:
        check_backbone(revision, checked.generation, evaluated)
        check_wording(learned, open_tokenizer(revision, checked.generation))


def _learned(checked: Checked, loaded: Mapping[str, Benchmark]) -> TrainingData:
    """Load what adapters are trained on."""
    from talan_eval.intake.training_data import load_training_data  # noqa: PLC0415 - heavy, see prepare

    learned = load_training_data(checked.training, loaded, checked.generation)
    if learned.sources:  # stored arms alone are trained on nothing here
        _check_training(learned.sources)
    return learned


def _contaminated(request: GridRequest, learned: TrainingData, evaluated: Sequence[Benchmark]) -> int:
    """Count training items that are also evaluated items; refuse them unless they are allowed."""
    from talan_core.training.contamination import screen  # noqa: PLC0415 - heavy, see prepare

    examples = learned.together
    items = [item for one in evaluated for item in one.items]
    asked = [item.prompt for item in items] + [str(item.doc[key]) for item in items for key in _BARE if key in item.doc]
    found = len(screen(examples, asked, policy="keep").contaminated)
    if found and not request.allow_contaminated:
        raise UserError(
            f"{found} of {len(examples)} training items are also evaluated items, so a gain could be memory.",
            "Train on other benchmarks with --train-tasks, on other data with --train-data, or type "
            "--allow-contaminated; the result then says so.",
        )
    return found


def _save_every(minutes: float) -> dt.timedelta | None:
    return max(dt.timedelta(minutes=minutes), dt.timedelta.resolution) if minutes else None


def _check_training(sources: Sequence[TrainingSource]) -> None:
    """Refuse benchmarks that offer nothing to train on."""
    if all(source.n_train == 0 for source in sources):
        names = ",".join(source.name for source in sources)
        raise UserError(
            f"{names} has no training split, so there is nothing to train the adapters on.",
            "Name what to train on, such as --train-data mine.jsonl or --train-tasks gsm8k; or a benchmark that has "
            f"one as well, on which adapters are trained and which they answer too: --tasks {names},gsm8k.",
        )


def _check_stages(checked: Checked, sources: Sequence[TrainingSource]) -> None:
    """Refuse an arm of several stages that these data or this recipe cannot train."""
    domains = [source.name for source in sources if source.n_train]
    items = sum(source.n_train for source in sources)
    for one in checked.backbones:
        for arm in checked.arms.unstored:
            partner = parse_arm(arm).partner
            if isinstance(partner, Fusion):
                partner.stages(domains, one.recipes.get(arm, one.training).steps_for(items))


def _check_slices(labels: Sequence[str], benchmarks: Sequence[Benchmark]) -> None:
    """Refuse a label that no item has or that cuts nothing into slices, before hours of computing and not after."""
    known = [name for name in LABELS if any(name in item.doc for one in benchmarks for item in one.items)]
    for label in labels:
        if not known:
            raise UserError(f"There is no label {label!r}: the items have no labels.", "Leave --slices out.")
        if label not in known:
            raise unknown_name("slice", label, known)
        columns = {one.spec.name: [str(item.doc.get(label, "")) for item in one.items] for one in benchmarks}
        slices = [slice_values(name, label, column) for name, column in columns.items()]
        if not any(slices):
            raise UserError(
                f"No two items have the same {label}, so there is no slice to test.",
                "Evaluate more items, with a larger --limit or without it, or leave --slices out.",
            )


def _answering(request: GridRequest, one: CheckedBackbone, endpoint: Endpoint | None, device: str) -> AnsweringIdentity:
    options = BackendOptions(one.training.dtype, device, one.eval_batch, one.training.quantization, endpoint=endpoint)
    backend = make_backend(request.backend, options)
    return AnsweringIdentity.here(GRADING_VERSION, backend.identity(), loss=request.loss)


def _experiment(
    request: GridRequest,
    checked: Checked,
    revisions: Sequence[Revision],
    specs: Mapping[str, TaskSpec],
    endpoint: Endpoint | None,
    device: str,
) -> Experiment:
    backbones = tuple(
        TunedBackbone(
            identity=BackboneIdentity(
                name=one.spec.name, commit=revision.commit, sha256=revision.sha256, note=revision.note
            ),
            training=one.training.to_dict(),
            training_by_arm={arm: differences(recipe, one.training) for arm, recipe in one.recipes.items()},
            operating_point=one.spec.talan.to_dict(),
            eval_batch=one.eval_batch,
            answering=_answering(request, one, endpoint, device).versions(),
        )
        for one, revision in zip(checked.backbones, revisions, strict=True)
    )
    return Experiment(
        backbones=backbones,
        arms=checked.arms.names,
        fixed=checked.arms.fixed,
        contrasts=checked.arms.contrasts,
        seeds=checked.seeds,
        confirm=request.asked.fresh_seeds,
        tasks=tuple(specs[name] for name in checked.tasks),
        train=(),
        device=device,
        versions=TrainingIdentity.here().versions(),
        extensions=_by_others(checked),
    )


def _by_others(checked: Checked) -> dict[str, str]:
    """Return package and version of the partners that other packages add, by arm."""
    kinds = {name: parse_arm(name).partner.kind for name in checked.arms.unstored}
    found = {name: PARTNERS.origin(kind) for name, kind in kinds.items()}
    return {name: origin for name, origin in found.items() if origin is not None}


def _is_elsewhere(request: GridRequest) -> bool:
    """Return whether runs are on other machines, of which this one's memory and devices say nothing.

    A plan for a GPU that is not here is one for another machine.
    """
    if request.executor == "slurm" or request.ray_address is not None:
        return True
    if request.device != "cuda" or not request.dry_run or request.pilot:
        return False
    import torch  # noqa: PLC0415 - heavy, see prepare

    return not torch.cuda.is_available()


def _device(request: GridRequest) -> str:
    import torch  # noqa: PLC0415 - heavy, see prepare

    asked = request.device
    available = torch.cuda.is_available() or (asked == "cuda" and _is_elsewhere(request))
    if asked == "auto" and request.ray_address is not None:
        available = has_gpus(request.ray_address)
    if asked == "cuda" and not available:
        raise UserError("No CUDA device is available to torch.", "Type --device cpu, or install a CUDA build of torch.")
    return "cuda" if asked != "cpu" and available else "cpu"


def _threads(request: GridRequest, workers: int) -> int | None:
    """Return the CPU threads of a worker; None where other machines compute, whose cores only the executor knows."""
    if request.executor == "slurm":
        return 1
    return None if request.ray_address is not None else max(1, _cores() // workers)


def _gpu_share(request: GridRequest, device: str, workers: int) -> float:
    """Return the part of a GPU's memory that each of the workers that share it may take."""
    if device != "cuda":
        return 1.0
    if request.executor != "local":
        return min(1.0, request.gpus_per_run or 1.0)
    import torch  # noqa: PLC0415 - heavy, see prepare

    return 1 / max(1, -(-workers // max(1, torch.cuda.device_count())))


def _sandbox_tier(request: GridRequest, specs: Sequence[TaskSpec]) -> Tier | None:
    """Return the boundary for model-written programs; without one, refuse now and not after hours of generation."""
    if not any(spec.runs_code for spec in specs):
        return None
    if request.unsafe_no_sandbox and sys.platform == "linux":
        return Tier.NONE
    try:
        return find_tier().tier
    except SandboxUnavailableError as error:
        raise UserError(error.problem, error.fix) from error


def _gpus(request: GridRequest, device: str) -> int:
    """Return the number of whole GPUs of one run.

    Raises:
        UserError: There are not so many.
    """
    asked = max(1, int(request.gpus_per_run or 1))
    if asked == 1 or request.executor != "local":
        return asked
    import torch  # noqa: PLC0415 - heavy, see prepare

    there = torch.cuda.device_count() if device == "cuda" else 0
    if asked > there:
        raise UserError(
            f"--gpus-per-run {asked}: torch sees {there} GPU(s) for runs on {device}.",
            f"Type --gpus-per-run {there}." if there > 1 else "Leave --gpus-per-run out.",
        )
    return asked


def _workers(asked: int | None, checked: Checked, device: str, gpus: int) -> int:
    """Return the number of worker processes."""
    if asked is not None:
        return asked
    if device == "cuda":
        import torch  # noqa: PLC0415 - heavy, see prepare

        return max(1, torch.cuda.device_count() // gpus)
    small = all(one.spec.threads is not None for one in checked.backbones)
    runs = len(checked.arms.names) * len(checked.seeds) * len(checked.backbones)
    return min(_cores(), runs) if small else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _check_space(out: Path) -> None:
    """Refuse to start where a few megabytes would not fit."""
    parent = out.absolute()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < _FREE_BYTES:
        raise UserError(
            f"No space for results: {free // 2**20} MB are free at {parent}.",
            f"Free at least {_FREE_BYTES // 2**20} MB there, or type --out with a directory on another disk.",
        )
