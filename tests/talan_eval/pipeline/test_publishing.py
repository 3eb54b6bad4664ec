"""Cards, datasets and a local stand-in for the Hub's API, which the Hub's own client talks to."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.comparison import ItemTable, Origin, ScoreMatrix, StatisticsSettings
from talan_eval.comparison.scoring import score_arm
from talan_eval.pipeline.hub_merge import merged_card
from talan_eval.pipeline.publish import read_published, send, uploads

ROOT = Path(__file__).parents[3]
STORED = ROOT / "results" / "micro_lora_vs_talan+lora"
THEIRS = """---
license: mit
library_name: mine
tags: [mine]
model-index:
- name: other
  results: []
---

# My adapter

Use it.
"""


class StandIn(BaseHTTPRequestHandler):
    """What of the Hub's API is needed to create a repository, read its card and commit to it."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        hub, body = self.server.hub, self.rfile.read(int(self.headers["Content-Length"]))
        if hub.refuse:
            self.answer(hub.refuse, {"error": "no"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            hub.created.append(
                (name, asked.get("type", "model"), asked.get("private", asked.get("visibility") == "private"))
            )
            self.answer(200, {"url": f"{hub.endpoint}/{name}", "id": name})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [one["path"] for one in json.loads(body)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer(200, {"files": [{"path": name, **plain} for name in names]})
        else:
            assert "/commit/" in self.path
            place = self.path.partition("/commit/")[0].removeprefix("/api/")
            files = hub.files.setdefault(place, {})
            for line in body.splitlines():
                value = json.loads(line)["value"]
                if "path" in value:
                    files[value["path"]] = base64.b64decode(value["content"])
            address = f"{hub.endpoint}/{place.removeprefix('models/')}/commit/1"
            self.answer(200, {"commitUrl": address, "commitOid": "1", "pullRequestUrl": None})

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, *, head=False):
        hub = self.server.hub
        repository, found, name = self.path.lstrip("/").partition("/resolve/main/")
        content = hub.files.get(f"models/{repository}", {}).get(name) if found else None
        if content is None:
            self.answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}, head=head)
            return
        named = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": "1" * 40}  # noqa: S324 - no secret
        self.answer(200, content, named, head=head)

    def answer(self, status, content, headers=None, *, head=False):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(data)


class Hub:
    """What is kept by the stand-in."""

    def __init__(self):
        self.created, self.files, self.refuse, self.endpoint = [], {}, 0, ""


@pytest.fixture
def hub(monkeypatch):
    kept = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.hub, kept.endpoint = kept, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def alone(tmp_path):
    items = ItemTable("gsm8k", "exact_match", tuple(f"i{n}" for n in range(20)), "0" * 12)
    scores = (np.random.default_rng(0).random((3, 20)) < 0.5).astype(float)
    matrices = [ScoreMatrix("me/base", "mine", items, (0, 1, 2), scores)]
    (tmp_path / "result.json").write_text(score_arm(matrices, Origin({}), StatisticsSettings()).to_json())
    return tmp_path


def front(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_result_goes_into_a_card_that_keeps_what_others_wrote(hub):
    found = read_published(STORED)
    (upload,) = uploads(found, STORED, "me/adapter", None)
    hub.files["models/me/adapter"] = {"README.md": THEIRS.encode()}
    assert send(upload, public=False, endpoint=hub.endpoint).endswith("/commit/1")
    assert hub.created == [("me/adapter", "model", True)]
    first = hub.files["models/me/adapter"]["README.md"].decode()
    assert send(upload, public=False, endpoint=hub.endpoint)
    again = hub.files["models/me/adapter"]["README.md"].decode()
    assert again == first  # pushed twice it is there once
    metadata = front(first)
    assert (metadata["license"], metadata["tags"]) == ("mit", ["mine", "peft", "talan-eval"])
    assert metadata["library_name"] == "mine"
    assert [one["name"] for one in metadata["model-index"]] == ["other", "talan+lora"]
    assert "# My adapter\n\nUse it." in first
    (metric,) = metadata["model-index"][1]["results"][0]["metrics"]
    cell = found.contrasts[0].cells[0]
    assert metric["value"] == pytest.approx(cell.treat_mean, abs=1e-3)
    assert metric["args"]["confidence_interval"] == pytest.approx(list(cell.e1.ci), abs=1e-3)


def test_the_hub_reads_the_entry_of_the_model_index(hub):
    from huggingface_hub.repocard_data import model_index_to_eval_results  # noqa: PLC0415 - an extra

    (upload,) = uploads(read_published(STORED), STORED, "me/adapter", None)
    send(upload, public=True, endpoint=hub.endpoint)
    assert hub.created == [("me/adapter", "model", False)]
    card = hub.files["models/me/adapter"]["README.md"].decode()
    name, results = model_index_to_eval_results(front(card)["model-index"])
    assert name == "talan+lora"
    assert {one.dataset_name for one in results} == {cell.task for cell in read_published(STORED).contrasts[0].cells}


def test_results_go_into_a_dataset_without_questions_and_answers(hub):
    (upload,) = uploads(read_published(STORED), STORED, None, "me/results")
    send(upload, public=False, endpoint=hub.endpoint)
    files = hub.files["datasets/me/results"]
    assert {"README.md", "result.json", "report.md", "report.csv"} <= set(files)
    assert files["result.json"].decode() == read_published(STORED).to_json()
    assert front(files["README.md"].decode())["configs"] == [{"config_name": "scores", "data_files": "report.csv"}]
    assert not [name for name in files if "sample" in name]


def test_scores_of_one_arm_have_their_intervals_in_the_index(alone, hub):
    found = read_published(alone)
    model, dataset = uploads(found, alone, "me/adapter", "me/results")
    for upload in (model, dataset):
        send(upload, public=False, endpoint=hub.endpoint)
    metadata = front(hub.files["models/me/adapter"]["README.md"].decode())
    (entry,) = metadata["model-index"]
    args = entry["results"][0]["metrics"][0]["args"]
    assert (metadata["base_model"], args["estimand"], args["seeds"]) == ("me/base", "E1", 3)
    score = found.backbones[0].scores[0]
    assert args["confidence_interval"] == pytest.approx(list(score.e1.ci), abs=1e-3)
    assert b"gsm8k" in hub.files["datasets/me/results"]["report.csv"]


def test_nothing_is_sent_without_yes(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    done = CliRunner().invoke(
        app, ["push", str(STORED), "--model", "me/adapter", "--dataset", "me/results", "--mlflow"]
    )
    assert done.exit_code == 0, done.output
    assert "model me/adapter (private if it is created now):" in done.output
    assert "  result.json (" in done.output
    assert "MLflow" in done.output
    assert done.output.endswith("Nothing was sent. Type the same with --yes to send it.\n")
    assert (hub.created, hub.files) == ([], {})


def test_a_refusal_is_one_error(hub):
    hub.refuse = 403
    (upload,) = uploads(read_published(STORED), STORED, "me/adapter", None)
    with pytest.raises(UserError, match="me/adapter was not written") as caught:
        send(upload, public=False, endpoint=hub.endpoint)
    assert caught.value.fix.endswith("hf auth login")


def test_no_network_is_one_error(unused_port):
    (upload,) = uploads(read_published(STORED), STORED, "me/adapter", None)
    with pytest.raises(UserError, match="me/adapter was not written"):
        send(upload, public=False, endpoint=f"http://127.0.0.1:{unused_port}")


@pytest.fixture
def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("name", ["adapter", "me/", "/adapter", "me/adapter/more", " me/adapter"])
def test_what_is_no_repository_is_refused(name):
    with pytest.raises(UserError, match="is no repository of the Hub"):
        uploads(read_published(STORED), STORED, name, None)


def test_somewhere_to_push_must_be_named():
    done = CliRunner().invoke(app, ["push", str(STORED)])
    assert isinstance(done.exception, UserError)


@pytest.mark.parametrize("front_matter", ["a: [", "- 1", "model-index: 7"])
def test_a_card_that_cannot_be_read_is_not_overwritten(front_matter):
    ours = "---\nmodel-index: [{name: a, results: []}]\n---\nours"
    with pytest.raises(UserError, match="metadata of the model card that is there cannot be read"):
        merged_card(f"---\n{front_matter}\n---\ntheirs", ours)


def test_a_card_without_metadata_keeps_its_text():
    ours = "---\nmodel-index: [{name: a, results: []}]\n---\nours"
    card = merged_card("# Theirs\n", ours)
    assert card.startswith("---\nmodel-index:")
    assert "# Theirs\n\n<!-- scores by talan-eval -->\n\nours\n\n<!-- end" in card


def test_no_path_of_this_machine_is_published(tmp_path):
    found = read_published(STORED)
    secret = str(tmp_path / "clients" / "acme 2026" / "lora")
    told = {
        **found.provenance,
        "logs": [{"path": secret}, {"path": f"{secret}/seed0"}],
        "note": "see https://example.org/a/b and runs/lora/seed0, 3 lost/gained",
        "said": "read from /home/me/keys/x.json, and ~/private/y.json.",
    }
    here = found.model_copy(update={"provenance": told, "warnings": (f"{secret}/seed1 was not read",)})
    for upload in uploads(here, STORED, "me/adapter", "me/results"):
        for name, content in upload.files.items():
            text = content.decode()
            assert "acme" not in text, name
            assert str(tmp_path) not in text, name
            assert "/home/me" not in text, name
            assert "private" not in text, name
    text = upload.files["result.json"].decode()
    assert "https://example.org/a/b" in text
    assert "runs/lora/seed0" in text
    assert "lost/gained" in text
