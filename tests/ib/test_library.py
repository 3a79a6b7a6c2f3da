"""What is made equal or put right in the IB library, whichever is installed."""

from __future__ import annotations

import asyncio

from robo_trader.ib.library import at_once, load


class Line:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.wrote: list[bytes] = []

    def sendMsg(self, data: bytes) -> None:
        self.wrote.append(data)


def test_families_leave_in_one_write_and_keep_to_the_rate() -> None:
    async def burst() -> tuple[list[int], int]:
        ib, line = load().new(), Line()
        ib.client.conn = line
        for family in range(40):
            with at_once(ib):
                for order in range(3):
                    ib.client.sendMsg(f"{family} {order}\0")
        return [data.count(b" ") for data in line.wrote], len(ib.client._msgQ)

    written, waiting = asyncio.run(burst())
    assert written == [3] * 15 and waiting == 120 - 45, "45 messages a second, and the rest waits"
