"""Whether a backend keeps the promises of ``talan_eval.generation.backend``; for their authors, without pytest.

Two checkpoints of one shape are looked at in one live engine, through the seam alone. Numbers are compared within a
tolerance; texts must repeat in a share that the caller names, because few backends are exact in low precision.

Not covered: speed, memory, and whether the answers are those of another backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_core.backbones.load import load_tokenizer
from talan_eval.generation.backend import Prompt, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision
    from talan_eval.generation.backend import Backend, BlockShape, Checkpoint, Generator, Likelihood

_IDENTITY: Final = ("name", "version", "dtype", "attention")
_STATES: Final = frozenset({"11", "10", "00"})
_LIKELIEST: Final = 12


@dataclass(frozen=True, slots=True)
class Subject:
    """What a backend is checked with.

    Attributes:
        backbone: Where the weights are.
        shape: Of the blocks of both checkpoints; None where they carry none.
        first: A checkpoint that answers some prompt otherwise than the second does.
        second: Another one.
        prompts: At least three different prompts of different lengths.
        max_tokens: Length of the answers that are compared; at least 4.
        tolerance: Largest difference of two log-probabilities that counts as rounding, per token.
        equal_share: Share of the answers that must repeat, in another order and another batch.
    """

    backbone: Revision
    shape: BlockShape | None
    first: Checkpoint
    second: Checkpoint
    prompts: tuple[str, ...]
    max_tokens: int = 12
    tolerance: float = 1e-3
    equal_share: float = 1.0


def check_backend(backend: Backend, subject: Subject) -> tuple[str, ...]:
    """Check a backend.

    Args:
        backend: The backend.
        subject: What it is checked with.

    Returns:
        What is wrong, a sentence each; empty for a backend that conforms.
    """
    problems = list(_identity(backend))
    tokenizer = load_tokenizer(subject.backbone)
    with backend.start(subject.backbone, subject.shape) as engine:
        with engine.open(subject.first) as generator:
            before = _texts(generator, subject)
            if len(before) != len(subject.prompts):  # nothing else can be compared
                return (*problems, f"{len(subject.prompts)} prompts have {len(before)} answers.")
            for check in (_answers, _drawing, _likelihoods, _states):
                problems += check(generator, subject)
            problems += _agreement(generator, subject, tokenizer)
        with engine.open(subject.second) as generator:
            other = _texts(generator, subject)
        with engine.open(subject.first) as generator:
            again = _texts(generator, subject)
    if other == before:
        problems.append("The second checkpoint answers every prompt as the first does: it was not opened.")
    if _share(again, before) < subject.equal_share:
        problems.append("The first checkpoint answers otherwise after another was open: something of that is left.")
    return tuple(problems)


def _identity(backend: Backend) -> Iterator[str]:
    identity = backend.identity()
    for name in _IDENTITY:
        if not identity.get(name):
            yield f"The identity names no {name}."
    if not all(isinstance(value, str) for value in identity.values()):
        yield "The identity holds a value that is no text."
    if backend.identity() != identity:
        yield "The identity differs between two calls."


def _answers(generator: Generator, subject: Subject) -> Iterator[str]:
    prompts = _prompts(subject)
    greedy = Sampling(max_tokens=subject.max_tokens)
    said = _said(generator, prompts, greedy)
    if _share(_said(generator, prompts[::-1], greedy)[::-1], said) < subject.equal_share:
        yield "Answers do not follow their prompts: in another order they differ."
    if _share([text for prompt in prompts for text in _said(generator, [prompt], greedy)], said) < subject.equal_share:
        yield "A prompt alone is answered otherwise than among others."
    short = _said(generator, prompts, Sampling(max_tokens=2))
    if not all(whole.startswith(part.rstrip("\ufffd")) for part, whole in zip(short, said, strict=True)):
        yield "A shorter answer is not the beginning of a longer one."
    if short == said:
        yield "max_tokens has no effect."
    row = max(range(len(said)), key=lambda place: len(said[place]))
    stop = said[row][len(said[row]) // 2 :][:2]
    (stopped,) = _said(generator, [prompts[row]], Sampling(max_tokens=subject.max_tokens, stop=(stop,)))
    if stopped != said[row].partition(stop)[0]:
        yield "An answer does not end before its stop string."
    if not (isinstance(generator.max_length, int) and generator.max_length > 0):
        yield "max_length is no positive whole number."


def _drawing(generator: Generator, subject: Subject) -> Iterator[str]:
    prompts = _prompts(subject)

    def drawn(asked: Sequence[Prompt] = prompts, **changes: float) -> list[str]:
        return _said(generator, asked, Sampling(**{"max_tokens": subject.max_tokens, "temperature": 1.0, **changes}))  # type: ignore[arg-type]  # seed and sample are whole

    usual = drawn()
    if _share(drawn(), usual) < subject.equal_share:
        yield "Equal seeds draw other answers."
    if _share(drawn(prompts[::-1])[::-1], usual) < subject.equal_share:
        yield "Drawn answers depend on a prompt's place: random numbers do not belong to the prompt."
    for name in ("seed", "sample"):
        if drawn(prompts, **{name: 1}) == usual:
            yield f"Another {name} draws the same answers."
    greedy = _said(generator, prompts, Sampling(max_tokens=subject.max_tokens))
    if _share(drawn(temperature=1e-4), greedy) < subject.equal_share:
        yield "The temperature has no effect: next to 0 the likeliest tokens are not drawn."
    if _share(drawn(top_p=1e-6), greedy) < subject.equal_share:
        yield "top_p has no effect: the smallest set is not the likeliest token."


def _likelihoods(generator: Generator, subject: Subject) -> Iterator[str]:
    prompts = _prompts(subject)
    pairs = [(prompt, text) for prompt in prompts for text in (*subject.prompts, "")]
    scored = list(generator.loglikelihood(pairs))
    if len(scored) != len(pairs):
        yield f"{len(pairs)} pairs have {len(scored)} likelihoods."
        return
    if any(
        one.log_probability != 0 or one.tokens != 0 for one, (_, text) in zip(scored, pairs, strict=True) if not text
    ):
        yield "An empty text has a likelihood other than 0 with 0 tokens."
    if not all(
        one.tokens > 0 and one.log_probability < 0 for one, (_, text) in zip(scored, pairs, strict=True) if text
    ):
        yield "A text has no tokens or no negative log-probability."
    if len(generator.loglikelihood([])) != 0:
        yield "No pairs have likelihoods."
    if not _close(list(generator.loglikelihood(pairs[::-1]))[::-1], scored, subject):
        yield "Likelihoods do not follow their pairs: in another order they differ."
    if not _close([one for pair in pairs for one in generator.loglikelihood([pair])], scored, subject):
        yield "A pair alone has another likelihood than among others."


def _states(generator: Generator, subject: Subject) -> Iterator[str]:
    prompt = _prompts(subject)[0]
    states = generator.probe(prompt).states
    if not states or not set(states) <= _STATES:
        yield f"The probe shows the states {sorted(states)}, which are not among {sorted(_STATES)}."
        return
    for state, values in states.items():
        if values.ndim != 1 or values.dtype != np.float32:
            yield f"The log-probabilities of state {state} are no vector in float32."
        elif abs(np.log(np.exp(values.astype(np.float64)).sum())) > subject.tolerance:
            yield f"The probabilities of state {state} do not add up to 1."
    ends = generator.own_settings.end_tokens
    if not ends or list(ends) != sorted(set(ends)):
        yield "The tokens at which answers stop are none, or not in ascending order."
    seen = generator.liveness(prompt)
    change = seen.max_logit_change
    if not change >= 0:
        yield "max_logit_change is not a number from 0."
    if "11" in states and not (seen.block_max_logit_change is not None and seen.block_max_logit_change >= 0):
        yield "There is a block, and block_max_logit_change is not a number from 0."
    if "11" not in states and seen.block_max_logit_change is not None:
        yield "There is no block, and block_max_logit_change says that there is one."
    full = states.get("11", states.get("10"))
    if full is not None and "00" in states and np.abs(full - states["00"]).max() > subject.tolerance and change == 0:
        yield "The probe moves, and max_logit_change is 0."


def _agreement(generator: Generator, subject: Subject, tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """Compare the three ways of looking at one distribution: the first token generated, scored and probed."""
    compared = 0
    for prompt in _prompts(subject):
        states = generator.probe(prompt).states
        values = states.get("11", states.get("10", states.get("00")))
        if values is None:
            continue
        order = np.argsort(values)[::-1][:_LIKELIEST]
        (said,) = _said(generator, [prompt], Sampling(max_tokens=1))
        if values[order[0]] - values[order[1]] > subject.tolerance and said != tokenizer.decode(
            [int(order[0])], skip_special_tokens=True
        ):
            yield f"The first token of an answer, {said!r}, is not the likeliest one of the probe."
        alone = tokenizer.encode(prompt.text)
        texts = {int(token): str(tokenizer.decode([int(token)])) for token in order}
        # Left out are tokens whose text reads as other tokens.
        kept = [token for token, text in texts.items() if tokenizer.encode(prompt.text + text) == [*alone, token]]
        compared += len(kept)
        likelihoods = generator.loglikelihood([(prompt, texts[token]) for token in kept])
        for token, scored in zip(kept, likelihoods, strict=False):
            text = texts[token]
            if scored.tokens != 1 or abs(scored.log_probability - float(values[token])) > subject.tolerance:
                yield f"After a prompt {text!r} is scored {scored}, and the probe says {float(values[token]):.4f}."
            apart = abs(float(values[token] - values[order[int(token == order[0])]])) > subject.tolerance
            if apart and scored.greedy != (token == order[0]):
                yield f"Whether {text!r} is the likeliest token after a prompt is not what the probe says."
    if not compared:
        yield "No token of the probe could be compared with a likelihood; give other prompts."


def _prompts(subject: Subject) -> list[Prompt]:
    return [Prompt(text) for text in subject.prompts]


def _texts(generator: Generator, subject: Subject) -> list[str]:
    return _said(generator, _prompts(subject), Sampling(max_tokens=subject.max_tokens))


def _said(generator: Generator, prompts: Sequence[Prompt], settings: Sampling) -> list[str]:
    return [answer.text for answer in generator.generate(prompts, settings)]


def _share(found: Sequence[str], expected: Sequence[str]) -> float:
    if len(found) != len(expected):
        return 0.0
    return sum(one == other for one, other in zip(found, expected, strict=True)) / max(len(expected), 1)


def _close(found: Sequence[Likelihood], expected: Sequence[Likelihood], subject: Subject) -> bool:
    return len(found) == len(expected) and all(
        one.tokens == other.tokens
        and abs(one.log_probability - other.log_probability) <= subject.tolerance * max(other.tokens, 1)
        for one, other in zip(found, expected, strict=True)
    )
