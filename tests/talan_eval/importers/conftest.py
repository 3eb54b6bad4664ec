"""Logs to compare, written as the harnesses write them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from talan_eval.pipeline.compare_logs import compare_logs
from talan_eval.requests.compare_logs import CompareLogsRequest

TIME = "2026-01-02T03-04-05.678901"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def lm_eval_line(number, task, metrics, filter_name="none", prompt=None):
    """One line of samples_*.jsonl, keys in lm-eval's order."""
    prompt = f"{task}: question {number}?" if prompt is None else prompt
    return json.dumps(
        {
            "doc_id": number,
            "doc": {"question": prompt, "note": 'a "doc_id": 7, "filter": "x" inside a string'},
            "target": "5",
            "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"], "filter": "none"}}},
            "resps": [[f"answer {metrics}"]],
            "filtered_resps": ["5"],
            "filter": filter_name,
            "metrics": list(metrics),
            "doc_hash": digest("doc" + prompt),
            "prompt_hash": digest(prompt),
            "target_hash": digest("5"),
            **metrics,
        },
        ensure_ascii=False,
    )


def write_lm_eval(directory, scores, *, model="org/model", version=1, shots=0, time=TIME, lower=(), **more):
    """Write one run; scores maps task to one dictionary of metrics, or one number (acc), per item.

    more: filters (task to names; each has the same scores), claimed (whether the results name counts and means, as
    lm-eval 0.4.13 does), limit, total (items of each task), pretrained.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for task, items in scores.items():
        rows = [item if isinstance(item, dict) else {"acc": item} for item in items]
        names = more.get("filters", {}).get(task, ("none",))
        text = "".join(lm_eval_line(n, task, row, name) + "\n" for name in names for n, row in enumerate(rows))
        (directory / f"samples_{task}_{time}.jsonl").write_text(text, encoding="utf-8")
    results = {
        "versions": dict.fromkeys(scores, version),
        "n-shot": dict.fromkeys(scores, shots),
        "higher_is_better": {task: {name: name not in lower for name in ("acc", "f1", "err")} for task in scores},
        "config": {
            "model": "hf",
            "model_args": {"pretrained": more.get("pretrained", "org/backbone"), "peft": model},
            "limit": more.get("limit"),
        },
        "model_source": "hf",
        "lm_eval_version": "0.4.13",
    }
    if more.get("claimed"):
        results |= claims(scores, more.get("filters", {}), more.get("total"))
    (directory / f"results_{time}.json").write_text(json.dumps(results), encoding="utf-8")
    return directory


def claims(scores, filters, total):
    """What lm-eval 0.4.13 says of the samples in its results file."""
    means = {}
    for task, items in scores.items():
        rows = [item if isinstance(item, dict) else {"acc": item} for item in items]
        names = dict.fromkeys(name for row in rows for name in row)
        values = {name: [row[name] for row in rows if name in row] for name in names}
        means[task] = {"alias": task, "sample_len": len(rows)} | {
            f"{name},{kind}": sum(own) / len(own)
            for kind in filters.get(task, ("none",))
            for name, own in values.items()
            if all(isinstance(value, float) for value in own)
        }
    return {
        "results": means,
        "n-samples": {
            task: {"original": total or len(items), "effective": len(items)} for task, items in scores.items()
        },
        "configs": {
            task: {
                "task": task,
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
                **({"filter_list": [{"name": name} for name in filters[task]]} if task in filters else {}),
            }
            for task in scores
        },
    }


def bits(text):
    return [float(letter) for letter in text]


@pytest.fixture
def line():
    return lm_eval_line


@pytest.fixture
def run(tmp_path):
    """Write an lm-eval run below the test's directory: run("base/seed0", gsm8k="0110")."""

    def write(path, tasks=None, **changes):
        names = {key: changes.pop(key) for key in list(changes) if key.startswith("task")} if tasks is None else tasks
        scores = {task: bits(value) if isinstance(value, str) else value for task, value in names.items()}
        return write_lm_eval(tmp_path / path, scores, **{"model": f"adapters/{Path(path).parts[0]}", **changes})

    return write


@pytest.fixture
def compare_words():
    """Compare what is typed: words, then options."""

    def compare(*words, **options):
        return compare_logs(CompareLogsRequest(logs=tuple(map(str, words)), **options))

    return compare


@pytest.fixture
def compared():
    """Compare two arms and return result and notes; a list of paths without names is one arm under a made-up name."""

    def compare(base, treat, **options):
        listed = [
            f"{arm}={word}" if len(words) > 1 and "=" not in str(word) else str(word)
            for arm, given in (("base", base), ("treat", treat))
            for words in (given if isinstance(given, list) else [given],)
            for word in words
        ]
        return compare_logs(CompareLogsRequest(logs=tuple(listed), **options))

    return compare
