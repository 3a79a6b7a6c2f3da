"""What is looked at before a session sends its first order: clock, capital, whether orders are taken at all.

Failure contract: a gateway that takes no orders is a `BrokerError`; what can be lived with is a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.diagnosis import read_only_error
from robo_trader.ib.preview import preview

#: Kinds of contract that can be ordered.
_ORDERED = ("STK", "FUT", "OPT", "CASH", "CRYPTO", "CFD")
#: Seconds between the gateway's clock and ours from which on somebody should look.
MOST_SKEW = 5.0


def troubles(
    connection: Connection,
    contracts: Sequence[Qualified],
    account: Mapping[str, str],
    capital: float,
    *,
    sending: bool,
) -> Iterator[str]:
    """Yield what a person should know before the session trades `capital`; `account` is the broker's values.

    Where orders are sent, the broker is asked what the smallest one would take: nothing else tells that
    its API takes no orders.
    """
    skew = connection.opened.skew
    if abs(skew) > MOST_SKEW and not connection.opened.simulated:
        way = "ahead of" if skew > 0 else "behind"
        yield f"the gateway's clock is {abs(skew):.0f} s {way} this machine's"
    if not sending:
        return
    worth = _number(account.get("NetLiquidation", ""))
    if worth is not None and worth < capital:
        yield f"the capital is {capital:,.2f}, and the account is worth {worth:,.2f}"
    first = next((one for one in contracts if one.name.kind in _ORDERED), None)
    if first is None:
        yield "nothing here can be ordered: indexes are not traded"
        return
    try:
        preview(connection, first, "BUY", 1)
    except LineDownError:
        raise
    except BrokerError as error:
        if error.message == read_only_error().message:
            raise
        yield f"asked what one {first.name.symbol} would take, the broker says: {error.message}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # The broker has not told it.
