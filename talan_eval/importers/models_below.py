"""Which backbone each run stands on: the model below its adapter, where logs name several of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.importers.files import natural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.logged import LoggedArm, LoggedRun


@dataclass(frozen=True, slots=True)
class Backbone:
    """All arms on one backbone.

    Attributes:
        name: The model below the adapters, or what the scores come from where the logs do not tell.
        arms: Every arm, with its runs on this backbone, at least one.
    """

    name: str
    arms: tuple[LoggedArm, ...]


def by_backbone(arms: Sequence[LoggedArm]) -> tuple[Backbone, ...]:
    """Part the runs of all arms by backbone.

    A backbone is known by the model below an adapter. A run without one belongs to the backbone whose name its model
    bears. Where some runs name nothing of the kind, such as models that were tuned as a whole, all count as one.

    Args:
        arms: All of them.

    Returns:
        The backbones in natural order of their names; each has every arm.

    Raises:
        UserError: An arm has no run on a backbone that another has, or it is not clear on which one a run stands.
    """
    runs = [run for arm in arms for run in arm.runs]
    known = {run.adapted for run in runs if run.adapted is not None}
    unclear = next((run for run in runs if _below(run, known) is None), None)
    if unclear is not None:
        if len(known) > 1:
            listed = ", ".join(sorted(known, key=natural))
            raise UserError(
                f"{unclear.path} does not say on which backbone it stands, and other logs name several: {listed}.",
                "Compare one backbone at a time, or write the scores into a table with the column backbone.",
            )
        return (Backbone(_source(runs[0]), tuple(arms)),)
    found = {name: {arm.name: _on(arm, name, known) for arm in arms} for name in sorted(known, key=natural)}
    lacking = [f"{arm} has no runs on {name}" for name, those in found.items() for arm, own in those.items() if not own]
    if lacking:
        raise UserError(
            f"The arms are not on the same backbones: {'; '.join(lacking)}.",
            "Score every arm on every backbone, or name only logs of backbones that all arms have. One backbone under "
            "two names (a path, a Hub id) counts as two: score all arms under one of them.",
        )
    return tuple(Backbone(name, tuple(replace(arm, runs=found[name][arm.name]) for arm in arms)) for name in found)


def _below(run: LoggedRun, known: set[str]) -> str | None:
    if run.adapted is not None:
        return run.adapted
    return run.backbone if run.backbone in known else None


def _on(arm: LoggedArm, name: str, known: set[str]) -> tuple[LoggedRun, ...]:
    return tuple(run for run in arm.runs if _below(run, known) == name)


def _source(run: LoggedRun) -> str:
    return "table of scores" if run.harness == "table" else f"{run.harness} logs"
