"""`robo events fetch`: poll sources into the store, once or until Ctrl-C, with an ordered end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.cli import out
from robo_trader.errors import UsageError
from robo_trader.records import as_dict

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.events.store import EventStore
    from robo_trader.live.news.log import Numbered
    from robo_trader.news.polling import Health
    from robo_trader.records import Event


def run(
    config: Config,
    names: Sequence[str],
    *,
    follow: bool,
    symbols: Sequence[str] | None,
    as_json: bool,
    analysts: Sequence[str] = (),
) -> bool:
    """Poll the sources named and return whether any of them could be read; `analysts` read what comes."""
    from robo_trader.live.news.parts import make_analysts, make_sources, open_store, source_names
    from robo_trader.news.linking import Linker
    from robo_trader.news.polling import Poller
    from robo_trader.plugins import load_host
    from robo_trader.state import open_state

    host = load_host(config)
    chosen = source_names(host, config, names)
    if not chosen:
        known = host.names("event_source")
        raise UsageError(
            "no event source is named", hint=f"name one: robo events fetch {known[0] if known else 'NAME'}"
        )
    sources = make_sources(host, chosen)
    universe = symbols if symbols is not None else config.get("run.symbols")
    if analysts and not universe:
        raise UsageError("signals of which symbols?", hint="name them: --symbols AAPL,MSFT")
    readers = make_analysts(host, analysts)
    with open_store(config) as store, open_state(config.resolve("state.url")) as state:
        desk = _Desk(store, as_json)
        pipeline = None
        if readers:
            from robo_trader.live.news.pipeline import Pipeline

            pipeline = Pipeline(
                store, readers, symbols=universe, state=state, report=desk.warn,
                offline=make_analysts(host, ["offline"])["offline"],
            )  # fmt: skip
            pipeline.subscribe(desk.hear)
        poller = Poller(
            sources, desk.take if pipeline is None else pipeline.deliver, cursors=state,
            linker=Linker(universe), report=desk.report, every=config.duration("events.every"),
        )  # fmt: skip
        if pipeline is not None:
            out.note(f"{', '.join(readers)} read {', '.join(sources)}; Ctrl-C ends it")
            with host.masking():
                asyncio.run(_follow(poller, pipeline))
            pipeline.close()
            out.note(f"{desk.new:,} new signals; the log is in {store.place}")
            return True
        if follow:
            out.note(f"following {', '.join(sources)}; {len(poller.health)} feeds in all; Ctrl-C ends it")
            asyncio.run(_follow(poller))
        else:
            asyncio.run(poller.once())
        out.note(f"{desk.new:,} new events in {store.place}")
    return follow or any(not one.failures for one in poller.health)


async def _follow(poller: Any, pipeline: Any = None) -> None:
    """Poll, and read, until the process is told to end; a delivery that has begun is finished."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM"):
        with suppress(NotImplementedError, AttributeError):  # Windows: Ctrl-C cancels the run instead
            loop.add_signal_handler(getattr(signal, name), stop.set)
    await (poller.run(stop) if pipeline is None else pipeline.run(poller, stop))


class _Desk:
    """Takes what is new: stores it, then prints it; and says when a source begins or stops to fail."""

    def __init__(self, store: EventStore, as_json: bool) -> None:
        from robo_trader.live.news.parts import HealthWords

        self._store, self._json = store, as_json
        self._words = HealthWords()
        self.new = 0

    async def take(self, name: str, events: Sequence[Event]) -> None:
        """Store events and print those that the store did not have."""
        fresh = await asyncio.to_thread(self._keep, name, events)
        self.new += len(fresh)
        for event in fresh:
            if self._json:
                out.write(json.dumps(out.plain(_fields(event)), ensure_ascii=True))
            else:
                about = f" [{', '.join(event.symbols)}]" if event.symbols else ""
                out.write(f"{event.known_at:%H:%M:%S}Z  {name}  {event.kind}{about}  {event.title}")
        sys.stdout.flush()  # whoever reads a pipe wants the news now

    def hear(self, one: Numbered) -> None:
        """Print a signal."""
        self.new += 1
        signal = one.signal
        if self._json:
            out.write(json.dumps(out.plain({"number": one.number, **as_dict(signal)}), ensure_ascii=True))
        else:
            out.write(
                f"{signal.at:%H:%M:%S}Z  {signal.name}  {signal.symbol}  {signal.value:+.3f}  "
                f"confidence {signal.confidence:.2f}  {' '.join(signal.evidence[-3:])}"
            )
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """Tell of a problem."""
        out.note(text, label="warning")

    def _keep(self, name: str, events: Sequence[Event]) -> list[Event]:
        had = {event.id for event in events if event.id is not None and self._store.get(event.id) is not None}
        self._store.add(events, seen_at=clock.now(), source=name, strict=False)
        return [event for event in events if event.id not in had]

    def report(self, health: Health) -> None:
        """Tell of a problem when it is new, and of its end."""
        said = self._words.of(health)
        if said is not None:
            out.note(said[1], label="warning" if said[0] else "")


def _fields(event: Event) -> dict[str, Any]:
    return {
        "id": event.id, "kind": event.kind, "title": event.title, "published_at": event.published_at,
        "known_at": event.known_at, "symbols": list(event.symbols), "source": event.source,
        "url": event.url, "revision_of": event.revision_of, "data": dict(event.data),
    }  # fmt: skip
