"""Where the numbers of a result come from."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talan_core.arms import parse_arm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.experiment import Experiment
    from talan_eval.store.records import SealedRecord
    from talan_eval.store.store import Store


def provenance(store: Store, experiment: Experiment, records: Sequence[SealedRecord]) -> dict[str, Any]:
    """Describe an experiment's origin.

    Args:
        store: Its directory.
        experiment: What was asked for.
        records: The finished cells.

    Returns:
        "experiment" (complete, hashed), "adapters" (the options of each arm's partner, its defaults among them),
        "machine", "source" (commit of this package's checkout, if it is one), "own_settings" (what of each backbone's
        generation settings was used, where that is recorded) and "times" — the only part that differs when the same
        experiment is repeated on the same machine.
    """
    return {
        "experiment": experiment.to_json(),
        "experiment_sha256": experiment.digest,
        "adapters": {arm: _options(experiment, arm) for arm in experiment.arms},
        "machine": {"system": platform.system(), "architecture": platform.machine(), "device": _device(experiment)},
        "source": _source(),
        **_own_settings(experiment, records),
        "times": {
            "created": store.manifest.created,
            "training_seconds": round(_total(records, "training"), 1),
            "evaluation_seconds": round(_total(records, "evaluation"), 1),
            "by_arm": _by_arm(records),
        },
    }


def _own_settings(experiment: Experiment, records: Sequence[SealedRecord]) -> dict[str, Any]:
    """Return by backbone at which tokens answers stop, and which settings that came with the model are not used.

    A stored arm with another tokenizer or backbone of its own stands under its own name.
    """
    own = {one.name for one in experiment.stored if one.has_own_backbone or one.is_asked_its_own_way}
    found = {
        (record.data["arm"] if record.data.get("arm") in own else record.data.get("backbone", "")): record.data[
            "own_settings"
        ]
        for record in records
        if record.data.get("own_settings")
    }
    return {"own_settings": found} if found else {}


def _options(experiment: Experiment, arm: str) -> dict[str, Any]:
    """Return the options of an arm's partner, as they were trained; of a stored arm what its files say of them."""
    stored = experiment.stored_arm(arm)
    if stored is not None:
        return {"stored": stored.what, **stored.options}
    partner = parse_arm(arm).partner
    return {"partner": partner.kind, **dataclasses.asdict(partner)}


def _total(records: Sequence[SealedRecord], kind: str) -> float:
    data = [record.data for record in records if record.data["kind"] == kind]
    return sum(float(d["log"]["seconds"] if kind == "training" else d["seconds"]) for d in data)


def _by_arm(records: Sequence[SealedRecord]) -> dict[str, Any]:
    """Return what each arm cost, for the cost columns of reports: times, trained parameters, GPU memory in training."""
    arms = dict.fromkeys(record.data["arm"] for record in records)
    own = {arm: [record for record in records if record.data["arm"] == arm] for arm in arms}
    return {
        arm: {
            **{f"{kind}_seconds": round(_total(of_arm, kind), 1) for kind in ("training", "evaluation")},
            **{name: _most(of_arm, name) for name in ("trained_parameters", "peak_memory_bytes")},
            **_stages(of_arm),
        }
        for arm, of_arm in own.items()
    }


def _most(records: Sequence[SealedRecord], name: str) -> int | None:
    """Return the largest number of that name in the logs of trainings; None where none has it."""
    logs = [record.data["log"] for record in records if record.data["kind"] == "training"]
    return max((log[name] for log in logs if log.get(name) is not None), default=None)


def _stages(records: Sequence[SealedRecord]) -> dict[str, Any]:
    """Return the trainings one after the other that make an arm, as its first run records them; nothing for one."""
    logs = [record.data["log"] for record in records if record.data["kind"] == "training"]
    found = next((log["stages"] for log in logs if log.get("stages")), None)
    return {} if found is None else {"stages": found}


def _device(experiment: Experiment) -> str:
    if experiment.device == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 - heavy

    return torch.cuda.get_device_name()


def _source() -> dict[str, Any]:
    """Return commit and cleanliness of the checkout that this package runs from; nulls for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else changes != ""}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - fixed words, the user's git
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
