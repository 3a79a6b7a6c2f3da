"""The live news pipeline: sources → store → queue → analysts → views → clamped signals → subscribers.

An event is stored before anybody reads it, and what was read is logged, with the signals that it made, before
anybody is told: so after a crash what was stored and not read is read again, and each event makes its
signals once. Views are judged, clamped and turned into signals by the code that a backtest uses.

What fails stops only itself: a source is told through its poller, an analyst abstains, a subscriber
that raises is reported. A database that cannot be written holds signals back until it can (it is tried
again); an event older than `max_age` makes no signal, however late it was read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from robo_trader import clock
from robo_trader.clock import from_ns, to_ns
from robo_trader.errors import EventError, RoboError, UsageError
from robo_trader.events.database import StoreError
from robo_trader.events.identity import fingerprint
from robo_trader.events.queue import TOO_OLD, EventQueue
from robo_trader.events.store import EventStore
from robo_trader.intelligence.judging import (
    Answers,
    Failed,
    Linking,
    doubtful,
    doubts_of,
    in_sample,
    is_disputed,
    keep,
    known_at,
    plain,
    reason_of,
)
from robo_trader.intelligence.roles import NEWS, OFFLINE
from robo_trader.live.news.lane import Caller, Lane
from robo_trader.live.news.log import Numbered, ReadingLog, Row
from robo_trader.live.news.passing import Delivery, Said, Todo, stamped, teller
from robo_trader.live.news.past import Bars, StoredPast
from robo_trader.records import Event, Signal, View
from robo_trader.signals.board import Board
from robo_trader.signals.clamp import Opinion, opinion_of

MAX_AGE = timedelta(minutes=15)
#: The host's own row of an event that corrects another one.
HOST = ""
FLOOR = "live/floor"
_LATE = "its answer came too late"
_KEEP_FLOOR = 1_000  # readings after which the floor is moved
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 5.0  # seconds between two tries to write

Subscriber = Callable[[Numbered], Any]


class Source(Protocol):
    """What brings events in until `stop` is set; `news.polling.Poller` is one."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set."""


class Witness(Protocol):
    """Hears what the pipeline does, in order, from its thread; it must neither wait nor raise."""

    def stored(self, events: Sequence[Event]) -> None:
        """Called with events that the store did not have, before anybody reads them."""

    def read(self, event: Event, views: Sequence[View]) -> None:
        """Called with what an analyst said of an event, before the signals that follow from it."""


class Pipeline:
    """Reads events with `analysts` (by name) and tells subscribers what follows for `symbols`.

    `store` holds the events and, beside them, what was read; `state` the moment before which all was
    read. `link` finds the symbols of an event that names none, `offline` is the analyst whose
    disagreement bounds the others, and `roles` are the signals that are made: analysts by name, and
    ``news``, the consensus of all or of those named in `consensus`. At most `readers` events are with one
    analyst, and `queue` wait for it; the least important give way. One pipeline at a time may read from
    a store. To be used in one event loop; `report` hears of problems, `witness` of all that goes on.
    """

    def __init__(
        self,
        store: EventStore,
        analysts: Mapping[str, Any],
        *,
        symbols: Iterable[str],
        state: Any,
        offline: Any = None,
        roles: Iterable[str] = (NEWS,),
        consensus: Collection[str] | None = None,
        link: Linking | None = None,
        bars: Bars | None = None,
        max_age: timedelta = MAX_AGE,
        timeout: timedelta = timedelta(seconds=60),
        queue: int = 10_000,
        readers: int = 8,
        report: Callable[[str], None] | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._symbols = tuple(dict.fromkeys(symbols))
        self._store, self._state, self._link = store, state, link
        self._max_age = max_age
        self._report = report or (lambda text: None)
        self._witness, self._agreeing = witness, consensus
        self._subscribers: list[Subscriber] = []
        self._boards = {role: Board(role, self._symbols) for role in dict.fromkeys(roles)}
        for role in self._boards:
            if role != NEWS and role not in analysts:
                raise UsageError(f"the role {role!r} is none of the analysts", hint=", ".join(analysts))

        def caller(name: str, analyst: Any) -> Caller:
            return Caller(name, analyst, timeout=timeout, past=lambda e: StoredPast(store, bars, known_at(e)))

        self._lanes = []
        for name, analyst in analysts.items():
            waiting = EventQueue(queue, max_age=max_age, shed=True, gone=self._gone(name))
            self._lanes.append(Lane(caller(name, analyst), waiting, self._show, readers=readers))
        own = next((lane.caller for lane in self._lanes if lane.caller.name == OFFLINE), None)
        self._judge = own or (caller(OFFLINE, offline) if offline is not None else None)
        self._open: dict[tuple[str, str], Event] = {}
        self._said: list[Said] = []
        self._inbox: list[Delivery] = []
        self._wake = asyncio.Event()
        self._disk = asyncio.Lock()  # two writers of one SQLite file wait for each other by sleeping
        self._ended = False
        self._latest = 0
        self._since_floor = 0
        self.counts: Counter[str] = Counter()
        #: Of before `run`: the signals in force, and what was stored and said in the last `max_age`.
        self.restored: tuple[Numbered, ...] = ()
        self.recent_signals: tuple[Numbered, ...] = ()
        self.recent_events: tuple[Event, ...] = ()
        # Last, so that a pipeline which is refused holds no connection.
        self._log = ReadingLog(store.url)

    # -- the session's side --------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every new signal, in order, from the pipeline's thread.

        It must not wait; a `Mailbox` hands signals to another thread. One that remembers what it has
        heard finds in `recent_events` and `recent_signals` what it may have missed before a restart.
        """
        self._subscribers.append(subscriber)

    async def deliver(self, source: str, events: Sequence[Event]) -> None:
        """Store `events` of `source` and queue those that nobody has read; returns once they are on the disk.

        An event that the store refuses is reported and left out. Raise `EventError` when the store
        cannot be written; nothing is lost then, since the source delivers again.
        """
        mine = Delivery(source, events)
        self._inbox.append(mine)
        async with self._disk:
            if not mine.done:
                # What others delivered while the disk was busy is stored in one go.
                batch, self._inbox = self._inbox, []
                try:
                    todo, fresh = await asyncio.to_thread(self._keep, batch)
                except Exception as error:  # noqa: BLE001 - each of them has to hear of it
                    for one in batch:
                        one.done, one.failed = True, error
                except BaseException:
                    self._inbox = [one for one in batch if one is not mine] + self._inbox
                    raise
                else:
                    if fresh and self._witness is not None:
                        self._witness.stored(fresh)
                    await self._queue(todo)
                    for one in batch:
                        one.done = True
        for text in mine.refused:
            self._report(f"{source}: {text}")
        if mine.failed is not None:
            raise mine.failed

    async def run(
        self, source: Source, stop: asyncio.Event, *, drain: timedelta = timedelta(seconds=5)
    ) -> None:
        """Read what `source` delivers until `stop` is set or it ends, then end in order.

        The source ends first; what waits is read for up to `drain` and the rest stays in the store for the
        next time. All that was read is logged and told before this returns.
        """
        await self._queue(await asyncio.to_thread(self._restore))
        writer = asyncio.create_task(self._write())
        for lane in self._lanes:
            lane.start()
        sourcing = asyncio.create_task(source.run(stop))
        try:
            await asyncio.wait({sourcing, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            ended = await asyncio.gather(sourcing, return_exceptions=True)
            if not writer.done():
                await asyncio.gather(*(lane.stop(drain.total_seconds()) for lane in self._lanes))
            else:
                await asyncio.gather(*(lane.stop(0.0) for lane in self._lanes))
            self._ended = True
            self._wake.set()
            failed = (await asyncio.gather(writer, return_exceptions=True))[0]
        for error in (failed, ended[0]):
            if isinstance(error, BaseException):
                raise error
        await self._move_floor()

    def close(self) -> None:
        """Let go of the database; the store stays open."""
        self._log.close()

    # -- events in ---------------------------------------------------------------------------------

    def _keep(self, batch: Sequence[Delivery]) -> tuple[list[Todo], list[Event]]:
        """Store what was delivered; return what is to be done about it, and which events are new."""
        seen = clock.now()
        kept: dict[str, Event] = {}
        owner: dict[str, Delivery] = {}
        for delivery in batch:
            for event in delivery.events:
                try:
                    id = event.id or fingerprint(event)
                except EventError as error:
                    delivery.refused.append(error.message)
                    continue
                if id not in kept:
                    kept[id], owner[id] = stamped(event, id, delivery.source, seen), delivery
        had = self._store.holds(kept) if self._witness is not None else frozenset()
        try:
            new = self._store.add(kept.values(), seen_at=seen, strict=False)
        except StoreError:
            raise
        except EventError:
            new = 0
            for id, event in list(kept.items()):
                try:
                    self._store.add([event], seen_at=seen, strict=False)
                except StoreError:
                    raise
                except EventError as error:
                    del kept[id]
                    owner[id].refused.append(error.message)
        fresh = [event for id, event in kept.items() if id not in had]
        if new == len(kept):
            return self._todo(kept.values(), frozenset()), fresh
        stored = [self._store.get(id) for id in kept]
        return self._todo((event for event in stored if event), self._log.read_already(kept)), fresh

    def _todo(self, events: Iterable[Event], done: Collection[tuple[str, str]]) -> list[Todo]:
        """Return which analysts have still to read stored events; `done` holds what was read."""
        found = []
        for event in events:
            id = str(event.id)
            unread = [
                lane
                for lane in self._lanes
                if event.kind in lane.caller.kinds and (id, lane.caller.name) not in done
            ]
            corrects = None
            if event.revision_of and (id, HOST) not in done:
                # Only who told of a thing may take it back.
                before = self._store.get(event.revision_of)
                if before is not None and teller(before) == teller(event):
                    corrects = before.id
            if unread or corrects:
                found.append(Todo(event, unread, corrects))
        return found

    async def _queue(self, todo: Iterable[Todo]) -> None:
        for one in todo:
            id = str(one.event.id)
            if one.corrects and (id, HOST) not in self._open:
                self._open[id, HOST] = one.event
                self._settle(Said(one.event, HOST, "correction", withdraws=one.corrects))
            for lane in one.unread:
                if (id, lane.caller.name) in self._open:
                    continue
                self._open[id, lane.caller.name] = one.event
                if self._too_old(one.event):
                    self._settle(Said(one.event, lane.caller.name, "too old", TOO_OLD))
                else:
                    await lane.queue.put(one.event)

    def _gone(self, analyst: str) -> Callable[[Event, str], None]:
        def gone(event: Event, why: str) -> None:
            outcome = "too old" if why == TOO_OLD else "no room"
            self._settle(Said(event, analyst, outcome, why))

        return gone

    def _too_old(self, event: Event, now: int | None = None) -> bool:
        moment = to_ns(clock.now()) if now is None else now
        return moment - to_ns(event.published_at) >= self._max_age.total_seconds() * 1e9

    # -- reading -------------------------------------------------------------------------------------

    async def _show(self, caller: Caller, event: Event) -> None:
        """Show an event to its analyst; whatever happens, something is logged of it."""
        try:
            said = await self._shown(caller, event)
        except Exception as error:  # noqa: BLE001 - the next event is to be read whatever this one did
            said = Said(event, caller.name, "failed", reason_of(error))
        if said.outcome == "failed":
            self._report(f"analyst {caller.name}: {said.reason}")
        self._settle(said)

    async def _shown(self, caller: Caller, original: Event) -> Said:
        event, bad = plain(original, self._link, self._symbols)
        if bad:
            return Said(event, caller.name, "suspicious", ", ".join(sorted(bad)))
        answer = await caller.ask(event)
        kept = Answers()
        keep(kept, caller.name, event, answer, self._symbols)
        doubts: dict[tuple[str, str], float] = {}
        judge = self._judge
        if (
            judge is not None
            and judge is not caller
            and event.kind in judge.kinds
            and any(v.score for v in kept.views)
        ):
            own = Answers()
            keep(own, OFFLINE, event, await judge.ask(doubtful(event)), self._symbols)
            doubts = doubts_of(own.views)
        reason = kept.abstained[0].reason if kept.abstained else ""
        outcome = "failed" if isinstance(answer, Failed) else "views" if not reason else "abstained"
        known = in_sample(caller.analyst, event)
        return Said(event, caller.name, outcome, reason, kept.views, doubts, known)

    def _settle(self, said: Said) -> None:
        self._said.append(said)
        self._wake.set()

    # -- signals out ---------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Log what was said and the signals that follow, then tell; again and again until the end."""
        while True:
            await self._something()
            said, self._said = self._said, []
            now = max(to_ns(clock.now()), self._latest)
            rows = [self._row(one, now) for one in said]
            signals = self._advance(now)
            if rows or signals:
                numbered = await self._logged(rows, signals, [(str(o.event.id), o.analyst) for o in said])
                if numbered is None:
                    return
                for one, row in zip(said, rows, strict=True):
                    self._testify(one.event, row)
                self._tell(numbered)
                self.counts.update(row.outcome for row in rows)
                self._since_floor += len(rows)
                if self._since_floor >= _KEEP_FLOOR:
                    await self._move_floor()
            if self._ended and not self._said:
                return

    async def _something(self) -> None:
        """Wait for something that was said, or for the moment at which a signal changes by itself."""
        coming = [board.next for board in self._boards.values() if board.next is not None]
        wait = min(3_600.0, max(0.0, (min(coming) - to_ns(clock.now())) / 1e9)) if coming else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), wait)
        self._wake.clear()

    def _row(self, said: Said, now: int) -> Row:
        """Return what is logged, and put the views on the boards; too late, they are nothing."""
        id = str(said.event.id)
        row = Row(event=id, analyst=said.analyst, at=now, outcome=said.outcome, reason=said.reason)
        if said.withdraws is not None:
            for board in self._boards.values():
                board.withdraw(said.withdraws, now)
            return replace(row, withdraws=said.withdraws)
        if said.views and self._too_old(said.event, now):
            return replace(row, outcome="too old", reason=_LATE)
        at = from_ns(max(now, to_ns(known_at(said.event))))
        views = tuple(replace(view, at=at, in_sample=said.in_sample) for view in said.views)
        disputed = tuple(is_disputed(view, said.doubts) for view in views)
        row = replace(row, views=views, disputed=disputed)
        for opinion in _opinions(row, said.event):
            self._add(opinion)
        return row

    def _add(self, opinion: Opinion) -> None:
        for role, board in self._boards.items():
            analyst = opinion.view.analyst
            if role == analyst or (role == NEWS and (self._agreeing is None or analyst in self._agreeing)):
                board.add(opinion)

    def _advance(self, now: int) -> list[Signal]:
        self._latest = now
        found = [signal for board in self._boards.values() for signal in board.advance(now)]
        return sorted(found, key=lambda signal: signal.at)

    async def _logged(
        self, rows: Sequence[Row], signals: Sequence[Signal], keys: Sequence[tuple[str, str]]
    ) -> list[Numbered] | None:
        """Return the signals as logged; None where the session ended before that was possible."""
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._disk:
                    numbered = await asyncio.to_thread(self._log.write, rows, signals)
                    for key in keys:
                        self._open.pop(key, None)
                    return numbered
            except StoreError as error:
                self._report(f"{error.message}; signals are held back until it can be written")
                if self._ended:
                    return None
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _testify(self, event: Event, row: Row) -> None:
        if row.views and self._witness is not None:
            self._witness.read(event, row.views)

    def _tell(self, numbered: Iterable[Numbered]) -> None:
        for one in numbered:
            for subscriber in self._subscribers:
                try:
                    subscriber(one)
                except Exception as error:  # noqa: BLE001 - a subscriber's fault is not the others'
                    self._report(f"a subscriber failed on signal {one.number}: {reason_of(error)}")

    # -- after a restart -------------------------------------------------------------------------------

    def _restore(self) -> list[Todo]:
        """Put what was said before on the boards; return what has still to be read."""
        now, last = clock.now(), self._log.last()
        rows, gone = self._log.live(last)
        for id, at in gone.items():
            for board in self._boards.values():
                board.withdraw(id, at)
        for row in rows:
            event = self._store.get(row.event)
            if event is not None:
                self._testify(event, row)
                for opinion in _opinions(row, plain(event, self._link, self._symbols)[0]):
                    self._add(opinion)
        self._advance(last)  # what followed up to then was logged and told then
        self.restored = tuple(self._log.in_force(to_ns(now)))
        floor = self._state.get(FLOOR)
        since = now - self._max_age
        if floor is not None and isinstance(floor.value, int):
            since = min(since, from_ns(floor.value))
        stored = self._store.as_of(max(now, from_ns(last)), since=since, revisions=True)
        self.recent_signals = tuple(self._log.signals(since=to_ns(now - self._max_age)))
        self.recent_events = tuple(event for event in stored if not self._too_old(event))
        return self._todo(stored, self._log.read_already([str(event.id) for event in stored]))

    async def _move_floor(self) -> None:
        """Remember the moment before which everything was read."""
        self._since_floor = 0
        floor = min((to_ns(known_at(event)) for event in self._open.values()), default=to_ns(clock.now()))
        floor = min(floor, to_ns(clock.now() - self._max_age))
        try:
            await asyncio.to_thread(self._state.put, FLOOR, floor)
        except RoboError as error:
            self._report(f"{error.message}; a restart looks further back")


def _opinions(row: Row, event: Event) -> list[Opinion]:
    return [
        opinion_of(view, event, disputed=disputed)
        for view, disputed in zip(row.views, row.disputed, strict=True)
    ]
