"""A server that has a checkpoint's neighbour under its name is refused, and where rounding hides that, it is said."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import Revision, load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_eval.generation.backend import BackendOptions, Checkpoint, Endpoint
from talan_eval.generation.openai_backend import OpenaiBackend
from talan_eval.generation.probing import Seen, probes_of

LITTLE = 0.005  # moves log-probabilities by some hundredths, as few steps of training do


def learned(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(LITTLE * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def modest(tmp_path_factory):
    """Checkpoints and models by name: a backbone, three seeds of LoRA, one with a block, one of whole weights."""
    revision = locate(find_backbone("micro"))

    def backbone():
        return load_model(revision, "float32", torch.device("cpu"))

    models, checkpoints = {"base": backbone()}, {"base": Checkpoint(None)}
    for name, arm, seed in (
        ("lora-1", "lora[r=4]", 1),
        ("lora-2", "lora[r=4]", 2),
        ("lora-3", "lora[r=4]", 3),
        ("block", "talan[layer=1]+lora[r=4]", 4),
    ):
        models[name] = learned(build(backbone(), parse_arm(arm), seed=seed), seed)
        directory = tmp_path_factory.mktemp(name)
        models[name].save_pretrained(str(directory))
        checkpoints[name] = Checkpoint(directory)
    whole, directory = backbone().eval(), tmp_path_factory.mktemp("whole")
    with torch.no_grad():
        whole.get_output_embeddings().weight.mul_(1.02)
    whole.save_pretrained(str(directory))
    models["whole"], checkpoints["whole"] = whole, Checkpoint(None, backbone=Revision(str(directory), None, None))
    return SimpleNamespace(
        revision=revision, tokenizer=load_tokenizer(revision), models=models, checkpoints=checkpoints
    )


@pytest.fixture
def opened(modest, serving):
    """Open checkpoints by name, in order, at a server that has what `has` says under each name."""

    def open_all(names, has, served_as=serving.Served):
        with serving.server_of(served_as(has, modest.tokenizer)) as address:
            options = BackendOptions("float32", "cpu", 4, endpoint=Endpoint(address, tuple(sorted(has))))
            with OpenaiBackend(options).start(modest.revision, None) as engine:
                for name in names:
                    checkpoint = modest.checkpoints[name]
                    with engine.open(Checkpoint(checkpoint.directory, checkpoint.backbone, served=name)):
                        pass

    return open_all


class Noisy:
    """A model whose log-probabilities are rounded, each time and place otherwise."""

    def __init__(self, model, size):
        self.model, self.size, self.generator = model, size, torch.Generator().manual_seed(0)

    def __call__(self, **inputs):
        logits = self.model(**inputs).logits
        return SimpleNamespace(logits=logits + self.size * torch.randn(logits.shape, generator=self.generator))


def test_each_checkpoint_is_told_from_all_others(modest, opened):
    opened([*modest.models], modest.models)  # a warning would be an error


@pytest.mark.parametrize(
    ("name", "has", "why"),
    [
        ("lora-1", {"lora-1": "lora-2", "lora-2": "lora-1"}, "what it has as lora-2 says them"),
        ("lora-2", {"lora-1": "lora-3", "lora-2": "lora-1", "lora-3": "lora-2"}, "what it has as lora-3 says them"),
        ("base", {"base": "lora-1", "lora-1": "base"}, "what it has as lora-1 says them"),
        ("lora-1", {"lora-1": "base"}, "nearer to those of the backbone"),
        ("whole", {"whole": "base"}, "nearer to those of the backbone"),
        ("block", {"block": "base"}, "nearer to those of the backbone"),
    ],
)
def test_another_model_near_it_is_refused_with_what_to_type(modest, opened, name, has, why):
    with pytest.raises(UserError, match=why) as found:
        opened([name], {under: modest.models[real] for under, real in has.items()})
    assert str(found.value).endswith("--served ARM=MODEL")


def test_one_seed_under_two_names_is_refused_at_the_second(modest, opened):
    both = {"lora-1": modest.models["lora-1"], "lora-2": modest.models["lora-1"]}
    with pytest.raises(UserError, match=r"as lora-2: its log-probabilities are nearer to those of .*lora-1"):
        opened(["lora-1", "lora-2"], both)


def test_an_adapter_served_without_its_block_is_refused(modest, opened):
    model = modest.models["block"]

    def silent(**inputs):
        with model.blocks_off():
            return model(**inputs)

    with pytest.raises(UserError, match="with its block silent"):
        opened(["block"], {"block": silent})


def test_rounding_that_hides_which_it_has_is_warned_of(modest, opened):
    with pytest.warns(UserWarning, match="cannot be told whether the server has .* as lora-1, or the backbone"):
        opened(["lora-1"], {"lora-1": Noisy(modest.models["lora-1"], 0.08)})


def test_one_shared_token_is_too_few(modest, opened, serving):
    class Curt(serving.Served):
        def _scored(self, model, body, scores):
            return super()._scored(model, {**body, "logprobs": 1}, scores)

    with pytest.raises(UserError, match="fewer than 2 are among"):
        opened(["lora-1"], {"lora-1": modest.models["lora-1"]}, served_as=Curt)


@pytest.mark.parametrize(
    ("said", "whose"),
    [
        ((0.0, 0.0), "own"),
        ((0.04, 0.04), "own"),
        ((0.06, 0.06), "other"),
        ((0.1, 0.1), "other"),
        ((0.06, -0.06), "unclear"),
        ((0.3, 0.3), "unclear"),
    ],
)
def test_what_is_said_belongs_to_the_nearer_files_or_to_neither(said, whose):
    assert Seen(said, (0.0, 0.0)).nearer((0.1, 0.1)) == whose


def test_files_that_say_the_same_are_no_rivals_and_nearly_the_same_no_proof():
    assert Seen((0.3,), (0.0,)).nearer((0.0,)) == "own"
    assert Seen((0.0009,), (0.0,)).nearer((0.0009,)) == "unclear"
    assert not Seen((0.0009,), (0.0,)).is_of(Seen((0.0,), (0.0,)))
    assert Seen((0.1,), (0.0,)).is_of(Seen((0.04,), (0.0,)))
    assert not Seen((0.1,), (0.0,)).is_of(Seen((0.06,), (0.0,)))


def test_probes_grow_to_the_whole():
    assert probes_of(range(9)) == [(0, 1), (0, 1, 2, 3), (0, 1, 2, 3, 4, 5), tuple(range(9))]
    assert probes_of([7]) == [(7,)] * 4
