"""Turn the record of a finished run into the rows of its journal.

A link is made only where the record proves it: an order's reason is a signal when it holds what the
signal then in force says of itself, and an event when it names the title of an event that was
known by then. Everything else stays text.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.analytics.trades import _FLAT, times_ns
from robo_trader.clock import to_ns
from robo_trader.journal.bulk import write_journal
from robo_trader.risk.repeats import Entry, collapse
from robo_trader.runs import csvs
from robo_trader.runs.plain import plain
from robo_trader.runs.reasons import Reasons

if TYPE_CHECKING:
    from robo_trader.engine.record import AllowedOrders, OrderRecord
    from robo_trader.records import Decision, Event, Fill, Intent, Signal, View
    from robo_trader.runs.result import Result

FILE = "journal.sqlite"
_RUN = 1
Rows = list[tuple[Any, ...]]


def write(result: Result, path: Path) -> None:
    """Write the journal of `result` to the new file `path`; raises `JournalError` when it cannot."""
    # The collector would walk through the whole run, again and again, and find nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        write_journal(path, rows_of(result))
    finally:
        if collecting:
            gc.enable()


def rows_of(result: Result) -> dict[str, Rows]:
    """Return the journal's rows by table, each value as SQLite stores it."""
    from robo_trader.engine.record import AllowedOrders

    record = result.record
    events = list(record.events_delivered)
    rows = {
        "runs": [_run(result)],
        "run_ends": [_numbered([_moments_ns(_last_time(result))], [record.state], [_failure(result)])[0]],
        "events": _events(events),
        "signals": _signals(record.signals),
        **_views(result, events),
    }
    reasons = Reasons(record.signals, events)
    if isinstance(record.decisions, AllowedOrders):
        # The decisions of a run without a guard say nothing that its orders do not say.
        decided = {"decisions": _allowed(record.decisions, record.orders, reasons)}
        decision = dict(zip(record.decisions.order_ids, range(1, len(record.decisions) + 1), strict=True))
    else:
        entries = collapse(record.decisions)
        decided = _decisions(entries, reasons)
        decision = {
            order_id: i
            for i, entry in enumerate(entries, 1)
            for order_id in entry.orders
            if not entry.decision.intent.modifies
        }
        decided["modifications"] = _modifications(entries)
    rows["halts"] = _halts(result)
    return {**rows, **decided, **_orders(result, decision, _as_asked(result)), **_account(result)}


def _as_asked(result: Result) -> Sequence[OrderRecord]:
    """Return the orders with the values that they were made with, of which a changed one has others."""
    from robo_trader.engine.record import AllowedOrders

    record = result.record
    simple = isinstance(record.decisions, AllowedOrders)
    changed = set() if simple else {d.intent.order_id for d in record.decisions if d.intent.modifies}
    if not changed:
        return record.orders
    first: dict[int, Intent] = {}
    for decision in record.decisions:
        if decision.intent.order_id in changed:
            first.setdefault(decision.intent.order_id, decision.intent)
    return [
        replace(o, size=f.size, limit=f.limit, stop=f.stop) if (f := first.get(o.order_id)) else o
        for o in record.orders
    ]


# -- values ------------------------------------------------------------------------------------


def _numbered(*columns: Sequence[Any]) -> Rows:
    """Return rows of run, number and `columns`."""
    n = len(columns[0])
    return list(zip([_RUN] * n, range(1, n + 1), *columns, strict=True))


def exact(values: Sequence[Any]) -> list[str | None]:
    """Floats as the shortest text that reads back equal; what is not finite is nothing."""
    cells = csvs.numbers(values)
    distinct = set(cells)
    if len(distinct) * 4 < len(cells):
        # Sizes repeat themselves, and looking a text up is a tenth of making it.
        texts = {cell: None if cell is None else repr(cell) for cell in distinct}
        return [texts[cell] for cell in cells]
    return [None if cell is None else repr(cell) for cell in cells]


def _moments_ns(values: Any) -> Any:
    """Integer nanoseconds UTC as the journal's text, all alike with six digits."""
    times = np.atleast_1d(np.asarray(values, dtype=np.int64)) // 1000
    texts = np.datetime_as_string(times.view("datetime64[us]"), timezone="UTC").tolist()
    return texts if np.ndim(values) else texts[0]


def _moments(values: Iterable[datetime | None]) -> list[str | None]:
    given = list(values)
    there = [i for i, value in enumerate(given) if value is not None]
    out: list[str | None] = [None] * len(given)
    texts = _moments_ns(times_ns(value for value in given if value is not None)) if there else []
    for i, text in zip(there, texts, strict=True):
        out[i] = text
    return out


def _json(value: Any) -> str:
    import json

    return json.dumps(
        plain(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def _clean(text: str) -> str:
    """Return text that a database can hold: a lone surrogate in a headline must not cost a run."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")


# -- tables ------------------------------------------------------------------------------------


def _run(result: Result) -> tuple[Any, ...]:
    info = result.info
    return (
        _RUN, result.id, "backtest", info.strategy, _clean(info.command), _moments([info.started])[0],
        exact([result.record.starting_cash])[0], None, _json(info.params), _json(info.config),
        _json(info.versions),
    )  # fmt: skip


def _last_time(result: Result) -> int:
    times = result.record.sessions.time
    return int(times[-1]) if len(times) else to_ns(result.info.started)


def _failure(result: Result) -> str:
    failure = result.record.failure
    return "" if failure is None else _clean(failure.message)


def _events(events: Sequence[Event]) -> Rows:
    def column(name: str) -> list[Any]:
        return list(map(attrgetter(name), events))

    return _numbered(
        [event.id or f"event-{i}" for i, event in enumerate(events, 1)],
        [_clean(kind) for kind in column("kind")],
        [_clean(title) for title in column("title")],
        [_json(symbols) if symbols else "[]" for symbols in column("symbols")],
        [_clean(body) for body in column("body")],
        [_clean(url) for url in column("url")],
        [_json(data) if data else "{}" for data in column("data")],
        _moments(column("published_at")),
        _moments(column("event_time")),
        _moments(column("known_at")),
        column("source"),
        column("revision_of"),
    )


def _signals(signals: Sequence[Signal]) -> Rows:
    return _numbered(
        _moments(s.at for s in signals),
        [s.symbol for s in signals],
        [s.name for s in signals],
        [s.value for s in signals],
        [s.confidence for s in signals],
        _moments(s.expires_at for s in signals),
    )


def _views(result: Result, events: Sequence[Event]) -> dict[str, Rows]:
    """The views that the run knew, and which events and views stand behind which signal."""
    views = result.record.views
    number = {event.id: i for i, event in enumerate(events, 1)}
    by_event: dict[str | None, list[int]] = {}
    for i, view in enumerate(views, 1):
        by_event.setdefault(view.event_id, []).append(i)
    evidence = []
    for i, signal in enumerate(result.record.signals, 1):
        for event_id in signal.evidence:
            about = [v for v in by_event.get(event_id, ()) if _stands_behind(views[v - 1], signal)]
            evidence += [(i, number.get(event_id), view) for view in about or (None,)]
    linked = [row for row in evidence if row[1] is not None or row[2] is not None]
    found = {"signal_evidence": _numbered(*zip(*linked, strict=True))} if linked else {}
    if views:
        found["views"] = _numbered(
            [number.get(v.event_id) for v in views],
            _moments(v.at for v in views),
            [v.analyst or "" for v in views],
            [v.symbol for v in views],
            [v.score for v in views],
            [v.confidence for v in views],
            [v.horizon.total_seconds() for v in views],
            [_clean(v.because) for v in views],
            [v.in_sample for v in views],
            [v.model for v in views],
            [v.prompt_hash for v in views],
        )
    return found


def _stands_behind(view: View, signal: Signal) -> bool:
    """Tell whether a signal that has the view's event as evidence can have been made of the view."""
    return (
        view.symbol in (signal.symbol, "*")
        and signal.name in ("news", view.analyst)
        and (view.at is None or view.at <= signal.at)
    )


def _allowed(decisions: AllowedOrders, orders: Sequence[OrderRecord], reasons: Reasons) -> Rows:
    of = [orders[order_id - 1] for order_id in decisions.order_ids]
    linked = [reasons.find(o.symbol, o.because, at) for o, at in zip(of, decisions.times, strict=True)]
    sizes, n = exact([o.size for o in of]), len(of)
    return _numbered(
        _moments_ns(np.array(decisions.times, dtype=np.int64)),
        [o.symbol for o in of],
        [o.side for o in of],
        sizes,
        sizes,
        ["allow"] * n,
        [signal for signal, _ in linked],
        [event for _, event in linked],
        ["[]"] * n,
        [1] * n,
    )


def _decisions(entries: Sequence[Entry], reasons: Reasons) -> dict[str, Rows]:
    """Decisions and what the rules said of them; of refusals that repeat themselves the first."""
    decisions = [entry.decision for entry in entries]
    intents = [d.intent for d in decisions]
    times = times_ns(intent.time for intent in intents)
    linked = [
        reasons.find(intent.symbol, intent.because, at)
        for intent, at in zip(intents, times.tolist(), strict=True)
    ]
    decided = [
        d.intent.size if d.action == "allow" else d.size if d.action == "resize" else 0.0 for d in decisions
    ]
    rows = _numbered(
        _moments_ns(times),
        [intent.symbol for intent in intents],
        [intent.side for intent in intents],
        exact([intent.size for intent in intents]),
        exact(decided),
        [d.action for d in decisions],
        [signal for signal, _ in linked],
        [event for _, event in linked],
        [_json(d.reasons) if d.reasons else "[]" for d in decisions],
        [entry.count for entry in entries],
    )
    return {"decisions": rows, "guard_answers": _answers(decisions)}


def _modifications(entries: Sequence[Entry]) -> Rows:
    """What orders were changed to: in a backtest a change holds at once, or was refused."""
    changes = [(i, e.decision) for i, e in enumerate(entries, 1) if e.decision.intent.modifies]
    if not changes:
        return []
    intents = [d.intent for _, d in changes]
    passed = [d.action != "veto" for _, d in changes]
    return _numbered(
        [intent.order_id for intent in intents],
        [i for i, _ in changes],
        [None] * len(changes),
        _moments_ns(times_ns(intent.time for intent in intents)),
        ["holds" if ok else "refused" for ok in passed],
        exact([d.intent.filled + (d.size or d.intent.size) for _, d in changes]),
        exact([intent.limit for intent in intents]),
        exact([intent.stop for intent in intents]),
        [
            _clean(d.intent.because if ok else "; ".join(d.reasons))
            for ok, (_, d) in zip(passed, changes, strict=True)
        ],
    )


def _answers(decisions: Sequence[Decision]) -> Rows:
    numbers = [i for i, decision in enumerate(decisions, 1) for _ in decision.answers]
    said = [answer for decision in decisions for answer in decision.answers]
    return _numbered(
        numbers,
        [answer.rule for answer in said],
        [answer.action for answer in said],
        exact([answer.size for answer in said]),
        csvs.numbers([answer.limit for answer in said]),
        csvs.numbers([answer.seen for answer in said]),
        [_clean(answer.reason) for answer in said],
        [_json(answer.numbers) if answer.numbers else "{}" for answer in said],
    )


def _halts(result: Result) -> Rows:
    halts = result.info.halts
    return [
        (f"{result.id}-{i}", _RUN, at, halt.state, _clean(halt.who), _clean(halt.why), halt.rule or None)
        for i, (halt, at) in enumerate(zip(halts, _moments(h.when for h in halts), strict=True), 1)
    ]


def _orders(result: Result, decision: Mapping[int, int], orders: Sequence[OrderRecord]) -> dict[str, Rows]:
    """`decision` has the number of each order's decision."""
    hex_ = result.id.rpartition("-")[2]
    # An order's number is its id, so that everybody means the same by it.
    rows = [
        (_RUN, *rest)
        for rest in zip(
            [o.order_id for o in orders],
            [f"{hex_}-{o.order_id}" for o in orders],
            [decision.get(o.order_id) for o in orders],
            _moments_ns(np.array([o.time for o in orders], dtype=np.int64)),
            [o.symbol for o in orders],
            [o.side for o in orders],
            [o.type for o in orders],
            exact([o.size for o in orders]),
            exact([o.limit for o in orders]),
            exact([o.stop for o in orders]),
            [o.parent for o in orders],
            [o.oco for o in orders],
            [_clean(o.because) for o in orders],
            strict=True,
        )
    ]
    states = _numbered(
        [o.order_id for o in orders],
        [None] * len(orders),
        [o.status for o in orders],
        exact([o.filled for o in orders]),
        [_clean(o.reason) for o in orders],
    )
    return {"orders": rows, "order_states": states, **_fills(result)}


def _fills(result: Result) -> dict[str, Rows]:
    fills = result.record.fills
    positions, spans = _walk(fills)
    rows = _numbered(
        [f.order_id for f in fills],
        [None] * len(fills),
        _moments_ns(times_ns(f.time for f in fills)),
        [f.symbol for f in fills],
        [f.side for f in fills],
        exact([f.size for f in fills]),
        exact([f.price for f in fills]),
        exact([f.commission for f in fills]),
        positions,
        [None] * len(fills),
    )
    return {"fills": rows, "trades": _trades(result, spans)}


def _walk(fills: Sequence[Fill]) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the position after each fill, and each trade's first and last fill (numbers).

    Trades are told apart as `analytics.build_trades` does, in the same floats; positions are summed
    exactly, and what is left when a trade ends is no position.
    """
    positions: list[str] = []
    spans: list[tuple[int, int]] = []
    # By symbol: the trade, its direction, entered, exited, fills, and the exact position.
    open_: dict[str, _Open] = {}
    for number, fill in enumerate(fills, 1):
        size, direction = fill.size, 1 if fill.side == "BUY" else -1
        now = open_.get(fill.symbol)
        if now is not None:
            spans[now.trade] = (spans[now.trade][0], number)
            if now.direction != direction:
                left = now.entered - now.exited
                tolerance = now.entered * max(_FLAT, 1e-15 * now.fills)
                if size < left - tolerance:
                    now.exited += size
                    size = 0.0
                else:
                    del open_[fill.symbol]
                    size = 0.0 if size <= left + max(tolerance, _FLAT * size) else size - left
                    if not size:
                        positions.append("0")
                        continue
                    now = None
        if now is None:
            now = open_[fill.symbol] = _Open(len(spans), direction)
            spans.append((number, number))
            now.exact = Decimal(repr(size)) * direction
        else:
            now.exact += Decimal(repr(fill.size)) * direction
        now.entered += size
        now.fills += 1
        positions.append(str(now.exact))
    return positions, spans


@dataclass(slots=True)
class _Open:
    """A trade that is still open, while fills are walked through."""

    trade: int
    direction: int
    entered: float = 0.0
    exited: float = 0.0
    fills: int = 0
    exact: Decimal = Decimal(0)


def _trades(result: Result, spans: Sequence[tuple[int, int]]) -> Rows:
    trades = result.trades.rows
    return _numbered(
        [t.symbol for t in trades],
        [t.side for t in trades],
        exact([t.size for t in trades]),
        _moments(t.entry_time for t in trades),
        exact([t.entry_price for t in trades]),
        _moments(t.exit_time for t in trades),
        exact([t.exit_price for t in trades]),
        exact([t.pnl for t in trades]),
        exact([t.commission for t in trades]),
        exact([t.pnl_net for t in trades]),
        [t.bars for t in trades],
        [_clean(t.because) for t in trades],
        [first for first, _ in spans],
        [last for _, last in spans],
    )


def _account(result: Result) -> dict[str, Rows]:
    daily, sessions = result.daily, result.record.sessions
    times = _moments_ns(daily.time)
    dates = daily.dates.astype(str).tolist()
    equity = _numbered(
        dates,
        times,
        exact(daily.value.tolist()),
        exact(daily.cash.tolist()),
        csvs.numbers(daily.returns.tolist()),
    )
    changed: list[tuple[int, str, float, float]] = []
    for symbol, sizes in sessions.sizes.items():
        prices = sessions.prices[symbol]
        for i in np.nonzero(np.diff(sizes, prepend=0.0))[0].tolist():
            changed.append((i, symbol, float(sizes[i]), float(prices[i])))
    changed.sort()
    positions = _numbered(
        [times[i] for i, *_ in changed],
        [dates[i] for i, *_ in changed],
        [symbol for _, symbol, _, _ in changed],
        exact([size for _, _, size, _ in changed]),
        exact([price for *_, price in changed]),
        ["fills"] * len(changed),
    )
    return {"daily_equity": equity, "positions": positions}
