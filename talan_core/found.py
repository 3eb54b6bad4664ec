"""What a directory that somebody saved holds: an adapter of PEFT, an arm of ours, or a whole model.

All of it is read and checked without a backbone, so that a wrong directory is named before anything large is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from peft import PEFT_TYPE_TO_TUNER_MAPPING, PeftType
from safetensors import SafetensorError, safe_open

from talan_core.adapter_config import check_sizes, differing_scale
from talan_core.backbones.content_hash import can_change_an_answer, hash_named
from talan_core.checkpoint import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BLOCK_CONFIG,
    BLOCK_WEIGHTS,
    OWN_DIRECTORY,
    has_block,
    read_adapter,
    read_block,
    read_partner,
    read_record,
)
from talan_core.errors import UserError
from talan_core.partners import PARTNERS
from talan_core.plain import ARM_CONFIG, ARM_WEIGHTS, read_plain
from talan_core.stored import check_header, damaged, largest_dimension, read_json, read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peft import PeftConfig

    from talan_core.config import TalanConfig

Form = Literal["adapter", "arm", "model"]
MODEL_CONFIG: Final = "config.json"
TEMPLATE: Final = "chat_template.jinja"
_INDEX: Final = "model.safetensors.index.json"
_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")
_OF_TOKENIZERS: Final = (
    *_TOKENIZERS,
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"),
    *(TEMPLATE, "chat_template.json", "additional_chat_templates/*"),
)
_OF_ADAPTERS: Final = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, BLOCK_CONFIG, BLOCK_WEIGHTS, ARM_CONFIG, ARM_WEIGHTS)
_OF_TRAINERS: Final = (
    "trainer_state.json",
    "training_args.bin",
    "optimizer.*",
    "scheduler.*",
    "scaler.*",
    "rng_state*",
)
"""What trainers leave beside a model, and no loader reads."""
_OPTIONS: Final = {"r": "r", "lora_alpha": "alpha", "lora_dropout": "dropout"}
_SHOWN: Final = 3


@dataclass(frozen=True)
class FoundCheckpoint:
    """A saved arm.

    Attributes:
        directory: Where it is.
        form: An adapter of PEFT, an arm of ours that is none, or a whole model, each with a block or without.
        kind: What kind of that: PEFT's name such as "LORA", the arm's such as "loreft", the class of a whole model.
        block: The configuration of its TALAN block, or None without one.
        base_model: The backbone that it names, or None.
        base_revision: Commit of that, or None.
        options: What is worth showing of the adapter, by name.
        has_tokenizer: Whether it brings a tokenizer.
        template: Its chat template in a file of its own, or None.
        partner: PEFT's configuration of an adapter.
    """

    directory: Path
    form: Form
    kind: str
    block: TalanConfig | None = None
    base_model: str | None = None
    base_revision: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    has_tokenizer: bool = False
    template: Path | None = None
    partner: PeftConfig | None = None

    @property
    def has_backbone(self) -> bool:
        """Whether its own directory holds the backbone: a whole model, or one that a block was merged beside."""
        return self.form == "model" or self.base_model == OWN_DIRECTORY

    @property
    def is_mergeable(self) -> bool:
        """Whether it is a change of weights, as far as can be told: some kinds say only when they are merged."""
        if self.form == "model":
            return True
        if self.partner is None:
            return PARTNERS[self.kind].is_mergeable
        return hasattr(PEFT_TYPE_TO_TUNER_MAPPING[PeftType(self.partner.peft_type)], "merge_and_unload")

    @property
    def words(self) -> str:
        """What it is, in words."""
        what = {"adapter": f"{self.kind} adapter", "arm": f"arm {self.kind}", "model": f"model {self.kind}"}[self.form]
        return what if self.block is None else f"TALAN block beside {what}"

    def sha256(self) -> str:
        """Return the hash over every file of it that can change an answer, by name and bytes.

        Of an adapter these are its own files and those of a tokenizer, of a whole model all in its directory. What a
        trainer leaves beside it and directories below it change no answer. Not covered: files elsewhere to which one
        points by name.

        Raises:
            UserError: A file cannot be read.
        """
        return hash_named(self.directory, sorted(_names(self.directory, whole=self.has_backbone or _is_full(self))))

    def difference(self, other: FoundCheckpoint) -> str | None:
        """Name what makes two checkpoints something other than two seeds of one arm; None where nothing does."""
        if self.words != other.words:
            return f"{self.words} and {other.words}"
        if self.block != other.block:
            return "TALAN blocks with different configurations"
        if self.partner is not None and other.partner is not None:
            targets = [_targets(one) for one in (self.partner, other.partner)]
            differing = differing_scale(self.partner, other.partner)
            return differing or (None if targets[0] == targets[1] else "target_modules differ")
        return None if self.options == other.options else f"{self.options} and {other.options}"


def find_checkpoint(directory: Path) -> FoundCheckpoint:
    """Find out what a directory holds, and that its files can be read.

    Tensors of adapters and blocks are read, of whole models their names and shapes. Nothing in a file is run.

    Args:
        directory: What ``save_pretrained`` wrote.

    Raises:
        UserError: There is no such directory, it holds none of these, or a file of it is missing or damaged.
    """
    if not directory.is_dir():
        raise UserError(f"There is no directory {directory}.", "Give the directory that save_pretrained(DIR) wrote.")
    if (directory / ADAPTER_CONFIG).is_file():
        return _adapter(directory)
    if (directory / ARM_CONFIG).is_file():
        return _arm(directory)
    if (directory / MODEL_CONFIG).is_file():
        return _model(directory)
    raise _nothing(directory)


def _adapter(directory: Path) -> FoundCheckpoint:
    partner = read_partner(directory)
    path = directory / ADAPTER_CONFIG
    check_sizes(partner, path, largest_dimension(read_adapter(directory)))
    block, base, revision = _block(directory)
    kind = str(getattr(partner.peft_type, "value", partner.peft_type))
    known = {name: getattr(partner, key, None) for key, name in _OPTIONS.items()}
    return FoundCheckpoint(
        directory,
        "adapter",
        kind,
        block,
        base or partner.base_model_name_or_path,
        revision or partner.revision,
        {"partner": kind.lower(), **{name: value for name, value in known.items() if value is not None}},
        *_asking(directory),
        partner=partner,
    )


def _arm(directory: Path) -> FoundCheckpoint:
    record = read_plain(directory)
    if record.partner not in PARTNERS:
        raise UserError(
            f"The checkpoint {directory} holds an arm {record.partner!r} that this version does not know.",
            "Install the version that wrote it: pip install --upgrade talan-eval",
        )
    if (directory / ARM_WEIGHTS).is_file():
        read_tensors(directory / ARM_WEIGHTS)
    if record.partner == "full" or record.base_model == OWN_DIRECTORY:
        _check_weights(directory)
    block, _, _ = _block(directory)
    options = {"partner": record.partner, **record.options}
    return FoundCheckpoint(
        directory, "arm", record.partner, block, record.base_model, record.base_revision, options, *_asking(directory)
    )


def _model(directory: Path) -> FoundCheckpoint:
    path = directory / MODEL_CONFIG
    content = read_json(path)
    classes = content.get("architectures")
    if not isinstance(content.get("model_type"), str):
        raise damaged(path, "it has no model_type")
    kind = classes[0] if isinstance(classes, list) and classes else content["model_type"]
    _check_weights(directory)
    return FoundCheckpoint(directory, "model", str(kind), None, None, None, {}, *_asking(directory))


def _block(directory: Path) -> tuple[TalanConfig | None, str | None, str | None]:
    """Return a block's configuration, backbone and commit; nothing where there is none."""
    if not has_block(directory):
        return None, None, None
    record = read_record(directory)
    read_block(directory, record.config)
    return record.config, record.base_model, record.base_revision


def _asking(directory: Path) -> tuple[bool, Path | None]:
    template = directory / TEMPLATE
    has_tokenizer = any(found for pattern in _TOKENIZERS for found in directory.glob(pattern))
    return has_tokenizer, template if template.is_file() else None


def _check_weights(directory: Path) -> None:
    """Check that a model's weights are all there and can be opened; their values are not looked at."""
    files = sorted(directory.glob("*.safetensors"))
    if (directory / _INDEX).is_file():
        shards = read_json(directory / _INDEX).get("weight_map")
        if not isinstance(shards, dict):
            raise damaged(directory / _INDEX, "it has no weight_map")
        lost = sorted({str(name) for name in shards.values()} - {file.name for file in files})
        if lost:
            raise UserError(
                f"The model in {directory} is not whole: {', '.join(lost[:_SHOWN])} is missing.",
                "Copy the whole directory again.",
            )
    pickles = sorted(path.name for path in directory.glob("pytorch_model*.bin"))
    if not files:
        what = f"its weights as {pickles[0]}, a format that can run programs and is not read here" if pickles else ""
        raise UserError(
            f"{directory} holds {what or f'{MODEL_CONFIG} and no weights'}.",
            "Save the model with model.save_pretrained(DIR), which writes safetensors, and give that directory.",
        )
    for file in files:
        try:
            check_header(file)
            with safe_open(str(file), framework="numpy") as opened:
                opened.keys()
        except (SafetensorError, OSError, ValueError) as error:
            raise damaged(file, error) from error


def _names(directory: Path, *, whole: bool) -> Iterator[str]:
    """Yield the files that can change an answer, relative to the directory."""
    patterns = ("*", "additional_chat_templates/*") if whole else (*_OF_ADAPTERS, *_OF_TOKENIZERS)
    found = {path for pattern in patterns for path in directory.glob(pattern) if path.is_file()}
    leftovers = {path for pattern in _OF_TRAINERS for path in directory.glob(pattern)}
    for path in found - leftovers:
        name = path.relative_to(directory).as_posix()
        if can_change_an_answer(name):
            yield name


def _is_full(found: FoundCheckpoint) -> bool:
    return found.form == "arm" and found.kind == "full"


def _targets(partner: PeftConfig) -> object:
    targets = getattr(partner, "target_modules", None)
    return sorted(targets) if isinstance(targets, set | list | tuple) else targets


def _nothing(directory: Path) -> UserError:
    inside = sorted(path.parent.relative_to(directory).as_posix() for path in _below(directory))
    if inside:
        more = f" and {len(inside) - _SHOWN} more" if len(inside) > _SHOWN else ""
        return UserError(
            f"{directory} holds no checkpoint itself; {', '.join(inside[:_SHOWN])}{more} below it does.",
            f"Name one of them: {directory / inside[0]}",
        )
    empty = "is empty" if not any(directory.iterdir()) else "holds no checkpoint"
    return UserError(
        f"{directory} {empty}: there is no {ADAPTER_CONFIG}, {ARM_CONFIG} or {MODEL_CONFIG}.",
        "Give the directory that save_pretrained(DIR) wrote.",
    )


def _below(directory: Path) -> Iterator[Path]:
    """Yield what makes a checkpoint of a directory one or two levels further down."""
    for name in (ADAPTER_CONFIG, ARM_CONFIG, MODEL_CONFIG):
        yield from (*directory.glob(f"*/{name}"), *directory.glob(f"*/*/{name}"))
