"""A run that is interrupted and goes on equals one that is not; a bad step never reaches the last good checkpoint."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil

import pytest
import torch

import talan_core
from talan_core.errors import UserError
from talan_core.training import trainer
from talan_core.training.data import encode
from talan_core.training.state import RUN, last_complete, write_progress
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=6, batch_size=2, accumulation=2, learning_rate=5e-3, max_length=64)
ARM = "talan+lora[dropout=0.1]"


class KilledError(Exception):
    pass


def killed_after(last):
    def on_step(step, total, loss):
        del total, loss
        if step == last:
            raise KilledError

    return on_step


def optimizer_state(work_dir):
    return torch.load(work_dir / "checkpoint-6" / "optimizer.pt", weights_only=True)


def flat(state):
    return [value for entry in state["state"].values() for value in entry.values()]


@pytest.mark.parametrize("arm", [ARM, "talan[scope=gate]+dora[dropout=0.1]"])
def test_resumed_equals_uninterrupted_bit_for_bit(run, trained, bit_equal, tmp_path, arm):
    whole, log = run(arm, SETTINGS, work_dir=tmp_path / "whole", save_every=2)
    broken = tmp_path / "broken"
    with pytest.raises(KilledError):
        run(arm, SETTINGS, work_dir=broken, save_every=2, on_step=killed_after(5))
    assert last_complete(broken).step == 4
    seen = []
    again, resumed = run(arm, SETTINGS, work_dir=broken, save_every=2, on_step=lambda step, *_: seen.append(step))
    assert seen == [5, 6]
    assert resumed.losses == log.losses
    assert bit_equal(trained(again), trained(whole))
    states = [optimizer_state(tmp_path / name) for name in ("whole", "broken")]
    assert all(torch.equal(one, other) for one, other in zip(*map(flat, states), strict=True))
    assert states[0]["param_groups"] == states[1]["param_groups"]
    # and saving on the way changes nothing
    plain, plain_log = run(arm, SETTINGS)
    assert plain_log.losses == log.losses
    assert bit_equal(trained(plain), trained(whole))


def test_a_clock_may_decide_when_it_is_saved(run, trained, bit_equal, tmp_path):
    always, never = dt.timedelta(microseconds=1), dt.timedelta(days=1)
    plain, plain_log = run(ARM, SETTINGS)
    with pytest.raises(KilledError):
        run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=always, on_step=killed_after(4))
    assert last_complete(tmp_path / "run").step == 3
    seen = []
    again, log = run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=never, on_step=lambda *a: seen.append(a[0]))
    assert seen == [4, 5, 6], "how often it is saved is no part of the run"
    assert log.losses == plain_log.losses
    assert bit_equal(trained(again), trained(plain))
    assert last_complete(tmp_path / "run").step == 3, "nothing is saved behind the last step, or before the time is up"
    assert log.seconds > last_complete(tmp_path / "run").seconds > 0


def test_a_damaged_checkpoint_is_left_for_the_one_before(run, tmp_path):
    run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=2)
    state = tmp_path / "run" / "checkpoint-6" / "optimizer.pt"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    assert last_complete(tmp_path / "run").step == 6
    state.write_bytes(data)
    assert last_complete(tmp_path / "run").step == 4


@pytest.mark.parametrize("moment", ["before", "amid"])
def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    run, trained, bit_equal, tmp_path, monkeypatch, moment
):
    plain, _ = run(ARM, SETTINGS)

    def killed(progress):
        if progress.step == 3:
            if moment == "amid":
                (progress.directory / "talan_run.tmp").write_text("{")
            raise KilledError
        write_progress(progress)

    always = dt.timedelta(microseconds=1)
    for _ in range(2):  # the second attempt finds what the first has left, under the same name
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "write_progress", killed)
            with pytest.raises(KilledError):
                run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=always)
        assert last_complete(tmp_path / "run").step == 2
    again, _ = run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=always)
    assert bit_equal(trained(again), trained(plain))
    assert last_complete(tmp_path / "run").step == 5


def test_unfinished_checkpoints_of_later_steps_do_not_drive_out_good_ones(run, tmp_path):
    work, always = tmp_path / "run", dt.timedelta(microseconds=1)
    with pytest.raises(KilledError):
        run(ARM, SETTINGS, work_dir=work, save_every=always, on_step=killed_after(4))
    for step in (5, 7):
        shutil.copytree(work / "checkpoint-3", work / f"checkpoint-{step}")
        (work / f"checkpoint-{step}" / RUN).unlink()
    seen = []
    run(ARM, SETTINGS, work_dir=work, save_every=always, on_step=lambda step, *_: seen.append(step))
    assert seen == [4, 5, 6]
    assert sorted(path.name for path in work.iterdir()) == ["checkpoint-4", "checkpoint-5"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 99}', None])
def test_a_damaged_record_of_progress_leaves_the_checkpoint_before(run, tmp_path, content):
    run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=2)
    record = tmp_path / "run" / "checkpoint-6" / RUN
    changed = record.read_bytes().replace(b'"losses": [', b'"losses": [1') if content is None else content
    assert changed != record.read_bytes()
    record.write_bytes(changed)
    assert last_complete(tmp_path / "run").step == 4


def test_a_training_set_may_be_encoded_once_for_several_runs(run, trained, bit_equal, tokenizer, examples):
    plain, plain_log = run(ARM, SETTINGS)
    again, log = run(ARM, SETTINGS, data=encode(tokenizer, examples, SETTINGS.max_length))
    assert log.losses == plain_log.losses
    assert bit_equal(trained(again), trained(plain))


def test_a_finished_run_is_read_back_without_a_step(run, trained, bit_equal, tmp_path):
    first, log = run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=4)
    again, repeated = run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=4, on_step=killed_after(1))
    assert repeated.losses == log.losses
    assert bit_equal(trained(again), trained(first))


def test_the_last_two_checkpoints_are_kept_and_load_as_arms(run, backbone, tokens, tmp_path):
    model, _ = run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=2)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoint-4", "checkpoint-6"]
    loaded = talan_core.load(tmp_path / "run" / "checkpoint-6", backbone())
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)


def test_a_checkpoint_that_was_not_finished_is_not_resumed_from(run, trained, bit_equal, tmp_path):
    whole, _ = run(ARM, SETTINGS, work_dir=tmp_path / "whole", save_every=2)
    shutil.copytree(tmp_path / "whole", tmp_path / "torn")
    (tmp_path / "torn" / "checkpoint-6" / RUN).unlink()
    (tmp_path / "torn" / "checkpoint-6" / "trained.safetensors").write_bytes(b"half of it")
    seen = []
    again, _ = run(ARM, SETTINGS, work_dir=tmp_path / "torn", save_every=2, on_step=lambda step, *_: seen.append(step))
    assert seen == [5, 6]
    assert bit_equal(trained(again), trained(whole))


def test_the_checkpoints_of_another_run_are_refused(run, examples, tmp_path):
    short = dataclasses.replace(SETTINGS, steps=1)
    directory = tmp_path / "run"
    run(ARM, short, work_dir=directory, save_every=6)
    for arm, settings, changes in (
        (ARM, short, {"seed": 1}),
        (ARM, short, {"data": examples[:5]}),
        (ARM, dataclasses.replace(short, learning_rate=4e-3), {}),
        ("lora", short, {}),
    ):
        with pytest.raises(UserError, match="checkpoints of another run"):
            run(arm, settings, work_dir=directory, save_every=6, **changes)
    run(ARM, short, work_dir=directory, save_every=6)  # the control: the same run is not


def poisoned(model, *, at, gradient):
    """Make the loss (or only its gradient) not a number from the given forward pass on."""
    calls = []

    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            del ctx
            return x.view_as(x)

        @staticmethod
        def backward(ctx, *grads):
            del ctx
            return grads[0] * float("nan")

    def hook(_, __, hidden):
        calls.append(1)
        if len(calls) < at:
            return hidden
        return Poison.apply(hidden) if gradient else hidden * float("nan")

    model.model.norm.register_forward_hook(hook)
    return model


@pytest.mark.parametrize(
    ("gradient", "what", "clip"),
    [(False, "loss", 1.0), (True, "gradient's norm", 1.0), (True, "gradient's norm", 0.0)],
)
def test_a_number_that_is_not_finite_stops_the_run_and_leaves_the_last_good_checkpoint(
    run, backbone, tmp_path, gradient, what, clip
):
    settings = dataclasses.replace(SETTINGS, max_grad_norm=clip)
    model = poisoned(backbone(), at=5, gradient=gradient)  # two passes a step: the third step
    with pytest.raises(UserError, match=f"the {what} is nan at step 3 of 6. The checkpoint of step 2 is kept"):
        run(ARM, settings, model=model, work_dir=tmp_path / "run", save_every=1)
    assert last_complete(tmp_path / "run").step == 2
    loaded = talan_core.load(tmp_path / "run" / "checkpoint-2", backbone())
    assert all(torch.isfinite(weight).all() for weight in loaded.parameters())


def test_what_cannot_be_saved_is_said_at_once(run, tmp_path):
    for never in (0, dt.timedelta(0)):
        with pytest.raises(UserError, match="save_every=0"):
            run(ARM, SETTINGS, work_dir=tmp_path / "run", save_every=never)
