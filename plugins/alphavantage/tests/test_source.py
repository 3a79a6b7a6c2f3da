"""Alpha Vantage against a loopback server: articles, pages, notes about limits, and broken answers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from robo_alphavantage.source import VARIABLE, AlphaVantage, events_of

from robo_trader import ConfigError, EventError

SINCE, UNTIL = datetime(2024, 8, 12, tzinfo=UTC), datetime(2024, 8, 13, tzinfo=UTC)
KEY = "SECRET123"


def article(title: str, time: str, *tickers: tuple[str, str]) -> dict[str, Any]:
    return {
        "title": title, "time_published": time, "url": f"https://example.com/{title}", "summary": "…",
        "source": "Example", "overall_sentiment_score": 0.2,
        "ticker_sentiment": [
            {"ticker": name, "relevance_score": weight, "ticker_sentiment_score": "0.1"}
            for name, weight in tickers
        ],
    }  # fmt: skip


class Service:
    """What the server answers, one after the other, the last for ever; and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[dict[str, str]] = []
        self.url = ""


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})
            answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            status, body = answer if isinstance(answer, tuple) else (200, answer)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/query"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


def test_articles_become_events(service: Service) -> None:
    tickers = (("LMT", "0.3"), ("AAPL", "0.9"), ("CRYPTO:BTC", "1"), ("TSLA", "0.1"))
    late, untitled = article("too late", "20240813T000000"), article("", "20240812T194547")
    feed = [article("A", "20240812T194547", *tickers), late, untitled, article("B", "soon"), "nonsense"]
    service.answers = [{"items": "5", "feed": feed}]
    source = AlphaVantage(key=KEY, tickers=["AAPL"], relevance=0.2, url=service.url)
    (event,) = source.fetch(SINCE, UNTIL)
    assert (event.title, event.symbols) == ("A", ("AAPL", "LMT"))
    assert event.published_at == datetime(2024, 8, 12, 19, 45, 47, tzinfo=UTC)
    assert event.known_at is None  # the host says when it was seen
    assert event.data["ticker_sentiment"]["TSLA"] == [0.1, 0.1]
    asked = service.asked[0]
    assert (asked["function"], asked["tickers"], asked["apikey"]) == ("NEWS_SENTIMENT", "AAPL", KEY)
    assert (asked["time_from"], asked["time_to"]) == ("20240812T0000", "20240813T0001")


def test_a_full_answer_is_asked_on(service: Service) -> None:
    hours = [article(f"{hour}", f"20240812T{hour:02}0000") for hour in range(5)]
    service.answers = [{"feed": hours[:2]}, {"feed": hours[1:3]}, {"feed": hours[2:4]}, {"feed": hours[3:4]}]
    events = list(AlphaVantage(key=KEY, limit=2, url=service.url).fetch(SINCE, UNTIL))
    assert [event.title for event in events] == ["0", "1", "2", "3"]
    assert [asked["time_from"][-4:] for asked in service.asked] == ["0000", "0100", "0200", "0300"]


def test_half_a_period_is_no_answer(service: Service) -> None:
    hours = [article(f"{hour}", f"20240812T{hour:02}0000") for hour in range(5)]
    service.answers = [{"feed": hours[:2]}, {"feed": hours[1:3]}, {"feed": hours[2:4]}]
    with pytest.raises(EventError, match="more articles than 3 requests of 2"):
        AlphaVantage(key=KEY, limit=2, requests=3, url=service.url).fetch(SINCE, UNTIL)
    service.answers = [{"feed": hours[:2]}]  # a service that always says the same is not asked for ever
    with pytest.raises(EventError, match="more than 2 articles in the minute"):
        AlphaVantage(key=KEY, limit=2, requests=9, url=service.url).fetch(SINCE, UNTIL)
    assert len(service.asked) == 3 + 2


def test_a_cut_answer_and_odd_sentiment(service: Service) -> None:
    service.answers = [(200, b"")]
    with pytest.raises(EventError, match="is not JSON"):
        AlphaVantage(key=KEY, url=service.url).fetch(SINCE, UNTIL)
    odd = {**article("A", "20240812T194547"), "ticker_sentiment": 5}
    (event,) = events_of([odd])
    assert event.symbols == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"Note": "Our standard API rate limit is 25 requests per day."},
            "rate limit is 25.*wait for the next day",
        ),
        ({"Information": f"We have detected your API key as {KEY} and our rate limit"}, r"key as \*\*\*"),
        ({"Error Message": "Invalid API call."}, "Invalid API call"),
        ({}, "has no feed but nothing"),
        ({"feed": None, "items": "0"}, "has no feed"),
        ([], "another shape"),
        (b"<html>down</html>", "is not JSON"),
        ((503, b""), "answered 503"),
    ],
)
def test_what_is_no_answer_says_so(service: Service, answer: Any, said: str) -> None:
    service.answers = [answer]
    with pytest.raises(EventError, match=f"(?s){said}") as caught:
        AlphaVantage(key=KEY, url=service.url).fetch(SINCE, UNTIL)
    assert KEY not in str(caught.value)


def test_an_unreachable_service_hides_the_key() -> None:
    with pytest.raises(EventError, match="cannot be reached") as caught:
        AlphaVantage(key=KEY, url="http://127.0.0.1:1/query").fetch(SINCE, UNTIL)
    assert KEY not in str(caught.value)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="ALPHAVANTAGE_API_KEY is not set"):
        AlphaVantage()
    monkeypatch.setenv(VARIABLE, KEY)
    service.answers = [{"feed": []}]
    assert AlphaVantage(url=service.url).fetch(SINCE, UNTIL) == []
    assert service.asked[0]["apikey"] == KEY


@pytest.mark.parametrize(
    "wrong", [{"relevance": 2}, {"limit": 0}, {"requests": 0}, {"url": "file:///x"}, {"tickers": "AAPL"}]
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AlphaVantage(key=KEY, **wrong)


def test_a_real_answer(service: Service) -> None:
    """Fifty articles as the service gave them, from the shared data folder."""
    value = os.environ.get("ROBO_TEST_DATA")
    if not value:
        pytest.skip("ROBO_TEST_DATA is not set: this test reads the shared data folder")
    text = (Path(value) / "restricted" / "news" / "av_news_sentiment_index.js").read_text(encoding="utf-8")
    feed = re.search(r"feed: (\[.*?\n      \])", text, re.S)
    assert feed
    plain = re.sub(r"^(\s*)(\w+):", r'\1"\2":', feed[1], flags=re.M)
    plain = re.sub(r"^(\s*)'(.*)'(,?)$", lambda m: m[1] + json.dumps(m[2]) + m[3], plain, flags=re.M)
    articles = json.loads(re.sub(r",(\s*[\]}])", r"\1", plain))
    assert len(articles) == 50
    events = list(events_of(articles, relevance=0.2))
    assert len(events) == 50
    assert sum(bool(event.symbols) for event in events) > 20
    assert all(
        event.published_at - datetime(2024, 8, 12, 19, 45, tzinfo=UTC) < timedelta(days=2) for event in events
    )
    service.answers = [{"feed": articles}]
    since, until = min(e.published_at for e in events), max(e.published_at for e in events)
    assert len(list(AlphaVantage(key=KEY, url=service.url).fetch(since, until + timedelta(seconds=1)))) == 50
