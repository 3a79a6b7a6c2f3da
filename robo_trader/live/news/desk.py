"""`NewsDesk`: the news pipeline beside a session, in a thread of its own.

It polls the event sources of the configuration, lets analysts read what they bring, and hands events and
signals over without ever making the session wait. Which analysts read is what the strategy asked for: the
roles that its signals name, and ``news`` where it listens. Latency is real time.

Failure contract: what the configuration gets wrong is a `RoboError` before anything is started. After that
nothing here reaches the strategy: a source, an analyst or a database that fails is reported as an `Alert`,
from the desk's thread, and the others go on. An event older than `[live] max_age` when it is first seen is
stored and not told.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import numpy as np

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.clock import to_ns
from robo_trader.config import Config
from robo_trader.errors import RoboError, UsageError
from robo_trader.intelligence.judging import reason_of
from robo_trader.intelligence.roles import NEWS, OFFLINE
from robo_trader.live.news.grounds import Ground, Grounds
from robo_trader.live.news.log import Numbered
from robo_trader.live.news.mailbox import Mailbox
from robo_trader.live.news.parts import (
    HealthWords,
    OwnState,
    make_analysts,
    make_sources,
    open_store,
    source_names,
)
from robo_trader.live.news.pipeline import Pipeline, Source
from robo_trader.news.linking import Linker
from robo_trader.news.polling import Health, Poller
from robo_trader.plugins import PluginHost
from robo_trader.records import Alert, Event, Signal
from robo_trader.roles import analyst_names, linking
from robo_trader.state import open_state

#: The same trouble is told once in so many seconds.
QUIET = 300.0
#: Events that may wait to be taken; of more the oldest are let go and counted.
WAITING = 10_000
#: How long a source that is asked to end may take, in seconds, before it is left behind.
_GRACE = 2.0


class NewsDesk:
    """Sources, analysts and pipeline of a session; a context manager. Take from it in the session's thread.

    `symbols` are those that views and signals may be about, `roles` what the strategy asked for
    (`LiveTape.readers`), `events` whether it hears of events. Where it wants neither, nothing is started.
    `frames` gives the bars of the feeds for analysts that look at them. `report` gets alerts and `wake` is
    called when something can be taken, both from the desk's thread; neither may wait or raise. `options`
    goes over what the configuration says of an event source. Desks of different names keep what they have
    read apart; those of one name follow each other.
    """

    def __init__(
        self,
        conf: Config,
        host: PluginHost,
        symbols: Iterable[str],
        *,
        name: str = "",
        roles: Iterable[str] = (),
        events: bool = True,
        frames: Callable[[], Sequence[BarFrame]] = tuple,
        report: Callable[[Alert], None] = lambda alert: None,
        wake: Callable[[], None] = lambda: None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._conf, self._host = conf, host
        self._symbols, self._name = tuple(dict.fromkeys(symbols)), name
        self._roles = tuple(dict.fromkeys(roles))
        self._hears = events
        self._frames, self._bars = frames, dict[str, BarFrame]()
        self._trouble = _Trouble(host, report)
        self._wake = wake
        self._options = options
        self._drain = conf.duration("live.drain")
        self._max_age = conf.duration("live.max_age")
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._mailbox = Mailbox(WAITING)
        self._chosen = analyst_names(conf.get("intelligence.analyst"))
        self._grounds = Grounds(self._chosen, self._hear)
        self._pipeline: Pipeline | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._begun = threading.Event()
        self._failed: BaseException | None = None
        #: How many events were too old to be told.
        self.too_old = 0
        #: The signals of the roles asked for that were in force when the desk opened.
        self.restored: tuple[Numbered, ...] = ()
        #: What an earlier session was given in the last `[live] max_age` before that, and may not have taken.
        self.recent_events: tuple[Event, ...] = ()
        self.recent_signals: tuple[Numbered, ...] = ()

    # -- the session's side --------------------------------------------------------------------------

    def take(self) -> tuple[list[Event], list[Numbered]]:
        """Return the events and signals that came since the last call, each in order; never waits.

        An event is there before the signals that follow from it.
        """
        self._bars = {frame.symbol: frame for frame in self._frames()}
        signals = self._mailbox.take()
        events: list[Event] = []
        with suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return events, signals

    def grounds(self, signal: Signal) -> tuple[Ground, ...]:
        """Return the events and views behind a signal, for the journal; never waits."""
        return self._grounds.of(signal)

    @property
    def alive(self) -> bool:
        """True while it reads the news."""
        return self._thread is not None and self._thread.is_alive()

    # -- life ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Make the parts and start; raises `RoboError` where that is not possible."""
        if not self._roles and not self._hears:
            return self
        names = source_names(self._host, self._conf)
        files = [name for name in self._conf.get("events.sources") if name not in names]
        if files:
            self._trouble.tell(f"not followed, since a file tells of the past: {', '.join(files)}", "info")
        if not names:
            if self._roles:
                self._trouble.tell(
                    "no event source is named in [events] sources: analysts' signals stay silent"
                )
            return self
        with ExitStack() as stack, self._host.masking():
            poller = self._parts(stack, names)
            self._thread = threading.Thread(
                target=self._run, args=(poller, stack.pop_all()), name="robo news", daemon=True
            )
        self._thread.start()
        self._begun.wait()
        if self._failed is not None:
            self._thread.join()
            raise self._failed
        assert self._pipeline is not None
        self.restored = self._asked_for(self._pipeline.restored)
        self.recent_signals = self._asked_for(self._pipeline.recent_signals)
        if self._hears:
            self.recent_events = self._pipeline.recent_events
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End in order: sources first, then what waits is read for up to `[live] drain`; may be called twice.

        What is not read by then stays in the store for the next session. What was read can still be taken.
        """
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or not thread.is_alive():
            return
        if loop is not None and stop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stop.set)
        thread.join(2 * self._drain.total_seconds() + 2 * _GRACE)
        if thread.is_alive():
            self._trouble.tell("it has not ended in time and is left behind")

    def _asked_for(self, signals: Iterable[Numbered]) -> tuple[Numbered, ...]:
        return tuple(
            one for one in signals if one.signal.name in self._roles and one.signal.symbol in self._symbols
        )

    # -- parts ---------------------------------------------------------------------------------------

    def _parts(self, stack: ExitStack, names: Sequence[str]) -> Poller:
        sources = make_sources(self._host, names, self._options)
        wanted = [*(self._chosen if NEWS in self._roles else ()), *(r for r in self._roles if r != NEWS)]
        analysts = make_analysts(self._host, wanted, live=True)
        if NEWS in self._roles and not self._chosen:
            raise UsageError("no analyst is named", hint="name one in [intelligence] analyst: offline")
        offline = None
        if analysts and OFFLINE not in analysts and OFFLINE in self._host.names("analyst"):
            offline = make_analysts(self._host, [OFFLINE])[OFFLINE]
        # It loads its words and its model when it first reads: not while a strategy waits for a signal.
        for one in filter(None, (analysts.get(OFFLINE), offline)):
            one.read(Event(kind="news", title="a trial", published_at=clock.now()))
        store = stack.enter_context(open_store(self._conf, self._name))
        whole = stack.enter_context(open_state(self._conf.resolve("state.url")))
        state = OwnState(whole, self._name) if self._name else whole
        self._pipeline = Pipeline(
            store, analysts, symbols=self._symbols, state=state, offline=offline, roles=self._roles,
            consensus=self._chosen, link=linking(self._symbols), bars=self._bars_at, max_age=self._max_age,
            queue=self._conf.get("live.queue"), report=self._trouble.tell, witness=self._grounds,
        )  # fmt: skip
        stack.callback(self._pipeline.close)
        self._pipeline.subscribe(self._mailbox)
        self._pipeline.subscribe(lambda one: self._wake())
        return Poller(
            sources, self._pipeline.deliver, cursors=state, linker=Linker(self._symbols),
            report=_Heard(self._trouble), every=self._conf.duration("events.every"),
        )  # fmt: skip

    # -- in the desk's thread ------------------------------------------------------------------------

    def _run(self, poller: Poller, parts: ExitStack) -> None:
        try:
            with parts, self._host.masking():
                asyncio.run(self._main(poller))
        except BaseException as error:  # noqa: BLE001 - whatever ends the news, the session goes on
            if not self._begun.is_set():
                self._failed = error
            else:
                hint = f" ({error.hint})" if isinstance(error, RoboError) and error.hint else ""
                self._trouble.tell(f"the news pipeline has ended: {reason_of(error)}{hint}", "critical")
        finally:
            self._begun.set()

    async def _main(self, poller: Poller) -> None:
        assert self._pipeline is not None
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._pipeline.run(_Following(poller, self._begun.set), self._stop, drain=self._drain)

    def _hear(self, events: Sequence[Event]) -> None:
        """Put what is new where the session takes it."""
        if not self._hears:
            return
        for event in events:
            if clock.now() - event.published_at >= self._max_age:
                self.too_old += 1
                continue
            if self._events.qsize() >= WAITING:
                with suppress(queue.Empty):
                    self._events.get_nowait()
                self._trouble.tell(f"more than {WAITING:,} events wait to be told: the oldest are let go")
            self._events.put(event if event.known_at is not None else replace(event, known_at=clock.now()))
        self._wake()

    def _bars_at(self, symbol: str, time: datetime) -> BarFrame | None:
        """Return the bars of `symbol` that had ended at `time`, as the session last showed them."""
        frame = self._bars.get(symbol)
        if frame is None:
            return None
        ended = int(np.searchsorted(frame.end, to_ns(time), "right"))
        return frame.where(slice(0, ended)) if ended else None


class _Following:
    """A poller that is left behind where it does not end in time, and that no closed source ends."""

    def __init__(self, poller: Source, begun: Callable[[], None]) -> None:
        self._poller, self._begun = poller, begun

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set."""
        self._begun()
        # The poller sets what it is given when every source has closed; signals go on changing then.
        ending = asyncio.Event()
        polling = asyncio.create_task(self._poller.run(ending))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if polling.done():
            polling.result()
        await stopping
        ending.set()
        await asyncio.wait({polling}, timeout=_GRACE)
        polling.cancel()
        ended = (await asyncio.gather(polling, return_exceptions=True))[0]
        if isinstance(ended, Exception):
            raise ended


class _Heard:
    """Tells of a source when it begins to fail and when it answers again."""

    def __init__(self, trouble: _Trouble) -> None:
        self._trouble, self._words = trouble, HealthWords()

    def __call__(self, health: Health) -> None:
        said = self._words.of(health)
        if said is not None:
            self._trouble.tell(said[1], "warning" if said[0] else "info")


class _Trouble:
    """Tells of trouble, the same one not again and again. Usable from several threads."""

    def __init__(self, host: PluginHost, report: Callable[[Alert], None]) -> None:
        self._host, self._report = host, report
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def tell(self, text: str, level: Any = "warning") -> None:
        """Report `text` with every secret hidden."""
        said, now = self._host.scrub(text), clock.monotonic()
        with self._lock:
            self._told = {one: at for one, at in self._told.items() if now - at < QUIET}
            if said in self._told:
                return
            self._told[said] = now
        self._report(Alert(time=clock.now(), level=level, title="news", text=said, source="news"))
