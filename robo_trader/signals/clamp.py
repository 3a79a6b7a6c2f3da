"""The clamp policy: how far views may move a signal, whatever they say.

A view is untrusted. One source moves a signal by at most 0.30, two independent ones by 0.60, three
or more by 1.0; near copies of one text count once, whoever prints them (`events.stories`). Views
that contradict the offline analyst move it by at most 0.10 together, and suspicious text by nothing.
A view's weight falls in a straight line from its time to the end of its horizon.

`consensus` is a pure function of the opinions that are live at one moment: their order means
nothing, and a further source that agrees never makes the value smaller. Nothing here raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from robo_trader.clock import to_ns
from robo_trader.events.stories import dependent
from robo_trader.records import Event, View

#: What one, two, and three or more independent sources may move.
CAPS = (0.30, 0.60, 1.0)
#: What views that contradict the offline analyst may move together.
DISPUTED = 0.10
#: Three sources at full strength move a signal all the way.
_ALL = CAPS[2] / (3 * CAPS[0])
#: How many events of one source, and of all, are weighed at a moment: the newest.
PER_SOURCE, CROWD = 4, 24
#: How many stories of a source are compared with those of others: its newest.
_TOLD = 3

Copies = Callable[[Event, Event], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A view with what the policy has to know of it.

    `at` is when it begins to count and `until` when its horizon is over (ns UTC); a correction may
    have `withdrawn` it before. `source` is who told of the event. It is `disputed` where the offline
    analyst reads the event the other way, and `suspicious` where the text was.
    """

    view: View
    event: Event
    at: int
    until: int
    disputed: bool = False
    suspicious: bool = False
    withdrawn: int | None = None
    source: str = ""

    @property
    def end(self) -> int:
        """When it is over (ns UTC), its horizon or a correction having come."""
        return self.until if self.withdrawn is None else min(self.until, self.withdrawn)

    def left(self, now: int) -> float:
        """Return the part of its weight that is left at `now`, in [0, 1]."""
        if self.suspicious or not self.at <= now < self.end:
            return 0.0
        return (self.until - now) / (self.until - self.at)


@dataclass(frozen=True, slots=True)
class Consensus:
    """What live opinions come to: `value` in [-1, 1], `confidence` in [0, 1].

    `sources` counts the independent ones on the value's side; `evidence` are the ids of the events
    that were weighed, by time.
    """

    value: float
    confidence: float
    sources: int
    evidence: tuple[str, ...] = ()


@dataclass(slots=True)
class _Teller:
    """One source: what it thinks on the whole, and the stories it tells to that end.

    `strength` is the mean of its views, `fresh` the part of their weight that is left.
    """

    name: str
    strength: float
    fresh: float
    confidence: float
    disputed: bool
    events: list[Event] = field(default_factory=list)

    @property
    def moves(self) -> float:
        """How far it may move a signal alone."""
        cap = DISPUTED if self.disputed else CAPS[0]
        return min(abs(self.strength), cap) * self.fresh


def consensus(opinions: Iterable[Opinion], now: int, *, same: Copies = dependent) -> Consensus | None:
    """Return what `opinions` come to at `now` (ns UTC), or None where none is live.

    `same` tells whether two events of different sources are one text.
    """
    return weigh(sorted((o for o in opinions if o.left(now) > 0.0), key=order), now, same=same)


def weigh(live: Sequence[Opinion], now: int, *, same: Copies = dependent) -> Consensus | None:
    """Return what opinions come to that are all live at `now` and stand in `order`, oldest first."""
    if not live:
        return None
    live = _newest(live)
    tellers = _tellers(live, now)
    up = _side([t for t in tellers if t.strength > 0], same)
    down = _side([t for t in tellers if t.strength < 0], same)
    value = up[0] - down[0]
    side = up if value >= 0 else down
    weight = sum(t.moves for t in tellers)
    if weight:
        confidence = sum(t.moves * t.confidence for t in tellers) / weight
    else:
        confidence = sum(t.confidence for t in tellers) / len(tellers)
    evidence = tuple(dict.fromkeys(o.event.id for o in live if o.event.id))
    return Consensus(value, min(1.0, confidence), side[1], evidence)


def order(opinion: Opinion) -> tuple[int, str, str, str, float, float]:
    """Return a key that puts opinions in the one order in which they are weighed: oldest first."""
    view = opinion.view
    return opinion.at, opinion.event.id or "", view.analyst or "", view.symbol, view.score, view.confidence


def _newest(live: Sequence[Opinion]) -> Sequence[Opinion]:
    """Return what is thought of each source's newest events, so that a flood of headlines weighs no more."""
    if len(live) <= PER_SOURCE:
        return live
    kept: list[Opinion] = []
    told: dict[str, set[str]] = defaultdict(set)
    events = 0
    for opinion in reversed(live):
        own, id = told[opinion.source], opinion.event.id or ""
        if id not in own:
            if len(own) == PER_SOURCE or events == CROWD:
                continue
            own.add(id)
            events += 1
        kept.append(opinion)
    kept.reverse()
    return kept


def _tellers(live: Sequence[Opinion], now: int) -> list[_Teller]:
    """Return each source with its own mind: the mean of its views, fresh ones weighing most."""
    by_source: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in live:
        by_source[opinion.source].append(opinion)
    tellers = []
    for name, own in sorted(by_source.items()):
        weights = [o.left(now) for o in own]
        total = sum(weights)
        said = [o.view.score * o.view.confidence for o in own]
        strength = sum(w * s for w, s in zip(weights, said, strict=True)) / total
        agreeing = [o for o, s in zip(own, said, strict=True) if s * strength > 0]
        tellers.append(
            _Teller(
                name,
                strength,
                max(weights),
                sum(w * o.view.confidence for w, o in zip(weights, own, strict=True)) / total,
                bool(agreeing) and any(o.disputed for o in agreeing),
                list({o.event.id: o.event for o in agreeing}.values())[-_TOLD:],
            )
        )
    return tellers


def _side(tellers: list[_Teller], same: Copies) -> tuple[float, int]:
    """Return how far the tellers of one side move the signal, and how many independent ones they are."""
    agreed = _independent([t for t in tellers if not t.disputed], same)
    disputed = min(DISPUTED, sum(t.moves for t in tellers if t.disputed))
    if not agreed:
        return disputed, int(disputed > 0)
    cap = CAPS[min(len(agreed), len(CAPS)) - 1]
    moved = sum(t.moves for t in agreed)
    if len(agreed) >= len(CAPS):
        moved *= _ALL
    return min(cap, moved + disputed), len(agreed)


def _independent(tellers: list[_Teller], same: Copies) -> list[_Teller]:
    """Return the strongest tellers that can each name a story of their own.

    Tellers and stories make a matching; taking tellers by strength, each if the matching can be
    augmented, gives the heaviest set there is (a transversal matroid), so that a further teller can
    only add.
    """
    if len(tellers) < 2:
        return tellers
    stories = _stories(tellers, same)
    if not stories:
        return tellers
    taken: dict[int, str] = {}

    def augment(name: str, seen: set[int]) -> bool:
        for story in stories[name]:
            if story in seen:
                continue
            seen.add(story)
            if story not in taken or augment(taken[story], seen):
                taken[story] = name
                return True
        return False

    ordered = sorted(tellers, key=lambda t: (-t.moves, t.name))
    return [teller for teller in ordered if augment(teller.name, set())]


def _stories(tellers: Sequence[_Teller], same: Copies) -> dict[str, list[int]]:
    """Return the numbers of the stories that each teller tells; nothing where none copies another."""
    told = [(i, event) for i, teller in enumerate(tellers) for event in teller.events]
    story = list(range(len(told)))
    for k, (who, event) in enumerate(told):
        for n, (other, earlier) in enumerate(told[:k]):
            if other != who and story[n] != story[k] and same(event, earlier):
                # Whatever is the one's story is the other's from now on.
                one, both = story[k], story[n]
                story = [both if number == one else number for number in story]
    if len(set(story)) == len(story):
        return {}
    found: dict[str, list[int]] = defaultdict(list)
    for (who, _), number in zip(told, story, strict=True):
        if number not in found[tellers[who].name]:
            found[tellers[who].name].append(number)
    return found


def opinion_of(view: View, event: Event, *, disputed: bool = False, suspicious: bool = False) -> Opinion:
    """Return the opinion that `view` (with its `at`) of `event` is."""
    assert view.at is not None
    at = to_ns(view.at)
    until = at + int(view.horizon.total_seconds() * 1_000_000) * 1000
    return Opinion(
        view=view, event=event, at=at, until=until, disputed=disputed, suspicious=suspicious,
        source=(event.source or "").casefold(),
    )  # fmt: skip
