"""The scripted model server, driven by the SDKs as their users call them and by bare connections."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from robo_trader.testing import FAULTS, Call, ModelServer, Response, answer, closed_port, failure

MESSAGE = {
    "model": "m",
    "max_tokens": 9,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Hi"}],
}


def _post(url: str, body: Any, **headers: str) -> tuple[int, Any]:
    request = Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_anthropic_sdk_reads_it() -> None:
    from anthropic import Anthropic

    with ModelServer(["Good day."]) as server, Anthropic(api_key="k", base_url=server.url) as client:
        message = client.messages.create(**MESSAGE)
    assert message.content[0].text == "Good day."
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 3


def test_the_openai_sdk_reads_responses_and_completions() -> None:
    from openai import OpenAI

    with ModelServer(["One.", "Two."]) as server, OpenAI(api_key="k", base_url=server.openai_url) as client:
        first = client.responses.create(model="m", instructions="Be brief.", input="Hi")
        second = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert first.output_text == "One." and first.usage is not None and first.usage.output_tokens == 2
    assert second.choices[0].message.content == "Two."
    assert [call.dialect for call in server.calls] == ["responses", "chat"]
    assert [call.user for call in server.calls] == ["Hi", "Hi"]
    assert server.calls[0].system == "Be brief."


def test_the_log_of_requests_holds_no_key() -> None:
    with ModelServer() as server:
        _post(f"{server.url}/v1/messages", MESSAGE, **{"x-api-key": "sk-1", "Authorization": "Bearer sk-2"})
    assert server.calls[0].system == "Be brief."
    assert "sk-" not in repr(server.calls)


def test_a_list_is_used_in_order_and_its_last_repeated() -> None:
    with ModelServer(["a", {"b": 1}, lambda call: f"{call.model}!"]) as server:
        said = [_post(f"{server.url}/v1/messages", MESSAGE)[1]["content"][0]["text"] for _ in range(4)]
    assert said == ["a", '{"b": 1}', "m!", "m!"]


def test_a_function_sees_the_call_and_may_fail() -> None:
    def script(call: Call) -> Response:
        if call.number == 0:
            return failure(call, 429, "rate_limit_error", retry_after="3")
        return answer(call, "fine", usage=(7, 8))

    with ModelServer(script) as server:
        assert _post(f"{server.url}/v1/messages", MESSAGE)[0] == 429
        assert _post(f"{server.url}/v1/messages", MESSAGE)[1]["usage"]["input_tokens"] == 7


def test_an_unknown_path_is_not_found() -> None:
    with ModelServer() as server:
        assert _post(f"{server.url}/v1/embeddings", {})[0] == 404
    assert server.calls == []


def test_it_listens_on_loopback_alone_and_stops() -> None:
    with ModelServer() as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=60)


def test_a_closed_port_refuses() -> None:
    with closed_port() as url, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)


def test_there_are_more_than_25_ways_to_fail() -> None:
    assert len(FAULTS) > 25
