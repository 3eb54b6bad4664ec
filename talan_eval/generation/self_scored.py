"""Tasks of lm-eval that score themselves: what they ask goes to a generator, what it says goes back to the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.generation.backend import Prompt
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.tasks.lm_eval_task import scores_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.generation.backend import Generator
    from talan_eval.tasks.benchmark import Benchmark


@dataclass(frozen=True, slots=True)
class Weighed:
    """An item whose texts were scored by their likelihood.

    Attributes:
        contexts: What stands before each text.
        likeliest: The text with the highest log-probability.
        grade: What the task says of it.
    """

    contexts: tuple[str, ...]
    likeliest: str
    grade: Grade


def grades_of_texts(benchmark: Benchmark, texts: Sequence[str]) -> list[Grade]:
    """Let a task score answers in words.

    Args:
        benchmark: The task, with the requests that were answered.
        texts: All items' first answers in the order of the items, then all second ones, and so on.

    Returns:
        One grade per answer, in order.

    Raises:
        UserError: A score is no number from 0 to 1.
    """
    names = [item.item_id for item in benchmark.items]
    grades: list[Grade] = []
    for start in range(0, len(texts), len(names)):
        said = {name: [text] for name, text in zip(names, texts[start : start + len(names)], strict=True)}
        grades += [_grade(benchmark, score) for score in scores_of(benchmark, said)]
    return grades


def weigh(generator: Generator, benchmark: Benchmark) -> list[Weighed]:
    """Score the texts that a task gives for each item, such as the choices of a question.

    As in lm-eval, blanks that end a context belong to the text behind it.

    Args:
        generator: The checkpoint.
        benchmark: The task, with its requests.

    Raises:
        UserError: A text does not fit into the backbone's context, or a score is no number from 0 to 1.
    """
    requests = benchmark.task.instances
    pairs = [(str(request.args[0]), str(request.args[1])) for request in requests]
    found = generator.loglikelihood([_moved(context, text) for context, text in pairs])
    by_item: dict[str, list[int]] = {item.item_id: [] for item in benchmark.items}
    for place, request in enumerate(requests):
        by_item[str(request.doc_id)].append(place)
    answers = {name: [(found[n].log_probability, found[n].greedy) for n in places] for name, places in by_item.items()}
    scores = scores_of(benchmark, answers)
    return [
        Weighed(
            contexts=tuple(pairs[place][0] for place in places),
            likeliest=pairs[max(places, key=lambda place: found[place].log_probability)][1],
            grade=_grade(benchmark, score),
        )
        for places, score in zip(by_item.values(), scores, strict=True)
    ]


def _moved(context: str, text: str) -> tuple[Prompt, str]:
    kept = context.rstrip()
    return Prompt(kept), context[len(kept) :] + text


def _grade(benchmark: Benchmark, score: float) -> Grade:
    verdict = Verdict.MATCH if score == 1 else Verdict.MISMATCH
    return Grade(verdict, None, f"{benchmark.spec.metric} {score:g}, says the task", credit=score)
