"""A comparison's directory as training leaves it: three seeds of three arms with moved weights, and no answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model
from talan_core.portable import make_portable
from talan_core.quiet import library_warnings_silenced
from talan_eval.grid import plan
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.session import open_session
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.internals import InternalsRequest

STEPS = 5
TREATED = ("talan[layer=2]+lora", "talan+lora")
REQUEST = CompareRequest(
    base="lora", treat=TREATED, seeds="3", tasks="gsm8k_micro,mbpp_micro", limit=4, steps=STEPS, batch_size=2
)


def moved(model, seed):
    """Give every trainable weight another value, as training would: the block's writes are a tenth of the stream."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                size = 0.3 if name.endswith("gate") else 0.02
                weight.add_(torch.randn(weight.shape, generator=draw) * size)
    return model


def make_comparison(directory):
    prepared = prepare(replace(REQUEST, out=directory))
    assignment = prepared.assignments[0]
    with open_session(prepared) as session:
        for run in plan(prepared.experiment):
            backbone = load_model(assignment.revision, "float32", torch.device("cpu"))
            model = moved(
                build(backbone, parse_arm(run.arm), seed=run.seed, defaults=assignment.operating_point), run.seed
            )
            with session.store.checkpoint_dir(run.cell_id) as place, library_warnings_silenced():
                model.save_pretrained(str(place))
                make_portable(place, assignment.revision.location, run.backbone)
            log = {"losses": [1.0] * STEPS}
            session.store.seal(
                run.cell_id,
                {"kind": "training", "arm": run.arm, "backbone": run.backbone, "seed": run.seed, "log": log},
            )
    (directory / "request.json").write_text(json.dumps({}))


@pytest.fixture(scope="session")
def comparison(tmp_path_factory):
    """The directory; not to be changed."""
    directory = tmp_path_factory.mktemp("comparison") / "cmp"
    make_comparison(directory)
    return directory


@pytest.fixture(scope="session")
def request_(comparison):
    return InternalsRequest(results=comparison, examples=3)
