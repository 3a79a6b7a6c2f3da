"""The control port: JSON objects in, one a line; each is answered by one JSON object.

An answer holds ``"ok": true``, or ``"ok": false`` and ``"error"``. Whatever is sent, the gateway lives
on: text that is no JSON, an unknown command and a bad value are answered, a line that is too long
ends this control connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from robo_trader.clock import NS_PER_SECOND, iso
from robo_trader.errors import RoboError, UsageError, did_you_mean
from robo_trader.gateway import data_messages, news_messages
from robo_trader.gateway.orders import DUST, Order
from robo_trader.gateway.reports import order_fields, status_fields

if TYPE_CHECKING:
    from robo_trader.gateway.server import GatewayServer

log = logging.getLogger("robo_trader.gateway")

Answer = dict[str, Any]
Command = Callable[[dict[str, Any]], Answer | Awaitable[Answer] | None]
_FARMS = {"market": (2103, 2104), "history": (2105, 2106), "secdef": (2157, 2158)}
_FARM_NAMES = {"market": "Market data farm", "history": "HMDS data farm", "secdef": "Sec-def data farm"}
#: A clock that is further off than this has no date that Python can write.
_DECADES = 1e9
_HTTP = re.compile(rb"[A-Za-z]{1,20} \S* ?HTTP/\d")
_REJECT = (201, 110, 321, 399, 404, "inactive")


class ControlPort:
    """The commands, and the connections that send them."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server
        self._gateway = server.gateway
        self._advancing = asyncio.Lock()
        self._writers: set[asyncio.StreamWriter] = set()
        self._commands: dict[str, Command] = {
            "lost": self._lost,
            "restored": self._restored,
            "drop": self._drop,
            "restart": self._restart,
            "stall": self._stall,
            "gap": self._gap,
            "reject": self._reject,
            "error": self._error,
            "farm": self._farm,
            "bulletin": self._bulletin,
            "skew": self._skew,
            "fill": self._fill,
            "correct": self._correct,
            "resend_execs": self._resend_execs,
            "resend_status": self._resend_status,
            "set": self._set,
            "advance": self._advance,
            "state": self._state,
        }

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one control connection."""
        if len(self._writers) >= self._server.settings.limits.clients:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    limit = self._server.settings.limits.control_line
                    await _reply(writer, _wrong(f"a line of more than {limit} bytes"))
                    return
                if not line:
                    return
                if _HTTP.match(line):
                    # A web page can make a browser send lines of JSON behind such a head.
                    await _reply(writer, _wrong("this port takes JSON lines, not HTTP"))
                    return
                if line.strip():
                    await _reply(writer, await self.answer(line))
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def close(self) -> None:
        """Close every control connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def answer(self, line: bytes) -> Answer:
        """Carry out one command and return its answer."""
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError) as error:
            return _wrong(f"this is no JSON object: {error}")
        if not isinstance(asked, dict) or not isinstance(asked.get("cmd"), str):
            return _wrong('a command is a JSON object such as {"cmd": "state"}')
        name = asked.pop("cmd")
        command = self._commands.get(name)
        if command is None:
            near = did_you_mean(name, self._commands) or f"there are {', '.join(sorted(self._commands))}"
            return _wrong(f"there is no command {name!r} ({near})")
        try:
            result = command(asked)
            if isinstance(result, Awaitable):
                result = await result
        except RoboError as error:
            return _wrong(str(error))
        except Exception as error:  # a command must never end the gateway
            log.exception("control command %s failed", name)
            return _wrong(f"{name} failed: {type(error).__name__}: {error}")
        return {"ok": True, **(result or {})}

    # -- the line ------------------------------------------------------------------------------------

    def _lost(self, asked: dict[str, Any]) -> None:
        self._gateway.lose()

    def _restored(self, asked: dict[str, Any]) -> None:
        maintained = asked.get("maintained", True)
        if not isinstance(maintained, bool):
            raise UsageError(f"maintained must be true or false, not {maintained!r}")
        self._gateway.restore(maintained)

    def _drop(self, asked: dict[str, Any]) -> None:
        self._server.drop()

    def _restart(self, asked: dict[str, Any]) -> None:
        self._server.restart(_number(asked, "secs", 1.0))

    def _stall(self, asked: dict[str, Any]) -> None:
        self._server.stall(_number(asked, "secs", 1.0))

    def _gap(self, asked: dict[str, Any]) -> None:
        self._server.hold_data(_number(asked, "secs", 1.0))

    def _farm(self, asked: dict[str, Any]) -> None:
        which, healthy = asked.get("which", "market"), asked.get("up", False)
        if which not in _FARMS or not isinstance(healthy, bool):
            raise UsageError(f'farm needs "which" ({", ".join(_FARMS)}) and "up" (true or false)')
        (self._gateway.broken_farms.discard if healthy else self._gateway.broken_farms.add)(which)
        broken, fine = _FARMS[which]
        state = "OK" if healthy else "broken"
        self._gateway.broadcast(
            fine if healthy else broken, f"{_FARM_NAMES[which]} connection is {state}:simulated"
        )

    def _skew(self, asked: dict[str, Any]) -> None:
        self._gateway.clock.skew_ns = int(_number(asked, "secs", 0.0, -_DECADES, _DECADES) * NS_PER_SECOND)

    # -- messages ------------------------------------------------------------------------------------

    def _error(self, asked: dict[str, Any]) -> None:
        code, request = _whole(asked, "code"), _whole(asked, "id", -1)
        self._gateway.broadcast(code, str(asked.get("text", f"Simulated error {code}")), request)

    def _bulletin(self, asked: dict[str, Any]) -> None:
        news_messages.push_bulletin(self._gateway, str(asked.get("text", "")))

    def _resend_execs(self, asked: dict[str, Any]) -> Answer:
        found = self._gateway.books.latest()
        for execution in found:
            self._gateway.reports.execution(execution)
        return {"execs": len(found)}

    def _resend_status(self, asked: dict[str, Any]) -> Answer:
        orders = list(self._gateway.books.orders.values())
        for order in orders:
            for session in self._gateway.owners(order.client):
                session.send(*order_fields(order, session.version))
                session.send(*status_fields(order))
        return {"orders": len(orders)}

    # -- orders --------------------------------------------------------------------------------------

    def _reject(self, asked: dict[str, Any]) -> None:
        code = asked.get("code", 201)
        code = int(code) if isinstance(code, str) and code.isdecimal() else code
        if code not in _REJECT or isinstance(code, bool):
            raise UsageError(f"the next order can get one of {', '.join(map(str, _REJECT))}, not {code!r}")
        self._gateway.desk.rejections.append(code)

    def _fill(self, asked: dict[str, Any]) -> Answer:
        order = self._order(asked)
        size = _number(asked, "qty", order.remaining, low=DUST)
        spec = self._gateway.universe.get(order.contract.con_id)
        quote = self._gateway.market.quote(spec) if spec is not None else None
        price = _number(asked, "price", order.limit or (quote.mid if quote else 0.0), low=1e-9)
        if order.remaining <= DUST:
            raise UsageError(f"order {order.order_id} is filled already")
        if order.status == "Inactive":
            raise UsageError(f"order {order.order_id} never went to the market: it is Inactive")
        execution = self._gateway.desk.fill(order, size, price)
        return {"execId": execution.exec_id, "shares": execution.shares}

    def _order(self, asked: dict[str, Any]) -> Order:
        number = _whole(asked, "orderId")
        client = asked.get("client", asked.get("clientId"))
        found = [
            o
            for o in self._gateway.books.orders.values()
            if o.order_id == number and (client is None or o.client == client)
        ]
        if not found:
            raise UsageError(f"there is no order {number}")
        return found[-1]

    def _correct(self, asked: dict[str, Any]) -> Answer:
        executions = self._gateway.books.latest()
        if not executions:
            raise UsageError("there is no execution to correct")
        wanted = str(asked.get("execId", executions[-1].exec_id))
        old = next((e for e in executions if e.exec_id == wanted), None)
        if old is None:
            raise UsageError(f"there is no execution {wanted!r}")
        new = self._gateway.desk.correct(wanted, _number(asked, "price", old.price, low=1e-9))
        return {"execId": new.exec_id if new is not None else None}

    def _set(self, asked: dict[str, Any]) -> None:
        gateway, faults = self._gateway, self._gateway.faults
        faults.change(asked)
        if "hold_status" in asked and not faults.hold_status:
            gateway.reports.release_statuses()
        if "partial" in asked:
            gateway.desk.unstick()
        if "halted" in asked:
            data_messages.tell_halts(gateway)
        if asked.keys() & {"halted", "partial"}:
            gateway.desk.wake()

    # -- time and state ------------------------------------------------------------------------------

    async def _advance(self, asked: dict[str, Any]) -> Answer:
        steps = _whole(asked, "steps", 1)
        if not 1 <= steps <= 1_000_000:
            raise UsageError(f"steps must be 1 to 1000000, not {steps}")
        until = asked.get("until")
        if until is not None and (isinstance(until, bool) or not isinstance(until, int)):
            raise UsageError(f"until must be a time in ns UTC, not {until!r}")
        if until is not None and not 0 <= until < 2**63:
            raise UsageError(f"until must be a time in ns UTC that fits 64 bits, not {until}")
        async with self._advancing:
            return await self._gateway.market.advance(steps, until)

    def _state(self, asked: dict[str, Any]) -> Answer:
        gateway = self._gateway
        orders = [
            {
                "client": o.client,
                "id": o.order_id,
                "permId": o.perm_id,
                "status": o.status,
                "filled": o.filled,
                "qty": o.quantity,
                "type": o.kind,
                "action": o.action,
                "conId": o.contract.con_id,
                "ref": o.values["orderRef"],
                "avg": o.average,
            }
            for o in gateway.books.orders.values()
        ]
        held = {str(con_id): p.size for con_id, p in gateway.account.positions.items() if p.size}
        return {
            "orders": orders,
            "pos": held,
            "sessions": sorted(s.client for s in gateway.sessions),
            "execs": len(gateway.books.latest()),
            "cash": round(gateway.account.cash, 6),
            "time": iso(gateway.clock.now()),
            "connected": gateway.desk.connected,
        }


async def _reply(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(json.dumps(answer, ensure_ascii=True).encode() + b"\n")
    await writer.drain()


def _wrong(text: str) -> Answer:
    return {"ok": False, "error": text[:500]}


def _number(asked: dict[str, Any], name: str, default: float, low: float = 0.0, high: float = 1e12) -> float:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _whole(asked: dict[str, Any], name: str, default: int | None = None) -> int:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} must be a whole number, not {value!r}")
    return value
