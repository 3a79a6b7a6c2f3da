"""`robo llm`: models, cost and replies, as a person and as a script reads them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.records import Event
from robo_trader.testing import ModelServer, answer

from .conftest import Robo

LINE = {"kind": "news", "title": "AAPL gains", "published_at": "2026-11-20T10:00:00Z", "symbols": ["AAPL"]}


@pytest.fixture
def recorded(home: Path) -> Path:
    """A working folder in which one event was read, with the reply store and the spending of that."""
    event = Event(
        kind="news",
        title="AAPL gains",
        symbols=("AAPL",),
        published_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
    )

    async def read(analyst: LLMAnalyst) -> None:
        await analyst.read(event)  # type: ignore[misc]
        await analyst.close()

    with ModelServer(lambda call: answer(call, '{"views": []}', usage=(1000, 10))) as server:
        asyncio.run(read(LLMAnalyst(base_url=server.url, api_key="sk-secret")))
    Path("events.jsonl").write_text(
        json.dumps(LINE) + "\n" + json.dumps({**LINE, "title": "AAPL falls"}) + "\n"
    )
    return home


def test_models_shows_price_cutoff_and_key(robo: Robo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    said = robo("llm", "models")
    assert said.code == 0
    assert "claude-haiku-5-5" in said.out and "2026-09-28" in said.out
    assert "OPENAI_API_KEY set" in said.out and "ANTHROPIC_API_KEY not set" in said.out
    rows = json.loads(robo("llm", "models", "--json").out)
    assert rows[0]["source"].startswith("https://") and "sk-secret" not in said.out + repr(rows)


def test_models_shows_those_of_robo_toml(robo: Robo) -> None:
    Path("robo.toml").write_text('[intelligence.models.new]\nprovider = "openai"\n')
    said = robo("llm", "models")
    assert "unknown" in said.out and "never" in said.out
    assert "no price is known for new" in said.err


def test_cost_shows_what_was_spent(robo: Robo, recorded: Path) -> None:
    said = robo("llm", "cost")
    assert said.code == 0 and "claude-haiku-5-5" in said.out and "0.0001" in said.out
    (day,) = json.loads(robo("llm", "cost", "--json").out)
    assert day["models"] == [
        {"model": "claude-haiku-5-5", "calls": 1, "input": 1000, "output": 10, "cost": day["settled"]}
    ]


def test_cost_estimates_without_a_key(robo: Robo, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    said = robo("llm", "cost", "events.jsonl")
    assert said.code == 0 and "1 calls for 2 events (1 recorded)" in said.out
    told: dict[str, Any] = json.loads(robo("llm", "cost", "events.jsonl", "--json").out)
    assert told["calls"] == 1 and float(told["cost"]) > 0


def test_nothing_spent_is_said(robo: Robo) -> None:
    assert "nothing spent yet" in robo("llm", "cost").err
    assert json.loads(robo("llm", "cost", "--json").out) == []


def test_replies_counts_and_finds_damage(robo: Robo, recorded: Path) -> None:
    said = robo("llm", "replies")
    assert said.code == 0 and "claude-haiku-5-5@low" in said.out
    store = Path(".robo/replies.jsonl")
    good = store.read_bytes()
    store.write_bytes(b"garbage\n" + good)
    said = robo("llm", "replies")
    assert said.code == 1 and "line 1: it is no line of a reply store" in said.err
    assert json.loads(robo("llm", "replies", "--json").out)["damaged"][0]["line"] == 1
    said = robo("llm", "replies", store, "--repair")
    assert said.code == 0 and store.read_bytes() == good
    assert Path(".robo/replies.jsonl.damaged").read_bytes() == b"garbage\n"


def test_a_store_that_is_none_is_one_line(robo: Robo) -> None:
    assert "there is no reply store" in robo("llm", "replies").one_error_line(1)
    Path("picture.png").write_bytes(b"\x89PNG\r\n" + bytes(90))
    assert "is no reply store" in robo("llm", "replies", "picture.png").one_error_line(1)


def test_an_unknown_model_is_one_line(robo: Robo, recorded: Path) -> None:
    Path("robo.toml").write_text('[intelligence.llm]\nmodel = "gpt-4"\n')
    assert "add [intelligence.models" in robo("llm", "cost", "events.jsonl").one_error_line(2)


def test_a_dry_run_needs_no_key(robo: Robo, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    done = robo("backtest", "--analyst", "llm", "--analyst", "offline", "--dry-run", "--json")
    assert done.code == 0 and json.loads(done.out)["llm"]["calls"] > 0
    Path("robo.toml").write_text('[intelligence.ensemble]\nanalysts = ["offline", "llm"]\n')
    assert "claude" in robo("backtest", "--analyst", "ensemble", "--dry-run").out
    assert "ANTHROPIC_API_KEY is not set" in robo("backtest", "--analyst", "llm").err
