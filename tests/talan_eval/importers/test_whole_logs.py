"""Logs of lm-eval that are not what they seem: cut, thinned, limited, mixed, or from before filters had names."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from talan_core.errors import UserError

ZEROS = "0110100110"
ONES = "1110110110"
OLD, NEW = "2026-01-01T00-00-00.000001", "2026-01-02T00-00-00.000001"


@pytest.fixture
def pair(run):
    """Both arms with three seeds, whose results say how many items there were and what their means are."""

    def write(**changes):
        for seed in range(3):
            for arm, text in (("base", ZEROS), ("treat", ONES)):
                run(f"{arm}/seed{seed}", task=text[seed:] + text[:seed], claimed=True, **changes)

    write()
    return write


@pytest.fixture
def answer(compared, tmp_path):
    return lambda **options: compared(tmp_path / "base", tmp_path / "treat", **options).result


@pytest.fixture
def refused(answer):
    def call(**options):
        with pytest.raises(UserError) as caught:
            answer(**options)
        return str(caught.value)

    return call


def edit(path, kind, change):
    for file in sorted(path.glob(f"{kind}*")):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(change(lines)), encoding="utf-8")


def results(path, change):
    for file in sorted(path.glob("results*")):
        content = json.loads(file.read_text(encoding="utf-8"))
        change(content)
        file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.usefixtures("pair")
def test_a_whole_log_raises_nothing(answer):
    got = answer()
    assert got.contrasts[0].cells[0].n_items == 10
    assert not any("report" in warning or "part" in warning for warning in got.warnings)


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("seeds", [(0, 2), (0, 1, 2)])
def test_logs_that_were_cut_at_the_end_of_a_line_are_all_named_and_dropped_on_request(answer, refused, tmp_path, seeds):
    for seed in seeds:  # in both arms alike, so that items pair and nothing else shows it
        for arm in ("base", "treat"):
            edit(tmp_path / arm / f"seed{seed}", "samples", lambda lines: lines[:-4])
    said = refused()
    assert said.startswith(f"There are {2 * len(seeds)} mistakes:")
    assert said.count("holds 6 of the 10 answers that results_") == 2 * len(seeds)
    assert said.endswith("type --allow-unpaired drop")
    got = answer(allow_unpaired="drop")
    assert got.contrasts[0].cells[0].dropped_items == ("6", "7", "8", "9")
    assert any("6 of the 10 answers" in text and "left out of all arms" in text for text in got.warnings)


@pytest.mark.usefixtures("pair")
def test_answers_that_are_not_those_of_the_results_are_refused(refused, answer, tmp_path):
    edit(
        tmp_path / "treat" / "seed1",
        "samples",
        lambda lines: [line.replace('"acc": 0.0', '"acc": 1.0') for line in lines],
    )
    said = refused()
    assert "its answers have a mean acc of 1, and results_" in said
    assert "reports 0.7" in said
    subprocess.run(shlex.split(said.rsplit(": ", 1)[1]), check=True)
    assert answer().contrasts[0].cells[0].n_items == 10


@pytest.mark.usefixtures("pair")
def test_a_metric_that_is_no_mean_is_not_held_against_its_answers(answer, tmp_path):
    def spoil(content):
        content["results"]["task"]["acc,none"] = 0.123
        content["configs"]["task"]["metric_list"][0]["aggregation"] = "f1"

    results(tmp_path / "treat" / "seed1", spoil)
    assert answer().contrasts[0].cells[0].n_items == 10


@pytest.mark.usefixtures("pair")
def test_more_answers_than_the_results_report_are_of_another_run(refused, tmp_path):
    results(tmp_path / "base" / "seed1", lambda content: content["n-samples"]["task"].update(effective=6, original=10))
    assert "holds 10 answers, and" in refused(allow_unpaired="drop")


def test_limited_runs_are_compared_and_called_so(pair, answer):
    pair(limit=10.0, total=1319)
    assert any(text == "task scored in part: --limit 10, of 1319 items." for text in answer().warnings)


def test_a_limit_that_leaves_nothing_out_is_none(pair, answer):
    pair(limit=10.0, total=10)
    assert not any("scored in part" in text for text in answer().warnings)


def test_a_share_as_limit_counts_as_lm_eval_counts_it(pair, answer, tmp_path):
    pair(limit=0.1, total=95)
    for arm in ("base", "treat"):  # before 0.4.13 the count was that of another task
        results(tmp_path / arm / "seed0", lambda content: content["n-samples"]["task"].update(effective=3))
    assert any("--limit 0.1, of 95 items" in text for text in answer().warnings)


@pytest.mark.parametrize("limit", [None, 4.0])
def test_a_newest_log_that_is_shorter_is_refused_for_all_runs_and_the_advice_can_be_typed(
    run, compare_words, tmp_path, monkeypatch, limit
):
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        for arm, text in (("base", ZEROS), ("treat", ONES)):
            turned = text[seed:] + text[:seed]
            run(f"{arm}/seed{seed}", task_a=turned, task_b=turned, time=OLD, claimed=True)
            run(f"{arm}/seed{seed}", task_a=turned[:4], time=NEW, limit=limit, claimed=True, total=10)
    with pytest.raises(UserError) as caught:
        compare_words("base=base", "treat=treat")
    said = str(caught.value)
    assert said.startswith("There are 6 mistakes:")
    assert ("(--limit 4, of 10 items)" in said) == (limit is not None)
    words = shlex.split(said.rsplit(": talan-eval compare-logs ", 1)[1])
    got = compare_words(*words).result
    assert [(cell.task, cell.n_items, cell.seeds) for cell in got.contrasts[0].cells] == [
        ("task_a", 10, (0, 1, 2)), ("task_b", 10, (0, 1, 2)),
    ]  # fmt: skip
    shorter = [f"{arm}={arm}/seed{seed}/samples_task_a_{NEW}.jsonl" for arm in ("base", "treat") for seed in range(3)]
    assert compare_words(*shorter).result.contrasts[0].cells[0].n_items == 4  # what is named is what is meant


def test_a_newest_log_that_is_as_long_is_used(run, compared):
    run("base", task=ZEROS, time=OLD)
    got = compared(run("base", task=ONES, time=NEW), run("treat", task=ONES)).result
    assert got.contrasts[0].cells[0].delta == 0


@pytest.mark.parametrize("tasks", [("task", "task"), ("task_a", "task_b")])
def test_two_models_in_one_directory_are_refused_and_one_of_them_can_be_named(run, compare_words, tasks):
    run("base", {tasks[0]: [0.0, 1.0]}, time=OLD, model="adapters/one")
    base = run("base", {tasks[1]: [1.0, 1.0]}, time=NEW, model="adapters/two")
    treat = run("treat", {tasks[0]: [1.0, 1.0]})
    with pytest.raises(UserError) as caught:
        compare_words(f"base={base}", f"treat={treat}")
    said = str(caught.value)
    assert "holds logs of 2 models: peft=adapters/one,pretrained=org/backbone (2026-01-01T" in said
    assert "peft=adapters/two" in said
    word = shlex.split(said.rsplit(f"instead of base={base}: ", 1)[1])
    assert compare_words(*word, f"treat={treat}").result.contrasts[0].cells[0].base_mean == 50


def test_two_full_models_are_told_apart_by_their_names(run, compare_words):
    run("base", task="01", time=OLD, model="", pretrained="org/one")
    base = run("base", task="11", time=NEW, model="", pretrained="org/two")
    with pytest.raises(UserError, match=r"2 models: pretrained=org/one .*pretrained=org/two"):
        compare_words(f"base={base}", f"treat={run('treat', task='11')}")


def test_directories_of_two_models_below_one_are_no_seeds(run, compare_words, tmp_path):
    for arm in ("base", "treat"):
        for name, text in (("alpha", ZEROS), ("beta", ONES)):
            run(f"{arm}/org__{name}", task=text, model=f"org/{name}")
    words = [f"base={tmp_path / 'base'}", f"treat={tmp_path / 'treat'}"]
    with pytest.raises(UserError) as caught:
        compare_words(*words)
    said = str(caught.value)
    assert "holds runs of 2 models: org/alpha" in said
    instead = shlex.split(said.rsplit(f"instead of {words[0]}: ", 1)[1])
    assert instead == [f"base={tmp_path / 'base' / 'org__alpha'}"]
    one_by_one = [f"{arm}={tmp_path / arm / name}" for arm in ("base", "treat") for name in ("org__alpha", "org__beta")]
    assert compare_words(*one_by_one).result.contrasts[0].cells[0].n_seeds == 2  # as declared


def test_models_that_differ_in_a_number_are_seeds(run, compared, tmp_path):
    for arm, text in (("base", ZEROS), ("treat", ONES)):
        for number in (7, 11):
            run(f"{arm}/x{number}", task=text[number % 5 :] + text[: number % 5], model=f"out/{arm}-{number}")
    assert compared(tmp_path / "base", tmp_path / "treat").result.contrasts[0].cells[0].n_seeds == 2


def test_tasks_without_a_common_filter_are_named_each_and_the_advice_can_be_typed(run, compare_words):
    filters = {"gsm8k": ("strict", "flexible"), "mgsm": ("remove", "last"), "plain": ("none",)}
    tasks = {task: [0.0, 1.0, 1.0] for task in filters}
    words = [f"{arm}={run(arm, tasks, filters=filters, claimed=True)}" for arm in ("base", "treat")]
    with pytest.raises(UserError) as caught:
        compare_words(*words)
    said = str(caught.value)
    assert re.search(
        r"'gsm8k' was scored under 2 filters: strict, flexible \(\S+\); task 'mgsm' was scored under 2", said
    )
    typed = shlex.split(said.rsplit(": ", 1)[1])
    assert typed == ["--filter", "gsm8k=strict", "--filter", "mgsm=remove"]
    got = compare_words(*words, filter=tuple(typed[1::2])).result
    assert [cell.metric for cell in got.contrasts[0].cells] == ["acc,strict", "acc,remove", "acc"]
    mixed = compare_words(*words, filter=("strict", "mgsm=last")).result
    assert [cell.metric for cell in mixed.contrasts[0].cells] == ["acc,strict", "acc,last", "acc"]


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (("strict",), "Task 'mgsm' was scored under 2 filters"),
        (("gsm8k=last", "mgsm=last"), "Unknown filter of task 'gsm8k' 'last'"),
        (("gsm=strict",), "Unknown task 'gsm'"),
        (("gsm8k=strict", "gsm8k=flexible"), "--filter names two for task 'gsm8k'"),
        (("strict", "last"), "--filter names several filters for all tasks"),
        (("stric",), "Did you mean 'strict'"),
    ],
)  # fmt: skip
def test_filters_that_were_typed_wrongly(run, compare_words, filters, says):
    own = {"gsm8k": ("strict", "flexible"), "mgsm": ("remove", "last")}
    words = [f"{arm}={run(arm, {task: [0.0, 1.0] for task in own}, filters=own)}" for arm in ("base", "treat")]
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        compare_words(*words, filter=filters)


def nameless(path, *, known):
    """Take the filters' names out of the lines, as older versions wrote them; the results name them or do not."""

    def without(lines):
        rows = [json.loads(line) for line in lines]
        for row in rows:
            for key in ("filter", "metrics", "prompt_hash", "doc_hash", "target_hash"):
                del row[key]
        return [json.dumps(row) + "\n" for row in rows]

    edit(path, "samples", without)
    if not known:
        results(path, lambda content: [content.pop(key, None) for key in ("results", "configs")])


def two_filters(run, arm, strict, flexible, *, known):
    path = run(
        arm, {"gsm8k": [float(letter) for letter in strict]}, filters={"gsm8k": ("strict", "flexible")}, claimed=True
    )
    lines = next(path.glob("samples*")).read_text(encoding="utf-8").splitlines(keepends=True)
    half = len(lines) // 2
    second = [
        line.replace('"acc": 0.0', f'"acc": {letter}.0').replace('"acc": 1.0', f'"acc": {letter}.0')
        for line, letter in zip(lines[half:], flexible, strict=True)
    ]
    edit(path, "samples", lambda _: [*lines[:half], *second])
    results(path, lambda content: content["results"]["gsm8k"].update({"acc,flexible": flexible.count("1") / half}))
    nameless(path, known=known)
    return path


def test_filters_that_the_lines_do_not_name_are_told_by_their_means(run, compare_words):
    words = [f"{arm}={two_filters(run, arm, one, two, known=True)}" for arm, one, two in
             (("base", "0010", "0110"), ("treat", "0110", "1110"))]  # fmt: skip
    with pytest.raises(UserError, match="'gsm8k' was scored under 2 filters: strict, flexible"):
        compare_words(*words)
    got = compare_words(*words, filter=("flexible",)).result.contrasts[0].cells[0]
    assert (got.base_mean, got.treat_mean, got.n_items) == (50, 75, 4)


def test_filters_that_nothing_tells_apart_are_refused_by_name_and_one_can_be_kept(run, compare_words):
    words = [f"{arm}={two_filters(run, arm, one, two, known=False)}" for arm, one, two in
             (("base", "0010", "0110"), ("treat", "0110", "1110"))]  # fmt: skip
    with pytest.raises(UserError) as caught:
        compare_words(*words)
    said = str(caught.value)
    assert "'gsm8k' was scored under 2 filters (lines 1 to 4; lines 5 to 8)" in said
    assert "samples" not in said.partition("averaging")[2].partition("\n")[0]  # no advice to take filters for samples
    for line in said.splitlines():
        if "sed -i.bak" in line:
            subprocess.run(shlex.split(line.rsplit("alone: ", 1)[1]), check=True)
    got = compare_words(*words).result.contrasts[0].cells[0]
    assert (got.base_mean, got.treat_mean, got.n_items) == (25, 50, 4)


def test_equal_means_tell_no_filters_apart(run, compare_words):
    words = [f"{arm}={two_filters(run, arm, '0110', '0011', known=True)}" for arm in ("base", "treat")]
    with pytest.raises(UserError, match="the filters of gsm8k are strict, flexible"):
        compare_words(*words)


def test_an_item_that_the_task_gave_no_score_is_named_and_dropped(run, compare_words):
    items = [{"acc": 1.0}, {}, {"acc": 0.0}, {"acc": 1.0}]
    words = [f"{arm}={run(arm, {'task': own}, claimed=True)}" for arm, own in
             (("base", items), ("treat", [{"acc": 1.0}] * 4))]  # fmt: skip
    with pytest.raises(UserError, match=r"(?s)item '1' \(line 2: no acc; it has no metric\): no score.*drop$"):
        compare_words(*words)
    got = compare_words(*words, allow_unpaired="drop").result
    assert got.contrasts[0].cells[0].dropped_items == ("1",)
    assert any("'1' (base at seed 0, line 2: no acc" in text for text in got.warnings)


def test_a_first_item_without_a_score_hides_no_metric(run, compare_words):
    items = [{}, {"acc": 1.0, "f1": 0.5}, {"acc": 0.0, "f1": 0.0}]
    words = [f"{arm}={run(arm, {'task': items})}" for arm in ("base", "treat")]
    got = compare_words(*words, metric=("f1",), allow_unpaired="drop").result
    assert (got.contrasts[0].cells[0].metric, got.contrasts[0].cells[0].dropped_items) == ("f1", ("0",))


@pytest.mark.usefixtures("pair")
def test_a_task_whose_samples_are_lost_is_named(answer, tmp_path):
    for arm in ("base", "treat"):
        results(tmp_path / arm / "seed0", lambda content: content["n-samples"].update(other={"effective": 3}))
    assert any("no samples of other, which the results name" in text for text in answer().warnings)


@pytest.mark.usefixtures("pair")
def test_a_newer_run_without_samples_is_named(answer, tmp_path):
    (tmp_path / "base" / "seed0" / "results_2027-01-01T00-00-00.000001.json").write_text("{}", encoding="utf-8")
    assert any("results_2027-01-01" in text and "none of its own" in text for text in answer().warnings)


def test_problems_of_all_files_are_in_one_message(run, compared):
    base, treat = run("base", task_a="01", task_b="01"), run("treat", task_a="11", task_b="01")
    for path in (base, treat):
        for file in path.glob("samples_task_a*"):
            file.write_text("{", encoding="utf-8")
    next(treat.glob("samples_task_b*")).write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        compared(base, treat)
    assert str(caught.value).count("cut off") == 2
    assert "is empty" in str(caught.value)


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update({"n-samples": None, "results": [], "configs": "x", "config": None}),
        lambda content: content.update({"n-samples": {"task": 7}, "results": {"task": {"acc,none": "N/A"}}}),
        lambda content: content["n-samples"]["task"].update(effective="ten", original=None),
        lambda content: content.update({"configs": {"task": {"metric_list": [1], "filter_list": "a"}}}),
        lambda content: content["config"].update({"limit": "all", "model_args": 3}),
    ],
)
def test_results_of_another_shape_are_no_reason_to_stop(answer, tmp_path, change):
    results(tmp_path / "base" / "seed0", change)
    assert answer().contrasts[0].cells[0].n_items == 10


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("results/main/checkpoints/train_talan+lora_seed-0_0123456789ab", "talan+lora"),
        ("runs/one/lora/checkpoint-500", "lora"),
        ("/data/dora/seed0/adapter", "dora"),
        ("org/model", "org/model"),
    ],
)
def test_arms_are_called_after_models_and_not_after_places_in_a_store(run, compare_words, model, name):
    one, other = run("one", task="01", model=model), run("two", task="11", model="adapters/other")
    assert compare_words(one, other).result.contrasts[0].base == name


def test_one_filter_that_stands_there_twice_is_not_taken_for_two(run, compare_words):
    words = [f"{arm}={two_filters(run, arm, '0110', '0110', known=True)}" for arm in ("base", "treat")]
    for word in words:  # the report says that the other filter had another mean
        results(Path(word.partition("=")[2]), lambda content: content["results"]["gsm8k"].update({"acc,flexible": 1.0}))
    with pytest.raises(UserError, match="the filters of gsm8k are strict, flexible"):
        compare_words(*words)
