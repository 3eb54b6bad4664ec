"""A server of this process that speaks OpenAI's completions, as far as they are used, for models of transformers."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch


class Served:
    """Models by name, what was asked of them, and how log-probabilities are written."""

    def __init__(self, models, tokenizer, *, form="completions", version="9.9"):
        self.models, self.tokenizer, self.form, self.version = models, tokenizer, form, version
        self.asked = []
        self.alone = threading.Lock()

    def answer(self, body):
        with self.alone, torch.no_grad():
            self.asked.append(body)
            return self._answer(body)

    def _answer(self, body):
        model, ids = self.models[body["model"]], list(body["prompt"])
        scores, text = [], ""
        stops = body.get("stop") or []
        for _ in range(body["max_tokens"]):
            said = model(input_ids=torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)
            token = int(said.argmax())
            scores.append((token, said))
            ids.append(token)
            text = self.tokenizer.decode(ids[len(body["prompt"]) :], skip_special_tokens=True)
            if token in body.get("stop_token_ids", ()) or any(stop in text for stop in stops):
                break
        for stop in stops:
            text = text.split(stop)[0]
        choice = {"index": 0, "text": text}
        if body.get("logprobs"):
            choice["logprobs"] = self._scored(model, body, scores)
        return {"choices": [choice]}

    def _scored(self, model, body, scores):
        own, tops = [], []
        if body.get("echo"):
            prompt = list(body["prompt"])
            said = model(input_ids=torch.tensor([prompt])).logits[0].float().log_softmax(-1)
            own, tops = [None], [None]
            scores = [*((token, said[place]) for place, token in enumerate(prompt[1:])), *scores]
        for token, said in scores:
            likeliest = {
                self.tokenizer.decode([int(place)]): float(said[place]) for place in said.topk(body["logprobs"]).indices
            }
            own.append(float(said[token]))
            tops.append(likeliest)
        if self.form == "none":
            return None
        if self.form == "chats":
            return {
                "content": [
                    {"token": "", "logprob": one, "top_logprobs": [{"token": t, "logprob": v} for t, v in top.items()]}
                    for one, top in zip(own, tops, strict=True)
                ]
            }
        return {"token_logprobs": own, "top_logprobs": tops}


@contextlib.contextmanager
def server_of(served):
    """Serve; gives the address that ends in /v1."""

    class Handler(BaseHTTPRequestHandler):
        def _say(self, code, said):
            data = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            if self.path == "/v1/models":
                models = [{"id": name, "owned_by": "tests", "max_model_len": 1024} for name in served.models]
                self._say(200, {"data": models})
            elif self.path == "/version" and served.version is not None:
                self._say(200, {"version": served.version})
            else:
                self._say(404, {"error": "nothing here"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self._say(200, served.answer(body))
            except KeyError as error:
                self._say(404, {"error": {"message": f"no model {error}"}})

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
