"""The bundled twins as files: generated and hashed as stated, disjoint from training, solved by their solutions."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from talan_core.backbones.micro.world.draws import BENCHMARKS
from talan_core.errors import UserError
from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import MICRO_TASKS, check_names, load_benchmark, task_files
from talan_eval.tasks.datafiles import DataFile, read_rows

MICRO = Path(__file__).parents[2] / "tasks" / "micro"
families = pytest.mark.parametrize("family", sorted(BENCHMARKS))


def load_generator():
    spec = importlib.util.spec_from_file_location("generate", MICRO / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(family: str, split: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (MICRO / "data" / f"{family}_{split}.jsonl").read_text().splitlines()]


class _Loader(yaml.SafeLoader):
    """Reads lm-eval's YAML without importing what it names."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


@families
@pytest.mark.parametrize(("file", "task"), [("train", "micro"), ("test", "micro"), ("test_1000", "micro_1000")])
def test_data_files_are_what_the_generator_writes_and_the_yaml_states(family, file, task):
    generator = load_generator()
    text = (MICRO / "data" / f"{family}_{file}.jsonl").read_text()
    assert text == generator.lines(family, file)
    config = yaml.load((MICRO / f"{family}_{task}.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    split = file.partition("_")[0]
    assert config["metadata"]["sha256"][split] == hashlib.sha256(text.encode()).hexdigest()
    assert config["metadata"]["rows"][split] == len(text.splitlines()) >= 200
    assert config["task"] == f"{family}_{task}"


@families
def test_training_and_test_items_are_disjoint(family):
    train, test = rows(family, "train"), rows(family, "test_1000")
    assert not {r["id"] for r in train} & {r["id"] for r in test}
    assert not {r["question"] for r in train} & {r["question"] for r in test}
    assert len({r["id"] for r in train + test}) == len(train) + len(test)


@families
def test_the_quick_subset_is_the_first_fifth_of_the_thousand(family):
    quick, whole = (load_benchmark(f"{family}_{task}", data_dir=None, limit=None) for task in ("micro", "micro_1000"))
    assert (len(quick.items), len(whole.items)) == (200, 1000)
    assert [(one.item_id, one.prompt) for one in whole.items[:200]] == [
        (one.item_id, one.prompt) for one in quick.items
    ]
    assert (whole.training, whole.spec.grader, whole.spec.metric) == (
        quick.training, quick.spec.grader, quick.spec.metric,
    )  # fmt: skip
    config = quick.task.config.generation_kwargs
    assert whole.task.config.generation_kwargs == config


@pytest.mark.parametrize(
    "family", [pytest.param(one, marks=pytest.mark.slow if one == "mbpp" else ()) for one in sorted(BENCHMARKS)]
)
def test_the_thousand_worked_solutions_are_graded_right(family):
    whole = load_benchmark(f"{family}_micro_1000", data_dir=None, limit=None)
    docs = [item.doc for item in whole.items]
    graded = grade_answers(whole.spec.grader, docs, [doc["worked"] for doc in docs])
    assert {one.verdict for one in graded} == {Verdict.MATCH}


@pytest.fixture(scope="module", params=MICRO_TASKS)
def benchmark(request):
    return load_benchmark(request.param, data_dir=None, limit=None)


def test_worked_solutions_are_graded_right_and_changed_ones_wrong(benchmark):
    docs = [item.doc for item in benchmark.items]
    grader = benchmark.spec.grader
    right = grade_answers(grader, docs, [doc["worked"] for doc in docs])
    assert [g.verdict for g in right] == [Verdict.MATCH] * len(docs)
    others = [doc["worked"] for doc in docs[1:]] + [docs[0]["worked"]]
    wrong = grade_answers(grader, docs, others)
    matching = sum(
        g.verdict is Verdict.MATCH and (grader == "code" or a["answer"] != b["answer"])
        for g, a, b in zip(wrong, docs, docs[1:] + docs[:1], strict=True)
    )
    assert matching == 0
    assert {g.verdict for g in grade_answers(grader, docs, ["" for _ in docs])} == {Verdict.UNPARSED}


def test_plain_lm_eval_scores_as_we_do(benchmark):
    item = benchmark.items[3]
    scores = benchmark.task.process_results(item.doc, [item.doc["worked"]])
    assert scores == {benchmark.spec.metric: 1.0, "unparsed": 0.0}
    assert benchmark.task.process_results(item.doc, [""]) == {benchmark.spec.metric: 0.0, "unparsed": 1.0}


def test_prompts_do_not_depend_on_order_or_limit(benchmark):
    few = load_benchmark(benchmark.spec.name, data_dir=None, limit=7)
    assert [i.prompt for i in few.items] == [i.prompt for i in benchmark.items[:7]]
    assert [r.args[0] for r in few.requests(None)] == [i.prompt for i in few.items]
    assert few.spec.items_hash != benchmark.spec.items_hash
    assert few.spec.train_hash == benchmark.spec.train_hash


def test_changed_data_is_refused(tmp_path):
    path = tmp_path / "gsm8k_test.jsonl"
    content = (MICRO / "data" / "gsm8k_test.jsonl").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    assert len(read_rows(DataFile(path, 200, ("id", "answer"), digest))) == 200
    path.write_bytes(content.replace(b"apples", b"apple", 1))
    with pytest.raises(UserError, match="was changed"):
        read_rows(DataFile(path, 200, ("id",), digest))
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"line \d+: not JSON|rows, expected 200"):
        read_rows(DataFile(path, 200, ("id",)))
    with pytest.raises(UserError, match="no field 'nothing'"):
        read_rows(DataFile(MICRO / "data" / "gsm8k_test.jsonl", 200, ("nothing",)))
    with pytest.raises(UserError, match="is missing"):
        read_rows(DataFile(tmp_path / "none.jsonl", 200, ()))


def test_names_are_checked_with_the_nearest_one():
    assert check_names(["talan_gsm8k", "mbpp_micro"]) == ("gsm8k", "mbpp_micro")
    with pytest.raises(UserError, match="Did you mean 'gsm8k_micro'"):
        check_names(["gsm8k_micr"])
    with pytest.raises(UserError, match="named twice"):
        check_names(["gsm8k", "talan_gsm8k"])
    with pytest.raises(UserError, match="No task"):
        check_names([])


def test_every_file_is_named_as_its_task():
    for name, path in task_files().items():
        config = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader
        assert config["task"] == path.stem
        assert name == path.stem.removeprefix("talan_")
