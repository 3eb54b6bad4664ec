"""A server answers and scores what the files say, or is refused; a server of the test's own stands for others."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from talan_core.backbones.load import load_model, load_tokenizer
from talan_core.errors import UserError
from talan_eval.generation.backend import ArmsAsked, BackendOptions, Checkpoint, Endpoint, Prompt, Sampling
from talan_eval.generation.openai_backend import OpenaiBackend
from talan_eval.generation.tokens import Tokens


@pytest.fixture(scope="module")
def served(two, serving):
    base = load_model(two.revision, "float32", torch.device("cpu"))
    models = {"base": base, "mine-1": two.models[0], "mine-2": two.models[1]}
    return serving.Served(models, two.tokenizer)


@pytest.fixture(scope="module")
def address(served, serving):
    with serving.server_of(served) as base_url:
        yield base_url


def backend_at(address, *models):
    return OpenaiBackend(BackendOptions("float32", "cpu", 4, endpoint=Endpoint(address, models)))


def named(checkpoint, name):
    return dataclasses.replace(checkpoint, served=name)


def test_it_says_and_scores_what_transformers_does(two, served, address):
    prompts = [Prompt(text) for text in two.subject.prompts]
    pairs = [(prompt, text) for prompt in prompts for text in (" 7 is the answer.", "\n", "")]
    backend = backend_at(address, "base", "mine-1", "mine-2")
    assert backend.identity() == {
        "name": "openai",
        "version": "tests 9.9",
        "dtype": "as served",
        "attention": "as served",
        "models": json.dumps(["base", "mine-1", "mine-2"]),
    }
    checkpoints = {"base": Checkpoint(None), "mine-1": two.subject.first, "mine-2": two.subject.second}
    with backend.start(two.revision, None) as asked, two.backend.start(two.revision, None) as plain:
        for name, checkpoint in checkpoints.items():
            with asked.open(named(checkpoint, name)) as seen, plain.open(checkpoint) as expected:
                settings = Sampling(max_tokens=12, stop=("\n",))
                assert [*seen.generate(prompts, settings)] == [*expected.generate(prompts, settings)]
                for one, other in zip(seen.loglikelihood(pairs), expected.loglikelihood(pairs), strict=True):
                    assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)
                    assert (one.tokens, one.greedy) == (other.tokens, other.greedy)
                assert seen.own_settings == expected.own_settings
                assert seen.liveness(prompts[0]) == expected.liveness(prompts[0])
                assert seen.max_length == expected.max_length - 1  # a server generates a token behind what it scores
                ids = Tokens(load_tokenizer(two.revision)).of_pair
                fits = max(n for n in range(2000) if len(ids(prompts[0].text, "9" * n).input_ids) <= seen.max_length)
                (longest,) = seen.loglikelihood([(prompts[0], "9" * fits)])
                assert longest.tokens > 0
                with pytest.raises(UserError, match="scores one less"):
                    seen.loglikelihood([(prompts[0], "9" * (fits + 1))])
                [*seen.generate(prompts[:1], Sampling(max_tokens=1, temperature=0.7, seed=3))]
                drawn = served.asked[-1]
                assert drawn["temperature"] == 0.7
                assert 0 <= drawn["seed"] < 2**31
                assert drawn["top_k"] == -1  # nothing of the server's own


def test_a_server_with_another_model_under_the_name_is_refused(two, address):
    backend = backend_at(address, "mine-2")
    with backend.start(two.revision, None) as asked:
        with (
            pytest.raises(UserError, match="does not say of mine-2 what the files"),
            asked.open(named(two.subject.first, "mine-2")),
        ):
            pass
        with pytest.raises(UserError, match="HTTP 404"), asked.open(named(two.subject.first, "other")):
            pass


@pytest.mark.parametrize(("form", "why"), [("none", "no log-probabilities of mine-1"), ("chats", None)])
def test_log_probabilities_in_other_forms_are_read_or_missed(two, served, serving, form, why):
    other = serving.Served(served.models, served.tokenizer, form=form, version=None)
    with serving.server_of(other) as address:
        backend = backend_at(address, "mine-1")
        assert backend.identity()["version"] == "tests unknown"
        with backend.start(two.revision, None) as asked:
            if why is not None:
                with pytest.raises(UserError, match=why), asked.open(named(two.subject.first, "mine-1")):
                    pass
                return
            with asked.open(named(two.subject.first, "mine-1")) as seen:
                assert len([*seen.generate([Prompt(two.subject.prompts[0])], Sampling(max_tokens=2))]) == 1


def test_what_cannot_be_asked_is_said_before_anything_is(two, address):
    backend = backend_at(address, "base", "yours")
    with pytest.raises(UserError, match="has no yours; it has base, mine-1, mine-2"):
        backend.check(two.revision, ArmsAsked(trained=frozenset({"base"})))
    with pytest.raises(UserError, match="lora is trained here"):
        backend.check(two.revision, ArmsAsked(trained=frozenset({"base", "lora"})))
    with pytest.raises(UserError, match="needs the address"):
        OpenaiBackend(BackendOptions("float32", "cpu", 4))
    with pytest.raises(UserError, match="No server answers"):
        backend_at("http://127.0.0.1:9/v1", "base").identity()
