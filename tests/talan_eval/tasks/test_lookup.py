"""What --tasks names: ours, lm-eval's, names below a directory, YAML files, groups; each becomes a file."""

from __future__ import annotations

import pytest
from lm_eval.tasks import TaskManager

from talan_core.errors import UserError
from talan_eval.tasks import lookup
from talan_eval.tasks.lookup import NamedTasks, named_tasks

TASK = """task: {name}
tag: [sums]
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: ["a", "b"]
doc_to_target: gold
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A directory of tasks and groups; the index is of this directory alone, because that of lm-eval is slow."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "data.jsonl").write_text('{"q": "1", "gold": 0}\n{"q": "2", "gold": 1}\n', encoding="utf-8")
    for name in ("sum", "product", "gsm8k"):
        text = TASK.format(name=name, data=tmp_path / "data.jsonl")
        (tmp_path / "deeper" / f"my_{name}.yaml").write_text(text, encoding="utf-8")
    for name, text in {
        "both": "group: both\ntask: [sum, {task: product}]\n",
        "nested": "group: nested\ntask: [both]\naggregate_metric_list: [{metric: acc}]\n",
        "changing": "group: changing\nnum_fewshot: 3\ntask: [sum]\n",
        "inline": "group: inline\ntask: [{task: sum, num_fewshot: 3}]\n",
        "hollow": "group: hollow\ntask: [nowhere]\n",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    def index(include):
        return TaskManager(include_path=[str(path) for path in include], include_defaults=False).task_index

    monkeypatch.setattr(lookup, "_index", index)
    named_tasks.cache_clear()
    yield tmp_path
    named_tasks.cache_clear()


def test_ours_are_known_by_their_short_names_without_lm_eval():
    assert named_tasks(("talan_gsm8k_micro", "mbpp_micro")) == NamedTasks(("gsm8k_micro", "mbpp_micro"))


def test_a_task_of_lm_eval_is_the_file_that_describes_it():
    found = named_tasks(("arc_easy", "mmlu_anatomy", "gsm8k_micro"))
    assert found.names == ("arc_easy", "mmlu_anatomy", "gsm8k_micro")
    assert {name: path.name for name, path in found.files} == {
        "arc_easy": "arc_easy.yaml", "mmlu_anatomy": "mmlu_anatomy.yaml",
    }  # fmt: skip
    assert found.groups == ()


def test_names_below_the_include_path_come_first(own):
    found = named_tasks(("sum", "gsm8k", "gsm8k_micro"), (own,))
    assert dict(found.files) == {
        "sum": own / "deeper" / "my_sum.yaml",
        "gsm8k": own / "deeper" / "my_gsm8k.yaml",
    }
    assert found.names == ("sum", "gsm8k", "gsm8k_micro")


def test_a_file_is_a_task_under_the_name_that_it_states(own):
    found = named_tasks((str(own / "deeper" / "my_product.yaml"),))
    assert (found.names, dict(found.files)) == (("product",), {"product": own / "deeper" / "my_product.yaml"})


@pytest.mark.parametrize(("typed", "members"), [
    ("both", ("sum", "product")), ("nested", ("sum", "product")), ("sums", ("gsm8k", "product", "sum")),
])  # fmt: skip
def test_a_group_stands_as_its_members(own, typed, members):
    found = named_tasks((typed, "gsm8k_micro"), (own,))
    assert found.names == (*members, "gsm8k_micro")
    assert found.groups == ((typed, members),)
    assert {name for name, _ in found.files} == set(members)


@pytest.mark.parametrize(("typed", "says"), [
    (("nothing_alike",), "Unknown task 'nothing_alike'. It is neither ours"),
    (("gsm8k_mico",), "Unknown task 'gsm8k_mico'"),
    (("sum", "sum"), "'sum' is named twice"),
    (("both", "product"), "'product' is named twice"),
    (("changing",), "changes its tasks (num_fewshot)"),
    (("inline",), "describes tasks inside itself"),
    (("hollow",), "names 'nowhere', which is nowhere"),
    (("missing.yaml",), "no task file missing.yaml"),
])  # fmt: skip
def test_what_is_no_task_is_refused_with_what_to_type(own, typed, says):
    with pytest.raises(UserError) as error:
        named_tasks(typed, (own,))
    assert says in error.value.problem
    assert error.value.fix


def test_all_that_is_wrong_is_told_at_once(own):
    (own / "broken.yaml").write_text("task: [\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        named_tasks((str(own / "broken.yaml"), str(own / "both.yaml"), "gsm8k_mico"), (own,))
    told = str(error.value)
    assert "broken.yaml cannot be read as a task" in told
    assert "both.yaml describes no single task" in told
    assert "gsm8k_mico" in told


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--include-path .*missing is no directory"):
        named_tasks(("sum",), (tmp_path / "missing",))
