"""Thin adapters over the official SDKs: one question in, one typed `Reply` out.

`MessagesAdapter` speaks to Anthropic, `ResponsesAdapter` to OpenAI, `ChatAdapter` to local servers with
OpenAI's older protocol. They use the SDKs' own `create()` without its retries and read the body
themselves, since the SDKs' parsers lose the usage of an answer that they cannot read. No tools are
ever offered to a model. `ask` raises nothing but cancellation: whatever goes wrong is a status.
A key never enters a reply, nor an address that only the environment names (`OPENAI_BASE_URL`).
The SDKs are imported with the first call (some seconds).
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from robo_trader import clock
from robo_trader.errors import ConfigError
from robo_trader.intelligence.reply import Reply, Request, Status, Usage, plain
from robo_trader.masking import MASK

#: The longest body that is read, in bytes; an answer takes a few thousand.
MOST_BYTES = 250_000
_LONGEST_DETAIL = 200
#: Seconds; a server that asks for more is asked again after these.
_LONGEST_PAUSE = 3600.0
_STATUSES = {
    400: Status.REJECTED,
    401: Status.AUTH,
    402: Status.AUTH,
    403: Status.AUTH,
    404: Status.REJECTED,
    408: Status.TIMEOUT,
    409: Status.OVERLOADED,
    413: Status.REJECTED,
    422: Status.REJECTED,
    425: Status.OVERLOADED,
    429: Status.RATE_LIMITED,
    503: Status.OVERLOADED,
    504: Status.TIMEOUT,
    529: Status.OVERLOADED,
}
#: Codes of OpenAI's 429 that no waiting mends.
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")

#: A key of fewer characters may be a word of the answer; it hides only in details.
_SHORTEST_KEY = 8
#: What a request to an address of the user's may carry; the SDKs add what their variables say.
_HEADERS = {
    "accept", "accept-encoding", "authorization", "anthropic-version", "connection", "content-length",
    "content-type", "host", "transfer-encoding", "user-agent", "x-api-key",
}  # fmt: skip
#: After so many pieces of a body others get their turn, the deadline among them.
_PIECES = 64

_Kept = tuple[Any, AsyncGenerator[None]]


class Adapter(ABC):
    """One provider's protocol. `key` may be empty for a server that asks for none.

    A client belongs to the event loop in which it was made and is closed with it.
    """

    #: The SDK's module, and the name of its asynchronous client.
    sdk: tuple[str, str]
    #: The environment variable that holds the key.
    variable = ""
    #: The provider's own address.
    home: str | None = None

    def __init__(self, *, key: str = "", base_url: str | None = None, effort: str | None = None) -> None:
        self.base_url = base_url
        self.effort = effort
        self._key = key
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[_Kept]]
        self._clients = WeakKeyDictionary()

    def require(self) -> None:
        """Raise `ConfigError` where the SDK is not installed; it is not imported for that."""
        if importlib.util.find_spec(self.sdk[0]) is None:
            raise ConfigError(
                f"the package {self.sdk[0]!r} is not installed, which speaks to this provider",
                hint="pip install anthropic openai",
            )

    async def open(self) -> None:
        """Import the SDK and make the client; slow the first time, and no part of any deadline."""
        await self._client()

    async def close(self) -> None:
        """Close this event loop's connections."""
        found = self._clients.get(asyncio.get_running_loop())
        if found is not None:
            await (await found)[1].aclose()

    async def ask(self, model: str, request: Request, timeout: float) -> Reply:
        """Ask once; `timeout` (seconds) is for each step of the connection, the deadline is the caller's."""
        sdk = importlib.import_module(self.sdk[0])
        try:
            try:
                raw = await self._create(await self._client(), model, request, timeout)
                reply = self._read(raw.http_response.content)
            except sdk.APIStatusError as error:
                reply = self._status(error.status_code, error.response.headers, error.body)
            except sdk.APITimeoutError:
                reply = Reply(status=Status.TIMEOUT, detail=f"no answer within {timeout:.1f} s")
        except Exception as error:  # noqa: BLE001 - an SDK's surprise must not stop a strategy
            reply = _failed(error)
        return self._told(reply, model)

    def _told(self, reply: Reply, model: str) -> Reply:
        """Return `reply` with the model's name, without the key, its detail short, its text writable."""
        detail = reply.detail.replace(self._key, MASK) if self._key else reply.detail
        # JSON may hold halves of characters, which no file takes.
        text = reply.text.encode("utf-8", "replace").decode()
        if len(self._key) >= _SHORTEST_KEY:
            text = text.replace(self._key, MASK)
        return replace(reply, text=text, detail=plain(detail)[:_LONGEST_DETAIL], model=model)

    async def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        making = self._clients.get(loop)
        if making is None:
            # One for all that ask at once; a caller that is cancelled does not stop it.
            making = self._clients[loop] = asyncio.ensure_future(self._connect())
        return (await asyncio.shield(making))[0]

    async def _connect(self) -> _Kept:
        """Return a client and what closes it with the event loop."""
        try:
            client = await asyncio.to_thread(self._new_client)
        except BaseException:
            # The next question tries again.
            self._clients.pop(asyncio.get_running_loop(), None)
            raise
        keeper = self._keep(client)
        # Generators that were started are closed by the loop when it ends, and the client with them.
        await anext(keeper)
        return client, keeper

    async def _keep(self, client: Any) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._clients.pop(asyncio.get_running_loop(), None)
            await client.close()

    def _new_client(self) -> Any:
        sdk = importlib.import_module(self.sdk[0])
        more: dict[str, Any] = {}
        if self.base_url is not None and is_loopback(self.base_url):
            # What goes to this machine passes no proxy, whatever the environment says.
            more = {"trust_env": False, "mounts": dict.fromkeys(("http://", "https://", "all://"))}
        hooks = {"response": [_bound], "request": [] if self.base_url is None else [self._strip]}
        http = sdk.DefaultAsyncHttpxClient(event_hooks=hooks, follow_redirects=False, **more)
        client = getattr(sdk, self.sdk[1])(
            # Given always, so that no SDK goes looking for another key or another address.
            api_key=self._key or "none",
            base_url=self.base_url or self.home,
            max_retries=0,
            http_client=http,
            # Unpacked bodies cannot be bounded before they are unpacked.
            default_headers={"Accept-Encoding": "identity"},
        )
        self._resource(client)
        return client

    async def _strip(self, request: Any) -> None:
        """Take away what the SDK took from the environment: it is meant for the provider's own server."""
        for name, value in list(request.headers.items()):
            secret = name in ("authorization", "x-api-key")
            if (secret and not value.endswith(self._key or "none")) or (
                name not in _HEADERS and not name.startswith("x-stainless-")
            ):
                del request.headers[name]

    def _read(self, body: bytes) -> Reply:
        """Return what a body of a successful call says."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return Reply(status=Status.MALFORMED, detail=f"the body is not JSON: {_glimpse(body)}")
        if not isinstance(document, Mapping):
            return Reply(status=Status.MALFORMED, detail=f"the body is {_glimpse(body)}")
        usage = _usage(document.get("usage"), self._tokens)
        try:
            status, text, detail = self._answer(document)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            status, text, detail = Status.MALFORMED, "", f"no answer in the body ({type(error).__name__})"
        if status is Status.OK and not text.strip():
            status, detail = Status.MALFORMED, "the answer is empty"
        return Reply(status=status, text=text, usage=usage, detail=detail)

    def _status(self, code: int, headers: Mapping[str, str], body: object) -> Reply:
        """Return what an error status means; providers do not charge for those."""
        found: Any = body.get("error", body) if isinstance(body, Mapping) else None
        fields: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        named = fields.get("code") or fields.get("type") or ""
        status = _STATUSES.get(code) or (Status.UNAVAILABLE if code >= 500 or code < 400 else Status.REJECTED)
        if code == 429 and named in _NO_CREDIT:
            status = Status.AUTH
        said = fields.get("message") or ""
        return Reply(
            status=status,
            detail=f"HTTP {code} {named} {said}",
            retry_after=_retry_after(headers),
            billed=False,
        )

    @abstractmethod
    def _resource(self, client: Any) -> Any:
        """Return what holds the SDK's `create`; the SDKs import it when it is first looked at."""

    @abstractmethod
    async def _create(self, client: Any, model: str, request: Request, timeout: float) -> Any:
        """Call the SDK's `create` and return its raw response."""

    @abstractmethod
    def _answer(self, document: Mapping[str, Any]) -> tuple[Status, str, str]:
        """Return status, text and detail of an answer's document; may raise what odd documents do."""

    @abstractmethod
    def _tokens(self, usage: Mapping[str, Any]) -> Usage:
        """Return the provider's usage in our terms; may raise what odd documents do."""


class MessagesAdapter(Adapter):
    """Anthropic's messages. The instructions are marked for its prompt cache."""

    sdk = ("anthropic", "AsyncAnthropic")
    variable = "ANTHROPIC_API_KEY"
    home = "https://api.anthropic.com"

    def _resource(self, client: Any) -> Any:
        return client.messages.with_raw_response

    async def _create(self, client: Any, model: str, request: Request, timeout: float) -> Any:
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": request.schema}}
        if self.effort:
            output["effort"] = self.effort
        return await self._resource(client).create(
            model=model,
            max_tokens=request.max_tokens,
            system=[{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": request.user}],
            output_config=output,
            timeout=timeout,
        )

    def _answer(self, document: Mapping[str, Any]) -> tuple[Status, str, str]:
        stop = document["stop_reason"]
        if stop == "refusal":
            why = document.get("stop_details") or {}
            return Status.REFUSED, "", str(why.get("category") or "the model declined")
        text = "".join(part["text"] for part in document["content"] if part["type"] == "text")
        if stop != "end_turn":
            return Status.MALFORMED, text, f"the answer stopped early: {stop}"
        return Status.OK, text, ""

    def _tokens(self, usage: Mapping[str, Any]) -> Usage:
        return Usage(
            usage["input_tokens"],
            usage["output_tokens"],
            usage.get("cache_read_input_tokens") or 0,
            usage.get("cache_creation_input_tokens") or 0,
        )


class ResponsesAdapter(Adapter):
    """OpenAI's responses; nothing is stored there (`store=False`)."""

    sdk = ("openai", "AsyncOpenAI")
    variable = "OPENAI_API_KEY"
    home = "https://api.openai.com/v1"

    def _resource(self, client: Any) -> Any:
        return client.responses.with_raw_response

    async def _create(self, client: Any, model: str, request: Request, timeout: float) -> Any:
        more: dict[str, Any] = {"reasoning": {"effort": self.effort}} if self.effort else {}
        return await self._resource(client).create(
            model=model,
            instructions=request.system,
            input=request.user,
            max_output_tokens=request.max_tokens,
            text={
                "format": {"type": "json_schema", "name": "views", "strict": True, "schema": request.schema}
            },
            prompt_cache_key=f"robo-{request.prompt_hash}",
            store=False,
            timeout=timeout,
            **more,
        )

    def _answer(self, document: Mapping[str, Any]) -> tuple[Status, str, str]:
        parts = [part for item in document["output"] if item["type"] == "message" for part in item["content"]]
        refused = [part["refusal"] for part in parts if part["type"] == "refusal"]
        if refused:
            return Status.REFUSED, "", str(refused[0])
        text = "".join(part["text"] for part in parts if part["type"] == "output_text")
        if document["status"] != "completed":
            why = (document.get("incomplete_details") or document.get("error") or {}).get("reason")
            if why == "content_filter":
                return Status.REFUSED, text, "content_filter"
            return Status.MALFORMED, text, f"the answer stopped early: {why or document['status']}"
        return Status.OK, text, ""

    def _tokens(self, usage: Mapping[str, Any]) -> Usage:
        detail = usage.get("input_tokens_details") or {}
        return _inclusive(usage["input_tokens"], usage["output_tokens"], detail)


class ChatAdapter(Adapter):
    """OpenAI's chat completions, which local servers speak."""

    sdk = ("openai", "AsyncOpenAI")

    def _resource(self, client: Any) -> Any:
        return client.chat.completions.with_raw_response

    async def _create(self, client: Any, model: str, request: Request, timeout: float) -> Any:
        more: dict[str, Any] = {"reasoning_effort": self.effort} if self.effort else {}
        return await self._resource(client).create(
            model=model,
            messages=[
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.user},
            ],
            max_tokens=request.max_tokens,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "views", "strict": True, "schema": request.schema},
            },
            timeout=timeout,
            **more,
        )

    def _answer(self, document: Mapping[str, Any]) -> tuple[Status, str, str]:
        choice = document["choices"][0]
        message, why = choice["message"], choice.get("finish_reason")
        if message.get("refusal"):
            return Status.REFUSED, "", str(message["refusal"])
        text = message["content"] or ""
        if why == "content_filter":
            return Status.REFUSED, text, "content_filter"
        if why not in ("stop", None):
            return Status.MALFORMED, text, f"the answer stopped early: {why}"
        return Status.OK, text, ""

    def _tokens(self, usage: Mapping[str, Any]) -> Usage:
        detail = usage.get("prompt_tokens_details") or {}
        return _inclusive(usage["prompt_tokens"], usage["completion_tokens"], detail)


ADAPTERS: Mapping[str, type[Adapter]] = {
    "anthropic": MessagesAdapter,
    "openai": ResponsesAdapter,
    "local": ChatAdapter,
}


def is_loopback(url: str) -> bool:
    """Tell whether `url` leads to this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


class _TooMuch(Exception):
    """A body that is longer than any answer, or packed although we asked for it unpacked."""


async def _bound(response: Any) -> None:
    """Let no more than `MOST_BYTES` of a body be read; called by the HTTP client for each response.

    An error's body is only cut: its status says what happened.
    """
    packed = response.headers.get("content-encoding", "identity")
    failed = not 200 <= response.status_code < 300
    if packed not in ("identity", ""):
        if not failed:
            await response.aclose()
            raise _TooMuch(f"the body is packed ({packed[:20]}) although that was declined")
        del response.headers["content-encoding"]
    response.stream = _bounded(response.stream, cut=failed)


def _bounded(stream: Any, *, cut: bool) -> Any:
    import httpx2  # comes with the SDKs

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            size = pieces = 0
            async for chunk in stream:
                size, pieces = size + len(chunk), pieces + 1
                if size > MOST_BYTES:
                    if cut:
                        return
                    raise _TooMuch(f"the body is longer than {MOST_BYTES:,} bytes")
                yield chunk
                if not pieces % _PIECES:
                    await asyncio.sleep(0)

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


def _failed(error: Exception) -> Reply:
    """Return what a failed call means: charged only if the request may have arrived."""
    cause: BaseException = error.__cause__ or error
    kind = type(cause).__name__
    if isinstance(cause, _TooMuch):
        return Reply(status=Status.MALFORMED, detail=str(cause))
    arrived = kind not in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol")
    return Reply(status=Status.UNAVAILABLE, detail=f"{kind}: {cause}", billed=arrived)


def _usage(value: Any, read: Any) -> Usage | None:
    try:
        usage: Usage = read(value)
    except (KeyError, TypeError, AttributeError):
        return None
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write)
    sane = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts)
    return usage if sane else None


def _inclusive(prompt: int, output: int, detail: Mapping[str, Any]) -> Usage:
    """Return usage where the provider counts cached tokens among the prompt's."""
    read, written = detail.get("cached_tokens") or 0, detail.get("cache_write_tokens") or 0
    return Usage(prompt - read - written, output, read, written)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks us to wait, or None where it says nothing sensible."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_PAUSE) if seconds == seconds else None


def _glimpse(body: bytes) -> str:
    return repr(body[:60].decode("utf-8", "replace")) if body else "empty"
