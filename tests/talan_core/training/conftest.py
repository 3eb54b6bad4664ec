"""What tests of training share: one short run of an arm."""

from __future__ import annotations

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.training.trainer import train


@pytest.fixture
def run(backbone, tokenizer, examples, tmp_path):
    """Train an arm with the fixtures' backbone and data; gives the model and the log."""

    def go(arm, settings, *, seed=0, model=None, data=None, work_dir=None, **options):
        made = build(backbone() if model is None else model, parse_arm(arm), seed=seed)
        place = tmp_path / "work" if work_dir is None else work_dir
        log = train(made, tokenizer, examples if data is None else data, settings, seed=seed, work_dir=place, **options)
        return made, log

    return go


@pytest.fixture
def trained():
    """The trained tensors of a model, by name."""
    return lambda model: {name: w.detach().clone() for name, w in model.named_parameters() if w.requires_grad}


@pytest.fixture
def bit_equal():
    return lambda one, other: (
        one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
    )
