"""One of several processes that train together; started by test_several_processes.py, not collected by pytest."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import torch
from accelerate import FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import distributed

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import make_model, make_tokenizer

from talan_core.arms import build, parse_arm
from talan_core.training.data import Example
from talan_core.training.sharding import is_sharded, save_whole
from talan_core.training.trainer import train
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(
    steps=4, batch_size=2, accumulation=2, learning_rate=5e-3, max_length=64, max_grad_norm=0.05, weight_decay=0.01
)
EXAMPLES = [Example(f"{a}+{b}=", str(a + b) * (1 + a % 3), "sums") for a in range(3, 12) for b in range(2)]
ARM = "talan[layer=1]+lora"


def shard_on_cpu() -> None:
    """Tell accelerate to use FSDP2 although there is no GPU, which it does not offer by itself."""
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", state_dict_type="FULL_STATE_DICT"
    )
    initialise = AcceleratorState.__init__

    def initialise_sharded(self, *args, **kwargs):
        initialise(self, *args, **kwargs)
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, plugin

    AcceleratorState.__init__ = initialise_sharded


def go(work_dir: Path, **changes):
    model = build(make_model(), parse_arm(ARM), seed=0)
    steps: list[int] = []
    log = train(
        model,
        make_tokenizer(),
        EXAMPLES,
        dataclasses.replace(SETTINGS, **changes),
        seed=0,
        work_dir=work_dir,
        on_step=lambda step, *_: steps.append(step),
        save_every=2,
    )
    return model, log, steps


def main(mode: str, out: Path) -> None:
    torch.set_num_threads(1)
    if mode == "sharded":
        shard_on_cpu()
    model, log, steps = go(out / "run")
    save_whole(model, out / "arm")
    result = {"losses": log.losses, "steps": steps, "sharded": is_sharded(model)}
    if mode == "sharded":
        first = distributed.get_rank() == 0
        if first:
            shutil.copytree(out / "run", out / "broken")
            shutil.rmtree(out / "broken" / "checkpoint-4")
        distributed.barrier()
        again, resumed, result["resumed_steps"] = go(out / "broken")
        save_whole(again, out / "resumed")
        result["resumed_losses"] = resumed.losses
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        (out / "result.json").write_text(json.dumps(result))
    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
