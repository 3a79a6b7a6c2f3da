"""What an order would cost, asked of the broker without sending it.

The same question shows at the start whether the API takes orders at all: nothing else tells before the first
order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.diagnosis import read_only, read_only_error
from robo_trader.ib.executions import HARMLESS
from robo_trader.ib.library import exact
from robo_trader.ib.messages import Problem
from robo_trader.records import Side


@dataclass(frozen=True, slots=True)
class Preview:
    """What the broker expects of an order, in the account's currency.

    `initial` and `maintenance` are the changes of margin, `commission` is 0 where the broker does not say.
    """

    initial: Decimal
    maintenance: Decimal
    commission: Decimal


def preview(connection: Connection, contract: Qualified, side: Side, size: float) -> Preview:
    """Return what a market order would take; raise `BrokerError` when it would be refused."""
    library = connection.library

    async def ask(ib: Any) -> Any:
        number = ib.client.getReqId()
        answer = ib.wrapper.startReq(number)
        refused: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()

        def told(id: int, code: int, text: str, _contract: Any) -> None:
            # ib_async takes some refusals for warnings and would let the answer wait for ever.
            if id == number and code not in HARMLESS and not refused.done():
                refused.set_result(Problem(id=id, code=code, text=text))

        ib.errorEvent += told
        try:
            order = library.order(action=side, totalQuantity=size, orderType="MKT", tif="DAY", whatIf=True)
            ib.client.placeOrder(number, library.contract(**contract.name.fields()), order)
            await asyncio.wait({answer, refused}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ib.errorEvent -= told
        if not refused.done():
            return answer.result()
        problem = refused.result()
        if answer.done():
            answer.exception()  # The same refusal, seen.
        if read_only(problem):
            raise read_only_error()
        raise BrokerError(
            f"{side} {size:g} {contract.name.notation} would be refused: error {problem.code}, {problem.text}"
        )

    state = connection.call(ask)
    return Preview(exact(state.initMarginChange), exact(state.maintMarginChange), exact(state.commission))
