"""From views to signals over time: the consensus at each moment at which something changes.

A signal is made when a view begins to count, when one of several is over, and when a correction
withdraws what was said of the text that it corrects. It replaces the role's signal of that symbol;
between two of them the value falls in a straight line to 0 at `expires_at`. What a signal says
depends on nothing that came later. Nothing here raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from robo_trader.clock import from_ns
from robo_trader.events.stories import dependent
from robo_trader.records import Event, Signal
from robo_trader.signals.clamp import Consensus, Copies, Opinion, order, weigh

#: The symbol of a view that reaches every instrument.
EVERYTHING = "*"
_REMEMBERED = 1_000_000  # pairs of events


def signals_of(
    opinions: Iterable[Opinion],
    *,
    name: str,
    symbols: Iterable[str],
    withdrawn: Mapping[str, int] | None = None,
    same: Copies | None = None,
) -> tuple[Signal, ...]:
    """Return the signals of the role `name` for each of `symbols`, by time and symbol.

    `withdrawn` says from when (ns UTC) an event, by its id, no longer counts because another one
    corrects it.
    """
    over = withdrawn or {}
    about: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in opinions:
        end = over.get(opinion.event.id or "", opinion.until)
        if end > opinion.at:
            about[opinion.view.symbol].append(opinion if end >= opinion.until else _until(opinion, end))
    shared = about.pop(EVERYTHING, [])
    known = Remembered(same or dependent)
    for_all = list(_moments(shared, known)) if shared else []
    out: list[Signal] = []
    for symbol in symbols:
        own = about.get(symbol)
        found = list(_moments([*own, *shared], known)) if own else for_all
        out += [signal_of(name, symbol, at, said, until) for at, said, until in found]
    return tuple(sorted(out, key=lambda s: (s.at, s.symbol)))


def _until(opinion: Opinion, end: int) -> Opinion:
    """Return an opinion that ends early, with the slope that it had."""
    return replace(opinion, withdrawn=end)


class Remembered:
    """Compares two events once, as long as there is room to remember."""

    def __init__(self, same: Copies) -> None:
        self._same = same
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, a: Event, b: Event) -> bool:
        key = (a.id or "", b.id or "")
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._same(a, b)
        return found


def _moments(opinions: Sequence[Opinion], same: Copies) -> Iterable[tuple[int, Consensus, int]]:
    """Yield (time, consensus, end) for every moment at which the live opinions change."""
    ordered = sorted((o for o in opinions if not o.suspicious), key=order)
    times = sorted({o.at for o in ordered} | {o.end for o in ordered})
    corrected = any(o.withdrawn is not None for o in ordered)
    live: list[Opinion] = []
    coming = 0
    for now in times:
        while coming < len(ordered) and ordered[coming].at <= now:
            live.append(ordered[coming])
            coming += 1
        withdrawn = corrected and any(o.end <= now < o.until for o in live)
        live = [o for o in live if (o.until if o.withdrawn is None else o.end) > now]
        said = weigh(live, now, same=same)
        if said is not None:
            yield now, said, max([o.until for o in live])
        elif withdrawn:
            yield now, Consensus(0.0, 0.0, 0), now


def signal_of(name: str, symbol: str, at: int, said: Consensus, until: int) -> Signal:
    """Return the signal of `symbol` that `said` makes, from `at` to `until` (ns UTC)."""
    return Signal(
        at=from_ns(at),
        symbol=symbol,
        name=name,
        value=said.value,
        confidence=said.confidence,
        expires_at=from_ns(until),
        evidence=said.evidence,
    )


def corrections(events: Collection[Event], at: Mapping[str, int]) -> dict[str, int]:
    """Return from when each corrected event no longer counts: the `at` of what corrects it first.

    Only the source that told of a thing can take it back.
    """
    over: dict[str, int] = {}
    source = {event.id: (event.source or "").casefold() for event in events}
    for event in events:
        was = event.revision_of
        if was and event.id and event.id in at and source.get(was) == source[event.id]:
            over[was] = min(at[event.id], over.get(was, at[event.id]))
    return over
