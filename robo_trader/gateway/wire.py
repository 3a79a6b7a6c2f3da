"""The wire: length-prefixed frames of NUL-terminated text fields, read and written.

A frame is a 4-byte big-endian length and that many bytes. Everything in it is text; an empty field
means "no value". What cannot be read raises `WireError`, which says which field and what was in it;
the session answers it and lives on. Frames above a limit are never read into memory.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from robo_trader.errors import GatewayError

if TYPE_CHECKING:
    import asyncio

#: What the protocol's libraries compare with as text: the largest double, the largest 32-bit integer.
UNSET_DOUBLE = "1.7976931348623157e+308"
UNSET_INTEGER = "2147483647"
_UNSET = frozenset({"", UNSET_DOUBLE, "1.7976931348623157E308", UNSET_INTEGER, "9223372036854775807"})
_LENGTH = struct.Struct(">I")


class WireError(GatewayError):
    """A frame that is not what the protocol says: a missing, superfluous or unreadable field."""


def encode(*fields: Any) -> bytes:
    """Return a whole frame: None is empty, booleans are 1 and 0, floats their shortest text."""
    payload = "".join(f"{_text(field)}\0" for field in fields).encode("utf-8", "replace")
    return _LENGTH.pack(len(payload)) + payload


def frame(payload: bytes) -> bytes:
    """Return `payload` with its length in front."""
    return _LENGTH.pack(len(payload)) + payload


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).replace("\0", "")


def number(value: float) -> str:
    """Return the shortest text that reads back as `value`, to the bit; infinity has a word of its own."""
    if math.isinf(value):
        return "Infinite"
    if math.isnan(value):
        return ""
    return repr(float(value))


def words(text: str) -> str:
    """Return prose for a client: ASCII, other characters escaped, backslashes doubled.

    Clients decode such fields with Python's ``unicode-escape``.
    """
    return text.encode("unicode_escape").decode("ascii")


def size(value: float, version: int) -> str:
    """Return a size of market data: a plain integer below version 163, a decimal from it on."""
    if version < 163:
        return str(int(value))
    return str(int(value)) if value == int(value) else repr(float(value))


class Fields:
    """The fields of one frame, taken from front to back."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts
        self._at = 0
        #: The request or order that the message is about, -1 while it is not known: errors name it.
        self.subject = -1

    @classmethod
    def of(cls, payload: bytes) -> Fields:
        """Return the fields of a frame's payload; the last one must be terminated."""
        if not payload.endswith(b"\0"):
            raise WireError(f"a frame of {len(payload)} bytes does not end with a NUL byte")
        return cls(payload[:-1].decode("utf-8", "backslashreplace").split("\0"))

    def __len__(self) -> int:
        return len(self._parts) - self._at

    def text(self) -> str:
        """Take a field as it is."""
        if self._at >= len(self._parts):
            raise WireError(f"the message ends after {len(self._parts)} fields; one more was expected")
        self._at += 1
        return self._parts[self._at - 1]

    @property
    def at(self) -> int:
        """The number of the field taken last, from 1."""
        return self._at

    def request(self) -> int:
        """Take the id of a request or order, and keep it as what the message is about."""
        self.subject = self.integer(-1)
        return self.subject

    def integer(self, default: int = 0) -> int:
        """Take an integer; an empty or unset field is `default`."""
        text = self.text()
        if text in _UNSET:
            return default
        try:
            return int(text)
        except ValueError:
            raise WireError(f"field {self._at} holds {text[:40]!r}, not an integer") from None

    def real(self, default: float = 0.0) -> float:
        """Take a number; an empty or unset field is `default`."""
        return as_real(self.text(), default, self._at)

    def flag(self) -> bool:
        """Take a boolean."""
        return self.text() not in ("", "0", "false", "False")

    def unset(self) -> str:
        """Take a field as text, with every way of saying "no value" made empty."""
        text = self.text()
        return "" if text in _UNSET else text

    def skip(self, count: int) -> None:
        """Leave out `count` fields."""
        for _ in range(count):
            self.text()

    def count(self, most: int = 1000) -> int:
        """Take the length of a list; an unbelievable one is refused."""
        found = self.integer()
        if not 0 <= found <= most:
            raise WireError(f"field {self._at} announces {found} items; 0 to {most} are allowed")
        return found

    def done(self) -> None:
        """Assert that nothing is left over."""
        if len(self):
            raise WireError(
                f"{len(self)} fields are left over, beginning with {self._parts[self._at][:40]!r}"
            )


def as_real(text: str, default: float = 0.0, at: int = 0) -> float:
    """Return a field's number; empty and unset are `default`, not-a-number is refused."""
    if text in _UNSET:
        return default
    if text == "Infinite":
        return math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise WireError(f"field {at} holds {text[:40]!r}, not a number")
    return value


async def read_frame(reader: asyncio.StreamReader, most: int) -> bytes:
    """Return the next frame's payload; raise `WireError` when it is empty or longer than `most` bytes."""
    (length,) = _LENGTH.unpack(await reader.readexactly(4))
    if not 0 < length <= most:
        raise WireError(f"a frame of {length} bytes; 1 to {most} are allowed")
    return await reader.readexactly(length)


def tags(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """Return tag/value pairs in counted form: how many, then tag, value, tag, value …"""
    listed = list(pairs)
    return [len(listed), *(part for pair in listed for part in pair)]
