"""A checkpoint answers a benchmark: lm-eval builds the prompts and generates, our graders grade."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from talan_eval.execution.prompts import chat_renderer, check_prompts_fit
from talan_eval.grading.graders import grade_answers
from talan_eval.grading.verdict import Verdict

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.plain import PlainModel
    from talan_eval.sandbox.tiers import Tier
    from talan_eval.tasks import Benchmark

_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded answer, as kept in ``samples/``.

    Answers may quote their questions. Those of GPQA must not be published: ``samples/`` stays out of version control.

    Attributes:
        item_id: Id of the item, unique within its benchmark.
        prompt_hash: Hash of the prompt exactly as the model saw it.
        score: Credit in [0, 1].
        verdict: What the grader said; see :class:`talan_eval.grading.verdict.Verdict`.
        extracted: The part of the answer that was compared, or None.
        reason: Why, in a phrase.
        answer: What the model wrote.
        sample: Number of the answer to its question, from 0.
        strict: The strict normaliser's own verdict, where the grader asks two; else None.
        symbolic: math-verify's own verdict, where it was asked; else None.
    """

    item_id: str
    prompt_hash: str
    score: float
    verdict: str
    extracted: str | None
    reason: str
    answer: str
    sample: int = 0
    strict: str | None = None
    symbolic: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The samples of one checkpoint on one benchmark, and how programs were run (empty if none were)."""

    samples: tuple[Sample, ...]
    sandbox: dict[str, Any]

    @property
    def disagreements(self) -> dict[str, int] | None:
        """Answers on which two graders differ, by who alone says "match"; None where only one was asked."""
        if all(sample.strict is None for sample in self.samples):
            return None
        both = [
            (s.strict == Verdict.MATCH, s.symbolic == Verdict.MATCH) for s in self.samples if s.symbolic is not None
        ]
        return {"strict_only": both.count((True, False)), "symbolic_only": both.count((False, True))}

    def to_jsonl(self) -> bytes:
        """Return the samples as JSON lines in ASCII, which can hold whatever a model writes."""
        return "".join(json.dumps(asdict(sample)) + "\n" for sample in self.samples).encode("ascii")


def read_samples(content: bytes) -> tuple[Sample, ...]:
    """Read what :meth:`Evaluation.to_jsonl` wrote."""
    return tuple(Sample(**json.loads(line)) for line in content.decode("ascii").splitlines())


def evaluate(
    model: PeftModel | PlainModel | PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    batch_size: int,
    tier: Tier | None = None,
) -> Evaluation:
    """Answer and grade all items of a benchmark.

    Args:
        model: The adapted model (or a bare backbone), in evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
        benchmark: The questions, with the settings of how to ask them.
        batch_size: Prompts at a time. Part of the experiment: in low precision it can change an answer.
        tier: The boundary around model-written programs; the highest that holds here when None.

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
    answers = [answer for sample in range(asking.samples) for answer in lm.answers(requests, sample)]
    items = [*benchmark.items] * asking.samples
    grades = grade_answers(benchmark.spec.grader, [item.doc for item in items], answers, tier)
    hashes = [hashlib.sha256(prompt.encode()).hexdigest()[:_HASH_LENGTH] for prompt in prompts]
    samples = tuple(
        Sample(
            item_id=item.item_id,
            prompt_hash=hashes[place % len(hashes)],
            score=grade.score,
            verdict=grade.verdict.value,
            extracted=grade.extracted,
            reason=grade.reason,
            answer=answer,
            sample=place // len(hashes),
            strict=None if grade.strict is None else grade.strict.value,
            symbolic=None if grade.symbolic is None else grade.symbolic.value,
        )
        for place, (item, answer, grade) in enumerate(zip(items, answers, grades, strict=True))
    )
    return Evaluation(samples, _sandbox(benchmark, tier))


def _sandbox(benchmark: Benchmark, tier: Tier | None) -> dict[str, Any]:
    if not benchmark.spec.runs_code:
        return {}
    from talan_eval.sandbox.info import describe  # noqa: PLC0415 - only where code is run

    return asdict(describe(tier=tier))
