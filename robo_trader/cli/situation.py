"""What goes on, gathered for `robo status`: halt state, sessions, their last steps, and the limits.

Failure contract: whatever cannot be read (the state store, the journal, the risk profile) is told in
`Situation.problems`, and the rest is shown. No third-party plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.cli import halts
from robo_trader.cli.figures import age
from robo_trader.errors import RoboError
from robo_trader.risk.halt import Halt, HaltStore
from robo_trader.risk.usage import Published, Usage, of_plain, published

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.journal.reading import Reader
    from robo_trader.state import State

#: A session gives a sign of life each second; after so many without one it counts as silent.
SILENT = 5.0
#: What has ended, or been silent, for longer is told in one line.
_OLD = 3_600.0
_FILLS, _DECISIONS, _WORKING = 5, 6, 12
_OVER = "('Completed', 'Canceled', 'Cancelled', 'Expired', 'Margin', 'Rejected')"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it told of itself `seconds` ago, and what the journal has of it, the newest first.

    `about` is what the session wrote, whatever its version: a key may be missing.
    """

    name: str
    seconds: float
    about: Mapping[str, Any]
    fills: Sequence[Row] = ()
    decisions: Sequence[Row] = ()
    working: Sequence[Row] = ()

    @property
    def run(self) -> str:
        """The run's id, or an empty text."""
        return str(self.about.get("run") or "")

    @property
    def stopped(self) -> bool:
        """Whether it ended in order."""
        return bool(self.about.get("phase") == "stopped")

    @property
    def silent(self) -> bool:
        """Whether it should have given a sign of life and did not: it hangs, or its process is gone."""
        return not self.stopped and self.seconds > SILENT

    @property
    def old(self) -> bool:
        """Whether it is of no interest any more."""
        return (self.stopped or self.silent) and self.seconds > _OLD

    @property
    def mode(self) -> str:
        """What becomes of its orders, in words that cannot be mistaken."""
        if "send" not in self.about:
            return ""
        if not self.about["send"]:
            return "PREVIEW: nothing is sent"
        if self.about.get("rehearsal"):
            return "REHEARSAL on a simulated gateway"
        return "SENDING, REAL MONEY" if self.about.get("mode") == "live" else "SENDING to a paper account"

    @property
    def used(self) -> Sequence[tuple[str, Usage]]:
        """How much of each limit it uses, as it told."""
        try:
            return of_plain(self.about.get("used") or ())
        except (TypeError, ValueError):
            return ()  # Another version's: what was published last is shown.

    def troubles(self, halt: Halt) -> list[str]:
        """The last troubles that it told, without `halt` and what blocks orders: they are shown anyway.

        Those of a session that has stopped are over.
        """
        if self.stopped:
            return []
        told = [str(text) for text in self.about.get("trouble") or ()]
        blocked = str(self.about.get("blocked") or "")
        return [text for text in told if text != halt.text() and not (blocked and blocked in text)]

    @property
    def real(self) -> bool:
        """Whether real money moves."""
        return bool(self.about.get("send")) and self.about.get("mode") == "live"

    @property
    def obeyed(self) -> datetime | None:
        """The time of the last halt that it has obeyed."""
        return when(self.about.get("halted_at"))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name, "seconds": self.seconds, **self.about, "silent": self.silent,
            "fills": list(self.fills), "decisions": list(self.decisions), "working": list(self.working),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on at `at` (aware UTC); `used` is what sessions published of their use of `limits`."""

    at: datetime
    halt: Halt
    profile: str
    sessions: Sequence[Session] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    used: Published | None = None
    problems: Sequence[str] = ()

    @property
    def rows(self) -> list[Row]:
        """Each limit with its use, those in use first; where several sessions trade, `by` says whose."""
        using = [session for session in self.current if session.used and not session.stopped]
        found: list[tuple[str, Sequence[tuple[str, Usage]]]] = [("", self.used.rows)] if self.used else []
        if len(using) > 1:
            found = [(str(session.about.get("strategy") or session.name), session.used) for session in using]
        rows: list[Row] = [
            {"rule": rule, "scope": usage.scope, "limit": usage.limit, "used": usage.used,
             "headroom": usage.headroom, "label": self.limits.get(rule, ""), "by": by}
            for by, used in found
            for rule, usage in used
        ]  # fmt: skip
        told = {row["rule"] for row in rows}
        empty = {"scope": "", "limit": None, "used": None, "headroom": None, "by": ""}
        return rows + [
            {"rule": rule, **empty, "label": label} for rule, label in self.limits.items() if rule not in told
        ]

    @property
    def current(self) -> list[Session]:
        """The sessions to show in full, in an order that stays."""
        return sorted((s for s in self.sessions if not s.old), key=lambda s: (s.stopped, s.name))

    @property
    def past(self) -> str:
        """A line on those that are not shown in full, or an empty text."""
        old = [session for session in self.sessions if session.old]
        lost = sum(session.silent for session in old)
        if not old:
            return ""
        newest = old[0]
        words = f"{len(old)} earlier session{'s' if len(old) > 1 else ''}"
        left = f", {lost} of which ended without a word" if lost else ""
        return f"{words}{left}; the last was {newest.name}, {age(newest.seconds)} ago"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "at": self.at,
            "halt": self.halt.as_dict(),
            "sessions": [session.as_dict() for session in self.sessions],
            "profile": self.profile,
            "used_at": self.used.at if self.used else None,
            "limits": self.rows,
            "problems": list(self.problems),
        }


class Observer:
    """Looks at the state store and the journal that `config` names, as often as it is asked."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store: State = halts.open_store(config)

    def look(self) -> Situation:
        """Return what goes on now."""
        problems: list[str] = []
        halt = HaltStore(self._store).read()
        sessions: list[Session] = []
        used: Published | None = None
        try:
            told = halts.sessions(self._store)
            used = published(self._store)
        except RoboError as error:
            problems.append(f"who is running is not known: {error}")
        else:
            sessions = self._with_steps(told, problems)
        limits, problem = self._limits
        problems += [problem] if problem else []
        profile = str(self._config.get("risk.profile"))
        return Situation(clock.now(), halt, profile, sessions, limits, used, problems)

    @cached_property
    def _limits(self) -> tuple[dict[str, str], str]:
        """Each rule's limit as text, and what kept the profile from being read."""
        from robo_trader.plugins import load_host
        from robo_trader.risk.profile import load_guard

        try:
            guard = load_guard(self._config, load_host(self._config, third_party=False))
        except RoboError as error:
            return {}, f"the risk profile cannot be read without plugins: {error}"
        return (guard.labels() if guard is not None else {}), ""

    def _with_steps(self, told: Sequence[Row], problems: list[str]) -> list[Session]:
        """Return the sessions with what the journal has of those that are current."""
        plain = [_session(row) for row in told]
        wanted = [session.run for session in plain if session.run and not session.old]
        if not wanted:
            return plain
        from robo_trader.journal.reading import read_journal

        try:
            with read_journal(self._config.resolve("journal.url"), folder=halts.JOURNAL.parent) as reader:
                steps = {run: _steps(reader, run) for run in wanted}
        except RoboError as error:
            problems.append(f"orders and fills are not shown: {error}")
            return plain
        return [_session(row, **steps.get(session.run, {})) for row, session in zip(told, plain, strict=True)]


def when(text: Any) -> datetime | None:
    """Return an ISO time as an aware datetime; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _session(row: Row, **steps: Sequence[Row]) -> Session:
    about = {name: value for name, value in row.items() if name not in ("name", "seconds")}
    return Session(str(row["name"]), float(row["seconds"]), about, **steps)


def _steps(reader: Reader, run_id: str) -> dict[str, list[Row]]:
    """Return the last fills and decisions of a run, and its orders that may still be filled."""
    run = reader.run(run_id)
    if run is None:
        return {}
    number = run["number"]

    def newest(table: str, most: int) -> list[Row]:
        return list(reader.rows(table, "run = :run", order=f"number DESC LIMIT {most}", run=number))

    fills = newest("fills", _FILLS)
    decisions = newest("decisions", _DECISIONS)
    # Each decision has an order; orders behind several decisions back are not among the last.
    orders = {row["decision"]: row for row in newest("orders", 3 * _DECISIONS)}
    for row in newest("modifications", 6 * _DECISIONS):
        changed = {"at": row["at"], "because": row["reason"], "changes": row["order_number"]}
        orders.setdefault(row["decision"], changed)
    open_orders = reader.rows(
        "orders",
        "run = :run AND NOT EXISTS (SELECT 1 FROM order_states s WHERE s.run = orders.run"
        f" AND s.order_number = orders.number AND s.status IN {_OVER})",
        order=f"number DESC LIMIT {_WORKING}",
        run=number,
    )
    working = [
        row | _now_at(reader, number, row["number"]) | _state(reader, number, row["number"])
        for row in open_orders
    ]
    return {
        "fills": [_only(row, "at side size symbol price commission order_number") for row in fills],
        "decisions": [
            # The order's time is the market's, as a fill's is; the decision's own is this machine's.
            _only(row, "at side asked decided symbol action reasons repeats")
            | _only(orders.get(row["number"], {}), "at type because changes")
            for row in decisions
        ],
        "working": [
            _only(row, "number at side size symbol type limit_price stop_price status filled because")
            for row in working
        ],
    }


def _now_at(reader: Reader, run: int, order: int) -> Row:
    """Return what an order was changed to; nothing of one that never was."""
    held = [row for row in reader.modifications(run, order) if row["state"] == "holds"]
    return {name: held[-1][name] for name in ("size", "limit_price", "stop_price")} if held else {}


def _state(reader: Reader, run: int, order: int) -> Row:
    state = reader.status(run, order)
    return {"status": state["status"], "filled": state["filled"]}


def _only(row: Row, names: str) -> Row:
    return {name: row[name] for name in names.split() if name in row}
