"""The broker's news as events: headlines with their articles, each once, about the right instruments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.config import load_config
from robo_trader.errors import BrokerError, EventError, UsageError
from robo_trader.events.source import fetch_events
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.news import Headline, NewsRoom
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib import news as ib_news
from robo_trader.ib.news import IBNews
from robo_trader.plugins import load_host

AAPL, SPY = 265598, 756733
START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def room(*lines: Headline, providers: tuple[tuple[str, str], ...] = (("A", "One"), ("B", "Two"))) -> Any:
    """Return what makes a demo gateway with these headlines alone."""

    def make(settings: GatewaySettings) -> Any:
        server = demo_gateway(settings)
        server.gateway.news = NewsRoom(server.gateway.universe, providers)
        for line in lines:
            server.gateway.news.put(line)
        return server

    return make


def line(number: int, *con_ids: int, provider: str = "A", text: str = "", body: str = "body") -> Headline:
    when = int((START + timedelta(minutes=number)).timestamp()) * 10**9
    said = text or f"headline {number}"
    return Headline(when, provider, f"{provider}${number}", said, body, frozenset(con_ids))


def test_the_demo_universes_news(gateway: Any) -> None:
    now = clock.now()
    source = IBNews(["AAPL", "SPY-STK-SMART-USD"], port=gateway().port)
    tape = fetch_events(source, "ib", now - timedelta(days=1), now)
    first, second = tape.events
    assert [e.title for e in (first, second)] == ["Apple raises its dividend", "Apple cuts its forecast"]
    assert first.symbols == ("AAPL",) and first.source == "ib" and "by 4 percent" in first.body
    assert (first.id, dict(first.data)) == (
        "ib/BRFG$01", {"provider": "BRFG", "article": "BRFG$01"},
    )  # fmt: skip
    assert abs(second.published_at - (now - timedelta(hours=1))) < timedelta(minutes=1)


def test_one_article_about_several_contracts_is_one_event(gateway: Any) -> None:
    made = room(line(1, AAPL, SPY, text="{A:800015:L:en:K:0.97:C:0.97}Both of them"), line(2, SPY))
    source = IBNews({"Apple": "AAPL", "SPY": "SPY"}, port=gateway(made).port)
    both, one = sorted(source.fetch(START, START + timedelta(hours=1)), key=lambda e: e.published_at)
    assert (both.title, both.symbols, both.id) == ("Both of them", ("Apple", "SPY"), "ib/A$1")
    assert (one.title, one.symbols, one.published_at) == (
        "headline 2",
        ("SPY",),
        START + timedelta(minutes=2),
    )


def test_the_period_and_the_providers_are_those_asked_for(gateway: Any) -> None:
    port = gateway(room(*(line(k, AAPL, provider="AB"[k % 2]) for k in range(6)))).port
    inside = IBNews(["AAPL"], port=port).fetch(START + timedelta(minutes=1), START + timedelta(minutes=4))
    assert {e.id for e in inside} == {"ib/B$1", "ib/A$2", "ib/B$3"}
    alone = IBNews(["AAPL"], port=port, providers=["B"]).fetch(START, START + timedelta(hours=1))
    assert {e.id for e in alone} == {"ib/B$1", "ib/B$3", "ib/B$5"}


def test_more_than_a_page_is_fetched_in_pages(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ib_news, "MOST", 3)
    port = gateway(room(*(line(k, AAPL) for k in range(10)))).port
    found = IBNews(["AAPL"], port=port, articles=False).fetch(START, START + timedelta(hours=1))
    assert sorted(e.published_at for e in found) == [START + timedelta(minutes=k) for k in range(10)]
    assert {e.body for e in found} == {""}


def test_an_article_is_asked_for_once(gateway: Any, heard: Any) -> None:
    started = gateway(room(line(1, AAPL, body="<p>Long text</p>")))
    one = heard(started.port)
    one.open()
    source = IBNews(["AAPL"], connection=one.line)
    asked: list[str] = []
    plain = one.line.call

    def call(ask: Any, timeout: float | None = None) -> Any:
        asked.append(ask.__qualname__)
        return plain(ask, timeout)

    one.line.call = call
    for _ in range(2):
        (event,) = source.fetch(START, START + timedelta(hours=1))
        assert event.body == "<p>Long text</p>"
    assert sum("_body" in name for name in asked) == 1
    assert one.line.up, "a line that was lent stays open"


def test_what_is_wrong_is_said(gateway: Any) -> None:
    with pytest.raises(UsageError, match="news of which contracts"):
        IBNews()
    with pytest.raises(BrokerError, match="no contract NOSUCH"):
        list(IBNews(["NOSUCH"], port=gateway().port).fetch(START, START + timedelta(hours=1)))
    with pytest.raises(EventError, match="gives this login no news"):
        list(IBNews(["AAPL"], port=gateway(room(providers=())).port).fetch(START, START + timedelta(hours=1)))
    with pytest.raises(BrokerError):
        list(IBNews(["AAPL"], port=1, timeout=0.5).fetch(START, START + timedelta(hours=1)))


def test_it_is_an_event_source_of_ours() -> None:
    host = load_host(load_config(flags={}, environ={}), third_party=False)
    assert host.target("event_source", "ib") is IBNews
    assert isinstance(host.create("event_source", "ib", symbols=["AAPL"]), IBNews)
