"""Compare our grading with lm-eval's own and with math-verify, on real answers of a small model.

    python benchmarks/grading_agreement.py generate --data-dir DIR --out ANSWERS gsm8k math500
    python benchmarks/grading_agreement.py table --data-dir DIR --out ANSWERS gsm8k math500

``generate`` lets SmolLM2-135M-Instruct answer items and appends to ANSWERS/TASK.jsonl, batch by batch; run it again and
it goes on. ``table`` grades these answers in every way and prints the table of docs/grading.md and all disagreements.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

BATCH = 50


def generate(task: str, data_dir: Path, out: Path, limit: int, max_tokens: int) -> None:
    """Append answers to ``out/task.jsonl`` until the first ``limit`` items are answered."""
    import torch  # noqa: PLC0415 - as above
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415 - heavy, and not needed for the table

    from talan_core.backbones.load import load_model, load_tokenizer, locate  # noqa: PLC0415 - as above
    from talan_core.backbones.names import find_backbone  # noqa: PLC0415 - as above
    from talan_eval.asking import Asking  # noqa: PLC0415 - as above
    from talan_eval.tasks import load_benchmark  # noqa: PLC0415 - as above

    revision = locate(find_backbone("smollm2-135m"))
    tokenizer = load_tokenizer(revision)
    lm = HFLM(pretrained=load_model(revision, "float32", torch.device("cpu")), tokenizer=tokenizer, batch_size=BATCH)
    benchmark = load_benchmark(task, data_dir=data_dir, limit=limit, asking=Asking(max_tokens=max_tokens))
    path = out / f"{task}.jsonl"
    done = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    requests = list(benchmark.requests(lm.apply_chat_template))
    for start in range(done, limit, BATCH):
        answers = lm.generate_until(requests[start : start + BATCH], disable_tqdm=True)
        with path.open("a", encoding="utf-8") as stream:
            for item, answer in zip(benchmark.items[start : start + BATCH], answers, strict=True):
                stream.write(json.dumps({"id": item.item_id, "answer": answer}) + "\n")
        print(task, start + len(answers), "of", limit, flush=True)


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
            raise SystemExit("not yet")


if __name__ == "__main__":
    main()
