"""What a journal says of a rehearsal, as tables: read back from its rows, not from memory.

Rows that a run is about carry market time (orders, fills, events, sessions of the account); what the machine
did carries this machine's time (comparisons of books, commissions). The latter are counted to the session
in whose course they were written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from faults import KIND, NEW_YORK
from rehearsals import Rehearsal

from robo_trader.journal.reading import Reader, Row
from robo_trader.journal.uptime import sessions_of

_UNCHANGED = 1e-9
#: The hour at which New York closes.
_CLOSE = 16


@dataclass
class Day:
    """One session of the account, from the rows that fall into it."""

    session: date
    value: float
    change: float
    news: int = 0
    asked: int = 0
    fills: int = 0
    commission: Decimal = Decimal(0)
    corrected: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    differences: int = 0
    parts: int = 0
    uncharged: int = 0


class Account:
    """One run's rows, by session."""

    def __init__(self, reader: Reader, run: Row) -> None:
        self.reader, self.run, self.number = reader, run, int(run["number"])
        marks = self._rows("daily_equity")
        self.sessions = [row["session"] for row in marks]
        self._written = [row["at"] for row in marks]
        before = float(run["starting_cash"])
        self.days: list[Day] = []
        for row in marks:
            value = float(row["value"])
            self.days.append(Day(row["session"], value, value / before - 1))
            before = value
        self.faults = [row for row in self._rows("events") if row["kind"] == KIND and row["data"]["shows"]]
        self._orders = {row["number"]: row for row in self._rows("orders")}
        self._decisions = {row["number"]: row for row in self._rows("decisions")}
        self._count()

    def _rows(self, table: str) -> list[Row]:
        return list(self.reader.rows(table, "run = :run", run=self.number))

    def of_market(self, at: datetime) -> Day:
        """Return the session that a market time falls into, or the next."""
        day = at.astimezone(NEW_YORK).date()
        return self.days[min(bisect_left(self.sessions, day), len(self.days) - 1)]

    def of_machine(self, at: datetime) -> Day:
        """Return the session in whose course a row was written."""
        return self.days[min(bisect_left(self._written, at), len(self.days) - 1)]

    def _count(self) -> None:
        for row in self._rows("events"):
            self.of_market(row["known_at"]).news += row["kind"] != KIND
        decided = {order["decision"]: order["at"] for order in self._orders.values()}
        for number, row in self._decisions.items():
            day = self.of_market(decided[number])
            day.asked += row["repeats"]
            day.answers[row["action"]] += row["repeats"]
        self.rules: Counter[tuple[str, str]] = Counter()
        for row in self._rows("guard_answers"):
            if row["action"] != "allow":
                self.rules[row["rule"], row["action"]] += 1
        for row in self._rows("order_states"):
            order = self._orders[row["order_number"]]
            answer = self._decisions.get(order["decision"], {}).get("action")
            if row["status"] == "Rejected" and answer != "veto":
                self.of_market(order["at"]).rejected[row["reason"]] += 1
        self._count_fills()
        for row in self._rows("reconciliations"):
            day = self.of_machine(row["at"])
            day.compared += 1
            day.differences += len(row["differences"])

    def _count_fills(self) -> None:
        rows = self._rows("fills")
        replaced = {row["corrects"] for row in rows if row["corrects"] is not None}
        charged = self.reader.commissions(self.number)
        parts: dict[int, list[Row]] = defaultdict(list)
        self.executions = [row["execution"] for row in rows]
        for row in rows:
            day = self.of_market(row["at"])
            if row["corrects"] is not None:
                day.corrected += 1
            if row["number"] in replaced:
                continue
            day.fills += 1
            day.commission += charged.get(row["execution"], row["commission"])
            day.uncharged += row["execution"] not in charged
            parts[row["order_number"]].append(row)
        for fills in parts.values():
            self.of_market(fills[0]["at"]).parts += len(fills) > 1

    def held(self) -> dict[str, Decimal]:
        """Return the signed positions at the end."""
        found: dict[str, Decimal] = {}
        for row in self._rows("fills"):
            found[row["symbol"]] = row["position"]
        return {symbol: size for symbol, size in found.items() if size}

    def shown(self, fault: Row) -> str:
        """Return what of a fault shows in its session's rows."""
        day = self.of_market(fault["known_at"])
        once = f"{_many(day.fills, 'fill')}, each once" if day.fills else "no fill in this session"
        match fault["data"]["shows"]:
            case "compared":
                if fault["known_at"].astimezone(NEW_YORK).hour >= _CLOSE:  # the session's value stood already
                    day = self.days[min(self.days.index(day) + 1, len(self.days) - 1)]
                verdict = _many(day.differences, "difference") if day.differences else "no difference"
                return f"books compared, {verdict}" if day.compared else "books not compared"
            case "rejected":
                refused = "; ".join(f"{_many(n, 'order')}: {why}" for why, n in sorted(day.rejected.items()))
                return f"rejected, {refused}" if refused else "no order in this session"
            case "corrected":
                number = sum(one.corrected for one in self.days)
                return f"{_many(number, 'execution')} replaced" if number else "no execution to correct"
            case "parts":
                return f"{once}; {_many(day.parts, 'order')} filled in parts" if day.fills else once
            case "uncharged":
                return f"{once}; {day.uncharged} without a commission to the end" if day.fills else once
            case "late":
                told = _many(day.fills - day.uncharged, "commission")
                return f"{once}; {told} told" if day.fills else once
            case "once":
                return once
        return "the session went on"


def section(which: Rehearsal, reader: Reader) -> str:
    """Return the part of the page about one rehearsal."""
    run = reader.runs()[-1]
    account = Account(reader, run)
    (life,) = sessions_of(reader, run["id"])
    row = life.row
    total = account.days[-1].value / float(run["starting_cash"]) - 1
    bars = "synthetic" if which.synthetic else "real"
    gateway = "simulated" if row["simulated"] else "NOT SIMULATED"
    cost = sum((day.commission for day in account.days), Decimal(0))
    fills = sum(day.fills for day in account.days)
    params = ", ".join(f"{name} {value}" for name, value in sorted(which.params.items()))
    doubled = len(account.executions) - len(set(account.executions))
    held = ", ".join(f"{size:f} {symbol}" for symbol, size in sorted(account.held().items())) or "nothing"
    lines = [
        f"## {which.title}",
        "",
        f"`{which.strategy}` ({params}) on {which.about}.",
        "",
        f"- bars: **{bars}**; {len(account.days)} sessions, {account.sessions[0]} to {account.sessions[-1]}",
        f"- gateway: {gateway}, protocol {row['server_version']}, through {row['library']}; it ended "
        f"as {life.state}",
        f"- orders asked for: {sum(day.asked for day in account.days)}; fills: {fills}; executions "
        f"journalled twice: {doubled}; commissions: {_money(cost)}",
        f"- account: {_money(run['starting_cash'])} to {_money(account.days[-1].value)} ({total:+.2%}); "
        f"held at the end: {held}",
        f"- books compared with the broker's {sum(day.compared for day in account.days)} times; "
        f"differences: {sum(day.differences for day in account.days)}",
        "",
        *_days(account),
        "",
        "What the guard answered where it did not just allow:",
        "",
        *_rules(account),
        "",
        "Faults, each an event in the journal, and what its session shows:",
        "",
        *_faults(account),
    ]
    return "\n".join(lines)


def _days(account: Account) -> list[str]:
    head = "| session | news | orders | allowed | made smaller | vetoed | rejected | fills | commission |"
    lines = [head + " value | return |", "|---|" + "---:|" * 10]
    for day in account.days:
        answers = [day.answers[name] or "" for name in ("allow", "resize", "veto")]
        cells = [day.session, day.news or "", day.asked or "", *answers, sum(day.rejected.values()) or ""]
        cells += [day.fills or "", _money(day.commission) if day.commission else "", _money(day.value)]
        cells.append(f"{day.change:+.2%}" if abs(day.change) > _UNCHANGED else "")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _rules(account: Account) -> list[str]:
    if not account.rules:
        return ["nothing: it allowed every order."]
    words = {"resize": "made smaller", "veto": "vetoed"}
    return [
        f"- {rule}: {words.get(action, action)} {_many(count, 'time')}"
        for (rule, action), count in sorted(account.rules.items())
    ]


def _faults(account: Account) -> list[str]:
    lines = ["| session | New York | what happened | in the journal |", "|---|---|---|---|"]
    for fault in account.faults:
        at = fault["known_at"].astimezone(NEW_YORK)
        cells = [f"{at:%Y-%m-%d}", f"{at:%H:%M}", fault["title"], account.shown(fault)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def took(which: Rehearsal, reader: Reader) -> str:
    """Return one line about the time that a rehearsal took: the only thing that differs between two runs."""
    (life,) = sessions_of(reader, reader.runs()[-1]["id"])
    span = (life.last_seen - life.start).total_seconds()
    up = life.online / span if span else 0.0
    return f"- {which.title}: {span:.0f} s; on the line for {up:.0%} of it, by {life.beats} heartbeats"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _money(amount: Any) -> str:
    return f"{float(amount):,.2f}"
