"""Parts of one experiment put together: the same numbers as if one machine had done it all, and conflicts by name."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.execution.run_worker import Crew
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.merge import joined, merge
from talan_eval.pipeline.session import open_session
from talan_eval.records.samples import Sample, withheld
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.evaluate import EvaluateRequest
from talan_eval.requests.merge import MergeRequest
from talan_eval.store.sealed_rows import read_rows
from talan_eval.store.store import Store

QUICK = {"limit": 4, "device": "cpu", "workers": 1, "max_tokens": 16}
FEW = {"resamples": 50}


@pytest.fixture(scope="module")
def computed(checkpoints, tmp_path_factory):
    """Return a function that computes a request in a root of its own, and its directory."""

    def compute(name, *arms, tasks="gsm8k_micro", **options):
        typed = [arm.replace("@", str(checkpoints)) for arm in arms]
        out = tmp_path_factory.mktemp(name) / name
        if len(typed) == 1:
            request = EvaluateRequest(arm=tuple(typed), out=out, tasks=tasks, **{**QUICK, **options})
        else:
            request = CompareRequest(
                base=typed[0], treat=tuple(typed[1:]), out=out, tasks=tasks, **{**QUICK, **FEW, **options}
            )
        prepared, threads = prepare(request), torch.get_num_threads()
        with open_session(prepared) as session:
            crew = Crew(prepared.assignments, "cpu")
            for run in session.missing:
                assert crew.perform(run, lambda _: None) == ()
            found = session.write_scores() if len(typed) == 1 else session.write_reports()
        torch.set_num_threads(threads)
        return out, found

    return compute


BOTH = ("lora=@/lora/seed{seed}", "talan+lora=@/talan/seed{seed}")


@pytest.fixture(scope="module")
def whole(computed):
    return computed("whole", *BOTH, tasks="gsm8k_micro,mbpp_micro")


@pytest.fixture(scope="module")
def by_seed(computed):
    tasks = "gsm8k_micro,mbpp_micro"
    return [
        computed("first", *BOTH, tasks=tasks, seeds="0,1")[0],
        computed("second", *BOTH, tasks=tasks, seeds="2,")[0],
    ]


def merged(parts, out, **options):
    return merge(parts, MergeRequest(results=(), out=out, **{**FEW, **options}))


def test_other_seeds_together_are_what_one_machine_would_have_found(whole, by_seed, tmp_path):
    found = merged(by_seed, tmp_path / "out")
    _, expected = whole
    assert found.document.contrasts == expected.contrasts
    assert found.document.signature == expected.signature
    assert found.notes == (f"12 evaluations are taken from {by_seed[0]}, {by_seed[1]}.",)
    assert Store.load(tmp_path / "out").verify().problems == ()
    assert json.loads((tmp_path / "out" / "result.json").read_text())["signature"] == expected.signature
    again = merged(by_seed, tmp_path / "out")  # the same once more changes nothing
    assert again.document.contrasts == expected.contrasts


def test_other_benchmarks_and_arms_together(whole, computed, tmp_path):
    parts = [
        computed("gsm", *BOTH)[0],
        computed("mbpp", *BOTH, tasks="mbpp_micro")[0],
        computed("single", BOTH[0], "trl=@/trl", tasks="gsm8k_micro,mbpp_micro")[0],
    ]
    found = merged(parts, tmp_path / "out").document
    assert [(one.base, one.treatment) for one in found.contrasts] == [("lora", "talan+lora"), ("trl", "lora")]
    cells = [(cell.task, cell.deltas) for cell in found.contrasts[0].cells]
    assert cells == [(cell.task, cell.deltas) for cell in whole[1].contrasts[0].cells]


def test_evaluations_of_one_arm_are_one(computed, tmp_path):
    parts = [computed("early", BOTH[0], seeds="0,2")[0], computed("late", BOTH[0], seeds="1,")[0]]
    found = merged(parts, tmp_path / "out").document
    assert found.backbones[0].scores[0].seeds == (0, 1, 2)
    other = computed("trl", "trl=@/trl")[0]
    with pytest.raises(UserError, match="evaluations of different arms"):
        merged([parts[0], other], tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_what_no_part_holds_is_listed_and_left_out(by_seed, computed, tmp_path):
    alone = computed("only gsm", *BOTH, seeds="0,")[0]
    found = merged([by_seed[1], alone], tmp_path / "out")
    assert found.notes[1].startswith("2 evaluations of the whole are in none of them (lora seed 0 on mbpp_micro, ")
    assert [cell.seeds for cell in found.document.contrasts[0].cells] == [(0, 2), (2,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 3}, "tasks.gsm8k_micro"),
        ({"max_tokens": 8}, "tasks.gsm8k_micro"),
        ({"eval_batch": 3}, "backbones.0.eval_batch"),
        ({"pairing": "independent"}, "pairing.talan"),
        ({"loss": False}, "backbones.0.answering.loss"),
    ],
)
def test_parts_of_different_experiments_are_refused_by_what_differs(options, said, checkpoints):
    arms = [arm.replace("@", str(checkpoints)) for arm in BOTH]

    def experiment(**changes):
        return prepare(
            CompareRequest(base=arms[0], treat=(arms[1],), tasks="gsm8k_micro", **{**QUICK, **changes})
        ).experiment

    one, other = experiment(), experiment(**options)
    with pytest.raises(UserError, match=f"A and B are parts of different experiments: {said}"):
        joined([("A", one), ("B", other)])
    assert joined([("A", one), ("B", one)]) == one


def test_answers_that_differ_under_one_name_are_refused(by_seed, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(by_seed[0], changed)
    store = Store.load(changed)
    name, record = next((name, one) for name, one in store.finished().items() if one.data["kind"] == "evaluation")
    (file,) = record.files
    other = next(one for one in store.finished().values() if one.files and one.files != record.files)
    store.seal(name, record.data, {file.name: store.payload_path(other.files[0].name).read_bytes()})
    with pytest.raises(UserError, match=f"{name} was answered in .* and the answers differ"):
        merged([by_seed[0], changed], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_parts_are_named(by_seed, tmp_path):
    with pytest.raises(UserError, match="nothing to put together"):
        merged(by_seed[:1], tmp_path / "out")
    with pytest.raises(UserError, match="named twice"):
        merged([by_seed[0], by_seed[0]], tmp_path / "out")
    with pytest.raises(UserError, match="is one of the parts"):
        merged(by_seed, by_seed[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no experiment"):
        merged([by_seed[0], tmp_path / "empty"], tmp_path / "out")
    damaged = tmp_path / "damaged"
    shutil.copytree(by_seed[1], damaged)
    next((damaged / "samples" / "mbpp_micro").iterdir()).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="counts as missing"):
        merged([by_seed[0], damaged], tmp_path / "out")


def test_the_command_prints_the_table(by_seed, tmp_path):
    words = ["merge", *map(str, by_seed), "--out", str(tmp_path / "out"), "--resamples", "50"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "talan+lora" in done.output
    assert "12 evaluations are taken from" in done.output


def test_scores_are_kept_without_answers_and_reports_say_so(whole, computed):
    out, found = computed("silent", *BOTH, no_samples=True)
    rows = [row for file in (out / "samples").glob("*/*.parquet") for row in read_rows(file)]
    assert len(rows) == 6 * 4
    assert all(row["answer"] is None and row["extracted"] is None for row in rows)
    with_answers = [row for file in (whole[0] / "samples" / "gsm8k_micro").glob("*") for row in read_rows(file)]
    assert sorted((row["item_id"], row["score"]) for row in rows) == sorted(
        (row["item_id"], row["score"]) for row in with_answers
    )
    assert all(row["answer"] is not None for row in with_answers)
    assert "The answers of 6 of 6 evaluations were not kept (--no-samples), only their scores." in found.warnings
    assert not any("not kept" in text for text in whole[1].warnings)
    done = CliRunner().invoke(app, ["report", str(out), "--format", "html"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("reason", ["'five' differs from \"5\"", "differs from 288", "claims B, the target is C"])
def test_reasons_say_nothing_of_an_answer(reason):
    kept = withheld(Sample("i", "p", 0.0, "mismatch", "five", reason, "It is five."))
    assert (kept.answer, kept.extracted, kept.reason) == (None, None, "mismatch")


def test_every_two_parts_are_held_against_each_other():
    def experiment(*treat, **changes):
        options = {**QUICK, "steps": 2, "seeds": "2", **changes}
        return prepare(CompareRequest(base="lora[r=1]", treat=treat, tasks="gsm8k_micro", **options)).experiment

    first = experiment("dora")
    one, other = experiment("rslora"), experiment("rslora").model_copy(update={"extensions": {"rslora": "there 2.0"}})
    assert "rslora" in joined([("A", first), ("B", one), ("C", one)]).arms
    with pytest.raises(UserError, match="B and C are parts of different experiments: extensions"):
        joined([("A", first), ("B", one), ("C", other)])


def test_answers_that_must_not_be_kept_are_not_taken_from_a_sibling(computed, checkpoints):
    out, _ = computed("kept", *BOTH)
    arms = [arm.replace("@", str(checkpoints)) for arm in BOTH]
    for silent, adopted in ((True, 0), (False, 6)):
        request = CompareRequest(
            base=arms[0], treat=(arms[1],), tasks="gsm8k_micro", out=out.with_name(f"beside-{silent}"),
            no_samples=silent, **{**QUICK, **FEW},
        )  # fmt: skip
        with open_session(prepare(request)) as session:
            assert len(session.adopted) == adopted
