"""Ask every source again and again, and hand on what is new: once, in order, whatever fails.

Each feed is a task of its own with its own cursor, back-off and clock, so that one that hangs or lies stops
no other. A cursor moves only after `deliver` has returned: what a crash interrupts is delivered again, and
the event store keeps it once. Nothing here raises for what a source does; it is counted and told
through `report`. What `deliver` raises counts as the source's failure and is tried again.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import random
import re
import threading
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from robo_trader import clock
from robo_trader.errors import EventError, RoboError
from robo_trader.events.hygiene import clean_event
from robo_trader.events.impact import classify
from robo_trader.events.source import EventSource, fetch_events
from robo_trader.masking import mask_url
from robo_trader.news.feed import Entry, entry_id, parse_feed
from robo_trader.news.fetching import Answer, FetchError, Watch, fetch
from robo_trader.news.linking import Linker
from robo_trader.news.sources import FeedSource, FeedSpec
from robo_trader.records import Event

T = TypeVar("T")
Deliver = Callable[[str, Sequence[Event]], Awaitable[None]]

#: The longest back-off, and how far a source that keeps no cursor of its own is asked back.
LONGEST = timedelta(hours=1)
LOOK_BACK = timedelta(hours=1)
_KEPT = 2_000  # entries of a feed
_TEXTS = 5  # texts of an entry
_SOURCE_DEADLINE = 120.0


class Cursors(Protocol):
    """Where cursors are kept; the state store of `robo_trader.state` is one."""

    def get(self, key: str) -> Any:
        """Return what is stored under `key` (with the attribute `value`), or None."""

    def put(self, key: str, value: Any) -> Any:
        """Store a JSON value under `key`."""


@dataclass(slots=True)
class Health:
    """How one feed or source does: requests, new events, failures in a row, the last problem."""

    source: str
    place: str
    events: int = 0
    failures: int = 0
    problem: str = ""
    wait: float = 0.0
    closed: bool = False

    @property
    def state(self) -> str:
        """``ok``, ``waiting`` (backing off) or ``closed`` (gone for good)."""
        return "closed" if self.closed else "waiting" if self.failures else "ok"


@dataclass(slots=True)
class _Hosts:
    """Between two requests to one host passes a second at least; a host that asked for peace has it."""

    gap: float = 1.0
    free_at: dict[str, float] = field(default_factory=dict)

    def reserve(self, host: str) -> float:
        """Return how long to wait before asking `host`, and keep that moment for the caller."""
        now = clock.monotonic()
        at = max(now, self.free_at.get(host, now))
        self.free_at[host] = at + self.gap
        return at - now

    def leave_alone(self, host: str, seconds: float) -> None:
        self.free_at[host] = max(self.free_at.get(host, 0.0), clock.monotonic() + seconds)


class Poller:
    """Polls `sources` (by name) and awaits ``deliver(name, events)`` for what is new.

    `linker` finds the events' symbols. `every` is the interval of sources that do not say their own.
    `report` hears of every poll's `Health`. `sleep` and `dice` are for tests.
    """

    def __init__(
        self,
        sources: Mapping[str, EventSource],
        deliver: Deliver,
        *,
        cursors: Cursors,
        linker: Linker | None = None,
        every: timedelta = timedelta(seconds=60),
        report: Callable[[Health], None] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        dice: random.Random | None = None,
    ) -> None:
        self._deliver, self._cursors, self._linker = deliver, cursors, linker
        self._report, self._sleep = report, sleep
        self._dice = dice or random.Random()
        self._hosts = _Hosts()
        self._watches: set[Watch] = set()
        self._stop: asyncio.Event | None = None
        self._jobs: list[_Job] = []
        for name, source in sources.items():
            if isinstance(source, FeedSource):
                self._jobs += [_Job(name, source, spec, source.every) for spec in source.feeds]
            else:
                self._jobs.append(_Job(name, source, None, every))

    @property
    def health(self) -> tuple[Health, ...]:
        """How each feed and source does, in the order they were given."""
        return tuple(job.health for job in self._jobs)

    async def once(self) -> tuple[Health, ...]:
        """Poll everything once and return how each did."""
        self._stop = asyncio.Event()
        await asyncio.gather(*(self._poll(job) for job in self._jobs))
        return self.health

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set (or until every source is closed); what was delivered by then is kept.

        A delivery that has begun is finished, and its cursor written, before this returns.
        """
        self._stop = stop
        tasks = [asyncio.create_task(self._loop(job)) for job in self._jobs]
        ending = asyncio.create_task(self._end_requests(stop))
        try:
            await asyncio.gather(*tasks)
        finally:
            stop.set()
            await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _end_requests(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for watch in list(self._watches):
            watch.end()

    async def _loop(self, job: _Job) -> None:
        assert self._stop is not None
        while not self._stop.is_set() and not job.health.closed:
            await self._poll(job)
            if job.health.closed or self._stop.is_set():
                return
            await self._pause(job.health.wait)

    async def _poll(self, job: _Job) -> None:
        """Poll once; whatever happens, the health says so and the next moment is set."""
        health = job.health
        after: float | None = None
        try:
            new = await (self._poll_feed(job) if job.spec is not None else self._poll_source(job))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a source may raise anything, and the others go on
            if self._stop is not None and self._stop.is_set():
                return  # cut short by the end of the session, which is no fault of the source
            health.failures += 1
            health.problem = (
                str(error) if isinstance(error, RoboError) else f"{type(error).__name__}: {error}"
            )
            if isinstance(error, FetchError):
                after = error.retry_after
                health.closed = error.status == 410
                if job.spec is not None and error.status in (429, 503):
                    self._hosts.leave_alone(job.spec.host, after or 0.0)
        else:
            health.failures, health.problem = 0, new.problem
            health.events += new.count
        health.wait = self._wait(job, after)
        if self._report is not None:
            self._report(health)

    def _wait(self, job: _Job, after: float | None) -> float:
        """Return the seconds to the next poll: doubled with each failure, never all at the same moment."""
        every = job.every.total_seconds()
        if not job.health.failures:
            return every * self._dice.uniform(1.0, 1.1)
        longest = max(LONGEST.total_seconds(), every)
        backed_off = min(every * 2.0 ** min(job.health.failures, 20), longest)
        return max(backed_off * self._dice.uniform(0.5, 1.0), every, after or 0.0)

    async def _poll_feed(self, job: _Job) -> _New:
        spec, source = job.spec, job.source
        assert spec is not None and isinstance(source, FeedSource)
        await self._pause(self._hosts.reserve(spec.host))
        cursor = self._read(job.key)
        watch = Watch()
        self._watches.add(watch)
        if self._stop is not None and self._stop.is_set():
            watch.end()  # the end came before the request: it is cut as soon as it is connected
        try:
            answer = await in_thread(
                lambda: fetch(
                    spec.url, etag=cursor.etag, modified=cursor.modified, user_agent=source.user_agent,
                    watch=watch,
                )
            )  # fmt: skip
        finally:
            self._watches.discard(watch)
        if answer.status == 304:
            return _New(0)
        seen_at = clock.now()
        feed, events = await in_thread(lambda: self._news(job, answer, cursor, seen_at))
        if events:
            await self._hand_on(job.name, events)
        self._cursors.put(job.key, cursor.after(feed.entries, job.name, answer))
        return _New(len(events), feed.problem)

    def _news(self, job: _Job, answer: Answer, cursor: _Cursor, seen_at: datetime) -> tuple[Any, list[Event]]:
        assert job.spec is not None
        feed = parse_feed(answer.content, url=answer.url, content_type=answer.content_type)
        found: dict[str, Event] = {}
        for entry in feed.entries:
            known = cursor.seen.get(entry.key)
            if known is not None and _words(entry) in known[1:]:
                continue  # told before; an earlier text again is an old copy out of some cache
            event = job.spec.event(entry, job.name, seen_at, known[0] if known else None)
            if event.revision_of != event.id:
                found.setdefault(str(event.id), self._prepare(event))
        return feed, sorted(found.values(), key=lambda event: (event.published_at, event.id or ""))

    async def _poll_source(self, job: _Job) -> _New:
        """Ask a source that only knows `fetch(since, until)`, a little back so that late entries are seen."""
        until = clock.now()
        stored = self._cursors.get(job.key)
        value = stored.value if stored is not None and isinstance(stored.value, dict) else {}
        since = until - LOOK_BACK
        with suppress(KeyError, TypeError, ValueError):  # a damaged cursor counts as none
            since = min(since, datetime.fromisoformat(value["until"]) - LOOK_BACK)
        if job.busy is not None and job.busy.is_alive():
            raise EventError(f"event source {job.name!r} has not answered yet")
        holder: list[threading.Thread] = []
        work = in_thread(lambda: fetch_events(job.source, job.name, since, until), holder)
        job.busy = holder[0]
        try:
            tape = await asyncio.wait_for(work, _SOURCE_DEADLINE)
        except TimeoutError:
            raise EventError(
                f"event source {job.name!r} has not answered for {_SOURCE_DEADLINE:g} s"
            ) from None
        seen_at = clock.now()
        events = [
            self._prepare(replace(event, known_at=seen_at) if assumed else event)
            for event, assumed in zip(tape.events, tape.inferred.tolist(), strict=True)
        ]
        last = set(value["last"]) if isinstance(value.get("last"), list) else set()
        new = [event for event in events if event.id not in last]
        if new:
            await self._hand_on(job.name, new)
        kept = [event.id for event in events][-_KEPT:]
        self._cursors.put(job.key, {"until": until.isoformat(), "last": kept})
        return _New(len(new))

    def _prepare(self, event: Event) -> Event:
        """Return `event` as the host stores it: cleaned, of its kind, with its symbols."""
        event, _ = clean_event(event)
        symbols = event.symbols if self._linker is None else self._linker.link(event)
        kind = classify(event)
        if symbols == event.symbols and kind == event.kind:
            return event
        return replace(event, symbols=symbols, kind=kind)

    async def _hand_on(self, name: str, events: Sequence[Event]) -> None:
        """Deliver, even while the session is being cancelled: half a delivery would be the worst of all."""
        task = asyncio.ensure_future(self._deliver(name, events))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the session."""
        if seconds <= 0:
            return
        assert self._stop is not None
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _read(self, key: str) -> _Cursor:
        stored = self._cursors.get(key)
        return _Cursor.of(stored.value if stored is not None else None)


@dataclass(slots=True)
class _Job:
    """One thing to poll: a feed of a feed source, or a source as a whole."""

    name: str
    source: EventSource
    spec: FeedSpec | None
    every: timedelta
    health: Health = field(init=False)
    busy: threading.Thread | None = None

    def __post_init__(self) -> None:
        place = self.name if self.spec is None else mask_url(self.spec.url)
        self.health = Health(self.name, place)

    @property
    def key(self) -> str:
        """The cursor's key: the source, and for a feed a hash of its address."""
        if self.spec is None:
            return f"cursor/{self.name[:60]}"
        return f"cursor/{self.name[:60]}/{zlib.crc32(self.spec.url.encode()):08x}"


@dataclass(frozen=True, slots=True)
class _New:
    count: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Validators of the last answer, and of each entry its event's id and hashes of its texts so far."""

    etag: str = ""
    modified: str = ""
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> _Cursor:
        """Return the stored cursor; a damaged one counts as none, and the store keeps doubles out."""
        try:
            seen = {str(key): (str(row[0]), *map(str, row[1:])) for key, row in value["seen"].items()}
            return cls(str(value["etag"]), str(value["modified"]), seen)
        except (TypeError, KeyError, AttributeError, IndexError):
            return cls()

    def after(self, entries: Sequence[Entry], name: str, answer: Answer) -> dict[str, Any]:
        """Return the cursor's JSON once `entries` have been delivered."""
        seen = dict(self.seen)
        for entry in entries:
            words = _words(entry)
            known = seen.pop(entry.key, None)
            if known is None or words not in known[1:]:
                known = (entry_id(entry, name), *(known or ("",))[1:][-_TEXTS + 1 :], words)
            seen[entry.key] = known
        kept = list(seen.items())[-_KEPT:]
        return {"etag": answer.etag, "modified": answer.modified, "seen": {k: list(v) for k, v in kept}}


def _words(entry: Entry) -> str:
    """Return a hash of what an entry says: a changed tracker or date is no revision."""
    text = " ".join(re.findall(r"\w+", re.sub(r"<[^>]*>|https?://\S+", " ", f"{entry.title} {entry.body}")))
    return hashlib.sha256(text.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def in_thread(work: Callable[[], T], holder: list[threading.Thread] | None = None) -> asyncio.Future[T]:
    """Run `work` in a daemon thread: one that hangs is left behind and keeps nobody from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            failed = error
        try:
            loop.call_soon_threadsafe(settle, result, failed)
        except RuntimeError:
            return  # the session has ended, and nobody waits for this any more

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), daemon=True, name="robo events")
    if holder is not None:
        holder.append(thread)
    thread.start()
    return future
