"""The weights of one checkpoint: its block against fresh draws, its adapter's change of the backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict

from talan_core.analysis.audit import BlockAudit, audit_block, weight_update
from talan_core.training.planned_rates import planned_rates
from talan_core.training_settings import TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from talan_core.attach import TalanAttachment
    from talan_eval.experiment import Experiment
    from talan_eval.internals.passes import Model
    from talan_eval.internals.subjects import StoredRun
    from talan_eval.store.store import Store


class KeptWeights(BaseModel):
    """What was found of the weights of one checkpoint.

    Attributes:
        block: None without a block, or where it does not say which seed it was drawn from.
        update: |Delta W|_F by kind of layer, and "all"; None where the arm changes no weight.
        parameters: Numbers in the block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    block: BlockAudit | None
    update: dict[str, float] | None
    parameters: int


def weigh(model: Model, backbone: PreTrainedModel, rates: float | None) -> KeptWeights:
    """Audit the weights of a checkpoint.

    Args:
        model: The checkpoint; not to be used afterwards.
        backbone: The bare backbone, in the same type.
        rates: Sum of the learning rates that it was trained with; see `rates_of`.
    """
    attachment = cast("TalanAttachment | None", getattr(model, "talan", None))
    known = attachment is not None and attachment.provenance is not None
    block = audit_block(attachment, rates=rates) if attachment is not None and known else None
    count = 0 if attachment is None else sum(weight.numel() for weight in attachment.parameters())
    update = weight_update(model, dict(backbone.named_parameters()))
    return KeptWeights(block=block, update=update, parameters=count)


def rates_of(store: Store, experiment: Experiment, run: StoredRun) -> float | None:
    """Return the sum over steps of the learning rate of a training; None where its steps are not recorded."""
    backbone = next(one for one in experiment.backbones if one.name == run.backbone)
    recipe: dict[str, Any] = {**backbone.training, **backbone.training_by_arm.get(run.arm, {})}
    if not store.has_record(run.cell_id):
        return None
    steps = len(store.record(run.cell_id).data["log"]["losses"])
    if not steps:
        return None
    recipe.pop("epochs", None)
    return sum(planned_rates(TrainingSettings(**{**recipe, "steps": steps})))
