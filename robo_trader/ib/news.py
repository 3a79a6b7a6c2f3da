"""The broker's own news as an event source: ``[events] sources = ["ib"]``.

Headlines of the providers that the login may read, for the contracts that `[events.ib] symbols` names (a
session gives its own), each with its article. One article about several contracts is one event. It is known
by the article's id, so that what is fetched again is no second event.

Failure contract: no line, no provider, an unknown contract or a refusal is an `EventError` or `BrokerError`
with the broker's reason, and nothing of that fetch is told. An article that the broker does not give leaves
the headline alone. Times on the wire are taken as UTC.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from robo_trader.errors import BrokerError, EventError, UsageError
from robo_trader.events.source import EventSource
from robo_trader.ib.connection import Connection, Line, LineDownError
from robo_trader.ib.contracts import ContractName, qualify
from robo_trader.records import Event

#: Headlines that the broker gives with one request at most.
MOST = 300
_TEXT = 0
_ARTICLES = 2_000  # articles remembered, so that each is asked for once
_LONGEST_BODY = 100_000
#: What some providers put before a headline: ``{A:800015:L:en:K:0.97:C:0.97}``.
_LABEL = re.compile(r"^\{[^{}]*\}!?\s*")
_TIME = "%Y-%m-%d %H:%M:%S.0"


@dataclass(slots=True)
class _Headline:
    """One headline, and the names of the contracts it came with."""

    time: datetime
    provider: str
    article: str
    text: str
    symbols: list[str] = field(default_factory=list)


class IBNews(EventSource):
    """News of Interactive Brokers, by way of a gateway at `host`:`port`.

    `symbols` are contracts (``AAPL`` or ``AAPL-STK-SMART-USD``), or a table of names to contracts.
    `providers` are codes such as ``BRFG``, all that the login may read where none is named. Without
    `articles` events have no body. `connection` is an open line to be used instead of one of its own.
    """

    def __init__(
        self,
        symbols: Sequence[str] | Mapping[str, str] = (),
        host: str = "127.0.0.1",
        port: int = 4002,
        client_id: int = 92,
        providers: Sequence[str] = (),
        articles: bool = True,
        timeout: float = 10.0,
        connection: Connection | None = None,
    ) -> None:
        if isinstance(symbols, str) or not symbols:
            raise UsageError(
                f"news of which contracts? [events.ib] symbols is {symbols!r}",
                hint='name them: symbols = ["AAPL", "SPY"]',
            )
        if isinstance(symbols, Mapping):
            self._names = {name: ContractName.parse(text) for name, text in symbols.items()}
        else:
            self._names = {name.symbol: name for name in map(ContractName.parse, symbols)}
        self._line = Line(host, port, client_id, watch_only=True, timeout=timeout)
        self._connection = connection
        self._providers, self._articles = tuple(providers), articles
        self._ids: dict[str, int] = {}
        self._bodies: OrderedDict[str, str] = OrderedDict()

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Return the headlines of [since, until) with their articles."""
        with self._open() as line:
            codes = self._providers or self._allowed(line)
            found: dict[str, _Headline] = {}
            for symbol in self._names:
                for one in self._headlines(line, symbol, codes, since, until):
                    found.setdefault(one.article, one).symbols.append(symbol)
            return [self._event(line, one) for one in found.values()]

    def _open(self) -> AbstractContextManager[Connection]:
        return Connection(self._line) if self._connection is None else nullcontext(self._connection)

    def _allowed(self, line: Connection) -> tuple[str, ...]:
        known = line.call(lambda ib: ib.reqNewsProvidersAsync())
        if not known:
            raise EventError(
                "the broker gives this login no news",
                hint="subscribe to a provider in the account's settings; some cost nothing",
            )
        return tuple(provider.code for provider in known)

    def _headlines(
        self, line: Connection, symbol: str, codes: Sequence[str], since: datetime, until: datetime
    ) -> list[_Headline]:
        """Return a contract's headlines, from the latest back; the broker gives them in pages."""
        if symbol not in self._ids:
            self._ids[symbol] = qualify(line, self._names[symbol]).name.con_id
        found: dict[str, _Headline] = {}
        last = until
        while True:
            page = self._page(line, self._ids[symbol], codes, since, last)
            new = [one for one in page if one.article not in found]
            found.update((one.article, one) for one in new)
            if len(page) < MOST or not new:
                return [one for one in found.values() if since <= one.time < until]
            last = min(one.time for one in new)

    def _page(
        self, line: Connection, con_id: int, codes: Sequence[str], since: datetime, until: datetime
    ) -> list[_Headline]:
        async def ask(ib: Any) -> Any:
            return await ib.reqHistoricalNewsAsync(
                con_id, "+".join(codes), f"{since:{_TIME}}", f"{until:{_TIME}}", MOST
            )

        answer = line.call(ask)
        if answer is None:
            raise BrokerError("the broker did not answer a request for news", hint="it is asked again")
        return [
            _Headline(
                row.time if row.time.tzinfo else row.time.replace(tzinfo=UTC),
                row.providerCode,
                row.articleId,
                _LABEL.sub("", row.headline).strip(),
            )
            for row in answer
        ]

    def _event(self, line: Connection, one: _Headline) -> Event:
        return Event(
            id=f"ib/{one.article}",
            kind="news",
            title=one.text,
            published_at=one.time,
            symbols=tuple(one.symbols),
            body=self._body(line, one) if self._articles else "",
            data={"provider": one.provider, "article": one.article},
        )

    def _body(self, line: Connection, one: _Headline) -> str:
        known = self._bodies.get(one.article)
        if known is not None:
            return known
        try:
            article = line.call(lambda ib: ib.reqNewsArticleAsync(one.provider, one.article))
        except LineDownError:
            raise
        except BrokerError:
            body = ""  # not for this login, or gone: the headline says enough
        else:
            body = article.articleText[:_LONGEST_BODY] if article.articleType == _TEXT else ""
        self._bodies[one.article] = body
        while len(self._bodies) > _ARTICLES:
            self._bodies.popitem(last=False)
        return body
