"""`AlphaVantage`: articles of NEWS_SENTIMENT as events.

Failure contract: no answer, an answer that is none, a note about limits and a refused key are each an
`EventError` with the service's own words; the key never stands in one. An article that lacks title or
time is left out.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from robo_trader import ConfigError, Event, EventError, EventSource

URL = "https://www.alphavantage.co/query"
VARIABLE = "ALPHAVANTAGE_API_KEY"
_MOST_BYTES = 20_000_000
_SECONDS = 30
_TICKER = re.compile(r"[A-Z]{1,6}(?:[.-][A-Z]{1,2})?\Z")
#: Where the service says what is wrong instead of answering.
_NOTES = ("Note", "Information", "Error Message")


class AlphaVantage(EventSource):
    """Articles about `tickers` and `topics`; see the README for the options."""

    def __init__(
        self,
        *,
        key: str = "",
        tickers: Sequence[str] = (),
        topics: Sequence[str] = (),
        relevance: float = 0.0,
        limit: int = 1000,
        requests: int = 5,
        url: str = URL,
    ) -> None:
        self._key = key or os.environ.get(VARIABLE, "")
        if not self._key:
            raise ConfigError(
                f"Alpha Vantage needs a key, and {VARIABLE} is not set",
                hint="get one at https://www.alphavantage.co/support/#api-key and export it",
            )
        if not 0 <= relevance <= 1:
            raise ConfigError(
                f"relevance must lie in 0 to 1, not {relevance!r}", hint="write relevance = 0.2"
            )
        if not 1 <= limit <= 1000 or requests < 1:
            raise ConfigError(
                f"limit must lie in 1 to 1000 and requests be 1 or more, not {limit!r} and {requests!r}"
            )
        for name, given in (("tickers", tickers), ("topics", topics)):
            if isinstance(given, str):
                raise ConfigError(f"{name} must be a list, not {given!r}", hint=f'write {name} = ["{given}"]')
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"url {url!r} is no http address", hint=f"leave it out: it is {URL}")
        self._ask = {
            "function": "NEWS_SENTIMENT", "sort": "EARLIEST", "limit": str(limit),
            **({"tickers": ",".join(tickers)} if tickers else {}),
            **({"topics": ",".join(topics)} if topics else {}),
        }  # fmt: skip
        self._relevance, self._limit, self._requests, self._url = relevance, limit, requests, url

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Return the articles published in [since, until), asking again while answers are full."""
        found: dict[tuple[str, str, datetime], Event] = {}
        start = since
        for _ in range(self._requests):
            articles = self._articles(start, until)
            last = start
            for event in events_of(articles, relevance=self._relevance):
                last = max(last, event.published_at)
                if since <= event.published_at < until:
                    found.setdefault((event.url, event.title, event.published_at), event)
            if len(articles) < self._limit:
                return list(found.values())
            if last <= start:
                raise self._too_many(
                    f"more than {self._limit} articles in the minute of {start:%Y-%m-%d %H:%M}"
                )
            start = last
        raise self._too_many(f"more articles than {self._requests} requests of {self._limit} bring")

    def _too_many(self, what: str) -> EventError:
        # Half a period would be taken for the whole, and the rest never be asked for again.
        return EventError(
            f"Alpha Vantage has {what}", hint="ask for a shorter period or fewer tickers, or raise requests"
        )

    def _articles(self, since: datetime, until: datetime) -> list[Any]:
        asked = {
            **self._ask,
            "time_from": f"{since.astimezone(UTC):%Y%m%dT%H%M}",
            # The service counts minutes, its last one included; what is too much is dropped above.
            "time_to": f"{until.astimezone(UTC) + timedelta(minutes=1):%Y%m%dT%H%M}",
            "apikey": self._key,
        }
        answer = self._get(asked)
        for name in _NOTES:
            if isinstance(answer.get(name), str):
                said = answer[name].replace(self._key, "***")
                hint = "wait for the next day, or ask for less" if "rate limit" in said.lower() else ""
                raise EventError(
                    f"Alpha Vantage says: {said}", hint=hint or "check the key, the tickers and your plan"
                )
        feed = answer.get("feed")
        if not isinstance(feed, list):
            raise EventError(
                f"Alpha Vantage's answer has no feed but {', '.join(map(str, answer)) or 'nothing'}"
            )
        return feed

    def _get(self, asked: Mapping[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._url}?{urlencode(asked)}", headers={"User-Agent": "robo_alphavantage"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                raw = response.read(_MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise EventError(
                    f"Alpha Vantage answered {error.code} {error.reason}", hint="try again later"
                ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)).replace(self._key, "***")
            raise EventError(f"Alpha Vantage cannot be reached: {reason}", hint="check the line") from None
        if len(raw) > _MOST_BYTES:
            raise EventError(
                f"Alpha Vantage's answer is larger than {_MOST_BYTES:,} bytes", hint="lower limit"
            )
        try:
            answer = json.loads(raw)
        except ValueError:
            raise EventError(
                f"Alpha Vantage's answer is not JSON but begins with {raw[:40]!r}", hint="try again later"
            ) from None
        if not isinstance(answer, dict):
            raise EventError("Alpha Vantage's answer is JSON of another shape", hint="try again later")
        return answer


def events_of(articles: Iterable[Any], *, relevance: float = 0.0) -> Iterator[Event]:
    """Yield the events of a feed's articles; what lacks a title or a time is left out."""
    for article in articles:
        if not isinstance(article, dict):
            continue
        title, published = article.get("title"), _time(article.get("time_published"))
        if not isinstance(title, str) or not title.strip() or published is None:
            continue
        rows = article.get("ticker_sentiment")
        sentiment = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        yield Event(
            kind="news",
            title=title.strip(),
            published_at=published,
            body=_text(article.get("summary")),
            url=_text(article.get("url")),
            symbols=tuple(_symbols(sentiment, relevance)),
            data={
                "outlet": _text(article.get("source")),
                "overall_sentiment_score": _number(article.get("overall_sentiment_score")),
                "ticker_sentiment": {
                    _text(row.get("ticker")): [
                        _number(row.get("relevance_score")), _number(row.get("ticker_sentiment_score"))
                    ]
                    for row in sentiment
                },
            },
        )  # fmt: skip


def _symbols(sentiment: Iterable[Mapping[str, Any]], relevance: float) -> Iterator[str]:
    """Yield the tickers that are relevant enough, the most relevant first; no coins, no currencies."""
    rows = [(_number(row.get("relevance_score")) or 0.0, _text(row.get("ticker"))) for row in sentiment]
    for weight, ticker in sorted(rows, key=lambda row: (-row[0], row[1])):
        if weight >= relevance and _TICKER.match(ticker):
            yield ticker


def _time(value: Any) -> datetime | None:
    for form in ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M"):
        try:
            return datetime.strptime(_text(value), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= 1e6 else None  # not a number is refused by this, too


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
