"""lm-eval with the model `talan`: block included, equal to our own evaluation, never the bare backbone in disguise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_core.integrations.lm_eval import register
from talan_core.integrations.lm_eval.talan_lm import TalanLM
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.tasks.benchmark import load_benchmark

ROOT = Path(__file__).parents[3]
TASK = "gsm8k_micro"
MICRO = find_backbone("micro")


def micro():
    return load_model(locate(MICRO), MICRO.dtype, torch.device("cpu"))


def awake(model):
    """Give adapter and block something to say, as training would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.02 * torch.randn(weight.shape, generator=generator))
            if name.endswith("writeback.gate"):
                weight.fill_(0.3)
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An arm with a block on the bundled backbone, saved; and its model."""
    directory = tmp_path_factory.mktemp("arm")
    model = awake(build(micro(), parse_arm("talan+lora"), seed=0))
    model.save_pretrained(str(directory))
    return directory, model


def run_lm_eval(*model_args, out):
    command = [sys.executable, "-m", "talan_core.integrations.lm_eval", "run", "--model", "talan"]
    command += ["--model_args", ",".join(model_args), "--include_path", str(ROOT / "tasks" / "micro"), "--tasks", TASK]
    command += ["--limit", "4", "--batch_size", "4", "--device", "cpu", "--apply_chat_template", "--log_samples"]
    return subprocess.run(
        [*command, "--output_path", str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def answers_of(model):
    tokenizer = load_tokenizer(locate(MICRO))
    generator = TransformersGenerator(model, tokenizer, 4)
    ours = evaluate(generator, tokenizer, load_benchmark(TASK, data_dir=None, limit=4), 4)
    return [sample.answer for sample in ours.samples]


def test_lm_eval_scores_the_answers_of_our_own_evaluation_and_not_the_backbones(checkpoint):
    directory, model = checkpoint
    register()
    tasks = TaskManager(include_path=str(ROOT / "tasks" / "micro"), include_defaults=False)
    results = simple_evaluate(
        model="talan",
        model_args={"pretrained": str(directory)},
        device="cpu",
        batch_size=4,
        tasks=[TASK],
        task_manager=tasks,
        limit=4,
        apply_chat_template=True,
    )
    answers = [sample["resps"][0][0] for sample in results["samples"][TASK]]
    assert answers == answers_of(model)
    with model.disable_adapter():  # the control
        assert answers != answers_of(model)
    recorded = results["config"]["talan"]
    assert recorded["max_logit_change"] > 0
    assert recorded["block_max_logit_change"] > 0


@pytest.mark.slow
def test_the_command_line_answers_as_our_own_evaluation_does_and_records_that_the_adapter_is_live(checkpoint, tmp_path):
    directory, model = checkpoint
    done = run_lm_eval(f"pretrained={directory}", out=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    answers = [json.loads(line)["resps"][0][0] for line in samples.read_text().splitlines()]
    assert answers == answers_of(model)
    (results,) = tmp_path.rglob("results_*.json")
    recorded = json.loads(results.read_text())["config"]["talan"]
    assert recorded["max_logit_change"] > 0
    assert recorded["block_max_logit_change"] > 0
    assert "talan: probe of" in done.stderr


def test_a_checkpoint_that_changes_nothing_is_refused_unless_asked_for(tmp_path):
    build(micro(), parse_arm("talan+lora"), seed=0).save_pretrained(str(tmp_path / "fresh"))
    options = {"pretrained": str(tmp_path / "fresh"), "device": "cpu", "batch_size": 1}
    with pytest.raises(UserError, match=r"is not live.*\n.*allow_inactive=True"):
        TalanLM(**options)
    allowed = TalanLM(**options, allow_inactive=True)
    assert (allowed.liveness.max_logit_change, allowed.liveness.block_max_logit_change) == (0.0, 0.0)


def test_without_a_block_there_is_no_number_for_it_and_the_backbone_can_be_named(tmp_path):
    awake(build(micro(), parse_arm("lora"), seed=0)).save_pretrained(str(tmp_path / "lora"))
    config = tmp_path / "lora" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": None}))
    options = {"pretrained": str(tmp_path / "lora"), "device": "cpu", "batch_size": 1}
    with pytest.raises(UserError, match="does not name its backbone"):
        TalanLM(**options)
    named = TalanLM(**options, base="micro")
    assert named.liveness.max_logit_change > 0
    assert named.liveness.block_max_logit_change is None


def test_mistakes_end_in_what_to_type(tmp_path, checkpoint):
    with pytest.raises(UserError, match="holds no checkpoint"):
        TalanLM(pretrained=str(tmp_path))
    with pytest.raises(UserError, match="takes no peft"):
        TalanLM(pretrained=str(checkpoint[0]), peft="elsewhere")


def test_registering_twice_is_harmless_and_keeps_lm_evals_own_models():
    register()
    register()
    assert get_model("talan") is TalanLM
    assert get_model("hf").__name__ == "HFLM"
