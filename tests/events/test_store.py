"""The event store: what was known when, revisions, doubles, and that nothing is ever changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import ConfigError, EventError, UsageError
from robo_trader.events import read_events, write_events
from robo_trader.events.store import UNDATED, EventStore
from robo_trader.events.tape import EventTape
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def news(title: str, published: float = 0, known: float | None = None, **more: object) -> Event:
    return Event(
        kind=str(more.pop("kind", "news")), title=title, published_at=minutes(published),
        known_at=None if known is None else minutes(known), **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(tmp_path / "below" / "events.sqlite") as opened:
        yield opened


def titles(events: list[Event]) -> list[str]:
    return [event.title for event in events]


def test_an_event_is_known_from_when_it_was_seen(store: EventStore) -> None:
    assert store.add([news("late", 0)], seen_at=minutes(5), source="rss") == 1
    assert store.as_of(minutes(4.99)) == []
    (event,) = store.as_of(minutes(5))
    assert (event.source, event.known_at, event.published_at) == ("rss", minutes(5), AT)
    assert store.get(str(event.id)) == event


def test_it_comes_back_as_it_was(store: EventStore) -> None:
    event = news(
        "Zürich\x00\ud800 \x01",
        symbols=("A", "BRK.B"),
        body="\x01x" * 3,
        url="https://a/?b",
        data={"a": [1, None, {"b": 0.1}]},
        event_time=minutes(99),
        id="x1",
        source="s",
        known=3,
    )
    store.add([event], seen_at=minutes(9))
    assert store.get("x1") == event
    assert store.find("x") == ["x1"]
    assert store.get("x2") is None


def test_a_revision_replaces_from_its_own_arrival_on(store: EventStore) -> None:
    first = news("first", id="a", known=1)
    second = news("second", id="b", known=5, revision_of="a")
    third = news("third", id="c", known=9, revision_of="b")
    store.add([third, first, second], seen_at=minutes(60))
    assert [titles(store.as_of(minutes(m))) for m in (0, 1, 4.9, 5, 8.9, 9)] == [
        [], ["first"], ["first"], ["second"], ["second"], ["third"],
    ]  # fmt: skip
    assert titles(store.as_of(minutes(9), revisions=True)) == ["first", "second", "third"]


def test_nobody_takes_back_what_another_source_told(store: EventStore) -> None:
    store.add([news("first", id="a", known=1)], seen_at=AT, source="wire")
    store.add([news("never happened", id="b", known=2, revision_of="a")], seen_at=AT, source="stranger")
    assert titles(store.as_of(minutes(3))) == ["first", "never happened"]
    store.add([news("put right", id="c", known=4, revision_of="a")], seen_at=AT, source="Wire")
    assert titles(store.as_of(minutes(4))) == ["never happened", "put right"]


def test_two_that_revise_each_other_do_not_both_vanish(store: EventStore) -> None:
    store.add([news("a", id="a", known=1, revision_of="b")], seen_at=AT)
    store.add([news("b", id="b", known=1, revision_of="a")], seen_at=AT)
    assert titles(store.as_of(minutes(2))) == ["b"]


def test_one_event_of_five_sources(store: EventStore) -> None:
    for i, source in enumerate("edcba"):
        assert store.add([news("story")], seen_at=minutes(10 - i), source=source) == (i == 0)
    (event,) = store.as_of(minutes(60))
    assert event.known_at == minutes(6)
    assert store.sources(str(event.id)) == tuple(
        (name, minutes(6 + i)) for i, name in enumerate("abcde")
    )  # fmt: skip
    assert len(store) == 1


def test_a_recorded_arrival_holds_against_an_assumed_one(store: EventStore) -> None:
    tape = EventTape.of([news("x")], assume_delay=timedelta(minutes=1), source="file")
    store.add(tape, seen_at=minutes(60))
    assert store.tape(minutes(60)).assumed == 1
    store.add([news("x", known=7)], seen_at=minutes(60), source="file")
    (event,) = store.as_of(minutes(60))
    assert event.known_at == minutes(7)
    assert store.tape(minutes(60)).assumed == 0
    assert store.as_of(minutes(6)) == []


def test_filters(store: EventStore) -> None:
    store.add(
        [news(f"{i}", known=i, symbols=("A",) if i % 2 else ("B", "C"), kind="fomc" if i > 7 else "news")
         for i in range(10)], seen_at=minutes(60))  # fmt: skip
    at = minutes(60)
    assert titles(store.as_of(at, limit=2)) == ["8", "9"]
    assert titles(store.as_of(at, since=minutes(8))) == ["8", "9"]
    assert titles(store.as_of(at, symbols=["A", "X"])) == list("13579")
    assert titles(store.as_of(at, symbols=["C"], kinds={"fomc"})) == ["8"]
    assert store.as_of(at, kinds=[]) == []


def test_adding_is_all_or_nothing(store: EventStore) -> None:
    store.add([news("a", id="1", known=1)], seen_at=AT)
    with pytest.raises(EventError, match="has the id '1' of another event"):
        store.add([news("b", id="2", known=1), news("c", id="1", known=1)], seen_at=AT)
    assert titles(store.as_of(minutes(9))) == ["a"]
    assert store.add([news("c", id="1", known=1)], seen_at=AT, source="rss", strict=False) == 0
    assert titles(store.as_of(minutes(9))) == ["a"]
    assert [name for name, _ in store.sources("1")] == ["memory", "rss"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (news("x", 60), "published at 2024-05-02T21:30:00Z, after it was seen"),
        (news("x", 3, known=2), "after it was seen"),
        (Event(kind="news", title="x", published_at=datetime(1066, 1, 1, tzinfo=UTC)), "absurd"),
        (news("x", symbols=("A\x00",)), "in symbols, which is no name"),
        (news("x", source="\ud800"), "in source, which is no name"),
        (news("x", data={"a": float("nan")}), "data that JSON cannot"),
    ],
)
def test_absurd_events_are_refused(store: EventStore, event: Event, said: str) -> None:
    with pytest.raises(EventError, match=said):
        store.add([event], seen_at=AT)
    assert len(store) == 0


def test_a_clock_slightly_ahead_is_forgiven(store: EventStore) -> None:
    store.add([news("x", 2)], seen_at=AT)
    assert store.as_of(AT) == []
    assert titles(store.as_of(minutes(2))) == ["x"]


def test_an_undated_event_seen_again_is_the_same(store: EventStore) -> None:
    for minute in (1, 2):
        store.add([news("x", minute, id="u", data={UNDATED: True})], seen_at=minutes(minute), source="rss")
    (event,) = store.as_of(minutes(9))
    assert event.known_at == event.published_at == minutes(1)


def test_naive_times_are_refused(store: EventStore) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        store.add([], seen_at=datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(UsageError, match="no time zone"):
        store.as_of(datetime(2024, 1, 1))  # noqa: DTZ001


def test_the_database_refuses_changes(store: EventStore) -> None:
    store.add([news("x", symbols=("A",))], seen_at=AT)
    with sqlite3.connect(store.place) as connection:
        for statement in ("UPDATE events SET title = 'y'", "DELETE FROM events", "DELETE FROM symbols"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()


def test_a_later_version_is_refused(store: EventStore) -> None:
    store.add([news("x")], seen_at=AT)
    with sqlite3.connect(store.place) as connection:
        connection.execute("UPDATE event_store SET version = 99")
    connection.close()
    with EventStore(store.place) as other, pytest.raises(EventError, match="of version 99"):
        other.as_of(AT)


def test_what_is_no_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"this is no database, it is text" * 100)
    with EventStore(tmp_path / "x.sqlite") as broken, pytest.raises(EventError, match="not a database"):
        broken.as_of(AT)
    with pytest.raises(ConfigError, match="no event store of that kind"):
        EventStore("mysql://user:secret@host/db")
    with pytest.raises(EventError, match="cannot be made"):
        EventStore(tmp_path / "x.sqlite" / "below.sqlite").as_of(AT)


def test_files_out_and_in(store: EventStore, tmp_path: Path) -> None:
    tape = EventTape.of([news("a"), news("b", known=3, revision_of="x", symbols=("A",))], source="s")
    store.add(tape, seen_at=minutes(60))
    path = write_events(tmp_path / "out.jsonl", store.tape(minutes(60)))
    again = read_events(path)
    assert again.events == tape.events
    assert again.assumed == 1
    with EventStore(tmp_path / "copy.sqlite") as copy:
        assert copy.add(again, seen_at=minutes(99)) == 2
        assert copy.as_of(minutes(60)) == store.as_of(minutes(60))


def test_two_writers_at_once(tmp_path: Path) -> None:
    def write(part: int) -> int:
        with EventStore(tmp_path / "x.sqlite") as mine:
            return sum(mine.add([news(f"{i}", known=1)], seen_at=AT, source=str(part)) for i in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 20
    with EventStore(tmp_path / "x.sqlite") as store:
        assert len(store) == 20
        assert all(len(store.sources(str(e.id))) == 4 for e in store.as_of(minutes(9)))


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(0, 4)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 10),
)
def test_as_of_is_what_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int | None, int]], time: int
) -> None:
    """Against the definition, spelt out over plain lists."""
    events = [
        news(f"e{i}", known=known, id=f"e{i}", revision_of=None if old is None or old == i else f"e{old}")
        for i, (known, old, _) in enumerate(rows)
    ]
    with EventStore(tmp_path_factory.mktemp("store") / "x.sqlite") as store:
        for batch in range(5):
            store.add(
                [e for e, row in zip(events, rows, strict=True) if row[2] == batch], seen_at=minutes(99)
            )
        got = store.as_of(minutes(time))
        order = {str(e.id): n for n, e in enumerate(
            sorted(events, key=lambda e: (rows[events.index(e)][2], events.index(e))))}  # fmt: skip
    known = [e for e in events if e.known_at is not None and e.known_at <= minutes(time)]

    def replaced(e: Event) -> bool:
        return any(
            r.revision_of == e.id and (r.known_at, order[str(r.id)]) > (e.known_at, order[str(e.id)])
            for r in known
        )  # fmt: skip

    want = sorted((e.known_at, e.id) for e in known if not replaced(e))
    assert [(e.known_at, e.id) for e in got] == want
