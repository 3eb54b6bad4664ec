"""``--train-data``: the user's own files, data sets and benchmarks, alone or mixed."""

from __future__ import annotations

import json

import pytest

from talan_core.errors import UserError
from talan_core.training.data import Dialogue, Example, Mixture
from talan_eval.grid import plan
from talan_eval.intake.checked import check
from talan_eval.intake.prepare import prepare
from talan_eval.intake.training_data import load_training_data
from talan_eval.requests.compare import CompareRequest

PAIRS = [{"prompt": f"What is {n} + {n}?", "completion": f"{n + n}"} for n in range(20)]
TURNS = [
    {"messages": [{"role": "user", "content": f"Hi {n}"}, {"role": "assistant", "content": "Hello."}]} for n in range(5)
]


@pytest.fixture
def mine(tmp_path):
    return written(tmp_path / "mine.jsonl", PAIRS)


def written(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def asked(tmp_path, data, **options):
    return CompareRequest(
        **{"train_data": str(data), "tasks": "gsm8k_micro", "limit": 3, "seeds": "2", "out": tmp_path / "out"} | options
    )


def loaded(request, benchmarks=None):
    checked = check(request)
    return load_training_data(checked.training, benchmarks or {}, checked.generation)


def test_a_file_is_what_adapters_are_trained_on_and_the_result_names_it(tmp_path, mine):
    prepared = prepare(asked(tmp_path, mine))
    (source,) = prepared.experiment.train
    assert (source.name, source.n_train, source.weight) == ("mine.jsonl", 20, None)
    assert "weight" not in prepared.experiment.to_json()["train"][0]
    assert prepared.experiment.n_train == 20
    assert loaded(asked(tmp_path, mine)).to_learn[1] == Example("What is 1 + 1?", "2", "mine.jsonl")


def test_a_moved_file_trains_nothing_anew_and_a_changed_one_everything(tmp_path, mine):
    def trainings(data):
        return [run.cell_id for run in plan(prepare(asked(tmp_path, data)).experiment)]

    first = trainings(mine)
    assert trainings(written(tmp_path / "moved" / "mine.jsonl", PAIRS)) == first
    assert not set(trainings(written(mine, PAIRS[:-1]))) & set(first)


def test_sources_with_weights_are_a_mixture_and_the_weights_name_the_training(tmp_path, mine):
    talk = written(tmp_path / "talk.jsonl", TURNS)
    found = loaded(asked(tmp_path, f"{mine}:3,{talk}"))
    assert isinstance(found.to_learn, Mixture)
    assert found.to_learn.weights == {"mine.jsonl": 3.0, "talk.jsonl": 1.0}
    assert sum(isinstance(item, Dialogue) for item in found.together) == 5
    assert found.pairs == {(row["prompt"], row["completion"]) for row in PAIRS}
    ids = [
        {run.cell_id for run in plan(prepare(asked(tmp_path, f"{mine}:{weight},{talk}")).experiment)}
        for weight in (3, 2)
    ]
    assert not ids[0] & ids[1]


def test_benchmarks_may_be_part_of_a_mixture(tmp_path, mine):
    prepared = prepare(asked(tmp_path, f"gsm8k_micro:1,{mine}:1"))
    assert [source.name for source in prepared.experiment.train] == ["gsm8k_micro", "mine.jsonl"]
    assert prepared.assignments[0].training_names.tasks == ("gsm8k_micro",)


@pytest.mark.usefixtures("mine")
def test_two_files_of_one_name_keep_what_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "other" / "mine.jsonl", TURNS)
    found = loaded(asked(tmp_path, "mine.jsonl,other/mine.jsonl"))
    assert [source.name for source in found.sources] == ["mine.jsonl", "other/mine.jsonl"]


def test_a_task_without_a_training_split_is_trained_on_ones_own_data(tmp_path, mine):
    with pytest.raises(UserError, match=r"--train-data mine\.jsonl"):
        prepare(asked(tmp_path, "", train_data=None, tasks=str(task_of(tmp_path))))
    prepared = prepare(asked(tmp_path, mine, tasks=str(task_of(tmp_path))))
    assert [source.name for source in prepared.experiment.train] == ["mine.jsonl"]


def task_of(tmp_path):
    data = written(tmp_path / "asked.jsonl", [{"q": f"{n} + 1 =", "a": str(n + 1)} for n in range(4)])
    file = tmp_path / "own_task.yaml"
    file.write_text(
        "task: own_task\ndataset_path: json\ndataset_kwargs:\n  data_files:\n"
        f"    test: {data}\ntest_split: test\noutput_type: generate_until\n"
        "doc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\nmetric_list:\n  - metric: exact_match\n"
        "generation_kwargs:\n  until: ['\\n']\n  max_gen_toks: 8\n",
        encoding="utf-8",
    )
    return file


def test_evaluated_items_in_ones_own_data_are_found(tmp_path):
    benchmark = prepare(asked(tmp_path, "", train_data=None)).assignments[0].sources.load("gsm8k_micro", 3)
    leak = written(tmp_path / "leak.jsonl", [*PAIRS, {"prompt": benchmark.items[0].prompt, "completion": "x"}])
    with pytest.raises(UserError, match="1 of 21 training items"):
        prepare(asked(tmp_path, leak))
    assert prepare(asked(tmp_path, leak, allow_contaminated=True)).experiment.contaminated == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("mine.json", "FILE.jsonl"),
        ("MINE.JSONL", "no file of JSON lines by its name"),
        ("mine.jsonl.gz", "gunzip -k mine.jsonl.gz"),
        ("mine.jsonl,./mine.jsonl", "are one file"),
        ("mine.jsonl:0", "not a positive number"),
        ("mine.jsonl,mine.jsonl", "named twice"),
        ("", "No source is named"),
        ("gsm8k_mikro:2", "gsm8k_micro"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_type(tmp_path, data, said):
    with pytest.raises(UserError, match=said):
        check(asked(tmp_path, data))


def test_both_ways_of_saying_it_are_one_too_many(tmp_path, mine):
    with pytest.raises(UserError, match=f"--train-data gsm8k_micro,{mine}"):
        check(asked(tmp_path, mine, train_tasks="gsm8k_micro"))


def test_all_that_is_wrong_with_files_is_named_at_once(tmp_path, mine):
    bad = written(tmp_path / "bad.jsonl", [{"prompt": "no answer"}])
    with pytest.raises(UserError, match=r"(?s)none\.jsonl.*line 1"):
        prepare(asked(tmp_path, f"{mine},{tmp_path / 'none.jsonl'},{bad}"))


def test_conversations_need_a_chat_template(tmp_path):
    twice = [{"messages": one["messages"] * 2} for one in TURNS]
    talk = written(tmp_path / "talk.jsonl", TURNS + twice)
    prepare(asked(tmp_path, talk))
    with pytest.raises(UserError, match="is a conversation"):
        prepare(asked(tmp_path, talk, no_chat_template=True))
    prepare(asked(tmp_path, written(talk, TURNS), no_chat_template=True))
