"""News on the wire: providers, historical headlines, articles, headlines as ticks, bulletins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robo_trader.clock import from_ns, to_ns
from robo_trader.gateway.orders import read_time
from robo_trader.gateway.wire import words

#: The generic tick type of headlines.
NEWS_TICKS = 292

if TYPE_CHECKING:
    from robo_trader.gateway.contracts import Contract, Spec
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.news import Headline
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields


def providers(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqNewsProviders."""
    fields.done()
    known = gateway.news.providers
    session.send(85, len(known), *(part for code, name in known for part in (code, words(name))))


def article(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqNewsArticle."""
    request, provider, wanted = fields.request(), fields.text(), fields.text()
    fields.text()
    fields.done()
    body = gateway.news.article(provider, wanted)
    if body is None:
        session.error(request, 10172, f"Failed to request news article:No such article {wanted[:40]}")
    else:
        session.send(83, request, 0, words(body))


def headlines(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqHistoricalNews: the latest headlines first, then the end."""
    request, con_id = fields.request(), fields.integer()
    codes = set(fields.text().replace(",", "+").split("+"))
    start, end = _moment(fields.text()), _moment(fields.text())
    most = min(max(fields.integer(10), 1), 300)
    fields.text()
    fields.done()
    if gateway.universe.get(con_id) is None:
        session.error(request, 200, "No security definition has been found for the request")
        return
    found = gateway.news.find(con_id, codes, start, end)
    for line in found[:most]:
        when = from_ns(line.time).strftime("%Y-%m-%d %H:%M:%S.0")
        session.send(86, request, when, line.provider, line.article, words(line.text))
    session.send(87, request, len(found) > most)


def _moment(text: str) -> int | None:
    """Return ns UTC of ``2026-11-20 10:00:00.0`` (UTC) or a time as orders have it; None where empty."""
    from datetime import UTC, datetime

    plain = text.strip().removesuffix(".0")
    try:
        return to_ns(datetime.strptime(plain, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)) if plain else None
    except ValueError:
        return read_time(plain, "UTC")


def bulletins(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqNewsBulletins: those there are, then new ones."""
    fields.integer()
    everything = fields.flag()
    fields.done()
    session.subs.bulletins = True
    past = list(gateway.news.bulletins)
    for number, text in past if everything else past[-1:]:
        session.send(14, 1, number, 1, words(text), "")


def cancel_bulletins(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelNewsBulletins."""
    fields.integer()
    fields.done()
    session.subs.bulletins = False


def push_headline(gateway: Gateway, line: Headline) -> None:
    """Send a headline to the lines that listen to news (generic tick 292) of its contracts."""
    for session in list(gateway.sessions):
        for sub in session.subs.lines.values():
            meant = line.con_ids is None or sub.spec.con_id in line.con_ids
            if meant and NEWS_TICKS in sub.generic:
                _send_headline(session, sub.request, line)
        for request, provider in session.subs.news.items():
            if provider == line.provider:
                _send_headline(session, request, line)


def _send_headline(session: Session, request: int, line: Headline) -> None:
    millis = line.time // 1_000_000
    session.send(84, request, millis, line.provider, line.article, words(line.text), "")


def greet(gateway: Gateway, session: Session, request: int, spec: Spec) -> None:
    """Send a new line that listens to news what there is of its contract, where the news room does so."""
    if gateway.news.greets and gateway.flowing:
        codes = {code for code, _ in gateway.news.providers}
        for line in reversed(gateway.news.find(spec.con_id, codes, None, None)):
            _send_headline(session, request, line)


def listen(gateway: Gateway, session: Session, request: int, wanted: Contract) -> None:
    """Listen to everything of a provider: a contract of type NEWS, such as ``BRFG:BRFG_ALL`` at BRFG."""
    provider = wanted.symbol.partition(":")[0] or wanted.exchange
    if provider not in {code for code, _ in gateway.news.providers}:
        session.error(request, 200, "No security definition has been found for the request")
        return
    session.subs.news[request] = provider
    session.send(58, 1, request, 1)
    if gateway.news.greets and gateway.flowing:
        for line in gateway.news.of(provider):
            _send_headline(session, request, line)


def push_bulletin(gateway: Gateway, text: str) -> None:
    """Publish a bulletin and send it to whoever listens."""
    number, said = gateway.news.bulletin(text)
    for session in list(gateway.sessions):
        if session.subs.bulletins:
            session.send(14, 1, number, 1, words(said), "")


HANDLERS: dict[int, Handler] = {
    12: bulletins,
    13: cancel_bulletins,
    84: article,
    85: providers,
    86: headlines,
}
