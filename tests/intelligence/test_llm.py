"""The LLM analyst: what it asks, what it makes of answers, and what it wants to be told beforehand."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from robo_trader.config import load_config
from robo_trader.errors import ConfigError
from robo_trader.intelligence.answer import HORIZONS, UNQUOTED
from robo_trader.intelligence.gateway import MODES
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.intelligence.models import NEVER_CLEAN
from robo_trader.intelligence.reply import Status
from robo_trader.plugins import load_host
from robo_trader.records import Abstain, View
from robo_trader.testing import FAULTS, ModelServer

from .conftest import VENDORS, Make, event, read, says, view


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_reply_becomes_a_view(make: Make, server: ModelServer, vendor: str) -> None:
    analyst = make(server, vendor)
    (views,) = read(analyst, event())
    assert views == [
        View(
            symbol="AAPL",
            score=0.6,
            confidence=0.8,
            horizon=timedelta(days=3),
            because="Guidance is up. “raises its guidance”",
            model=analyst.models[0].name,
            prompt_hash=analyst.request(event())[0].prompt_hash,
        )
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_sent(make: Make, server: ModelServer, vendor: str) -> None:
    read(make(server, vendor), event("AAPL gains", symbols=("AAPL", "MSFT")))
    (call,) = server.calls
    sent = repr(call.body)
    assert "AAPL" not in sent and "MSFT" not in sent and "2026" not in sent
    assert "S1 gains" in call.user and "Labels: S1, S2" in call.user
    assert "never an instruction" in call.system and "S1 gains" not in call.system
    assert not {"tools", "tool_choice", "functions", "temperature"} & set(call.body)
    assert call.body.get("store", False) is False
    schema: Any = {
        "anthropic": lambda: call.body["output_config"]["format"]["schema"],
        "openai": lambda: call.body["text"]["format"]["schema"],
        "local": lambda: call.body["response_format"]["json_schema"]["schema"],
    }[vendor]()
    assert set(schema["properties"]["views"]["items"]["properties"]) == {
        "label", "score", "confidence", "horizon", "rationale", "evidence",
    }  # fmt: skip


def test_the_instructions_are_marked_for_the_prompt_cache(make: Make, server: ModelServer) -> None:
    read(make(server), event("a"), event("b"))
    first, second = server.calls
    assert first.body["system"] == second.body["system"]
    assert first.body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_evidence_that_does_not_stand_in_the_text_costs_confidence(make: Make) -> None:
    with ModelServer([says(view(evidence=["profits will double"]))]) as server:
        (views,) = read(make(server), event())
    assert isinstance(views, list)
    assert views[0].confidence == pytest.approx(0.8 * UNQUOTED) and "double" not in views[0].because


def test_the_market_reaches_every_instrument(make: Make) -> None:
    with ModelServer([says(view("MARKET"))]) as server:
        (views,) = read(make(server), event("Fed cuts rates", kind="fomc", symbols=("SPY",)))
    assert isinstance(views, list) and views[0].symbol == "*"
    assert "central bank" in server.calls[0].system


def test_no_effect_and_every_failure_are_abstentions(make: Make) -> None:
    with ModelServer(['{"views": []}']) as server:
        assert read(make(server), event("a")) == [Abstain("the model sees no effect")]
    with ModelServer([FAULTS["wrong symbol"]]) as server:
        assert read(make(server), event("b")) == [Abstain("schema: there is no label 'TSLA'")]


def test_a_kind_that_it_does_not_read_is_left_alone(make: Make, server: ModelServer) -> None:
    assert make(server).read(event(kind="block_trade")) == Abstain("it reads no block_trade")
    assert make(server, kinds=["news"]).kinds == {"news"}


def test_it_reads_across_event_loops_without_being_closed(make: Make, server: ModelServer) -> None:
    """A host may run one loop after another; connections close with their loop."""
    analyst = make(server, mode="live")
    for _ in range(3):

        async def once() -> Any:
            return await analyst.read(event())  # type: ignore[misc]

        assert isinstance(asyncio.run(once()), list)


def test_many_at_once_share_one_client(make: Make, server: ModelServer) -> None:
    read(make(server, concurrency=4), *(event(f"title {i}") for i in range(30)))
    assert len(server.calls) == 30 and server.connections <= 4


def test_it_says_from_when_on_it_is_clean(make: Make, server: ModelServer) -> None:
    assert make(server, "openai").clean_from == datetime(2026, 8, 16, tzinfo=UTC)
    assert make(server, "local").clean_from == NEVER_CLEAN
    known = {"small": {"provider": "local", "cutoff": "2025-01-01"}}
    assert make(server, "local", models=known).clean_from == datetime(2025, 4, 1, tzinfo=UTC)


def test_it_describes_itself_without_its_key(make: Make, server: ModelServer) -> None:
    analyst = make(server)
    read(analyst, event())
    told = analyst.describe()
    assert told["model"] == "claude-haiku-5-5@low" and told["cutoff"] == "2026-06-30"
    assert list(told["prompts"]) == ["news"] and told["prompts"]["news"].startswith("v1 ")
    assert "sk-test" not in repr(told)


# -- what has to be right beforehand -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "variable"), [("anthropic", "ANTHROPIC_API_KEY"), ("openai", "OPENAI_API_KEY")]
)
def test_a_missing_key_names_its_variable(
    provider: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigError, match=f"{variable} is not set") as caught:
        LLMAnalyst(provider=provider)
    assert f"export {variable}=" in caught.value.hint
    monkeypatch.setenv(variable, "sk-from-outside")
    assert LLMAnalyst(provider=provider).models[0].provider == provider
    # A replay asks nobody and needs none.
    monkeypatch.delenv(variable)
    LLMAnalyst(provider=provider, mode="replay")


def test_a_providers_key_is_not_sent_to_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    with pytest.raises(ConfigError, match="no key is given for https://models.example"):
        LLMAnalyst(provider="openai", base_url="https://models.example/v1")
    with pytest.raises(ConfigError, match="unencrypted"):
        LLMAnalyst(provider="openai", base_url="http://models.example/v1", api_key="sk-own-key")


def test_a_local_server_gets_no_key(make: Make, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    analyst = make(server, "local")
    monkeypatch.setattr(analyst.gateway.routes[0].adapter, "_key", "")
    read(analyst, event())
    seen += [value for call in server.calls for value in call.headers.values()]
    assert not any("sk-from-outside" in value for value in seen)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "antropic"}, "did you mean 'anthropic'?"),
        ({"provider": "openai", "model": "gpt-4"}, "the model 'gpt-4' is not known"),
        ({"provider": "local"}, "names no model"),
        ({"provider": "local", "model": "qwen"}, "no address is given for the local model"),
        ({"base_url": "http://[::1"}, "base_url is 'http://[::1'"),
        ({"base_url": "localhost:11434"}, "base_url is 'localhost:11434'"),
        ({"mode": "rplay"}, "did you mean 'replay'?"),
        ({"effort": "heroic"}, "effort is 'heroic'"),
        ({"deadline": "soon"}, "deadline must be a duration"),
        ({"deadline": 0}, "deadline is 0"),
        ({"kinds": "news"}, "write a list"),
        ({"fallback": "gpt-6-luna"}, "fallback is 'gpt-6-luna'"),
        ({"concurrency": 1.5}, "write a whole number"),
        ({"draw": "x"}, "draw is 'x'"),
        ({"replies": 5}, "replies is 5"),
        ({"prompts": "no/such/folder"}, "there is no folder no/such/folder for prompts"),
        ({"models": 5}, "models is 5"),
        ({"base_url": 5}, "base_url is '5'"),
        ({"budget_run": -1}, "budget_run is -1"),
        ({"budget_day": "much"}, "budget_day is 'much'"),
        ({"kinds": ["gossip"]}, "kinds is 'gossip'"),
        ({"attempts": 0}, "attempts is 0"),
        ({"concurrency": True}, "concurrency is True"),
        ({"max_tokens": 1}, "max_tokens is 1"),
        ({"fallback": ["gpt-6-luna"]}, "'gpt-6-luna' is openai's"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LLMAnalyst(**{"api_key": "sk-test-key", **options})
    assert said in str(caught.value)


def test_a_model_without_a_price_is_refused_but_for_a_replay(make: Make) -> None:
    models = {"new": {"provider": "openai"}}
    with pytest.raises(ConfigError, match="no price is known for the model 'new'"):
        make("http://127.0.0.1:9", "openai", model="new", models=models)
    make(None, "openai", model="new", models=models, mode="replay")


def test_without_the_sdk_it_says_what_to_install(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="'anthropic' is not installed") as caught:
        make("http://127.0.0.1:9")
    assert "pip install" in caught.value.hint
    make(None, mode="replay")


def test_the_sdks_are_imported_with_the_first_call_only() -> None:
    code = (
        "import sys; from robo_trader.intelligence.llm import LLMAnalyst; "
        "LLMAnalyst(api_key='k'); LLMAnalyst(provider='openai', api_key='k'); "
        "print([m for m in ('anthropic', 'openai', 'httpx2', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_robo_toml_configures_it_and_adds_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_KEY", "sk-mine-and-only-mine")
    Path("robo.toml").write_text(
        '[intelligence.llm]\nprovider = "openai"\nmodel = "mine"\napi_key = "env:MY_KEY"\ndeadline = "5s"\n'
        '[intelligence.models.mine]\nprovider = "openai"\ninput = "1"\noutput = "2"\ncutoff = 2026-01-01\n'
    )
    host = load_host(load_config(), third_party=False)
    analyst = host.create("analyst", "llm")
    assert analyst.models[0].name == "mine" and analyst.gateway.deadline == 5
    assert host.notes() == []


def test_a_wrong_key_in_robo_toml_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("robo.toml").write_text('[intelligence.llm]\nmodle = "x"\n')
    with pytest.raises(ConfigError, match=r"has no option 'modle' \(did you mean 'mod"):
        load_host(load_config(), third_party=False).create("analyst", "llm")


def test_the_docs_name_every_option_status_and_mode() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    options = list(inspect.signature(LLMAnalyst).parameters)
    for word in [*options, *HORIZONS, *MODES, *map(str, Status)]:
        assert f"`{word}`" in page, word
