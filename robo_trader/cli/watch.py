"""How `robo status --watch` looks: the situation as a page of panels, drawn with rich.

`page` is a pure function of a situation and a width; nothing here reads a store, a journal or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from robo_trader.cli import figures
from robo_trader.cli.figures import age
from robo_trader.cli.out import harmless
from robo_trader.cli.situation import Row, Session, Situation, when
from robo_trader.cli.style import WIDEST
from robo_trader.risk.halt import ACTIVE, HALTED, Halt

#: From this many columns on, positions stand beside working orders.
_WIDE = 100
#: From this many columns on, three facts stand in a line; below `_NARROW` one.
_WIDEST, _NARROW = 116, 78
_HALT = {ACTIVE: "green", HALTED: "bold white on red"}
_ACTION = {"allow": "green", "resize": "yellow", "veto": "red"}
_SIDE = {"BUY": "green", "SELL": "magenta"}
_CELLS = 12
#: What the broker says of the whole account: the strategy's part and whatever else is in it.
_BROKER = {"NetLiquidation": "account holds", "BuyingPower": "buying power"}
#: So many rows of a block are shown where there is no room for all.
_TIGHT = 3


#: How much is shown: everything; no air and fewer rows; no fills and decisions; two lines for each session.
_ROOMY, _TIGHTER, _BRIEF, _LINES = range(4)


def fitting(now: Situation, console: Console) -> RenderableType:
    """Return the page, with the less on it the fewer lines the terminal has."""
    whole: RenderableType = ""
    everybody = len(now.current)
    tries = [(detail, most) for detail in range(_LINES + 1) for most in (None, everybody)]
    for detail, most in [*tries, *((_LINES, most) for most in range(everybody - 1, -1, -1))]:
        whole = page(now, console.width, detail, most)
        if len(console.render_lines(whole)) <= console.height:
            break
    return whole


def page(now: Situation, columns: int, detail: int = _ROOMY, most: int | None = None) -> RenderableType:
    """Return the page for a terminal of so many columns; with `most`, so many sessions and no limits."""
    width = max(40, min(columns, WIDEST))
    parts: list[RenderableType] = [_head(now, width)]
    parts += [Text(f" ! {harmless(text)}", style="yellow") for text in now.problems]
    for session in now.current[:most]:
        parts += [_session(session, now.halt, width, detail)] if detail < _LINES else _lines(session, width)
    if left := len(now.current) - len(now.current[:most]):
        parts.append(Text(f" and {left} more: a taller terminal shows them", style="yellow"))
    if not now.current:
        parts.append(Padding(Text("no session is running here", style="dim"), (1, 1)))
    if now.past:
        parts.append(Text(f" {harmless(now.past)}", style="dim"))
    if most is None:
        parts.append(_limits(now, width, detail))
    return Group(*parts)


def _head(now: Situation, width: int) -> RenderableType:
    halt = now.halt
    line = Table.grid(expand=False, padding=(0, 1))
    line.width = width
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    state = Text.assemble((f" {halt.state} ", _HALT.get(halt.state, "black on yellow")))
    rest = halt.text().removeprefix(halt.state).removeprefix(", ")
    state.append(f" {harmless(rest)}" if rest else " strategies may trade", style="default")
    line.add_row(state, Text(f"{now.at:%Y-%m-%d %H:%M:%S}Z", style="dim"))
    return line


# -- a session ------------------------------------------------------------------------------------


def _session(session: Session, halt: Halt, width: int, detail: int) -> RenderableType:
    about = session.about
    title = Text(f" {harmless(str(about.get('strategy') or session.name))} ", style="bold")
    if session.stopped or session.mode:
        title.append(f" {_badge(session)} ", style=_mode_style(session))
        title.append(" ")
    beside = 3 if width >= _WIDEST else 2 if width >= _NARROW else 1
    parts: list[RenderableType] = [_facts(session, halt, beside)]
    if about.get("blocked"):
        parts.append(Text(f"! no new orders: {harmless(str(about['blocked']))}", style="bold red"))
    parts += [Text(f"! {harmless(text)}", style="yellow") for text in session.troubles(halt)]
    if session.stopped:  # What it did is told by 'robo explain'; what it left at the broker counts.
        detail = max(detail, _BRIEF)
    most, room = None if detail == _ROOMY else _TIGHT, width - 4
    blocks = [
        _positions(about.get("positions") or {}, about.get("quotes") or {}, detail),
        _working(session.working[:most], room),
    ]
    if width >= _WIDE:
        grid = Table.grid(padding=(0, 4))
        grid.add_row(*blocks)
        blocks = [grid]
    if detail < _BRIEF and (session.fills or session.decisions):
        blocks += [_fills(session.fills[:most], room), _decisions(session.decisions[:most], room)]
    for block in blocks:
        parts += [Text(), block] if detail == _ROOMY else [block]
    border = "red" if session.silent else "dim" if session.stopped else "cyan"
    under = Text(f" {harmless(session.name)} ", style="dim")
    return Panel(
        Group(*parts), title=title, title_align="left", subtitle=under, subtitle_align="right",
        border_style=border, width=width, padding=(0, 1), box=box.ROUNDED,
    )  # fmt: skip


def _lines(session: Session, width: int) -> list[Text]:
    """Return all that matters of a session in two lines."""
    about = session.about
    first = Text.assemble(" ", (harmless(str(about.get("strategy") or session.name)), "bold"), " ")
    first.append(f" {_badge(session)} ", style=_mode_style(session)).append(" ").append_text(_alive(session))
    held = ", ".join(f"{figures.size(size)} {symbol}" for symbol, size in _held(about))
    words = [f"value {figures.money(about['value'])}"] if about.get("value") is not None else []
    words += [f"holds {held}" if held else "no position", f"{len(session.working)} working orders"]
    second = Text("    ").append("no new orders  " if about.get("blocked") else "", style="bold red")
    second.append(harmless("  ".join(words)))
    for line in (first, second):
        line.truncate(width, overflow="ellipsis")
    return [first, second]


def _held(about: Mapping[str, Any]) -> list[tuple[str, float]]:
    held = about.get("positions") or {}
    return [(symbol, figures.number(size)) for symbol, size in sorted(held.items()) if figures.number(size)]


def _badge(session: Session) -> str:
    """Return what becomes of its orders: whatever it was told, what has stopped sends nothing."""
    return "STOPPED" if session.stopped else session.mode


def _mode_style(session: Session) -> str:
    if session.stopped:
        return "bold black on white"
    if not session.about.get("send"):
        return "bold black on cyan"
    return "bold white on red" if session.real else "bold black on green"


def _facts(session: Session, halt: Halt, beside: int) -> RenderableType:
    about = session.about
    facts: list[tuple[str, Text]] = [("session", _alive(session))]
    line = about.get("line")
    if session.stopped:  # What has ended has no line.
        facts += [("was", _said(session.mode))] if session.mode else []
    elif line:
        known = Text(f"● {line}", style="green" if line == "up" else "bold red")
        # Nobody knows the line of a session that gives no sign of life.
        facts.append(("line", Text("was up", style="dim") if session.silent and line == "up" else known))
    if about.get("ib"):
        client = f", client {about['client_id']}" if about.get("client_id") is not None else ""
        facts.append(("gateway", _said(f"{about['ib']}{client}")))
    if about.get("account"):
        facts.append(("account", _said(about["account"])))
    facts += [
        (words, _said(_time(about.get(name))))
        for name, words in (("market_time", "market time"), ("last_bar", "last bar"))
        if name in about
    ]
    facts += [
        (name, _said(figures.money(about[name]))) for name in ("value", "cash") if about.get(name) is not None
    ]
    whole = about.get("broker") or {}
    facts += [(words, _said(figures.money(whole[name]))) for name, words in _BROKER.items() if name in whole]
    if halt.state != ACTIVE and halt.when is not None and not session.stopped:
        obeyed = session.obeyed is not None and session.obeyed >= halt.when
        words = "obeyed" if obeyed else f"{halt.state} not obeyed yet"
        facts.append(("halt", Text(words, style="green" if obeyed else "bold red")))
    if about.get("pid") and session.silent:
        facts.append(("process", _said(f"{about['pid']} on {about.get('host', 'this machine')}")))
    grid = Table.grid(padding=(0, 2))
    for i in range(0, len(facts), beside):
        cells: list[Text] = []
        for name, value in facts[i : i + beside]:
            cells += [Text(name, style="dim"), value]
        grid.add_row(*cells)
    return grid


def _alive(session: Session) -> Text:
    told = age(session.seconds)
    if session.stopped:
        return Text(f"stopped {told} ago", style="dim")
    if session.silent:
        return Text(f"● silent for {told}", style="bold red")
    phase = str(session.about.get("phase") or "alive")
    return Text.assemble((f"● {harmless(phase)}", "green"), (f", {told} ago", "dim"))


def _positions(held: Mapping[str, Any], quotes: Mapping[str, Any], detail: int) -> RenderableType:
    """Return what is held and what it is quoted at, and the quotes of what is not held."""
    rows = []
    held = {symbol: size for symbol, size in held.items() if figures.number(size)}
    for symbol in sorted({*quotes, *held}):
        size, quote = figures.number(held.get(symbol)), quotes.get(symbol) or {}
        style = "green" if size > 0 else "magenta"
        rows.append([
            _said(symbol), Text(figures.size(size), style=style) if size else Text("–", style="dim"),
            *(_said(figures.price(quote[side]) if quote.get(side) else "–") for side in ("bid", "ask")),
            _flags(quote),
        ])  # fmt: skip
    if detail >= _BRIEF or (detail == _TIGHTER and held):
        line = Text.assemble(("Positions  ", "bold"))
        for row in rows:
            if row[0].plain in held:
                line.append_text(row[0]).append(" ").append_text(row[1]).append("  ")
        return line if held else line.append("none", style="dim")
    heads = ("symbol", ">size", ">bid", ">ask", "") if quotes else ("symbol", ">size")
    return _block("Positions", heads, [row[: len(heads)] for row in rows], "none")


def _flags(quote: Mapping[str, Any]) -> Text:
    """Return what is wrong with a quote."""
    words = [word for word in ("halted", "delayed") if quote.get(word)]
    return Text(" ".join(words), style="bold red" if "halted" in words else "yellow")


def _working(orders: Sequence[Row], room: int) -> RenderableType:
    rows = []
    for row in orders:
        price = row.get("limit_price") if row.get("limit_price") is not None else row.get("stop_price")
        filled = figures.size(row["filled"]) if row.get("filled") else "–"
        rows.append([
            _said(row["number"]), _side(row["side"]), _said(figures.size(row["size"])), _said(row["symbol"]),
            _said(row["type"]), _said("–" if price is None else figures.price(price)), _said(filled),
            _said(row["status"]),
        ])  # fmt: skip
    heads = (">order", "", ">size", "symbol", "?type", ">price", "?>filled", "status")
    return _block("Working orders", heads, rows, "none", room)


def _fills(fills: Sequence[Row], room: int) -> RenderableType:
    rows = [
        [_said(_clock(row["at"])), _side(row["side"]), _said(figures.size(row["size"])), _said(row["symbol"]),
         _said(figures.price(row["price"])), _said(figures.money(row["commission"])),
         _said(row["order_number"])]
        for row in fills
    ]  # fmt: skip
    heads = ("at", "", ">size", "symbol", ">price", "?>commission", ">order")
    return _block("Last fills", heads, rows, "none yet", room)


def _decisions(decisions: Sequence[Row], room: int) -> RenderableType:
    rows = []
    for row in decisions:
        asked, decided = figures.size(row["asked"]), figures.size(row["decided"])
        action = str(row["action"])
        what = f"{action} → {decided}" if action == "resize" else action
        what += f", change of {row['changes']}" if row.get("changes") else ""
        why = "; ".join(map(str, row.get("reasons") or ())) or str(row.get("because") or "")
        times = f" (×{row['repeats']})" if (row.get("repeats") or 1) > 1 else ""
        rows.append([
            _said(_clock(row["at"])), _side(row["side"]), _said(asked), _said(row["symbol"]),
            Text(what + times, style=_ACTION.get(action, "")), _said(why),
        ])  # fmt: skip
    if room < _NARROW - 4 and rows:  # A reason cut after a word is none: each has a line of its own.
        lines: list[Text] = [Text("Last decisions", style="bold")]
        for *cells, reason in rows:
            lines += [Text("  ").join(cells), Text("  ").append_text(reason)]
        for line in lines:
            line.truncate(room, overflow="ellipsis")
        return Group(*lines)
    heads = ("at", "", ">asked", "symbol", "guard", "why")
    return _block("Last decisions", heads, rows, "none yet", room)


# -- limits ---------------------------------------------------------------------------------------


def _limits(now: Situation, width: int, detail: int) -> RenderableType:
    if now.profile == "off":
        return Text(" the risk profile is off: nothing is limited", style="bold yellow")
    busy = [row for row in now.rows if row["used"] or (row["used"] is not None and detail == _ROOMY)]
    rows = [
        [_said(row["rule"]), _said(figures.limited(row)), *map(_said, figures.limit(row)), _bar(row)]
        for row in busy
    ]
    rules = {row["rule"] for row in busy}
    idle = dict.fromkeys(
        f"{row['rule']} {figures.limit(row)[0]}".removesuffix(" –")
        for row in now.rows
        if row["rule"] not in rules
    )
    parts: list[RenderableType] = []
    used = f"used as of {now.used.at:%H:%M:%S}Z" if now.used else "use is not published yet"
    if rows:
        parts.append(_table(("limit", "of", ">limit", ">used", "?>headroom", ""), rows, width - 4))
    if idle:
        parts.append(Text.assemble(("not in use  " if rows else "", "dim"), harmless(" · ".join(idle))))
    return Panel(
        Group(*parts), title=" Limits ", title_align="left", subtitle=f" {used} ", subtitle_align="right",
        border_style="dim", width=width, padding=(0, 1), box=box.ROUNDED,
    )  # fmt: skip


def _bar(row: Row) -> Text:
    part = row["used"] / row["limit"] if row["limit"] else 1.0
    full = round(min(1.0, max(0.0, part)) * _CELLS)
    style = "green" if part < 0.7 else "yellow" if part < 1 else "red"
    return Text.assemble(("█" * full, style), ("░" * (_CELLS - full), "dim"))


# -- words and figures ----------------------------------------------------------------------------


def _block(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[Text]], empty: str, room: int = WIDEST
) -> RenderableType:
    if not rows:
        return Text.assemble((title, "bold"), (f"  {empty}", "dim"))
    return Group(Text(title, style="bold"), _table(heads, rows, room))


def _table(heads: Sequence[str], rows: Sequence[Sequence[Text]], room: int = WIDEST) -> Table:
    """Return a table; a heading that begins with ``>`` is of numbers, the last one's cells are cut to fit.

    A column whose heading begins with ``?`` is left out where there is no room for all, the last one first.
    """
    widths = [max(len(head.lstrip("?>")), *(row[i].cell_len for row in rows)) for i, head in enumerate(heads)]
    kept = list(range(len(heads)))
    for i in reversed(range(len(heads))):
        if heads[i].startswith("?") and sum(2 + widths[k] for k in kept) - 2 > room:
            kept.remove(i)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for i in kept:
        name = heads[i].lstrip("?")
        side: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=side, no_wrap=True)
    room -= sum(2 + widths[i] for i in kept[:-1])
    for row in rows:
        row[-1].truncate(max(room, 8), overflow="ellipsis")
        table.add_row(*(row[i] for i in kept))
    return table


def _said(value: Any) -> Text:
    return Text(harmless(str(value)))


def _side(side: Any) -> Text:
    return Text(harmless(str(side)), style=_SIDE.get(str(side), ""))


def _time(text: Any) -> str:
    found = when(text)
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if found else "–"


def _clock(at: Any) -> str:
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}" if isinstance(at, datetime) else str(at)
