"""What the result says of a grid of arms with a block: gain and G1 by the values of their options.

Zhang et al. (2026, figure 4) report in how many configurations of their search "G1" held and how gains go with the
memory's size, without controls. Here each rate stands beside that of the noise control and of the base against itself,
trained with another seed.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from talan_eval.result.evidence import Ci, Points, PublishedRecord

DEFAULT: Final = "default"
"""Stands where an arm leaves an option to the backbone's operating point."""
RESEEDED: Final = "against itself, another seed"
"""Ends the name of the control in which nothing but the seed differs."""


class Configuration(PublishedRecord):
    """One arm with a block, against the same adapter without it."""

    arm: str = Field(description="Arm name.")
    options: dict[str, str] = Field(
        description=f'Value of "partner" and of each option that any arm of the grid gives; "{DEFAULT}" where this arm '
        "leaves it to the backbone's operating point."
    )
    delta: Points | None = Field(description="Mean gain over benchmarks and seeds, as in its contrast's aggregate.")
    worst_delta: Points | None = Field(
        description="Mean gain on the benchmark where it gains least, over seeds that have all benchmarks."
    )


class OptionShare(PublishedRecord):
    """What is known of some configurations together, or of a control."""

    option: str = Field(description="The option that they have in common; empty for all, and for controls.")
    value: str = Field(description="Its value; of a control, what it is.")
    arms: int | None = Field(ge=1, description="How many; null of a control.")
    delta: Points | None = Field(description="Mean gain over them and over the seeds that all of them have.")
    ci: Ci | None = Field(
        description="Plain t interval of it over these seeds, exploratory; null below two, or where all gave the same."
    )
    hits: int = Field(ge=0, description="Trainings that lost on no benchmark and gained on at least one: G1.")
    trainings: int = Field(
        ge=0, description="Trainings with all benchmarks; of the base against itself, ordered pairs of seeds."
    )

    @property
    def rate(self) -> float | None:
        """The share that passes; None without a complete training."""
        return self.hits / self.trainings if self.trainings else None


class GridAxes(PublishedRecord):
    """The grid on one backbone. Rates have no intervals, because trainings share seeds and items."""

    backbone: str = Field(description="Backbone name.")
    configurations: tuple[Configuration, ...] = Field(
        min_length=2, description="All arms with a block that were compared with their adapter alone at the same seeds."
    )
    shares: tuple[OptionShare, ...] = Field(
        min_length=2, description="All of them, then by value of each option that varies."
    )
    controls: tuple[OptionShare, ...] = Field(description="Noise controls, and each base against itself.")
