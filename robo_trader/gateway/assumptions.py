"""What is assumed of a real gateway and could not be tested against one.

Each value stands here alone, with its reason, so that a check on a real paper account changes one
line. Texts of errors are worded after what the client libraries' users report; only the codes matter
to the libraries.

Three assumptions have no value to change. A rejected order gets its error, no status and no place in the
books: the error alone ends the order in both client families (`desk`). A corrected execution replaces the
old one in later answers (`order_messages.latest`). Hours of a replay are counted from the session's open,
where a real gateway cuts them at the full hour (`tape`, through the project's own resampling).
"""

from __future__ import annotations

#: Children of a bracket work only when the parent is completely filled: the protection is then for the
#: whole position, and nothing can be sold that is not yet held.
CHILDREN_WAIT_FOR_WHOLE_PARENT = True
#: Cancelling a parent cancels its children even when it was filled in part. The partial position is left
#: without protection, which is the worse case for a client and so the better rehearsal.
CANCELLED_PARENT_CANCELS_CHILDREN = True
#: Children of one parent behave as one group that shrinks as it is filled, although nobody named one.
CHILDREN_ARE_A_GROUP = True
#: Only a fill touches the other members of a group; cancelling one by hand leaves them.
CANCEL_ENDS_THE_GROUP = False

#: How long after error 326 (client id in use) the socket closes, in seconds: the text has to arrive first.
SECONDS_FROM_326_TO_CLOSE = 0.05
#: The breach of the message rate at which the socket is closed; the ones before get error 100 only.
RATE_BREACHES_BEFORE_CLOSE = 3
#: Messages above the rate are dropped. Answering them would hide the breach from whoever sent them.
RATE_BREACH_DROPS_MESSAGE = True

#: After a restart the next valid id is one above the highest that this client ever used. A gateway that
#: was reset starts at 1 again; the floor is the safer promise, and the books keep it.
NEXT_ID_SURVIVES_RESTART = True
#: An order is announced (openOrder) before its status, both when it is accepted and when it ends.
OPEN_ORDER_BEFORE_STATUS = True
#: The status of stops and trailing stops until they trigger: the broker simulates them.
UNTRIGGERED_STOP_STATUS = "PreSubmitted"
#: A day order that the close ends is Cancelled without an error message.
EXPIRY_SENDS_ERROR = False
#: Executions are repeated for this many days of the gateway's clock. A real one defaults to the current day
#: and can be set to seven; the longer default keeps accelerated replays from outrunning a reconnect.
EXECUTION_DAYS = 7

#: What an account message carries in `accountUpdateMulti` (73); a real one sends more than a hundred keys.
MULTI_KEYS = (
    "AccountReady",
    "AvailableFunds",
    "BuyingPower",
    "CashBalance",
    "ExcessLiquidity",
    "GrossPositionValue",
    "InitMarginReq",
    "MaintMarginReq",
    "NetLiquidation",
    "RealizedPnL",
    "TotalCashBalance",
    "TotalCashValue",
    "UnrealizedPnL",
)

#: Margin as a fraction of value: (initial, maintenance). Stocks after Regulation T and FINRA rule 4210;
#: the others are round numbers in the range that brokers publish. Bought options are paid in full.
MARGIN = {
    "STK": (0.50, 0.25),
    "IND": (0.50, 0.25),
    "FUT": (0.06, 0.05),
    "CASH": (0.03, 0.025),
    "OPT": (1.0, 1.0),
}
#: Commissions after Interactive Brokers' published fixed pricing (US): per share with a minimum per order
#: and a maximum share of the value; per contract for options and futures; a fraction for FX.
STOCK_PER_SHARE, STOCK_MINIMUM, STOCK_MAXIMUM_FRACTION = 0.005, 1.00, 0.01
OPTION_PER_CONTRACT, OPTION_MINIMUM = 0.65, 1.00
FUTURE_PER_CONTRACT = 2.25
FX_FRACTION, FX_MINIMUM = 0.00002, 2.00

#: What one unit of a currency is worth in dollars. Fixed: the account is one of rehearsal.
DOLLARS = {"USD": 1.0, "CAD": 0.72, "EUR": 1.08, "GBP": 1.30, "JPY": 0.0067, "CHF": 1.15, "AUD": 0.65}
