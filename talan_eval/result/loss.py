"""Held-out loss as a result of its own, for whoever reads results: its contrasts in place of those of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talan_eval.result.schema import Result


def of_loss(result: Result) -> Result | None:
    """Return a result in which the contrasts, families and scores are those of the held-out loss; None without it."""
    loss = result.loss
    if loss is None:
        return None
    first = loss.contrasts[0]
    named = result.primary.contrast.model_copy(update={"base": first.base, "treatment": first.treatment})
    primary = result.primary.model_copy(update={"contrast": named, "family_hash": loss.families[0].hash})
    arms = tuple(arm.model_copy(update={"scores": (), "loss": None}) for arm in result.arms)
    return result.model_copy(
        update={
            "primary": primary,
            "measure": loss.measure,
            "contrasts": loss.contrasts,
            "families": loss.families,
            "arms": arms,
            "selection": None,
            "axes": (),
            "loss": None,
            "warnings": loss.warnings,
        }
    )
