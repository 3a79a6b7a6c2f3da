"""Requests of the protocol that this gateway does not serve: each is told so by its own id.

A client waits for the end of a request that it made; an error without the request's id would let it
wait for ever.
"""

from __future__ import annotations

from robo_trader.gateway.wire import Fields

#: Message id: (name, fields before the request's id; None where there is no such id).
_KNOWN: dict[int, tuple[str, int | None]] = {
    18: ("requestFA", None),
    19: ("replaceFA", 3),
    21: ("exerciseOptions", 1),
    22: ("reqScannerSubscription", 0),
    24: ("reqScannerParameters", None),
    52: ("reqFundamentalData", 1),
    54: ("calculateImpliedVolatility", 1),
    55: ("calculateOptionPrice", 1),
    67: ("queryDisplayGroups", 1),
    68: ("subscribeToGroupEvents", 1),
    69: ("updateDisplayGroup", 1),
    74: ("reqPositionsMulti", 1),
    79: ("reqSoftDollarTiers", 0),
    80: ("reqFamilyCodes", None),
    88: ("reqHistogramData", 0),
    100: ("reqWshMetaData", 0),
    102: ("reqWshEventData", 0),
}
#: Cancellations of these: there is nothing to cancel, and nothing to say.
_CANCELLATIONS = frozenset({23, 53, 56, 57, 70, 75, 89, 101, 103})


def answer(kind: int, fields: Fields) -> tuple[int, int, str] | None:
    """Return (request id, error code, text) for a message that has no handler; None for a cancellation."""
    if kind in _CANCELLATIONS:
        return None
    if kind not in _KNOWN:
        return -1, 505, f"Fatal Error: Unknown message id {kind}."
    name, before = _KNOWN[kind]
    if before is not None:
        fields.skip(before)
        fields.request()
    return fields.subject, 321, f"Error validating request.-'sim' : cause - {name} is not served here"
