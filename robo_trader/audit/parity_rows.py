"""What two runs of one strategy did, side by side: decisions, orders, fills, sessions, signals, events.

Pure: two `RunRecord`s in, the places where they part out. Rows are compared symbol by symbol, in their
order, so that one difference in one symbol does not make all that follows in others differ.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from robo_trader.analytics import build_trades
from robo_trader.clock import iso, to_ns
from robo_trader.engine.record import OrderRecord, RunRecord

#: How far commissions and the account may be apart, relative to their size: sums of floats differ so much.
CLOSE = 1e-9
#: How far prices may be apart: the last bits of a float, which a price loses on the tick of the wire.
SAME_PRICE = 1e-12
#: Statuses of an order that may still be filled: a run that ends says no more of it than that.
_WORKING = frozenset({"Created", "Submitted", "Accepted"})
#: What is compared, in the order in which one thing follows from another.
KINDS = ("bars", "event", "signal", "decision", "order", "fill", "session", "end")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a run did: when (ns UTC), about which symbol, and everything that must be equal.

    `near` are numbers that may differ by `CLOSE`, a price by `SAME_PRICE`; all other fields must be the same
    to the bit. `order` is
    the id of the order that the row is about, in its own run.
    """

    time: int
    symbol: str
    fields: Mapping[str, Any]
    near: tuple[str, ...] = ()
    order: int | None = None

    def differs(self, other: Row) -> list[str]:
        """Return the names of the fields in which two rows differ."""
        names = [] if self.time == other.time else ["time"]
        for name, value in self.fields.items():
            theirs = other.fields[name]
            if name in self.near:
                if not _near(value, theirs, CLOSE):
                    names.append(name)
            elif name == "price":
                if not _near(value, theirs, SAME_PRICE):
                    names.append(name)
            elif value != theirs and not (_nan(value) and _nan(theirs)):
                names.append(name)
        return names

    def say(self, names: Sequence[str] | None = None) -> str:
        """Return the row in words; with `names`, what it says of these fields."""
        if names is None:
            told = str(
                self.fields.get("told") or ", ".join(f"{k} {_short(v)}" for k, v in self.fields.items())
            )
            return f"{told} at {iso(self.time)}"
        return ", ".join(
            iso(self.time) if name == "time" else f"{name} {_short(self.fields[name])}" for name in names
        )


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two runs part in one kind of thing about one symbol: the first rows that differ.

    `backtest` and `live` are the rows, None where one run has no such row; `fields` are those that differ;
    `rows` counts all rows of this kind and symbol that differ, this one included.
    """

    kind: str
    symbol: str
    time: int
    fields: tuple[str, ...]
    backtest: Row | None
    live: Row | None
    rows: int


def compare(backtest: RunRecord, live: RunRecord) -> list[Parting]:
    """Return where two records part: the first difference of each kind and symbol, the earliest first."""
    found: list[Parting] = []
    for kind, rows in _READERS.items():
        found += _partings(kind, list(rows(backtest)), list(rows(live)))
    return sorted(found, key=lambda one: (one.time, KINDS.index(one.kind), one.symbol))


def counts(record: RunRecord) -> dict[str, int]:
    """Return how much of each thing there is in a record."""
    return {
        "bars": record.bars_processed,
        "events": len(record.events_delivered),
        "signals": len(record.signals),
        "decisions": len(record.decisions),
        "orders": len(record.orders),
        "fills": len(record.fills),
        "trades": sum(not trade.is_open for trade in build_trades(record.fills)),
        "sessions": len(record.sessions.time),
    }


def _partings(kind: str, ours: list[Row], theirs: list[Row]) -> Iterator[Parting]:
    a, b = _by_symbol(ours), _by_symbol(theirs)
    for symbol in dict.fromkeys([*a, *b]):
        first: tuple[Row | None, Row | None, tuple[str, ...]] | None = None
        number = 0
        for x, y in zip_longest(a.get(symbol, ()), b.get(symbol, ())):
            names = tuple(x.differs(y)) if x is not None and y is not None else ("there",)
            if names:
                number += 1
                first = first or (x, y, names)
        if first is not None:
            x, y, names = first
            time = min(row.time for row in (x, y) if row is not None)
            yield Parting(kind, symbol, time, names, x, y, number)
    if len(ours) == len(theirs) and Counter(r.symbol for r in ours) == Counter(r.symbol for r in theirs):
        turned = [(x, y) for x, y in zip(ours, theirs, strict=True) if x.symbol != y.symbol]
        if turned:
            x, y = turned[0]
            yield Parting(kind, "", min(x.time, y.time), ("order of symbols",), x, y, len(turned))


def _by_symbol(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.symbol].append(row)
    return found


# -- what a record holds -----------------------------------------------------------------------------------


def _decisions(record: RunRecord) -> Iterator[Row]:
    for decision in record.decisions:
        i = decision.intent
        size = i.size if decision.size is None else decision.size
        what = "change" if i.modifies else "order"
        fields = {
            "side": i.side, "asked": i.size, "decided": size, "action": decision.action,
            "reasons": "; ".join(decision.reasons), "type": i.type, "limit": i.limit, "stop": i.stop,
            "parent": _apart(i.parent, i.order_id), "oco": _apart(i.oco, i.order_id), "because": i.because,
            "what": what, "filled": i.filled,
            "told": f"{decision.action} {what} {i.side} {i.size:g} {i.symbol} {i.type}",
        }  # fmt: skip
        yield Row(to_ns(i.time), i.symbol, fields, order=i.order_id)


def _orders(record: RunRecord) -> Iterator[Row]:
    for o in record.orders:
        status = "working" if o.status in _WORKING else o.status
        fields = {
            "side": o.side, "type": o.type, "size": o.size, "limit": o.limit, "stop": o.stop,
            "parent": _apart(o.parent, o.order_id), "oco": _apart(o.oco, o.order_id), "status": status,
            "filled": o.filled, "because": o.because, "told": _tell(o, status),
        }  # fmt: skip
        yield Row(o.time, o.symbol, fields, order=o.order_id)


def _tell(o: OrderRecord, status: str) -> str:
    prices = "".join(f" {k} {v:g}" for k, v in (("limit", o.limit), ("stop", o.stop)) if v is not None)
    return f"{o.side} {o.size:g} {o.symbol} {o.type}{prices} ({status})"


def _fills(record: RunRecord) -> Iterator[Row]:
    for f in record.fills:
        fields = {
            "side": f.side, "size": f.size, "price": f.price, "commission": f.commission,
            "because": f.because, "told": f"{f.side} {f.size:g} {f.symbol} filled at {f.price:.10g}",
        }  # fmt: skip
        yield Row(to_ns(f.time), f.symbol, fields, ("commission",), f.order_id)


def _sessions(record: RunRecord) -> Iterator[Row]:
    s = record.sessions
    dates = s.date.astype(str).tolist()
    for i, time in enumerate(s.time.tolist()):
        fields = {"date": dates[i], "value": float(s.value[i]), "cash": float(s.cash[i])}
        fields |= {f"size of {name}": float(sizes[i]) for name, sizes in sorted(s.sizes.items())}
        yield Row(time, "", fields, ("value", "cash"))


def _signals(record: RunRecord) -> Iterator[Row]:
    for s in record.signals:
        fields = {
            "name": s.name, "value": s.value, "confidence": s.confidence, "evidence": s.evidence,
            "expires": None if s.expires_at is None else iso(to_ns(s.expires_at)),
        }  # fmt: skip
        yield Row(to_ns(s.at), s.symbol, fields)


def _events(record: RunRecord) -> Iterator[Row]:
    for event in record.events_delivered:
        known = event.known_at or event.published_at
        yield Row(to_ns(known), "", {"id": event.id, "kind": event.kind, "title": event.title})


def _bars(record: RunRecord) -> Iterator[Row]:
    yield Row(0, "", {"bars": record.bars_processed})


def _end(record: RunRecord) -> Iterator[Row]:
    yield Row(0, "", {"state": record.state})


_READERS: dict[str, Callable[[RunRecord], Iterator[Row]]] = {
    "bars": _bars,
    "event": _events,
    "signal": _signals,
    "decision": _decisions,
    "order": _orders,
    "fill": _fills,
    "session": _sessions,
    "end": _end,
}


def _apart(other: int | None, own: int) -> int | None:
    """Return how many orders ago a parent or leader was made: ids themselves shift with other symbols'."""
    return None if other is None else own - other


def _near(a: float, b: float, within: float) -> bool:
    return a == b or (_nan(a) and _nan(b)) or math.isclose(a, b, rel_tol=within, abs_tol=within)


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _short(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else repr(value) if value == "" else str(value)
