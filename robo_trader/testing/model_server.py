"""A scripted model server: it speaks the providers' protocols on loopback and says what a test wants.

`ModelServer` answers ``POST …/messages`` (Anthropic), ``…/responses`` (OpenAI) and
``…/chat/completions`` (OpenAI and local servers), so that the real SDKs can be run against it. A
script decides each answer; `FAULTS` holds the ways in which a server can fail. It runs in a thread of
its own, needs no key, keeps none, and stops with its ``with`` block. It is no model: what it says is
what the test wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

#: The last part of a path, and the protocol it belongs to.
DIALECTS = {"messages": "messages", "responses": "responses", "completions": "chat"}
_KEYS = ("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization")
_WORDS = re.compile(r"\w{1,6}|[^\w\s]")
_SECONDS_TO_START = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came: its dialect (`messages`, `responses`, `chat`), headers and JSON body.

    Headers that carry keys are replaced by ``***``.
    """

    dialect: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    number: int = 0

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body.get("model", ""))

    @property
    def system(self) -> str:
        """The instructions, as one text."""
        if self.dialect == "messages":
            return _text(self.body.get("system", ""))
        if self.dialect == "responses":
            return _text(self.body.get("instructions", ""))
        return "\n".join(
            _text(m.get("content")) for m in self.body.get("messages", ()) if m.get("role") != "user"
        )

    @property
    def user(self) -> str:
        """The user's turn, as one text."""
        if self.dialect == "responses":
            return _text(self.body.get("input", ""))
        return "\n".join(
            _text(m.get("content")) for m in self.body.get("messages", ()) if m.get("role") == "user"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Exactly what the server sends, and how.

    `wait` seconds pass before the head, `pace` seconds before every 16 bytes of the body; after
    `cut` bytes of the body the connection is closed. `length` replaces the Content-Length.
    `endless` repeats the body until the client goes away.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    pace: float = 0.0
    cut: int | None = None
    length: int | None = None
    endless: bool = False


#: What a script may say: a text, something to write as JSON, a `Response`, or a function of the call.
Said = Any
Script = Callable[[Call], Said]


def tokens(text: str) -> int:
    """Return how many tokens this server counts in `text`: word pieces of up to six letters."""
    return len(_WORDS.findall(text))


def answer(
    call: Call,
    text: str,
    *,
    usage: tuple[int, int] | str | None = "counted",
    stop: str = "",
    refusal: str = "",
) -> Response:
    """Return `text` in the envelope of the call's dialect.

    `usage` is (input, output) tokens, "counted" to let the server count, or None to report none.
    `stop` replaces the reason for stopping; `refusal` makes it a refusal with that text.
    """
    counted = (tokens(call.system + "\n" + call.user) + tokens(json.dumps(_schema(call))), tokens(text))
    inp, out = counted if usage == "counted" or isinstance(usage, str) else usage or (0, 0)
    build = {"messages": _message, "responses": _response, "chat": _completion}[call.dialect]
    document = build(call, text, inp, out, stop, refusal)
    if usage is None:
        del document["usage"]
    return Response(body=json.dumps(document).encode())


def _message(call: Call, text: str, inp: int, out: int, stop: str, refusal: str) -> dict[str, Any]:
    return {
        "id": f"msg_{call.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [] if refusal else [{"type": "text", "text": text}],
        "stop_reason": "refusal" if refusal else stop or "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": inp,
            "output_tokens": out,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def _response(call: Call, text: str, inp: int, out: int, stop: str, refusal: str) -> dict[str, Any]:
    part = {"type": "refusal", "refusal": refusal}
    if not refusal:
        part = {"type": "output_text", "text": text, "annotations": []}  # type: ignore[dict-item]
    return {
        "id": f"resp_{call.number:06d}",
        "object": "response",
        "created_at": 0,
        "model": call.model,
        "status": "incomplete" if stop else "completed",
        "incomplete_details": {"reason": stop} if stop else None,
        "error": None,
        "output": [
            {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        ],
        "usage": {
            "input_tokens": inp,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": inp + out,
        },
    }


def _completion(call: Call, text: str, inp: int, out: int, stop: str, refusal: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if refusal else text, "refusal": refusal or None}
    return {
        "id": f"chatcmpl-{call.number:06d}",
        "object": "chat.completion",
        "created": 0,
        "model": call.model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop or "stop"}],
        "usage": {"prompt_tokens": inp, "completion_tokens": out, "total_tokens": inp + out},
    }


def failure(call: Call, status: int, code: str, text: str = "scripted", **headers: str) -> Response:
    """Return an error in the provider's own form; header names are written with ``_`` for ``-``."""
    error = {"type": code, "message": text}
    document: dict[str, Any] = {"type": "error", "error": error} if call.dialect == "messages" else {}
    if call.dialect != "messages":
        document = {"error": {**error, "code": code, "param": None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body=json.dumps(document).encode(), status=status, headers=named)


def _faults() -> dict[str, Script]:
    def view(**changed: Any) -> str:
        one = {
            "label": "S1",
            "score": 0.5,
            "confidence": 0.8,
            "horizon": "1d",
            "rationale": "r",
            "evidence": [],
        }
        return json.dumps({"views": [{**one, **changed}]})

    def of(text: str, **more: Any) -> Script:
        return lambda call: answer(call, text, **more)

    def error(status: int, code: str, **headers: str) -> Script:
        return lambda call: failure(call, status, code, **headers)

    def changed(text: str, **how: Any) -> Script:
        return lambda call: replace(answer(call, text), **how)

    def envelope(change: Callable[[dict[str, Any]], Any]) -> Script:
        def script(call: Call) -> Response:
            document = json.loads(answer(call, view()).body)
            made = change(document)
            return Response(body=json.dumps(document if made is None else made).encode())

        return script

    def no_content(document: dict[str, Any]) -> None:
        for name in ("content", "output", "choices"):
            document.pop(name, None)

    def odd_usage(document: dict[str, Any]) -> None:
        document["usage"] = {"input_tokens": "many", "output_tokens": -1, "prompt_tokens": None}

    good = view()
    return {
        # The provider says no.
        "429 retry-after 1": error(429, "rate_limit_error", retry_after="1"),
        "429 retry-after 600": error(429, "rate_limit_error", retry_after="600"),
        "429 odd retry-after": error(429, "rate_limit_error", retry_after="soon"),
        "429 no credit": error(429, "insufficient_quota"),
        "400": error(400, "invalid_request_error"),
        "401": error(401, "authentication_error"),
        "403": error(403, "permission_error"),
        "404": error(404, "not_found_error"),
        "413": error(413, "request_too_large"),
        "500": error(500, "api_error"),
        "502 html": lambda call: Response(
            body=b"<html><body>Bad gateway</body></html>", status=502, content_type="text/html"
        ),
        "503": error(503, "service_unavailable"),
        "529": error(529, "overloaded_error"),
        "redirect": lambda call: Response(status=302, headers={"location": "/elsewhere"}),
        # The line fails.
        "cut mid-body": changed(good, cut=60),
        "cut at once": lambda call: Response(cut=0, length=-1),
        "dripping body": changed(good, pace=0.05),
        "slow headers": changed(good, wait=30.0),
        "short of its length": changed(good, length=100_000, cut=10**9),
        "endless body": lambda call: Response(body=b" " * 65_536, endless=True),
        "huge body": lambda call: Response(body=b'{"content": "' + b"x" * 4_000_000 + b'"}'),
        "no http": lambda call: Response(length=-2, body=b"220 mail ready\r\n"),
        "gzip garbage": lambda call: Response(
            body=b"\x1f\x8b" + b"z" * 64, headers={"content-encoding": "gzip"}
        ),
        # What came is no answer.
        "html instead of json": lambda call: Response(body=b"<html>hello</html>", content_type="text/html"),
        "html called json": lambda call: Response(body=b"<html>hello</html>"),
        "truncated json": lambda call: Response(body=answer(call, good).body[:-40]),
        "empty body": lambda call: Response(),
        "json null": lambda call: Response(body=b"null"),
        "json list": lambda call: Response(body=b"[1, 2]"),
        "bad utf-8": lambda call: Response(body=b'{"id": "\xff\xfe"}'),
        "deep json": lambda call: Response(body=b"[" * 100_000),
        "no content": envelope(no_content),
        "wrong content type": changed(good, content_type="text/plain"),
        "missing usage": of(good, usage=None),
        "odd usage": envelope(odd_usage),
        "refusal": of("", refusal="I cannot help with that."),
        "cut by length": lambda call: answer(
            call, good[:40],
            stop={"messages": "max_tokens", "responses": "max_output_tokens", "chat": "length"}[call.dialect],
        ),
        # The model answers nonsense.
        "empty text": of(""),
        "prose": of("The outlook is positive."),
        "fenced json": of(f"```json\n{good}\n```"),
        "half the json": of(good[:50]),
        "schema violation": of(view(score="high")),
        "missing key": of('{"views": [{"label": "S1"}]}'),
        "extra keys": of(view(order="BUY 1000")),
        "nan": of(view(score=float("nan"))),
        "infinity": of(view(confidence=float("inf"))),
        "score out of bounds": of(view(score=7)),
        "wrong symbol": of(view(label="TSLA")),
        "two views of one label": of(json.dumps({"views": json.loads(good)["views"] * 2})),
    }  # fmt: skip


#: Ways to fail, by name: put ``FAULTS["529"]`` into a script.
FAULTS: Mapping[str, Script] = _faults()


class ModelServer:
    """A server on a free loopback port, for the length of a ``with`` block.

    `replies` is a list, used in order and its last repeated, or a function of the `Call`. Each is a
    text (the model's answer), a dict or list (written as JSON), a `Response`, or a function of the
    call that returns one of these. `calls` holds every request that came, keys masked.
    """

    def __init__(self, replies: Sequence[Said] | Script = ('{"views": []}',)) -> None:
        self.calls: list[Call] = []
        self.connections = 0
        self._replies = replies
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The server's address without a path; the Anthropic SDK takes it as `base_url`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """The address that the OpenAI SDK takes as `base_url`."""
        return f"{self.url}/v1"

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="model-server", daemon=True)
        self._thread.start()
        if not started.wait(_SECONDS_TO_START):
            raise RuntimeError("the model server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_SECONDS_TO_START)

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        # asyncio turns Nagle's delay off only for sockets that say they are TCP: 44 ms a call otherwise.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.connections += 1
            try:
                # A client may leave at any time, and so does this server.
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    while await self._one(reader, writer):
                        pass
            finally:
                tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(connected, sock=listener)
        started.set()
        await self._stop.wait()
        # A connection that is just being accepted leaks where its server closes first.
        for _ in range(5):
            await asyncio.sleep(0)
        server.close()
        # What was accepted last has no task yet, and an aborted transport is closed a turn later.
        for _ in range(5):
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection may go on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = first.split(" ")[1]
        dialect = DIALECTS.get(path.rstrip("/").rpartition("/")[2])
        if dialect is None:
            return await _send(writer, Response(body=b'{"error": {"message": "no such path"}}', status=404))
        shown = {name: "***" if name in _KEYS else value for name, value in headers.items()}
        with self._lock:
            call = Call(dialect, path, shown, json.loads(body or b"{}"), len(self.calls))
            self.calls.append(call)
        return await _send(writer, self._say(call))

    def _say(self, call: Call) -> Response:
        said = self._replies
        if not callable(said):
            said = said[min(call.number, len(said) - 1)]
        while callable(said):
            said = said(call)
        if isinstance(said, Response):
            return said
        return answer(call, said if isinstance(said, str) else json.dumps(said))


async def _send(writer: asyncio.StreamWriter, response: Response) -> bool:
    if response.wait:
        await asyncio.sleep(response.wait)
    if response.length == -1:  # not even a head
        return False
    if response.length == -2:  # no HTTP
        writer.write(response.body)
        await writer.drain()
        return False
    length = len(response.body) if response.length is None else response.length
    head = {"content-type": response.content_type, "content-length": str(length), **response.headers}
    if response.endless:
        del head["content-length"]
        head["connection"] = "close"
    lines = [f"HTTP/1.1 {response.status} {'OK' if response.status < 400 else 'No'}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    body = response.body if response.cut is None else response.body[: response.cut]
    while response.endless:
        writer.write(body)
        await writer.drain()
        await asyncio.sleep(0)
    step = 16 if response.pace else max(1, len(body))
    for i in range(0, len(body), step):
        if response.pace:
            await asyncio.sleep(response.pace)
        writer.write(body[i : i + step])
        await writer.drain()
    return response.cut is None


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Give the address of a loopback port at which every connection is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(_text(part) for part in value)
    return _text(value.get("text", value.get("content", ""))) if isinstance(value, Mapping) else ""


def _schema(call: Call) -> Any:
    """Return the schema of the answer that the call asked for; providers bill it as input."""
    form: Any = {
        "messages": lambda: call.body["output_config"]["format"],
        "responses": lambda: call.body["text"]["format"],
        "chat": lambda: call.body["response_format"]["json_schema"],
    }[call.dialect]
    try:
        return form().get("schema", {})
    except (KeyError, TypeError, AttributeError):
        return {}
