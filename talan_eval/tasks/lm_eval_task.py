"""Tasks of lm-eval that are not ours: they word their questions themselves, and score their answers themselves too.

What can be compared is a metric with one number from 0 to 1 per item whose mean over the items is the score, more being
better. Others (perplexities, BLEU, F1 over a corpus) are refused by name. A YAML file may also name one of our graders.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError, unknown_name
from talan_eval.experiment import TaskSpec
from talan_eval.grading.graders import CODE, GRADERS
from talan_eval.store.canonical import canonical_hash
from talan_eval.tasks.benchmark import Benchmark, Item
from talan_eval.tasks.own_grader import graded_documents, item_ids, kept_documents, own_grader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lm_eval.api.task import ConfigurableTask

    from talan_eval.generation_settings import GenerationSettings

SELF_SCORED: Final = "lm-eval"
"""The grader of a task that scores its answers itself."""
_HASH_LENGTH: Final = 16
_FEWSHOT_SEED: Final = 1234  # lm-eval's own
_MAX_TOKENS: Final = 256  # lm-eval's, where a task says nothing
_LENGTHS: Final = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_GENERATED: Final = "generate_until"
_NOT_SCORED: Final = frozenset(
    {"task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "metadata", "training_split"}
)
"""What of a description changes no score: names, and where documents come from, which are hashed themselves."""
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_KINDS: Final = (_GENERATED, "multiple_choice", "loglikelihood")


@dataclass(frozen=True, slots=True)
class Scoring:
    """Which of a task's metrics is compared, and through which of its filters.

    Attributes:
        metric: Name of the metric.
        filter: Index of the filter.
        label: The metric, with the filter where there are several, as lm-eval writes it.
    """

    metric: str
    filter: int
    label: str


def load_lm_eval_task(
    name: str, file: Path, *, limit: int | None, settings: GenerationSettings, metric: str | None = None
) -> Benchmark:
    """Load a task from its YAML file.

    Args:
        name: Its name.
        file: The YAML file.
        limit: Evaluate only the first so many items.
        settings: How questions are put; ``few_shot`` is None for the task's own number.
        metric: METRIC, or METRIC,FILTER; the task's first of both when None.

    Raises:
        UserError: It cannot be loaded, its data cannot be fetched, or it cannot be compared.
    """
    task = _loaded(name, file)
    grader = own_grader(name, task.config)
    scoring = _scoring(name, task, metric) if grader is None else _of_grader(name, task, grader, metric)
    generation = _settings(name, task, settings)
    task.set_config("num_fewshot", generation.few_shot)
    task.set_fewshot_seed(_FEWSHOT_SEED)
    metadata = task.config.metadata if isinstance(task.config.metadata, dict) else {}
    if grader is not None and metadata.get("leave_out"):
        _leave_out(name, task, metadata)
    documents: list[Any] = list(task.eval_docs)
    if limit is not None and limit > len(documents):
        raise UserError(
            f"--limit {limit} is more than the {len(documents)} items of {name}.",
            f"Type --limit {len(documents)} or leave it out.",
        )
    delimiter = "" if generation.chat_template else str(task.config.target_delimiter)
    kept = documents[:limit]
    docs = [dict(doc) for doc in kept] if grader is None else graded_documents(name, grader, metadata, kept)
    items = tuple(
        Item(item_id, _pair(task, asked, delimiter)[0], doc)
        for item_id, asked, doc in zip(
            item_ids(name, {} if grader is None else metadata, kept), kept, docs, strict=True
        )
    )
    bare = Benchmark(
        spec=_spec(name, task, generation, scoring, grader),
        task=task,
        items=items,
        training=tuple(_pair(task, doc, delimiter) for doc in task.training_docs()) if task.has_training_docs() else (),
        solutions=tuple(_pair(task, doc, delimiter) for doc in kept),
    )
    return replace(bare, spec=_identified(bare, scoring, file))


def is_generated(benchmark: Benchmark) -> bool:
    """Tell whether a task is answered in words; otherwise texts that it gives are scored by their likelihood."""
    return str(benchmark.task.OUTPUT_TYPE) == _GENERATED


def scores_of(benchmark: Benchmark, answers: Mapping[str, Sequence[object]]) -> Iterator[float]:
    """Yield the score of each item, as the task computes it.

    Args:
        benchmark: The task.
        answers: By item id what the task asked for: a text, or (log-probability, whether greedy) for each request.

    Raises:
        UserError: A score is no number from 0 to 1.
    """
    task, scoring = benchmark.task, _scoring(benchmark.spec.name, benchmark.task, benchmark.spec.metric)
    by_item: dict[str, list[Any]] = {}
    for instance in task.instances:
        by_item.setdefault(str(instance.doc_id), []).append(instance)
    ordered = [by_item[item.item_id] for item in benchmark.items]
    for item, instances in zip(benchmark.items, ordered, strict=True):
        for instance, answer in zip(instances, answers[item.item_id], strict=True):
            instance.resps, instance.filtered_resps = [answer], {}
    ensemble = task._filters[scoring.filter]  # noqa: SLF001 - lm-eval's own loop over filters applies all of them
    ensemble.apply([instance for instances in ordered for instance in instances])
    for item, instances in zip(benchmark.items, ordered, strict=True):
        results = [instance.filtered_resps[ensemble.name] for instance in instances]
        yield _number(benchmark, item, task.process_results(item.doc, results).get(scoring.metric))


def _number(benchmark: Benchmark, item: Item, value: object) -> float:
    try:
        score = float(value)  # type: ignore[arg-type]  # whatever it is, it is a number or refused
    except (TypeError, ValueError):
        score = math.nan
    if not 0 <= score <= 1:
        raise UserError(
            f"{benchmark.spec.name}, item {item.item_id}: {benchmark.spec.metric} is {value!r}, no number from 0 to 1.",
            f"Name another metric of the task: --metric {benchmark.spec.name}=NAME",
        )
    return score


def _loaded(name: str, file: Path) -> ConfigurableTask:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.api.task import ConfigurableTask  # noqa: PLC0415 - heavy
    from lm_eval.tasks import TaskManager  # noqa: PLC0415 - as above

    try:
        task = TaskManager(include_defaults=False).load(str(file))["tasks"][name]
    except Exception as error:  # the task's own code, the Hub, or the data
        raise UserError(
            f"{name} cannot be loaded from {file}: {type(error).__name__}: {error}",
            "Where its data is what is missing, fetch it first, or write a YAML file that reads a local copy.",
        ) from error
    if not isinstance(task, ConfigurableTask):
        raise UserError(f"{name} is a Python class of lm-eval's older kind.", "Name tasks that a YAML file describes.")
    metrics = {str(one["metric"]) for one in task.config.metric_list or ()}
    if (task.config.unsafe_code or "code_eval" in metrics) and own_grader(name, task.config) != CODE:
        raise UserError(
            f"{name} runs programs that the model wrote, in the process of the evaluation.",
            "Let our grader run them in a sandbox: write metadata: {grader: code} in a YAML file of your own, whose "
            "items have a field tests. Or take mbpp: --tasks mbpp",
        )
    pictures = task.config.doc_to_image is not None or task.config.doc_to_audio is not None
    if task.OUTPUT_TYPE not in _KINDS or pictures:
        kind = "pictures or sound" if pictures else str(task.OUTPUT_TYPE)
        raise UserError(
            f"{name} is about {kind}; compared are tasks of the kinds {', '.join(_KINDS)}.",
            "Leave it out. The loss on reference solutions is measured for every other task.",
        )
    if task.config.repeats != 1:
        raise UserError(
            f"{name} asks each question {task.config.repeats} times.",
            "Write a YAML file with repeats: 1; several answers are asked for with --samples-per-item.",
        )
    return task


def _scoring(name: str, task: ConfigurableTask, asked: str | None) -> Scoring:
    """Choose metric and filter.

    Raises:
        UserError: An unknown name, or a metric that is no mean of numbers of which more is better.
    """
    from lm_eval.api.metrics import mean  # noqa: PLC0415 - heavy

    better, how = task.higher_is_better(), task.aggregation()
    known = list(how)
    fair = [metric for metric in known if how[metric] is mean and better.get(metric)]
    metric, _, filtered = (asked or (fair or known)[0]).partition(",")
    if metric not in known:
        raise unknown_name(f"metric of {name}", metric, known)
    if metric not in fair:
        raise UserError(
            f"{metric} of {name} is no mean over items of which more is better, so it cannot be compared by item.",
            f"Type --metric {name}={fair[0]}" if fair else f"No metric of {name} is one: leave it out.",
        )
    filters = [ensemble.name for ensemble in task._filters]  # noqa: SLF001 - lm-eval offers no other way
    if filtered and filtered not in filters:
        raise unknown_name(f"filter of {name}", filtered, filters)
    place = filters.index(filtered) if filtered else 0
    return Scoring(metric, place, metric if len(filters) == 1 else f"{metric},{filters[place]}")


def _leave_out(name: str, task: ConfigurableTask, metadata: Mapping[str, Any]) -> None:
    """Take items out of a task's own documents, so that it asks no question of them."""
    if task.config.process_docs is not None:
        raise UserError(
            f"{name} changes its documents (process_docs), and leaves items out (leave_out).",
            "Leave them out in that function, or leave the function out.",
        )
    split = task.config.test_split or task.config.validation_split
    documents = list(task.eval_docs)
    kept = {id(one) for one in kept_documents(name, metadata, documents)}
    places = [place for place, one in enumerate(documents) if id(one) in kept]
    task.dataset[split] = task.dataset[split].select(places)


def _of_grader(name: str, task: ConfigurableTask, grader: str, asked: str | None) -> Scoring:
    """Return the one score of a task that our grader judges; the metrics of the YAML file are lm-eval's."""
    if asked is not None:
        raise UserError(
            f"{name} has one metric, by the grader {grader}.", f"Leave --metric {name}={asked} out, or the grader."
        )
    own = str(task.config.metadata.get("metric", grader))
    return Scoring(own, 0, own)


def _settings(name: str, task: ConfigurableTask, settings: GenerationSettings) -> GenerationSettings:
    """Return the settings with the task's own number of examples where none was asked for."""
    own = int(task.config.num_fewshot or 0)
    found = replace(settings, few_shot=own if settings.few_shot is None else settings.few_shot)
    if str(task.OUTPUT_TYPE) != _GENERATED and settings.samples > 1:
        raise UserError(
            f"{name} is scored by likelihoods, which have no samples.", "Leave --samples-per-item out, or the task."
        )
    options = task.config.generation_kwargs or {}
    drawn = bool(options.get("do_sample")) and float(options.get("temperature", 0)) > 0
    if drawn and settings.temperature == 0:
        raise UserError(
            f"{name} draws its answers at temperature {options['temperature']}.",
            f"Type --temperature {options['temperature']}, or write a YAML file that does not draw them.",
        )
    return found


def _pair(task: ConfigurableTask, doc: Mapping[str, Any], delimiter: str) -> tuple[str, str]:
    """Return what a document asks, and the answer that it wants, as few-shot examples show it; "" where it has none."""
    text, target = task.doc_to_text(doc), task.doc_to_target(doc)
    choices = task.doc_to_choice(doc) if task.config.doc_to_choice is not None else None
    if isinstance(text, int):  # the choices are what is asked, and the target is the same for all
        return (str(choices[text]) if choices else str(text)), delimiter + str(target)
    if isinstance(target, list):
        target = target[0] if target else ""
    if isinstance(target, int) and choices is not None:
        target = choices[target] if 0 <= target < len(choices) else ""
    return str(text), (delimiter + str(target) if str(target) else "")


def _spec(
    name: str, task: ConfigurableTask, settings: GenerationSettings, scoring: Scoring, grader: str | None
) -> TaskSpec:
    options = dict(task.config.generation_kwargs or {})
    stops = options.get("until", [])
    longest = next((int(options[key]) for key in _LENGTHS if options.get(key) is not None), _MAX_TOKENS)
    written = str(task.OUTPUT_TYPE) == _GENERATED
    metadata = task.config.metadata if isinstance(task.config.metadata, dict) else {}
    return TaskSpec(
        name=name,
        version=str(task.VERSION),
        metric=scoring.label,
        grader=SELF_SCORED if grader is None else grader,
        n_items=0,
        n_train=0,
        items_hash="",
        train_hash="",
        runs_code=grader == CODE,
        generation=settings,
        max_tokens=(settings.max_tokens or longest) if written else 0,
        stop=tuple([stops] if isinstance(stops, str) else stops) if written else (),
        publish_text=metadata.get("publish_text") is True,  # whose answers must stay hidden, nobody knows here
    )


def _identified(benchmark: Benchmark, scoring: Scoring, file: Path) -> TaskSpec:
    """Return the spec with the hashes of what is asked, of what is learned, and of the code beside the YAML file."""
    spec, task = benchmark.spec, benchmark.task
    asked = {
        "requests": [[str(part) for part in request.args[:2]] for request in benchmark.requests(None)],
        "documents": [canonical_hash(_plain(item.doc)) for item in benchmark.items],
        "scoring": asdict(scoring),
        "settings": asdict(spec.generation),
        "answers": [spec.max_tokens, list(spec.stop)],
        "described": _described(task),
        **({} if spec.grader == SELF_SCORED else {"grader": [spec.grader, GRADERS.origin(spec.grader)]}),
        "code": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(file.parent.glob("*.py"))},
    }
    items_hash = canonical_hash(asked)[:_HASH_LENGTH]
    learned = {"train": [list(pair) for pair in benchmark.training], "plain": not spec.generation.chat_template}
    label = spec.generation.label()
    return spec.model_copy(
        update={
            "version": f"{spec.version}:{items_hash[:8]}" + (f"[{label}]" if label else ""),
            "n_items": len(benchmark.items),
            "n_train": len(benchmark.training),
            "items_hash": items_hash,
            "train_hash": canonical_hash(learned)[:_HASH_LENGTH],
        }
    )


def _described(task: ConfigurableTask) -> dict[str, str]:
    """Return how a task words and scores, functions as their source; where its data lie is no part of it."""
    config = {name: value for name, value in task.dump_config().items() if name not in _NOT_SCORED}
    return {name: _ADDRESS.sub("", repr(value)) for name, value in sorted(config.items())}


def _plain(doc: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): repr(value) for name, value in doc.items()}
