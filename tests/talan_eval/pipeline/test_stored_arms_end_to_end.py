"""Arms that were trained elsewhere, asked and compared: nothing is trained, and what cannot be known is said."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import talan_core
from talan_core.backbones.load import Revision, load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_eval.cli.estimate import lines
from talan_eval.cli.main import app
from talan_eval.execution.pilot import _measured
from talan_eval.execution.run_worker import Crew
from talan_eval.gate.complete import missing as gaps
from talan_eval.grid import plan
from talan_eval.intake.prepare import prepare
from talan_eval.internals.subjects import find_subjects
from talan_eval.pipeline.dry_run import arm_to_measure, outlook
from talan_eval.pipeline.session import open_session
from talan_eval.report.delimited import render as as_csv
from talan_eval.report.markdown import render as as_markdown
from talan_eval.report.recipe_words import recipe
from talan_eval.requests.compare import CompareRequest

QUICK = {"tasks": "gsm8k_micro", "limit": 4, "device": "cpu", "workers": 1, "resamples": 50, "max_tokens": 24}


def computed(request, *, only=None):
    """Compare in this process, and return the result and the runs that were missing."""
    prepared = prepare(request)
    threads = torch.get_num_threads()
    with open_session(prepared) as session:
        crew = Crew(prepared.assignments, "cpu")
        for run in session.missing:
            assert crew.perform(run, lambda _: None) == ()
        result = session.write_reports() if only is None else None
    torch.set_num_threads(threads)
    return result, session.missing


@pytest.fixture(scope="module")
def request_of(checkpoints, tmp_path_factory):
    place = tmp_path_factory.mktemp("results")

    def make(base, *treat, name="out", **options):
        texts = [text.replace("@", str(checkpoints)) for text in (base, *treat)]
        return CompareRequest(base=texts[0], treat=tuple(texts[1:]), out=place / name, **{**QUICK, **options})

    return make


@pytest.fixture(scope="module")
def seeded(request_of):
    request = request_of("lora=@/lora/seed{seed}", "talan+lora=@/talan/seed{seed}", "whole=@/whole", "trl=@/trl")
    return request, *computed(request)


def test_every_checkpoint_is_asked_and_nothing_is_trained(seeded):
    request, result, missing = seeded
    assert [(run.arm, run.seed) for run in missing] == [
        ("lora", 0), ("talan+lora", 0), ("whole", 0), ("trl", 0), ("lora", 1), ("talan+lora", 1), ("lora", 2),
        ("talan+lora", 2),
    ]  # fmt: skip
    assert [(arm.name, arm.kind, arm.seeds) for arm in result.arms] == [
        ("lora", "stored", (0, 1, 2)), ("talan+lora", "stored", (0, 1, 2)), ("whole", "fixed", ()),
        ("trl", "fixed", ()),
    ]  # fmt: skip
    assert [(one.base, one.treatment, one.pairing) for one in result.contrasts] == [
        ("lora", "talan+lora", "paired"), ("whole", "lora", "fixed"), ("trl", "lora", "fixed"),
    ]  # fmt: skip
    assert list((request.out / "checkpoints").iterdir()) == []
    assert result.inside == ()
    assert result.provenance["experiment"]["train"] == []
    assert result.provenance["adapters"]["lora"] == {
        "stored": "LORA adapter", "partner": "lora", "r": 2, "alpha": 8, "dropout": 0.0,
    }  # fmt: skip


def test_adapters_were_alive_and_a_whole_model_has_no_bare_backbone_to_differ_from(seeded):
    probes = {(one.arm, one.seed): one for one in seeded[1].probes}
    assert {arm for arm, _ in probes} == {"lora", "talan+lora", "trl"}
    assert all(one.max_logit_change > 0 for one in probes.values())
    assert all((one.block_max_logit_change is None) == (arm != "talan+lora") for (arm, _), one in probes.items())


def test_the_same_adapter_scores_alike_under_two_names(seeded):
    scores = {arm.name: arm.scores[0] for arm in seeded[1].arms}
    assert scores["trl"].mean == scores["lora"].by_seed[0]


def test_an_arm_with_its_own_template_is_paired_by_question_and_its_prompts_are_shown(seeded):
    result = seeded[1]
    assert [one.cells[0].n_items for one in result.contrasts] == [4, 4, 4]
    (said,) = (text for text in result.warnings if text.startswith("whole is asked with a tokenizer"))
    assert "prompts that differ from the other arms': 4 of 4 on gsm8k_micro" in said
    assert r'Around a QUESTION whole is asked "[user] QUESTION\n[assistant]", lora "<|im_start|>user\nQUESTION' in said
    assert not any(text.startswith("trl is asked") for text in result.warnings)
    losses = [(one.base, one.treatment) for one in result.loss.contrasts]
    assert losses == [("lora", "talan+lora"), ("trl", "lora")]


def test_every_format_says_that_recipes_are_not_known(seeded):
    _, result, _ = seeded
    assert "recipes not known of stored arms: lora, talan+lora" in as_markdown(result)
    assert "How stored arms were trained is not known here (lora, talan+lora, whole, trl)" in as_markdown(result)
    rows = list(csv.DictReader(io.StringIO(as_csv(result))))
    assert {row["recipes"] for row in rows} == {
        f"recipes not known of stored arms: {names}" for names in ("lora, talan+lora", "whole, lora", "trl, lora")
    }
    said = " ".join(recipe(result))
    assert "Each training took" not in said
    assert "trained elsewhere with recipes that are not known here: lora (LORA adapter, " in said
    assert gaps(result, result.contrasts[0]) == ()


def test_asked_again_nothing_is_missing_and_a_changed_checkpoint_alone_is_asked_again(seeded, checkpoints, tmp_path):
    request, _, _ = seeded
    assert outlook(prepare(request)).missing == ()
    shutil.copytree(checkpoints / "lora", tmp_path / "lora")
    path = tmp_path / "lora" / "seed1" / "adapter_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values()))[0, 0] += 1
    save_file(tensors, path, metadata={"format": "pt"})
    again = {**QUICK, "base": f"lora={tmp_path}/lora/seed{{seed}}", "treat": request.treat}
    found = outlook(prepare(CompareRequest(**again, out=request.out.with_name("again"))))
    assert [(run.arm, run.seed) for run in found.missing] == [("lora", 1)]
    assert found.offered == 7


def test_what_changes_between_the_check_and_the_answers_is_refused(request_of, checkpoints, tmp_path):
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "one")
    prepared = prepare(request_of(f"one={tmp_path}/one", "bare=@/bare", name="changed"))
    (tmp_path / "one" / "chat_template.jinja").write_text("{{ messages }}")
    with open_session(prepared) as session, pytest.raises(UserError, match="was changed meanwhile"):
        Crew(prepared.assignments, "cpu").perform(session.missing[0], lambda _: None)


def test_two_single_checkpoints_are_one_pair(request_of):
    result, missing = computed(request_of("bare=@/bare", "one=@/lora/seed1", name="pair"))
    assert [(run.arm, run.seed) for run in missing] == [("bare", 0), ("one", 0)]
    (contrast,) = result.contrasts
    assert (contrast.pairing, result.primary.estimand, contrast.aggregate.verdict_estimand) == ("paired", "E0", "E0")
    assert [arm.kind for arm in result.arms] == ["stored", "stored"]
    assert contrast.cells[0].e0[0].ci is not None
    assert gaps(result, contrast) == ()


def test_the_untrained_backbone_and_a_trained_arm_stand_beside_stored_ones(request_of):
    request = request_of("base", "lora[r=1]", "one=@/lora/seed{seed}", name="mixed", steps=2, seeds="0,1")
    result, _ = computed(request)
    assert [(arm.name, arm.kind, len(arm.seeds)) for arm in result.arms] == [
        ("base", "fixed", 0), ("lora[r=1]", "trained", 2), ("one", "stored", 2),
    ]  # fmt: skip
    assert [one.pairing for one in result.contrasts] == ["fixed", "fixed"]
    assert "Each training took 2 steps" in " ".join(recipe(result))
    assert {run.arm for run in find_subjects(request.out).subjects for run in (run.run,)} == {"lora[r=1]"}


def test_a_dry_run_and_the_list_of_runs_name_stored_arms(seeded, request_of):
    request, _, _ = seeded
    listed = CliRunner().invoke(app, ["runs", str(request.out)])
    assert listed.exit_code == 0
    assert "/lora/seed{seed}: lora" in listed.stdout
    assert "training " not in listed.stdout
    prepared = prepare(request_of("lora=@/lora/seed{seed}", "one=@/whole", "lora[r=1]", name="dry"))
    found = outlook(prepared)
    said = list(lines(prepared, found, {}))
    assert any(line.startswith("lora is stored (LORA adapter, ") and "; seeds 0, 1, 2)" in line for line in said)
    own = "one checkpoint, asked with its own tokenizer or chat template): nothing is trained for it"
    assert any(line.startswith("one is stored (model Qwen3ForCausalLM, ") and line.endswith(own) for line in said)
    assert ["fine-tunings", "3", "0", "0", "3"] in [line.split() for line in said]
    assert arm_to_measure(prepared.experiment, found) == "lora[r=1]"


def test_the_inside_of_stored_arms_is_not_measured(seeded):
    with pytest.raises(UserError, match="are stored elsewhere"):
        find_subjects(seeded[0].out)


def test_a_checkpoint_that_does_nothing_has_no_score(request_of, checkpoints, tmp_path):
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "idle")
    path = tmp_path / "idle" / "adapter_model.safetensors"
    save_file({name: value * 0 for name, value in load_file(path).items()}, path, metadata={"format": "pt"})
    prepared = prepare(request_of(f"idle={tmp_path}/idle", "bare=@/bare", name="idle"))
    with open_session(prepared) as session:
        (failure,) = Crew(prepared.assignments, "cpu").perform(session.missing[0], lambda _: None)
    assert failure.kind == "inactive"
    assert "idle does nothing: it changes no logit of the probe" in failure.message


def test_a_server_gives_the_answers_of_transformers_and_is_another_identity(request_of, serving, checkpoints):
    arms = ("base", "lora=@/lora/seed{seed}", "whole=@/whole")
    expected, _ = computed(request_of(*arms, name="here", seeds="2"))
    revision = locate(find_backbone("micro"))

    def backbone():
        return load_model(revision, "float32", torch.device("cpu"))

    whole = Revision(str(checkpoints / "whole"), None, None)
    models = {
        "SmallModel": backbone(),
        **{f"lora-{seed}": talan_core.load(checkpoints / f"lora/seed{seed}", backbone()).eval() for seed in range(2)},
        "whole": load_model(whole, "float32", torch.device("cpu")),
    }
    with serving.server_of(serving.Served(models, load_tokenizer(revision))) as address:
        asked = {"backend": "openai", "base_url": f"{address}/", "served": ("base=SmallModel",), "seeds": "2"}
        found, missing = computed(request_of(*arms, name="there", **asked))
        (assignment,) = prepare(request_of(*arms, name="pilot", **asked)).assignments
        threads = torch.get_num_threads()
        pilots = [_measured(assignment, arm) for arm in ("lora", "base")]  # in this process: the server is in it
        torch.set_num_threads(threads)
        with pytest.raises(UserError, match="has no base; it has SmallModel"):
            prepare(request_of(*arms, name="other", **{**asked, "served": ()}))
        with pytest.raises(UserError, match="one name cannot stand for all"):
            prepare(request_of(*arms, name="other", **{**asked, "served": ("lora=mine",)}))
    assert [arm.scores for arm in found.arms] == [arm.scores for arm in expected.arms]
    assert all(pilot.item_seconds["gsm8k_micro"] > 0 for pilot in pilots)
    losses = [[one.mean for arm in result.arms for one in arm.loss or ()] for result in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert len(losses[0]) >= 2
    names = {run.evaluations[0].cell_id for run in missing}
    other = {run.evaluations[0].cell_id for run in plan(prepare(request_of(*arms, name="here", seeds="2")).experiment)}
    assert len(names) == len(other) == 4
    assert not names & other


def test_what_a_server_needs_is_said_together_with_what_to_type(request_of):
    with pytest.raises(UserError, match="needs the address"):
        prepare(request_of("base", "lora=@/lora/seed{seed}", backend="openai"))
    for extra, why in (({"served": ("base=x",)}, "none is asked"), ({"base_url": "http://x/v1"}, "no server is asked")):
        with pytest.raises(UserError, match=why):
            prepare(request_of("base", "lora=@/lora/seed{seed}", **extra))
