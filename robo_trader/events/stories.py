"""One story, however often it is printed: exact copies, normalised ones and near copies.

Two events tell the same story when their words are nearly the same, no number and no word of
direction differs between them, and they became known within a time window. Near copies are
found through the rare words that both must share (prefix filtering, as in Bayardo, Ma and Srikant,
"Scaling up all pairs similarity search", WWW 2007), so that grouping takes time in proportion to the
number of events, not to its square. Deterministic; nothing here raises.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit

from robo_trader.events.hygiene import clean
from robo_trader.records import Event

T = TypeVar("T")

#: How long a story is told again.
WINDOW = timedelta(hours=48)
#: The share of words that two tellings have in common (Jaccard), at least.
ALIKE = 0.75
#: The same where it is asked who is independent: there a copy with some words changed is a copy.
_COPIED = 0.5
_BODY_ALIKE = 0.6
_BODY_COPIED = 0.3
_FEW = 3  # a title of fewer words says too little to be a story's name
_KEPT = 4  # tellings of a story that later ones are compared with
_CROWD = 64  # the latest candidates that are looked at for one shared word

_PREFIX = re.compile(
    r"^(?:(?:update|corrected|refile|rpt|brief|exclusive|breaking|wrapup|live|factbox|analysis|focus|poll"
    r"|just in|alert)(?:\s*\d+)?\s*[-:|]\s*)+"
)
_SUFFIX = re.compile(
    r"\s+(?:[-|\u2013\u2014]|by)\s+(?:reuters|bloomberg(?: news)?|cnbc|ap(?: news)?|associated press"
    r"|dow jones|wsj|yahoo(?: finance)?|marketwatch|barron'?s|seeking alpha|benzinga|the motley fool|nasdaq"
    r"|ft|financial times|investing\.com|zacks|the wall street journal|business wire|pr newswire"
    r"|globe ?newswire|forbes|fox business|(?:www\.)?[\w-]+\.(?:com|net|org|co\.uk))\s*$"
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019](?!s\b)[^\W\d_]+)?")
_STOP = """a an the of to in on for and or as at by with its it is are was be from that this after s u us
    says said say has have""".split()  # noqa: SIM905
#: Words of direction: where one telling has one and the other another, they are two stories.
_UP = """beat beats rise rises rose gain gains jump jumps surge surges climb climbs soar soars up higher top
    tops raise raises raised hike hikes hiked increase increases upgrade upgrades approve approves approved
    win wins profit growth buy above strong stronger better accept accepts bullish rally rallies yes resume"""
_DOWN = """miss misses fall falls fell drop drops slump slumps plunge plunges sink sinks tumble tumbles down
    lower cut cuts slash slashes lowered decrease decreases downgrade downgrades reject rejects rejected lose
    loses loss decline declines sell below weak weaker worse deny denies halt halts bearish no not never
    unchanged hold holds suspend"""
_TURN = {**dict.fromkeys(_UP.split(), 1), **dict.fromkeys(_DOWN.split(), -1)}


@dataclass(frozen=True, slots=True)
class Telling:
    """What is compared of one event: its title's words, its numbers, its directions, its body."""

    words: frozenset[str]
    numbers: frozenset[str]
    turns: frozenset[int]
    body: frozenset[int]

    @property
    def key(self) -> tuple[frozenset[str], frozenset[str], frozenset[int]]:
        """What two re-prints have in common whatever their case, marks, order and outlet."""
        return self.words, self.numbers, self.turns


@dataclass(frozen=True, slots=True)
class Story:
    """The events that tell one story, in the order in which they became known."""

    events: tuple[Event, ...]

    @property
    def first(self) -> Event:
        """The event that was known first."""
        return self.events[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """Who told it, each once, in the order of telling."""
        return tuple(dict.fromkeys(event.source or "" for event in self.events))


def same_story(a: Event, b: Event, *, window: timedelta | None = WINDOW) -> bool:
    """Tell whether two events tell the same story; `window` None compares whatever lies between."""
    if window is not None and abs(_known(a) - _known(b)) > window:
        return False
    return _alike(a, _telling(a.title, a.body), b, _telling(b.title, b.body))


def group(events: Iterable[Event], *, window: timedelta | None = WINDOW) -> tuple[Story, ...]:
    """Return the stories that `events` tell, by the time of their first telling.

    A telling belongs to the first story whose tellings it resembles and which was last told within
    `window` of it (None: however long ago).
    """
    return _group(events, window, ALIKE, _alike)


def _group(
    events: Iterable[Event], window: timedelta | None, share: float, alike: Callable[..., bool]
) -> tuple[Story, ...]:
    ordered = sorted(events, key=lambda event: (_known(event), event.id or "", event.title))
    tellings = [_telling(event.title, event.body) for event in ordered]
    frequency = Counter(word for telling in tellings for word in telling.words)
    stories: list[list[int]] = []
    kept: list[list[int]] = []  # of each story, the tellings that others are compared with
    last: list[datetime] = []
    index: dict[object, deque[int]] = defaultdict(lambda: deque(maxlen=_CROWD))
    for i, (event, telling) in enumerate(zip(ordered, tellings, strict=True)):
        known = _known(event)
        keys: list[object] = [telling.key, *_rare(telling.words, frequency, share), *_anchors(telling.body)]
        if event.url:
            keys.append(event.url)
        found = None
        looked: set[int] = set()
        for key in keys:
            for story in reversed(index[key]):
                if story in looked or (window is not None and known - last[story] > window):
                    continue
                looked.add(story)
                if any(alike(event, telling, ordered[j], tellings[j]) for j in kept[story]):
                    found = story if found is None else min(found, story)
            if found is not None:
                break
        if found is None:
            found = len(stories)
            stories.append([])
            kept.append([])
            last.append(known)
        stories[found].append(i)
        last[found] = known
        if len(kept[found]) < _KEPT and all(tellings[j] != telling for j in kept[found]):
            kept[found].append(i)
        for key in keys:
            if found not in index[key]:
                index[key].append(found)
    return tuple(Story(tuple(ordered[i] for i in members)) for members in stories)


def independent(events: Iterable[Event]) -> int:
    """Return how many independent sources tell of something.

    Near copies count once, however many outlets print them and whatever figures they change; so do
    several texts of one source or of one web site.
    """
    stories = _group(events, None, _COPIED, _copied)
    parent = list(range(len(stories)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    owner: dict[str, int] = {}
    for i, story in enumerate(stories):
        for event in story.events:
            for name in (f"source {(event.source or '').casefold()}", _site(event.url)):
                if name:
                    parent[root(i)] = root(owner.setdefault(name, i))
    return len({root(i) for i in range(len(stories))})


def dependent(a: Event, b: Event) -> bool:
    """Tell whether two events come from one source, from one web site, or are near copies of each other.

    The question that `independent` asks of many, for two and at once.
    """
    if (a.source or "").casefold() == (b.source or "").casefold():
        return True
    site = _site(a.url)
    if site and site == _site(b.url):
        return True
    return _copied(a, _telling(a.title, a.body), b, _telling(b.title, b.body))


@lru_cache(maxsize=8_192)
def _telling(title: str, body: str) -> Telling:
    text = clean(title, limit=1_000).text.casefold()
    text = _SUFFIX.sub("", _PREFIX.sub("", text))
    tokens = _TOKEN.findall(text)
    words = frozenset(token for token in tokens if not token[0].isdigit() and token not in _STOP)
    numbers = frozenset(token.replace(",", "") for token in tokens if token[0].isdigit())
    turns = frozenset(_TURN[word] for word in words if word in _TURN)
    return Telling(words, numbers, turns, _shingles(body))


def _shingles(body: str) -> frozenset[int]:
    """Return the hashes of the body's runs of four words; nothing for a short body."""
    if len(body) < 80:
        return frozenset()
    words = [t for t in _TOKEN.findall(clean(body, limit=6_000).text.casefold()) if t not in _STOP]
    if len(words) < 12:
        return frozenset()
    # A hash of our own: Python's differs from process to process.
    runs = (" ".join(words[i : i + 4]) for i in range(len(words) - 3))
    return frozenset(zlib.crc32(run.encode("utf-8", "replace")) for run in runs)


def _rare(words: frozenset[str], frequency: Counter[str], share: float) -> Sequence[str]:
    """Return the rarest words: two titles that have `share` in common must share one of them."""
    count = len(words) - math.ceil(share * len(words)) + 1
    return sorted(words, key=lambda word: (frequency[word], word))[:count]


def _anchors(body: frozenset[int]) -> Sequence[int]:
    """Return the six least hashes: bodies that are nearly the same share one (a bottom sketch)."""
    return sorted(body)[:6]


def _alike(a: Event, one: Telling, b: Event, two: Telling) -> bool:
    if a.symbols and b.symbols and set(a.symbols).isdisjoint(b.symbols):
        return False
    shared = _jaccard(one.body, two.body) if one.body and two.body else None
    if shared is not None and shared >= _BODY_ALIKE:
        return True
    if one.numbers != two.numbers or not _same_way(one.turns, two.turns):
        return False
    if min(len(one.words), len(two.words)) < _FEW:
        same_place = bool(a.url) and a.url == b.url
        return one.words == two.words and (same_place or (shared is None and bool(one.words)))
    if one.words == two.words:
        return shared is None or shared > 0.05 or a.url == b.url
    return _jaccard(one.words, two.words) >= ALIKE


def _copied(a: Event, one: Telling, b: Event, two: Telling) -> bool:
    if a.url and a.url == b.url:
        return True
    if one.body and two.body and _jaccard(one.body, two.body) >= _BODY_COPIED:
        return True
    return bool(one.words) and _jaccard(one.words, two.words) >= _COPIED


def _same_way(one: frozenset[int], two: frozenset[int]) -> bool:
    return one == two or not one or not two


def _jaccard(one: frozenset[T], two: frozenset[T]) -> float:
    shared = len(one & two)
    return shared / (len(one) + len(two) - shared) if shared else 0.0


def _known(event: Event) -> datetime:
    return event.known_at or event.published_at


def _site(url: str) -> str:
    """Return the site of a URL: the last two labels of its host, three below a country's ``co``."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
    labels = host.split(".")
    size = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-size:])
