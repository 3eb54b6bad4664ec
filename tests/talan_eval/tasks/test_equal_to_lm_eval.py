"""Every kind of task has the scores that plain lm-eval gives the same model on the same items.

The tasks are lm-eval's own, with a few items of ours in the layout in which their data sets are published: each YAML
file includes lm-eval's and names local files instead of the Hub.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import lm_eval
import pytest
import torch
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_eval.generation.backend import BackendOptions, Checkpoint
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.registry import make_backend
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.task_sources import TaskSources

DEFAULTS = Path(importlib.util.find_spec("lm_eval.tasks").origin).parent

ANIMALS = ("cat", "dog", "cow", "hen", "bee", "fox")


def choices(*texts):
    return {"text": list(texts), "label": list("ABCDE"[: len(texts)])}


def arc(n):
    return {"question": f"Which has {n + 2} legs?", "choices": choices(*ANIMALS[:4]), "answerKey": "ABCD"[n % 4]}


def hellaswag(n):
    return {
        "activity_label": "Cooking",
        "ctx_a": f"A cook takes {n} eggs.",
        "ctx_b": "the cook",
        "endings": [f"breaks {n} eggs.", "flies away.", "[title] reads a book.", "sleeps."],
        "label": str(n % 4),
    }


def winogrande(n):
    return {
        "sentence": f"The {ANIMALS[n]} chased the ball because _ was fast.",
        "option1": f"the {ANIMALS[n]}",
        "option2": "the ball",
        "answer": "12"[n % 2],
    }


def drop(n):
    answer = {"number": str(n), "date": {"day": "", "month": "", "year": ""}, "spans": []}
    return {
        "section_id": f"s{n}",
        "query_id": f"q{n}",
        "passage": f"The team scored {n} points.",
        "question": "How many points?",
        "answer": {**answer, "worker_id": "", "hit_id": ""},
        "validated_answers": {name: [] for name in ("number", "date", "spans", "worker_id", "hit_id")},
    }


def trivia(n):
    return {"question": f"Which animal says sound {n}", "answer": {"aliases": [ANIMALS[n], ANIMALS[n].title()]}}


def truth(n):
    mc2 = {"choices": ["Yes.", "No.", f"Maybe {n}."], "labels": [1, 0, 1]}
    return {
        "question": f"Is {n} a number?",
        "mc1_targets": {"choices": ["Yes.", "No."], "labels": [1, 0]},
        "mc2_targets": mc2,
    }


LAYOUTS = {
    "arc_easy": ("arc/arc_easy.yaml", arc),
    "hellaswag": ("hellaswag/hellaswag.yaml", hellaswag),
    "winogrande": ("winogrande/default.yaml", winogrande),
    "piqa": (
        "piqa/piqa.yaml",
        lambda n: {"goal": f"Open jar {n}", "sol1": "Turn it.", "sol2": "Eat it.", "label": n % 2},
    ),
    "boolq": (
        "super_glue/boolq/default.yaml",
        lambda n: {"passage": f"The sky has {n} clouds.", "question": f"has the sky {n} clouds", "label": n % 2},
    ),
    "openbookqa": (
        "openbookqa/openbookqa.yaml",
        lambda n: {"question_stem": f"A {ANIMALS[n]} eats", "choices": choices("grass", "stone", "fire", "air"),
                   "answerKey": "ABCD"[n % 4]},
    ),
    "copa": (
        "super_glue/copa/default.yaml",
        lambda n: {"premise": f"The {ANIMALS[n]} ran.", "choice1": "It was late.", "choice2": "It slept.",
                   "question": ("cause", "effect")[n % 2], "label": n % 2},
    ),
    "sciq": (
        "sciq/sciq.yaml",
        lambda n: {"support": f" Water boils at {n}.", "question": "What boils?", "distractor1": "stone",
                   "distractor2": "wood", "distractor3": "sand", "correct_answer": "water"},
    ),
    "commonsense_qa": (
        "commonsense_qa/default.yaml",
        lambda n: {"question": f"Where does a {ANIMALS[n]} live?", "choices": choices(*ANIMALS[:5]),
                   "answerKey": "ABCDE"[n % 5]},
    ),
    "mmlu_anatomy": (
        "mmlu/default/mmlu_anatomy.yaml",
        lambda n: {"question": f"How many bones has a {ANIMALS[n]}?", "choices": ["1", "2", "3", "4"], "answer": n % 4},
    ),
    "blimp_adjunct_island": (
        "blimp/adjunct_island.yaml",
        lambda n: {"sentence_good": f"Who has {ANIMALS[n]} seen?", "sentence_bad": f"Who {ANIMALS[n]} has seen?"},
    ),
    "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", truth),
    "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", truth),
    "lambada_openai": ("lambada/lambada_openai.yaml", lambda n: {"text": f"{ANIMALS[n]} and {ANIMALS[n]} and the"}),
    "gsm8k": (
        "gsm8k/gsm8k.yaml",
        lambda n: {"question": f"Tom has {n} pears and buys 2.", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"},
    ),
    "triviaqa": ("triviaqa/default.yaml", trivia),
    "drop": ("drop/default.yaml", drop),
}  # fmt: skip


def write_task(directory, name):
    """Write the YAML file and the data of one of the tasks, and return the file."""
    source, row = LAYOUTS[name]
    data = directory / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row(n)) + "\n" for n in range(6)), encoding="utf-8")
    splits = ("train", "validation", "test", "dev")
    config = {
        "include": str(DEFAULTS / source),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": dict.fromkeys(splits, str(data))},
    }
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def revision():
    return locate(find_backbone("micro"))


@pytest.fixture(scope="module")
def generator(revision):
    backend = make_backend("transformers", BackendOptions("float32", "cpu", 8))
    with backend.start(revision, None) as engine, engine.open(Checkpoint(None)) as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(revision):
    tokenizer = load_tokenizer(revision)
    return HFLM(pretrained=load_model(revision, "float32", torch.device("cpu")), tokenizer=tokenizer, batch_size=8)


@pytest.mark.parametrize("template", [False, True], ids=["plain", "chat template"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_scores_are_those_of_lm_eval(name, template, generator, plain, revision, tmp_path):
    file = write_task(tmp_path, name)
    sources = TaskSources(files={name: file}, settings=GenerationSettings(few_shot=None, chat_template=template))
    benchmark = sources.load(name, None)
    ours = evaluate(generator, load_tokenizer(revision), benchmark, 8)
    theirs = lm_eval.simple_evaluate(
        model=plain, tasks=[str(file)], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0,
        apply_chat_template=template, fewshot_as_multiturn=template, log_samples=True,
    )  # fmt: skip
    metric, _, filtered = benchmark.spec.metric.partition(",")
    rows = [row for row in theirs["samples"][name] if not filtered or row["filter"] == filtered]
    expected = {str(row["doc_id"]): float(row[metric]) for row in rows}
    assert {sample.item_id: sample.score for sample in ours.samples} == pytest.approx(expected, abs=1e-6)
    assert len(expected) == 6
