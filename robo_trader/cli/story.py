"""Why did it trade? The chain from event to order to fill to trade, read from a run's own tables.

Everything here works on a run's journal, or its CSV tables where it has none, and returns plain
facts (`*_facts`, for ``--json``) or lines of text made from the same facts. Nothing is guessed: a story
says what the tables say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.cli.chain import changes_of, guard_lines, steps_before
from robo_trader.cli.parts import FLAT, Part
from robo_trader.clock import from_ns, iso
from robo_trader.runs.writing import outcome

if TYPE_CHECKING:
    from robo_trader.analytics import Trade
    from robo_trader.cli.found import Found
    from robo_trader.cli.sources import JournalTables, Source
    from robo_trader.engine.record import OrderRecord
    from robo_trader.runs import StoredRun


def facts_of(found: Found, kind: str, number: int = 0) -> dict[str, Any]:
    """Return the facts about a trade, an order or (any other `kind`) the whole run."""
    if kind not in ("trade", "order") and found.run is not None:
        return run_facts(found.run)
    with _source_of_found(found) as (source, row):
        if kind not in ("trade", "order"):
            return session_facts(source, row)
        return trade_facts(source, number) if kind == "trade" else order_facts(source, number)


def lines_of(found: Found, kind: str, number: int = 0) -> list[str]:
    """Return the story of a trade, an order or (any other `kind`) the whole run or session as lines."""
    if found.run is not None:
        return story_of(found.run, kind, number)
    with _source_of_found(found) as (source, row):
        if kind not in ("trade", "order"):
            return run_lines(session_facts(source, row))
        return trade_story(source, number) if kind == "trade" else order_story(source, number)


@contextmanager
def _source_of_found(found: Found) -> Iterator[tuple[Any, dict[str, Any]]]:
    if found.run is not None:
        with source_of(found.run) as source:
            yield source, {}
        return
    from robo_trader.cli.sources import JournalTables

    with found.reading() as (reader, number):
        row = next(row for row in reader.runs() if row["number"] == number)
        yield JournalTables(reader, row), row


def story_of(run: StoredRun, kind: str, number: int = 0) -> list[str]:
    """Return the story of a trade, an order or (any other `kind`) the whole run as lines."""
    if kind not in ("trade", "order"):
        return run_story(run)
    with source_of(run) as source:
        return trade_story(source, number) if kind == "trade" else order_story(source, number)


@contextmanager
def source_of(run: StoredRun) -> Iterator[Source]:
    """Give what answers questions about `run`: its journal, or its tables where it has none."""
    from robo_trader.cli.sources import JournalTables, Tables

    path = run.run_dir / "journal.sqlite"
    if not path.is_file():
        yield Tables(run)
        return
    from robo_trader.errors import JournalError
    from robo_trader.journal.reading import read_file

    try:
        reader = read_file(path)
    except JournalError as error:
        out.note(f"{error.message}; this is told from the CSV files", label="warning")
        yield Tables(run)
        return
    with reader:
        row = reader.run(run.id)
        yield Tables(run) if row is None else JournalTables(reader, row)


def plain_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as plain JSON values, every time as ISO-8601 text."""
    from robo_trader.engine.record import OrderRecord
    from robo_trader.runs.plain import plain

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        shown = plain(value)
        return {**shown, "time": iso(value.time)} if isinstance(value, OrderRecord) else shown

    return {key: walk(item) for key, item in facts.items()}


# -- a trade ------------------------------------------------------------------------------------


def trade_facts(source: Source, number: int) -> dict[str, Any]:
    """Return the trade with its orders and fills in the order in which they happened."""
    trade = source.trade(number)
    parts = source.parts(trade)
    wanted = sorted({part.fill.order_id for part in parts})
    orders = [source.order(order) for order in wanted]
    chains = {order: chain for order in wanted if (chain := source.chain(order)) is not None}
    return {"run": source.id, "trade": trade, "orders": orders, "fills": parts, "chains": chains}


def trade_story(source: Source, number: int) -> list[str]:
    """Return the trade's story as lines."""
    facts = trade_facts(source, number)
    trade: Trade = facts["trade"]
    lines = [f"Trade {trade.trade_id} of {source.last_trade()}: {_trade_headline(trade)}", ""]
    lines += _steps(facts["orders"], facts["fills"], facts["chains"])
    lines += ["", _result(trade)]
    return lines


def _steps(orders: Sequence[OrderRecord], parts: Sequence[Part], chains: dict[int, Any]) -> Iterator[str]:
    """Yield everything that happened around `orders`, in the order in which it did."""
    asked = {order.order_id: order for order in orders}
    shown: set[tuple[str, int]] = set()
    steps = [step for chain in chains.values() for step in steps_before(chain, shown)]
    steps += [(from_ns(order.time), 0, _order_step(order, chains.get(order.order_id))) for order in orders]
    steps += [step for chain in chains.values() for step in changes_of(chain)]
    steps += [(part.fill.time, 1, _fill_step(part, asked)) for part in parts]
    return _timeline(sorted(steps, key=lambda step: step[:2]))


def _trade_headline(trade: Trade) -> str:
    verb = "bought" if trade.side == "BUY" else "sold short"
    held = "closed"
    if trade.bars is not None:
        held = f"held for {trade.bars:,} {'bar' if trade.bars == 1 else 'bars'}"
    ended = "still open at the end" if trade.exit_time is None else held
    outcome = "" if trade.pnl_net is None else f", {money(trade.pnl_net, sign=True)}"
    return f"{verb} {size(trade.size)} {trade.symbol}, {ended}{outcome}"


def _result(trade: Trade) -> str:
    if trade.pnl is None or trade.pnl_net is None:
        return "Result: unknown, it was open and the run has no last price."
    invested = trade.size * trade.entry_price
    moved = f", {trade.pnl / invested * 100:+.2f} % of the entry" if invested else ""
    so_far = " so far, at the last price" if trade.exit_time is None else ""
    cost = f" after {money(trade.commission)} commission" if trade.commission else ""
    return f"Result: {money(trade.pnl_net, sign=True)}{cost}{moved}{so_far}."


# -- an order -----------------------------------------------------------------------------------


def order_facts(source: Source, number: int) -> dict[str, Any]:
    """Return the order with its fills, its family and the trades that it took part in."""
    order = source.order(number)
    chain = source.chain(number)
    return {
        "run": source.id,
        "order": order,
        "fills": source.fills_of(number),
        "family": source.family(order),
        "trades": source.shares(number),
        **({"chain": chain} if chain is not None else {}),
    }


def order_story(source: Source, number: int) -> list[str]:
    """Return the order's story as lines."""
    facts = order_facts(source, number)
    order: OrderRecord = facts["order"]
    lines = [f"Order {order.order_id} of {source.last_order()}: {_ask(order)}: {_outcome(order)}", ""]
    parts = [Part(fill, "entry", fill.size) for fill in facts["fills"]]
    lines += _steps([order], parts, {number: facts["chain"]} if "chain" in facts else {})
    if facts["family"]:
        lines += ["", "Belongs together with"]
        lines += [f"  order {other.order_id}: {_ask(other)}: {_outcome(other)}" for other in facts["family"]]
    for found in facts["trades"]:
        verb = "entered" if found["role"] == "entry" else "left"
        part = f" with {size(found['size'])}" if found["size"] < order.filled * (1 - FLAT) else ""
        trade = found["trade_id"]
        said = f"robo explain trade {trade} --run {facts['run'].rpartition('-')[2]}"
        lines += ["", f"It {verb} trade {trade}{part}: '{said}' tells that story"]
    return lines


def _ask(order: OrderRecord) -> str:
    prices = [
        f"{word} {price(value)}" for word, value in (("limit", order.limit), ("stop", order.stop)) if value
    ]
    return " ".join([order.side, size(order.size), order.symbol, order.type, *prices])


def _outcome(order: OrderRecord) -> str:
    partly = f", {size(order.filled)} filled" if 0 < order.filled < order.size else ""
    reason = f" ({order.reason})" if order.reason else ""
    return f"{order.status}{partly}{reason}"


def _order_step(order: OrderRecord, chain: Any) -> str:
    guard, ask = guard_lines(chain), _ask(order)
    if chain is not None and chain["modifications"]:
        made = chain["order"]
        limit, stop = (
            None if made[name] is None else float(made[name]) for name in ("limit_price", "stop_price")
        )
        ask = _ask(replace(order, size=float(made["size"]), limit=limit, stop=stop))
    because = (
        f"\nbecause {order.because}"
        if order.because
        else "\nno reason was given (pass because= with an order)"
    )
    end = "" if order.status == "Completed" else f"\n{_outcome(order)}"
    said = "".join(f"\n{line}" for line in guard)
    return f"order {order.order_id}: {ask}{because}{said}{end}"


def _fill_step(part: Part, orders: dict[int, OrderRecord]) -> str:
    fill = part.fill
    order = orders.get(fill.order_id)
    waited = f", {duration(fill.time - from_ns(order.time))} after its order" if order else ""
    cost = f", commission {money(fill.commission)}" if fill.commission else ""
    of = f" ({size(part.size)} of it here)" if part.size < fill.size * (1 - FLAT) else ""
    return f"filled: {fill.side} {size(fill.size)} {fill.symbol} at {price(fill.price)}{of}{cost}{waited}"


# -- a run --------------------------------------------------------------------------------------


def run_facts(run: StoredRun) -> dict[str, Any]:
    """Return what the run did: counts of orders by status and reason, its best and worst trades."""
    found, counts = run.document.get("outcome"), run.document.get("counts") or {}
    if not isinstance(found, dict) or not {"orders", "fills", "trades"} <= set(counts):
        # Written by an earlier version: all there is to know stands in the tables.
        found = outcome(run.orders, run.trades)
        counts = {"orders": len(run.orders), "fills": len(run.fills), "trades": len(run.trades)}
    with source_of(run) as source:
        best, worst = (
            None if found.get(which) is None else source.find_trade(found[which])
            for which in ("best", "worst")
        )
    return {
        "run": run.id,
        "state": run.state,
        "strategy": run.strategy,
        "period": run.document.get("period"),
        "command": run.document.get("command"),
        "failure": run.document.get("failure"),
        **{name: counts[name] for name in ("orders", "fills", "trades")},
        "open_trades": found["open_trades"],
        "not_filled": found["not_filled"],
        "reasons": found["reasons"],
        "best": best,
        "worst": worst,
        "halts": run.document.get("halts", []),
        "warnings": run.document.get("warnings", []),
    }


def session_facts(source: JournalTables, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a paper or live session did so far; `row` is its row of `Reader.runs`."""
    found = outcome(source.all_orders(), source.trades)
    chosen = {
        which: None if found[which] is None else source.trade(found[which]) for which in ("best", "worst")
    }
    return {
        "run": source.id,
        "state": row["state"],
        "strategy": row["strategy"],
        "period": None,
        "command": row["command"],
        "failure": None,
        "orders": source.last_order(),
        "fills": len(source.fills),
        "trades": len(source.trades),
        **found,
        **chosen,
        "halts": source.halts(),
        "warnings": [],
        "sessions": source.sessions(),
    }


def run_story(run: StoredRun) -> list[str]:
    """Return the run's story as lines."""
    return run_lines(run_facts(run))


def run_lines(facts: dict[str, Any]) -> list[str]:
    """Return the story of a run or a session from its facts."""
    period = facts["period"] or {}
    spell = f", {period['first']} to {period['last']}" if period.get("first") else ""
    lines = [f"Run {facts['run']}: {facts['strategy']}, {facts['state']}{spell}", ""]
    if facts["failure"]:
        lines += [f"It stopped early: {_failure(facts['failure'])}", ""]
    lines.append(
        f"{facts['orders']:,} orders gave {facts['fills']:,} fills and {facts['trades']:,} trades"
        + (f", {facts['open_trades']:,} of them still open" if facts["open_trades"] else "")
        + "."
    )
    lines += [f"  {count:,} × {what}" for what, count in facts["not_filled"].items()]
    if facts["reasons"]:
        lines += ["", "The commonest reasons given"]
        lines += [f"  {count:,} × {text}" for text, count in facts["reasons"].items()]
    chosen = {"Best": facts["best"], "Worst": facts["worst"]}
    named = {word: trade for word, trade in chosen.items() if trade is not None}
    if named:
        lines.append("")
        lines += [
            f"{word} trade: {trade.trade_id}, {_trade_headline(trade)}" for word, trade in named.items()
        ]
    if facts["halts"]:
        lines += ["", *halt_lines(facts["halts"])]
    if facts.get("sessions"):
        lines += ["", *session_lines(facts["sessions"])]
    return lines


def session_lines(sessions: Sequence[Mapping[str, Any]], most: int = 40) -> list[str]:
    """Return the last `most` sessions of a run: when, how they ended, how long they lived."""
    lived = sum(one["alive_s"] for one in sessions)
    count = "1 session" if len(sessions) == 1 else f"{len(sessions):,} sessions"
    lines = [f"{count}, alive for {_span(lived)} by heartbeats"]
    if len(sessions) > most:
        lines.append(f"  {len(sessions) - most:,} earlier ones")
    for one in sessions[-most:]:
        start = datetime.fromisoformat(one["start"])
        where = "simulated" if one["simulated"] else one["place"] or "nowhere"
        sent = "" if one["send"] else ", a preview"
        note = f": {one['note']}" if one["note"] else ""
        lived = f"alive {_span(one['alive_s'])}, online {_span(one['online_s'])}"
        lines.append(
            f"  {one['session']:>3}  {start:%Y-%m-%d %H:%M}Z  {one['state']:<11}  {lived}"
            f"  {one['account']} at {where}{sent}{note}"
        )
    return lines


def _span(seconds: float) -> str:
    """Return seconds as hours and minutes."""
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def halt_lines(halts: Sequence[Mapping[str, Any]], most: int = 100) -> list[str]:
    """Return when openings were stopped and let go, the first `most` changes; times are ISO-8601."""
    states = ["ACTIVE", *(halt["state"] for halt in halts)]
    stops = sum(1 for old, new in pairwise(states) if old == "ACTIVE" != new)
    lines = [f"Openings were stopped {'once' if stops == 1 else f'{stops:,} times'}"]
    for halt in halts[:most]:
        at = datetime.fromisoformat(halt["at"])
        lines.append(f"  {at:%Y-%m-%d %H:%M}Z  {halt['state']:<8}  {halt['why']}")
    if len(halts) > most:
        lines.append(f"  and {len(halts) - most:,} more changes: 'robo explain' tells more, the journal all")
    return lines


def _failure(failure: dict[str, Any]) -> str:
    where = f", at {failure['where']}" if failure.get("where") else ""
    return f"{failure.get('message', 'unknown')}{where}"


# -- words --------------------------------------------------------------------------------------


def _timeline(steps: Iterable[tuple[datetime, int, str]]) -> Iterator[str]:
    """Yield a line per step, times in UTC; what a step adds stands below it."""
    for at, _, text in steps:
        first, *more = text.splitlines()
        yield f"{at:%Y-%m-%d %H:%M}Z  {first}"
        yield from (f"{'':17}  {line}" for line in more)


def money(value: float, *, sign: bool = False) -> str:
    """Return an amount with thousands separated and two digits."""
    return f"{value:+,.2f}" if sign else f"{value:,.2f}"


def price(value: float) -> str:
    """Return a price with at least two digits and no more than it has."""
    short = f"{value:,.2f}"
    return short if abs(float(short.replace(",", "")) - value) < 5e-7 else f"{value:,.6f}".rstrip("0")


def size(value: float) -> str:
    """Return a size: whole ones without a point."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6f}".rstrip("0")


def duration(delta: timedelta) -> str:
    """Return a time span in its two largest units: ``17 h 30 min``, ``2 days 3 h``, ``0 s``."""
    seconds = round(delta.total_seconds())
    if seconds < 0:
        return f"{duration(-delta)} before"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    units = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (rest, "s"))
    said = [f"{amount} {unit}" for amount, unit in units if amount][:2]
    return " ".join(said) or "0 s"
