"""An account of what was read and chosen: notes for the terminal, warnings and provenance for the result."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from talan_eval.comparison.signature import package_version
from talan_eval.importers.seeds import SEED_NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.logged import LoggedArm
    from talan_eval.importers.metrics import Chosen
    from talan_eval.importers.seeds import SeedRules, Trials

_PACKAGES: Final = ("numpy", "scipy")
_MANY: Final = 8
_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Account:
    """What was read and chosen.

    Attributes:
        arms: All arms, the base first.
        trials: Which run is which seed, by backbone.
        chosen: Filter and metric of each task.
        rules: What the user declared about seeds.
    """

    arms: Sequence[LoggedArm]
    trials: Mapping[str, Trials]
    chosen: Sequence[Chosen]
    rules: SeedRules

    def notes(self) -> tuple[str, ...]:
        """Say in one line which arms there are, which run is which seed, and which metric counts."""
        names = [arm.name for arm in self.arms]
        on = f" on {', '.join(self.trials)}" if len(self.trials) > 1 else ""
        arms = f"base is {names[0]}, compared with {', '.join(names[1:])}{on}"
        return ("; ".join((arms, *self._seeds(), *self._metrics())),)

    def warnings(self) -> tuple[str, ...]:
        """Return what the logs themselves raise: older runs left aside, how runs were paired."""
        said = [note for arm in self.arms for run in arm.runs for note in run.notes]
        paired = [note for trials in self.trials.values() for note in trials.notes]
        return tuple(dict.fromkeys([*said, *paired, *self._seeds_as_arms()]))

    def provenance(self) -> dict[str, Any]:
        """Return what the result keeps: every file with its SHA-256, by arm and run."""
        runs = [run for arm in self.arms for run in arm.runs]
        stamps = sorted({(str(stamp.path), stamp.sha256) for run in runs for stamp in run.files})
        whole = hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in stamps).encode()).hexdigest()
        versions = sorted({run.version for run in runs if run.version is not None})
        return {
            "harness": " ".join([runs[0].harness, *([", ".join(versions)] if versions else [])]),
            "files": len(stamps),
            "files_sha256": whole,
            "arms": {arm.name: {"logs": list(arm.words), "runs": self._runs(arm.name)} for arm in self.arms},
            "metrics": {
                one.task: {"metric": one.metric, "filter": one.filter, "found": list(one.found)} for one in self.chosen
            },
            "versions": {
                "python": platform.python_version(),
                "talan-eval": package_version(),
                **{name: version(name) for name in _PACKAGES},
            },
        }

    def _runs(self, arm: str) -> list[dict[str, Any]]:
        return [
            {
                "backbone": backbone,
                "seed": trial.seed,
                "sample": trial.sample,
                "path": str(trial.run.path),
                "model": trial.run.model,
                "harness_version": trial.run.version,
                "sha256": {_inside(stamp.path, trial.run.path): stamp.sha256 for stamp in trial.run.files},
            }
            for backbone, trials in self.trials.items()
            for trial in trials.arms[arm]
        ]

    def _seeds_as_arms(self) -> list[str]:
        """Point out arms whose arguments differ in a seed's number alone, as a shell makes them of a glob."""
        alike: dict[str, list[str]] = {}
        for arm in self.arms:
            for kind in dict.fromkeys(SEED_NUMBER.sub("seed", word) for word in arm.words):
                alike.setdefault(kind, []).append(arm.words[0])
        return [
            f"{' and '.join(words[:_PAIR])} are arms of their own here; to make them seeds of one arm, give them one "
            f"name: {' '.join(f'NAME={word}' for word in words[:_PAIR])}"
            for words in alike.values()
            if len(words) > 1
        ]

    def _seeds(self) -> list[str]:
        """Say which run is which seed, by its path, as briefly as it can be said: of many seeds the first and last."""
        parts = []
        for backbone, trials in self.trials.items():
            start = f"{backbone}, " if len(self.trials) > 1 else ""
            by_seed: dict[int, list[str]] = {}
            for arm, own in trials.arms.items():
                if arm in self.rules.fixed:
                    parts.append(f"{start}{arm}, without seeds: {own[0].run.path}")
                elif self.rules.independent:
                    listed = _shortened([f"seed {trial.seed} {trial.run.path}" for trial in own])
                    parts.append(f"{start}{arm}: {listed}")
                else:
                    for trial in own:
                        by_seed.setdefault(trial.seed, []).append(str(trial.run.path))
            if by_seed:
                pairs = [f"seed {seed} {' with '.join(places)}" for seed, places in by_seed.items()]
                parts.append(start + _shortened(pairs))
        return parts

    def _metrics(self) -> list[str]:
        notes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for one in self.chosen:
            others = tuple(name for name in one.found if name != one.metric)
            notes.setdefault((one.label, others), []).append(one.task)
        return [
            f"metric {label} of {', '.join(tasks[:_MANY])}{', ...' if len(tasks) > _MANY else ''}"
            + (f"; also logged: {', '.join(others)} (--metric)" if others else "")
            for (label, others), tasks in notes.items()
        ]


def _shortened(entries: Sequence[str]) -> str:
    """Return a list, of which only both ends are given where it is long."""
    return ", ".join(entries) if len(entries) <= _PAIR else f"{entries[0]}, ..., {entries[-1]}"


def _inside(path: Path, directory: Path) -> str:
    return path.name if path == directory or not path.is_relative_to(directory) else str(path.relative_to(directory))
