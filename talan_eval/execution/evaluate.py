"""A checkpoint answers a benchmark: lm-eval builds the prompts and generates, our graders grade."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from talan_eval.execution.answering import answer, cut
from talan_eval.execution.prompts import chat_renderer, check_prompts_fit
from talan_eval.execution.samples import Sample
from talan_eval.grading.graders import grade_answers
from talan_eval.grading.thinking import opens_thinking
from talan_eval.grading.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.plain import PlainModel
    from talan_eval.execution.answering import Recorder
    from talan_eval.grading.verdict import Grade
    from talan_eval.sandbox.tiers import Tier
    from talan_eval.tasks import Benchmark, Item


_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answers of one checkpoint to one benchmark.

    Attributes:
        samples: One for each answer.
        sandbox: How programs were run; empty if none were.
        seconds_before: Wall time that answers took which were there already.
    """

    samples: tuple[Sample, ...]
    sandbox: dict[str, Any]
    seconds_before: float = 0.0

    @property
    def disagreements(self) -> dict[str, int] | None:
        """Answers on which two graders differ, by who alone says "match"; None where only one was asked."""
        if all(sample.strict is None for sample in self.samples):
            return None
        both = [
            (s.strict == Verdict.MATCH, s.symbolic == Verdict.MATCH) for s in self.samples if s.symbolic is not None
        ]
        return {"strict_only": both.count((True, False)), "symbolic_only": both.count((False, True))}


def evaluate(
    model: PeftModel | PlainModel | PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    batch_size: int,
    *,
    tier: Tier | None = None,
    record: Recorder | None = None,
    on_items: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Answer and grade all items of a benchmark.

    Args:
        model: The adapted model (or a bare backbone), in evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
        benchmark: The questions, with the settings of how to ask them.
        batch_size: Prompts at a time. Part of the experiment: in low precision it can change an answer.
        tier: The boundary around model-written programs; the highest that holds here when None.
        record: Opens the journal that keeps finished batches; None keeps nothing.
        on_items: Told the number of answers that are there and of all.

    Returns:
        One sample per item and drawn answer: all items in the order of the benchmark, then all of them again.

    Raises:
        UserError: A prompt does not fit into the backbone's context with its answer.
    """
    from talan_eval.execution.sampling import AskedLM  # noqa: PLC0415 - heavy

    asking = benchmark.spec.asking
    lm = AskedLM(model, tokenizer, batch_size, asking)
    requests = benchmark.requests(chat_renderer(tokenizer, asking))
    prompts = [str(request.args[0]) for request in requests]
    check_prompts_fit(benchmark.spec, tokenizer, prompts, lm.max_length)
    answered = answer(
        cut([len(lm.tok_encode(prompt)) for prompt in prompts], batch_size, asking.samples),
        prompts,
        lambda batch: lm.answers([requests[row] for row in batch.rows], batch.sample),
        record=record,
        on_items=on_items,
    )
    items = [*benchmark.items] * asking.samples
    opened = [asking.thinking or opens_thinking(prompt) for prompt in prompts] * asking.samples
    docs = [item.doc for item in items]
    grades = grade_answers(benchmark.spec.grader, docs, answered.texts, tier, thinking=opened)
    hashes = [hashlib.sha256(prompt.encode()).hexdigest()[:_HASH_LENGTH] for prompt in prompts]
    samples = tuple(
        _sample(item, hashes[place % len(hashes)], place // len(hashes), said, grade)
        for place, (item, said, grade) in enumerate(zip(items, answered.texts, grades, strict=True))
    )
    return Evaluation(samples, _sandbox(benchmark, tier), answered.seconds_before)


def _sample(item: Item, prompt_hash: str, number: int, said: str, grade: Grade) -> Sample:
    return Sample(
        item_id=item.item_id,
        prompt_hash=prompt_hash,
        score=grade.score,
        verdict=grade.verdict.value,
        extracted=grade.extracted,
        reason=grade.reason,
        answer=said,
        sample=number,
        strict=None if grade.strict is None else grade.strict.value,
        symbolic=None if grade.symbolic is None else grade.symbolic.value,
        subject=_label(item.doc, "subject"),
        level=_label(item.doc, "level"),
    )


def _label(doc: Mapping[str, Any], name: str) -> str | None:
    return str(doc[name]) if doc.get(name) not in (None, "") else None


def _sandbox(benchmark: Benchmark, tier: Tier | None) -> dict[str, Any]:
    if not benchmark.spec.runs_code:
        return {}
    from talan_eval.sandbox.info import describe  # noqa: PLC0415 - only where code is run

    return asdict(describe(tier=tier))
