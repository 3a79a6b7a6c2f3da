"""What a session's strategy hears, from wherever it comes: events, analysts' signals, signal packs.

Two ways lead here. `played` knows the events in advance, as a backtest does: analysts read them when a
strategy asks, and everything is told when its time has come in the market that is being played. `followed`
reads the news as it happens, by a `NewsDesk`. A session cannot tell the two apart.

Failure contract: `open` raises what a backtest would raise before its first bar. After that nothing here
raises; troubles are alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import to_ns
from robo_trader.config import Config
from robo_trader.engine.timeline import Phase
from robo_trader.events.tape import EventTape
from robo_trader.inputs import Inputs
from robo_trader.live.news.desk import NewsDesk
from robo_trader.live.news.grounds import Ground, Grounds
from robo_trader.live.news.log import Numbered
from robo_trader.live.news.parts import source_names
from robo_trader.live.news.signals import LiveTape, live_tape
from robo_trader.live.steps import Said, TapeNews
from robo_trader.plugins import PluginHost
from robo_trader.records import Alert, Event, Signal, View
from robo_trader.roles import Roles, Tell
from robo_trader.strategy import handles_events, handles_signals

Frames = Callable[[], Sequence[BarFrame]]
#: Opens the news for the roles that were asked for, and for events where somebody hears of them.
Open = Callable[[Sequence[str], bool], NewsDesk]


class Hearing:
    """Events and signals of one session, in the order of a backtest.

    `tape` is what strategies read, `events` are those known in advance, `views` what analysts said of
    them and `consensus` whose views make ``news``. `desk` follows the news instead. For Cerebro's thread.
    """

    def __init__(
        self,
        tape: LiveTape,
        *,
        events: EventTape | None = None,
        views: Callable[[], Sequence[View]] = tuple,
        consensus: Sequence[str] = (),
        desk: Open | None = None,
    ) -> None:
        self.tape = tape
        self._events = EventTape.of(()) if events is None else events
        self._views, self._consensus, self._make = views, consensus, desk
        self._tape_news: TapeNews | None = None
        self._desk: NewsDesk | None = None
        self._grounds: Grounds | None = None
        self._missed: list[Said] = []
        self._stack = ExitStack()
        #: The roles of a rehearsal, with what it took to make them; None where the news is followed.
        self.roles: Roles | None = None

    def open(
        self, strategies: Iterable[Any], missed: Callable[[Event | Signal], bool] = lambda what: False
    ) -> None:
        """Begin, once strategies have been made: they name their roles then.

        Signals that are still in force from an earlier session are on the tape afterwards. What an earlier
        session was given a short while ago is told again where `missed` says that it was not told then.
        """
        strategies = list(strategies)
        kinds = [type(strategy) for strategy in strategies]
        if any(handles_signals(kind) for kind in kinds):
            self.tape.speak()
        if self._make is None:
            self._tape_news = TapeNews(self._events, self.tape.signals)
            return
        listens = any(handles_events(kind) for kind in kinds)
        self._desk = self._stack.enter_context(self._make(self.tape.readers, listens))
        for one in self._desk.restored:
            self.tape.add(one.signal)
        if self._desk.restored:
            _read_again(strategies)
        recent = _all(self._desk.recent_events, self._desk.recent_signals)
        self._missed = [_said(what) for what in recent if missed(what)]

    def skip(self, before: int) -> int:
        """Tell of nothing that was known before `before` (ns UTC); return how much that was."""
        return 0 if self._tape_news is None else self._tape_news.skip(before)

    def take(self, now: int) -> list[Said]:
        """Return what is known by `now` (ns UTC) and was not taken yet, in order.

        The bars that have ended by then must be in their feeds: what packs say of them is among it.
        """
        said = [] if self._tape_news is None else self._tape_news.take(now)
        if self._desk is not None:
            events, signals = self._desk.take()
            for one in signals:
                self.tape.add(one.signal)
            came = [*self._missed, *map(_said, _all(events, signals))]
            self._missed = []
            # A clock that is ahead of the market's does not make a moment of the future.
            said += [replace(one, time=min(one.time, now)) for one in came]
        said += [Said(to_ns(signal.at), Phase.SIGNAL, signal) for signal in self.tape.changes()]
        return sorted(said, key=_place)

    def next(self) -> int | None:
        """Return when the next thing becomes known (ns UTC), None where nobody can say."""
        return None if self._tape_news is None else self._tape_news.next()

    def grounds(self, signal: Signal) -> tuple[Ground, ...]:
        """Return the events and views behind a signal, for the journal; none for a signal pack's."""
        if self._desk is not None:
            return self._desk.grounds(signal)
        if self._grounds is None:
            self._grounds = Grounds(self._consensus, size=len(self._events) + 1)
            known = {str(event.id): event for event in self._events}
            self._grounds.stored(self._events.events)
            for view in self._views():
                self._grounds.read(known[str(view.event_id)], [view])
        return self._grounds.of(signal)

    def views(self) -> Sequence[View]:
        """Return what analysts said of the events that were known in advance."""
        return self._views()

    def close(self) -> None:
        """End the news in order; what was read by then can still be taken."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_again(strategies: Iterable[Any]) -> None:
    """Work out indicators for the bar they stand on, as Backtrader does when another feed has a bar."""
    for strategy in strategies:
        for indicator in strategy.getindicators():
            indicator._next()


def _all(events: Iterable[Event], signals: Iterable[Numbered]) -> list[Event | Signal]:
    return [*events, *(one.signal for one in signals)]


def _said(what: Event | Signal) -> Said:
    if isinstance(what, Signal):
        return Said(to_ns(what.at), Phase.SIGNAL, what)
    return Said(to_ns(what.known_at or what.published_at), Phase.EVENT, what)


def _place(one: Said) -> tuple[Any, ...]:
    """Return what orders things of one moment as a backtest does; events stay as they came."""
    named = (one.what.name, one.what.symbol) if isinstance(one.what, Signal) else ()
    return (one.time, one.phase, *named)


def played(
    conf: Config,
    host: PluginHost,
    inputs: Inputs,
    frames: Frames,
    *,
    tell: Tell = lambda what, done, total: None,
    report: Callable[[Alert], None] = lambda alert: None,
) -> Hearing:
    """Return what a rehearsal hears: the events of `inputs`, read as a backtest reads them."""
    roles = Roles(conf, host, inputs, tell)
    tape = live_tape(
        host, frames, load=inputs.load, ahead=roles.tape(), spoken=len(inputs.events) > 0, report=report
    )
    hearing = Hearing(tape, events=inputs.events, views=lambda: roles.views, consensus=roles.names)
    hearing.roles = roles
    return hearing


def followed(
    conf: Config,
    host: PluginHost,
    symbols: Sequence[str],
    frames: Frames,
    *,
    name: str = "",
    report: Callable[[Alert], None] = lambda alert: None,
    wake: Callable[[], None] = lambda: None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Hearing:
    """Return what a session hears of the news as it happens; see `NewsDesk` for the arguments."""
    tape = live_tape(host, frames, spoken=bool(source_names(host, conf)), report=report)

    def desk(roles: Sequence[str], events: bool) -> NewsDesk:
        return NewsDesk(
            conf, host, symbols, name=name, roles=roles, events=events, frames=frames, report=report,
            wake=wake, options=options,
        )  # fmt: skip

    return Hearing(tape, desk=desk)
