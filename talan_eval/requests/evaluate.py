"""What a user may ask of ``evaluate``: declared once, for the command line and for experiment files."""

from __future__ import annotations

from dataclasses import dataclass

from talan_eval.requests.fields import argument
from talan_eval.requests.grid import AskedArms, GridRequest


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(GridRequest):
    """The options of ``talan-eval evaluate``, as typed; nothing is checked yet."""

    arm: tuple[str, ...] = argument(
        "NAME=WHERE of a stored arm (a directory or Hub id of an adapter, a TALAN checkpoint or a model, "
        "with {seed} in it where there is one for each seed), base for the untrained backbone, or one to train, as "
        "lora. Or an experiment file (.toml, .yaml, .json) with these options as keys.",
        (),
    )

    @property
    def asked(self) -> AskedArms:
        """The arm, which is compared with nothing."""
        return AskedArms(self.arm[0] if len(self.arm) == 1 else "", None)
