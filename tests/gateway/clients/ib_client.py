"""A whole session of ib_async or ib_insync, whichever is installed, with the demo universe.

Run as ``python ib_client.py PORT [quick]`` in an environment that has one of the two. Every line of output is
``ok NAME``; the first check that fails ends it with a traceback. ``quick`` leaves out what needs waiting.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable

try:
    asyncio.get_event_loop_policy().set_event_loop(asyncio.new_event_loop())
    import ib_async as lib
except ImportError:
    import ib_insync as lib

PROBLEMS: list[str] = []


class Problems(logging.Handler):
    """Keeps what the library itself complains of: frames that it could not decode."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if (
            (record.levelno >= logging.ERROR and "Error " not in text[:6])
            or "decod" in text
            or "handling fields" in text
        ):
            PROBLEMS.append(text)


def ok(name: str, good: object = True) -> None:
    assert good, f"{name}: {good!r}"
    sys.stdout.write(f"ok {name}\n")
    sys.stdout.flush()


def until(ib: lib.IB, condition: Callable[[], object], seconds: float = 60.0) -> bool:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        ib.sleep(0.02)
    return bool(condition())


def contracts(ib: lib.IB) -> lib.Contract:
    aapl = lib.Stock("AAPL", "SMART", "USD")
    ok("qualify", ib.qualifyContracts(aapl) and aapl.conId == 265598 and aapl.primaryExchange == "NASDAQ")
    details = ib.reqContractDetails(aapl)[0]
    ok(
        "details",
        details.longName == "APPLE INC" and details.minTick == 0.01 and details.timeZoneId == "US/Eastern",
    )
    ok("ambiguous", len(ib.reqContractDetails(lib.Stock("DUAL", "SMART"))) == 2)
    ok("unknown", ib.reqContractDetails(lib.Stock("NOSUCH", "SMART", "USD")) == [])
    ok("symbols", any(d.contract.symbol == "AAPL" for d in ib.reqMatchingSymbols("AAP")))
    chain = ib.reqSecDefOptParams("AAPL", "", "STK", 265598)
    ok("chain", chain and chain[0].strikes == [180.0, 190.0, 200.0] and chain[0].expirations == ["20261218"])
    ok("options", len(ib.reqContractDetails(lib.Option("AAPL", "20261218", exchange="SMART"))) == 6)
    ok("future", ib.reqContractDetails(lib.Future("ES", "202612", "CME"))[0].contract.multiplier == "50")
    ok("rule", ib.reqMarketRule(26)[0].increment == 0.01)
    ok("exchanges", ib.reqMktDepthExchanges())
    return aapl


def history(ib: lib.IB, aapl: lib.Contract, quick: bool) -> None:
    minutes = ib.reqHistoricalData(aapl, "", "1800 S", "1 min", "TRADES", False, 2)
    ok("minutes", len(minutes) == 30 and all(b.low <= b.open <= b.high for b in minutes))
    text = ib.reqHistoricalData(aapl, "", "600 S", "1 min", "MIDPOINT", False, 1)
    ok("text dates", len(text) == 10 and text[0].volume == -1)
    days = ib.reqHistoricalData(aapl, "", "10 D", "1 day", "TRADES", True, 1)
    ok("days", len(days) == 10)
    euro = lib.Forex("EURUSD")
    ib.qualifyContracts(euro)
    ok("fx trades", len(ib.reqHistoricalData(euro, "", "1 D", "1 hour", "TRADES", False)) == 0)
    ok("fx middle", len(ib.reqHistoricalData(euro, "", "1 D", "1 hour", "MIDPOINT", False)) == 24)
    ok("head", ib.reqHeadTimeStamp(aapl, "TRADES", True, 2))
    ticks = ib.reqHistoricalTicks(aapl, "", "20261101 10:00:00 US/Eastern", 5, "TRADES", True)
    ok("historical ticks", len(ticks) == 5 and ticks[0].price > 0)
    kept = ib.reqHistoricalData(aapl, "", "300 S", "5 secs", "TRADES", False, 2, True)
    ok("kept", len(kept) == 60)
    if not quick:
        ok("kept up", until(ib, lambda: len(kept) > 60))
    ib.cancelHistoricalData(kept)


def data(ib: lib.IB, aapl: lib.Contract, quick: bool) -> None:
    ticker = ib.reqMktData(aapl, "233,292")
    ok("bid and ask", until(ib, lambda: ticker.bid > 0 and ticker.ask > ticker.bid))
    ok("day", until(ib, lambda: ticker.volume > 0 and ticker.close > 0 and ticker.high >= ticker.low))
    option = lib.Option("AAPL", "20261218", 190, "C", "SMART")
    ib.qualifyContracts(option)
    chain = ib.reqMktData(option, "100,101,106")
    ok("greeks", until(ib, lambda: chain.modelGreeks and 0 < chain.modelGreeks.delta < 1))
    ok("open interest", until(ib, lambda: chain.callOpenInterest > 0))
    book = ib.reqMktDepth(aapl, 5)
    ok("depth", until(ib, lambda: len(book.domBids) >= 3 and len(book.domAsks) >= 3))
    ok("depth order", book.domBids[0].price > book.domBids[1].price)
    ib.cancelMktDepth(aapl)
    tape = ib.reqTickByTickData(aapl, "BidAsk")
    ok("tick by tick", until(ib, lambda: tape.tickByTicks or tape.bid > 0))
    ib.cancelTickByTickData(aapl, "BidAsk")
    if not quick:
        bars = ib.reqRealTimeBars(aapl, 5, "TRADES", False)
        ok("five seconds", until(ib, lambda: len(bars) > 0))
        ib.cancelRealTimeBars(bars)
    ib.cancelMktData(aapl)
    ib.cancelMktData(option)
    ok("snapshot", not math.isnan(ib.reqTickers(aapl)[0].bid))


def news(ib: lib.IB) -> None:
    ok("providers", {p.code for p in ib.reqNewsProviders()} == {"BRFG", "DJ-N"})
    found = ib.reqHistoricalNews(265598, "BRFG", "", "", 10)
    found = found if isinstance(found, list) else [found]
    ok("headlines", len(found) == 2 and {n.articleId for n in found} == {"BRFG$00", "BRFG$01"})
    ok("article", "Apple" in ib.reqNewsArticle("BRFG", "BRFG$00").articleText)
    ib.reqNewsBulletins(True)
    ok("bulletin", until(ib, lambda: ib.newsBulletins()))
    ib.cancelNewsBulletins()


def account(ib: lib.IB) -> None:
    ok("accounts", ib.managedAccounts() == ["DU1234567"])
    ok("values", any(v.tag == "NetLiquidation" for v in ib.accountValues()))
    ok("summary", any(v.tag == "BuyingPower" for v in ib.accountSummary()))
    pnl = ib.reqPnL("DU1234567")
    ok("profit", until(ib, lambda: not math.isnan(pnl.dailyPnL)))
    ib.cancelPnL("DU1234567")


def orders(ib: lib.IB, aapl: lib.Contract) -> None:
    before = sum(p.position for p in ib.positions() if p.contract.conId == 265598)
    trade = ib.placeOrder(aapl, lib.MarketOrder("BUY", 100, orderRef="robo-1"))
    ok("market order", until(ib, lambda: trade.orderStatus.status == "Filled"))
    ok(
        "fill",
        sum(f.execution.shares for f in trade.fills) == 100 and trade.fills[0].execution.orderRef == "robo-1",
    )
    ok("commission", until(ib, lambda: trade.fills[0].commissionReport.commission >= 1))
    held = lambda: sum(p.position for p in ib.positions() if p.contract.conId == 265598)  # noqa: E731
    ok("position", until(ib, lambda: held() == before + 100))
    ok("portfolio", until(ib, lambda: any(i.position == before + 100 for i in ib.portfolio())))
    limit = lib.LimitOrder("BUY", 10, 150.0)
    trade = ib.placeOrder(aapl, limit)
    ok("limit works", until(ib, lambda: trade.orderStatus.status == "Submitted"))
    limit.lmtPrice = 151.0
    ib.placeOrder(aapl, limit)
    ok("modified", until(ib, lambda: any(t.order.lmtPrice == 151.0 for t in ib.openTrades())))
    ok(
        "open orders",
        any(o.orderId == limit.orderId for o in ib.reqAllOpenOrders() for o in [getattr(o, "order", o)]),
    )
    ib.cancelOrder(limit)
    ok("cancelled", until(ib, lambda: trade.orderStatus.status == "Cancelled"))
    price = ib.reqTickers(aapl)[0].ask
    bracket = ib.bracketOrder("BUY", 10, round(price + 1, 2), round(price + 20, 2), round(price - 20, 2))
    trades = [ib.placeOrder(aapl, order) for order in bracket]
    ok("parent", until(ib, lambda: trades[0].orderStatus.status == "Filled"))
    ok(
        "children",
        until(ib, lambda: [t.orderStatus.status for t in trades[1:]] == ["Submitted", "PreSubmitted"]),
    )
    ib.reqGlobalCancel()
    ok("global cancel", until(ib, lambda: all(t.isDone() for t in trades)))
    state = ib.whatIfOrder(aapl, lib.MarketOrder("BUY", 100))
    ok("what if", float(state.initMarginChange) > 1000)
    errors: list[int] = []
    ib.errorEvent += lambda request, code, *rest: errors.append(code)
    bad = ib.placeOrder(aapl, lib.LimitOrder("BUY", 10, 150.001))
    ok("off tick", until(ib, lambda: 110 in errors) and bad.orderStatus.filled == 0)
    ok("executions", len(ib.reqExecutions()) >= 2)
    ok("completed", any(t.orderStatus.status == "Filled" for t in ib.reqCompletedOrders(False)))


def rich_orders(ib: lib.IB, aapl: lib.Contract) -> None:
    """Orders whose messages have every optional group: what goes out must come back."""

    def limit(**fields: object) -> lib.Order:
        made = lib.LimitOrder("BUY", 10, 150.0)
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    conditions = [
        lib.PriceCondition(price=200, conId=265598, exch="SMART"),
        lib.TimeCondition(time="20301120 23:00:00 US/Eastern"),
        lib.MarginCondition(percent=30),
        lib.ExecutionCondition(secType="STK", exch="SMART", symbol="MSFT"),
        lib.VolumeCondition(volume=100, conId=265598, exch="SMART"),
        lib.PercentChangeCondition(changePercent=2.0, conId=265598, exch="SMART"),
    ]
    made = {
        "conditions": limit(conditions=conditions, conditionsIgnoreRth=True),
        "algo": limit(algoStrategy="Adaptive", algoParams=[lib.TagValue("adaptivePriority", "Normal")]),
        "scale": limit(
            scaleInitLevelSize=1, scaleSubsLevelSize=2, scalePriceIncrement=0.5, scaleAutoReset=True
        ),
        "hedge": limit(hedgeType="B", hedgeParam="1.2"),
        "neutral": limit(deltaNeutralOrderType="MKT", deltaNeutralConId=5),
        "group": limit(ocaGroup="x", ocaType=2, orderRef="Größe", tif="GTC", minQty=5, allOrNone=True),
        "dated": limit(tif="GTD", goodTillDate="20301231 10:00:00 US/Eastern"),
        "trail": lib.Order(action="SELL", totalQuantity=5, orderType="TRAIL", trailingPercent=20),
    }
    trades = {name: ib.placeOrder(aapl, order) for name, order in made.items()}
    alive = ("Submitted", "PreSubmitted")
    ok("rich orders", until(ib, lambda: all(t.orderStatus.status in alive for t in trades.values())))
    watcher = lib.IB()
    watcher.connect("127.0.0.1", ib.client.port, clientId=0, timeout=60)
    seen = {t.order.permId: t.order for t in watcher.openTrades()}
    came = {name: seen[trade.order.permId] for name, trade in trades.items()}
    ok("conditions", len(came["conditions"].conditions) == 6 and came["conditions"].conditionsIgnoreRth)
    ok("algo", came["algo"].algoParams[0].value == "Normal")
    ok("scale", came["scale"].scalePriceIncrement == 0.5 and came["scale"].scaleAutoReset)
    ok("hedge", came["hedge"].hedgeParam == "1.2" and came["neutral"].deltaNeutralConId == 5)
    ok("reference", came["group"].orderRef == "Größe" and came["trail"].trailingPercent == 20)
    ib.reqGlobalCancel()
    ok("all cancelled", until(ib, lambda: all(t.isDone() for t in trades.values())))
    past = {t.order.permId: t.order for t in watcher.reqCompletedOrders(False)}
    ok("completed conditions", len(past[trades["conditions"].order.permId].conditions) == 6)
    watcher.disconnect()


def main() -> None:
    port, quick = int(sys.argv[1]), "quick" in sys.argv[2:]
    logging.getLogger().addHandler(Problems())
    ib = lib.IB()
    ib.connect("127.0.0.1", port, clientId=7, timeout=60)
    ok(f"connect {lib.__name__} {lib.__version__} at {ib.client.serverVersion()}")
    aapl = contracts(ib)
    history(ib, aapl, quick)
    data(ib, aapl, quick)
    news(ib)
    account(ib)
    orders(ib, aapl)
    rich_orders(ib, aapl)
    ib.disconnect()
    ok(f"no decode error {PROBLEMS}" if PROBLEMS else "no decode error", not PROBLEMS)


main()
