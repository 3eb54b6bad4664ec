"""Stored arms and their backbone: what they were trained on, whether they fit it, how they are asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError, mistakes_of, refuse
from talan_eval.experiment import StoredArm, StoredCheckpoint
from talan_eval.intake.assignment import StoredSource
from talan_eval.intake.stored_arms import SEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision
    from talan_core.backbones.names import BackboneSpec
    from talan_core.found import FoundCheckpoint
    from talan_eval.generation_settings import GenerationSettings
    from talan_eval.intake.found_arms import FoundArm, FoundOne
    from talan_eval.tasks.benchmark import Benchmark

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HASH_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class FittedArms:
    """Stored arms that fit their backbone.

    Attributes:
        arms: What identifies them.
        sources: Where a worker finds each checkpoint, by arm and seed.
    """

    arms: tuple[StoredArm, ...] = ()
    sources: Mapping[tuple[str, int], StoredSource] = field(default_factory=dict)

    @property
    def tokenizers(self) -> tuple[Revision, ...]:
        """Where the tokenizers are that are not the backbone's."""
        found = (source.tokenizer for source in self.sources.values())
        return tuple(dict.fromkeys(one for one in found if one is not None))


def fit_stored(found: Sequence[FoundArm], spec: BackboneSpec, backbone: Revision) -> FittedArms:
    """Check stored arms against their backbone.

    Args:
        found: The arms.
        spec: The backbone, as it was named.
        backbone: Where it is.

    Raises:
        UserError: An arm was trained on another backbone, has tensors of other shapes or names, or a tokenizer with
            tokens that the model does not have. One error names all.
    """
    if not found:
        return FittedArms()
    from talan_core.backbones.load import load_tokenizer  # noqa: PLC0415 - heavy
    from talan_core.backbones.tokenizer_hash import tokenizer_hash  # noqa: PLC0415 - as above

    own = tokenizer_hash(load_tokenizer(backbone))
    fitted: dict[tuple[str, int], _Fitted] = {}

    def settle(arm: FoundArm, seed: int, one: FoundOne) -> None:
        fitted[arm.name, seed] = _fitted(arm, one, _AskedOn(spec, backbone, own))

    refuse(mistakes_of(*(partial(settle, arm, seed, one) for arm in found for seed, one in arm.checkpoints.items())))
    refuse(mistakes_of(*(partial(_refuse_copies, arm, fitted) for arm in found)))
    arms = tuple(_identity(arm, {seed: fitted[arm.name, seed] for seed in arm.checkpoints}) for arm in found)
    return FittedArms(arms, {key: one.source for key, one in fitted.items()})


def check_stored(
    fitted: FittedArms, backbone: Revision, settings: GenerationSettings, benchmarks: Sequence[Benchmark]
) -> None:
    """Check that stored arms can be asked in their own way: by their tokenizer, within their context.

    Args:
        fitted: The arms.
        backbone: Where their backbone is.
        settings: How to ask.
        benchmarks: What to ask.

    Raises:
        UserError: A model has no thinking switch but is to think, or a prompt does not fit; one error names all.
    """
    from talan_core.backbones.load import Revision  # noqa: PLC0415 - heavy
    from talan_eval.generation.prompts import check_backbone  # noqa: PLC0415 - as above

    ways = {
        (Revision(str(one.directory), None, None) if one.has_backbone else backbone, one.tokenizer): name
        for (name, _), one in fitted.sources.items()
        if one.has_backbone or one.tokenizer is not None
    }

    def check(name: str, model: Revision, tokenizer: Revision | None) -> None:
        try:
            check_backbone(model, settings, benchmarks, tokenizer_at=tokenizer or backbone)
        except UserError as error:
            raise UserError(f"The stored arm {name}: {error.problem}", error.fix) from error

    refuse(mistakes_of(*(partial(check, name, *way) for way, name in ways.items())))


@dataclass(frozen=True, slots=True)
class _AskedOn:
    """The backbone, and the hash of its tokenizer."""

    spec: BackboneSpec
    revision: Revision
    tokenizer: str


@dataclass(frozen=True, slots=True)
class _Fitted:
    source: StoredSource
    base_model: str | None
    tokenizer: str | None


def _fitted(arm: FoundArm, one: FoundOne, place: _AskedOn) -> _Fitted:
    from talan_core.backbones.load import load_tokenizer  # noqa: PLC0415 - heavy
    from talan_core.fits import configuration_of  # noqa: PLC0415 - as above

    checkpoint = one.checkpoint
    try:
        base = trained_on(checkpoint, place.spec, place.revision)
        _check_shapes(checkpoint, place)
        tokenizer, where = _tokenizer(checkpoint, place)
        if tokenizer is not None or checkpoint.has_backbone:
            shape = configuration_of(checkpoint, place.revision).get_text_config()
            _check_tokens(tokenizer or load_tokenizer(place.revision), checkpoint, shape)
    except UserError as error:
        raise UserError(f"The stored arm {arm.name}: {error.problem}", error.fix) from error
    digest = None if tokenizer is None else _hash_of(tokenizer)
    source = StoredSource(
        directory=checkpoint.directory,
        whole=checkpoint.form == "model",
        has_backbone=checkpoint.has_backbone,
        block=checkpoint.block,
        sha256=checkpoint.sha256() if one.commit is None else None,
        commit=one.commit,
        tokenizer=where,
        unmergeable=None if checkpoint.is_mergeable else f"{checkpoint.kind} of the stored arm {arm.name}",
    )
    return _Fitted(source, base, digest)


def _refuse_copies(arm: FoundArm, fitted: Mapping[tuple[str, int], _Fitted]) -> None:
    """Refuse seeds of an arm that are the same files: one training would count as several."""
    seen: dict[str, int] = {}
    for seed in arm.checkpoints:
        first = seen.setdefault(fitted[arm.name, seed].source.digest, seed)
        if first != seed:
            raise UserError(
                f"Seeds {first} and {seed} of the stored arm {arm.name} are the same files, and a copy is no new one.",
                f"Take one of them away; an arm that is one checkpoint is typed without {SEED}: {arm.name}=DIR",
            )


def _check_shapes(found: FoundCheckpoint, place: _AskedOn) -> None:
    from talan_core.fits import check_fits  # noqa: PLC0415 - heavy

    try:
        check_fits(found, place.revision)
    except UserError as error:
        fix = (
            "Save the whole model again with model.save_pretrained(DIR)."
            if found.has_backbone
            else f"Type --backbone with the model that it was trained on, not {place.spec.name}, or save it again."
        )
        raise UserError(error.problem, fix) from error


def _hash_of(tokenizer: PreTrainedTokenizerBase) -> str:
    from talan_core.backbones.tokenizer_hash import tokenizer_hash  # noqa: PLC0415 - heavy

    return tokenizer_hash(tokenizer)[:_HASH_LENGTH]


def _identity(arm: FoundArm, fitted: Mapping[int, _Fitted]) -> StoredArm:
    first = next(iter(arm.checkpoints.values())).checkpoint
    named = {one.base_model for one in fitted.values()}
    return StoredArm(
        name=arm.name,
        where=arm.place.where,
        form=first.form,
        what=first.words,
        options=first.options,
        base_model=next(iter(named)) if len(named) == 1 else " and ".join(sorted(str(name) for name in named)),
        checkpoints=tuple(
            StoredCheckpoint(seed=seed, sha256=one.source.sha256, commit=one.source.commit, tokenizer=one.tokenizer)
            for seed, one in fitted.items()
        ),
    )


def trained_on(found: FoundCheckpoint, spec: BackboneSpec, backbone: Revision) -> str | None:
    """Compare the backbone that a checkpoint names with the one that it is asked on.

    Args:
        found: The checkpoint.
        spec: The backbone, as it was named.
        backbone: Where it is.

    Returns:
        The name of the experiment's backbone where the checkpoint names that one; None where it names none; else what
        it names, where that may be the same weights elsewhere: a report says so.

    Raises:
        UserError: It names another one: of ours, another one's Hub id, other files, or another commit.
    """
    named = found.base_model or None  # which some tools leave empty
    if named is None or found.has_backbone:
        return None
    if named in {spec.name, spec.location, backbone.location} or _same_place(named, spec.location):
        revision = found.base_revision or ""
        if backbone.commit is not None and _COMMIT.fullmatch(revision) and revision != backbone.commit:
            raise UserError(
                f"{found.directory} was trained on commit {revision} of {named}; the backbone is commit "
                f"{backbone.commit}.",
                f"Fetch that commit and name its directory: --backbone DIR (hf download {named} --revision {revision})",
            )
        return spec.name
    if Path(named).is_dir():
        if backbone.sha256 is not None and _hash_or_none(named) == backbone.sha256:
            return spec.name
        if backbone.sha256 is not None:
            raise _other(found, spec, named)
        return named
    from talan_core.backbones.names import BY_NAME  # noqa: PLC0415 - as above

    both_on_hub = _HUB_ID.fullmatch(named) and spec.kind in {"hub", "embedded", "smollm2"}
    if named in BY_NAME or both_on_hub:
        raise _other(found, spec, named)
    return named


def _other(found: FoundCheckpoint, spec: BackboneSpec, named: str) -> UserError:
    return UserError(
        f"{found.directory} was trained on {named}, not on {spec.name}.",
        f"Type --backbone {named}; where {spec.name} has the same weights under another name, give its directory as "
        "--backbone DIR.",
    )


def _same_place(named: str, location: str) -> bool:
    try:
        return Path(named).resolve() == Path(location).resolve()
    except OSError:
        return False


def _hash_or_none(directory: str) -> str | None:
    from talan_core.backbones.content_hash import hash_files  # noqa: PLC0415 - as above

    try:
        return hash_files(Path(directory))
    except UserError:
        return None


def _tokenizer(found: FoundCheckpoint, place: _AskedOn) -> tuple[PreTrainedTokenizerBase | None, Revision | None]:
    """Return the tokenizer that a checkpoint brings, and where it is; nothing where it asks as the backbone's does."""
    from talan_core.backbones.load import Revision, load_tokenizer  # noqa: PLC0415 - heavy
    from talan_core.backbones.tokenizer_hash import tokenizer_hash  # noqa: PLC0415 - as above
    from talan_core.stored import one_error  # noqa: PLC0415 - as above

    if not found.has_tokenizer and found.template is None:
        return None, None
    base = place.revision
    where = (
        Revision(str(found.directory), None, None)
        if found.has_tokenizer
        else Revision(base.location, base.commit, base.sha256, base.note, found.template)
    )
    with one_error(found.directory):
        tokenizer = load_tokenizer(where)
    return (None, None) if tokenizer_hash(tokenizer) == place.tokenizer else (tokenizer, where)


def _check_tokens(tokenizer: PreTrainedTokenizerBase, found: FoundCheckpoint, shape: object) -> None:
    from talan_core.backbones.tokenizer_hash import largest_token  # noqa: PLC0415 - as above

    rows, largest = int(getattr(shape, "vocab_size", 0)), largest_token(tokenizer)
    if rows and largest >= rows:
        raise UserError(
            f"The tokenizer by which {found.directory} is asked writes tokens up to {largest}; the model has {rows}.",
            "Save it with the model that it was made for; tokens that were added need a whole model with their rows.",
        )
