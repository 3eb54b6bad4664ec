"""Training data by name: wording, weights, shapes of rows, and errors with file and line."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_core.training.benchmarks import TRAINING_SPLITS
from talan_core.training.contamination import screen
from talan_core.training.data import Dialogue, Example, Mixture, Turn, encode
from talan_core.training.pairing import mixed_order
from talan_core.training.sources import load_sources
from talan_core.training_settings import TrainingSettings
from talan_core.training_sources import SourceSpec, parse_sources
from talan_eval.tasks.benchmark import load_benchmark


def write(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_names_and_weights_are_read():
    assert parse_sources("gsm8k:2, math:0.5,mine.jsonl") == (
        SourceSpec("gsm8k", 2.0),
        SourceSpec("math", 0.5),
        SourceSpec("mine.jsonl", 1.0),
    )
    for text, problem in (
        ("gsm8k:0", "the weight '0'"),
        ("gsm8k:nan", "the weight 'nan'"),
        ("gsm8k:x", "the weight 'x'"),
        ("gsm8k,gsm8k:2", "named twice"),
        (" , ", "No source is named"),
    ):
        with pytest.raises(UserError, match=problem):
            parse_sources(text)
    with pytest.raises(UserError, match="Did you mean 'gsm8k'"):
        load_sources("gms8k")


def test_rows_of_every_shape_become_items(tmp_path):
    user, answer = {"role": "user", "content": "2+3="}, {"role": "assistant", "content": "5"}
    path = write(
        tmp_path / "mine.jsonl",
        {"prompt": "1+1=", "completion": "2", "other": None},
        "",
        {"messages": [user, answer]},
        {"prompt": [user], "completion": [answer]},
        json.dumps({"prompt": "a\u2028b", "completion": "c"}, ensure_ascii=False),
        {"prompt": "1+2=", "chosen": "3", "rejected": "4", "score": 1},
        {"prompt": [user], "chosen": [answer], "rejected": [{"role": "assistant", "content": "6"}]},
        {
            "chosen": [user, answer],
            "rejected": [user, {"role": "assistant", "content": "7"}],
            "messages": [user, answer],
        },
    )
    name = str(path)
    dialogue = Dialogue((Turn("user", "2+3="), Turn("assistant", "5")), name)
    assert load_sources(name) == (
        Example("1+1=", "2", name),
        dialogue,
        dialogue,
        Example("a\u2028b", "c", name),
        Example("1+2=", "3", name, "4"),
        Example("2+3=", "5", name, "6"),
        Example("2+3=", "5", name, "7"),
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: not a JSON object"),
        ({"prompt": "1"}, "line 2: no field 'completion'"),
        ({"prompt": 1, "completion": "2"}, "line 2: no text in the field, but a int: 'prompt'"),
        ({"prompt": "1", "completion": " "}, "line 2: the completion is empty"),
        ({"prompt": "1", "completion": "2", "label": False}, "line 2: the completion has the label false"),
        ({"prompt": "1", "chosen": "2"}, "line 2: no field 'rejected'"),
        ({"prompt": "1", "chosen": " ", "rejected": "3"}, "line 2: the chosen answer is empty"),
        ({"prompt": "1", "chosen": "2", "rejected": " "}, "line 2: the rejected answer is empty"),
        ({"prompt": "1", "chosen": "2", "rejected": "2"}, "line 2: the chosen answer is the rejected one"),
        ({"chosen": "2", "rejected": "3"}, "line 2: no field 'prompt'"),
        ({"prompt": "1", "chosen": [{}, {}], "rejected": "3"}, "line 2: 'chosen' is no preference of one turn"),
        ({"prompt": "1", "chosen": [{"role": "user", "content": "2"}], "rejected": "3"}, "line 2: 'chosen' is no pref"),
        ({"prompt": "1", "chosen": [], "rejected": "3"}, "line 2: 'chosen' is no preference"),
        (
            {"prompt": [{"role": "system", "content": "1"}], "chosen": "2", "rejected": "3"},
            "line 2: 'prompt' is no pref",
        ),
        (
            {"chosen": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}], "rejected": "3"},
            "line 2: 'chosen' and 'rejected' answer different prompts",
        ),
        ({"messages": "hello"}, "line 2: 'messages' is not a list"),
        ({"messages": []}, "line 2: no message is the assistant's"),
        ('{"prompt": "1", "prompt": "3", "completion": "2"}', "line 2: not JSON .the name 'prompt' stands twice"),
        ('{"prompt": "\\ud800", "completion": "2"}', "line 2: an escape in it"),
        ({"messages": [{"role": "user"}]}, "line 2: message 1 has no text"),
        ({"messages": [{"role": "user", "content": "x"}]}, "line 2: no message is the assistant's"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "line 2: the assistant speaks first"),
    ],
)
def test_an_unusable_row_is_named_by_file_and_line(tmp_path, row, problem):
    path = write(tmp_path / "mine.jsonl", {"prompt": "1", "completion": "2"}, row)
    with pytest.raises(UserError, match=problem) as caught:
        load_sources(str(path))
    assert str(path) in str(caught.value)


def test_a_mark_at_the_beginning_and_other_ends_of_lines_change_nothing(tmp_path):
    row = b'{"prompt": "1", "completion": "\\ud83d\\ude00"}'
    (tmp_path / "mine.jsonl").write_bytes(b"\xef\xbb\xbf" + row + b"\r\n\r\n" + row)
    first, second = load_sources(str(tmp_path / "mine.jsonl"))
    assert first == second  # two equal lines are two items
    assert first.completion == "\N{GRINNING FACE}"


def test_files_that_cannot_be_read_and_empty_ones_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load_sources(str(tmp_path / "none.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe9"}')
    with pytest.raises(UserError, match="not UTF-8 at byte 12"):
        load_sources(str(tmp_path / "latin.jsonl"))
    with pytest.raises(UserError, match="has no items"):
        load_sources(str(write(tmp_path / "empty.jsonl")))


def test_a_data_set_with_the_name_of_a_hub_id_is_loaded_by_split(tmp_path, monkeypatch):
    # `datasets` looks for a local directory of that name first, so this is the path that a Hub id takes.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "owner" / "sums").mkdir(parents=True)
    write(tmp_path / "owner" / "sums" / "train.jsonl", {"prompt": "1+1=", "completion": "2"})
    write(tmp_path / "owner" / "sums" / "test.jsonl", {"prompt": "2+2=", "completion": "4"})
    assert load_sources("owner/sums") == (Example("1+1=", "2", "owner/sums"),)
    assert load_sources("owner/sums@test") == (Example("2+2=", "4", "owner/sums@test"),)
    with pytest.raises(UserError, match=r"'owner/sums@dev' cannot be loaded"):
        load_sources("owner/sums@dev")


def test_the_revision_of_a_data_set_is_what_the_hub_is_asked_for(monkeypatch):
    asked = []

    def load_dataset(name, config, **options):
        asked.append((name, config, options))
        return [{"prompt": "1+1=", "completion": "2"}]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    load_sources("owner/sums@small/test#v1.2")
    load_sources("owner/sums#3f2a")
    assert asked == [
        ("owner/sums", "small", {"split": "test", "revision": "v1.2"}),
        ("owner/sums", None, {"split": "train", "revision": "3f2a"}),
    ]


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 10), min_size=1),
    st.lists(st.integers(1, 6), min_size=4, max_size=4),
    st.integers(1, 200),
)
def test_no_source_is_ever_a_draw_ahead_of_its_share_and_none_repeats_before_it_is_used_up(weights, sizes, draws):
    sources = [name for name, size in zip("abcd", sizes, strict=True) for _ in range(size)]
    order = mixed_order(3, sources, weights, draws)
    total = sum(weights.values())
    counts = Counter()
    for number, index in enumerate(order, 1):
        counts[sources[index]] += 1
        assert all(counts[name] < weights[name] / total * number + 1 + 1e-9 for name in weights)
    for name, size in zip("abcd", sizes, strict=True):
        of_one = [index for index in order if sources[index] == name]
        rounds = [of_one[at : at + size] for at in range(0, len(of_one), size)]
        assert all(len(set(some)) == len(some) for some in rounds)


def test_a_mixture_is_trained_on_by_weight_and_paired_by_seed(run):
    items = tuple(Example(f"{n}+{n}=", str(2 * n), name) for name, count in (("a", 9), ("b", 3)) for n in range(count))
    data = Mixture(items, {"a": 1.0, "b": 3.0})
    settings = TrainingSettings(steps=4, batch_size=2, max_length=64)
    _, one = run("lora", settings, data=data)
    _, two = run("talan[scope=frozen]+lora", settings, data=data)
    assert one.losses == two.losses
    unweighted = run("lora", settings, data=items)[1]  # the control
    assert one.losses != pytest.approx(unweighted.losses, rel=1e-3)


def test_a_source_of_which_nothing_fits_is_named(tokenizer):
    data = Mixture((Example("1", "1", "short"), Example("1" * 99, "1", "long")), {"short": 1.0, "long": 1.0})
    with pytest.raises(UserError, match="No training example of long is left: 1 given"):
        encode(tokenizer, data, 64)


def test_the_named_benchmarks_need_a_directory_and_their_published_file(tmp_path):
    with pytest.raises(UserError, match="training data of math needs a directory"):
        load_sources("math")
    (tmp_path / "gsm8k").mkdir()
    write(tmp_path / "gsm8k" / "train.jsonl", {"question": "q", "answer": "a"})
    with pytest.raises(UserError, match="1 training items, expected 7473"):
        load_sources("gsm8k", tmp_path)
    write(tmp_path / "gsm8k" / "train.jsonl", {"question": "q"})
    with pytest.raises(UserError, match="line 1: no field 'answer'"):
        load_sources("gsm8k", tmp_path)


@pytest.fixture
def data(real_data):
    return real_data("gsm8k/train.jsonl").parents[1]


def test_gsm8k_is_worded_as_its_evaluation_words_it(data):
    ours = load_sources("gsm8k", data)
    assert [(item.prompt, item.completion) for item in ours] == list(
        load_benchmark("gsm8k", data_dir=data, limit=None).training
    )


@pytest.mark.parametrize("name", sorted(TRAINING_SPLITS))
def test_the_published_training_splits_load_whole(name, data):
    items = load_sources(name, data)
    assert len(items) == TRAINING_SPLITS[name].items
    assert all(item.prompt.strip() and item.completion.strip() for item in items)


def test_the_published_training_splits_are_clean_but_for_what_is_counted(data):
    tests = {
        "gsm8k": [json.loads(row)["question"] for row in (data / "gsm8k/test.jsonl").read_text().splitlines()],
        "math": [json.loads(row)["problem"] for row in (data / "math/math500_test.jsonl").read_text().splitlines()],
    }
    asked = {
        "gsm8k": [
            f"{q}\n\nReason step by step. End with a last line of the form '#### <number>'." for q in tests["gsm8k"]
        ],
        "math": [f"Problem: {q}\n\nReason step by step. Put the final answer in \\boxed{{}}." for q in tests["math"]],
    }
    counts = {name: len(screen(load_sources(name, data), asked[name], policy="keep").contaminated) for name in asked}
    assert counts == {"gsm8k": 0, "math": 0}
