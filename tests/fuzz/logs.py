"""Readers of other harnesses' logs, and what their contents mean to a reader of a few lines."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from talan_eval.importers import registry
from talan_eval.importers.completeness import check_completeness
from talan_eval.importers.files import FileReader
from talan_eval.importers.logged import LoggedArm
from talan_eval.importers.logged_scores import score_columns
from talan_eval.importers.metrics import choose
from talan_eval.importers.places import find
from talan_eval.importers.seeds import Trial
from talan_eval.importers.words import split

from .harness import Reader

INSPECT = Path(__file__).parents[1] / "talan_eval" / "importers" / "data" / "inspect"
ROWS = [
    {"arm": "a", "seed": seed, "task": task, "item": f"i{item}", "score": (item + seed) % 2, "prompt": f"p{item}"}
    for seed in (0, 1)
    for task in ("x", "y")
    for item in range(3)
]


def meaning(path):
    """Read logs as compare-logs does, up to the columns of scores."""
    word = split(f"a={path}")
    with FileReader() as files:
        readers = [kind(files) for kind in registry.readers()]
        source = find(word, readers)
        runs = tuple(source.reader.read(source))
    found = {}
    for number, run in enumerate(runs):
        arm = LoggedArm(name="a", runs=(run,), words=(str(path),), in_order=True)
        for one in choose([arm], sorted(run.tasks), (), ()):
            trial = Trial(run.seed or 0, 0, run)
            check_completeness([arm], [one], drop=False)
            for column in score_columns(one, [trial], "a", "b"):
                rows = zip(column.item_ids, column.prompts, column.scores.tolist(), strict=True)
                found[number, run.seed, column.task, one.metric] = sorted(rows)
    return {str(key): value for key, value in found.items()}


def columns_of(rows):
    """Average scores by seed, task and item, as plain code."""
    found: dict[tuple, dict] = {}
    seeds = sorted({row["seed"] for row in rows}, key=lambda seed: seed or 0)
    for row in rows:
        key = (seeds.index(row["seed"]), row["seed"], row["task"], "score")
        found.setdefault(key, {}).setdefault(row["item"], []).append((row["prompt"], row["score"]))
    return {
        str(key): sorted(
            (item, rows[0][0], sum(score for _, score in rows) / len(rows)) for item, rows in items.items()
        )
        for key, items in found.items()
    }


def unique(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def digest(text):
    import hashlib  # noqa: PLC0415 - here alone

    return "" if text is None else hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()


ONE_RUN = {"arm": "a", "seed": None, "task": "scores"}


def plain_rows(rows):
    """Read rows of a table strictly: Python's own forms of numbers are no numbers here."""
    kept = []
    stated = set().union(*rows)
    # a table without these columns is one run of one arm on one task
    absent = {name: value for name, value in ONE_RUN.items() if name not in stated}
    for row in ({**absent, **one} for one in rows):
        if row["arm"] != "a" and len({str(one.get("arm", "a")) for one in rows}) > 1:
            continue  # whatever another arm's rows lack
        if "item" not in row and "id" in row:
            row["item"] = row["id"]
        if isinstance(row["score"], str):
            assert row["score"].strip(" \t").isascii()
            assert "_" not in row["score"]
        for name in ("arm", "seed", "task", "item"):
            assert not isinstance(row[name], bool)
            assert row[name] is None or isinstance(row[name], str | int | float)
        seed = None if row["seed"] is None else int(row["seed"])
        assert str(row["seed"]).strip().lstrip("+").isascii()
        assert "_" not in str(row["seed"])
        text = str(row["score"]).strip().lower()
        score = {"true": 1.0, "false": 0.0}.get(text)
        score = float(row["score"]) if score is None else score
        assert 0 <= score <= 1
        sample = row.get("sample")
        assert sample is None
        kept.append({**row, "seed": seed, "score": score, "task": str(row["task"]), "item": str(row["item"]),
                     "prompt": digest(row.get("prompt"))})  # fmt: skip
    return columns_of(kept)


def plain_csv(data, delimiter=","):
    text = data.decode("utf-8-sig")
    header, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in header]
    assert len(set(header)) == len(header)
    rows = []
    for line in lines:
        if line:
            assert len(line) == len(header)
            rows.append({name: value for name, value in zip(header, line, strict=True) if value != ""})
    return plain_rows(rows)


def plain_lines(data):
    lines = data.decode("utf-8-sig").split("\n")
    rows = [json.loads(line, object_pairs_hook=unique) for line in lines if line.strip()]
    return plain_rows([{name: value for name, value in row.items() if value is not None} for row in rows])


def table(delimiter):
    target = io.StringIO()
    writer = csv.DictWriter(target, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return target.getvalue().encode()


def lines():
    return "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def parquet(rows=None):
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS if rows is None else rows), target)
    return target.getvalue()


def plain_parquet(data):
    rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    return plain_rows([{name: value for name, value in row.items() if value is not None} for row in rows])


def lm_eval_lines():
    made = []
    for number in range(4):
        prompt = f"question {number}?"
        made.append(
            json.dumps(
                {
                    "doc_id": number,
                    "doc": {"question": prompt, "note": 'a "doc_id": 7, "filter": "x" inside'},
                    "target": "5",
                    "arguments": {"gen_args_0": {"arg_0": prompt}},
                    "resps": [["5"]],
                    "filtered_resps": ["5"],
                    "filter": "none",
                    "metrics": ["acc"],
                    "doc_hash": digest("d" + prompt),
                    "prompt_hash": digest(prompt),
                    "target_hash": digest("5"),
                    "acc": float(number % 2),
                }
            )
            + "\n"
        )
    return "".join(made).encode()


def plain_lm_eval(data):
    """Read samples line by line; of one that is damaged between two sound ends the ends count, as documented."""
    rows = []
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=unique)
        except (ValueError, AssertionError):  # a name twice: what was written over the middle joined two lines
            number = int(re.match(rb'\{"doc_id": ([0-9]+), "doc": ', line)[1])
            row = {"doc_id": number, **json.loads(b"{" + line[line.rindex(b', "filter": "') + 2 :])}
        assert isinstance(row["doc_id"], str | int | float)
        (metric,) = row["metrics"] if isinstance(row.get("metrics"), list) else [n for n in row if n == "acc"]
        assert type(row[metric]) in (float, int, bool)
        assert 0 <= row[metric] <= 1
        under = row.get("filter", "none")
        assert isinstance(under, str)
        rows.append((str(row["doc_id"]), question(row), float(row[metric]), under, metric))
    assert len({one[3] for one in rows}) == 1
    assert len({one[0] for one in rows}) == len(rows)
    return {str((0, None, "t", rows[0][4])): sorted(one[:3] for one in rows)}


def question(row):
    if "prompt_hash" in row:
        return f"{row['prompt_hash']}:{row.get('target_hash', '')}"
    parts = (row.get("arguments"), [row.get("doc"), row.get("target")])
    return ":".join(digest(json.dumps(part, sort_keys=True)) for part in parts)


READERS = [
    Reader("CSV", "t.csv", table(","), meaning, plain_csv),
    Reader("TSV", "t.tsv", table("\t"), meaning, lambda data: plain_csv(data, "\t")),
    Reader("JSON lines", "t.jsonl", lines(), meaning, plain_lines),
    Reader("Parquet", "t.parquet", parquet(), meaning, plain_parquet),
    Reader(
        "lm-eval samples", "run/samples_t_2026-01-02T03-04-05.678901.jsonl", lm_eval_lines(), meaning, plain_lm_eval
    ),
]


def inspect_members():
    """Return the members of a .eval log by name."""
    with zipfile.ZipFile(INSPECT / "base" / "seed0" / "sums.eval") as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


OTHERS = Path(__file__).parents[1] / "talan_eval" / "importers" / "data"


def one_of(pattern):
    return min(OTHERS.glob(pattern))


def hashed(*parts):
    import hashlib  # noqa: PLC0415 - here alone

    text = "\0".join(part if isinstance(part, str) else json.dumps(part, sort_keys=True, default=str) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def strict(data):
    """Parse JSON as a reader of a few lines does that takes no name twice."""
    return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)


def score(value):
    assert type(value) in (int, float, bool)
    assert 0 <= value <= 1
    return float(value)


def of_runs(task, metric, rows):
    assert len({row[0] for row in rows}) == len(rows)
    return {str((0, None, task, metric)): sorted(rows)}


def named(value):
    assert isinstance(value, str | int)
    assert not isinstance(value, bool)
    assert value != ""
    return str(value)


def plain_helm(data):
    """Read the scores of one run of HELM; its specification and its instances lie beside it."""
    home = one_of("helm/base/seed0/*/per_instance_stats.json").parent
    questions = {
        one["id"]: hashed(one["input"], one["references"]) for one in json.loads((home / "instances.json").read_text())
    }
    rows, metrics = [], []
    for one in strict(data):
        if one.get("perturbation") is not None:
            continue
        assert one.get("train_trial_index") in (0, None)
        item = named(one["instance_id"])
        found = {}
        for stat in one["stats"]:
            name = stat["name"]["name"]
            assert isinstance(name, str)
            assert name
            if name.startswith("num_") or stat["name"].get("perturbation") is not None:
                continue
            assert type(stat["count"]) is int
            assert stat["count"] >= 0
            found[name] = stat["sum"] / stat["count"]
        rows.append((item, questions.get(item, ""), found))
        metrics += found
    first = rows[0][2]
    (metric, *_) = first
    return of_runs("sums:kind=plus", metric, [(item, asked, score(found[metric])) for item, asked, found in rows])


def plain_openai(data):
    prompts, expected, rows, order = {}, {}, {}, []
    lines = [strict(line) for line in data.split(b"\n") if line.strip()]
    task = lines[0]["spec"]["eval_name"]
    assert isinstance(task, str)
    assert task
    assert all(named(one) for one in lines[0]["spec"]["completion_fns"])
    for line in lines[1:]:
        kind = line.get("type")
        if kind is None:
            assert line.get("final_report") is not None or line.get("spec") is not None
            continue
        if kind not in ("match", "metrics", "sampling"):
            continue
        sample, event = line["sample_id"], line["data"]
        assert isinstance(sample, str)
        assert sample
        if kind == "sampling":
            if prompts.get(sample) is None:
                prompts[sample] = event.get("prompt")
            continue
        if expected.get(sample) is None:
            expected[sample] = event.get("expected")
        found = {"correct": event["correct"]} if kind == "match" else {
            name: value for name, value in event.items() if isinstance(value, int | float)
        }  # fmt: skip
        assert not found.keys() & rows.get(sample, {}).keys()
        rows[sample] = {**rows.get(sample, {}), **found}
        order.append(sample)
    rows = {sample: found for sample, found in rows.items() if found}
    metric = next(iter(next(iter(rows.values()))))
    made = []
    for sample, found in rows.items():
        parts = (prompts.get(sample), expected.get(sample))
        made.append((sample, "" if parts == (None, None) else hashed(*parts), score(found[metric])))
    return of_runs(task, metric, made)


def plain_promptfoo(data):
    whole = strict(data)
    config = whole.get("config")
    described = None if config is None else config.get("description")
    assert described is None or (isinstance(described, str) and described)
    results = whole["results"]["results"]
    labels = {str(one["prompt"].get("label") or "") for one in results}
    rows, arms = [], set()
    for one in results:
        provider = one["provider"]
        name = provider if isinstance(provider, str) else provider.get("label") or provider["id"]
        assert isinstance(name, str)
        arms.add(name)
        assert type(one["testIdx"]) is int
        assert one["testIdx"] >= 0
        rows.append((str(one["testIdx"]), hashed(one["prompt"]["raw"], one.get("vars")), score(one["score"])))
    assert len(labels) == 1
    assert len(arms) == 1
    return of_runs((described or "promptfoo")[:200], "score", rows)


def promptfoo_of_one():
    """Return an output of one provider, without what no reader looks at."""
    whole = json.loads(one_of("promptfoo/seed0/out.json").read_text())
    kept = [one for one in whole["results"]["results"] if one["provider"]["id"] == "base"]
    slim = [{name: one[name] for name in ("provider", "prompt", "vars", "testIdx", "score", "success")} for one in kept]
    document = {"evalId": whole["evalId"], "results": {"version": 3, "results": slim}, "config": {"description": "s"}}
    return json.dumps(document, indent=1).encode()


def plain_wandb(data):
    table = strict(data)
    columns = table["columns"]
    assert all(isinstance(one, str) and one for one in columns)
    assert len(set(columns)) == len(columns)
    rows = []
    for row in table["data"]:
        assert isinstance(row, list)
        rows.append({name: value for name, value in zip(columns, row, strict=True) if value is not None})
    return plain_rows(rows)


def wandb_rows():
    columns = list(ROWS[0])
    return json.dumps({"columns": columns, "data": [[row[name] for name in columns] for row in ROWS]}).encode()


def lighteval_details():
    return one_of("lighteval/base/seed0/*/*.parquet").read_bytes()


def plain_lighteval(data):
    rows = []
    for row in pq.read_table(pa.BufferReader(data), columns=["doc", "metric"]).to_pylist():
        doc = row["doc"]
        asked = hashed(*(doc.get(name) for name in ("query", "choices", "gold_index")))
        rows.append((named(doc["id"]), asked, score(row["metric"]["em"])))
    return of_runs("sums|0", "em", rows)


def beside(seed_file):
    """Return a reader of one file of a directory of HELM, with the others beside it."""
    home = one_of("helm/base/seed0/*/run_spec.json").parent

    def read(path):
        for name in ("run_spec.json", "instances.json"):
            (path.parent / name).write_bytes((home / name).read_bytes())
        return meaning(path)

    return Reader("HELM", seed_file, (home / "per_instance_stats.json").read_bytes(), read, plain_helm)


OTHER_READERS = [
    beside("helm/run/per_instance_stats.json"),
    Reader("lighteval", "m/details_sums|0_2026-01-02T03-04-05.678901.parquet", lighteval_details(), meaning,
           plain_lighteval),
    Reader("OpenAI evals", "sums.jsonl", one_of("openai_evals/base/seed0/*.jsonl").read_bytes(), meaning, plain_openai),
    Reader("promptfoo", "out.json", promptfoo_of_one(), meaning, plain_promptfoo),
    Reader("W&B table", "t.table.json", wandb_rows(), meaning, plain_wandb),
]  # fmt: skip
