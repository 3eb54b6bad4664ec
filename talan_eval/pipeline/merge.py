"""Results of several machines as one experiment: the parts must agree in all but their seeds, arms and benchmarks."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pydantic

from talan_core.errors import UserError, mistakes_of, refuse
from talan_eval.comparison.statistics_settings import StatisticsSettings
from talan_eval.experiment import Experiment, StoredArm
from talan_eval.grid import plan
from talan_eval.pipeline.session import Session, still_missing
from talan_eval.records.adoption import Offers, adopt
from talan_eval.store.atomic import refuse_unwritable
from talan_eval.store.canonical import first_difference
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from talan_eval.grid import Run
    from talan_eval.requests.merge import MergeRequest
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.contrast import ContrastSpec
    from talan_eval.result.schema import Result
    from talan_eval.store.records import SealedRecord

_LEAST: Final = 2
_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class MergedPart:
    """One of the directories.

    Attributes:
        store: It, opened for reading.
        experiment: What was asked for there.
        records: What is finished and sound there.
    """

    store: Store
    experiment: Experiment
    records: Mapping[str, SealedRecord]

    @property
    def name(self) -> str:
        """As typed."""
        return str(self.store.directory)


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    Attributes:
        document: The result, or the scores of one arm.
        notes: What a user should know.
    """

    document: Result | ArmScores
    notes: tuple[str, ...]


def merge(places: Sequence[Path], request: MergeRequest) -> Merged:
    """Put directories together and write the reports of the whole.

    Args:
        places: At least two directories of comparisons, or of evaluations of one arm; they are only read.
        request: Where to, and the statistics.

    Raises:
        UserError: A directory cannot be read or is damaged, the parts are of different experiments, two of them hold
            different answers under one name, or the place cannot be written. Nothing has been written then, unless the
            disk is full.
    """
    statistics = StatisticsSettings.of_request(request)
    refuse_unwritable(request.json, "--json")
    parts = _parts(places, request.out)
    experiment = joined([(part.name, part.experiment) for part in parts])
    runs = plan(experiment)
    _refuse_conflicts(parts, runs)
    manifest = Manifest(
        experiment.to_json(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), dict(experiment.versions)
    )
    with Store.held(request.out, manifest) as store:
        missing = still_missing(runs, store.verify().records)
        adopted = adopt(store, missing, _offers(parts))
        missing = still_missing(missing, adopted)
        session = Session(store, experiment, runs, missing, adopted, (), statistics)
        alone = not experiment.contrasts
        document = session.write_scores(request.json) if alone else session.write_reports(request.json)
    return Merged(document, tuple(_notes(missing, parts, adopted)))


def joined(parts: Sequence[tuple[str, Experiment]]) -> Experiment:
    """Return the experiment of which all are parts.

    Args:
        parts: Experiments, each with what to call it. The first says what is primary.

    Raises:
        UserError: They differ in more than their seeds, arms, contrasts and benchmarks; one error names all that
            differs.
    """
    first = parts[0][1]
    pairs = itertools.combinations(parts, 2)  # any two may share what the first one lacks
    refuse(mistakes_of(*(partial(_refuse_other, *one, *other) for one, other in pairs)))
    every = [experiment for _, experiment in parts]
    contrasts = tuple(dict.fromkeys(one for experiment in every for one in experiment.contrasts))
    arms = tuple(dict.fromkeys(arm for experiment in every for arm in experiment.arms))
    if not contrasts and len(arms) > 1:
        raise UserError(
            f"The directories hold evaluations of different arms ({', '.join(arms)}), and no comparison.",
            "Compare them: talan-eval compare-logs NAME=DIR NAME=DIR",
        )
    seeded = [experiment for experiment in every if len(experiment.fixed) < len(experiment.arms)] or every[:1]
    tasks = {task.name: task for experiment in reversed(every) for task in experiment.tasks}
    order = dict.fromkeys(task.name for experiment in every for task in experiment.tasks)
    recipes = {
        one.name: {arm: own for experiment in every for other in experiment.backbones
                   if other.name == one.name for arm, own in other.training_by_arm.items()}
        for one in first.backbones
    }  # fmt: skip
    return first.model_copy(
        update={
            "backbones": tuple(
                one.model_copy(update={"training_by_arm": recipes[one.name]}) for one in first.backbones
            ),
            "arms": arms,
            "fixed": tuple(arm for arm in arms if any(arm in experiment.fixed for experiment in every)),
            "stored": tuple(_stored(every)),
            "contrasts": contrasts,
            "seeds": tuple(sorted({seed for experiment in seeded for seed in experiment.seeds})),
            "tasks": tuple(tasks[name] for name in order),
            "train": next((experiment.train for experiment in every if experiment.train), ()),
            "contaminated": max(experiment.contaminated for experiment in every),
            "extensions": {arm: own for experiment in every for arm, own in experiment.extensions.items()},
        }
    )


def _parts(places: Sequence[Path], out: Path) -> list[MergedPart]:
    if len(places) < _LEAST:
        raise UserError(
            f"{len(places)} directory is nothing to put together.", "Type: talan-eval merge DIR DIR --out DIR"
        )
    resolved = [place.resolve() for place in places]
    if len(set(resolved)) < len(resolved):
        raise UserError("A directory is named twice.", "Name each once: talan-eval merge DIR DIR --out DIR")
    if out.resolve() in resolved:
        raise UserError(f"--out {out} is one of the parts, which are only read.", "Type --out with another directory.")
    found: list[MergedPart] = []
    refuse(mistakes_of(*(lambda place=place: found.append(_part(place)) for place in places)))
    return found


def _part(place: Path) -> MergedPart:
    store = Store.load(place)
    try:
        experiment = Experiment(**store.manifest.experiment)
    except pydantic.ValidationError as error:
        raise UserError(
            f"{place} was written by a version whose experiments this one cannot read.",
            "Merge with the version that wrote it: pip install talan-eval==VERSION",
        ) from error
    if experiment.confirm:
        raise UserError(
            f"{place} holds a confirmation of the best arm (--confirm), and its selection would be made anew.",
            "Merge comparisons without --confirm, and confirm with: talan-eval compare ... --confirm N",
        )
    state = store.verify()
    if state.problems:
        raise UserError(f"{place}: {state.problems[0]}", "Give the command that made it again: it repairs it.")
    return MergedPart(store, experiment, state.records)


def _refuse_other(first_name: str, first: Experiment, name: str, other: Experiment) -> None:
    """Refuse an experiment that differs from the first one in what all parts share."""
    problems = [
        UserError(
            f"{first_name} and {name} are parts of different experiments: {where} is {here} and {there}.",
            "Compute them alike, or compare two results: talan-eval diff OLD NEW",
        )
        for one, another in zip(_shared(first, other), _shared(other, first), strict=True)
        if (found := first_difference(one, another)) is not None
        for where, here, there in [found]
    ]
    refuse(problems)


def _shared(one: Experiment, other: Experiment) -> tuple[dict[str, Any], ...]:
    """Return what of an experiment must be equal in another, each piece told apart in an error."""
    everything = one.to_json()
    common = {task.name for task in one.tasks} & {task.name for task in other.tasks}
    arms = set(one.arms) & set(other.arms)
    pairs = set(map(_key, one.contrasts)) & set(map(_key, other.contrasts))
    trained = any(map(one.trains, one.arms)) and any(map(other.trains, other.arms))
    pieces: list[dict[str, Any]] = [
        {"device": everything["device"]},
        {"versions": everything["versions"]},
        {"backbones": [{**backbone, "training_by_arm": None} for backbone in everything["backbones"]]},
        {"recipes": [{arm: own for arm, own in backbone.get("training_by_arm", {}).items() if arm in arms}
                     for backbone in everything["backbones"]]},
        {"tasks": {task["name"]: task for task in everything["tasks"] if task["name"] in common}},
        {"fixed": sorted(arms & set(one.fixed))},
        {"extensions": {arm: everything.get("extensions", {}).get(arm) for arm in sorted(arms)}},
        {"stored": {stored.name: [stored.form, stored.what] for stored in one.stored if stored.name in arms}},
        {"pairing": {contrast.name: contrast.pairing for contrast in one.contrasts if _key(contrast) in pairs}},
    ]  # fmt: skip
    if trained:
        pieces.append({"train": everything["train"]})
    return tuple(pieces)


def _key(contrast: ContrastSpec) -> tuple[str, str]:
    return contrast.base, contrast.treatment


def _stored(every: Iterable[Experiment]) -> Iterable[StoredArm]:
    """Put the checkpoints of stored arms together by seed; of one seed all parts must have the same."""
    found: dict[str, StoredArm] = {}
    for one in (stored for experiment in every for stored in experiment.stored):
        known = found.get(one.name, one)
        by_seed = {checkpoint.seed: checkpoint for checkpoint in known.checkpoints}
        for checkpoint in one.checkpoints:
            if by_seed.setdefault(checkpoint.seed, checkpoint) != checkpoint:
                raise UserError(
                    f"The stored arm {one.name} has other files at seed {checkpoint.seed} in another directory.",
                    "Evaluate the same checkpoint, or give one of the arms another name.",
                )
        found[one.name] = known.model_copy(update={"checkpoints": tuple(by_seed[seed] for seed in sorted(by_seed))})
    return found.values()


def _refuse_conflicts(parts: Sequence[MergedPart], runs: Sequence[Run]) -> None:
    """Refuse answers that differ under one name: equal work, done on machines that round differently."""
    wanted = [cell.cell_id for run in runs for cell in run.evaluations]
    problems = []
    for name in wanted:
        own = {part.name: [(file.name, file.sha256) for file in part.records[name].files]
               for part in parts if name in part.records}  # fmt: skip
        (first, files), *others = own.items() if own else ((("", []),))
        different = next((other for other, theirs in others if theirs != files), None)
        if different is not None:
            problems.append(
                UserError(
                    f"{name} was answered in {first} and in {different}, and the answers differ.",
                    "Keep one of them: take the seed, arm or benchmark out of one directory's experiment, or move that "
                    "directory away.",
                )
            )
    refuse(problems)


def _offers(parts: Sequence[MergedPart]) -> Offers:
    found = Offers({}, {})
    for part in parts:
        for name in part.records:
            found.cells.setdefault(name, []).append(part.store.directory)
        for name in part.store.checkpoint_names():
            found.checkpoints.setdefault(name, []).append(part.store.directory)
    return found


def _notes(missing: Sequence[Run], parts: Sequence[MergedPart], adopted: Mapping[str, str]) -> Iterable[str]:
    yield f"{len(adopted)} evaluations are taken from {', '.join(part.name for part in parts)}."
    lacking = [f"{run.arm} seed {run.seed} on {cell.task}" for run in missing for cell in run.evaluations]
    if lacking:
        more = f" and {len(lacking) - _LISTED} more" if len(lacking) > _LISTED else ""
        yield (
            f"{len(lacking)} evaluations of the whole are in none of them ({', '.join(lacking[:_LISTED])}{more}): what "
            "lacks them is left out."
        )
