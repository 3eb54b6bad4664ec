"""A training that is interrupted goes on from its last state, and ends as one that was not."""

from __future__ import annotations

import pytest

from talan_core.training import trainer
from talan_eval.execution.run_worker import RunWorker
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.session import open_session
from talan_eval.requests.compare import CompareRequest

STEPS = 4
AT_EACH_STEP = 1e-9


def prepared(out, *, save_minutes):
    return prepare(
        CompareRequest(
            seeds="1", tasks="gsm8k_micro", limit=2, steps=STEPS, batch_size=2, save_minutes=save_minutes, out=out
        )
    )  # fmt: skip


def train(out, *, save_minutes, stop_at=None):
    """Perform the first run, interrupted behind a step if asked for; return the steps, the failures and the store."""
    steps = []

    def report(event):
        if event.stage == "train":
            steps.append(event.done)
            if event.done == stop_at:
                raise RuntimeError("interrupted")

    asked = prepared(out, save_minutes=save_minutes)
    with open_session(asked) as session:
        run = session.runs[0]
        failures = RunWorker(asked.assignments[0], "cpu").perform(run, report)
        session.store.tidy()
        return steps, failures, session.store, run.cell_id


def weights(store, cell_id):
    return (store.checkpoint(cell_id) / "adapter_model.safetensors").read_bytes()


def losses(store, cell_id):
    return store.record(cell_id).data["log"]["losses"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "out", save_minutes=0)


def test_it_goes_on_from_the_last_state_and_ends_as_if_nothing_had_happened(whole, tmp_path):
    out = tmp_path / "out"
    steps, failures, store, cell_id = train(out, save_minutes=AT_EACH_STEP, stop_at=3)
    assert (steps, len(failures)) == ([1, 2, 3], 1)
    assert store.training_names() == {cell_id}
    steps, failures, store, cell_id = train(out, save_minutes=AT_EACH_STEP)
    assert (steps, failures) == ([3, 4], ()), "step 3 was interrupted before its state was written"
    assert weights(store, cell_id) == weights(whole[2], cell_id)
    assert losses(store, cell_id) == losses(whole[2], cell_id)
    assert list((out / "running").iterdir()) == []


def test_without_states_it_starts_again(whole, tmp_path):
    out = tmp_path / "out"
    train(out, save_minutes=0, stop_at=3)
    steps, failures, store, cell_id = train(out, save_minutes=0)
    assert (steps, failures) == ([1, 2, 3, 4], ())
    assert weights(store, cell_id) == weights(whole[2], cell_id)


def test_a_damaged_state_is_left_for_the_one_before(whole, tmp_path):
    out = tmp_path / "out"
    _, _, store, cell_id = train(out, save_minutes=AT_EACH_STEP, stop_at=3)
    newest = store.training_dir(cell_id) / "checkpoint-2" / "optimizer.pt"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    steps, failures, store, cell_id = train(out, save_minutes=AT_EACH_STEP)
    assert (steps, failures) == ([2, 3, 4], ())
    assert weights(store, cell_id) == weights(whole[2], cell_id)


def test_a_state_of_other_code_is_left_aside(whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "run_identity", lambda *_: "of other code")
        train(out, save_minutes=AT_EACH_STEP, stop_at=3)
    steps, failures, store, cell_id = train(out, save_minutes=AT_EACH_STEP)
    assert (steps, failures) == ([1, 2, 3, 4], ())
    assert weights(store, cell_id) == weights(whole[2], cell_id)


def test_the_state_of_a_training_that_was_sealed_is_removed(tmp_path):
    out = tmp_path / "out"
    _, _, store, cell_id = train(out, save_minutes=0)
    store.training_dir(cell_id).mkdir()
    store.tidy()
    assert store.training_names() == frozenset()
