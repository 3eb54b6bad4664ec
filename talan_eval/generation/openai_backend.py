"""The backend "openai": a server that somebody runs already answers for arms that are stored, or untrained.

What it serves is compared with the checkpoint's own files before it is asked: the likeliest first tokens after a probe
must have the probabilities that transformers gives them. Where it cannot say log-probabilities, it is refused.

Not covered: `probe` shows no state, because a server says the likeliest tokens only; `liveness` is measured on the
files.
"""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from lm_eval.models.utils import resolve_max_length

import talan_core
from talan_core.backbones.load import load_model, load_tokenizer
from talan_core.errors import UserError
from talan_core.partners.plain import Base
from talan_core.probe import Liveness, liveness, next_token
from talan_eval.generation.backend import Answer, Likelihood, LogProbabilities
from talan_eval.generation.endpoint import CompletionServer
from talan_eval.generation.probing import PROBE, TOLERANCE
from talan_eval.generation.sampling import row_seed
from talan_eval.generation.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel

    from talan_core.backbones.load import Revision
    from talan_core.plain import PlainModel
    from talan_core.training.encoding import EncodedExample
    from talan_eval.generation.backend import BackendOptions, BlockShape, Checkpoint, OwnSettings, Prompt, Sampling

_TOP: Final = 5
_LOOKED_AT: Final = 50
_SEED_BITS: Final = 2**31 - 1
_CPU: Final = torch.device("cpu")


class OpenaiBackend:
    """Asks a server.

    Args:
        options: What every backend is made from, the endpoint included.

    Raises:
        UserError: No address is given.
    """

    def __init__(self, options: BackendOptions) -> None:
        if options.endpoint is None:
            raise UserError(
                "--backend openai needs the address of a server.", "Type --base-url http://127.0.0.1:8000/v1"
            )
        self._options = options
        self._endpoint = options.endpoint
        self._server = CompletionServer(options.endpoint.base_url)

    @cached_property
    def _models(self) -> dict[str, Mapping[str, Any]]:
        return self._server.models()

    def identity(self) -> dict[str, str]:
        """Return who answers and under which names it was asked; type and attention are the server's matter."""
        owners = sorted({str(one.get("owned_by", "unknown")) for one in self._models.values()})
        return {
            "name": "openai",
            "version": f"{','.join(owners) or 'unknown'} {self._server.version()}",
            "dtype": "as served",
            "attention": "as served",
            "models": json.dumps(self._endpoint.models),
        }

    def check(self, backbone: Revision, shapes: Collection[BlockShape], partners: Collection[str]) -> None:
        """Refuse arms that are trained here, and names that the server does not have."""
        del backbone, shapes
        trained = sorted(set(partners) - {Base.kind})
        if trained:
            raise UserError(
                f"A server answers for stored arms and for base, and {', '.join(trained)} is trained here.",
                "Name stored arms, as in --treat mine=DIR, or type --backend transformers.",
            )
        absent = sorted(set(self._endpoint.models) - self._models.keys())
        if absent:
            raise UserError(
                f"The server at {self._endpoint.base_url} has no {', '.join(absent)}; it has "
                f"{', '.join(sorted(self._models)) or 'no models'}.",
                "Type under which name it has an arm: --served ARM=MODEL",
            )

    @contextlib.contextmanager
    def start(self, backbone: Revision, shape: BlockShape | None) -> Iterator[OpenaiEngine]:
        """Start nothing: the server runs already."""
        del shape
        yield OpenaiEngine(self._server, self._models, backbone, self._options)


class OpenaiEngine:
    """A server, and the files of the backbone that its models come from.

    Args:
        server: The server.
        models: What it says of its models, by name.
        backbone: Where the backbone's files are.
        options: As for the backend.
    """

    def __init__(
        self,
        server: CompletionServer,
        models: Mapping[str, Mapping[str, Any]],
        backbone: Revision,
        options: BackendOptions,
    ) -> None:
        self._server = server
        self._models = models
        self._backbone = backbone
        self._options = options

    def takes(self, shape: BlockShape | None) -> bool:
        """Say that any checkpoint can be opened that the server has."""
        del shape
        return True

    @contextlib.contextmanager
    def open(self, checkpoint: Checkpoint) -> Iterator[OpenaiGenerator]:
        """Open a checkpoint.

        Raises:
            UserError: What is served is not what its files say.
        """
        if checkpoint.served is None:
            raise ValueError("a checkpoint that no server has")
        tokens = Tokens(load_tokenizer(checkpoint.tokenizer or self._backbone))
        model: Any = load_model(checkpoint.backbone or self._backbone, "float32", _CPU)
        if checkpoint.directory is not None:
            model = talan_core.load(checkpoint.directory, model).eval()
        says = self._models.get(checkpoint.served, {}).get("max_model_len")
        own = int(resolve_max_length(model.config, tokens.tokenizer))
        length = min(own, says) if isinstance(says, int) else own
        asked = _ServedModel(self._server, checkpoint.served, self._options.batch_size)
        generator = OpenaiGenerator(asked, model, tokens, length)
        generator.compare(checkpoint)
        yield generator


class _ServedModel:
    """A model of a server, asked many things at a time."""

    def __init__(self, server: CompletionServer, model: str, at_a_time: int) -> None:
        self.server, self.model, self._at_a_time = server, model, at_a_time

    def all(self, prompts: Sequence[Sequence[int]], options: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return what is said to each prompt, in order."""
        with ThreadPoolExecutor(self._at_a_time) as pool:
            return list(pool.map(lambda ids, how: self.server.complete(self.model, ids, how), prompts, options))


class OpenaiGenerator:
    """A model of a server as a generator.

    Args:
        asked: The model.
        files: The same as its files say, in float32.
        tokens: By which it is asked.
        max_length: Most tokens of prompt and answer together.
    """

    def __init__(
        self, asked: _ServedModel, files: PeftModel | PlainModel | PreTrainedModel, tokens: Tokens, max_length: int
    ) -> None:
        self._asked = asked
        self._files = files
        self._tokens = tokens
        self._ends = list(tokens.end_tokens(self._backbone.generation_config))
        self.max_length = max_length

    @property
    def own_settings(self) -> OwnSettings:
        """What is used of the model's own generation settings: token ids, and nothing else."""
        return self._tokens.own_settings(self._backbone.generation_config)

    @property
    def _backbone(self) -> Any:  # noqa: ANN401 - any model of transformers
        return cast("Any", self._files).get_base_model() if hasattr(self._files, "get_base_model") else self._files

    def generate(self, prompts: Sequence[Prompt], settings: Sampling) -> Iterator[Answer]:
        """Answer each prompt once; see :class:`talan_eval.generation.backend.Generator`.

        Random numbers are the server's, from a seed that belongs to sampling seed, sample and prompt.
        """
        asked = [self._tokens.of_prompt(prompt.text) for prompt in prompts]
        found = self._asked.all(asked, [self._options(prompt.text, settings) for prompt in prompts])
        for prompt, one in zip(prompts, found, strict=True):
            yield Answer(self._tokens.cut(self._tokens.without_special(one.text), prompt.text, settings))

    def _options(self, prompt: str, settings: Sampling) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "stop_token_ids": self._ends,
            "skip_special_tokens": not self._tokens.has_marks,
        }
        if settings.temperature > 0:
            seed = row_seed(prompt, settings.seed, settings.sample) & _SEED_BITS
            options |= {"top_p": settings.top_p, "seed": seed}
        if not self._tokens.is_free(prompt, settings):
            options["stop"] = [text for text in settings.stop if text]
        return options

    def loglikelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score texts as continuations of prompts; see :class:`talan_eval.generation.backend.Generator`."""
        encoded = [self._tokens.of_pair(prompt.text, text) for prompt, text in pairs]
        longest = max((len(one.input_ids) for one in encoded), default=0)
        if longest >= self.max_length:
            raise UserError(
                f"A prompt with its continuation has {longest} tokens, and a server with a context of "
                f"{self.max_length} scores one less.",
                "Score shorter texts, or let it serve with a longer context.",
            )
        options = {"max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        found = self._asked.all([one.input_ids for one in encoded], [options] * len(encoded))
        return [_likelihood(sequence, one.scored) for sequence, one in zip(encoded, found, strict=True)]

    def probe(self, prompt: Prompt) -> LogProbabilities:
        """Return no state: a server says the likeliest tokens only."""
        del prompt
        return LogProbabilities({})

    def liveness(self, prompt: Prompt) -> Liveness:
        """Return what adapter and block of the files do to a prompt; that those are what is served was compared."""
        if not hasattr(self._files, "disable_adapter"):
            return Liveness(max_logit_change=0.0)
        return liveness(cast("PeftModel", self._files), torch.tensor([self._tokens.of_prompt(prompt.text)]))

    def compare(self, checkpoint: Checkpoint) -> None:
        """Refuse a server that does not say after the probe what the files say."""
        ids = self._tokens.of_prompt(PROBE)
        options = {"max_tokens": 1, "temperature": 0, "logprobs": _TOP}
        scored = self._asked.server.complete(self._asked.model, ids, options).scored
        if scored is None or not scored.likeliest or not scored.likeliest[0]:
            raise UserError(
                f"The server says no log-probabilities of {self._asked.model}, so it cannot be seen what it serves.",
                "Let it serve with log-probabilities, or type --backend transformers.",
            )
        states = next_token(self._files, torch.tensor([ids]))
        expected = states.get("11", states.get("10", states["00"]))
        likeliest = [int(place) for place in expected.topk(_LOOKED_AT).indices]
        texts = {str(self._tokens.tokenizer.decode([place])): float(expected[place]) for place in likeliest}
        shared = {text: value for text, value in scored.likeliest[0].items() if text in texts}
        apart = max((abs(value - texts[text]) for text, value in shared.items()), default=float("inf"))
        if apart > TOLERANCE["bfloat16"]:
            raise UserError(
                f"The server does not say of {self._asked.model} what the files of "
                f"{checkpoint.directory or checkpoint.backbone or 'the backbone'} say: log-probabilities differ by "
                f"{apart:.2g}.",
                "Check which model it has under that name, or type another: --served ARM=MODEL",
            )


def _likelihood(sequence: EncodedExample, scored: Any) -> Likelihood:  # noqa: ANN401 - Scored or None
    begin, end = sequence.prompt_length, len(sequence.input_ids)
    if scored is None or len(scored.own) < end:
        raise UserError(
            "The server says no log-probabilities of prompts (echo).",
            "Leave out what is scored: --no-loss, and tasks whose answers are written.",
        )
    each = [float(cast("float", one)) for one in scored.own[begin:end]]
    tops = scored.likeliest[begin:end]
    greedy = all(own >= max(top.values(), default=own) for own, top in zip(each, tops, strict=True))
    return Likelihood(sum(each), len(each), greedy)
