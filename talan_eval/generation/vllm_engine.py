"""A live engine of vLLM: one checkpoint after the other is put into it, asked, scored and probed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

import talan_core
from talan_core.backbones.load import load_model, load_tokenizer
from talan_core.checkpoint import has_block
from talan_core.errors import UserError
from talan_core.integrations.vllm.live_engine import is_expert
from talan_core.merging import bf16_survival, merge, plain_tensors
from talan_core.probe import Liveness, next_token
from talan_eval.generation.backend import Answer, Likelihood, LogProbabilities
from talan_eval.generation.probing import PROBE, TOLERANCE
from talan_eval.generation.sampling import row_seed
from talan_eval.generation.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from transformers import GenerationConfig, PreTrainedModel

    from talan_core.backbones.load import Revision
    from talan_eval.generation.backend import BlockShape, Checkpoint, OwnSettings, Prompt, Sampling, State

_LIKELY: Final = -7.0  # natural logarithm of the least probability that is compared
_CPU: Final = torch.device("cpu")
_UNLIKE: Final = frozenset(
    {"_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "pad_token_id", "transformers_version",
     "use_cache", "initializer_range", "attention_dropout"}
)  # fmt: skip
"""What the configurations of two models of one shape may differ in."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What a checkpoint is made of.

    Attributes:
        weights: Merged, by the names of files.
        states: What transformers says after the probe, by state.
        shipped: The generation settings that came with the model.
        survival: Share of the changed weights that rounding to the engine's type leaves changed; None where none is
            rounded or changed.
    """

    weights: Mapping[str, torch.Tensor]
    states: Mapping[State, NDArray[np.float32]]
    shipped: GenerationConfig
    survival: float | None


@dataclass(frozen=True, slots=True)
class Started:
    """What was started.

    Attributes:
        llm: vLLM's engine.
        backbone: Where its weights came from.
        shape: Of the blocks that it can take; None for none.
        tokens: By which its backbone is asked.
        max_length: Most tokens of prompt and answer together.
        dtype: Type of weights and activations.
    """

    llm: Any
    backbone: Revision
    shape: BlockShape | None
    tokens: Tokens
    max_length: int
    dtype: str


class VllmEngine:
    """An engine with its backbone, and a silent block where there is a shape.

    Args:
        started: What was started.
    """

    def __init__(self, started: Started) -> None:
        self.llm, self._dtype = started.llm, started.dtype
        self._backbone, self._shape, self._tokens = started.backbone, started.shape, started.tokens
        self._plain: dict[tuple[Revision, tuple[int, ...]], NDArray[np.float32]] = {}
        self.max_length = started.max_length

    def takes(self, shape: BlockShape | None) -> bool:
        """Say whether a checkpoint with such a block can be opened.

        A silent block is no block, but where it changes the type of the residual stream for the layers behind it.
        """
        return shape == self._shape or (shape is None and self._shape is not None and self._shape.is_silent_when_closed)

    @contextlib.contextmanager
    def open(self, checkpoint: Checkpoint) -> Iterator[VllmGenerator]:
        """Open a checkpoint.

        Raises:
            UserError: It cannot be merged, or vLLM does not say of it what transformers says.
        """
        held = self._held(checkpoint)
        self.fill(held.weights, checkpoint)
        own = checkpoint.tokenizer is not None
        tokens = Tokens(load_tokenizer(checkpoint.tokenizer)) if checkpoint.tokenizer is not None else self._tokens
        generator = VllmGenerator(self, checkpoint, held, tokens, stops_inside=not own)
        self._compare(generator, held, checkpoint)
        yield generator

    def fill(self, weights: Mapping[str, torch.Tensor], checkpoint: Checkpoint | None) -> None:
        """Put weights into the engine, and the block of a checkpoint, or silence where it has none or there is none."""
        self.llm.collective_rpc("talan_reload", args=(weights,))
        self.switch(checkpoint)

    def switch(self, checkpoint: Checkpoint | None) -> None:
        """Open the block of a checkpoint, or silence the block; what was cached under another one is forgotten."""
        if self._shape is not None:
            if checkpoint is not None and _has_block(checkpoint):
                self.llm.collective_rpc("talan_open", args=(str(checkpoint.directory),))
            else:
                self.llm.collective_rpc("talan_silence")
        self.forget()

    def forget(self) -> None:
        """Let vLLM forget what it has cached of prompts."""
        if not self.llm.reset_prefix_cache():
            raise RuntimeError("vLLM keeps what it has cached of another checkpoint")

    def ask(self, asked: Sequence[Sequence[int]], settings: Sequence[Any]) -> list[Any]:
        """Let vLLM answer prompts of token ids, each with its own settings."""
        prompts = [{"prompt_token_ids": list(ids)} for ids in asked]
        return list(self.llm.generate(prompts, list(settings), use_tqdm=False)) if prompts else []

    def after(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the log-probabilities of the token after a sequence, (vocabulary,)."""
        from vllm import SamplingParams  # noqa: PLC0415 - it reads the environment that `VllmBackend` sets

        settings = SamplingParams(temperature=0, max_tokens=1, logprobs=-1, detokenize=False, ignore_eos=True)
        (found,) = self.ask([ids], [settings])
        (step,) = found.outputs[0].logprobs
        values = np.full(max(step) + 1, -np.inf, dtype=np.float32)
        for token, one in step.items():
            values[token] = one.logprob
        return values

    def without_adapter(self, ids: Sequence[int], checkpoint: Checkpoint, held: _Held) -> NDArray[np.float32]:
        """Return `after` of the checkpoint's backbone; it is put into the engine for that, once for each prompt."""
        where = checkpoint.backbone or self._backbone
        key = (where, tuple(ids))
        if key not in self._plain:
            self.fill(plain_tensors(load_model(where, self._dtype, _CPU)), None)
            try:
                self._plain[key] = self.after(ids)
            finally:  # the next benchmark asks the checkpoint, whatever happened here
                self.fill(held.weights, checkpoint)
        return self._plain[key]

    def _held(self, checkpoint: Checkpoint) -> _Held:
        """Load a checkpoint with transformers, in float32, look at what it says, and merge it."""
        where = checkpoint.backbone or self._backbone
        model = load_model(where, "float32", _CPU)
        if checkpoint.backbone is not None:
            self._check_shape(model)
        shipped = model.generation_config
        ids = torch.tensor([self._tokens.of_prompt(PROBE)])
        if checkpoint.directory is None:
            weights = plain_tensors(model)
            self._check_experts(weights, checkpoint)
            return _Held(weights, _states(next_token(model, ids)), shipped, None)
        arm = talan_core.load(checkpoint.directory, model).eval()
        states = _states(next_token(arm, ids))
        weights = plain_tensors(merge(arm))
        survival = None
        if self._dtype == "bfloat16":
            survival = bf16_survival(weights, plain_tensors(load_model(where, "float32", _CPU)))
        self._check_experts(weights, checkpoint)
        return _Held(weights, states, shipped, survival)

    def _check_shape(self, model: PreTrainedModel) -> None:
        """Refuse a model that does not have the shape of the engine's backbone."""
        mine = load_model(self._backbone, self._dtype, torch.device("meta")).config.to_dict()
        its = model.config.to_dict()
        unlike = sorted(key for key in mine.keys() | its.keys() if mine.get(key) != its.get(key) and key not in _UNLIKE)
        if unlike:
            raise UserError(
                f"vLLM cannot put {model.name_or_path} in the place of {self._backbone.location}: they differ in "
                f"{', '.join(unlike)}.",
                "Type --backend transformers for all arms of this comparison.",
            )

    def _check_experts(self, weights: Mapping[str, torch.Tensor], checkpoint: Checkpoint) -> None:
        """Refuse other experts than the backbone's, which a live engine does not take; see `TalanWorker`."""
        experts = {name: value for name, value in weights.items() if is_expert(name)}
        if not experts:
            return
        mine = plain_tensors(load_model(self._backbone, "float32", _CPU))
        if not all(torch.equal(value, mine[name]) for name, value in experts.items()):
            raise UserError(
                f"In {checkpoint.directory or checkpoint.backbone} experts have other weights than in the backbone, "
                "and those cannot be changed in vLLM.",
                "Type --backend transformers for all arms of this comparison.",
            )

    def _compare(self, generator: VllmGenerator, held: _Held, checkpoint: Checkpoint) -> None:
        """Refuse to answer for a checkpoint whose probe is not reproduced."""
        ids = self._tokens.of_prompt(PROBE)
        seen = {
            state: values for state, values in generator.states(ids).items() if state != "00" or len(held.states) == 1
        }
        for state, values in seen.items():
            apart = distance(values, held.states[state])
            if not apart <= TOLERANCE[self._dtype]:
                what = {"11": "adapter and block", "10": "the adapter alone", "00": "the backbone"}[state]
                raise UserError(
                    f"vLLM does not say what transformers says of {checkpoint.directory or self._backbone.location}: "
                    f"with {what}, log-probabilities differ by {apart:.2g}, where {TOLERANCE[self._dtype]:g} would be "
                    "rounding.",
                    "Type --backend transformers, and report this with the versions that talan-eval doctor prints.",
                )


class VllmGenerator:
    """A checkpoint in a live engine.

    Args:
        engine: The engine.
        checkpoint: What is in it.
        held: What it is made of.
        tokens: By which it is asked.
        stops_inside: Whether vLLM may look for stop strings itself, which it does by the backbone's tokenizer.
    """

    def __init__(
        self, engine: VllmEngine, checkpoint: Checkpoint, held: _Held, tokens: Tokens, *, stops_inside: bool
    ) -> None:
        self._engine = engine
        self._checkpoint = checkpoint
        self._held = held
        self._tokens = tokens
        self._ends = list(tokens.end_tokens(held.shipped))
        self._stops_inside = stops_inside

    @property
    def max_length(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._engine.max_length

    @property
    def own_settings(self) -> OwnSettings:
        """What is used of the model's own generation settings: token ids, and nothing else."""
        return self._tokens.own_settings(self._held.shipped)

    def generate(self, prompts: Sequence[Prompt], settings: Sampling) -> Iterator[Answer]:
        """Answer each prompt once; see :class:`talan_eval.generation.backend.Generator`.

        Random numbers are those of vLLM, from a seed that belongs to sampling seed, sample and prompt: the same in all
        arms, and others than transformers draws.
        """
        asked = [self._tokens.of_prompt(prompt.text) for prompt in prompts]
        found = self._engine.ask(asked, [self._settings(prompt.text, settings) for prompt in prompts])
        for prompt, one in zip(prompts, found, strict=True):
            yield Answer(self._tokens.cut(self._tokens.said(list(one.outputs[0].token_ids)), prompt.text, settings))

    def _settings(self, prompt: str, settings: Sampling) -> Any:  # noqa: ANN401 - vLLM is not typed
        from vllm import SamplingParams  # noqa: PLC0415 - see `VllmEngine.after`

        drawn = settings.temperature > 0
        stops = self._stops_inside and not self._tokens.is_free(prompt, settings)
        return SamplingParams(
            temperature=settings.temperature,
            top_p=settings.top_p if drawn else 1.0,
            seed=row_seed(prompt, settings.seed, settings.sample) if drawn else None,
            max_tokens=settings.max_tokens,
            stop=[text for text in settings.stop if text] if stops else None,
            stop_token_ids=self._ends,
            ignore_eos=True,  # the tokens above are all at which an answer ends
            detokenize=stops,
        )

    def loglikelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score texts as continuations of prompts; see :class:`talan_eval.generation.backend.Generator`."""
        from vllm import SamplingParams  # noqa: PLC0415 - as above

        encoded = [self._tokens.of_pair(prompt.text, text) for prompt, text in pairs]
        longest = max((len(one.input_ids) for one in encoded), default=0)
        if longest > self.max_length:
            raise UserError(
                f"A prompt with its continuation has {longest} tokens, the backbone's context {self.max_length}.",
                "Score shorter texts, or take a --backbone with a longer context.",
            )
        settings = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        found = self._engine.ask([one.input_ids for one in encoded], [settings] * len(encoded))
        scores = []
        for sequence, one in zip(encoded, found, strict=True):
            begin = sequence.prompt_length
            targets = list(zip(sequence.input_ids[begin:], one.prompt_logprobs[begin:], strict=True))
            steps = [step[token] for token, step in targets]
            likeliest = all(step.rank == 1 for step in steps)
            scores.append(Likelihood(float(sum(step.logprob for step in steps)), len(steps), likeliest))
        return scores

    def probe(self, prompt: Prompt) -> LogProbabilities:
        """Return the distribution of the first token of an answer in every state."""
        ids = self._tokens.of_prompt(prompt.text)
        states = self.states(ids)
        if self._checkpoint.directory is not None:
            states["00"] = self._engine.without_adapter(ids, self._checkpoint, self._held)
        return LogProbabilities(states)

    def states(self, ids: Sequence[int]) -> dict[State, NDArray[np.float32]]:
        """Return the distribution after a sequence in the states that need no other weights."""
        if self._checkpoint.directory is None:
            return {"00": self._engine.after(ids)}
        if "11" not in self._held.states:
            return {"10": self._engine.after(ids)}
        found: dict[State, NDArray[np.float32]] = {"11": self._engine.after(ids)}
        self._engine.switch(None)
        try:
            found["10"] = self._engine.after(ids)
        finally:
            self._engine.switch(self._checkpoint)
        return found

    def liveness(self, prompt: Prompt) -> Liveness:
        """Return the largest changes of log-probabilities of the token after a prompt; of the write nothing is seen."""
        states = self.probe(prompt).states
        if self._checkpoint.directory is None:
            return Liveness(max_logit_change=0.0)
        with_block, adapter = states.get("11"), states["10"]
        full = adapter if with_block is None else with_block
        return Liveness(
            max_logit_change=_largest(full, states["00"]),
            block_max_logit_change=None if with_block is None else _largest(with_block, adapter),
            merged_survival=self._held.survival,
        )


def distance(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest difference of two distributions' log-probabilities, over tokens that are not very unlikely.

    Where all are, as of a flat distribution over a large vocabulary, over the likeliest.
    """
    size = len(expected)
    likely = expected > min(_LIKELY, float(np.nextafter(expected.max(), -np.inf)))
    return float(np.abs(found[:size][likely] - expected[likely]).max())


def _largest(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    finite = np.isfinite(one) & np.isfinite(other)
    return float(np.abs(one[finite] - other[finite]).max())


def _states(states: Mapping[State, torch.Tensor]) -> dict[State, NDArray[np.float32]]:
    return {state: values.numpy() for state, values in states.items()}


def _has_block(checkpoint: Checkpoint) -> bool:
    return checkpoint.directory is not None and has_block(checkpoint.directory)
