"""Tasks that score themselves: which metrics can be compared, what identifies them, what is refused."""

from __future__ import annotations

import json

import pytest
import yaml

from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.lm_eval_task import load_lm_eval_task, scores_of

ACC = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
MATCH = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
CODE = """
def results(doc, results):
    return {"own": VALUE}
"""


@pytest.fixture
def load(tmp_path):
    """Write a task with some settings of its own, and load it."""

    def made(settings=None, *, metric=None, limit=None, **config):
        data = tmp_path / "data.jsonl"
        rows = [{"q": f"{n} + 1 =", "gold": n % 2, "want": str(n + 1)} for n in range(5)]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        files = {"test": str(data), "train": str(data)}
        usual = {
            "task": "sums", "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test",
            "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": ["odd", "even"],
            "doc_to_target": "gold", "metric_list": [ACC], "metadata": {"version": 2},
        }  # fmt: skip
        content = {name: value for name, value in {**usual, **config}.items() if value is not None}
        text = yaml.safe_dump(content, sort_keys=False).replace("'!function own.results'", "!function own.results")
        (tmp_path / "sums.yaml").write_text(text, encoding="utf-8")
        settings = settings or GenerationSettings(few_shot=None)
        return load_lm_eval_task("sums", tmp_path / "sums.yaml", limit=limit, settings=settings, metric=metric)

    return made


def written(**config):
    """Settings of a task that is answered in words."""
    return {"output_type": "generate_until", "doc_to_choice": None, "doc_to_target": "{{want}}",
            "metric_list": [MATCH], **config}  # fmt: skip


def test_what_is_asked_and_wanted_is_what_the_task_says(load):
    benchmark = load(training_split="train")
    assert (benchmark.spec.name, benchmark.spec.metric, benchmark.spec.grader) == ("sums", "acc", "lm-eval")
    assert [item.item_id for item in benchmark.items] == ["0", "1", "2", "3", "4"]
    assert benchmark.solutions[:2] == (("0 + 1 =", "odd"), ("1 + 1 =", "even"))
    assert benchmark.training == benchmark.solutions
    assert not benchmark.spec.publish_text
    plain = load(GenerationSettings(few_shot=None, chat_template=False))
    assert plain.solutions[0] == ("0 + 1 =", " odd")


def test_settings_of_answers_are_the_tasks_own_unless_others_are_typed(load):
    config = written(generation_kwargs={"until": ["\n", "."], "max_gen_toks": 9}, num_fewshot=2, fewshot_split="train",
                     training_split="train")  # fmt: skip
    own = load(**config).spec
    assert (own.max_tokens, own.stop, own.generation.few_shot) == (9, ("\n", "."), 2)
    typed = load(GenerationSettings(few_shot=0, max_tokens=3), **config).spec
    assert (typed.max_tokens, typed.generation.few_shot) == (3, 0)
    assert own.version.startswith("2:")
    assert "few_shot=2" in own.version


def test_metric_and_filter_are_chosen_by_name(load):
    first = {"name": "first", "filter": [{"function": "take_first"}]}
    lower = {"name": "lower", "filter": [{"function": "lowercase"}, {"function": "take_first"}]}
    config = written(filter_list=[first, lower])
    assert load(**config).spec.metric == "exact_match,first"
    assert load(metric="exact_match,lower", **config).spec.metric == "exact_match,lower"
    norm = {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}
    assert load(metric="acc_norm", metric_list=[ACC, norm]).spec.metric == "acc_norm"


def test_scores_are_those_behind_the_chosen_filter(load):
    first = {"name": "first", "filter": [{"function": "take_first"}]}
    lower = {"name": "lower", "filter": [{"function": "lowercase"}, {"function": "take_first"}]}
    config = written(doc_to_target="yes", filter_list=[first, lower, first | {"name": "last"}])
    for name, score in (("first", 0.0), ("lower", 1.0), ("last", 0.0)):
        benchmark = load(metric=f"exact_match,{name}", **config)
        assert list(scores_of(benchmark, {item.item_id: ["YES"] for item in benchmark.items})) == [score] * 5


def test_the_first_metric_that_can_be_compared_is_taken(load):
    perplexity = {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}
    benchmark = load(output_type="loglikelihood", doc_to_choice=None, doc_to_target=" {{want}}",
                     metric_list=[perplexity, ACC])  # fmt: skip
    assert benchmark.spec.metric == "acc"


@pytest.mark.parametrize(("config", "options", "says"), [
    ({"metric_list": [{**ACC, "higher_is_better": False}]}, {}, "acc of sums is no mean over items"),
    ({}, {"metric": "f1"}, "Unknown metric of sums 'f1'"),
    ({}, {"metric": "acc,first"}, "Unknown filter of sums 'first'"),
    ({}, {"limit": 6}, "--limit 6 is more than the 5 items"),
    ({"unsafe_code": True}, {}, "runs programs that the model wrote"),
    ({"repeats": 3}, {}, "asks each question 3 times"),
    ({"output_type": "loglikelihood_rolling", "doc_to_choice": None, "metric_list": [
        {"metric": "word_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}]}, {},
     "is about loglikelihood_rolling"),
    ({"dataset_kwargs": {"data_files": {"test": "/missing/data.jsonl"}}}, {}, "sums cannot be loaded from"),
    ({"doc_to_text": "{{ nothing("}, {}, "sums cannot be loaded from"),
    ({}, {"settings": GenerationSettings(samples=2, temperature=0.7)}, "scored by likelihoods, which have no samples"),
    (written(generation_kwargs={"do_sample": True, "temperature": 0.8, "until": []}), {}, "draws its answers at"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused_with_what_to_type(load, config, options, says):
    with pytest.raises(UserError) as error:
        load(**options, **config)
    assert says in error.value.problem
    assert error.value.fix


def test_whatever_can_change_a_score_changes_the_identity(load, tmp_path):
    def identity(*arguments, **config):
        return load(*arguments, **config).spec.items_hash

    plain = identity()
    assert identity() == plain
    assert identity(training_split="train") == plain, "what is learned is no part of it"
    assert identity(doc_to_text="Sum: {{q}}") != plain
    assert identity(doc_to_choice=["even", "odd"]) != plain
    assert identity(description="Think.") != plain
    assert load(limit=3).spec.items_hash != plain
    assert identity(GenerationSettings(few_shot=None, chat_template=False)) != plain
    (tmp_path / "own.py").write_text("# code of a task\n", encoding="utf-8")
    assert identity() != plain


def test_a_score_of_the_tasks_own_code_is_taken_or_refused(load, tmp_path):
    own = {"process_results": "!function own.results", "metric_list": [{**ACC, "metric": "own"}]}
    (tmp_path / "own.py").write_text(CODE.replace("VALUE", "0.25"), encoding="utf-8")
    benchmark = load(**own)
    answers = {item.item_id: [(-1.0, False), (-2.0, False)] for item in benchmark.items}
    assert list(scores_of(benchmark, answers)) == [0.25] * 5


@pytest.mark.parametrize("value", ["1.5", "-0.1", "'high'", "float('nan')", "None"])
def test_a_score_that_is_no_share_is_refused(load, value):
    benchmark = load()
    benchmark.task.config.process_results = lambda _doc, _results: {"acc": eval(value)}  # noqa: S307 - ours
    answers = {item.item_id: [(-1.0, False), (-2.0, False)] for item in benchmark.items}
    with pytest.raises(UserError, match=r"sums, item 0: acc is .*, no number from 0 to 1"):
        list(scores_of(benchmark, answers))


def test_scores_follow_the_answers_of_each_item(load):
    benchmark = load()
    right = {item.item_id: [(-1.0, True), (-2.0, False)] for item in benchmark.items}
    assert list(scores_of(benchmark, right)) == [1.0, 0.0, 1.0, 0.0, 1.0]
