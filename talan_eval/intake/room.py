"""Whether the trainings of a comparison fit into the memory of this machine, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_core.errors import UserError
from talan_core.partners.bottleneck import Fusion
from talan_eval.generation.registry import BATCHES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PretrainedConfig

    from talan_core.arms import Arm
    from talan_core.backbones.load import Revision
    from talan_core.recipes.fitting import Task
    from talan_core.recipes.footprint import Footprint
    from talan_eval.intake.assignment import Assignment

_MEMINFO: Final = Path("/proc/meminfo")
CHARACTERS_PER_TOKEN: Final = 3
_GIGA: Final = 10**9


@dataclass(frozen=True, slots=True)
class Room:
    """What one worker has.

    Attributes:
        limit: Bytes; None where this machine does not say.
        where: What they are of, in words.
    """

    limit: int | None
    where: str

    @classmethod
    def here(cls, device: str, workers: int, gpus: int, share: float) -> Room:
        """Return that of this machine.

        Args:
            device: "cuda" for the memory of a run's GPUs, or what is free of main memory for each worker.
            workers: Workers.
            gpus: GPUs of one of them.
            share: Part of a GPU that it has.
        """
        if device == "cuda":
            import torch  # noqa: PLC0415 - heavy

            each = torch.cuda.get_device_properties(0).total_memory
            if share < 1:
                return cls(int(share * each), f"a worker has, with {round(1 / share)} on one GPU:")
            return cls(gpus * each, "the GPU has" if gpus == 1 else f"{gpus} GPUs have")
        for line in _MEMINFO.read_text(encoding="ascii").splitlines() if _MEMINFO.is_file() else ():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return cls(int(value.split()[0]) * 1024 // workers, f"each of {workers} worker(s) has")
        return cls(None, "")


def check_room(assignments: Sequence[Assignment], arms: Sequence[str], room: Room, tokens: int) -> None:
    """Refuse trainings that do not fit.

    Args:
        assignments: One for each backbone.
        arms: Canonical names of the arms.
        room: What there is.
        tokens: Most tokens of a prompt with its answer.

    Raises:
        UserError: A training does not fit; the fix is the cheapest change that does.
    """
    from talan_core.recipes.fitting import cheapest_fit, fits_surely  # noqa: PLC0415 - heavy

    if room.limit is None:
        return
    for one in assignments:
        config = configuration(one.revision)
        for arm in arms:
            recipe = one.recipe_of(arm)
            if not parse_arm(arm).is_trained_by_gradients:
                continue
            if fits_surely(config, recipe, stored_bytes(one.revision), room.limit):
                continue
            fit = cheapest_fit(task_of(one, arm, tokens, config), recipe, room.limit)
            if fit.changes or fit.devices > 1:
                raise _too_large(one, arm, fit.changes, fit.devices, room)


def task_of(assignment: Assignment, arm: str, tokens: int, config: PretrainedConfig | None = None) -> Task:
    """Return what an arm has to do on a backbone."""
    from talan_core.recipes.fitting import Task  # noqa: PLC0415 - heavy
    from talan_core.recipes.footprint import AnswerLoad  # noqa: PLC0415 - as above

    return Task(
        configuration(assignment.revision) if config is None else config,
        sized(arm, len(assignment.train)),
        assignment.operating_point,
        "cuda" if assignment.device.startswith("cuda") else "cpu",
        # A backend that schedules by itself has memory of its own, of a fixed size, which is not counted here.
        AnswerLoad(1 if assignment.backend in BATCHES else assignment.eval_batch, tokens),
    )


def sized(name: str, domains: int) -> Arm:
    """Return an arm; how many adapters a fusion has is up to the training data."""
    arm = parse_arm(name)
    return replace(arm, partner=replace(arm.partner, domains=domains)) if isinstance(arm.partner, Fusion) else arm


def estimated(assignment: Assignment, arm: str, tokens: int) -> Footprint:
    """Return what an arm needs on a backbone with its recipe."""
    return task_of(assignment, arm, tokens).footprint(assignment.recipe_of(arm))


def configuration(revision: Revision) -> PretrainedConfig:
    """Read a backbone's configuration."""
    from transformers import AutoConfig  # noqa: PLC0415 - heavy

    found: PretrainedConfig = AutoConfig.from_pretrained(
        revision.location, revision=revision.commit, trust_remote_code=False
    )
    return found


def stored_bytes(revision: Revision) -> int:
    """Return the size of a backbone's weights as they are stored here."""
    place = Path(revision.location)
    if not place.is_dir():
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy

        place = Path(snapshot_download(revision.location, revision=revision.commit, local_files_only=True))
    return sum(path.stat().st_size for path in place.rglob("*.safetensors"))


def as_typed(changes: Sequence[str]) -> str:
    """Return what a user types for the changes of a `Fit`."""
    return " ".join(
        change.replace("eval_batch=", "--eval-batch ") if change.startswith("eval_batch=") else f"--recipe {change}"
        for change in changes
    )


def _too_large(one: Assignment, arm: str, changes: Sequence[str], devices: int, room: Room) -> UserError:
    typed = as_typed(changes)
    problem = (
        f"The training of {arm} on {one.backbone} does not fit: {room.where} {(room.limit or 0) / _GIGA:.1f} GB, of "
        "which a tenth is kept free."
    )
    if devices == 1:
        return UserError(problem, f"The cheapest change that fits: {typed}")
    on_gpus = f"{typed} --gpus-per-run {devices * one.gpus}" if one.device.startswith("cuda") else typed
    what = "times these devices" if one.device.startswith("cuda") else "times this memory"
    return UserError(problem, f"It needs {devices} {what} even with: {on_gpus.strip() or 'the smallest recipe'}")
