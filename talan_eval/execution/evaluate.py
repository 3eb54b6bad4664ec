"""A checkpoint answers a benchmark: lm-eval builds the prompts and generates, our graders grade."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from talan_eval.execution.answering import answer, cut
from talan_eval.execution.samples import Sample, read_samples
from talan_eval.grading.graders import grade_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_eval.execution.answering import Recorder
    from talan_eval.tasks import Benchmark

__all__ = ["Evaluation", "Sample", "evaluate", "read_samples"]

_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The samples of one checkpoint on one benchmark, and how programs were run (empty if none were)."""

    samples: tuple[Sample, ...]
    sandbox: dict[str, Any]


def evaluate(
    model: PeftModel | PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    batch_size: int,
    *,
    record: Recorder | None = None,
    on_items: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Answer and grade all items of a benchmark.

    Args:
        model: The adapted model (or a bare backbone), in evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
        benchmark: The questions.
        batch_size: Prompts at a time. Part of the experiment: in low precision it can change an answer.
        record: Opens the journal that keeps finished batches; None keeps nothing.
        on_items: Told the number of answers that are there and of all.

    Returns:
        One sample per item, in the order of the benchmark.
    """
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415 - heavy

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    requests = benchmark.requests(lm.apply_chat_template if tokenizer.chat_template else None)
    prompts = [str(request.args[0]) for request in requests]
    answers = answer(
        cut([len(lm.tok_encode(prompt)) for prompt in prompts], batch_size),
        prompts,
        lambda batch: lm.generate_until([requests[row] for row in batch.rows], disable_tqdm=True),
        record=record,
        on_items=on_items,
    )
    grades = grade_answers(benchmark.spec.grader, [item.doc for item in benchmark.items], answers)
    samples = tuple(
        Sample(
            item_id=item.item_id,
            prompt_hash=hashlib.sha256(prompt.encode()).hexdigest()[:_HASH_LENGTH],
            score=grade.score,
            verdict=grade.verdict.value,
            extracted=grade.extracted,
            reason=grade.reason,
            answer=said,
        )
        for item, prompt, said, grade in zip(benchmark.items, prompts, answers, grades, strict=True)
    )
    return Evaluation(samples, _sandbox(benchmark))


def _sandbox(benchmark: Benchmark) -> dict[str, Any]:
    if not benchmark.spec.runs_code:
        return {}
    from talan_eval.sandbox.runner import describe  # noqa: PLC0415 - only where code is run

    return asdict(describe())
