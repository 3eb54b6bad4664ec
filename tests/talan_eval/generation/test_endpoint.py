"""The key goes where it may, nobody is followed elsewhere, and an address that is none is said to be none."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from talan_core.errors import UserError
from talan_eval.generation.endpoint import CompletionServer, check_address, takes_key

KEY = "sk-of-the-test"


@contextlib.contextmanager
def listening(code=200, location=None):
    """Give the port of a server that says always the same, and what it heard: paths, with the key."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append((self.path, self.headers.get("Authorization")))
            self.send_response(code)
            if location is not None:
                self.send_header("Location", location)
            said = b'{"data": [{"id": "one"}]}'
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")  # as `$(cat FILE)` of some shells leaves it
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_this_machine_is_asked_directly_and_gets_the_key(monkeypatch):
    with listening() as (port, heard), listening() as (proxy, passed):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert [*CompletionServer(f"http://127.0.0.1:{port}/v1").models()] == ["one"]
    assert heard == [("/v1/models", f"Bearer {KEY}")]
    assert passed == []


def test_another_machine_gets_no_key_over_http(monkeypatch):
    with listening() as (proxy, passed):  # what goes to others is seen on the way, as it would be by others
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert [*CompletionServer("http://models.invalid/v1").models()] == ["one"]
    assert passed == [("http://models.invalid/v1/models", None)]


def test_who_is_refused_without_the_key_learns_why(monkeypatch):
    with listening(401) as (proxy, _):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        with pytest.raises(UserError, match=r"HTTP 401[^$]*OPENAI_API_KEY was not sent"):
            CompletionServer("http://models.invalid/v1").models()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_server_sends_on_to_another(code):
    with listening() as (port, heard):
        elsewhere = f"http://localhost:{port}/v1/models"
        with listening(code, elsewhere) as (first, _):
            server = CompletionServer(f"http://127.0.0.1:{first}/v1")
            with pytest.raises(UserError, match=rf"sends on to {elsewhere} \(HTTP {code}"):
                server.models()
            with pytest.raises(UserError, match=rf"HTTP {code}"):
                server.complete("one", [1], {})
    assert heard == []


def test_a_key_that_cannot_be_sent_is_not_said(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-More: 1")
    with pytest.raises(UserError, match="OPENAI_API_KEY has signs") as found:
        CompletionServer("http://127.0.0.1:9/v1").models()
    assert KEY not in str(found.value)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("https://models.invalid/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.2/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.models.invalid/v1", False),
        ("http://127.0.0.1.models.invalid/v1", False),
    ],
)
def test_a_key_may_go_over_https_or_stay_here(address, may):
    assert takes_key(address) is may


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("models.invalid/v1", "neither http"),
        ("ftp://models.invalid/v1", "neither http"),
        ("http://", "no host"),
        ("http:///v1", "no host"),
        ("http://:8000/v1", "no host"),
        ("http://a b/v1", "a space"),
        ("http://a/v1\n", "a space"),
        ("http://a\x00/v1", "a space"),
        ("http://[::1", "IPv6"),
        ("http://a:port/v1", "[Pp]ort"),
        ("http://a:99999/v1", "[Pp]ort"),
        ("http://a:0/v1", "port"),
        ("http://a/v1?key=1", "behind its path"),
        ("http://a/v1#1", "behind its path"),
        ("http://a/v1?", "behind its path"),
        ("http://a/v1#", "behind its path"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_to_type(address, why):
    with pytest.raises(UserError, match=why) as found:
        check_address(address)
    assert str(found.value).endswith("--base-url http://127.0.0.1:8000/v1")


@pytest.mark.parametrize("address", ["http://me:secret@a/v1", "http://me:se/cret@a/v1", "http://me:secret@[::1"])
def test_a_password_in_an_address_is_refused_and_not_said(address):
    with pytest.raises(UserError, match="name or a password") as found:
        check_address(address)
    assert "cret" not in str(found.value)


@pytest.mark.parametrize("address", ["http://a/v1/", "https://a:8000/v1", "HTTP://[::1]:80/v1", "http://ä.invalid/v1"])
def test_an_address_keeps_all_but_its_last_slash(address):
    assert check_address(address) == address.rstrip("/")


def test_what_gets_past_the_check_is_an_error_of_the_users():
    with pytest.raises(UserError, match="No server answers"):
        CompletionServer("models.invalid/v1").models()


@contextlib.contextmanager
def failing(*codes, retry_after=None):
    """A server that answers a completion after it has failed with these codes; 0 breaks the connection."""
    left, heard = list(codes), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            code = left.pop(0) if left else 200
            if code == 0:
                self.connection.close()
                return
            said = json.dumps({"choices": [{"text": "yes"}]}).encode()
            self.send_response(code)
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield CompletionServer(f"http://127.0.0.1:{server.server_address[1]}/v1"), heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def waited(monkeypatch):
    """The seconds that were waited, none of which pass."""
    seconds = []
    monkeypatch.setattr("talan_eval.generation.endpoint.time.sleep", seconds.append)
    return seconds


def test_a_busy_server_and_a_broken_connection_are_asked_again(waited):
    with failing(503, 0, 429) as (server, heard):
        assert server.complete("one", [1, 2], {"max_tokens": 1}).text == "yes"
    assert len(heard) == 4
    assert all(body == heard[0] for body in heard)
    assert waited == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("9999", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0)])
def test_a_server_is_asked_again_when_it_says(waited, said, seconds):
    with failing(429, retry_after=said) as (server, _):
        assert server.complete("one", [1], {}).text == "yes"
    assert waited == [seconds]


def test_what_would_fail_again_and_what_never_works_end_at_last(waited):
    with failing(400) as (server, heard), pytest.raises(UserError, match="HTTP 400"):
        server.complete("one", [1], {})
    assert (len(heard), waited) == (1, [])
    with failing(*[503] * 9) as (server, heard), pytest.raises(UserError, match="HTTP 503"):
        server.complete("one", [1], {})
    assert (len(heard), len(waited)) == (6, 5)
