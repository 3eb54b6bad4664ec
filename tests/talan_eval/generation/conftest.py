"""Two checkpoints on the bundled backbone that answer otherwise than it does, and otherwise than each other."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.config import TalanConfig
from talan_eval.generation.backend import BackendOptions, BlockShape, Checkpoint
from talan_eval.generation.conformance import Subject
from talan_eval.generation.prompts import chat_renderer
from talan_eval.generation.transformers_backend import TransformersBackend
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

ARM = "talan[layer=1]+lora[r=4]"
OPTIONS = BackendOptions("float32", "cpu", 2)


def moved(model, seed):
    """Give what starts at zero a value, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small products are slower on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """The subject of conformance checks, with the tokenizer and the models in memory."""
    revision = locate(find_backbone("micro"))
    tokenizer = load_tokenizer(revision)
    models, checkpoints = [], []
    for seed in (1, 2):
        model = build(load_model(revision, "float32", torch.device("cpu")), parse_arm(ARM), seed=seed)
        models.append(moved(model, seed))
        directory = tmp_path_factory.mktemp("checkpoint")
        model.save_pretrained(str(directory))
        checkpoints.append(Checkpoint(directory))
    benchmark = load_benchmark("gsm8k_micro", data_dir=None, limit=3)
    requests = benchmark.requests(chat_renderer(tokenizer, GenerationSettings()))
    subject = Subject(
        backbone=revision,
        shape=BlockShape.of(parse_arm(ARM).block.config(TalanConfig())),
        first=checkpoints[0],
        second=checkpoints[1],
        prompts=tuple(str(request.args[0]) for request in requests),
        max_tokens=8,
    )
    return SimpleNamespace(
        revision=revision, tokenizer=tokenizer, models=models, subject=subject, backend=TransformersBackend(OPTIONS)
    )
