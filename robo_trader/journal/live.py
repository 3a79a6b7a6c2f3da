"""The journal of a paper or live session: every step is written as it happens.

Write-ahead: `decide` returns an order's reference only after decision and reference are committed. An
order without a reference must not leave. While the database is away `decide` answers None for
whatever would open or add, and the refusal itself is journalled; exits get their reference from the
spool on the local disk. All other steps are handed to a thread and cost the strategy nothing.

Failure contract: opening raises `JournalError` or `ConfigError`. After that nothing here raises because of
the database; `healthy`, `trouble` and `on_alert` tell of it, and every row is written once the database
is back, by this session or the next. Times that the journal gives never run backwards, even when the
clock does.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal import spool as spools
from robo_trader.journal.database import Database, open_database
from robo_trader.journal.halting import halt_row
from robo_trader.journal.leaving import left_by
from robo_trader.journal.migrating import prepare
from robo_trader.journal.schema import SA_TABLES
from robo_trader.journal.session_rows import SessionRows
from robo_trader.journal.spool import Row, Spool
from robo_trader.journal.values import clean, exact, plain
from robo_trader.journal.writer import Writer, insert_rows
from robo_trader.records import Alert, Answer, Decision, Event, Fill, Intent, Signal, View

#: How long `decide` waits for the commit, in seconds, before the order counts as not journalled.
DECIDE_TIMEOUT = 5.0
_NOT_JOURNALLED = "the journal could not be written, so nothing new is sent"


class Journal:
    """An open journal, ready for the runs of this process. Close it, or use it in a ``with`` block.

    `backup` says where an older journal was copied to before it was migrated, or is None.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.backup = prepare(database)
        self.replayed = self._replay()

    @property
    def place(self) -> str:
        """Where it is, in words for people."""
        return self.database.place

    def begin(
        self,
        run_id: str,
        *,
        mode: str,
        strategy: str,
        command: str = "",
        starting_cash: float | None = None,
        account: str | None = None,
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        versions: Mapping[str, Any] | None = None,
        on_alert: Callable[[Alert], None] | None = None,
    ) -> RunJournal:
        """Begin the run `run_id`; `mode` is ``rehearsal``, ``paper`` or ``live``.

        `config` must be masked already.
        """
        values = {
            "id": run_id, "mode": mode, "strategy": strategy, "command": clean(command),
            "started": clock.now(), "starting_cash": exact(starting_cash), "account": account,
            "params": plain(params or {}), "config": plain(config or {}), "versions": plain(versions or {}),
        }  # fmt: skip
        runs = SA_TABLES["runs"]
        with self.database.writing() as connection:
            if connection.scalar(sa.select(runs.c.number).where(runs.c.id == run_id)) is not None:
                raise JournalError(
                    f"{self.place}: there is a run {run_id!r} already", hint="resume it, or take a new id"
                )
            if self.database.kind == "postgresql":
                connection.execute(sa.text("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE"))
            number = (connection.scalar(sa.select(sa.func.max(runs.c.number))) or 0) + 1
            connection.execute(runs.insert(), {"number": number, **values})
        return RunJournal(self, run_id, number, on_alert)

    def resume(self, run_id: str, *, on_alert: Callable[[Alert], None] | None = None) -> RunJournal:
        """Go on with the run `run_id` after its process ended; that process must be gone.

        Order ids, executions, commissions and positions go on where the run left them, whether its process
        was killed or ended the run as ``interrupted``.
        """
        runs = SA_TABLES["runs"]
        with self.database.reading() as connection:
            number = connection.scalar(sa.select(runs.c.number).where(runs.c.id == run_id))
        if number is None:
            raise JournalError(f"{self.place}: there is no run {run_id!r}", hint="see 'robo runs list'")
        return RunJournal(self, run_id, int(number), on_alert)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def _replay(self) -> int:
        """Write what earlier sessions could not, and return how many rows they were."""
        count = 0
        for path in spools.waiting(self.folder):
            rows = spools.read(path)
            with self.database.writing() as connection:
                insert_rows(connection, rows, again=True)
            path.unlink()
            count += len(rows)
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_journal(url: str | None = None, *, folder: str | Path = ".robo") -> Journal:
    """Open the journal at `url` (see `open_database`), making or migrating it where that is needed.

    `folder` is the project's own: the default journal lies in it, and rows that wait for a database.
    """
    return Journal(open_database(url, folder=folder), Path(folder))


class RunJournal(SessionRows):
    """The journal of one run, for the one process that runs it. Safe to use from several threads."""

    def __init__(
        self, journal: Journal, run_id: str, number: int, on_alert: Callable[[Alert], None] | None
    ) -> None:
        self.id, self.number = run_id, number
        self._lock = threading.RLock()
        self._on_alert = on_alert
        self._finished: bool | None = None
        self._hex = run_id.rpartition("-")[2]
        self._last = datetime.min.replace(tzinfo=clock.now().tzinfo)
        #: How often, and by how much at most, the clock was seen to jump back.
        self.clock_jumps: list[float] = []
        self._asked: dict[int, int] = {}
        left = left_by(journal.database, number)
        self._next, self._seen, self._positions = left.following, left.executions, left.positions
        super().__init__(left.charged)
        self._writer = Writer(journal.database, Spool(journal.folder, run_id), self._changed)

    @property
    def healthy(self) -> bool:
        """Whether new orders may be sent, as far as the journal is concerned."""
        return self._writer.healthy

    @property
    def trouble(self) -> str:
        """What is wrong, or an empty text."""
        return self._writer.trouble

    @property
    def next_order_id(self) -> int:
        """The first order id that this run has not used."""
        return self._next["orders"]

    # -- what was known --------------------------------------------------------------------------

    def event(self, event: Event) -> int:
        """Write an event and return its number in this run."""
        return self._write(
            "events", event_id=event.id or secrets.token_hex(12), kind=event.kind, title=event.title,
            symbols=plain(event.symbols), body=event.body, url=event.url,
            data=plain(event.data), published_at=event.published_at, event_time=event.event_time,
            known_at=event.known_at, source=event.source, revision_of=event.revision_of,
        )  # fmt: skip

    def view(
        self,
        view: View,
        *,
        event: int | None = None,
        at: datetime | None = None,
        model: str | None = None,
        prompt_hash: str | None = None,
    ) -> int:
        """Write an analyst's view of the event number `event` and return its number."""
        return self._write(
            "views", event=event, at=at or self._now(), analyst=view.analyst or "", symbol=view.symbol,
            score=view.score, confidence=view.confidence, horizon=view.horizon.total_seconds(),
            because=view.because, in_sample=view.in_sample, model=model, prompt_hash=prompt_hash,
        )  # fmt: skip

    def signal(self, signal: Signal, evidence: Iterable[tuple[int | None, int | None]] = ()) -> int:
        """Write a signal with its evidence, pairs of event and view numbers; return its number."""
        with self._lock:
            number, row = self._row(
                "signals", at=signal.at, symbol=signal.symbol, name=signal.name, value=signal.value,
                confidence=signal.confidence, expires_at=signal.expires_at,
            )  # fmt: skip
            rows = [row]
            for event, view in evidence:
                rows.append(self._row("signal_evidence", signal=number, event=event, view=view)[1])
            self._writer.put(rows)
        return number

    # -- what was decided ------------------------------------------------------------------------

    def decide(
        self,
        decisions: Sequence[Decision],
        *,
        answers: Sequence[Sequence[Answer]] = (),
        signal: int | None = None,
        event: int | None = None,
        exits: bool = False,
        repeats: int = 1,
        timeout: float = DECIDE_TIMEOUT,
    ) -> list[str] | None:
        """Commit a family of decisions and return the references of its orders, or None.

        One reference for each decision, in order; those of vetoed orders are never used. None means
        that nothing is committed and nothing may be sent. `exits` says that the family only
        reduces positions: it gets its references also while the database is away. `answers` has
        the rules' answers for each decision where they are not its own, `signal` and `event` the
        numbers behind them; `repeats` says how often the same was asked in a row.
        """
        if not self.healthy and not exits:
            with self._lock:
                rows, _ = self._decision_rows(_vetoed(decisions), answers, signal, event, repeats)
                self._writer.put(rows)
            return None
        with self._lock:
            rows, references = self._decision_rows(decisions, answers, signal, event, repeats)
            batch = self._writer.put(rows)
        self._writer.wait(batch, timeout)
        if batch.done.is_set() or exits:
            return references
        for decision in decisions:
            order_id = decision.intent.order_id
            if decision.action != "veto" and decision.intent.modifies:
                self.not_modified(order_id, self.asked(order_id), _NOT_JOURNALLED)
            elif decision.action != "veto":
                self.order_state(order_id, "Rejected", reason=_NOT_JOURNALLED)
        return None

    def asked(self, order_id: int) -> int:
        """Return the number of the latest change of an order that was committed, 0 for none."""
        return self._asked.get(order_id, 0)

    def modified(
        self, order_id: int, number: int, size: float, limit: float | None, stop: float | None
    ) -> None:
        """Write that the change `number` of an order holds, and with it these values."""
        self._write(
            "modifications", order_number=order_id, decision=None, answers=number, at=self._now(),
            state="holds", size=exact(size), limit_price=exact(limit), stop_price=exact(stop), reason="",
        )  # fmt: skip

    def not_modified(self, order_id: int, number: int, reason: str) -> None:
        """Write that the change `number` of an order was refused."""
        self._write(
            "modifications", order_number=order_id, decision=None, answers=number, at=self._now(),
            state="refused", size=None, limit_price=None, stop_price=None, reason=reason,
        )  # fmt: skip

    def order_state(self, order_id: int, status: str, *, filled: float = 0.0, reason: str = "") -> None:
        """Write what became of an order; `status` is in Backtrader's spelling."""
        self._write(
            "order_states", order_number=order_id, at=self._now(), status=status,
            filled=exact(filled), reason=reason,
        )  # fmt: skip

    def fill(self, fill: Fill, execution: str, *, corrects: str | None = None) -> bool:
        """Write an execution, known by the broker's id `execution`; False when it is there already.

        `corrects` is the id of an execution that this one replaces.
        """
        with self._lock:
            if execution in self._seen:
                return False
            replaced = self._seen.get(corrects) if corrects is not None else None
            if corrects is not None and replaced is None:
                raise JournalError(f"there is no execution {corrects!r} that {execution!r} could correct")
            signed = exact(fill.size) * (1 if fill.side == "BUY" else -1)
            held = self._positions.get(fill.symbol, Decimal(0)) + signed
            if replaced is not None:
                held -= replaced[1]
            number, row = self._row(
                "fills", order_number=fill.order_id, execution=execution, at=fill.time, symbol=fill.symbol,
                side=fill.side, size=exact(fill.size), price=exact(fill.price),
                commission=exact(fill.commission), position=held,
                corrects=None if replaced is None else replaced[0],
            )  # fmt: skip
            self._positions[fill.symbol] = held
            self._seen[execution] = (number, signed)
            self._writer.put([row])
        return True

    # -- the account -----------------------------------------------------------------------------

    def position(
        self, symbol: str, size: float, price: float | None = None, *, session: date | None = None
    ) -> None:
        """Write a position as the broker told it."""
        self._write(
            "positions", at=self._now(), session=session, symbol=symbol, size=exact(size),
            price=exact(price), origin="broker",
        )  # fmt: skip

    def equity(self, session: date, value: float, cash: float, session_return: float | None = None) -> None:
        """Write the account at the end of a session."""
        self._write(
            "daily_equity", session=session, at=self._now(), value=exact(value), cash=exact(cash),
            session_return=session_return,
        )  # fmt: skip

    def halt(self, state: str, *, who: str, why: str, rule: str | None = None) -> None:
        """Write a change of the halt state."""
        self._writer.put([halt_row(self._now(), state, who, why, run=self.number, rule=rule)])

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything is in the database; False when it is not after `timeout` seconds."""
        return self._writer.flush(timeout)

    def finish(self, state: str = "finished", note: str = "", *, timeout: float = 10.0) -> bool:
        """End the run and tell whether everything is in the database; the rest waits in the spool.

        A run that ends as ``interrupted`` can be resumed, in another session; `finished` and `failed`
        are its last word (see `standing.latest_run`). A session that is open ends in the same state.
        Nothing can be written afterwards; a second call does nothing.
        """
        with self._lock:
            if self._finished is not None:
                return self._finished
            self._finished = False
        self._end_open_session(state, note)
        self._write("run_ends", at=self._now(), state=state, note=clean(note))
        self._finished = self._writer.close(timeout)
        return self._finished

    # -- how -------------------------------------------------------------------------------------

    def _decision_rows(
        self,
        decisions: Sequence[Decision],
        answers: Sequence[Sequence[Answer]],
        signal: int | None,
        event: int | None,
        repeats: int,
    ) -> tuple[list[Row], list[str]]:
        rows: list[Row] = []
        references = []
        at = self._now()
        for i, decision in enumerate(decisions):
            intent = decision.intent
            asked = exact(intent.size)
            decided = asked if decision.action == "allow" else exact(decision.size or 0)
            number, row = self._row(
                "decisions", at=at, symbol=intent.symbol, side=intent.side, asked=asked,
                decided=Decimal(0) if decision.action == "veto" else decided, action=decision.action,
                signal=signal, event=event, reasons=plain(decision.reasons),
                repeats=repeats,
            )  # fmt: skip
            rows.append(row)
            for answer in answers[i] if i < len(answers) else decision.answers:
                rows.append(
                    self._row(
                        "guard_answers", decision=number, rule=answer.rule, action=answer.action,
                        size=exact(answer.size), limit_value=plain(answer.limit), seen=plain(answer.seen),
                        reason=answer.reason, numbers=plain(answer.numbers),
                    )[1]
                )  # fmt: skip
            references.append(f"{self._hex}-{intent.order_id}")
            if intent.modifies:
                rows.append(self._modification_row(decision, number))
                continue
            rows += self._order_rows(intent, decision, number, at, references[-1])
        return rows, references

    def _modification_row(self, decision: Decision, number: int) -> Row:
        intent, vetoed = decision.intent, decision.action == "veto"
        size = intent.filled + (
            decision.size if decision.action == "resize" and decision.size else intent.size
        )
        own, row = self._row(
            "modifications", order_number=intent.order_id, decision=number, answers=None, at=intent.time,
            state="refused" if vetoed else "asked", size=exact(size), limit_price=exact(intent.limit),
            stop_price=exact(intent.stop),
            reason="; ".join(decision.reasons) if vetoed else intent.because,
        )  # fmt: skip
        if not vetoed:
            self._asked[intent.order_id] = own
        return row

    def _order_rows(
        self, intent: Intent, decision: Decision, number: int, at: datetime, reference: str
    ) -> list[Row]:
        self._next["orders"] = max(self._next["orders"], intent.order_id + 1)
        order: Row = (
            "orders",
            {
                "run": self.number, "number": intent.order_id, "ref": reference, "decision": number,
                "at": intent.time, "symbol": intent.symbol, "side": intent.side, "type": intent.type,
                "size": exact(intent.size), "limit_price": exact(intent.limit),
                "stop_price": exact(intent.stop), "parent": intent.parent, "oco": intent.oco,
                "because": clean(intent.because),
            },
        )  # fmt: skip
        vetoed = decision.action == "veto"
        _, state = self._row(
            "order_states", order_number=intent.order_id, at=at, status="Rejected" if vetoed else "Created",
            filled=Decimal(0), reason="; ".join(decision.reasons),
        )  # fmt: skip
        return [order, state]

    def _write(self, table: str, **values: Any) -> int:
        with self._lock:
            number, row = self._row(table, **values)
            self._writer.put([row])
        return number

    def _row(self, table: str, **values: Any) -> tuple[int, Row]:
        number = self._next[table]
        self._next[table] = number + 1
        held = {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
        return number, (table, {"run": self.number, "number": number, **held})

    def _now(self) -> datetime:
        """The time, but never earlier than the last one given."""
        with self._lock:
            now = clock.now()
            if now < self._last:
                back = (self._last - now).total_seconds()
                if not self.clock_jumps:
                    self._alert("warning", "the clock jumped back", f"by {back:.3f} s; times stand still")
                self.clock_jumps.append(back)
                return self._last
            self._last = now
            return now

    def _changed(self, healthy: bool, words: str) -> None:
        title = "the journal is back" if healthy else "the journal cannot be written"
        text = words if healthy else f"{words}. No new orders until it is back; exits go out"
        self._alert("info" if healthy else "critical", title, text)

    def _alert(self, level: Any, title: str, text: str) -> None:
        if self._on_alert is not None:
            self._on_alert(Alert(time=clock.now(), level=level, title=title, text=text, source="journal"))


def _vetoed(decisions: Sequence[Decision]) -> list[Decision]:
    return [
        replace(decision, action="veto", size=0.0, reasons=(*decision.reasons, _NOT_JOURNALLED))
        for decision in decisions
    ]
