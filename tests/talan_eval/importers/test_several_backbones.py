"""Logs of several backbones: the model below the adapters decides, in every format that names it."""

from __future__ import annotations

import json

import pytest

from talan_core.errors import UserError


def adapted(run, path, scores, backbone, model):
    """One lm-eval run of an adapter on a backbone; without a model it is the backbone itself."""
    directory = run(path, task=scores)
    (file,) = directory.glob("results*")
    content = json.loads(file.read_text(encoding="utf-8"))
    content["config"]["model_args"] = {"pretrained": backbone} | ({"peft": model} if model else {})
    file.write_text(json.dumps(content), encoding="utf-8")
    return directory


@pytest.fixture
def tree(run, tmp_path):
    for backbone, shift in (("llama", 0), ("qwen", 1)):
        for arm, texts in (("lora", ("00011", "00110")), ("dora", ("01011", "01110"))):
            for seed, text in enumerate(texts):
                moved = text[shift:] + text[:shift]
                adapted(run, f"{arm}/seed{seed}/{backbone}", moved, f"org/{backbone}", f"out/{arm}{seed}")
    return tmp_path


def test_each_model_below_the_adapters_is_a_backbone(compare_words, tree):
    done = compare_words(f"lora={tree / 'lora'}", f"dora={tree / 'dora'}")
    (contrast,) = done.result.contrasts
    assert [(cell.backbone, cell.seeds, cell.deltas) for cell in contrast.cells] == [
        ("org/llama", (0, 1), (20, 20)),
        ("org/qwen", (0, 1), (20, 20)),
    ]
    assert [(arm.name, arm.backbone) for arm in done.result.arms] == [
        ("lora", "org/llama"), ("dora", "org/llama"), ("lora", "org/qwen"), ("dora", "org/qwen"),
    ]  # fmt: skip


def test_an_arm_that_lacks_a_backbone_is_named(compare_words, tree):
    with pytest.raises(UserError, match="not on the same backbones: dora has no runs on org/qwen"):
        compare_words(f"lora={tree / 'lora'}", f"dora={tree}/dora/*/llama")


def test_the_backbone_itself_stands_on_its_own_name(compare_words, run, tree):
    raw = [adapted(run, f"raw-{name}", "10000", f"org/{name}", "") for name in ("llama", "qwen")]
    done = compare_words(*(f"raw={path}" for path in raw), f"lora={tree / 'lora'}", fixed=("raw",))
    assert [cell.backbone for cell in done.result.contrasts[0].cells] == ["org/llama", "org/qwen"]
    other = adapted(run, "other", "10000", "org/other", "")
    with pytest.raises(UserError, match=r"(?s)other does not say on which backbone.*column backbone"):
        compare_words(f"raw={other}", f"lora={tree / 'lora'}", fixed=("raw",))


def test_models_that_were_tuned_as_a_whole_are_no_backbones(compare_words, run):
    base, treat = (adapted(run, name, text, f"out/{name}", "") for name, text in (("one", "0011"), ("two", "0111")))
    assert compare_words(base, treat).result.contrasts[0].cells[0].backbone == "lm-eval logs"


def test_two_runs_of_one_backbone_in_a_seed_are_still_refused(compare_words, run, tree):
    adapted(run, "lora/seed0/again", "00000", "org/qwen", "out/lora0")
    with pytest.raises(UserError, match=r"several runs lie where one is expected: .*again.*qwen"):
        compare_words(f"lora={tree / 'lora'}", f"dora={tree / 'dora'}")


def test_a_table_has_a_column_for_it(compare_words, tmp_path):
    rows = [
        {"arm": arm, "backbone": backbone, "seed": seed, "task": "t", "item": item,
         "score": int((item + seed) % (2 + (arm == "dora") + (backbone == "qwen")) == 0)}
        for arm in ("lora", "dora") for backbone in ("llama", "qwen") for seed in (0, 1) for item in range(6)
    ]  # fmt: skip
    file = tmp_path / "scores.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = compare_words(f"lora={file}", f"dora={file}")
    assert [(cell.backbone, cell.base_mean) for cell in done.result.contrasts[0].cells] == [
        ("llama", 50), ("qwen", pytest.approx(100 / 3)),
    ]  # fmt: skip
    assert not any("ignored" in warning for warning in done.result.warnings)
