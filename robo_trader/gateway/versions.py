"""Protocol versions: what is spoken, and from which version a field exists.

Everything is text from 157 to 178. Above that come protobuf bodies, which no supported client needs.
The numbers were exercised on the wire with ib_insync 0.9.86, ib_async 2.1 and ibapi 9.81 and 10.46.
"""

from __future__ import annotations

import re

MIN_VERSION, MAX_VERSION = 157, 178

FRACTIONAL_SIZES = 163
SIZE_RULES = 164
HISTORICAL_SCHEDULE = 165
ADVANCED_REJECT = 166
MANUAL_ORDER_TIME = 169
PEG_OFFSETS = 170
INSTRUMENT_ZONE = 174
BOND_ISSUER = 176
PENDING_PRICE_REVISION = 178

_RANGE = re.compile(r"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: .*)?", re.DOTALL)


def proposal(text: str) -> tuple[int, int] | None:
    """Return (lowest, highest) of a client's ``v157..178 +OPTS``; None where it is nothing of the kind."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    low = int(match[1])
    return low, int(match[2] or low)


def negotiated(low: int, high: int, highest: int = MAX_VERSION) -> int | None:
    """Return the version to speak with a client, or None where the two have none in common."""
    version = min(high, highest)
    return version if version >= max(low, MIN_VERSION) else None
