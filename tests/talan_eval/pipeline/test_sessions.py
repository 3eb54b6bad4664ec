"""What a start finds: missing cells, cells of siblings, damage, earlier looks, failures; without any model."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.comparison import StatisticsSettings
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.grid import plan
from talan_eval.pipeline.dry_run import outlook
from talan_eval.pipeline.session import IncompleteGridError, open_session
from talan_eval.records.listing import experiments_in, look_at, orphans, status_of
from talan_eval.records.samples import Sample, read_samples, write_samples
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.failures import Failure

ITEMS = 30


def task(name):
    return TaskSpec(
        name=name, version="1:0", metric="exact_match", grader="number", n_items=ITEMS, n_train=9, items_hash=name,
        train_hash="t", runs_code=False,
    )  # fmt: skip


def experiment(seeds=range(3), tasks=("a",), arms=("lora", "talan+lora"), **changes):
    fields = {
        "backbones": (
            TunedBackbone(
                identity=BackboneIdentity(name="micro", commit=None, sha256="0", note=""),
                training={"steps": 3},
                operating_point={},
                eval_batch=8,
            ),
        ),
        "arms": arms,
        "contrasts": tuple(ContrastSpec(arms[0], arm) for arm in arms[1:]),
        "seeds": tuple(seeds),
        "tasks": tuple(task(name) for name in tasks),
        "train": (TrainingSource(name="a", n_train=9, train_hash="t"),),
        "device": "cpu",
        "versions": {},
    }
    return Experiment(**{**fields, **changes})


@pytest.fixture
def prepared(tmp_path):
    def make(name="run", asked=None):
        directory = SimpleNamespace(directory=tmp_path / name, keep_answers=True)
        return SimpleNamespace(
            experiment=asked or experiment(), assignments=(directory,), statistics=StatisticsSettings(resamples=300)
        )

    return make


def samples_of(cell, arm, seed):
    rng = np.random.default_rng([seed, len(arm)])
    right = rng.random(ITEMS) < (0.7 if "talan" in arm else 0.4)
    rows = [Sample(f"i{n}", "h", float(ok), "match" if ok else "mismatch", None, "", "x") for n, ok in enumerate(right)]
    return {f"{cell.task}/{cell.cell_id}.parquet": write_samples(rows)}


def compute(session, leave_out=()):
    for run in session.missing:
        if session.store.checkpoint(run.cell_id) is None:
            with session.store.checkpoint_dir(run.cell_id) as directory:
                (directory / "adapter.safetensors").write_bytes(run.cell_id.encode())
        data = {"kind": "training", "arm": run.arm, "log": {"seconds": 1.0}}
        session.store.seal(run.cell_id, data)
        for cell in run.evaluations:
            if cell.cell_id not in leave_out:
                record = {
                    "kind": "evaluation", "arm": run.arm, "max_logit_change": 1.0, "sandbox": {}, "seconds": 1.0,
                    "weights": session.store.checkpoint_digest(run.cell_id),
                }  # fmt: skip
                session.store.seal(cell.cell_id, record, samples_of(cell, run.arm, run.seed))


def finish(asked):
    with open_session(asked) as session:
        compute(session)
        return session.write_reports()


def document(asked):
    content = json.loads((asked.assignments[0].directory / "result.json").read_text())
    del content["provenance"]["times"]
    return content


def cells_of(runs):
    return [cell.cell_id for run in runs for cell in run.evaluations]


def test_another_benchmark_arm_or_seed_computes_only_what_is_new(prepared):
    finish(prepared("first"))
    wider = {
        "seeds": (experiment(seeds=range(4)), 2),
        "benchmark": (experiment(tasks=("a", "b")), 6),
        "arm": (experiment(arms=("lora", "talan+dora")), 3),
    }
    for name, (asked, new) in wider.items():
        expected = outlook(prepared(name, asked))
        with open_session(prepared(name, asked)) as session:
            assert len(cells_of(session.missing)) == new
            assert set(session.adopted.values()) == {"first"}
            assert all(session.store.checkpoint(run.cell_id) for run in session.missing) == (name == "benchmark")
            assert (expected.offered, len(cells_of(expected.missing))) == (len(session.adopted), new)


def test_what_was_adopted_gives_the_result_of_one_that_computed_all(prepared, tmp_path):
    finish(prepared("first"))
    adopting = prepared("second", experiment(tasks=("a", "b")))
    finish(adopting)
    alone = prepared("elsewhere/alone", experiment(tasks=("a", "b")))
    finish(alone)
    assert document(adopting) == document(alone)
    assert any("adopted_from" in path.read_text() for path in (tmp_path / "second" / "cells").iterdir())


def test_two_arms_never_share_a_cell(prepared):
    finish(prepared("first"))
    with open_session(prepared("swapped", experiment(arms=("talan+lora", "lora")))) as session:
        assert session.missing == ()
        for run in session.runs:
            for cell in run.evaluations:
                (file,) = session.store.record(cell.cell_id).files
                expected = samples_of(cell, run.arm, run.seed)[file.name]
                assert session.store.payload_path(file.name).read_bytes() == expected


def test_a_dry_look_writes_nothing(prepared, tmp_path):
    found = outlook(prepared())
    assert (found.finished, found.offered, len(cells_of(found.missing))) == (0, 0, 6)
    assert list(tmp_path.iterdir()) == []


def test_seeds_that_are_added_after_a_look_are_known_to_be(prepared):
    first = finish(prepared("first"))
    assert first.contrasts[0].aggregate.anytime is None
    again = finish(prepared("first"))
    assert again == first
    more = finish(prepared("more", experiment(seeds=range(7))))
    assert more.contrasts[0].aggregate.anytime.at == (3, 7)
    assert any("seeds were added after a look" in text for text in more.warnings)
    (backbone,) = experiment().backbones
    longer = (backbone.model_copy(update={"training": {"steps": 4}}),)
    other = finish(prepared("other", experiment(seeds=range(7), backbones=longer)))
    assert other.contrasts[0].aggregate.anytime is None


def test_a_failed_cell_drops_its_pair_and_ends_in_exit_code_4(prepared):
    asked = prepared(asked=experiment(tasks=("a", "b")))
    (lost,) = [run.evaluations[0] for run in plan(asked.experiment) if (run.arm, run.seed) == ("lora", 1)]
    with open_session(asked) as session:
        compute(session, leave_out={lost.cell_id})
        session.store.fail(Failure(lost.cell_id, "lora", 1, "a", "memory", "CUDA out of memory", "Traceback", 2))
        result = session.write_reports()
        with pytest.raises(IncompleteGridError, match="lora seed 1 on a: CUDA out of memory") as caught:
            session.check_complete()
    assert caught.value.exit_code == 4
    (batch,) = {one.eval_batch for one in asked.experiment.backbones}
    directory = asked.assignments[0].directory
    assert f"--eval-batch {batch // 2} --out {directory}-{batch // 2}." in caught.value.fix
    assert [cell.seeds for cell in result.contrasts[0].cells] == [(0, 2), (0, 1, 2)]
    assert [(cell.arm, cell.seed, cell.task) for cell in result.failed_cells] == [("lora", 1, "a")]
    assert any("CUDA out of memory" in text for text in result.warnings)
    assert status_of(look_at(asked.assignments[0].directory)).count("failed") == 1
    complete = finish(asked)
    assert complete.failed_cells == ()
    assert complete.contrasts[0].aggregate.anytime is None, "seeds that were declared before are not added"


def test_without_any_pair_there_is_no_report_but_a_reason(prepared):
    asked = prepared(asked=experiment(seeds=(0,)))
    lost = plan(asked.experiment)[0]
    with open_session(asked) as session:
        compute(session, leave_out=set(cells_of([lost])))
        session.store.fail(Failure(lost.cell_id, "lora", 0, "", "diverged", "the loss is nan", "", 1))
        with pytest.raises(IncompleteGridError, match="the loss is nan") as caught:
            session.write_reports()
    assert "--eval-batch" not in caught.value.fix
    assert caught.value.exit_code == 4
    assert not (asked.assignments[0].directory / "result.json").exists()


def test_without_any_run_at_all_there_is_no_report_but_the_reasons(prepared):
    asked = prepared(asked=experiment(seeds=(0,)))
    with open_session(asked) as session:
        for run in session.runs:
            session.store.fail(Failure(run.cell_id, run.arm, 0, "", "dead", f"{run.arm} does nothing", "", 1))
        with pytest.raises(IncompleteGridError, match=r"lora does nothing\n(.|\n)*No run of lora and talan") as caught:
            session.write_reports()
    assert caught.value.exit_code == 4


def test_a_choice_that_failed_runs_forbid_leaves_nothing_to_confirm_and_ends_as_without_confirmation(prepared):
    asked = prepared(asked=experiment(seeds=(0,), arms=("lora", "talan+lora", "dora"), confirm=2))
    lost = plan(asked.experiment)[0]
    with open_session(asked) as session:
        compute(session, leave_out=set(cells_of([lost])))
        with pytest.raises(UserError, match="No run of lora is finished"):
            session.confirmation()  # nothing says why
        session.store.fail(Failure(lost.cell_id, "lora", 0, "", "diverged", "the loss is nan", "", 1))
        assert session.confirmation() == ()
        with pytest.raises(IncompleteGridError, match="the loss is nan"):
            session.write_reports()


def test_a_failure_whose_cells_were_finished_since_is_none(prepared):
    asked = prepared()
    finish(asked)
    with open_session(asked) as session:
        run = session.runs[0]
        session.store.fail(Failure(run.cell_id, run.arm, run.seed, "", "killed", "signal 9", "", 2))
        session.check_complete()


def test_a_damaged_checkpoint_is_named_and_removed_where_it_is_needed(prepared):
    asked = prepared()
    finish(asked)
    with open_session(asked) as session:
        run = session.runs[0]
        (session.store.checkpoint(run.cell_id) / "adapter.safetensors").write_bytes(b"?")
    with open_session(asked) as session:
        assert session.problems == ()  # its evaluations are finished
        (session.store.directory / "cells" / f"{run.evaluations[0].cell_id}.json").unlink()
    with open_session(asked) as session:
        assert run.cell_id in session.problems[0]
        assert session.store.checkpoint(run.cell_id) is None


def test_weights_that_differ_between_the_benchmarks_of_a_run_are_told(prepared):
    asked = prepared(asked=experiment(tasks=("a", "b")))
    finish(asked)
    with open_session(asked) as session:
        run = session.runs[0]
        cell = run.evaluations[0]
        data = session.store.record(cell.cell_id).data
        session.store.seal(cell.cell_id, {**data, "weights": "others"}, samples_of(cell, run.arm, run.seed))
        assert any("different weights" in text for text in session.write_reports().warnings)


def test_what_killed_workers_left_is_gone_when_the_result_is_written(prepared):
    asked = prepared()
    finish(asked)
    with open_session(asked) as session:
        done = session.runs[0].evaluations[0].cell_id
        session.store.journal(done, {}).append({"batch": 0})
        left = session.store.directory / "checkpoints" / ".tmp-0123-train"
        left.mkdir()
        session.write_reports()
        assert not left.exists()
        assert session.store.journal_names() == frozenset()


def test_samples_of_older_versions_are_read(prepared):
    asked = prepared()
    finish(asked)
    with open_session(asked) as session:
        cell = session.runs[0].evaluations[0]
        record = session.store.record(cell.cell_id)
        path = session.store.payload_path(record.files[0].name)
        lines = [json.dumps({name: getattr(row, name) for name in row.__slots__}) + "\n" for row in read_samples(path)]
        before = document(asked)
        session.store.seal(cell.cell_id, record.data, {f"a/{cell.cell_id}.jsonl": "".join(lines).encode()})
        session.write_reports()
    assert document(asked) == before


def test_a_clock_that_goes_backwards_changes_nothing(prepared, monkeypatch):
    asked = prepared()
    finish(asked)
    before = document(asked)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with open_session(asked) as session:
        assert session.missing == ()
        assert session.problems == ()
        session.write_reports()
    assert document(asked) == before


def test_checkpoints_of_no_cell_and_damaged_ones_are_orphans(prepared):
    asked = prepared()
    finish(asked)
    with open_session(asked) as session:
        store, names = session.store, set(session.store.checkpoint_names())
        with store.checkpoint_dir("train_unknown") as directory:
            (directory / "weights").write_bytes(b"1")
        damaged = min(names)
        (store.checkpoint(damaged) / "adapter.safetensors").write_bytes(b"?")
        assert set(orphans(store, finished=False)) == {"train_unknown", damaged}
        assert set(orphans(store, finished=True)) == {"train_unknown", *names}


def test_a_root_without_experiments_is_said_to_be_one(tmp_path):
    with pytest.raises(UserError, match="no experiment"):
        experiments_in(tmp_path)


@pytest.mark.speed
def test_a_grid_of_1000_evaluations_is_planned_and_listed_within_2_seconds_of_processor_time(prepared, tmp_path):
    asked = prepared(asked=experiment(seeds=range(125), tasks=("a", "b", "c", "d")))
    with open_session(asked) as session:
        for name in cells_of(session.missing):
            (session.store.directory / "cells" / f"{name}.json").write_bytes(b"{}")
    began = time.process_time()
    shown = status_of(experiments_in(tmp_path)[0])
    assert time.process_time() - began < 2
    assert shown.evaluations == shown.count("finished") == 1000
