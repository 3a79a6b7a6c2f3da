"""Who gets the key and the texts, and what is never written down, whatever environment and server say."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from robo_trader.errors import ConfigError
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.records import Abstain
from robo_trader.testing import Call, ModelServer, Response, answer

from .conftest import VENDORS, Make, event, read, says, view

KEY = "sk-test-key"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize("options", [{}, {"api_key": KEY}])
def test_the_environment_does_not_decide_who_gets_the_key(
    provider: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"{provider.upper()}_BASE_URL"
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", KEY)
    monkeypatch.setenv(variable, "http://somebody:hunter2@models.example/v1")
    with pytest.raises(ConfigError, match=f"{variable} is http://somebody:[*]+@models.example") as caught:
        LLMAnalyst(provider=provider, **options)
    assert f"unset {variable}" in caught.value.hint
    LLMAnalyst(provider=provider, mode="replay", **options)
    monkeypatch.delenv(variable)
    adapter = LLMAnalyst(provider=provider, **options).gateway.routes[0].adapter
    # Should the variable come later, the SDK still does not see it.
    monkeypatch.setenv(variable, "http://models.example/v1")
    assert "models.example" not in str(adapter._new_client().base_url)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_what_goes_to_this_machine_passes_no_proxy(
    vendor: str, variable: str, make: Make, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        read(make(server, vendor), event())
        assert (proxy.connections, len(server.calls)) == (0, 1)


@pytest.mark.parametrize("vendor", VENDORS)
def test_headers_from_the_environment_go_to_the_provider_alone(
    vendor: str, make: Make, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "x-secret: hunter2")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_AUTH_TOKEN", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "hunter2")
    read(make(server, vendor), event())
    assert "hunter2" not in str(server.calls[0].headers)
    assert server.calls[0].headers["authorization" if vendor != "anthropic" else "anthropic-version"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_that_the_server_repeats_is_not_written_down(
    vendor: str, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def repeats(call: Call) -> Response:
        if call.number % 2:
            body = {"error": {"type": KEY, "message": f"no such key: Bearer {KEY}"}}
            return Response(body=json.dumps(body).encode(), status=400, headers={"x-key": KEY})
        return answer(call, says(view(rationale=f"The key is {KEY}.")))

    with ModelServer(repeats) as server:
        analyst = make(server, vendor, concurrency=1)
        found = read(analyst, event("one"), event("two"))
    kept = (tmp_path / "replies.jsonl").read_text() + str(found) + caplog.text
    assert len(server.calls) == 2 and any(isinstance(said, Abstain) for said in found)
    assert KEY not in kept and "The key is ***." in kept


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_with_a_lines_end_is_used_without_it(vendor: str, make: Make, server: ModelServer) -> None:
    (found,) = read(make(server, vendor, api_key=f" {KEY}\n"), event())
    assert not isinstance(found, Abstain)


@pytest.mark.parametrize("key", ["sk-tést-key", "sk-test\0key", "sk-test\nkey", 5])
def test_what_is_no_key_is_refused_without_showing_it(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="api_key of .* is no key") as caught:
        LLMAnalyst(provider="openai", base_url="https://models.example", api_key=key)
    assert "sk-t" not in str(caught.value) + caught.value.hint
    if isinstance(key, str) and "\0" not in key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(ConfigError, match="OPENAI_API_KEY is no key"):
            LLMAnalyst(provider="openai")


@pytest.mark.parametrize("url", ["http://me:hunter2@models.example", "ftp://me:hunter2@models.example"])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_password_in_an_address_is_not_shown(url: str, key: str | None) -> None:
    with pytest.raises(ConfigError, match="models.example") as caught:
        LLMAnalyst(provider="openai", base_url=url, api_key=key)
    assert "hunter2" not in str(caught.value) + caught.value.hint
