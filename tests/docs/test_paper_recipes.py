"""The paper's experiments as files: planned without network or weights, and run on tiny models of each kind."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

from talan_core.backbones.names import MICRO_WEIGHTS, find_backbone
from talan_core.backbones.operating_points import OPERATING_POINTS
from talan_core.backbones.outlines import outline
from talan_eval.cli.main import app
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[2]
FILES = {path.stem: path for path in sorted((ROOT / "examples" / "paper").glob("*.toml"))}
SMALL = {
    "hidden_size": 32, "intermediate_size": 32, "head_dim": 8,
    "num_attention_heads": 4, "num_key_value_heads": 2, "moe_intermediate_size": 16, "num_experts": 4,
    "num_experts_per_tok": 2, "vocab_size": 1024, "bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def asked(stem):
    return tomllib.loads(FILES[stem].read_text("utf-8"))


def test_every_backbone_of_the_paper_has_a_file_with_seven_seeds():
    assert {asked(stem)["backbone"] for stem in FILES} == set(OPERATING_POINTS)
    assert all(asked(stem)["seeds"] == 7 for stem in FILES)


@pytest.mark.parametrize(
    "stem", ["llama-3.2-1b", *(pytest.param(s, marks=pytest.mark.slow) for s in FILES if s[0] != "l")]
)
def test_a_file_is_planned_without_network_and_weights(stem, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    words = ["compare", str(FILES[stem]), "--tasks=gsm8k_micro,mbpp_micro", "--dry-run", f"--out={tmp_path / 'out'}"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "140"})
    assert done.exit_code == 0, (done.output, done.exception)
    said = re.search(
        r"^time    on (\d+) H100 SXM: training about ([\d.,e-]+) GPU hours, answering about ([\d.,e-]+) ",
        done.stdout, re.MULTILINE,
    )  # fmt: skip
    assert said
    assert float(said[2].replace(",", "")) > 0
    assert "is not on this machine: planned from its published configuration" in done.stdout
    assert re.search(r"training \d[\d.]* GB \(weights", done.stdout)
    assert not (tmp_path / "out").exists()


def test_only_a_dry_run_takes_a_configuration_for_a_backbone(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    words = ["compare", str(FILES["llama-3.2-1b"]), "--tasks=gsm8k_micro", f"--out={tmp_path / 'out'}"]
    for more in ([], ["--pilot"]):
        done = CliRunner().invoke(app, [*words, *more])
        assert done.exit_code != 0
        assert "cannot be fetched" in str(done.exception)
    other = CliRunner().invoke(app, [*words, "--dry-run", "--backbone=someone/else"])
    assert "cannot be fetched" in str(other.exception)


@pytest.fixture
def tiny(tmp_path):
    """Save a tiny model of a backbone's architecture, of random weights, with the bundled tokenizer."""

    def save(hub_id):
        config = AutoConfig.from_pretrained(outline(find_backbone(hub_id)).location)
        layers = OPERATING_POINTS[hub_id].config.layer + 2
        small = {**SMALL, "num_hidden_layers": layers, "max_window_layers": layers}
        changes = {name: value for name, value in small.items() if hasattr(config, name)}
        plain = {
            **json.loads(config.to_json_string(use_diff=False)),
            **changes,
            "layer_types": None,
            "dtype": "float32",
        }
        torch.manual_seed(0)
        place = tmp_path / "backbone"
        AutoModelForCausalLM.from_config(type(config).from_dict(plain)).save_pretrained(place)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(Path(MICRO_WEIGHTS) / name, place / name)
        return place

    return save


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(FILES))
def test_a_file_runs_to_its_table_on_a_tiny_model_of_the_architecture(stem, tiny, tmp_path):
    backbone = tiny(asked(stem)["backbone"])
    layer = OPERATING_POINTS[asked(stem)["backbone"]].config.layer
    block = f"talan[layer={layer}]"
    treat = [f"--treat={arm.replace('talan', block)}" for arm in asked(stem)["treat"]]
    pairs = [f"--contrast={pair.replace('talan', block)}" for pair in asked(stem)["contrast"]]
    words = [
        "compare", str(FILES[stem]), f"--backbone={backbone}", *treat, *pairs, "--tasks=gsm8k_micro", "--seeds=1",
        "--limit=2", "--max-tokens=4", "--workers=1", "--resamples=50", f"--out={tmp_path / 'out'}",
        "--recipe=epochs=0.01", "--recipe=batch_size=1", "--recipe=accumulation=1", "--recipe=dtype=float32",
    ]  # fmt: skip
    done = CliRunner().invoke(app, words, env={"COLUMNS": "140"})
    assert done.exit_code == 0, (done.output, done.exception)
    contrasts = read_result(tmp_path / "out").contrasts
    assert len(contrasts) == 4
    assert contrasts[-1].treatment == f"{block}+{contrasts[-1].base}"
