"""Options that every comparison has, wherever its scores come from: which statistics, and where results go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path  # noqa: TC003 - the command line reads the annotations at run time
from typing import Final

from talan_core.errors import check_name, mistakes_of, refuse
from talan_eval.requests.fields import option

_PAIRS: Final = ("base", "all")
_PAIRINGS: Final = ("paired", "independent")


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What may be asked about the statistics of scores, of one arm or of several."""

    alpha: float = option(0.05, "Two-sided error rate; intervals have level 1 - alpha.")
    weights: tuple[str, ...] = option(
        (),
        "Weight of a benchmark in the mean, TASK=2, or benchmarks that count as one in it, NAME=TASK+TASK (repeat it); "
        "all alike when left out.",
    )
    reduce: str | None = option(
        None,
        "How several answers to an item make its score: mean, or pass@K, the unbiased chance that one of K is right. "
        "The mean when left out.",
    )


@dataclass(frozen=True, kw_only=True)
class StatisticsOptions(ScoreOptions):
    """What may be asked about the statistics of differences."""

    slices: str | None = option(
        None, "Labels of the items, such as subject,level; each of their values is tested too.", listed=True
    )
    variants_tried: int = option(
        1, "Variants of the arm under test that were scored before this one was picked; every deciding p times it."
    )
    bootstrap: str = option(
        "auto", "Bootstrap over seeds: auto, bootstrap_t, expanded_percentile, percentile, basic, bca."
    )
    also: str | None = option(
        None,
        "Tests beside the defaults, by name: wilcoxon, cmh, item-bootstrap, tost, benjamini-yekutieli.",
        listed=True,
    )
    margin: float | None = option(
        None,
        "Difference that would not matter, in the unit of the scores: asks for each benchmark and the mean whether the "
        "arm under test is no worse, or no better, by more than it. The gate's --margin means the same.",
    )
    resamples: int = option(10_000, "Resamples of the two-way bootstrap.")
    rng_seed: int = option(0, "Seed of the resampling.")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go."""

    out: Path | None = option(
        None, "Results directory; when left out, compare takes results/<name> and compare-logs none."
    )
    json: Path | None = option(None, "Write result.json to this file as well.")
    explain: bool = option(default=False, text="Print also how to read the table, methods, and the whole signature.")


@dataclass(frozen=True, kw_only=True)
class ContrastOptions:
    """Which arms are compared, and how their seeds relate."""

    pairs: str = option("base", "base (each arm against the first one) or all (every two arms, as one family).")
    contrast: tuple[str, ...] = option(
        (),
        "One more contrast, TREATMENT:BASE, of two arms that are named already, such as talan+dora:dora; repeat it.",
    )
    pairing: str = option(
        "paired",
        "paired (a seed of one arm belongs to the same seed of the others) or independent (it does not, and arms may "
        "have other numbers of seeds); declared, never guessed.",
    )
    fixed: tuple[str, ...] = option(
        (), "Arm without training seeds, of which there is one checkpoint (an untrained model); repeat it."
    )

    def check_words(self) -> None:
        """Refuse words that say nothing of which arms are compared, or of how their seeds relate.

        Raises:
            UserError: A word that is none of the two; both at once.
        """
        words = (("--pairs", self.pairs, _PAIRS), ("--pairing", self.pairing, _PAIRINGS))
        refuse(mistakes_of(*(partial(check_name, *word) for word in words)))

    @property
    def every_pair(self) -> bool:
        """Whether every two arms are compared, or each with the first one."""
        return self.pairs == "all"

    @property
    def independent(self) -> bool:
        """Whether the seeds of different arms have nothing to do with each other."""
        return self.pairing == "independent"
