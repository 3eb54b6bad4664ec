"""A checkpoint answers a benchmark: lm-eval builds the prompts and generates, our graders grade."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from talan_eval.grading.graders import grade_answers

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_eval.sandbox.tiers import Tier
    from talan_eval.tasks import Benchmark

_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded answer, as kept in ``samples/``.

    Attributes:
        item_id: Id of the item, unique within its benchmark.
        prompt_hash: Hash of the prompt exactly as the model saw it.
        score: Credit in [0, 1].
        verdict: What the grader said; see :class:`talan_eval.grading.verdict.Verdict`.
        extracted: The part of the answer that was compared, or None.
        reason: Why, in a phrase.
        answer: What the model wrote.
    """

    item_id: str
    prompt_hash: str
    score: float
    verdict: str
    extracted: str | None
    reason: str
    answer: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The samples of one checkpoint on one benchmark, and how programs were run (empty if none were)."""

    samples: tuple[Sample, ...]
    sandbox: dict[str, Any]

    def to_jsonl(self) -> bytes:
        """Return the samples as JSON lines in ASCII, which can hold whatever a model writes."""
        return "".join(json.dumps(asdict(sample)) + "\n" for sample in self.samples).encode("ascii")


def read_samples(content: bytes) -> tuple[Sample, ...]:
    """Read what :meth:`Evaluation.to_jsonl` wrote."""
    return tuple(Sample(**json.loads(line)) for line in content.decode("ascii").splitlines())


def evaluate(
    model: PeftModel | PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    benchmark: Benchmark,
    batch_size: int,
    tier: Tier | None = None,
) -> Evaluation:
    """Answer and grade all items of a benchmark.

    Args:
        model: The adapted model (or a bare backbone), in evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
        benchmark: The questions.
        batch_size: Prompts at a time. Part of the experiment: in low precision it can change an answer.
        tier: The boundary around model-written programs; the highest that holds here when None.

    Returns:
        One sample per item, in the order of the benchmark.
    """
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415 - heavy

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    requests = benchmark.requests(lm.apply_chat_template if tokenizer.chat_template else None)
    answers = lm.generate_until(requests, disable_tqdm=True)
    grades = grade_answers(benchmark.spec.grader, [item.doc for item in benchmark.items], answers, tier)
    samples = tuple(
        Sample(
            item_id=item.item_id,
            prompt_hash=hashlib.sha256(str(request.args[0]).encode()).hexdigest()[:_HASH_LENGTH],
            score=grade.score,
            verdict=grade.verdict.value,
            extracted=grade.extracted,
            reason=grade.reason,
            answer=answer,
        )
        for item, request, answer, grade in zip(benchmark.items, requests, answers, grades, strict=True)
    )
    return Evaluation(samples, _sandbox(benchmark, tier))


def _sandbox(benchmark: Benchmark, tier: Tier | None) -> dict[str, Any]:
    if not benchmark.spec.runs_code:
        return {}
    from talan_eval.sandbox.info import describe  # noqa: PLC0415 - only where code is run

    return asdict(describe(tier=tier))
