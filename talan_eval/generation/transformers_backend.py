"""The backend "transformers": models of this process, generation by lm-eval's Hugging Face model."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from lm_eval.models.huggingface import HFLM
from transformers import GenerationConfig

import talan_core
from talan_core.backbones.load import load_model, load_tokenizer
from talan_core.errors import UserError
from talan_core.probe import Liveness, liveness, next_token
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.data import collate
from talan_core.training.rendering import pad_token
from talan_eval.generation.backend import Answer, Likelihood, LogProbabilities
from talan_eval.generation.batches import cut
from talan_eval.generation.sampling import SampleDraw
from talan_eval.generation.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision
    from talan_core.plain import PlainModel
    from talan_core.training.encoding import EncodedExample
    from talan_eval.generation.backend import (
        ArmsAsked,
        BackendOptions,
        BlockShape,
        Checkpoint,
        OwnSettings,
        Prompt,
        Sampling,
    )


_SCORED_ON_CPU: Final = 16
"""Sequences that a CPU scores in one pass; more of them leave its caches, and the pass takes longer for each."""


class TransformersBackend:
    """Runs models with transformers, any block of any shape.

    Args:
        options: What every backend is made from.
    """

    def __init__(self, options: BackendOptions) -> None:
        self._options = options

    def identity(self) -> dict[str, str]:
        """Return name, version, dtype and attention, and how the backbone is quantised where it is.

        The attention is the library's own choice for an architecture, so version, configuration and device fix it.
        """
        stored = {} if self._options.quantization is None else {"quantization": self._options.quantization}
        return {
            "name": "transformers",
            "version": version("transformers"),
            "dtype": self._options.dtype,
            "attention": "chosen by transformers",
            **stored,
        }

    def check(self, backbone: Revision, arms: ArmsAsked) -> None:
        """Refuse nothing: what is trained with transformers can be asked with it."""

    @contextlib.contextmanager
    def start(self, backbone: Revision, shape: BlockShape | None) -> Iterator[TransformersEngine]:
        """Start an engine; it holds the tokenizer alone, and takes blocks of any shape."""
        del shape
        yield TransformersEngine(backbone, self._options)


class TransformersEngine:
    """Opens checkpoints, each on backbone weights of its own.

    They are taken anew from the memory-mapped file, which costs less than a copy (SmolLM2-135M: 0.2 s against 5 s) and
    leaves no way for one checkpoint to stay in another's backbone. A model that was just trained is used as it is.

    Args:
        backbone: Where the weights are.
        options: As for the backend.
    """

    def __init__(self, backbone: Revision, options: BackendOptions) -> None:
        self._backbone = backbone
        self._options = options

    def takes(self, shape: BlockShape | None) -> bool:
        """Say that any checkpoint can be opened."""
        del shape
        return True

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self._backbone)

    @contextlib.contextmanager
    def open(self, checkpoint: Checkpoint) -> Iterator[TransformersGenerator]:
        """Open a checkpoint."""
        tokenizer = self._tokenizer if checkpoint.tokenizer is None else load_tokenizer(checkpoint.tokenizer)
        yield TransformersGenerator(self._model(checkpoint), tokenizer, self._options.batch_size)

    def _model(self, checkpoint: Checkpoint) -> PeftModel | PlainModel | PreTrainedModel:
        if checkpoint.trained is not None:
            return checkpoint.trained
        device = torch.device(self._options.device)
        backbone = load_model(
            checkpoint.backbone or self._backbone,
            self._options.dtype,
            device,
            quantization=self._options.quantization,
            divided=self._options.divided,
        )
        return backbone if checkpoint.directory is None else talan_core.load(checkpoint.directory, backbone).eval()


@dataclass(frozen=True, slots=True)
class _Request:
    """What lm-eval reads of its requests: the prompt and how to answer it."""

    args: tuple[str, dict[str, Any]]


class TransformersGenerator:
    """A model of this process as a generator.

    Args:
        model: An arm's model or a bare backbone; it is put into evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
        batch_size: Most sequences in one pass.
    """

    def __init__(
        self, model: PeftModel | PlainModel | PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._tokens = Tokens(tokenizer)
        self._lm = _DrawingLM(model, self._tokens, batch_size)

    @property
    def max_length(self) -> int:
        """Most tokens of prompt and answer together."""
        return int(self._lm.max_length)

    @property
    def own_settings(self) -> OwnSettings:
        """What is used of the model's own generation settings: token ids, and nothing else."""
        return self._tokens.own_settings(self._lm.shipped_settings)

    def generate(self, prompts: Sequence[Prompt], settings: Sampling) -> Iterator[Answer]:
        """Answer each prompt once; see ``talan_eval.generation.backend.Generator``.

        In float32 an answer does not depend on who shares its batch; in lower precision it can.
        """
        for said in self._lm.answers([prompt.text for prompt in prompts], settings):
            yield Answer(said)

    @torch.no_grad()
    def loglikelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score texts as continuations of prompts; see ``talan_eval.generation.backend.Generator``.

        Sequences are padded on the right, as in training, and the longest go first. Log-softmax and sum are in float32,
        whatever the model's type.
        """
        encoded = [self._tokens.of_pair(prompt.text, text) for prompt, text in pairs]
        lengths = [len(sequence.input_ids) for sequence in encoded]
        if max(lengths, default=0) > self.max_length:
            raise UserError(
                f"A prompt with its continuation has {max(lengths)} tokens, the backbone's context {self.max_length}.",
                "Score shorter texts, or take a --backbone with a longer context.",
            )
        found: dict[int, Likelihood] = {}
        for batch in cut(lengths, self._scored_together):
            sequences = [encoded[row] for row in batch.rows]
            found.update(zip(batch.rows, self._score(sequences), strict=True))
        return [found[row] for row in range(len(pairs))]

    @property
    def _scored_together(self) -> int:
        """Return how many sequences are scored in one pass; whole ones fill the caches of CPUs."""
        on_cpu = self._model.device.type == "cpu"
        return min(self._batch_size, _SCORED_ON_CPU) if on_cpu else self._batch_size

    def probe(self, prompt: Prompt) -> LogProbabilities:
        """Return the distribution of the first token of an answer in every state that the model has."""
        states = next_token(self._model, self._ids(prompt))
        return LogProbabilities({state: values.numpy() for state, values in states.items()})

    def liveness(self, prompt: Prompt) -> Liveness:
        """Return what adapter and block do to a prompt, at any position; nothing for a bare backbone."""
        if not hasattr(self._model, "disable_adapter"):
            return Liveness(max_logit_change=0.0)
        return liveness(cast("PeftModel", self._model), self._ids(prompt))

    def _ids(self, prompt: Prompt) -> torch.Tensor:
        return torch.tensor([self._tokens.of_prompt(prompt.text)])

    def _score(self, sequences: Sequence[EncodedExample]) -> list[Likelihood]:
        batch = collate(sequences, pad_token(self._tokenizer))
        inputs = {name: batch[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
        prompts = Prompts(lengths=torch.tensor([sequence.prompt_length for sequence in sequences]))
        with prompts_told(self._model, prompts):
            logits = cast("Any", self._model)(**inputs, use_cache=False).logits
        scores = []
        for row, sequence in enumerate(sequences):
            begin, end = sequence.prompt_length, len(sequence.input_ids)
            targets = inputs["input_ids"][row, begin:end, None]
            seen = logits[row, begin - 1 : end - 1].float()
            each = seen.log_softmax(-1).gather(1, targets)
            greedy = bool((seen.argmax(-1, keepdim=True) == targets).all())
            scores.append(Likelihood(float(each.sum()), end - begin, greedy))
        return scores


class _DrawingLM(HFLM):  # type: ignore[misc]  # lm-eval publishes no types
    """lm-eval's Hugging Face model, which draws with random numbers that belong to the prompt."""

    def __init__(self, model: Any, tokens: Tokens, batch_size: int) -> None:  # noqa: ANN401 - any model of transformers
        super().__init__(pretrained=model, tokenizer=tokens.tokenizer, batch_size=batch_size)
        self._tokens = tokens
        self._settings: Sampling | None = None
        self._prompts: tuple[str, ...] = ()

    def answers(self, prompts: Sequence[str], settings: Sampling) -> list[str]:
        """Answer prompts once, in order, each answer cut at the first stop string outside its thinking."""
        self._settings = settings
        # lm-eval's stop strings end the thinking, too; without them a model goes on to its end-of-turn token
        free = any(self._tokens.is_free(text, settings) for text in prompts)
        options = {"until": [] if free else list(settings.stop), "max_gen_toks": settings.max_tokens}
        options |= {"do_sample": False, "temperature": 0.0}  # drawing is a matter of the logits, see SampleDraw
        said: list[str] = self.generate_until([_Request((text, options)) for text in prompts], disable_tqdm=True)
        return [self._tokens.cut(text, prompt, settings) for text, prompt in zip(said, prompts, strict=True)]

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:  # noqa: ANN401, FBT001, FBT002 - lm-eval's signature
        """Decode tokens; see `Tokens.said`."""
        return self._tokens.said(tokens) if skip_special_tokens else str(super().tok_decode(tokens, False))  # noqa: FBT003 - as above

    def tok_encode(self, string: str, *_: Any, left_truncate_len: int | None = None, **__: Any) -> list[int]:  # noqa: ANN401 - lm-eval's signature
        """Encode a prompt as training does; lm-eval would let the tokenizer add to what a chat template wrote."""
        ids = self._tokens.of_prompt(string)
        return ids if left_truncate_len is None else ids[-left_truncate_len:]

    def tok_batch_encode(
        self,
        strings: Sequence[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,  # noqa: FBT001, FBT002 - lm-eval's signature
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch as training does, padded on the left, and remember whose it is."""
        del padding_side, truncation
        self._prompts = tuple(strings)
        rows = [self.tok_encode(string, left_truncate_len=left_truncate_len) for string in strings]
        shape = (len(rows), max(map(len, rows)))
        ids, mask = torch.full(shape, pad_token(self.tokenizer)), torch.zeros(shape, dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, shape[1] - len(tokens) :] = torch.tensor(tokens)
            mask[row, shape[1] - len(tokens) :] = 1
        return ids, mask

    def _model_generate(self, context: torch.Tensor, max_length: int, stop: list[str], **options: Any) -> torch.Tensor:  # noqa: ANN401 - as above
        if self._settings is not None and self._settings.temperature > 0:
            options["logits_processor"] = [SampleDraw(self._prompts, self._settings, context.device)]
        with self._token_ids_only():
            answer: torch.Tensor = super()._model_generate(context, max_length, stop, **options)
        return answer

    @property
    def _backbone(self) -> Any:  # noqa: ANN401 - any model of transformers
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    @property
    def shipped_settings(self) -> GenerationConfig:
        """The generation settings that came with the model."""
        return cast("GenerationConfig", self._backbone.generation_config)

    @contextlib.contextmanager
    def _token_ids_only(self) -> Iterator[None]:
        """Take nothing but token ids from the generation settings that come with a model, and stop where answers end.

        A repetition penalty, beams, a limit of tokens and the like would act in all arms, and on no record.
        """
        backbone, shipped = self._backbone, self.shipped_settings
        backbone.generation_config = GenerationConfig(  # type: ignore[no-untyped-call] # untyped in transformers
            bos_token_id=shipped.bos_token_id,
            eos_token_id=list(self._tokens.end_tokens(shipped)) or None,
            pad_token_id=pad_token(self.tokenizer),
        )
        try:
            yield
        finally:
            backbone.generation_config = shipped
