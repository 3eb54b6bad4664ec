"""A comparison's checkpoints are measured once, whatever kills the command, and every face says what was found."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import talan_core
from talan_core.analysis.capture import entered
from talan_core.analysis.stream_effects import AT_THE_EMBEDDING
from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.internals import faces, passes, sitting
from talan_eval.internals.configurations import trained_of
from talan_eval.internals.findings import Internals, json_schema
from talan_eval.internals.over_seeds import FEW
from talan_eval.internals.quantities import BY_NAME, NO_BLOCK, NOTHING, QUANTITIES
from talan_eval.internals.sentences import sentences, with_interval
from talan_eval.internals.sitting import check_request, measure_comparison
from talan_eval.requests.internals import InternalsRequest
from talan_eval.store.records import sealed_json

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def loads():
    """What was loaded while `measured` was made: backbones with their types, and checkpoints."""
    return []


@pytest.fixture(scope="module")
def measured(request_, loads, tmp_path_factory):
    """What was found, and where it is kept; not to be changed."""
    out = tmp_path_factory.mktemp("measured")
    load_model, load = passes.load_model, talan_core.load

    def noted_model(revision, dtype, device):
        loads.append(dtype)
        return load_model(revision, dtype, device)

    def noted(directory, model):
        loads.append(directory.name)
        return load(directory, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "load_model", noted_model)
        patch.setattr(talan_core, "load", noted)
        return measure_comparison(request_, out), out


@pytest.fixture
def found(measured):
    return measured[0]


@pytest.fixture
def again(measured, tmp_path):
    """A copy of what is kept, to be changed."""
    return Path(shutil.copytree(measured[1], tmp_path / "again"))


def arm_of(found, name):
    return next(one for one in found.arms if one.arm == name)


def test_every_arm_and_every_quantity_is_there(found):
    assert [one.arm for one in found.arms] == ["lora", "talan[layer=2]+lora", "talan+lora"]
    for arm in found.arms:
        assert arm.seeds == (0, 1, 2)
        assert [task.task for task in arm.tasks] == ["", "gsm8k_micro", "mbpp_micro"]
        assert [task.items for task in arm.tasks] == [6, 3, 3]
        names = {*arm.tasks[0].values, *arm.tasks[0].curves}
        common = {one.name for one in QUANTITIES if one.any_arm or one.by == "example"}
        assert names >= common - {"run_divergence", "reseeding_divergence"}
    block = arm_of(found, "talan[layer=2]+lora")
    assert {*block.tasks[0].values, *block.tasks[0].curves} == {*BY_NAME} - {"reseeding_divergence"}
    assert block.base == "lora"
    assert arm_of(found, "lora").base is None


def test_each_checkpoint_is_loaded_once_in_each_type(measured, loads):
    assert len(measured[0].arms) == 3
    checkpoints = [one for one in loads if one.startswith("train_")]
    assert len(checkpoints) == 9 + 6  # those with a block in bfloat16 too
    assert len(set(checkpoints)) == 9
    assert loads.count("float32") == 9 + 1  # the backbone, against which weights are held
    assert loads.count("bfloat16") == 6


def test_it_is_the_same_where_nothing_can_be_kept_in_memory(request_, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "BYTES_OF_TRACES", 0)
    monkeypatch.setattr(passes, "BYTES_OF_MODELS", 0)
    measure_comparison(replace(request_, task=("mbpp_micro",)), tmp_path)
    assert_alike(kept_of(tmp_path), {name: one for name, one in kept_of(measured[1]).items() if "gsm8k" not in name})


def only(directory, comparison, *names):
    """A copy of the comparison with the checkpoints of these names alone."""
    partial = Path(shutil.copytree(comparison, directory / "partial"))
    for one in (partial / "checkpoints").iterdir():
        if not one.name.startswith(names):
            shutil.rmtree(one)
    return partial


@pytest.mark.parametrize(
    ("names", "arms"),
    [
        (("train_lora_",), {"lora": (0, 1, 2)}),
        (("train_talan-layer=2-+lora_seed-1",), {"talan[layer=2]+lora": (1,)}),
    ],
    ids=["no block", "one seed without its base"],
)
def test_what_is_left_of_a_comparison_has_every_face(tmp_path, comparison, request_, names, arms):
    request = replace(request_, results=only(tmp_path, comparison, *names), examples=1, task=("mbpp_micro",))
    found = measure_comparison(request, tmp_path / "out")
    assert {one.arm: one.seeds for one in found.arms} == arms
    files = faces.render(found)
    assert Internals.from_json(files["internals.json"].decode()) == found
    text = files["internals.md"].decode()
    assert f"{9 - sum(map(len, arms.values()))} checkpoint" in text
    arm = found.arms[0]
    curves = arm.tasks[0].curves
    assert ("seed_cosine" in curves) == (len(arm.seeds) > 1)
    if arm.layer is not None:
        assert arm.tasks[0].values["block_kl"].ci is None
        assert arm.tasks[0].values["block_kl"].reason == FEW
        assert "run_divergence" not in curves
        assert "growth.svg" in files


def test_a_file_where_the_measurement_should_go_is_refused(request_, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken"):
        measure_comparison(request_, tmp_path / "taken")
    with pytest.raises(UserError, match="taken"):
        measure_comparison(request_, tmp_path / "taken" / "inside")


def test_nothing_changes_below_the_block_and_controls_have_the_writes_size(found):
    block = arm_of(found, "talan[layer=2]+lora")
    curve = block.tasks[0].curves["block_divergence"].points
    assert [point.mean for point in curve[:2]] == [0.0, 0.0]
    assert all(point.mean > 0 for point in curve[2:])
    band = block.tasks[0].bands["random_divergence"]
    assert band.lower[:2] == band.upper[:2] == (0.0, 0.0)
    assert band.draws == 5
    smallest, largest = min(curve[2].by_seed), max(curve[2].by_seed)
    assert band.lower[2] == pytest.approx(smallest, rel=1e-3)
    assert band.upper[2] == pytest.approx(largest, rel=1e-3)
    assert band.lower[6] != pytest.approx(band.upper[6], rel=1e-3)


def test_what_is_undefined_is_null_with_its_reason(found):
    first = arm_of(found, "talan+lora").tasks[0]
    for name in ("ratio_at_write", "write_cosine"):
        assert (first.values[name].mean, first.values[name].reason) == (None, AT_THE_EMBEDDING)
    assert first.curves["cosine"].points[0].reason == AT_THE_EMBEDDING
    assert first.curves["cosine"].points[1].mean is not None
    second = arm_of(found, "talan[layer=2]+lora").tasks[0]
    assert second.values["ratio_at_write"].mean > 0
    assert "below l*" in second.curves["growth"].points[1].reason
    assert arm_of(found, "lora").tasks[0].values["block_kl"].reason == NO_BLOCK


def test_ratios_and_differences_are_those_of_the_parts(found):
    values = arm_of(found, "talan[layer=2]+lora").tasks[1].values
    curves = arm_of(found, "talan[layer=2]+lora").tasks[1].curves
    assert values["kl_over_random"].mean == pytest.approx(values["block_kl"].mean - values["random_kl"].mean, rel=1e-4)
    assert values["rounding"].mean == pytest.approx(
        values["amplification_bf16"].mean - values["amplification"].mean, rel=1e-4
    )
    for name in ("amplification", "amplification_bf16", "rounding", "ratio_of_effects", "end_cosine"):
        pairs = zip(values[name].by_seed, values[f"random_{name}"].by_seed, strict=True)
        due = [one - other for one, other in pairs]  # of the same seed, in the order of seeds
        assert values[f"{name}_over_random"].by_seed == pytest.approx(due, rel=1e-3, abs=1e-6)
        assert len({round(one, 7) for one in due}) == 3
    assert (values["run_growth"].mean, values["run_growth"].reason) == (None, NOTHING)  # the two are equal below l*
    apart = arm_of(found, "talan+lora").tasks[1]
    whole = apart.curves["run_divergence"].points
    assert apart.values["run_growth"].mean == pytest.approx(whole[6].mean / whole[1].mean, rel=0.1)
    for name, random in (
        ("block_divergence", "random_divergence"),
        ("growth", "random_growth"),
        ("growth_bf16", "random_growth_bf16"),
        ("cosine", "random_cosine"),
    ):
        for at in range(2, 7):
            one = curves[f"{name.removeprefix('block_')}_over_random"].points[at].mean
            assert one == pytest.approx(curves[name].points[at].mean - curves[random].points[at].mean, abs=1e-6)
    assert values["rounding_over_random"].mean != pytest.approx(values["amplification_over_random"].mean)
    assert values["relative_write"].mean == pytest.approx(curves["block_divergence"].points[2].mean, rel=0.01)
    assert values["write"].mean == pytest.approx(curves["block_size"].points[2].mean, rel=1e-4)
    assert curves["growth"].points[2].mean == pytest.approx(1)
    assert curves["growth"].points[6].mean == pytest.approx(values["amplification"].mean, rel=1e-5)
    assert values["float32_share"].mean > 0.99 > values["bf16_share"].mean


def test_a_run_set_against_its_base_starts_where_the_block_is_and_differs_by_seed(found):
    block = arm_of(found, "talan[layer=2]+lora").tasks[0].curves
    plain = arm_of(found, "lora").tasks[0].curves
    assert "run_divergence" not in plain
    assert block["run_divergence"].points[0].mean == 0
    assert block["run_divergence"].points[6].mean > 0
    assert plain["reseeding_divergence"].points[6].mean > 0
    assert len(set(plain["reseeding_divergence"].points[6].by_seed)) == 3
    assert -1 < plain["seed_cosine"].points[6].mean < 1


def test_weights_are_audited_over_seeds(found):
    weights = arm_of(found, "talan[layer=2]+lora").weights
    assert sum(one.share.mean for one in weights.groups) == pytest.approx(1)
    assert weights.gate_rms.mean == pytest.approx(0.3, rel=0.2)
    themes = next(one for one in weights.tensors if one.name == "memory.themes")
    assert themes.start_from_fresh.mean == pytest.approx(1, rel=0.2)
    assert 0 < themes.from_start.mean < 0.2
    shift = next(one for one in weights.tensors if one.group == "biases")
    assert (shift.from_start.mean, shift.from_start.reason is not None) == (None, True)
    assert shift.rms_of_ceiling.mean > 0
    assert weights.update["all"].mean > weights.update["q_proj"].mean > 0
    assert arm_of(found, "lora").weights.tensors == ()


def test_an_arm_has_sixteen_trained_statistics(found):
    statistics = trained_of(arm_of(found, "talan[layer=2]+lora"))
    assert len(statistics) == 16
    assert {name for name, value in statistics.items() if value is None} == {"mixture of ceiling", "mixture entropy"}
    assert trained_of(arm_of(found, "talan+lora"))["ratio_at_write"] is None


def test_each_number_of_the_tables_is_that_of_the_document(found):
    text = faces.render(found)["internals.md"].decode()
    for arm in found.arms[1:]:
        for name, one in arm.tasks[0].values.items():
            row = next(
                line for line in text.splitlines() if line.startswith(f"| {name} |") and with_interval(one) in line
            )
            assert row.count("|") >= 5
        for one in arm.weights.tensors:
            assert f"| {one.name} | {with_interval(one.from_start)} | {with_interval(one.from_fresh)} |" in text
    said = sentences(found)
    assert len(said) >= 12
    assert "below l* the block changes exactly nothing" in next(one for one in said if "multiplied by" in one)
    assert all(re.search(r"\d", one) for one in said)


def test_the_document_is_read_back_and_follows_the_published_schema(found):
    text = faces.render(found)["internals.json"].decode()
    assert Internals.from_json(text) == found
    assert "NaN" not in text
    published = json.loads((ROOT / "docs" / "schema" / "internals-1.json").read_text())
    assert published == json_schema()


def counted(monkeypatch):
    calls = []
    measure = sitting.measure

    def counting(opened, sequences, *rest):
        calls.append(sequences.task)
        return measure(opened, sequences, *rest)

    monkeypatch.setattr(sitting, "measure", counting)
    return calls


def test_each_number_stands_at_the_place_of_its_example(request_, tmp_path, monkeypatch):
    both = []
    measure = sitting.measure

    def turned_too(opened, sequences, *rest):
        turned = replace(sequences, examples=sequences.examples[::-1], places=sequences.places[::-1])
        both.append((measure(opened, sequences, *rest), measure(opened, turned, *rest)))
        return both[-1][0]

    monkeypatch.setattr(sitting, "measure", turned_too)
    measure_comparison(replace(request_, task=("gsm8k_micro",)), tmp_path)
    for one, other in both:
        for name in ("loss_10", "adapter_kl"):
            assert len(set(one.values[name])) == 3
            assert other.values[name][::-1] == pytest.approx(one.values[name], rel=0.01, abs=1e-7)


def test_the_losses_are_those_of_the_four_states(request_, tmp_path, monkeypatch):
    """Against the cross-entropy of one sequence at a time; each state is another number."""
    seen = []
    measure = sitting.measure

    def noted(opened, sequences, *rest):
        seen.append((opened, sequences, measure(opened, sequences, *rest)))
        return seen[-1][-1]

    monkeypatch.setattr(sitting, "measure", noted)
    measure_comparison(replace(request_, task=("gsm8k_micro",)), tmp_path)
    opened, sequences, kept = next(one for one in seen if one[0].layer == 2)
    losses = {}
    with opened.passes.model(opened.subject.run) as model:
        for state in ("11", "10", "01", "00"):
            with entered(model, state), torch.no_grad():
                losses[state] = [loss_of(model, example) for example in sequences.examples]
    for state, due in losses.items():
        assert kept.values[f"loss_{state}"] == pytest.approx(due, rel=1e-4)
    assert len({round(one[0], 4) for one in losses.values()}) == 4


def test_the_ratio_of_effects_stands_beside_that_of_random_directions_of_each_example(measured):
    kept = json.loads(next((measured[1] / "runs").glob("train_talan-layer=2*_gsm8k_micro.json")).read_text())["kept"]
    values = kept["values"]
    for place, due in enumerate(values["ratio_of_effects"]):
        ends = {name: curve[place][-1] for name, curve in kept["curves"].items()}
        assert ends["adapter_size"] / ends["block_size"] == pytest.approx(due, rel=1e-5)
        weaker = ends["random_divergence"] / ends["block_divergence"]  # draws differ, so not the same to the last digit
        random = values["random_ratio_of_effects"][place]
        assert random * weaker == pytest.approx(due, rel=0.02)
        assert random != pytest.approx(due, rel=1e-3)
    draws = kept["drawn"]["random_ratio_of_effects"]
    assert sum(one[0] for one in draws) / len(draws) == pytest.approx(sum(values["random_ratio_of_effects"]) / 3)


def loss_of(model, example):
    tokens = torch.tensor([example.input_ids])
    logits = model(input_ids=tokens).logits[0, example.prompt_length - 1 : -1]
    return float(torch.nn.functional.cross_entropy(logits, tokens[0, example.prompt_length :]))


def test_what_is_kept_is_not_measured_again(request_, again, found, monkeypatch):
    calls = counted(monkeypatch)
    assert measure_comparison(request_, again) == found
    assert calls == []


def test_what_is_damaged_or_gone_is_measured_again_and_gives_the_same(request_, again, measured, monkeypatch):
    calls = counted(monkeypatch)
    kept = sorted((again / "runs").glob("train_lora*_mbpp_micro.json"))
    kept[0].unlink()
    kept[1].write_text(kept[1].read_text().replace("adapter_kl", "adapter_kI"))
    measure_comparison(request_, again)
    assert calls == ["mbpp_micro", "mbpp_micro"]
    assert_alike(kept_of(again), kept_of(measured[1]))


def test_other_positions_are_measured_anew(request_, again, found, monkeypatch):
    calls = counted(monkeypatch)
    other = measure_comparison(replace(request_, positions="prompt", task=("mbpp_micro",)), again)
    assert len(calls) == 9
    assert arm_of(other, "lora").tasks[0].values["loss_00"] != arm_of(found, "lora").tasks[2].values["loss_00"]


class KilledError(Exception):
    pass


def kept_of(out):
    """What is kept of each checkpoint but the time it took, by the name of its file."""
    kept = {path.name: json.loads(path.read_text())["kept"] for path in sorted((out / "runs").glob("*.json"))}
    return {path: {name: value for name, value in one.items() if name != "seconds"} for path, one in kept.items()}


def assert_alike(one, other, rel=0.01, abs_=1e-7):
    """Equal but for rounding: what a matrix product gives in its last digits depends on where memory lies.

    A write at the embedding is as large as the stream, and six layers make a part of 200 of one example's last digits.
    In bfloat16 a last digit decides now and then which way a number is rounded, by a part of 256. A difference between
    two numbers is as near as they are, however small it is itself, and a cosine is as near as its vectors. Another
    example, draw or state is further away than all of that.
    """
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            near = (rel, abs_)
            if "bf16" in key or "rounding" in key:
                near = (0.05, 0.05)
            elif key.endswith("_over_random"):
                near = (rel, 0.02)
            elif "cosine" in key:
                near = (rel, 0.005)
            assert_alike(one[key], other[key], *near)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_alike(left, right, rel, abs_)
    else:
        assert one == (pytest.approx(other, rel=rel, abs=abs_) if isinstance(one, float) else other)


def test_a_killed_measurement_goes_on_where_it_was(request_, tmp_path, measured, monkeypatch):
    calls = counted(monkeypatch)

    def kill(step):
        if step.finished == 4:
            raise KilledError

    with pytest.raises(KilledError):
        measure_comparison(request_, tmp_path, kill)
    before = len(calls)
    assert 0 < before < 18
    measure_comparison(request_, tmp_path)
    assert len(calls) - before < 18
    assert_alike(kept_of(tmp_path), kept_of(measured[1]))


def test_the_command_writes_every_face_and_says_what_it_found(comparison, again):
    (again / "ensembles.svg").write_text("of another measurement")
    (again / "mine.svg").write_text("of somebody else")
    words = ["internals", str(comparison), "--examples", "3", "--out", str(again)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert Internals.from_json((again / "internals.json").read_text()).measurement.examples == 3
    assert not (again / "ensembles.svg").exists()
    assert (again / "mine.svg").exists()
    assert (again / "internals.md").is_file()
    assert "share of the stream is multiplied by" in done.stdout
    assert "Written to" in done.stdout


def test_an_archived_comparison_says_so_and_what_to_run(tmp_path, comparison):
    archived = ROOT / "results" / "micro_lora_vs_talan+lora"
    with pytest.raises(UserError, match="is archived") as caught:
        measure_comparison(InternalsRequest(results=archived), tmp_path)
    assert "talan-eval compare" in caught.value.fix
    assert f"talan-eval internals {archived}-again" in caught.value.fix
    of_internals = ROOT / "results" / "internals_smollm2"  # a manifest and no result
    with pytest.raises(UserError, match="is archived") as caught:
        measure_comparison(InternalsRequest(results=of_internals), tmp_path)
    assert (
        "--backbone smollm2-135m --base 'lora' --treat 'talan+lora' --seeds 0,1,2,3,4 --tasks gsm8k" in caught.value.fix
    )
    emptied = Path(shutil.copytree(comparison, tmp_path / "emptied"))
    shutil.rmtree(emptied / "checkpoints")
    with pytest.raises(UserError, match="is archived"):
        measure_comparison(InternalsRequest(results=emptied), tmp_path / "out")
    old = ROOT / "results" / "smollm2-135m_lora_vs_talan+lora"
    with pytest.raises(UserError, match="is archived") as caught:
        measure_comparison(InternalsRequest(results=old), tmp_path)
    assert "--seeds 0,1,2 --tasks gsm8k" in caught.value.fix


def test_a_comparison_of_logs_has_no_inside(tmp_path):
    result = json.loads((ROOT / "results" / "micro_lora_vs_talan+lora" / "result.json").read_text())
    del result["provenance"]["experiment"]
    (tmp_path / "result.json").write_text(json.dumps(result))
    with pytest.raises(UserError, match="compares logs of another harness"):
        measure_comparison(InternalsRequest(results=tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_gone_is_named(tmp_path, comparison, request_):
    partial = Path(shutil.copytree(comparison, tmp_path / "partial"))
    gone = next((partial / "checkpoints").glob("train_lora_seed-2*"))
    shutil.rmtree(gone)
    found = measure_comparison(replace(request_, results=partial, examples=1, task=("gsm8k_micro",)), tmp_path / "out")
    assert "lora on micro, seed 2" in found.warnings[0]
    assert arm_of(found, "lora").seeds == (0, 1)
    assert arm_of(found, "talan+lora").seeds == (0, 1, 2)


def test_what_was_measured_on_another_device_is_not_taken_for_this_one(request_, again, measured, monkeypatch):
    path = next((again / "runs").glob("*_mbpp_micro.json"))
    content = json.loads(path.read_text())
    assert content["header"]["device"] in {"cpu", "cuda"}
    content["header"]["device"] = "mps"
    path.write_bytes(sealed_json({name: content[name] for name in ("header", "kept")}))
    calls = counted(monkeypatch)
    measure_comparison(request_, again)
    assert calls == ["mbpp_micro"]
    assert_alike(kept_of(again), kept_of(measured[1]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"positions": "answers"}, "Unknown choice of positions 'answers'"),
        ({"dtype": "float16"}, "Unknown type 'float16'"),
        ({"device": "gpu"}, "Unknown device 'gpu'"),
        ({"examples": 0}, "--examples 0 measures nothing"),
    ],
)
def test_what_cannot_be_asked_is_refused(request_, change, said):
    with pytest.raises(UserError, match=re.escape(said)):
        check_request(replace(request_, **change))


def test_another_benchmark_or_no_comparison_is_refused(request_, tmp_path):
    with pytest.raises(UserError, match="Unknown benchmark of this comparison 'gsm8k'"):
        measure_comparison(replace(request_, task=("gsm8k",)), tmp_path)
    with pytest.raises(UserError, match="holds no comparison"):
        measure_comparison(replace(request_, results=tmp_path), tmp_path)
    assert not list(tmp_path.iterdir())
