"""One sitting: what is missing is measured and kept, then everything that is kept is averaged."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from talan_core.analysis.controls import DRAWS, FRESH
from talan_core.backbones.names import BY_NAME
from talan_core.config import TalanConfig
from talan_core.errors import UserError, unknown_name
from talan_core.quiet import library_warnings_silenced
from talan_eval.internals.configurations import configuration_distances
from talan_eval.internals.findings import Definition, Internals, Measurement
from talan_eval.internals.gather import KeptArm, arm_findings
from talan_eval.internals.kept import MEASURING_VERSION, KeptRun, read_kept, write_kept
from talan_eval.internals.material import LONGEST, chosen_tasks, load_benchmarks, make_material
from talan_eval.internals.measure import ROUNDED, measure, open_subject
from talan_eval.internals.passes import RunSetup, SharedPasses
from talan_eval.internals.quantities import QUANTITIES
from talan_eval.internals.subjects import base_of, find_subjects
from talan_eval.internals.weighing import KeptWeights, rates_of, weigh
from talan_eval.result.reading import RESULT_NAME, read_result
from talan_eval.store.atomic import make_directory
from talan_eval.store.canonical import canonical_hash
from talan_eval.store.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_core.analysis.capture import Positions
    from talan_eval.internals.findings import ArmFindings
    from talan_eval.internals.material import Material, Sequences
    from talan_eval.internals.subjects import ExaminedRun, StoredComparison
    from talan_eval.requests.internals import InternalsRequest
    from talan_eval.store.canonical import JsonObject

ALPHA: Final = 0.05
_POSITIONS: Final = ("solution", "prompt", "all")
_TYPES: Final = ("float32", "bfloat16")
_DEVICES: Final = ("auto", "cpu", "cuda")
_PACKAGES: Final = ("talan-eval", "torch", "transformers", "peft", "numpy")
_WEIGHTS: Final = "weights"


@dataclass(frozen=True, slots=True)
class MeasuringStep:
    """How far a sitting is.

    Attributes:
        subject: The checkpoint that is measured.
        task: On what; "weights" for those.
        done: Examples that are done.
        examples: Of so many.
        finished: Measurements that are finished.
        total: Of so many.
    """

    subject: ExaminedRun
    task: str
    done: int
    examples: int
    finished: int
    total: int


def check_request(request: InternalsRequest) -> None:
    """Refuse what cannot be asked for.

    Raises:
        UserError: A name that there is not, or no examples.
    """
    for kind, name, known in (
        ("choice of positions", request.positions, _POSITIONS),
        ("type", request.dtype, _TYPES),
        ("device", request.device, _DEVICES),
    ):
        if name not in known:
            raise unknown_name(kind, name, known)
    if request.examples < 1:
        raise UserError(f"--examples {request.examples} measures nothing.", "Type --examples 48")


def measure_comparison(
    request: InternalsRequest, out: Path, tell: Callable[[MeasuringStep], None] | None = None
) -> Internals:
    """Measure every checkpoint of a comparison; what was measured before is not measured again.

    Args:
        request: What was asked for, checked.
        out: Where what was measured is kept.
        tell: Told of each batch.

    Returns:
        What was found.

    Raises:
        UserError: There are no checkpoints, or what they are run on is not there; nothing was measured then.
    """
    comparison = find_subjects(request.results)
    specs = chosen_tasks(comparison.experiment, request.task)
    benchmarks = load_benchmarks(specs, request.data_dir)
    device = _device(request.device)
    materials = {
        one.name: make_material(one.identity, benchmarks, request.examples, request.backbone)
        for one in comparison.experiment.backbones
        if any(subject.run.backbone == one.name for subject in comparison.subjects)
    }
    make_directory(out)
    with exclusive(out):
        sitting = _Sitting(comparison, materials, request, device, out / "runs", tell or (lambda _: None))
        sitting.measure_missing()
        arms = tuple(sitting.arms())
    return _published(request, comparison, arms, materials)


class _StoppedError(Exception):
    """Another thread has failed, or the user has had enough."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """What is not kept of a subject: benchmarks, and whether its weights are not."""

    subject: ExaminedRun
    sequences: tuple[Sequences, ...]
    unweighed: bool


def _by_seed(todo: _Missing) -> int:
    return todo.subject.run.seed


class _Sitting:
    """The checkpoints of a comparison, and where what was measured of them is kept."""

    def __init__(
        self,
        comparison: StoredComparison,
        materials: Mapping[str, Material],
        request: InternalsRequest,
        device: torch.device,
        kept: Path,
        tell: Callable[[MeasuringStep], None],
    ) -> None:
        self._comparison, self._materials, self._request, self._kept = comparison, materials, request, kept
        self._device, self._tell = device, tell
        self._total = sum(len(materials[one.run.backbone].sequences) + 1 for one in comparison.subjects)
        self._finished = 0
        self._lock, self._libraries, self._stopped = threading.Lock(), threading.Lock(), threading.Event()

    def measure_missing(self) -> None:
        """Measure what is not kept yet; small backbones several checkpoints at a time."""
        todo: dict[str, list[_Missing]] = {name: [] for name in self._materials}
        for subject in self._comparison.subjects:
            material = self._materials[subject.run.backbone]
            missing = tuple(one for one in material.sequences if self._run(subject, one) is None)
            unweighed = self._weights(subject) is None
            self._finished += len(material.sequences) + 1 - len(missing) - unweighed
            if missing or unweighed:
                todo[subject.run.backbone].append(_Missing(subject, missing, unweighed))
        for name, material in self._materials.items():
            self._measure_on(material, sorted(todo[name], key=_by_seed))

    def _measure_on(self, material: Material, todo: Sequence[_Missing]) -> None:
        """Measure what is missing of one backbone, seed by seed: those that are set against each other together."""
        positions = cast("Positions", self._request.positions)
        setup = RunSetup(material.revision, self._request.dtype, self._device, positions)
        passes, workers = SharedPasses(setup, self._libraries), self._workers()
        # Filters of warnings are shared by all threads, so they are set once, outside of them.
        with library_warnings_silenced(), ThreadPoolExecutor(workers) as pool, _threads_of_torch(workers):
            started = [pool.submit(self._measure, one, material, passes) for one in todo]
            try:
                for one in as_completed(started):
                    one.result()
            except BaseException:  # also KeyboardInterrupt: the others stop at their next batch
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _workers(self) -> int:
        """Return how many checkpoints are measured at a time: one for each core where one thread each is enough."""
        small = all(name in BY_NAME and BY_NAME[name].threads == 1 for name in self._materials)
        if self._device.type != "cpu" or not small:
            return 1
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)

    def arms(self) -> Iterator[ArmFindings]:
        """Average what is kept of every arm on every backbone."""
        experiment = self._comparison.experiment
        for backbone in self._materials:
            for arm in experiment.arms:
                own = [one for one in self._comparison.subjects if (one.run.backbone, one.run.arm) == (backbone, arm)]
                if own:
                    runs = {
                        one.task: tuple(cast("KeptRun", self._run(subject, one)) for subject in own)
                        for one in self._materials[backbone].sequences
                    }
                    weights = tuple(cast("KeptWeights", self._weights(subject)) for subject in own)
                    seeds = tuple(one.run.seed for one in own)
                    kept = KeptArm(arm, backbone, base_of(experiment, arm), seeds, runs, weights)
                    yield arm_findings(kept, self._request.dtype, ALPHA)

    def _measure(self, todo: _Missing, material: Material, passes: SharedPasses) -> None:
        subject = todo.subject
        opened = open_subject(subject, passes)
        for one in todo.sequences:
            kept = measure(opened, one, material.pad, self._teller(subject, one.task, len(one.examples)))
            write_kept(self._place(subject, one.task), self._header(subject, one), kept)
            self._finish()
        if todo.unweighed:
            self._teller(subject, _WEIGHTS, 1)(0)
            rates = rates_of(self._comparison.store, self._comparison.experiment, subject.run)
            model = passes.take(subject.run)
            with passes.backbone() as backbone, self._libraries:  # merging an adapter changes filters of warnings, too
                found = weigh(model, backbone, rates)
            write_kept(self._place(subject, _WEIGHTS), self._weights_header(subject), found)
            self._finish()
            self._teller(subject, _WEIGHTS, 1)(1)
        passes.trim(subject.run)

    def _finish(self) -> None:
        with self._lock:
            self._finished += 1

    def _teller(self, subject: ExaminedRun, task: str, examples: int) -> Callable[[int], None]:
        def tell(done: int) -> None:
            if self._stopped.is_set():
                raise _StoppedError
            with self._lock:
                self._tell(MeasuringStep(subject, task, done, examples, self._finished, self._total))

        return tell

    def _run(self, subject: ExaminedRun, sequences: Sequences) -> KeptRun | None:
        found = read_kept(self._place(subject, sequences.task), self._header(subject, sequences))
        return None if found is None else KeptRun(**found)

    def _weights(self, subject: ExaminedRun) -> KeptWeights | None:
        found = read_kept(self._place(subject, _WEIGHTS), self._weights_header(subject))
        return None if found is None else KeptWeights(**found)

    def _place(self, subject: ExaminedRun, task: str) -> Path:
        return self._kept / f"{subject.run.cell_id}_{task}.json"

    def _header(self, subject: ExaminedRun, sequences: Sequences) -> JsonObject:
        """Return everything that the numbers depend on."""
        return {
            **self._weights_header(subject),
            "base": None if subject.base is None else subject.base.weights,
            "other": None if subject.other is None else subject.other.weights,
            "items": canonical_hash([sequences.items_hash, list(sequences.item_ids)]),
            "positions": self._request.positions,
        }

    def _weights_header(self, subject: ExaminedRun) -> JsonObject:
        return {
            "version": MEASURING_VERSION,
            "weights": subject.run.weights,
            "dtype": self._request.dtype,
            "device": self._device.type,
            "packages": {name: version(name) for name in _PACKAGES[1:]},
        }


def _published(
    request: InternalsRequest,
    comparison: StoredComparison,
    arms: tuple[ArmFindings, ...],
    materials: Mapping[str, Material],
) -> Internals:
    experiment = comparison.experiment
    points = {one.name: TalanConfig.from_dict(one.operating_point) for one in experiment.backbones}
    has_result = (comparison.store.directory / RESULT_NAME).is_file()
    result = read_result(comparison.store.directory) if has_result else None
    settings = cast("Any", request)
    return Internals(
        experiment_sha256=experiment.digest,
        measurement=Measurement(
            tasks=tuple(one.task for one in next(iter(materials.values())).sequences),
            examples=request.examples,
            rounded=ROUNDED,
            positions=settings.positions,
            dtype=settings.dtype,
            draws=DRAWS,
            fresh=FRESH,
            alpha=ALPHA,
        ),
        definitions=tuple(
            Definition(
                name=one.name, formula=one.formula, unit=one.unit, by=one.by, control=one.control, paper=one.paper
            )
            for one in QUANTITIES
        ),
        arms=arms,
        configurations=() if result is None else configuration_distances(result, arms, points),
        provenance={
            "versions": {name: version(name) for name in _PACKAGES},
            "machine": {"system": platform.system(), "architecture": platform.machine()},
        },
        warnings=(*_warnings(comparison), *_left_out(materials)),
    )


def _warnings(comparison: StoredComparison) -> Iterator[str]:
    if comparison.missing:
        count = len(comparison.missing)
        yield f"{count} checkpoint(s) are not there and were left out: {'; '.join(comparison.missing[:20])}."
    experiment = comparison.experiment
    for arm in dict.fromkeys(one.run.arm for one in comparison.subjects):
        base = base_of(experiment, arm)
        alone = sorted({one.run.seed for one in comparison.subjects if one.run.arm == arm and one.base is None})
        if base is not None and alone:
            seeds = ", ".join(map(str, alone))
            own = {one.run.seed for one in comparison.subjects if one.run.arm == arm}
            how = "set against {} on the other seeds alone" if own - set(alone) else "not set against {}"
            yield f"{arm} is {how.format(base)}, because {base} has no sound checkpoint of seed(s) {seeds}."
    if any(spec.generation.few_shot for spec in comparison.experiment.tasks):
        yield "Prompts stand without the few-shot examples of the evaluation, as in training."


def _left_out(materials: Mapping[str, Material]) -> Iterator[str]:
    for backbone, material in materials.items():
        for one in material.sequences:
            if one.left_out:
                chosen = one.left_out + len(one.examples)
                yield (
                    f"{one.left_out} of {chosen} items of {one.task} were left out on {backbone}: no reference "
                    f"solution, or a sequence of more than {LONGEST} tokens."
                )


@contextlib.contextmanager
def _threads_of_torch(workers: int) -> Iterator[None]:
    """Let torch use one thread for each of several workers inside, else all that it had."""
    before = torch.get_num_threads()
    if workers > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(asked: str) -> torch.device:
    if asked == "cuda" and not torch.cuda.is_available():
        raise UserError("No CUDA device is available to torch.", "Type --device cpu, or install a CUDA build of torch.")
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")
