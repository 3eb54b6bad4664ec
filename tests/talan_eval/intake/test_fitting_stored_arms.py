"""Stored arms and the backbone that they are asked on: what does not fit is refused, what cannot be known is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from talan_core.errors import UserError
from talan_eval.grid import plan
from talan_eval.intake.prepare import prepare
from talan_eval.records.notes import stored_notes
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.evaluate import EvaluateRequest


def prepared(base, *treat, **options):
    common = {"tasks": "gsm8k_micro", "limit": 2, "device": "cpu", "workers": 1}
    return prepare(CompareRequest(base=base, treat=treat, **common, **options))


@pytest.fixture
def changed(checkpoints, tmp_path):
    """Copies of a checkpoint with something changed in them."""

    def change(source, name, config=None, tensors=None, file="adapter_model.safetensors", of="adapter_config.json"):
        place = tmp_path / name
        shutil.copytree(checkpoints / source, place)
        if config is not None:
            path = place / of
            path.write_text(json.dumps(json.loads(path.read_text()) | config))
        if tensors is not None:
            found = load_file(place / file)
            tensors(found)
            save_file(found, place / file, metadata={"format": "pt"})
        return f"{name}={place}"

    return change


def narrower(tensors):
    for name, value in tensors.items():
        if name.endswith("lora_A.weight"):
            tensors[name] = value[:, :64].contiguous()


def without_one(tensors):
    del tensors["model.layers.0.mlp.up_proj.weight"]


def test_all_that_does_not_fit_is_one_error(checkpoints, changed):
    with pytest.raises(UserError) as found:
        prepared(
            f"lora={checkpoints}/lora/seed{{seed}}",
            changed("lora/seed0", "other", {"base_model_name_or_path": "smollm2-135m"}),
            changed("lora/seed0", "foreign", {"base_model_name_or_path": "Qwen/Qwen3-8B"}),
            changed("lora/seed0", "narrow", tensors=narrower),
            changed("talan/seed0", "deep", {"num_layers": 9}, of="talan_config.json"),
            changed("whole", "hole", tensors=without_one, file="model.safetensors"),
            changed("whole", "few", {"vocab_size": 512}, of="config.json"),
        )
    said = str(found.value)
    for text in (
        "was trained on smollm2-135m, not on micro", "--backbone smollm2-135m",
        "was trained on Qwen/Qwen3-8B, not on micro",
        "The stored arm narrow: ", "size mismatch", "torch.Size([2, 64]) from checkpoint",
        "The stored arm deep: The TALAN block", "hidden size 128 and 9 layers; this backbone has 128 and 6",
        "The stored arm hole: ", "missing_keys: model.layers.0.mlp.up_proj.weight",
        "The stored arm few: ", "its weights have other shapes than its config.json says",
        "Type --backbone with the model that it was trained on, not micro",
    ):  # fmt: skip
        assert text in said, said


def test_a_backbone_that_cannot_be_compared_is_said_and_an_equal_one_is_recognised(checkpoints, changed):
    elsewhere = changed("lora/seed0", "elsewhere", {"base_model_name_or_path": "/home/somebody/models/micro-copy"})
    experiment = prepared(f"lora={checkpoints}/lora/seed{{seed}}", elsewhere, f"whole={checkpoints}/whole").experiment
    assert [one.base_model for one in experiment.stored] == ["micro", "/home/somebody/models/micro-copy", None]
    said = " ".join(stored_notes(experiment))
    assert "How stored arms were trained is not known here (lora, elsewhere, whole)" in said
    assert "elsewhere says that it was trained on /home/somebody/models/micro-copy and was asked on micro" in said
    assert "lora says" not in said
    assert "whole is a whole model (model Qwen3ForCausalLM): its own weights answer, not those of micro" in said


def test_an_arm_is_asked_with_the_tokenizer_that_it_brings_where_that_is_another(checkpoints):
    found = prepared(f"trl={checkpoints}/trl", f"whole={checkpoints}/whole", f"lora={checkpoints}/lora/seed{{seed}}")
    assert [one.is_asked_its_own_way for one in found.experiment.stored] == [False, True, False]
    sources = found.assignments[0].stored
    assert sources["trl", 0].tokenizer is None  # a copy of the backbone's own
    assert sources["whole", 0].tokenizer.location == str(checkpoints / "whole")
    assert sources["whole", 0].checkpoint().directory is None
    assert sources["lora", 2].checkpoint().directory == checkpoints / "lora" / "seed2"


def test_a_template_alone_is_asked_with_and_changes_what_is_asked(checkpoints, changed, tmp_path):
    lora = f"lora={checkpoints}/lora/seed{{seed}}"
    typed = changed("lora/seed0", "mine")
    before = plan(prepared(lora, typed).experiment)
    (tmp_path / "mine" / "chat_template.jinja").write_text("{{ messages[0]['content'] }} ->")
    found = prepared(lora, typed)
    assert found.experiment.stored[1].is_asked_its_own_way
    after = plan(found.experiment)
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, False, True, True]


def test_a_run_is_named_after_the_bytes_of_its_files_and_not_after_their_place(checkpoints, tmp_path):
    shutil.copytree(checkpoints / "lora", tmp_path / "moved")
    bare = f"bare={checkpoints}/bare"
    before = plan(prepared(bare, f"lora={checkpoints}/lora/seed{{seed}}").experiment)
    moved = plan(prepared(bare, f"lora={tmp_path}/moved/seed{{seed}}").experiment)
    assert [run.cell_id for run in moved] == [run.cell_id for run in before]
    (tmp_path / "moved" / "seed1" / "README.md").write_text("A note.")
    (tmp_path / "moved" / "seed1" / "trainer_state.json").write_text("{}")
    (tmp_path / "moved" / "seed1" / "checkpoint-7").mkdir()
    weights = tmp_path / "moved" / "seed2" / "adapter_model.safetensors"
    tensors = load_file(weights)
    next(iter(tensors.values()))[0, 0] += 1
    save_file(tensors, weights, metadata={"format": "pt"})
    changed = plan(prepared(bare, f"lora={tmp_path}/moved/seed{{seed}}").experiment)
    same = {(run.arm, run.seed): run == other for run, other in zip(before, changed, strict=True)}
    assert same == {("bare", 0): True, ("lora", 0): True, ("lora", 1): True, ("lora", 2): False}
    assert all(run.is_stored and run.cell_id.startswith("stored_") for run in changed)


def test_a_repository_of_the_hub_is_identified_by_its_commit(checkpoints, tmp_path, monkeypatch):
    commit = "0123456789" * 4
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / commit)
    fetched = []

    def fetch(repository, *, revision=None, allow_patterns=None):
        assert "*.bin" not in allow_patterns  # pickles are not even fetched
        fetched.append((repository, revision))
        if repository == "me/gone":
            raise LocalEntryNotFoundError("no network")
        return str(tmp_path / commit)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    stored = prepared("mine=me/lora@v2", f"bare={checkpoints}/bare").experiment.stored[0]
    assert (stored.where, stored.checkpoints[0].commit, stored.checkpoints[0].sha256) == ("me/lora@v2", commit, None)
    assert fetched == [("me/lora", "v2")]
    with pytest.raises(UserError, match=r"no directory me/gone, and the Hub does not give it at revision v3 \(LocalE"):
        prepared("mine=me/gone@v3", f"bare={checkpoints}/bare")


def test_an_experiment_of_trained_arms_alone_says_nothing_of_stored_ones(tmp_path):
    document = prepared("lora", "talan+lora", seeds="1", out=tmp_path / "out").experiment.to_json()
    assert "stored" not in document


def evaluated(arm):
    return prepare(EvaluateRequest(arm=(arm,), tasks="gsm8k_micro", limit=2, device="cpu", workers=1))


def test_a_copy_is_no_new_seed_whether_its_files_were_copied_or_linked(checkpoints, tmp_path):
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "copied" / "seed0")
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "copied" / "seed1")
    (tmp_path / "linked").mkdir()
    for seed in (3, 5):
        (tmp_path / "linked" / f"seed{seed}").symlink_to(checkpoints / "lora" / "seed1")
    with pytest.raises(UserError) as found:
        prepared(f"one={tmp_path}/copied/seed{{seed}}", f"two={tmp_path}/linked/seed{{seed}}", pairing="independent")
    for said in ("Seeds 0 and 1 of the stored arm one are the same files", "Seeds 3 and 5 of the stored arm two are"):
        assert said in str(found.value)


@pytest.mark.parametrize("named", [None, ""])
def test_a_checkpoint_may_name_no_backbone(changed, named):
    arm = evaluated(changed("lora/seed0", "nameless", {"base_model_name_or_path": named})).experiment.stored[0]
    assert arm.base_model is None


def test_a_rank_that_no_tensor_has_is_refused(changed):
    with pytest.raises(UserError, match=r"The stored arm wide: .*size mismatch"):
        evaluated(changed("lora/seed0", "wide", {"r": 4}))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 1 / 0 }}", "fails: ZeroDivisionError"),
        ("{% for message in messages %}{% endfor %}", "leaves the question out"),
        ("{{ raise_exception('not today') }}", "fails: TemplateError: not today"),
    ],
)
def test_a_template_that_cannot_put_a_question_is_refused(changed, template, said):
    typed = changed("lora/seed0", "worded")
    (Path(typed.partition("=")[2]) / "chat_template.jinja").write_text(template, encoding="utf-8")
    with pytest.raises(UserError, match=f"The stored arm worded: The chat template of .* {said}"):
        evaluated(typed)


def test_a_model_in_shards_is_one_whose_shards_are_all_there(checkpoints, tmp_path):
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - here alone

    model = AutoModelForCausalLM.from_pretrained(checkpoints / "whole")
    model.save_pretrained(tmp_path / "shards", max_shard_size="300KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert evaluated(f"sharded={tmp_path}/shards").experiment.stored[0].what.startswith("model ")
    min((tmp_path / "shards").glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match="is not whole: model-00001"):
        evaluated(f"sharded={tmp_path}/shards")


def test_a_seed_may_stand_twice_in_a_pattern(checkpoints, tmp_path):
    for seed in (0, 1):
        shutil.copytree(checkpoints / "lora" / f"seed{seed}", tmp_path / f"s{seed}" / f"r{seed}")
    shutil.copytree(checkpoints / "lora" / "seed2", tmp_path / "s1" / "r2")  # of no seed
    assert evaluated(f"lora={tmp_path}/s{{seed}}/r{{seed}}").experiment.stored[0].seeds == (0, 1)
