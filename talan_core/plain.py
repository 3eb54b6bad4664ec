"""Arms without an adapter of PEFT: the untuned backbone, full fine-tuning, and edits of activations.

A checkpoint has `talan_arm.json` (`PlainRecord`), the edit's tensors in `talan_arm.safetensors`, all weights in
`model.safetensors` for full fine-tuning, and the block's two files if there is a block beside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from safetensors.torch import save_file
from torch import nn

from talan_core.attach import TalanAttachment
from talan_core.bottleneck_edits import FusionEdit, HoulsbyEdit, PfeifferEdit, Shape
from talan_core.bounded import shown
from talan_core.card import write_card
from talan_core.carrier import BlockCarrier
from talan_core.checkpoint import Provenance, has_block, provenance_of, text_or_none
from talan_core.errors import UserError
from talan_core.interventions import LoReftEdit, SteeringEdit
from talan_core.modes import follow_umask
from talan_core.originals import Originals
from talan_core.partners.bottleneck import BottleneckPartner, Fusion, Houlsby
from talan_core.partners.plain import ActAdd, Full, LoReft, Reft
from talan_core.prompt_edits import ReftEdit
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.revision import commit_of
from talan_core.stored import check_tensors, damaged, misfit, one_error, read_json, read_tensors, tensor_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel

    from talan_core.interventions import Edit
    from talan_core.partners import PlainPartner

ARM_CONFIG: Final = "talan_arm.json"
ARM_WEIGHTS: Final = "talan_arm.safetensors"
_FORMAT: Final = 1
_ONLY: Final = "default"
_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@dataclass(frozen=True)
class PlainRecord:
    """What `talan_arm.json` says.

    Args:
        partner: The partner's name, such as "loreft".
        options: Its options by name, its layer being the number of a decoder layer.
        base_model: Name or path of the backbone, or None when it has none.
        base_revision: Commit of the backbone on the Hub, where that is known.
        provenance: Where the arm comes from, where that is known.
        dtype: Type of the backbone's weights, such as "bfloat16", where that is known.
    """

    partner: str
    options: dict[str, Any]
    base_model: str | None
    base_revision: str | None = None
    provenance: Provenance | None = None
    dtype: str | None = None


class PlainModel(BlockCarrier):
    """A backbone as an arm of its own, with the part of `PeftModel`'s interface that training and evaluation use.

    Everything else (device, configuration, ...) is asked of the backbone.

    Args:
        backbone: The model; changed in place.
        partner: What is done to it.
        layer: Number of the decoder layer that is edited; None where nothing is.
        generator: A CPU generator, the only source of initial values.
    """

    def __init__(
        self, backbone: PreTrainedModel, partner: PlainPartner, *, layer: int | None, generator: torch.Generator
    ) -> None:
        super().__init__()
        commit_of(backbone)
        self.base_model = backbone
        self.partner = partner
        self.provenance: Provenance | None = None
        self.talans = nn.ModuleDict()
        self.edit = _edit_of(partner, backbone, layer, generator)
        self.originals = Originals()
        if self.edit is not None:
            self.edit.attach(backbone)
        if isinstance(partner, Full):
            self.originals = Originals.of(backbone, lambda _: True)
        backbone.requires_grad_(requires_grad=isinstance(partner, Full))
        self.train(backbone.training)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the backbone has
        """Ask the backbone for what this class does not have."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_model":
                raise
            return getattr(self.base_model, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the backbone's signature
        """Run the model; arguments and result are the backbone's."""
        labels = kwargs.get("labels")
        if labels is None or getattr(self.edit, "prompts", None) is not None:
            return self.base_model(*args, **kwargs)
        with prompts_told(self, Prompts(labels=labels)):
            return self.base_model(*args, **kwargs)

    def generate(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the backbone's signature
        """Generate; arguments and result are the backbone's."""
        given = [kwargs.get(name) for name in ("inputs", "input_ids", "inputs_embeds")]
        prompt = next((one for one in (*args[:1], *given) if one is not None), None)
        with prompts_told(self, Prompts(columns=1 if prompt is None else prompt.shape[1])):
            return cast("Any", self.base_model).generate(*args, **kwargs)

    def get_base_model(self) -> PreTrainedModel:
        """Return the backbone."""
        return self.base_model

    def add_talan(self, config: Any, *, generator: torch.Generator) -> None:  # noqa: ANN401 - a TalanConfig
        """Attach a block beside; arguments as for `talan_core.model.add_talan`."""
        attachment = TalanAttachment(self.get_base_model(), config, generator=generator)
        attachment.train(self.training)
        attachment.provenance = self.provenance
        self._carry(_ONLY, attachment)

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switch everything off: inside, the model is the untuned backbone. Nests."""
        with self.blocks_absent(), self.partner_off():
            yield

    @contextlib.contextmanager
    def partner_off(self) -> Iterator[None]:
        """Switch edit or tuned weights off and leave the block on. Nests."""
        enabled = self.edit is not None and self.edit.enabled
        if self.edit is not None:
            self.edit.enabled = False
        try:
            with self.originals.restored():
                yield
        finally:
            if self.edit is not None:
                self.edit.enabled = enabled

    def unload(self) -> PreTrainedModel:
        """Take edit and block out and return the untuned backbone."""
        if self.edit is not None:
            self.edit.detach()
        for name in list(self.talans):
            self._drop(name)
        self.originals.restore()
        return self.get_base_model()

    def save_pretrained(self, save_directory: str, *, is_main_process: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
        """Save what the arm adds to its backbone.

        Args:
            save_directory: Where to; created.
            is_main_process: Whether this process writes.
            kwargs: Handed on to the backbone's `save_pretrained` for full fine-tuning, otherwise unused.
        """
        if not is_main_process:
            return
        directory = Path(save_directory)
        directory.mkdir(parents=True, exist_ok=True)
        backbone = self.get_base_model()
        options = dataclasses.asdict(self.partner)
        if self.edit is not None:
            options |= self.edit.settled_options()
            tensors = {name: value.detach().cpu().contiguous() for name, value in self.edit.state_dict().items()}
            save_file(tensors, str(directory / ARM_WEIGHTS), metadata={"format": "pt"})
        if isinstance(self.partner, Full):
            backbone.save_pretrained(str(directory), **kwargs)
        record = PlainRecord(
            self.partner.kind,
            options,
            backbone.name_or_path or None,
            getattr(backbone.config, "_commit_hash", None),
            self.provenance,
            str(backbone.dtype).removeprefix("torch."),
        )
        write_arm(directory, record)
        if self.talan is not None:
            self._write_block(directory, _ONLY, self.partner.kind)
            write_card(directory, sum(p.numel() for p in backbone.parameters()))
        follow_umask(directory, directory.glob("*.safetensors"))

    def read(self, directory: Path, *, trainable: bool) -> None:
        """Read what `save_pretrained` wrote beside the record."""
        if self.edit is not None:
            tensors = read_tensors(directory / ARM_WEIGHTS)
            check_tensors(directory / ARM_WEIGHTS, tensors, self.edit.state_dict())
            self.edit.load_state_dict(tensors)
            self.edit.requires_grad_(requires_grad=trainable)
        if isinstance(self.partner, Full):
            backbone = self.get_base_model()
            backbone.load_state_dict(_whole_weights(backbone, directory))
            backbone.requires_grad_(requires_grad=trainable)
        if has_block(directory):
            self._read_block(_ONLY, directory, trainable=trainable)

    def _active_name(self) -> str:
        return _ONLY

    def _backbone(self) -> PreTrainedModel:
        return self.get_base_model()


def write_arm(directory: Path, record: PlainRecord) -> None:
    """Write `talan_arm.json` into an existing directory."""
    data = {"format": _FORMAT, **dataclasses.asdict(record)}
    (directory / ARM_CONFIG).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def read_plain(directory: Path) -> PlainRecord:
    """Read `talan_arm.json`.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If the file is not what this version writes.
    """
    path = directory / ARM_CONFIG
    data = read_json(path)
    if "format" not in data or "provenance" not in data:
        raise damaged(path, "format or provenance is missing")
    version, provenance = data.pop("format"), provenance_of(path, data.pop("provenance"))
    if version != _FORMAT:
        raise UserError(
            f"The arm format {version!r} in {path} cannot be read by this version, which reads {_FORMAT}.",
            "Install the version that wrote it: pip install --upgrade talan-eval",
        )
    texts: dict[str, Any] = {name: text_or_none(path, data, name) for name in ("base_model", "base_revision", "dtype")}
    with one_error(path):
        record = PlainRecord(**data, **texts, provenance=provenance)
    if not (isinstance(record.partner, str) and isinstance(record.options, dict)):
        raise damaged(path, f"partner={record.partner!r}, options={record.options!r}")
    return record


def _whole_weights(backbone: PreTrainedModel, directory: Path) -> dict[str, torch.Tensor]:
    """Read all weights of a backbone, none of which may be missing, superfluous, of another shape or not finite.

    The model is made after the backbone's own configuration: what the checkpoint's says is not looked at.
    """
    _check_index(directory)
    with one_error(directory):
        tuned, told = cast("Any", type(backbone)).from_pretrained(
            str(directory),
            config=backbone.config,
            dtype=backbone.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    wrong = {what: sorted(str(name) for name in told.get(what, ())) for what in ("missing_keys", "unexpected_keys")}
    if any(wrong.values()):
        raise misfit(
            directory, "".join(f"\n  {what}: {', '.join(names[:3])}" for what, names in wrong.items() if names)
        )
    weights: dict[str, torch.Tensor] = tuned.state_dict()
    for path in sorted(directory.glob("model*.safetensors")):
        kinds = tensor_types(path)
        odd = [name for name, kind in kinds.items() if name in weights and weights[name].is_floating_point() != kind]
        if odd:  # transformers would make floating numbers of them without a word
            raise misfit(path, f"\n  the type of {', '.join(sorted(odd)[:3])}")
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise damaged(directory, f"the tensor {name} has values that are not finite")
    return weights


def _check_index(directory: Path) -> None:
    """Refuse an index that names anything but shards of the checkpoint, such as a pickle, or a file elsewhere."""
    path = directory / _INDEX
    if not path.is_file():
        return
    shards = read_json(path).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise damaged(path, "it has no weight_map")
    for name in shards.values():
        if not isinstance(name, str) or _SHARD.fullmatch(name) is None:
            raise damaged(path, f"it names {shown(name)}, which is no shard of model.safetensors")


def _edit_of(
    partner: PlainPartner, backbone: PreTrainedModel, layer: int | None, generator: torch.Generator
) -> Edit | None:
    shape = backbone.config.get_text_config()
    width = int(shape.hidden_size)
    if isinstance(partner, LoReft | Reft) and partner.r > width:
        raise UserError(
            f"{partner.kind}[r={partner.r}] does not fit: the backbone's hidden states have {width} numbers.",
            f"Type r={width} or less.",
        )
    if isinstance(partner, BottleneckPartner):
        of = Shape(int(shape.num_hidden_layers), width, partner.r)
        if isinstance(partner, Fusion):
            return FusionEdit(of, partner.domains, generator=generator)
        return (HoulsbyEdit if isinstance(partner, Houlsby) else PfeifferEdit)(of, generator=generator)
    if isinstance(partner, Reft):
        return ReftEdit(width, partner, partner.numbers(int(shape.num_hidden_layers)), generator=generator)
    if layer is None:
        return None
    if isinstance(partner, LoReft):
        return LoReftEdit(width, partner.r, layer, generator=generator)
    if isinstance(partner, ActAdd):
        return SteeringEdit(width, partner.scale, layer)
    raise TypeError(f"{partner.kind} edits no layer")
