"""What a user may ask of ``compare``: declared once, for the command line and whatever else starts a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from talan_eval.requests.fields import option
from talan_eval.requests.grid import AskedArms, GridRequest
from talan_eval.requests.statistics import ContrastOptions, StatisticsOptions


@dataclass(frozen=True, kw_only=True)
class CompareRequest(ContrastOptions, StatisticsOptions, GridRequest):
    """The options of ``talan-eval compare``, as typed; nothing is checked yet.

    Attributes:
        MOVED: Former options, by name, with the command that has taken over from them.
    """

    MOVED: ClassVar[dict[str, str]] = dict.fromkeys(
        ("base_logs", "treat_logs", "filter", "trial_axis", "allow_unpaired"), "compare-logs"
    )

    base: str = option(
        "lora",
        "Arm to compare with, such as lora, dora, rslora[r=16]; or NAME=WHERE of one that is stored: a directory or a "
        "Hub id of an adapter, a TALAN checkpoint or a model, with {seed} in it where there is one for each seed.",
    )
    treat: tuple[str, ...] = option(
        ("talan+lora",),
        "Arm under test, such as talan+lora, talan[slots=4]+dora, or NAME=WHERE; repeat it for several. Values "
        "separated by | make a grid: 'talan[slots=1|2,layer=1|3]+lora' is four arms.",
    )
    confirm: int = option(0, "Train the best arm and its base anew on so many fresh seeds, which did not choose it.")
    confirm_items: float = option(
        0.0,
        "Share of each benchmark's items, such as 0.5, that choose nothing and on which alone --confirm tests; it then "
        "speaks of new items as well.",
    )
    yes: bool = option(default=False, text="More than 200 arms are meant.")

    @property
    def asked(self) -> AskedArms:
        """The arms."""
        return AskedArms(
            base=self.base,
            treatments=self.treat,
            fixed=self.fixed,
            every_pair=self.every_pair,
            more=self.contrast,
            independent=self.independent,
            confirmed=self.yes,
            fresh_seeds=self.confirm,
            held_out=self.confirm_items,
        )
