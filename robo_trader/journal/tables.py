"""The journal's tables, described once: SQLite's statements and SQLAlchemy's metadata are made from this.

Every row but a run's and a halt's is known by ``(run, number)``: numbers count from 1 in each table of
a run and are given by the one process that writes the run, so that a row sent twice is still one
row, and rows stand in the order of what happened whatever a clock said. Rows are never changed: a
run ends by a row in `run_ends`, an order's status is a row in `order_states`, a corrected execution
is a fill that names in `corrects` the one it replaces.

This module imports nothing heavy: a backtest writes its journal without SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

#: ``time`` is UTC with microseconds, ``exact`` a decimal, ``json`` any JSON value.
Kind = Literal["int", "text", "json", "time", "date", "exact", "float", "bool"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its kind, whether it may be empty, and what it means."""

    name: str
    kind: Kind
    optional: bool
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order, its key, what it refers to, and what it is looked up by.

    `refers` maps a column to the table whose number it holds; `unique` and `indexes` are sets of
    columns, `sparse` columns that are mostly empty and indexed where they are not. A unique set
    whose last column may be empty holds for the rows where it is not. Indexes do not begin with the
    run: without statistics SQLite would rather walk through the whole run by its key. `since` is the
    revision that brought the table; an older journal has none and reads as if it were empty.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    refers: Mapping[str, str]
    unique: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    sparse: tuple[str, ...]
    since: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)


def _table(
    name: str,
    about: str,
    columns: str,
    *,
    key: tuple[str, ...] = ("run", "number"),
    refers: Mapping[str, str] = MappingProxyType({}),
    unique: tuple[tuple[str, ...], ...] = (),
    indexes: tuple[tuple[str, ...], ...] = (),
    sparse: tuple[str, ...] = (),
    since: str = "0001",
) -> Table:
    """`columns` has a line per column: its name, its kind (``?``: may be empty), and what it means."""
    rows = []
    if "run" in key:
        rows += [
            Column("run", "int", False, "the run, `runs.number`"),
            Column("number", "int", False, "counts from 1 in each run"),
        ]
    for line in columns.strip().splitlines():
        column, kind, about_column = line.strip().split(" ", 2)
        rows.append(Column(column, kind.rstrip("?"), kind.endswith("?"), about_column))  # type: ignore[arg-type]
    return Table(name, about, tuple(rows), key, refers, unique, indexes, sparse, since)


TABLES: tuple[Table, ...] = (
    _table(
        "runs",
        "a backtest, a rehearsal, or a strategy on paper or live",
        """number int counts from 1 in each journal
        id text the run's id, the name of its folder where it has one
        mode text `backtest`, `rehearsal`, `paper` or `live`
        strategy text the strategy's name
        command text what repeats it
        started time when it was begun
        starting_cash exact? in account currency
        account text? the broker's account
        params json the strategy's parameters
        config json the resolved configuration, secrets masked
        versions json of what computes""",
        key=("number",),
        unique=(("id",),),
    ),
    _table(
        "run_ends",
        "how a run ended; a run without a row is running or was killed, an interrupted one may go on",
        """at time when
        state text `finished`, `interrupted` or `failed`; the newest row counts
        note text the failure in a sentence""",
    ),
    _table(
        "events",
        "what was published, as the run could see it",
        """event_id text the event's id
        kind text `news`, `fomc`, `earnings`, …
        title text its title
        symbols json a list of symbols
        body text its text
        url text where it stands
        data json whatever its source added
        published_at time when it was published
        event_time time? when the thing itself happens
        known_at time? from when a strategy could know of it
        source text? who delivered it
        revision_of text? the id of the event that it corrects""",
        unique=(("run", "event_id"),),
    ),
    _table(
        "views",
        "what an analyst read out of an event",
        """event int? the event
        at time? when it was given
        analyst text who
        symbol text about what; `*` is everything
        score float in [-1, 1]
        confidence float in [0, 1]
        horizon float how long it should matter, in seconds
        because text the analyst's reason
        in_sample bool? whether the model may have known the outcome
        model text? the model that answered
        prompt_hash text? SHA-256 of what it was asked""",
        refers={"event": "events"},
        indexes=(("event", "run"),),
    ),
    _table(
        "signals",
        "the numbers that reached the strategy",
        """at time from when it was known
        symbol text about what
        name text the role, or the plugin
        value float in [-1, 1]
        confidence float in [0, 1]
        expires_at time? void afterwards""",
    ),
    _table(
        "signal_evidence",
        "the events and views behind a signal",
        """signal int the signal
        event int? an event behind it
        view int? the view that carried it""",
        key=("run", "signal", "number"),
        refers={"signal": "signals", "event": "events", "view": "views"},
    ),
    _table(
        "decisions",
        "the guard's answer to what a strategy wanted, committed before the order leaves",
        """at time when it was decided
        symbol text of what
        side text BUY or SELL
        asked exact the size that the strategy wanted
        decided exact the size that may go out; 0 for a veto
        action text `allow`, `resize` or `veto`
        signal int? the signal that the strategy gave as its reason
        event int? the event that it gave as its reason
        reasons json every reason, in words
        repeats int how often the same was asked in a row""",
        refers={"signal": "signals", "event": "events"},
    ),
    _table(
        "guard_answers",
        "what each rule said of a decision, with its numbers",
        """decision int the decision
        rule text the rule's name
        action text `allow`, `resize` or `veto`
        size exact? the size that it would let pass
        limit_value float? its limit
        seen float? what it measured against the limit
        reason text in words
        numbers json whatever else it reckoned with""",
        key=("run", "decision", "number"),
        refers={"decision": "decisions"},
    ),
    _table(
        "orders",
        "orders as they were asked for; their number is the strategy's order id",
        """ref text unique reference that the broker is given
        decision int? the decision; none for an order refused unasked
        at time when it was submitted
        symbol text of what
        side text BUY or SELL
        type text in Backtrader's spelling
        size exact asked for, positive
        limit_price exact? its limit
        stop_price exact? its stop
        parent int? the order number of its bracket's parent
        oco int? the order number of its group's first
        because text the strategy's reason""",
        refers={"decision": "decisions"},
        unique=(("ref",),),
        sparse=("parent", "oco"),
    ),
    _table(
        "order_states",
        "what became of an order, each change a row",
        """order_number int the order
        at time? when, where it is known
        status text in Backtrader's spelling
        filled exact executed so far
        reason text why it was rejected, cancelled or made smaller""",
        key=("run", "order_number", "number"),
        refers={"order_number": "orders"},
    ),
    _table(
        "modifications",
        "what working orders were changed to; a change is committed before it leaves, its answer is a row",
        """order_number int the order
        decision int? the guard's decision; none in an answer of the broker's
        answers int? which one this answers; where it holds, earlier ones of the order are answered as well
        at time when
        state text `asked` while it is on its way, `holds` or `refused`
        size exact? all of the order, what was filled included
        limit_price exact? its limit
        stop_price exact? its stop
        reason text why it was asked for or, where it was refused, why it was""",
        refers={"order_number": "orders", "decision": "decisions", "answers": "modifications"},
        indexes=(("order_number", "run"),),
        since="0004",
    ),
    _table(
        "fills",
        "executions; those that another one corrects do not count",
        """order_number int the order
        execution text? the broker's id of the execution
        at time when it was executed
        symbol text of what
        side text BUY or SELL
        size exact positive
        price exact of one
        commission exact in account currency, as it was known then: see `commissions`
        position exact the signed position after it
        corrects int? the fill that this one replaces""",
        refers={"order_number": "orders", "corrects": "fills"},
        unique=(("run", "execution"),),
        indexes=(("order_number", "run"), ("symbol", "number", "run")),
        sparse=("corrects",),
    ),
    _table(
        "trades",
        "round trips from flat to flat; the columns of `trades.csv`",
        """symbol text of what
        side text the entry's
        size exact all that was entered
        entry_time time of the first entry
        entry_price exact mean, weighted by size
        exit_time time? empty while it is open
        exit_price exact? mean, weighted by size
        pnl exact? before commission
        commission exact of all its fills
        pnl_net exact? after commission
        bars int? how many it was held
        because text the first entry's reason
        first_fill int the fill that opened it
        last_fill int its last fill so far""",
        refers={"first_fill": "fills", "last_fill": "fills"},
        indexes=(("run", "symbol", "first_fill"),),
    ),
    _table(
        "positions",
        "a position at the end of each session in which it changed, or as the broker told it",
        """at time when
        session date? the session
        symbol text of what
        size exact signed
        price exact? the last known price
        origin text `fills`, or `broker` where it was asked""",
    ),
    _table(
        "daily_equity",
        "the account at the end of each session; the columns of `equity.csv`",
        """session date the session
        at time when it was valued
        value exact all together
        cash exact thereof cash
        session_return float? close to close, free of deposits""",
    ),
    _table(
        "halts",
        "every change of the halt state, by the guard, a strategy or an operator",
        """halt_id text unique, given by whoever wrote it
        run int? the run, if there was one
        at time when
        state text `ACTIVE`, `REDUCING` or `HALTED`
        who text who changed it
        why text why
        rule text? the rule that was breached""",
        key=("halt_id",),
    ),
    _table(
        "sessions",
        "the lives of a process in a run of a paper or live account",
        """at time when it began
        account text the broker's account
        place text host and port of the gateway
        simulated bool whether that named itself a simulated gateway
        library text the IB library and its version
        server_version int the version of the protocol that was agreed on
        code_hash text SHA-256 of the strategy's source
        risk_hash text SHA-256 of the risk configuration in force
        send bool whether orders were sent; a preview sends none
        contracts json the broker's contract of each symbol: its `notation` and `con_id`
        skew float how many seconds the gateway's clock was ahead of ours""",
        since="0003",
    ),
    _table(
        "session_ends",
        "how a session ended; one without a row is running or was killed",
        """session int the session
        at time when
        state text `finished`, `interrupted`, `failed` or `halted`
        note text the failure in a sentence""",
        refers={"session": "sessions"},
        since="0003",
    ),
    _table(
        "heartbeats",
        "a sign of life, once a minute while a session lives; uptime is computed from them",
        """session int the session
        at time when
        market_time time? the market's time, where it is known
        line bool whether the line to the broker was up""",
        key=("run", "session", "number"),
        refers={"session": "sessions"},
        since="0003",
    ),
    _table(
        "commissions",
        "what executions cost, as the broker told it afterwards; the newest row of an execution counts",
        """execution text the broker's id of the execution
        at time when it was told
        amount exact what it cost; negative for a rebate
        currency text in which currency""",
        indexes=(("execution", "run"),),
        since="0003",
    ),
    _table(
        "reconciliations",
        "comparisons of this journal with what the broker has",
        """session int? the session that made it; none for one made outside of any
        at time when
        differences json a list of sentences; empty where they agree
        accepted bool whether somebody accepted the differences
        who text who did
        why text why""",
        refers={"session": "sessions"},
        since="0003",
    ),
    _table(
        "overrides",
        "signatures under sending to real money although conditions were not met",
        """at time when
        who text who signed, at which machine
        reason text why
        conditions json the conditions that were not met, as they were told""",
        since="0003",
    ),
)
BY_NAME: Mapping[str, Table] = MappingProxyType({table.name: table for table in TABLES})

#: The revisions of the schema, oldest first; the last is what this version writes.
REVISIONS = ("0001", "0002", "0003", "0004")
HEAD = REVISIONS[-1]


def reference_markdown() -> str:
    """Return every table and column for `docs/journal.md`."""
    lines = []
    for table in TABLES:
        lines += [f"### {table.name}", "", f"{table.about[0].upper()}{table.about[1:]}.", ""]
        lines += ["| column | kind | meaning |", "|---|---|---|"]
        for column in table.columns:
            refers = table.refers.get(column.name)
            more = f" → `{refers}.number`" if refers else ""
            optional = ", optional" if column.optional else ""
            lines.append(f"| `{column.name}` | {column.kind}{optional} | {column.about}{more} |")
        lines.append("")
    return "\n".join(lines)
