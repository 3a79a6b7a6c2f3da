"""News in a whole session: the broker's headlines become events, signals and orders."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.clock import to_ns
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.news import Headline
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.journal.reading import read_file
from robo_trader.live.outcome import Told
from robo_trader.live.trading import trade
from robo_trader.records import Alert, Event, Signal
from robo_trader.strategy import Strategy

AAPL = 265598


class Follows(Strategy):
    """Trades on what it is told, and notes the order in which it was told."""

    params = dict(heard=None, done=None)

    def __init__(self) -> None:
        self.news = self.signal("news", self.data)

    def notify_event(self, event: Event) -> None:
        self.p.heard.append(("event", event.title, event.source))

    def notify_signal(self, signal: Signal) -> None:
        self.p.heard.append(("signal", signal.name, signal.symbol))
        if not self.position:
            self.buy(size=1, because=signal)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            self.p.heard.append(("filled", order.ref, order.data._name))
            self.p.done()


def test_the_brokers_news_is_heard_traded_on_and_journalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stop, heard, alerts = threading.Event(), list[Any](), list[Alert]()
    fresh = to_ns(clock.now() - timedelta(seconds=30))

    def make(settings: GatewaySettings) -> Any:
        server = demo_gateway(settings)
        title = "Apple raises its guidance above expectations, profit soars to a record"
        server.gateway.news.put(Headline(fresh, "BRFG", "BRFG$99", title, title, frozenset({AAPL})))
        return server

    # Only where nothing comes at all: the test then fails by what was heard.
    patience = threading.Timer(120, stop.set)
    patience.start()
    with EmbeddedGateway(lambda: make(GatewaySettings(port=0, control_port=0))) as gateway:
        out = trade(
            Follows, ib=f"127.0.0.1:{gateway.port}", symbols="AAPL", send=True, account="DU1234567",
            stop=stop, analyst="offline", risk="off", params={"heard": heard, "done": stop.set}, save=False,
            told=Told(alert=alerts.append), flags={"live.history": 30, "events.sources": ["ib"]},
        )  # fmt: skip
    patience.cancel()
    assert [row[0] for row in heard] == ["event", "signal", "filled"], [a.text for a in alerts]
    assert heard[0][2] == "ib" and heard[1][1:] == ("news", "AAPL") and out.fills == 1
    with read_file(tmp_path / ".robo" / "journal.sqlite") as reader:
        tables = ("events", "views", "signals", "signal_evidence")
        rows = {name: list(reader.rows(name)) for name in tables}
    assert [row["event_id"] for row in rows["events"]] == ["ib/BRFG$99"]
    assert rows["events"][0]["known_at"] and rows["views"][0]["analyst"] == "offline"
    assert len(rows["views"]) == len(rows["signals"]) == len(rows["signal_evidence"]) == 1
