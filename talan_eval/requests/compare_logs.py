"""What a user may ask of ``compare-logs``: declared once, for the command line and for experiment files."""

from __future__ import annotations

from dataclasses import dataclass

from talan_eval.requests.fields import argument, option
from talan_eval.requests.statistics import ContrastOptions, OutputOptions, StatisticsOptions


@dataclass(frozen=True, kw_only=True)
class CompareLogsRequest(ContrastOptions, OutputOptions, StatisticsOptions):
    """The options of ``talan-eval compare-logs``, as typed; nothing is checked yet."""

    logs: tuple[str, ...] = argument(
        "NAME=PATH of each arm, the base first: lm-eval or inspect_ai logs, a table, our results. PATH is a directory, "
        "a directory of directories, a file, or a quoted glob; a NAME that is typed again adds seeds. NAME=FILE:ARM "
        "takes the arm ARM of a table. Or an experiment file (.toml, .yaml, .json) with these options as keys.",
        (),
    )
    tasks: str | None = option(None, "Tasks, separated by commas; all that are logged when left out.", listed=True)
    metric: tuple[str, ...] = option(
        (), "Logged metric to compare, or TASK=METRIC (repeat it); a task's first when left out."
    )
    filter: tuple[str, ...] = option(
        (), "Logged filter to compare where a task has several, or TASK=FILTER (repeat it)."
    )
    unit: tuple[str, ...] = option(
        (),
        "METRIC=UNIT of a metric that is no share from 0 to 1, such as loss=nats, or METRIC=UNIT:LOW:HIGH with its "
        "bounds, such as bleu=BLEU:0:100 (repeat it).",
    )
    less_is_better: tuple[str, ...] = option((), "Metric of which less is better, where the log does not say so.")
    trial_axis: str = option(
        "seed", "What several logs of an arm are: seed (one per trained checkpoint) or sample (of one checkpoint)."
    )
    allow_unpaired: str | None = option(
        None,
        "drop: leave out of all arms the items and seeds that only some have or that have no score, and name them.",
    )
