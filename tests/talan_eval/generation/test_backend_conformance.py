"""The backend of transformers conforms; backends that break one promise each are found out."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.generation.backend import Answer, Checkpoint, Likelihood, LogProbabilities, OwnSettings
from talan_eval.generation.conformance import check_backend
from talan_eval.generation.registry import BACKENDS, make_backend
from talan_eval.generation.transformers_backend import TransformersBackend


class Fake:
    """Hands everything on to the backend of transformers, but for one deed that a test breaks."""

    def __init__(self, inner, **broken):
        self.inner = inner
        self.broken = broken
        self.opened = []

    def identity(self):
        return self.broken.get("identity", self.inner.identity)()

    @contextlib.contextmanager
    def start(self, backbone, shape):
        with self.inner.start(backbone, shape) as engine:
            self.engine = engine
            yield self

    @contextlib.contextmanager
    def open(self, checkpoint):
        checkpoint = self.broken.get("checkpoint", lambda _, asked: asked)(self.opened, checkpoint)
        self.opened.append(checkpoint)
        with self.engine.open(checkpoint) as generator:
            yield FakeGenerator(generator, self.broken)


class FakeGenerator:
    def __init__(self, inner, broken):
        self.inner = inner
        self.broken = broken

    @property
    def max_length(self):
        return self.inner.max_length

    def generate(self, prompts, settings):
        settings = self.broken.get("settings", lambda same: same)(settings)
        yield from self.broken.get("answers", lambda same: same)(list(self.inner.generate(prompts, settings)))

    def loglikelihood(self, pairs):
        return self.broken.get("likelihoods", lambda same: same)(self.inner.loglikelihood(pairs))

    def probe(self, prompt):
        states = self.inner.probe(prompt).states
        return LogProbabilities(self.broken.get("states", lambda same: same)(states))

    @property
    def own_settings(self):
        return self.broken.get("settings of the model", lambda same: same)(self.inner.own_settings)

    def liveness(self, prompt):
        seen = self.inner.liveness(prompt)
        change = self.broken.get("change", lambda same: same)(seen.max_logit_change)
        of_block = self.broken.get("block", lambda same: same)(seen.block_max_logit_change)
        return dataclasses.replace(seen, max_logit_change=change, block_max_logit_change=of_block)


def setting(**changes):
    return lambda settings: dataclasses.replace(settings, **changes)


def each(change):
    return lambda found: [change(one) for one in found]


def off_by_one(likelihoods):
    return [Likelihood(one.log_probability, one.tokens + 1, one.greedy) for one in likelihoods]


def in_sum_of_the_batch(likelihoods):
    return [Likelihood(one.log_probability + 0.01 * len(likelihoods), one.tokens, one.greedy) for one in likelihoods]


BROKEN = {
    "names no attention": {"identity": lambda: {"name": "fake", "version": "1", "dtype": "float32"}},
    "answers to 3 prompts are missing": {"answers": lambda found: found[:-1]},
    "do not follow their prompts": {"answers": lambda found: sorted(found, key=lambda one: one.text)},
    "alone is answered otherwise": {"answers": lambda found: [Answer(f"{one.text} {len(found)}") for one in found]},
    "max_tokens has no effect": {"settings": setting(max_tokens=8)},
    "before its stop string": {"settings": setting(stop=())},
    "Another seed draws the same": {"settings": setting(seed=0)},
    "Another sample draws the same": {"settings": setting(sample=0)},
    "temperature has no effect": {
        "settings": lambda asked: asked if asked.temperature == 0 else dataclasses.replace(asked, temperature=1.0)
    },
    "top_p has no effect": {"settings": setting(top_p=1.0)},
    "an empty text has a likelihood": {"likelihoods": off_by_one},
    "negative log-probability": {
        "likelihoods": each(lambda one: Likelihood(-one.log_probability, one.tokens, one.greedy))
    },
    "do not follow their pairs": {"likelihoods": lambda found: sorted(found, key=lambda one: one.log_probability)},
    "a pair alone has another likelihood": {"likelihoods": in_sum_of_the_batch},
    "and the probe says": {
        "likelihoods": each(lambda one: dataclasses.replace(one, log_probability=one.log_probability * 1.5))
    },
    "is the likeliest token after a prompt": {
        "likelihoods": each(lambda one: dataclasses.replace(one, greedy=not one.greedy))
    },
    "do not add up to 1": {"states": lambda states: {name: values + 1 for name, values in states.items()}},
    "no vector in float32": {"states": lambda states: {name: v.astype(np.float64) for name, v in states.items()}},
    "not among": {"states": lambda states: {"01": states["11"]}},
    "is not the likeliest one": {"states": lambda states: {"11": np.roll(states["11"], 1)}},
    "tokens at which answers stop are none": {"settings of the model": lambda _: OwnSettings(())},
    "and max_logit_change is 0": {"change": lambda _: 0.0},
    "block_max_logit_change is not a number": {"block": lambda _: None},
    "block_max_logit_change says that there is one": {
        "states": lambda states: {name: values for name, values in states.items() if name != "11"}
    },
    "it was not opened": {"checkpoint": lambda opened, asked: opened[0] if opened else asked},
    "something of that is left": {"checkpoint": lambda opened, asked: opened[1] if len(opened) > 1 else asked},
}
SAID_OTHERWISE = {"answers to 3 prompts are missing": "3 prompts have 2 answers"}


def test_the_backend_of_transformers_conforms(two):
    assert check_backend(two.backend, two.subject) == ()
    assert check_backend(Fake(two.backend), two.subject) == ()  # so that what follows is found for what it breaks


@pytest.mark.parametrize("promise", BROKEN)
def test_a_backend_that_breaks_a_promise_is_told(two, promise):
    problems = check_backend(Fake(two.backend, **BROKEN[promise]), two.subject)
    assert any(SAID_OTHERWISE.get(promise, promise).lower() in problem.lower() for problem in problems), problems


def test_a_model_in_memory_conforms_and_answers_as_from_disk(two):
    trained = [
        Checkpoint(checkpoint.directory, trained=model)
        for checkpoint, model in zip((two.subject.first, two.subject.second), two.models, strict=True)
    ]
    assert (
        check_backend(two.backend, dataclasses.replace(two.subject, first=trained[0], second=two.subject.second)) == ()
    )
    assert check_backend(two.backend, dataclasses.replace(two.subject, second=trained[1])) == ()
    # Memory, disk, memory: check_backend would say that the last differs from the first.
    switching = Fake(two.backend, checkpoint=lambda opened, asked: trained[0] if not opened else asked)
    assert check_backend(switching, two.subject) == ()


def test_a_backend_is_added_by_a_line_and_an_unknown_one_is_named(two):
    known = {**BACKENDS, "mine": f"{TransformersBackend.__module__}:TransformersBackend"}
    assert isinstance(make_backend("mine", two.backend._options, known), TransformersBackend)
    with pytest.raises(UserError, match=r"backend 'transformer'.*\n?.*transformers"):
        make_backend("transformer", two.backend._options)
