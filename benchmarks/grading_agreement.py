"""Compare our grading with lm-eval's own and with math-verify, on real answers of a small model.

    python benchmarks/grading_agreement.py generate --data-dir DIR --out ANSWERS gsm8k math500
    python benchmarks/grading_agreement.py table --data-dir DIR --out ANSWERS gsm8k math500

``generate`` lets SmolLM2-135M-Instruct answer items and appends to ANSWERS/TASK.jsonl, batch by batch; run it again and
it goes on. ``table`` grades these answers in every way and prints the table of docs/grading.md and all disagreements.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talan_eval.generation_settings import GenerationSettings
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark
from talan_eval.tasks.catalog import read_config

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 25
TAIL = 160
# Left to itself, or with three examples, so small a model writes no box at all, and there would be nothing to compare.
BEGINNING = {"gsm8k": "", "math500": "The final answer is $\\boxed{"}
TASKS = Path(str(files("lm_eval"))) / "tasks"


def generate(task: str, data_dir: Path, out: Path, limit: int, max_tokens: int) -> None:
    """Append answers to ``out/task.jsonl`` until the first ``limit`` items are answered."""
    import torch  # noqa: PLC0415 - as above
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415 - heavy, and not needed for the table

    from talan_core.backbones.load import load_model, load_tokenizer, locate  # noqa: PLC0415 - as above
    from talan_core.backbones.names import find_backbone  # noqa: PLC0415 - as above

    revision = locate(find_backbone("smollm2-135m"))
    tokenizer = load_tokenizer(revision)
    lm = HFLM(pretrained=load_model(revision, "bfloat16", torch.device("cpu")), tokenizer=tokenizer, batch_size=BATCH)
    benchmark = load_benchmark(task, data_dir=data_dir, limit=limit, settings=GenerationSettings(max_tokens=max_tokens))
    path = out / f"{task}.jsonl"
    done = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    requests = list(benchmark.requests(lm.apply_chat_template))
    for request in requests:
        request.arguments = (request.args[0] + BEGINNING[task], request.args[1])
    for start in range(done, limit, BATCH):
        answers = lm.generate_until(requests[start : start + BATCH], disable_tqdm=True)
        with path.open("a", encoding="utf-8") as stream:
            for item, answer in zip(benchmark.items[start : start + BATCH], answers, strict=True):
                stream.write(json.dumps({"id": item.item_id, "answer": BEGINNING[task] + answer}) + "\n")
        print(task, start + len(answers), "of", limit, flush=True)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer with our grade of it."""

    item_id: str
    doc: dict[str, Any]
    answer: str
    grade: Grade


def read_answers(task: str, data_dir: Path, out: Path) -> list[Answered]:
    """Return the answers that ``generate`` kept, graded by us."""
    benchmark = load_benchmark(task, data_dir=data_dir, limit=None)
    docs = {item.item_id: item.doc for item in benchmark.items}
    rows = [json.loads(line) for line in (out / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()]
    grades = grade_answers(benchmark.spec.grader, [docs[row["id"]] for row in rows], [row["answer"] for row in rows])
    return [Answered(row["id"], docs[row["id"]], row["answer"], grade) for row, grade in zip(rows, grades, strict=True)]


def lm_eval_gsm8k(filter_name: str, answered: Answered) -> bool:
    """Score as lm-eval's task gsm8k, by its own YAML file, filters and metric."""
    from lm_eval.api.metrics import exact_match_hf_evaluate  # noqa: PLC0415 - heavy
    from lm_eval.filters.extraction import RegexFilter  # noqa: PLC0415 - as above

    config = read_config(TASKS / "gsm8k" / "gsm8k.yaml")
    steps = next(entry["filter"] for entry in config["filter_list"] if entry["name"] == filter_name)
    options = {key: value for key, value in steps[0].items() if key != "function"}
    (found,) = RegexFilter(**options).apply([[answered.answer]], [answered.doc])
    metric = {
        key: value
        for key, value in config["metric_list"][0].items()
        if key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")
    }
    scored = exact_match_hf_evaluate(predictions=[found[0]], references=[answered.doc["worked"]], **metric)
    return bool(scored["exact_match"])


def lm_eval_math(module: str, key: str, answered: Answered) -> bool:
    """Score as one of lm-eval's MATH tasks, by its own function."""
    utils = importlib.import_module(f"lm_eval.tasks.{module}.utils")
    doc = {"problem": answered.doc["problem"], "solution": answered.doc["worked"], "answer": answered.doc["answer"]}
    if module == "minerva_math":
        doc["answer"] = utils.normalize_final_answer(
            utils.remove_boxed(utils.last_boxed_only_string(answered.doc["worked"]))
        )
    return bool(utils.process_results(doc, [answered.answer])[key])


OTHERS: dict[str, dict[str, Callable[[Answered], bool]]] = {
    "gsm8k": {
        "lm-eval gsm8k, flexible-extract": partial(lm_eval_gsm8k, "flexible-extract"),
        "lm-eval gsm8k, strict-match": partial(lm_eval_gsm8k, "strict-match"),
    },
    "math500": {
        "lm-eval hendrycks_math500": partial(lm_eval_math, "hendrycks_math", "exact_match"),
        "lm-eval minerva_math500, exact_match": partial(lm_eval_math, "minerva_math", "exact_match"),
        "math-verify on the whole answer (lm-eval minerva_math500)": partial(
            lm_eval_math, "minerva_math", "math_verify"
        ),
        "our normaliser alone": lambda answered: answered.grade.strict is Verdict.MATCH,
        "math-verify on the box alone": lambda answered: answered.grade.symbolic is Verdict.MATCH,
    },
}


def table(task: str, data_dir: Path, out: Path) -> None:
    """Print the agreement with each other scorer, then every disagreement."""
    answers = read_answers(task, data_dir, out)
    ours = [bool(answered.grade.score) for answered in answers]
    unparsed = sum(answered.grade.verdict is Verdict.UNPARSED for answered in answers)
    print(f"\n{task}: {len(answers)} answers, {sum(ours)} right, {unparsed} unparsed\n")
    print("| scored by | both right | both wrong | ours alone right | theirs alone right | agreement |")
    print("|---|---:|---:|---:|---:|---:|")
    differing: list[str] = []
    for name, score in OTHERS[task].items():
        theirs = [score(answered) for answered in answers]
        counts = Counter(zip(ours, theirs, strict=True))
        same = (counts[True, True] + counts[False, False]) / len(answers)
        cells = [counts[True, True], counts[False, False], counts[True, False], counts[False, True]]
        print(f"| {name} | {' | '.join(map(str, cells))} | {same:.1%} |")
        for answered, our, their in zip(answers, ours, theirs, strict=True):
            if our != their:
                grade = answered.grade
                differing.append(
                    f"{name}: {answered.item_id}, target {answered.doc['answer']!r}, ours {grade.verdict} "
                    f"{grade.extracted!r}, theirs {'right' if their else 'wrong'}, "
                    f"the answer ends in {answered.answer[-TAIL:]!r}"
                )
    print("\n" + "\n".join(differing))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("generate", "table"))
    parser.add_argument("tasks", nargs="+", choices=("gsm8k", "math500"))
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory of the answers")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=256)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for task in args.tasks:
        if args.action == "generate":
            generate(task, args.data_dir, args.out, args.limit, args.max_tokens)
        else:
            table(task, args.data_dir, args.out)


if __name__ == "__main__":
    main()
