"""One server that speaks OpenAI's completions, over plain HTTP: vLLM, SGLang and llama.cpp do.

Prompts go there as token ids, so that the server's tokenizer adds nothing to them.
"""

from __future__ import annotations

import http
import http.client
import ipaddress
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY_VARIABLE: Final = "OPENAI_API_KEY"
"""Environment variable of the key that is sent along, where it is set and :func:`takes_key` allows it."""
_PATIENCE: Final = 3600.0  # seconds: an answer of many tokens may wait behind many others
_LIST_PATIENCE: Final = 10.0
_NOTHING_ELSE: Final = {
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""What servers would otherwise take from a model's own settings or their own defaults; they ignore what they lack."""
_NO_KEY: Final = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN)
_PASSING: Final = (429, 500, 502, 503, 504)
"""What a server that is busy or is being restarted says; the same request may be answered later."""
_WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between the tries of one request
_LONGEST_WAIT: Final = 60.0  # of what a server may ask for


@dataclass(frozen=True, slots=True)
class Scored:
    """Tokens with their log-probabilities.

    Attributes:
        own: Of each token; None for the first of a prompt.
        likeliest: Of the likeliest tokens at the same place, by their text.
    """

    own: tuple[float | None, ...]
    likeliest: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server said.

    Attributes:
        text: The text, special tokens dropped by the server where it was told to.
        scored: The log-probabilities, where they were asked for and there are any.
    """

    text: str
    scored: Scored | None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses to be sent elsewhere: the key and the prompts are for the address that was typed."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,  # noqa: ANN401 - as in the parent
        code: int,
        msg: str,
        headers: Any,  # noqa: ANN401 - as in the parent
        newurl: str,
    ) -> NoReturn:
        del fp, msg, headers
        raise UserError(
            f"The server at {req.full_url} sends on to {newurl} (HTTP {code}), and that is not followed.",
            "If you trust it, type that address up to /v1: --base-url URL",
        )


class CompletionServer:
    """A server.

    Args:
        base_url: Its address up to "/v1".
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        # What is on this machine is asked directly, so that a proxy sees no key either.
        proxies = [urllib.request.ProxyHandler({})] if _is_here(base_url) else []
        self._opener = urllib.request.build_opener(_NoRedirects, *proxies)

    def models(self) -> dict[str, Mapping[str, Any]]:
        """Return what it says of each model that it has, by name.

        Raises:
            UserError: There is no such server.
        """
        found = self._json("/models", None, _LIST_PATIENCE).get("data")
        if not isinstance(found, list):
            raise self._strange("/models")
        return {str(one["id"]): one for one in found if isinstance(one, dict) and "id" in one}

    def version(self) -> str:
        """Return what it says of its version; "unknown" where it does not."""
        try:
            said = self._json("/version", None, _LIST_PATIENCE, below=False)
        except UserError:
            return "unknown"
        return str(said.get("version", "unknown"))

    def complete(self, model: str, ids: Sequence[int], options: Mapping[str, Any]) -> Completion:
        """Let it go on after a prompt of token ids.

        Args:
            model: A name of :meth:`models`.
            ids: The prompt.
            options: Of OpenAI's completions, and those of vLLM.

        Raises:
            UserError: It does not answer, or refuses, also when it is asked a few times more.
        """
        body = {"model": model, "prompt": list(ids), **_NOTHING_ELSE, **options}
        choices = self._patiently("/completions", body).get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise self._strange("/completions")
        return Completion(str(choices[0].get("text", "")), _scored(choices[0].get("logprobs")))

    def _patiently(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and again after a while where the server is busy or the connection breaks; one failure in thousands."""
        for wait in _WAITS:
            try:
                return self._json(path, body, _PATIENCE)
            except UserError as error:
                asked = _wait_after(error.__cause__, wait)
                if asked is None:
                    raise
                time.sleep(asked)
        return self._json(path, body, _PATIENCE)

    def _json(
        self, path: str, body: Mapping[str, Any] | None, patience: float, *, below: bool = True
    ) -> dict[str, Any]:
        base = self._base_url if below else self._base_url.removesuffix("/v1")
        headers = {"Content-Type": "application/json", **self._authorization()}
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(base + path, data, headers)  # noqa: S310 - checked to be http or https
            with self._opener.open(request, timeout=patience) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            why = " ".join(error.read(2000).decode("utf-8", "replace").split())[:300]
            raise UserError(
                f"The server at {base} refuses {path} (HTTP {error.code}: {why}).",
                self._after_refusal(base, error.code),
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UserError(
                f"No server answers at {base}{path} ({type(error).__name__}: {error}).",
                "Start it, for example: vllm serve DIR --port 8000, and type --base-url http://127.0.0.1:8000/v1",
            ) from error
        if not isinstance(said, dict):
            raise self._strange(path)
        return said

    def _authorization(self) -> dict[str, str]:
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key or not takes_key(self._base_url):
            return {}
        if not key.isascii() or not key.isprintable():  # http.client would say the key in its error
            raise UserError(
                f"The key in {KEY_VARIABLE} has signs in it that cannot be sent.",
                f"Type it anew: export {KEY_VARIABLE}=KEY",
            )
        return {"Authorization": f"Bearer {key}"}

    def _after_refusal(self, base: str, code: int) -> str:
        if code in _NO_KEY and os.environ.get(KEY_VARIABLE) and not takes_key(self._base_url):
            return (
                f"{KEY_VARIABLE} was not sent, because http shows it to all on the way. Type an address of https, or "
                "forward a port to this machine: --base-url http://127.0.0.1:8000/v1"
            )
        return f"Check what it serves: curl {base}/models"

    def _strange(self, path: str) -> UserError:
        return UserError(
            f"What answers at {self._base_url}{path} does not speak OpenAI's completions.",
            "Type the address that ends in /v1, such as --base-url http://127.0.0.1:8000/v1",
        )


def _wait_after(error: BaseException | None, usual: float) -> float | None:
    """Return the seconds to wait before the same request is made again; None where it would fail again.

    Args:
        error: What the request ended with.
        usual: Seconds where the server names none.
    """
    if isinstance(error, urllib.error.HTTPError):
        if error.code not in _PASSING:
            return None
        asked = str(error.headers.get("Retry-After", ""))
        return min(float(asked), _LONGEST_WAIT) if asked.isascii() and asked.isdecimal() else usual
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return usual if isinstance(reason, ConnectionError | http.client.HTTPException) else None


def takes_key(base_url: str) -> bool:
    """Return whether a key may be sent to an address: over https, or without leaving this machine."""
    return urlsplit(base_url).scheme == "https" or _is_here(base_url)


def check_address(base_url: str) -> str:
    """Return an address without a slash at its end.

    Raises:
        UserError: It is none of HTTP, or holds more than a host, a port and a path.
    """
    such = "Type one such as --base-url http://127.0.0.1:8000/v1"
    if "@" in base_url:  # said without the address, because a password may be in it
        raise UserError(
            "--base-url holds a name or a password (before @), and those are not sent.",
            f"Put a key into {KEY_VARIABLE} and leave them out: --base-url https://HOST/v1",
        )
    wrong = _wrong_with(base_url)
    if wrong:
        raise UserError(f"--base-url {base_url} is no address of a server: {wrong}.", such)
    return base_url.rstrip("/")


def _wrong_with(base_url: str) -> str:
    """Say what is wrong with an address; empty where nothing is."""
    if any(sign.isspace() or not sign.isprintable() for sign in base_url):
        return "there is a space in it"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in {"http", "https"}:
        return "it begins with neither http:// nor https://"
    if not parts.hostname:
        return "it has no host"
    if port == 0:
        return "it has no port that can be asked"
    return "there is more behind its path" if "?" in base_url or "#" in base_url else ""


def _is_here(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _scored(said: Any) -> Scored | None:  # noqa: ANN401 - JSON
    """Read log-probabilities in the form of OpenAI's completions, or in that of its chats, which llama.cpp writes."""
    if not isinstance(said, dict):
        return None
    if isinstance(said.get("content"), list):
        steps = said["content"]
        tops = tuple({one["token"]: float(one["logprob"]) for one in step.get("top_logprobs", ())} for step in steps)
        return Scored(tuple(float(step["logprob"]) for step in steps), tops)
    own, likeliest = said.get("token_logprobs"), said.get("top_logprobs")
    if not isinstance(own, list) or not isinstance(likeliest, list):
        return None
    return Scored(tuple(None if one is None else float(one) for one in own), tuple(one or {} for one in likeliest))
