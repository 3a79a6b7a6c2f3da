"""A client of the protocol for the tests, written from its description and not from the gateway's code.

It keeps every frame it has read; `expect` waits for one of a kind, so that no test sleeps.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

#: Seconds that a test waits for what must come: as good as for ever, on the slowest machine too.
TIMEOUT = 60.0
MAX_DOUBLE = "1.7976931348623157e+308"
AAPL = (0, "AAPL", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")
SPY = (0, "SPY", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")
EURUSD = (0, "EUR", "CASH", "", 0.0, "", "", "IDEALPRO", "", "USD", "", "")
ES = (0, "ES", "FUT", "20261218", 0.0, "", "50", "CME", "", "USD", "", "")


def contract(con_id: int) -> tuple[Any, ...]:
    """Return the block of a contract that is named by its id."""
    return (con_id, "", "", "", 0.0, "", "", "", "", "", "", "")


def packed(*fields: Any) -> bytes:
    """Return a frame."""
    payload = "".join(f"{_text(f)}\0" for f in fields).encode()
    return struct.pack(">I", len(payload)) + payload


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def pause(seconds: float = 0.02) -> None:
    """Let a moment of wall time pass, for what the gateway does after a time of its own."""
    threading.Event().wait(seconds)


def eventually(action: Callable[[], Any], errors: Any = OSError) -> Any:
    """Return what `action` returns as soon as it does not raise one of `errors`."""
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        try:
            return action()
        except errors:
            pause()
    return action()


class Closed(Exception):
    """The gateway closed the socket."""


class Client:
    """A connection to a gateway."""

    def __init__(self, port: int, client: int = 1, version: int = 178, *, start: bool = True) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.frames: list[list[str]] = []
        self.version = 0
        self.client = client
        self._buffer = b""
        self.next_id = 1
        if start:
            self.hello(f"v157..{version}")
            self.send(71, 2, client, "")
            self.next_id = int(self.expect(9)[2])

    def hello(self, text: str) -> None:
        """Send the preamble and take the version."""
        self.sock.sendall(b"API\0" + struct.pack(">I", len(text)) + text.encode())
        self.version = int(self.read()[0])

    def send(self, *fields: Any) -> None:
        """Send a message."""
        self.sock.sendall(packed(*fields))

    def read(self) -> list[str]:
        """Return the next frame."""
        # Nothing is taken before all of it is there: who gives up in between can read on later.
        size = struct.unpack(">I", self._at_least(4)[:4])[0]
        payload = self._at_least(4 + size)[4 : 4 + size]
        self._buffer = self._buffer[4 + size :]
        fields = payload.decode().split("\0")
        assert fields.pop() == "", "a frame must end with NUL"
        return fields

    def _at_least(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                data = self.sock.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed
            self._buffer += data
        return self._buffer

    def expect(
        self, kind: int, *start: Any, where: Callable[[list[str]], bool] = lambda f: True
    ) -> list[str]:
        """Return the first frame of a kind, read or still to come, whose fields begin with `start`."""
        head = [str(kind), *map(_text, start)]
        seen = 0
        while True:
            for i in range(seen, len(self.frames)):
                found = self.frames[i]
                if found[: len(head)] == head and where(found):
                    del self.frames[i]
                    return found
            seen = len(self.frames)
            try:
                self.frames.append(self.read())
            except TimeoutError:
                raise AssertionError(f"no message {head}; there were {self.frames[-8:]}") from None

    def take(self, kind: int) -> list[list[str]]:
        """Return and forget the frames of a kind that were read."""
        found = [f for f in self.frames if f[0] == str(kind)]
        self.frames = [f for f in self.frames if f[0] != str(kind)]
        return found

    def sync(self) -> None:
        """Wait until everything that was sent has been answered."""
        self.send(49, 1)
        self.expect(49)

    def error(self, request: int) -> tuple[int, str]:
        """Return (code, text) of the next error of a request, farms that are fine left out."""
        found = self.expect(4, 2, request, where=lambda f: f[3] not in ("2104", "2106", "2158"))
        return int(found[3]), found[4]

    def order(self, block: tuple[Any, ...] = AAPL, number: int | None = None, **fields: Any) -> int:
        """Place an order and return its id."""
        if number is None:
            number = self.next_id
            self.next_id += 1
        self.send(*place_order(number, block, self.version, **fields))
        return number

    def status(self, number: int, status: str) -> list[str]:
        """Wait for an order's status."""
        return self.expect(3, number, status)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


_TEXTS = """
lmtPrice auxPrice ocaGroup account openClose orderRef goodTillDate trailStopPrice trailingPercent hedge
lmtPriceOffset
faProfile
"""
_NUMBERS = "origin parentId outsideRth ocaType whatIf"
_GROUPS = "deltaNeutral scale algo conditions legs pegBench pegOffsets contractDeltaNeutral"


def place_order(number: int, block: tuple[Any, ...], version: int, **given: Any) -> list[Any]:
    """Return a placeOrder message; names are the protocol's."""
    f = dict.fromkeys(_TEXTS.split(), "") | dict.fromkeys(_NUMBERS.split(), 0)
    f |= dict.fromkeys(_GROUPS.split(), ())
    f |= {"action": "BUY", "totalQuantity": 100, "orderType": "MKT", "tif": "DAY", "transmit": 1}
    f.update(given)
    out: list[Any] = [3, number, *block, "", ""]
    out += [f[n] for n in ("action", "totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif", "ocaGroup")]
    out += [f[n] for n in ("account", "openClose", "origin", "orderRef", "transmit", "parentId")]
    out += [0, 0, 0, 0, f["outsideRth"], 0]
    if block[2] == "BAG":
        out += [len(f["legs"]), *(part for leg in f["legs"] for part in leg), 0, 0]
    out += ["", 0.0, "", f["goodTillDate"], "", "", ""]
    if version < 177:
        out.append(f["faProfile"])
    out += [
        "",
        0,
        "",
        -1,
        f["ocaType"],
        "",
        "",
        0,
        "",
        "",
        0,
        0,
        MAX_DOUBLE,
        0,
        "",
        "",
        "",
        "",
        "",
        0,
        "",
        "",
    ]
    neutral = f["deltaNeutral"]
    out += [neutral[0], "", *neutral[1:]] if neutral else ["", ""]
    out += [0, "", f["trailStopPrice"], f["trailingPercent"], "", ""]
    scale = f["scale"]
    out += [scale[0], *scale[1:]] if scale else [""]
    out += ["", "", "", *(["D", f["hedge"]] if f["hedge"] else [""]), 0, "", "", 0]
    neutral = f["contractDeltaNeutral"]
    out += [1, *neutral] if neutral else [0]
    algo = f["algo"]
    out += [algo[0], len(algo[1:]), *(p for pair in algo[1:] for p in pair)] if algo else [""]
    out += ["", f["whatIf"], "", 0, 0, 0, *f["pegBench"]]
    conditions = f["conditions"]
    out += [len(conditions), *(part for condition in conditions for part in condition)]
    out += [1, 0] if conditions else []
    out += [
        "",
        MAX_DOUBLE,
        f["lmtPriceOffset"],
        MAX_DOUBLE,
        MAX_DOUBLE,
        MAX_DOUBLE,
        0,
        "",
        "",
        "",
        MAX_DOUBLE,
    ]
    out += ["", "", "", "", 0, 0, 0, ""]
    out += [""] * sum(version >= v for v in (158, 160, 162, 166, 169))
    return out + (list(f["pegOffsets"]) if version >= 170 else [])


class Control:
    """A connection to the control port."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._file = self.sock.makefile("rb")

    def raw(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the answer."""
        self.sock.sendall(line + b"\n")
        answer = self._file.readline()
        if not answer:
            raise Closed
        found = json.loads(answer)
        assert isinstance(found, dict)
        return found

    def __call__(self, cmd: str, **more: Any) -> dict[str, Any]:
        """Send a command that must succeed."""
        answer = self.raw(json.dumps({"cmd": cmd, **more}).encode())
        assert answer["ok"], answer
        return answer

    def close(self) -> None:
        """Close the socket."""
        self._file.close()
        self.sock.close()
