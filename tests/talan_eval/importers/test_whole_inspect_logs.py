"""Logs of inspect_ai that are not what they seem: errors, missing scores, epochs, limits, retries, several tasks."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from talan_core.errors import UserError

api = pytest.importorskip("inspect_ai.log", reason="needs the extra: pip install 'talan-eval[inspect]'")
scorer = pytest.importorskip("inspect_ai.scorer")

ITEMS = 6


def sample(item, value, epoch=1, **changes):
    scores = {} if value is None else {"match": value if isinstance(value, scorer.Score) else scorer.Score(value=value)}
    fields = {"id": item, "epoch": epoch, "input": f"q{item}", "target": "yes", "scores": scores, **changes}
    return api.EvalSample(**fields)


def failed(message="RuntimeError('server 500')"):
    return api.EvalError(message=message, traceback="", traceback_ansi="")


def write(path, samples, *, day=1, planned=None, mean=None, status="success", **spec):
    """Write a log as inspect_ai writes it; planned are the ids that it was to hold, spec changes its head."""
    ids = list(dict.fromkeys(one.id for one in samples or [])) if planned is None else planned
    config = spec.pop("config", {})
    metrics = {} if mean is None else {"accuracy": api.EvalMetric(name="accuracy", value=mean)}
    log = api.EvalLog(
        status=status,
        eval=api.EvalSpec(
            created=f"2026-01-{day:02}T00:00:00+00:00",
            dataset=api.EvalDataset(samples=len(ids), sample_ids=ids),
            config=api.EvalConfig(**{"epochs": 1, **config}),
            **{"task": "sums", "model": "openai/x", **spec},
        ),
        results=api.EvalResults(
            total_samples=len(ids) * config.get("epochs", 1),
            completed_samples=len(samples or []),
            scores=[api.EvalScore(name="match", scorer="match", metrics=metrics)],
        ),
        samples=samples,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    api.write_eval_log(log, str(path))
    return path


def letters(text):
    return [sample(number, letter) for number, letter in enumerate(text)]


@pytest.fixture
def base(tmp_path):
    for seed, text in enumerate(("CICIII", "CCIIII", "IICICI")):
        write(tmp_path / f"base/seed{seed}/a.eval", letters(text))
    return tmp_path / "base"


@pytest.fixture
def against(base, compared, tmp_path):
    """Compare the base with a treatment of three seeds, of which the first is made of the given samples."""

    def compare(samples, options=None, **changes):
        write(tmp_path / "treat/seed0/a.eval", samples, **changes)
        for seed, text in ((1, "CCICII"), (2, "IICCCI")):
            write(tmp_path / f"treat/seed{seed}/a.eval", letters(text))
        return compared(base, tmp_path / "treat", **(options or {})).result

    return compare


def cell_of(result):
    return result.contrasts[0].cells[0]


def test_a_score_beside_an_error_counts_and_is_named(against):
    got = against([sample(0, "I", error=failed()), *letters("CCICII")[1:]])
    assert (cell_of(got).n_items, cell_of(got).treat_by_seed[0]) == (6, pytest.approx(100 * 2 / 6))
    assert any("score_on_error" in text and "items '0'" in text for text in got.warnings)


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (lambda: sample(2, None, error=failed()), "error: RuntimeError"),
        (lambda: sample(2, float("nan")), "match is nan"),
        (lambda: sample(2, scorer.Score(value=float("nan"), reason="the judge refused")), "the judge refused"),
        (lambda: sample(2, None), "it was not scored"),
        (lambda: sample(2, None, scores=None), "it was not scored"),
        (lambda: sample(2, "C", invalidation={"author": "me", "reason": "leak"}), "it was invalidated"),
        (lambda: sample(2, None, scores={"other": scorer.Score(value=1)}), "no match; it has other"),
    ],
)
def test_an_answer_without_a_score_is_named_and_can_be_dropped(against, lost, why):
    samples = [*letters("CC"), lost(), *letters("CCICII")[3:]]
    with pytest.raises(UserError) as caught:
        against(samples)
    said = str(caught.value)
    assert f"item '2' (sample 3: {why}" in said
    assert "Scale the scores" not in said
    option = shlex.split(said.rsplit("type ", 1)[1])
    assert option == ["--allow-unpaired", "drop"]
    got = against(samples, {"allow_unpaired": "drop"})
    assert (cell_of(got).n_items, cell_of(got).dropped_items) == (5, ("2",))
    assert any("'2' (treat at seed 0, sample 3: " in text for text in got.warnings)


def test_an_item_of_which_one_epoch_failed_is_left_out_whole(compared, tmp_path):
    for arm, shift in (("base", 0), ("treat", 1)):
        for seed in range(3):
            samples = [
                sample(item, "CI"[(item + epoch + seed * shift) % 2], epoch)
                for item in range(ITEMS)
                for epoch in (1, 2)
            ]
            if (arm, seed) == ("treat", 1):
                samples[3] = sample(1, None, 2, error=failed())
                del samples[-1]
            write(tmp_path / f"{arm}/seed{seed}/a.eval", samples, config={"epochs": 2})
    with pytest.raises(UserError, match=r"lacks 1 of the 12 answers that it was to hold: '5' epoch 2"):
        compared(tmp_path / "base", tmp_path / "treat")
    got = compared(tmp_path / "base", tmp_path / "treat", allow_unpaired="drop").result
    assert (cell_of(got).k, cell_of(got).dropped_items) == (2, ("1", "5"))


def test_samples_that_were_taken_out_of_a_log_are_named(against):
    with pytest.raises(UserError, match=r"lacks 2 of the 6 answers that it was to hold: '4', '5'"):
        against(letters("CCIC"), planned=list(range(ITEMS)))
    got = against(letters("CCIC"), {"allow_unpaired": "drop"}, planned=list(range(ITEMS)))
    assert cell_of(got).dropped_items == ("4", "5")


def test_a_mean_that_is_not_the_reported_one_is_said(against):
    got = against(letters("CCICII"), mean=0.9)
    assert any("mean match of 0.5, and a.eval reports 0.9" in text for text in got.warnings)
    assert not any("reports" in text for text in against(letters("CCICII"), mean=0.5).warnings)


@pytest.mark.parametrize(("limit", "shown"), [(4, "--limit 4"), ((2, 6), "--limit (2, 6)")])
def test_a_newest_log_that_is_shorter_is_refused(base, compare_words, tmp_path, limit, shown):
    for seed in range(3):
        write(tmp_path / f"treat/seed{seed}/old.eval", letters(("CCICII", "CCCIII", "IICICC")[seed]))
        write(tmp_path / f"treat/seed{seed}/new.eval", letters("CCIC"), day=2, config={"limit": limit})
    with pytest.raises(UserError) as caught:
        compare_words(f"base={base}", f"treat={tmp_path / 'treat'}")
    said = str(caught.value)
    assert said.startswith("There are 3 mistakes:")
    assert shown in said
    words = shlex.split(said.rsplit(": talan-eval compare-logs ", 1)[1])
    assert cell_of(compare_words(*words).result).n_items == 6


def test_a_log_without_samples_is_refused(against):
    with pytest.raises(UserError, match="holds no samples"):
        against(None, planned=list(range(ITEMS)))


def test_what_a_retry_leaves_behind_is_no_reason_to_stop(against, tmp_path):
    write(tmp_path / "treat/seed0/failed.eval", letters("CC"), status="error", planned=list(range(ITEMS)))
    assert cell_of(against(letters("CCICII"), day=2)).n_items == 6


def test_a_newest_log_that_did_not_finish_is_refused_and_the_finished_one_can_be_named(
    against, base, tmp_path, compare_words
):
    write(tmp_path / "treat/seed0/failed.eval", letters("CC"), day=3, status="cancelled")
    with pytest.raises(UserError, match="did not finish"):
        against(letters("CCICII"))
    with pytest.raises(UserError) as caught:
        compare_words(f"base={base}", f"treat={tmp_path / 'treat'}")
    word = str(caught.value).rsplit("type ", 1)[1]
    assert word.endswith("treat/seed0/a.eval")
    rest = [f"treat={tmp_path / 'treat' / f'seed{seed}'}" for seed in (1, 2)]
    assert cell_of(compare_words(f"base={base}", word, *rest).result).n_items == 6


def subjects(directory, *names, **more):
    for name in names:
        draw = np.random.default_rng([ord(letter) for letter in "".join((*directory.parts[-2:], name))])
        right = draw.integers(0, 2, ITEMS).tolist()
        samples = [sample(n, "IC"[good], input=f"{name}{n}") for n, good in enumerate(right)]
        write(directory / f"{name}.eval", samples, task="mmlu", task_args={"subject": name, **more})


def test_one_task_under_several_arguments_is_several_tasks(compared, tmp_path):
    for seed in range(3):
        subjects(tmp_path / f"base/seed{seed}", "algebra", "history", arm="base")
        subjects(tmp_path / f"treat/seed{seed}", "algebra", "history", arm="treat")
        write(tmp_path / f"treat/seed{seed}/x.eval", letters("CICI" + "CI"[seed % 2] * 2))
        write(tmp_path / f"base/seed{seed}/x.eval", letters("CICIC" + "CIP"[seed]))
    got = compared(tmp_path / "base", tmp_path / "treat", metric=("mmlu[subject=history]=match",)).result
    assert [(cell.task, cell.n_items) for cell in got.contrasts[0].cells] == [
        ("mmlu[subject=algebra]", 6), ("mmlu[subject=history]", 6), ("sums", 6),
    ]  # fmt: skip
    one = compared(tmp_path / "base", tmp_path / "treat", tasks="mmlu[subject=history]").result
    assert [cell.task for cell in one.contrasts[0].cells] == ["mmlu[subject=history]"]


def test_arguments_that_tell_tasks_apart_in_one_run_are_named_in_all(compared, tmp_path):
    subjects(tmp_path / "base", "algebra", "history")
    subjects(tmp_path / "treat", "algebra")
    with pytest.raises(UserError, match=r"lacks 'mmlu\[subject=history\]'.\n.*--tasks mmlu\[subject=algebra\]"):
        compared(tmp_path / "base", tmp_path / "treat")


def test_a_hub_of_problems_is_one_message(base, compared, tmp_path):
    write(tmp_path / "treat/seed0/a.eval", [*letters("CCICI"), sample(5, None)])
    write(tmp_path / "treat/seed1/a.eval", [sample(0, None, error=failed("OOM")), *letters("CCICII")[1:]])
    write(tmp_path / "treat/seed2/a.eval", letters("CCICII"))
    with pytest.raises(UserError) as caught:
        compared(base, tmp_path / "treat")
    said = str(caught.value)
    assert said.startswith("There are 2 mistakes:")
    assert "error: OOM" in said
    assert said.count("inspect eval-retry") == 1


@pytest.mark.parametrize(
    ("value", "score"),
    [("C", 1), ("P", 0.5), ("N", 0), (True, 1), ("yes", 1), ("0.25", 0.25), (0.75, 0.75)],
)
def test_values_are_read_as_inspect_reads_them(against, value, score):
    got = against([sample(0, value), *letters("IIIIII")[1:]])
    assert cell_of(got).treat_by_seed[0] == pytest.approx(100 * score / 6)


@pytest.mark.parametrize(
    ("reducer", "advice"),
    [("pass_at_2", "--reduce pass@2"), ("max", "--reduce pass@2"), ("mode", "--reduce mean"), ("mean", None)],
)
def test_a_log_that_makes_no_mean_of_its_epochs_is_not_averaged_without_a_word(compared, tmp_path, reducer, advice):
    for arm, shift in (("base", 0), ("treat", 1)):
        draw = np.random.default_rng(shift)
        for seed in range(3):
            right = draw.integers(0, 2, (ITEMS, 2)).tolist()
            samples = [sample(n, "IC"[right[n][epoch]], epoch + 1) for n in range(ITEMS) for epoch in range(2)]
            write(tmp_path / f"{arm}/seed{seed}/a.eval", samples, config={"epochs": 2, "epochs_reducer": [reducer]})
    both = tmp_path / "base", tmp_path / "treat"
    mean = cell_of(compared(*both, reduce="mean").result)
    if advice is None:
        assert cell_of(compared(*both).result).base_mean == mean.base_mean
        return
    with pytest.raises(UserError) as caught:
        compared(*both)
    assert f"one score of 2 answers to an item by {reducer}" in str(caught.value)
    assert advice in str(caught.value)
    got = cell_of(compared(*both, reduce=advice.split()[1]).result)
    assert got.base_mean > mean.base_mean or advice == "--reduce mean"
