"""What a user may ask of ``power`` and ``calibrate``: declared once, for the command line and whatever else plans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time

from talan_eval.requests.fields import option


@dataclass(frozen=True, kw_only=True)
class PowerRequest:
    """The options of ``talan-eval power``, as typed; nothing is checked yet."""

    seeds: int | None = option(None, "Training seeds, 2 or more; 7, or those of --from, when left out.")
    items: int | None = option(None, "Items of the benchmark; those of --from when left out.")
    delta: float | None = option(None, "True gain to plan for, points.")
    samples: int | None = option(None, "Decoding samples per item (k); 1, or those of --from, when left out.")
    from_: Path | None = option(None, "A result.json, or its directory: take the variance components from this run.")
    contrast: str | None = option(None, "TREATMENT:BASE of --from; the primary contrast when left out.")
    tau: float = option(0.0, "Spread of the true gain between trainings, standard deviation in points.")
    phi_train: float = option(0.02, "Variance per item that training adds and samples do not reduce, 0 to 2.")
    phi_decode: float = option(0.2, "Variance per item of one decoded sample, both arms, 0 to 2; greedy: what flips.")
    cells: int | None = option(None, "Benchmarks of each contrast; those of --from, or 1, when left out.")
    contrasts: int | None = option(
        None, "Contrasts with one base arm that are judged together; those of --from, or 1, when left out."
    )
    alpha: float = option(0.05, "Two-sided error rate.")
    power: float = option(0.8, "Wanted chance of finding a true gain.")
    json: Path | None = option(None, "Write the plan to this file as well.")


@dataclass(frozen=True, kw_only=True)
class CalibrateRequest:
    """The options of ``talan-eval calibrate``, as typed; nothing is checked yet."""

    settings: str = option(
        "small", "small (a minute), full (ten minutes of an idle core), or a number: so many of full."
    )
    replicates: int = option(2000, "Simulated experiments per setting.")
    seed: int = option(0, "Seed of the simulation, 0 or more.")
    out: Path | None = option(None, "Directory for tables and manifest; a killed study goes on there.")
