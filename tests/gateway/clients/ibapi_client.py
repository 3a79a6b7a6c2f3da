"""A session of Interactive Brokers' own `ibapi`, 9.81 or 10.x, with the demo universe.

Run as ``python ibapi_client.py PORT`` in an environment that has it. Every line of output is ``ok NAME``; the
first check that fails ends it. A message that the client cannot decode kills its reader thread, and
with it this program.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from typing import Any

import ibapi
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper


class App(EWrapper, EClient):
    """Keeps the arguments of every callback."""

    def __init__(self) -> None:
        EClient.__init__(self, self)
        self.calls: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.failed = ""
        for name in _WATCHED:
            setattr(self, name, self._keeper(name))

    def _keeper(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls[name].append(args + tuple(kwargs.values()))

    def run(self) -> None:
        try:
            EClient.run(self)
        except BaseException as error:
            self.failed = repr(error)
            raise


_NAMES = """
nextValidId managedAccounts error contractDetails contractDetailsEnd historicalData historicalDataEnd
tickPrice
tickSize tickOptionComputation
updateMktDepth updateMktDepthL2 newsProviders historicalNews historicalNewsEnd
newsArticle updateNewsBulletin openOrder orderStatus execDetails execDetailsEnd commissionReport
commissionAndFeesReport position positionEnd updateAccountValue updatePortfolio accountDownloadEnd
accountSummary accountSummaryEnd securityDefinitionOptionParameter securityDefinitionOptionParameterEnd
tickByTickBidAsk symbolSamples headTimestamp completedOrder completedOrdersEnd openOrderEnd realtimeBar pnl
marketDataType currentTime mktDepthExchanges tickString
"""
_WATCHED = _NAMES.split()


def stock(symbol: str = "AAPL", kind: str = "STK") -> Contract:
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, kind, "SMART", "USD"
    return contract


def order(action: str, size: int, kind: str, price: float | None = None) -> Order:
    made = Order()
    made.action, made.totalQuantity, made.orderType = action, size, kind
    made.eTradeOnly = made.firmQuoteOnly = False
    if price is not None:
        made.lmtPrice = price
    return made


def main() -> None:
    app = App()
    app.connect("127.0.0.1", int(sys.argv[1]), 9)
    thread = threading.Thread(target=app.run, daemon=True)
    thread.start()

    def ok(name: str, condition: Any, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not condition():
            assert thread.is_alive(), f"{name}: the reader died: {app.failed}"
            time.sleep(0.01)
        assert condition(), f"{name}: {app.calls['error'][-3:]}"
        sys.stdout.write(f"ok {name}\n")
        sys.stdout.flush()

    def got(name: str, count: int = 1) -> Any:
        return lambda: len(app.calls[name]) >= count

    ok("next id", got("nextValidId"))
    ok(f"connect ibapi {ibapi.__name__} at {app.serverVersion()}", got("managedAccounts"))
    app.reqContractDetails(1, stock())
    ok("details", got("contractDetailsEnd"))
    details = app.calls["contractDetails"][0][1]
    ok("apple", lambda: details.contract.conId == 265598 and details.longName == "APPLE INC")
    app.reqSecDefOptParams(2, "AAPL", "", "STK", 265598)
    ok("chain", got("securityDefinitionOptionParameterEnd"))
    ok("strikes", lambda: app.calls["securityDefinitionOptionParameter"][0][6] == {180.0, 190.0, 200.0})
    app.reqMatchingSymbols(3, "AAP")
    ok("symbols", got("symbolSamples"))
    app.reqHistoricalData(4, stock(), "", "1800 S", "1 min", "TRADES", 0, 2, False, [])
    ok("history", got("historicalDataEnd"))
    ok("bars", got("historicalData", 30))
    app.reqHeadTimeStamp(5, stock(), "TRADES", 1, 2)
    ok("head", got("headTimestamp"))
    app.reqMktData(6, stock(), "233", False, False, [])
    ok("ticks", got("tickPrice", 3))
    ok("sizes", got("tickSize", 3))
    ok("texts", got("tickString"))
    option = stock(kind="OPT")
    option.lastTradeDateOrContractMonth, option.strike, option.right = "20261218", 190.0, "C"
    option.multiplier = "100"
    app.reqMktData(7, option, "", False, False, [])
    ok("greeks", got("tickOptionComputation", 4))
    app.reqMktDepth(8, stock(), 5, False, [])
    ok("depth", got("updateMktDepth", 6))
    app.reqMktDepth(18, stock(), 5, True, [])
    ok("smart depth", got("updateMktDepthL2", 6))
    app.reqTickByTickData(10, stock(), "BidAsk", 0, False)
    ok("tick by tick", got("tickByTickBidAsk"))
    app.reqRealTimeBars(11, stock(), 5, "TRADES", False, [])
    app.reqNewsProviders()
    ok("providers", got("newsProviders"))
    app.reqHistoricalNews(12, 265598, "BRFG", "", "", 10, [])
    ok("headlines", got("historicalNews", 2))
    app.reqNewsArticle(13, "BRFG", "BRFG$00", [])
    ok("article", got("newsArticle"))
    app.reqNewsBulletins(True)
    ok("bulletin", got("updateNewsBulletin"))
    app.reqPositions()
    ok("positions", got("positionEnd"))
    app.reqAccountUpdates(True, "")
    ok("account", got("accountDownloadEnd"))
    app.reqAccountSummary(14, "All", "NetLiquidation,BuyingPower")
    ok("summary", got("accountSummaryEnd"))
    app.reqPnL(15, "DU1234567", "")
    ok("profit", got("pnl"))
    app.reqCurrentTime()
    ok("time", got("currentTime"))
    app.reqMktDepthExchanges()
    ok("exchanges", got("mktDepthExchanges"))

    number = app.calls["nextValidId"][-1][0]
    app.placeOrder(number, stock(), order("BUY", 100, "MKT"))
    ok("filled", lambda: any(c[0] == number and c[1] == "Filled" for c in app.calls["orderStatus"]))
    ok("execution", got("execDetails"))
    ok("commission", lambda: app.calls["commissionReport"] or app.calls["commissionAndFeesReport"])
    ok("open order", got("openOrder"))
    ok("position", got("position"))
    limit = number + 1
    app.placeOrder(limit, stock(), order("BUY", 10, "LMT", 150.0))
    ok("works", lambda: any(c[0] == limit and c[1] == "Submitted" for c in app.calls["orderStatus"]))
    app.placeOrder(limit, stock(), order("BUY", 10, "LMT", 151.0))
    ok("modified", lambda: any(c[0] == limit and c[2].lmtPrice == 151.0 for c in app.calls["openOrder"]))
    try:
        from ibapi.order_cancel import OrderCancel

        app.cancelOrder(limit, OrderCancel())
    except ImportError:
        app.cancelOrder(limit)
    ok("cancelled", lambda: any(c[0] == limit and c[1] == "Cancelled" for c in app.calls["orderStatus"]))
    ask = order("BUY", 100, "MKT")
    ask.whatIf = True
    before = len(app.calls["openOrder"])
    app.placeOrder(number + 2, stock(), ask)
    ok(
        "what if",
        lambda: float(app.calls["openOrder"][-1][3].initMarginChange) > 1 and got("openOrder", before + 1)(),
    )
    app.reqExecutions(16, ExecutionFilter())
    ok("executions", got("execDetailsEnd"))
    app.reqCompletedOrders(False)
    ok("completed", lambda: app.calls["completedOrdersEnd"] and len(app.calls["completedOrder"]) >= 2)
    app.reqAllOpenOrders()
    ok("open orders end", got("openOrderEnd"))
    ok("five seconds", got("realtimeBar"))
    ok("reader lives", lambda: thread.is_alive() and not app.failed)
    app.disconnect()


main()
