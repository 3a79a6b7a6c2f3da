"""Quotes and ticks as the simulated gateway gives them: live, delayed, halted, and through every break."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from robo_trader.bars.bundled import bundled_bars
from robo_trader.gateway.build import replay_gateway
from robo_trader.ib import quotes
from robo_trader.ib.connection import LineDownError
from robo_trader.ib.contracts import ContractName, Qualified, qualify
from robo_trader.ib.messages import Lost, Message, Opened, Problem, Quote, Tick
from robo_trader.ib.quotes import Quotes, trouble_of

AAPL = 265598


class Desk:
    """A line, quotes over it, and what they told."""

    def __init__(self, heard: Any) -> None:
        self.heard = heard
        heard.open()
        self.quotes = Quotes(heard.line, heard.inbox.put)
        self.troubles: list[str] = []

    def contract(self, text: str) -> Qualified:
        return qualify(self.heard.line, ContractName.parse(text))

    def settle(self) -> None:
        """Wait until the gateway has read all that was sent before."""
        self.heard.line.call(lambda ib: ib.reqCurrentTimeAsync())

    def until(self, wanted: Callable[[Message], bool]) -> Any:
        """Give every message to the quotes, as a session does, until one is wanted; return that."""
        while True:
            message = self.heard.inbox.get(timeout=60)
            if said := self.quotes.take(message):
                self.troubles.append(said)
            if wanted(message):
                return message

    def quote(self, wanted: Callable[[Quote], bool] = lambda q: None not in (q.bid, q.ask, q.last)) -> Quote:
        found: Quote = self.until(lambda m: isinstance(m, Quote) and wanted(m))
        return found


@pytest.fixture
def desk(heard: Any) -> Callable[[int], Desk]:
    return lambda port: Desk(heard(port))


def lines(simulated: Any) -> list[tuple[int, int, int]]:
    """Return the subscriptions that the gateway holds: lines of quotes and of ticks, per session."""
    sessions = simulated.server.gateway.sessions
    return [(s.client, len(s.subs.lines), len(s.subs.ticks)) for s in sessions]


def test_a_quote_holds_all_that_is_known(gateway: Any, desk: Any) -> None:
    one = desk(gateway().port)
    one.quotes.follow(one.contract("AAPL"))
    quote = one.quote()
    assert (quote.con_id, quote.symbol, quote.delayed, quote.halted) == (AAPL, "AAPL", False, False)
    assert 180 < quote.bid < quote.ask < 200 and quote.bid <= quote.last <= quote.ask
    assert min(quote.bid_size, quote.ask_size, quote.last_size) > 0 and isinstance(quote.bid_size, Decimal)
    later = one.quote(lambda q: q.traded_at is not None)
    assert abs((later.at - later.traded_at).total_seconds()) < 60
    assert one.troubles == []


def test_what_is_not_subscribed_comes_delayed_and_says_so(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    simulated.control("set", nosub=True)
    one = desk(simulated.port)
    one.quotes.follow(one.contract("AAPL"))
    quote = one.quote()
    assert quote.delayed and 180 < quote.bid < quote.ask
    assert one.troubles == ["AAPL: market data are not subscribed; its quotes are delayed"]


def test_a_halt_is_seen(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    one.quotes.follow(one.contract("AAPL"))
    assert not one.quote().halted
    simulated.control("set", halted=[AAPL])
    one.quote(lambda q: q.halted)
    simulated.control("set", halted=[])
    one.quote(lambda q: not q.halted)


@pytest.mark.parametrize("cause", ["drop", "lost"])
def test_a_break_ends_no_subscription(gateway: Any, desk: Any, cause: str) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    one.quotes.follow(one.contract("AAPL"))
    one.quotes.follow(one.contract("MSFT"))
    one.quote(lambda q: q.symbol == "AAPL")
    if cause == "drop":
        spy = one.contract("SPY")
        simulated.control("restart", secs=600)
        one.until(lambda m: isinstance(m, Lost))
        with pytest.raises(LineDownError):
            one.quotes.follow(spy)  # Remembered all the same, and subscribed with the others.
        simulated.control("restart", secs=0)
        one.until(lambda m: isinstance(m, Opened) and m.attempt > 1)
    else:
        simulated.control("lost")
        simulated.control("restored", maintained=False)
        one.until(lambda m: isinstance(m, Problem) and m.code == 1101)
    wanted = ["AAPL", "MSFT", *(["SPY"] if cause == "drop" else [])]
    for symbol in wanted:
        one.quote(lambda q, symbol=symbol: q.symbol == symbol and q.bid is not None)
    assert [count[1] for count in lines(simulated)] == [len(wanted)]


def test_the_first_opening_subscribes_nothing_twice(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    one.quotes.follow(one.contract("AAPL"))
    one.until(lambda m: isinstance(m, Opened))
    one.quotes.follow(one.contract("AAPL"))
    one.quote()
    assert [count[1] for count in lines(simulated)] == [1]


def test_who_leaves_hears_no_more(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    apple, microsoft = one.contract("AAPL"), one.contract("MSFT")
    one.quotes.follow(apple)
    one.quotes.follow(apple, "BidAsk")
    one.quotes.follow(microsoft)
    one.quote(lambda q: q.symbol == "MSFT")
    one.quotes.leave(apple)
    one.settle()
    assert [count[1:] for count in lines(simulated)] == [(1, 0)]


def test_ticks_come_one_by_one(gateway: Any, desk: Any) -> None:
    (frame,) = bundled_bars(["SPY"])
    simulated = gateway(
        lambda settings: replay_gateway(settings, [frame], start="2020-03-02"), speed="lockstep"
    )
    one = desk(simulated.port)
    spy = one.contract("SPY")
    one.quotes.follow(spy, "Last")
    one.settle()
    simulated.control("advance", steps=4)
    first: Tick = one.until(lambda m: isinstance(m, Tick))
    later: Tick = one.until(lambda m: isinstance(m, Tick) and m.at > first.at)
    for tick in (first, later):
        assert tick.kind == "Last" and 200 < tick.price < 400 and tick.size > 0


def test_two_tick_requests_for_a_contract_keep_the_brokers_pause(
    gateway: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    apple = one.contract("AAPL")
    one.quotes.follow(apple, "BidAsk")
    first: Tick = one.until(lambda m: isinstance(m, Tick))
    assert first.kind == "BidAsk" and 180 < first.bid < first.ask < 200 and first.bid_size > 0
    one.quotes.follow(apple, "Last")
    one.settle()
    assert [count[2] for count in lines(simulated)] == [1], "the second one waits"
    monkeypatch.setattr(quotes, "TICK_PAUSE", 0.2)
    microsoft = one.contract("MSFT")
    one.quotes.follow(microsoft, "BidAsk")
    one.quotes.follow(microsoft, "Last")
    one.until(lambda m: isinstance(m, Tick) and (m.symbol, m.kind) == ("MSFT", "Last"))


def test_too_many_ticks_are_told(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    for text in ("AAPL", "MSFT", "SPY", "EUR.USD", "ES-FUT-CME-USD-20261218", "DUAL-STK-NYSE-USD"):
        one.quotes.follow(one.contract(text), "BidAsk")
    one.until(lambda m: isinstance(m, Problem) and m.code == 10190)
    assert one.troubles == ["DUAL: too many contracts are followed tick by tick; follow fewer"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (354, "AAPL: market data are not subscribed, and the broker offers no delayed ones"),
        (10197, "AAPL: no market data while the same login is used elsewhere (TWS, phone or browser)"),
        (101, "AAPL: too many lines"),
        (200, "AAPL: the broker does not know this contract: it said"),
        (77777, "AAPL: error 77777 about its market data: it said"),
    ],
)
def test_troubles_in_plain_words(code: int, words: str) -> None:
    assert trouble_of(Problem(id=3, code=code, text="it said"), "AAPL").startswith(words)
    assert trouble_of(Problem(id=3, code=300, text="Can't find EId"), "AAPL") == ""


def test_errors_of_others_are_no_trouble_of_quotes(gateway: Any, desk: Any) -> None:
    simulated = gateway()
    one = desk(simulated.port)
    one.quotes.follow(one.contract("AAPL"))
    one.quote()
    simulated.control("error", code=10197, id=4711)
    one.until(lambda m: isinstance(m, Problem) and m.id == 4711)
    assert one.troubles == []
