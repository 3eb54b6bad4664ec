"""A checkpoint answers a benchmark: lm-eval builds the prompts, a generator answers, our graders grade."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from talan_eval.generation.backend import Prompt, Sampling
from talan_eval.generation.batches import answer, cut
from talan_eval.generation.prompts import chat_renderer, check_prompts_fit
from talan_eval.generation.self_scored import grades_of_texts, weigh
from talan_eval.generation.solution_loss import solution_losses
from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.grading.thinking import opens_thinking
from talan_eval.records.samples import Sample
from talan_eval.tasks.lm_eval_task import SELF_SCORED, is_generated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_eval.experiment import TaskSpec
    from talan_eval.generation.backend import Generator
    from talan_eval.generation.batches import Recorder
    from talan_eval.generation.solution_loss import SolutionLoss
    from talan_eval.grading.grade import Grade
    from talan_eval.sandbox.tiers import Tier
    from talan_eval.tasks.benchmark import Benchmark, Item


_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class EvaluatedAnswers:
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
    generator: Generator,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    batch_size: int,
    *,
    tier: Tier | None = None,
    with_loss: bool = False,
    record: Recorder | None = None,
    on_items: Callable[[int, int], None] | None = None,
) -> EvaluatedAnswers:
    """Answer and grade all items of a benchmark.

    Args:
        generator: What answers.
        tokenizer: The backbone's tokenizer, from ``talan_eval.generation.prompts.open_tokenizer``.
        benchmark: The questions, with the settings of how to put them.
        batch_size: Prompts at a time. Part of the experiment: in low precision it can change an answer.
        tier: The boundary around model-written programs; the highest that holds here when None.
        with_loss: Whether the loss on the reference solutions is measured too.
        record: Opens the journal that keeps finished batches; None keeps nothing.
        on_items: Told the number of answers that are there and of all.

    Returns:
        One sample per item and drawn answer: all items in the order of the benchmark, then all of them again.

    Raises:
        UserError: A prompt does not fit into the backbone's context with its answer.
    """
    samples_per_item = benchmark.spec.generation.samples
    requests = benchmark.requests(chat_renderer(tokenizer, benchmark.spec.generation))
    if benchmark.spec.grader == SELF_SCORED and not is_generated(benchmark):
        return _by_likelihood(generator, tokenizer, benchmark, with_loss=with_loss, on_items=on_items)
    prompts = [Prompt(str(request.args[0])) for request in requests]
    texts = [prompt.text for prompt in prompts]
    check_prompts_fit(benchmark.spec, tokenizer, texts, generator.max_length)
    answered = answer(
        cut([len(tokenizer.encode(text)) for text in texts], batch_size, samples_per_item),
        texts,
        lambda batch: [
            said.text
            for said in generator.generate([prompts[row] for row in batch.rows], sampling(benchmark.spec, batch.sample))
        ],
        record=record,
        on_items=on_items,
    )
    items = [*benchmark.items] * samples_per_item
    grades = _graded(benchmark, texts, answered.texts, tier)
    hashes = [_hashed(text) for text in texts]
    losses = solution_losses(generator, tokenizer, benchmark, texts) if with_loss else ()
    samples = tuple(
        _sample(item, hashes[place % len(hashes)], place // len(hashes), said, grade)
        for place, (item, said, grade) in enumerate(zip(items, answered.texts, grades, strict=True))
    )
    samples = tuple(_with_loss(one, loss) for one, loss in zip_longest(samples, losses))
    return EvaluatedAnswers(samples, _sandbox(benchmark, tier), answered.seconds_before)


def _graded(benchmark: Benchmark, prompts: Sequence[str], said: Sequence[str], tier: Tier | None) -> list[Grade]:
    """Grade all answers: with our grader, or as a task does that scores itself."""
    spec = benchmark.spec
    if spec.grader == SELF_SCORED:
        return grades_of_texts(benchmark, said)
    opened = [spec.generation.thinking or opens_thinking(prompt) for prompt in prompts] * spec.generation.samples
    docs = [item.doc for item in benchmark.items] * spec.generation.samples
    return grade_answers(spec.grader, docs, said, tier, thinking=opened)


def _by_likelihood(
    generator: Generator,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    *,
    with_loss: bool,
    on_items: Callable[[int, int], None] | None,
) -> EvaluatedAnswers:
    """Score what a task gives instead of asking for an answer; such a task is done in one go, so nothing is kept."""
    weighed = weigh(generator, benchmark)
    if on_items is not None:
        on_items(len(weighed), len(weighed))
    first = [one.contexts[0] for one in weighed]
    losses = solution_losses(generator, tokenizer, benchmark, first) if with_loss else ()
    samples = tuple(
        _sample(item, _hashed("\0".join(one.contexts)), 0, one.likeliest, one.grade)
        for item, one in zip(benchmark.items, weighed, strict=True)
    )
    return EvaluatedAnswers(tuple(_with_loss(one, loss) for one, loss in zip_longest(samples, losses)), {})


def _hashed(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()[:_HASH_LENGTH]


def sampling(spec: TaskSpec, sample: int) -> Sampling:
    """Return how the answers with this number to a benchmark are taken."""
    settings = spec.generation
    return Sampling(
        max_tokens=spec.max_tokens,
        stop=spec.stop,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.sampling_seed,
        sample=sample,
        thinking=settings.thinking,
        chat_template=settings.chat_template,
    )


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


def _with_loss(sample: Sample, loss: SolutionLoss | None) -> Sample:
    return sample if loss is None else replace(sample, loss=loss.nats, loss_tokens=loss.tokens, loss_bytes=loss.bytes)


def _label(doc: Mapping[str, Any], name: str) -> str | None:
    return str(doc[name]) if doc.get(name) not in (None, "") else None


def _sandbox(benchmark: Benchmark, tier: Tier | None) -> dict[str, Any]:
    if not benchmark.spec.runs_code:
        return {}
    from talan_eval.sandbox.info import describe  # noqa: PLC0415 - only where code is run

    return asdict(describe(tier=tier))
