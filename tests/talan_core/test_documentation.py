"""What the documentation shows is run: the code of the README, and the table of operating points."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from talan_core.backbones.names import MICRO_WEIGHTS, find_backbone
from talan_core.backbones.operating_points import OPERATING_POINTS
from talan_core.block import block_parameters
from talan_core.config import MIXERS
from talan_core.partners import PARTNERS
from talan_core.recipes.fitting import GPU_BYTES
from talan_core.recipes.recipe import parse_recipe

ROOT = Path(__file__).parents[2]
README, METHOD = ROOT / "talan_core" / "README.md", ROOT / "docs" / "method.md"
TRAINING = ROOT / "docs" / "training.md"
pytestmark = pytest.mark.skipif(not METHOD.is_file(), reason="the documentation is not part of an installed package")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # PEFT's, in the user's own call
def test_the_readme_trains_and_reloads_in_under_ten_lines(tmp_path, monkeypatch):
    first, second = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in first.splitlines() if line.strip()]) < 10
    monkeypatch.chdir(tmp_path)
    names = {}
    for theirs, ours in (("Qwen/Qwen3-0.6B", str(MICRO_WEIGHTS)), ("bfloat16", "float32"), ("steps=20", "steps=2")):
        assert theirs in first
        first = first.replace(theirs, ours)
    exec(compile(first, "README.md", "exec"), names)  # noqa: S102 - the code that users are told to run
    assert names["model"].talan.config.slots == 2
    assert names["model"].active_peft_config.use_dora
    assert (tmp_path / "adapter" / "talan_model.safetensors").is_file()
    names["base"] = names["base"].__class__.from_pretrained(MICRO_WEIGHTS)
    exec(compile(second.replace("layer=4", "layer=2"), "README.md", "exec"), names)  # noqa: S102 - as above
    assert names["model"].talan.config.layer == 2


def test_the_table_of_operating_points_is_what_the_code_computes():
    rows = []
    for point in OPERATING_POINTS.values():
        config = point.config.resolve(point.hidden_size, point.num_layers)
        number = block_parameters(config, point.hidden_size)
        ensemble = block_parameters(dataclasses.replace(config, mixer="ensemble"), point.hidden_size)
        cells = (
            point.hub_id,
            f"{point.parameters / 1e9:.2f}",
            f"{config.layer} of {point.num_layers}",
            "paper" if "layer" in point.paper else "ours",
            str(config.d_mem),
            f"{number:,}",
            f"{100 * number / point.parameters:.3f} %",
            f"{100 * ensemble / point.parameters:.3f} %",
        )
        rows.append(f"| {' | '.join(cells)} |")
    table = METHOD.read_text(encoding="utf-8").partition("operating points: begin")[2].partition("<!--")[0]
    assert [line for line in table.splitlines() if re.match(r"\| \w+[-\w]*/", line)] == rows


def test_every_mixer_and_every_partner_is_described():
    text = METHOD.read_text(encoding="utf-8")
    for name in (*MIXERS, *PARTNERS):
        assert f"`{name}`" in text, name


def test_each_backbone_of_the_paper_has_a_recipe_that_fits_and_changes_what_it_names():
    """The numbers take minutes to compute (benchmarks/memory_estimate.py); this finds a table left behind."""
    table = TRAINING.read_text(encoding="utf-8").partition("| backbone | as asked |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()[2:]]
    assert {row[0] for row in rows} == set(OPERATING_POINTS)
    for name, _, changes, *numbers in rows:
        spec = find_backbone(name)
        weights, adapter, optimizer, activations, logits, cache, needed, cards = map(float, numbers)
        training = weights + adapter + optimizer + activations + logits
        assert needed == pytest.approx(max(training, weights + adapter + cache), abs=0.1)
        assert needed <= cards * 0.9 * GPU_BYTES / 1e9
        typed = dict(change.split("=") for change in re.findall("`(.*?)`", changes))
        assert int(typed.pop("eval_batch", 0)) != spec.eval_batch
        for key, value in parse_recipe(f"{key}={value}" for key, value in typed.items()).values.items():
            assert getattr(spec.training, key) != value, f"{name}: {key}={value} is no change"
