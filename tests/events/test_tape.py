"""`EventTape`: order by arrival, assumed arrivals counted, tapes merged and cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from robo_trader.clock import to_ns
from robo_trader.errors import EventError, UsageError
from robo_trader.events import EventTape
from robo_trader.records import Event

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def event(title: str, *, minutes: float = 0.0, known: float | None = None, id: str | None = None) -> Event:
    published = NOON + timedelta(minutes=minutes)
    arrived = None if known is None else NOON + timedelta(minutes=known)
    return Event(kind="news", title=title, published_at=published, known_at=arrived, id=id)


def test_events_stand_in_the_order_of_their_arrival() -> None:
    tape = EventTape.of([event("late", minutes=0, known=30), event("early", minutes=5)])
    assert [e.title for e in tape] == ["early", "late"]
    assert tape.known_ns.tolist() == [to_ns(NOON + timedelta(minutes=6)), to_ns(NOON + timedelta(minutes=30))]
    assert tape.known_ns.dtype == np.int64 and not tape.known_ns.flags.writeable
    assert tape.inferred.tolist() == [True, False]


def test_equal_times_are_ordered_by_id_to_the_microsecond() -> None:
    same = [event(f"t{i}", known=1, id=f"{i}") for i in (2, 0, 1)]
    first = Event(kind="n", title="first", published_at=NOON, known_at=NOON + timedelta(seconds=59.999999))
    assert [e.title for e in EventTape.of([*same, first])] == ["first", "t0", "t1", "t2"]


def test_a_negative_delay_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="assume_delay must be 0 or more, not -1 s"):
        EventTape.of([event("a")], assume_delay=timedelta(seconds=-1))


def test_no_delay_is_allowed() -> None:
    (only,) = EventTape.of([event("a")], assume_delay=timedelta(0)).events
    assert only.known_at == only.published_at


def test_an_arrival_before_publication_is_refused() -> None:
    with pytest.raises(EventError, match="wire: event 2 is known_at 2024-03-01T12:00:00Z, before"):
        EventTape.of([event("a"), event("b", minutes=1, known=0)], source="wire")


def test_times_that_64_bits_cannot_hold_are_refused() -> None:
    far = Event(kind="n", title="far", published_at=datetime(9999, 12, 31, tzinfo=UTC))
    with pytest.raises(EventError, match="outside of 1678 to 2261"):
        EventTape.of([far])


def test_an_empty_tape_is_a_tape() -> None:
    tape = EventTape.of([])
    assert len(tape) == 0 and tape.assumed == 0 and tape.notes == tape.origins == ()
    assert "no events" in repr(tape)


def test_merging_keeps_origins_notes_and_what_was_assumed() -> None:
    one = EventTape.of([event("a"), event("b", known=3)], source="one")
    two = EventTape.of([event("c", known=2)], source="two")
    for merged in (one.merge(two), one.merge([two])):
        assert [e.title for e in merged] == ["a", "c", "b"]
        assert merged.assumed == 1
        assert [(o.source, o.rows, o.assumed) for o in merged.origins] == [("one", 2, 1), ("two", 1, 0)]
        assert merged.notes == one.notes


def test_merging_drops_doubles_and_refuses_contradictions() -> None:
    one = EventTape.of([event("same", known=9)], source="one")
    two = EventTape.of([event("same", known=4)], source="two")
    (only,) = one.merge(two).events
    assert (only.source, only.known_at) == ("two", NOON + timedelta(minutes=4))
    left, right = EventTape.of([event("x", id="1")]), EventTape.of([event("y", id="1")], source="other")
    with pytest.raises(EventError, match=r"an event of other .*'y'.* has the id '1'"):
        left.merge(right)


def test_a_recorded_arrival_counts_more_than_an_assumed_one() -> None:
    assumed = EventTape.of([event("same")])
    recorded = EventTape.of([event("same", known=7)])
    for merged in (assumed.merge(recorded), recorded.merge(assumed)):
        assert merged.events[0].known_at == NOON + timedelta(minutes=7)
        assert merged.assumed == 0


def test_a_cut_takes_its_start_and_leaves_its_end() -> None:
    tape = EventTape.of([event(str(i), known=i) for i in range(5)])
    cut = tape.between(NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert [e.title for e in cut] == ["1", "2"]
    assert len(cut.known_ns) == len(cut.inferred) == 2
    assert cut.origins == tape.origins
    assert len(tape.between()) == 5
