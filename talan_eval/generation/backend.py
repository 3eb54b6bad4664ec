"""The seam between a checkpoint and its answers: Backend -> Engine -> Generator.

A backend is a library that runs models. It is made from ``BackendOptions``, starts one engine per backbone and
block shape, and the engine opens one checkpoint after the other. What is opened answers, scores given texts, and shows
its next-token distribution. ``generation/registry.py`` holds the backends by name, ``generation/conformance.py`` checks
that one keeps these promises.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from peft import PeftModel

    from talan_core.backbones.load import Revision
    from talan_core.config import TalanConfig
    from talan_core.plain import PlainModel
    from talan_core.probe import Liveness

State = Literal["11", "10", "00"]
"""Block and adapter on, block off, both off; a model without a block has no "11", a bare backbone has "00" alone."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that has models already.

    Attributes:
        base_url: Its address up to "/v1", without a slash at the end.
        models: Under which names it has the checkpoints that are asked, ascending.
        arms: Which of them is which, as (arm, seed, model), ascending: what is asked under another name is asked again.
    """

    base_url: str
    models: tuple[str, ...]
    arms: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What every backend is made from.

    Attributes:
        dtype: Type of weights and activations, "float32" or "bfloat16".
        device: torch device name, such as "cpu" or "cuda:1".
        batch_size: Most sequences in one pass. A backend that schedules by itself may take it as a hint.
        divided: Whether its layers are divided among all GPUs that the process sees. No part of an identity.
        quantization: How the backbone is stored, as ``TrainingSettings.quantization``; None for as ``dtype`` says.
        endpoint: The server that answers; None where this process does.
        gpu_share: Part of a GPU's memory that this process may take. No part of an identity.
    """

    dtype: str
    device: str
    batch_size: int
    quantization: str | None = None
    divided: bool = False
    endpoint: Endpoint | None = None
    gpu_share: float = 1.0


@dataclass(frozen=True, slots=True)
class BlockShape:
    """What two TALAN blocks must share for one engine to carry the one after the other.

    Attributes:
        layer: Insertion point, as in ``talan_core.config.TalanConfig``.
        slots: Memory slots.
        mixer: Name of stage 2.
        writeback: Name of stage 3.
        d_mem: Width; None for the backbone's default.
        heads: Attention heads.
        components: Components of the mixer.
        write: How the write is scaled.
        stream: In which type it is added.
        noise: Whether it is the noise control, whose numbers are others.
    """

    layer: int | float
    slots: int
    mixer: str
    writeback: str
    d_mem: int | None
    heads: int | None
    components: int | None
    write: str = "plain"
    stream: str = "native"
    noise: bool = False

    @classmethod
    def of(cls, config: TalanConfig) -> BlockShape:
        """Return the shape of a block with this configuration."""
        return cls(
            layer=config.layer,
            slots=config.slots,
            mixer=config.mixer,
            writeback=config.writeback,
            d_mem=config.d_mem,
            heads=config.heads,
            components=config.components,
            write=config.write,
            stream=config.stream,
            noise=config.noise is not None,
        )

    @property
    def is_silent_when_closed(self) -> bool:
        """Whether a model with such a block that writes nothing computes as one without a block."""
        return self.stream == "native"

    def config(self) -> TalanConfig:
        """Return a configuration with this shape; whatever else it says changes no value that a block computes."""
        from talan_core.config import TalanConfig  # noqa: PLC0415 - a heavy import for those who only name a shape

        shape: dict[str, Any] = {
            name: value for name, value in dataclasses.asdict(self).items() if name != "noise" and value is not None
        }
        if self.noise:
            shape |= {"scope": "frozen", "noise": 1.0}
        return TalanConfig(**shape)


@dataclass(frozen=True, slots=True)
class ArmsAsked:
    """What the arms of an experiment bring along, as far as a backend may be unable to carry it.

    Attributes:
        shapes: Of the blocks that they carry.
        trained: What those trained here are trained with, by the names of :data:`talan_core.partners.PARTNERS`.
        unmergeable: What some have learned, trained here or stored, that is no change of weights, in words.
    """

    shapes: frozenset[BlockShape] = frozenset()
    trained: frozenset[str] = frozenset()
    unmergeable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is to answer.

    Attributes:
        directory: What ``save_pretrained`` wrote; None for the bare backbone.
        backbone: Where the weights are that stand in the place of the engine's backbone; None for that.
        tokenizer: Where the tokenizer is by which it is asked; None for that of the engine's backbone.
        trained: The same as a model of this process that was just trained, which spares a backend that can use it the
            loading. It answers as the directory does. It is neither copied nor compared.
        served: Under which name a server has it; None where none is asked.
    """

    directory: Path | None
    backbone: Revision | None = None
    tokenizer: Revision | None = None
    trained: PeftModel | PlainModel | None = field(default=None, compare=False, repr=False)
    served: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model sees it: the chat template has been applied. Its drawn tokens depend on this text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How one answer to each prompt is taken.

    Attributes:
        max_tokens: Most tokens of an answer.
        stop: Strings that end an answer and are no part of it; the end-of-sequence token always does.
        temperature: 0 takes the likeliest token; above 0 tokens are drawn.
        top_p: Tokens are drawn from the smallest set with at least this probability.
        seed: Seed of the drawing.
        sample: Number of the answer to each prompt, from 0; without effect at temperature 0.
        thinking: Whether the model was told to think first: stop strings then act on the answer, not on the thinking.
        chat_template: Whether prompts were made by the chat template, whose models may think unasked.
    """

    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    sample: int = 0
    thinking: bool = False
    chat_template: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, without the prompt, special tokens and the stop string."""

    text: str


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text is after a prompt.

    Attributes:
        log_probability: Sum of the natural logarithms of its tokens' probabilities; 0 for an empty text.
        tokens: How many tokens it has.
        greedy: Whether each of them is the likeliest one after those before it; an empty text is.
    """

    log_probability: float
    tokens: int
    greedy: bool


@dataclass(frozen=True, slots=True, eq=False)
class LogProbabilities:
    """The distribution of the token after a prompt.

    Attributes:
        states: Natural logarithms of probabilities, (vocabulary,) in float32, for each state that can be shown.
    """

    states: Mapping[State, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What is done with the generation settings that a model brings along.

    Attributes:
        end_tokens: Token ids at any of which an answer stops, ascending: the model's own, and those that trained
            answers end with.
        ignored: Settings of the model that would change answers and are not used, such as a repetition penalty.
    """

    end_tokens: tuple[int, ...]
    ignored: Mapping[str, float | int | bool | str | None] = field(default_factory=dict)


class Generator(Protocol):
    """One opened checkpoint."""

    @property
    def own_settings(self) -> OwnSettings:
        """What is used of the model's own generation settings; the same for all checkpoints on one backbone."""
        ...

    @property
    def max_length(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    def generate(self, prompts: Sequence[Prompt], settings: Sampling) -> Iterator[Answer]:
        """Answer each prompt once.

        At temperature 0, and with equal seed and sample above, equal prompts have equal answers within what the backend
        promises of batches; random numbers belong to seed, sample and prompt, never to a prompt's place.

        Args:
            prompts: Any number of them, each short enough to leave ``settings.max_tokens`` of ``max_length``.
            settings: How.

        Yields:
            One answer per prompt, in the order of the prompts.
        """
        ...

    def loglikelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> Sequence[Likelihood]:
        """Score texts as continuations of prompts, every token given all before it.

        Args:
            pairs: Prompt and continuation. The prompt has the tokens that ``generate`` starts from; where it is
                empty, the token before a text (or, without one, that after a text) stands for it. Nothing is added
                after the continuation, no end-of-sequence token either.

        Returns:
            One likelihood per pair, in order, summed in float32 or better. Neither the order of the pairs nor which of
            them share a pass changes one beyond rounding.

        Raises:
            UserError: A pair is longer than ``max_length``.
        """
        ...

    def probe(self, prompt: Prompt) -> LogProbabilities:
        """Return the distribution of the first token of an answer, in every state that the backend can show."""
        ...

    def liveness(self, prompt: Prompt) -> Liveness:
        """Return how far adapter and block move the logits of a prompt; see ``talan_core.probe``. 0.0 is not live.

        A backend that only sees log-probabilities takes the largest difference of those of ``probe``, and leaves
        out what it cannot see of the write.
        """
        ...


class Engine(Protocol):
    """A backbone in memory, ready for checkpoints of one block shape."""

    def takes(self, shape: BlockShape | None) -> bool:
        """Say whether checkpoints with blocks of this shape, or without blocks, can be opened in it."""
        ...

    def open(self, checkpoint: Checkpoint) -> AbstractContextManager[Generator]:
        """Open a checkpoint; one at a time. Nothing of it is left for the next."""
        ...


class Backend(Protocol):
    """A library that runs models; constructed from ``BackendOptions``, which loads no weights."""

    def identity(self) -> dict[str, str]:
        """Return what of the backend can change an answer: at least "name", "version", "dtype" and "attention".

        Part of an evaluation's identity, never of a training's.
        """
        ...

    def check(self, backbone: Revision, arms: ArmsAsked) -> None:
        """Refuse what it cannot answer with, before anything is trained; reads configurations, no weights.

        Args:
            backbone: Where the weights are.
            arms: What they bring along.

        Raises:
            UserError: It has no such block on this backbone, or cannot carry what an arm has learned.
        """
        ...

    def start(self, backbone: Revision, shape: BlockShape | None) -> AbstractContextManager[Engine]:
        """Start an engine.

        Args:
            backbone: Where the weights are.
            shape: Of the blocks that its checkpoints carry; None where they carry none.
        """
        ...
