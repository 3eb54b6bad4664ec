"""The backend "openai": a server that somebody runs already answers for arms that are stored, or untrained.

What it serves is compared with the checkpoint's own files before it is asked: the likeliest tokens after the probes
must have the probabilities that transformers gives them, and be nearer to those than to what the backbone, the
checkpoint with its block silent and the checkpoints opened before give them; and no other name may fit the files
better. Where it cannot say log-probabilities, it is refused; where rounding hides the difference, it is warned.

Not covered: `probe` shows no state, because a server says the likeliest tokens only; `liveness` is measured on the
files.
"""

from __future__ import annotations

import contextlib
import json
import warnings
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
from talan_eval.generation.probing import PROBE, TOLERANCE, Seen, probes_of
from talan_eval.generation.sampling import row_seed
from talan_eval.generation.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel

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

_TOP: Final = 5
_LOOKED_AT: Final = 50
_SHARED: Final = 2  # tokens of a probe that server and files must both name: one may agree by chance
_SEED_BITS: Final = 2**31 - 1
_CPU: Final = torch.device("cpu")
_BACKBONE: Final = "the backbone"


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
            "models": json.dumps(self._endpoint.arms or self._endpoint.models),
        }

    def check(self, backbone: Revision, arms: ArmsAsked) -> None:
        """Refuse arms that are trained here, and names that the server does not have."""
        del backbone
        trained = sorted(arms.trained - {Base.kind})
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
        self._listener = _Listener(server, () if options.endpoint is None else options.endpoint.models)
        self._earlier: dict[str, torch.Tensor] = {}

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
        probes = probes_of(tokens.of_prompt(PROBE))
        if checkpoint.backbone is not None and checkpoint.tokenizer is None and _BACKBONE not in self._earlier:
            self._earlier[_BACKBONE] = _files_say(load_model(self._backbone, "float32", _CPU), probes)["00"]
        model: Any = load_model(checkpoint.backbone or self._backbone, "float32", _CPU)
        if checkpoint.directory is not None:
            model = talan_core.load(checkpoint.directory, model).eval()
        says = self._models.get(checkpoint.served, {}).get("max_model_len")
        own = int(resolve_max_length(model.config, tokens.tokenizer))
        length = (min(own, says) if isinstance(says, int) else own) - 1  # to score a text it must generate a token more
        asked = _ServedModel(self._server, checkpoint.served, self._options.batch_size)
        generator = OpenaiGenerator(asked, model, tokens, length)
        generator.compare(checkpoint, self._listener, self._earlier)
        yield generator


class _Listener:
    """What a server says after the probes, under each name of a comparison; each is asked once.

    Args:
        server: The server.
        names: Of the models that are asked.
    """

    def __init__(self, server: CompletionServer, names: Sequence[str]) -> None:
        self._server, self._names = server, names
        self._heard: dict[tuple[str, tuple[int, ...]], Mapping[str, float]] = {}

    def says(self, model: str, probes: Sequence[tuple[int, ...]]) -> list[Mapping[str, float]]:
        """Return the log-probabilities of the likeliest tokens after each probe, by their text; empty where unsaid."""
        for ids in probes:
            if (model, ids) not in self._heard:
                scored = self._server.complete(model, ids, {"max_tokens": 1, "temperature": 0, "logprobs": _TOP}).scored
                self._heard[model, ids] = scored.likeliest[0] if scored is not None and scored.likeliest else {}
        return [self._heard[model, ids] for ids in probes]

    def others(self, model: str, probes: Sequence[tuple[int, ...]]) -> Iterator[tuple[str, list[Mapping[str, float]]]]:
        """Yield what is said under each other name; a model that cannot read these tokens is left out."""
        for name in self._names:
            if name != model:
                with contextlib.suppress(UserError):
                    yield name, self.says(name, probes)


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
        if longest > self.max_length:
            raise UserError(
                f"A prompt with its continuation has {longest} tokens, and a server with a context of "
                f"{self.max_length + 1} scores one less.",
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

    def compare(self, checkpoint: Checkpoint, listener: _Listener, earlier: dict[str, torch.Tensor]) -> None:
        """Refuse a server that does not say after the probes what the files say, or says what others' files do.

        Args:
            checkpoint: What it should have.
            listener: Asks it.
            earlier: What files of other checkpoints say, (probes, vocabulary) by what they are; the own are added.

        Raises:
            UserError: It has something else, or says too little to see it.

        Warns:
            UserWarning: It may have something else, and rounding hides it.
        """
        name, probes = self._asked.model, probes_of(self._tokens.of_prompt(PROBE))
        said = listener.says(name, probes)
        if not all(said):
            raise UserError(
                f"The server says no log-probabilities of {name}, so it cannot be seen what it serves.",
                "Let it serve with log-probabilities, or type --backend transformers.",
            )
        states = _files_say(self._files, probes)
        own = states.pop("11" if "11" in states else "10" if "10" in states else "00")
        backbone = _BACKBONE if checkpoint.backbone is None else checkpoint.backbone.location
        files = str(checkpoint.directory or backbone)
        rivals = {backbone if state == "00" else f"{files} with its block silent": one for state, one in states.items()}
        rivals |= {what: one for what, one in earlier.items() if what != files and one.shape == own.shape}
        earlier[files] = own
        places = self._places(said, own)
        if places is None:
            raise UserError(
                f"The server does not say of {name} what the files of {files} say: of the likeliest tokens that it "
                f"names after a probe, fewer than {_SHARED} are among the {_LOOKED_AT} likeliest of the files.",
                "Check which model it has under that name, or type another: --served ARM=MODEL",
            )
        seen = Seen(*_at(places, said, own))
        if seen.largest > TOLERANCE["bfloat16"]:
            raise UserError(
                f"The server does not say of {name} what the files of {files} say: log-probabilities differ by "
                f"{seen.largest:.2g}.",
                "Check which model it has under that name, or type another: --served ARM=MODEL",
            )
        found = {what: seen.nearer(_at(places, said, one)[1]) for what, one in rivals.items()}
        nearer = [what for what, whose in found.items() if whose == "other"]
        for other, heard in listener.others(name, probes):
            there = self._places(heard, own)
            if there is not None and seen.is_of(Seen(*_at(there, heard, own))):
                nearer.append(f"what it has as {other} says them: that is {files}")
        _judge(name, files, nearer, [what for what, whose in found.items() if whose == "unclear"])

    def _places(self, said: Sequence[Mapping[str, float]], own: torch.Tensor) -> list[dict[str, int]] | None:
        """Return the token of each text that both name, by probe; None where they are too few."""
        found = []
        for texts, row in zip(said, own, strict=True):
            likeliest = [int(place) for place in row.topk(min(_LOOKED_AT, len(row))).indices]
            # Of tokens with the same text the likeliest stays.
            tokens = {str(self._tokens.tokenizer.decode([place])): place for place in reversed(likeliest)}
            found.append({text: tokens[text] for text in texts if text in tokens})
        return found if min(len(one) for one in found) >= _SHARED else None


def _files_say(model: Any, probes: Sequence[tuple[int, ...]]) -> dict[str, torch.Tensor]:  # noqa: ANN401 - any model
    """Return the log-probabilities after the probes, (probes, vocabulary), in each state that a model has."""
    rows = [next_token(model, torch.tensor([ids])) for ids in probes]
    return {state: torch.stack([row[state] for row in rows]) for state in rows[0]}


def _at(
    places: Sequence[Mapping[str, int]], said: Sequence[Mapping[str, float]], files: torch.Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what was said, and what files say, of the same tokens."""
    each = [(probe, text, token) for probe, one in enumerate(places) for text, token in one.items()]
    return (
        tuple(said[probe][text] for probe, text, _ in each),
        tuple(float(files[probe, token]) for probe, _, token in each),
    )


def _judge(name: str, files: str, nearer: Sequence[str], unclear: Sequence[str]) -> None:
    if nearer:
        raise UserError(
            f"The server does not have {files} as {name}: its log-probabilities are nearer to those of "
            f"{'; '.join(nearer)}.",
            "Check which adapter it has under that name; where it is the right one, serve it in float32, as with vllm "
            "serve --dtype float32. For another name type --served ARM=MODEL",
        )
    if unclear:
        warnings.warn(
            f"It cannot be told whether the server has {files} as {name}, or {'; '.join(unclear)}: their "
            "log-probabilities differ by less than the server's rounding. Serve in float32 to see it, as with vllm "
            "serve --dtype float32.",
            stacklevel=3,
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
