"""Which commit of a Hub model a backbone is: transformers does not say, so the weights themselves are asked.

The snapshots in the local Hub cache are compared with the model, some numbers of each tensor. That costs no network,
and a model whose weights are those of no snapshot gets no commit.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
from safetensors import SafetensorError, safe_open

from talan_core.errors import UserError
from talan_core.stored import check_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_NUMBERS: Final = 4096  # compared of each tensor
_WRAPPED: Final = ".base_layer"


def commit_of(backbone: PreTrainedModel) -> str | None:
    """Return the commit of a backbone, noted in its configuration, or None where it is not known.

    Args:
        backbone: The model, its weights still its own (an adapter may stand beside them).
    """
    config = backbone.config
    noted = getattr(config, "_commit_hash", None)
    if noted is None and (noted := _commit_in_cache(backbone)) is not None:
        config._commit_hash = noted  # noqa: SLF001 - where transformers itself used to note it
    return cast("str | None", noted)


def check_commit(backbone: PreTrainedModel, name: str | None, revision: str | None, directory: Path) -> None:
    """Check that a given backbone is of the commit that a checkpoint was trained on, where both are known.

    Args:
        backbone: The model.
        name: The backbone's name in the checkpoint.
        revision: Its revision there.
        directory: The checkpoint, for the error.

    Raises:
        UserError: It is of another.
    """
    if revision is None or name != backbone.name_or_path or not _COMMIT.fullmatch(revision):
        return
    found = commit_of(backbone)
    if found is not None and found != revision:
        raise UserError(
            f"{directory} was trained on commit {revision} of {name}; this backbone is commit {found}.",
            f"Load that one: AutoModelForCausalLM.from_pretrained({name!r}, revision={revision!r})",
        )


def _commit_in_cache(backbone: PreTrainedModel) -> str | None:
    from huggingface_hub import constants  # noqa: PLC0415 - read when asked, as tests and users set it late
    from huggingface_hub.file_download import repo_folder_name  # noqa: PLC0415 - as above

    name = str(backbone.name_or_path or "")
    if not _HUB_ID.fullmatch(name) or Path(name).is_dir():
        return None
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")
    own = {key.replace(_WRAPPED, ""): (_WRAPPED in key, weight) for key, weight in backbone.named_parameters()}
    snapshots = sorted(path for path in folder.glob("snapshots/*") if _COMMIT.fullmatch(path.name))
    scores = {path.name: _likeness(own, path) for path in snapshots}
    best = max(scores.values(), default=0)
    alike = [commit for commit, score in scores.items() if score == best and best > 0]
    main = folder / "refs" / "main"
    named = main.read_text().strip() if main.is_file() else None
    return named if named in alike else next(iter(alike), None)


def _likeness(own: Mapping[str, tuple[bool, torch.Tensor]], snapshot: Path) -> int:
    """Count the tensors that are equal; 0 where one differs that no adapter can have changed."""
    equal = 0
    for file in sorted(snapshot.glob("*.safetensors")):
        try:
            check_header(file)
            with safe_open(str(file), framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118 - no mapping
                    if name not in own:
                        continue
                    wrapped, weight = own[name]
                    if _starts_alike(weight, stored.get_slice(name)):
                        equal += 1
                    elif not wrapped:
                        return 0
        except (SafetensorError, OSError, ValueError):
            return 0
    return equal


def _starts_alike(weight: torch.Tensor, stored: object) -> bool:
    shape = tuple(cast("torch.Tensor", stored).get_shape())  # type: ignore[attr-defined] # a slice of safetensors
    if weight.is_meta or shape != tuple(weight.shape):
        return False
    rows = max(1, _NUMBERS // max(1, weight[0].numel())) if weight.ndim > 0 else 0
    one = cast("torch.Tensor", stored)[:rows].to(weight.dtype)
    return torch.equal(weight.detach()[:rows].cpu(), one)
