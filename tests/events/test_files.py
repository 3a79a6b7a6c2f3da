"""Events files: what is read, what is refused with its line, and that writing loses nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import EventError
from robo_trader.events import EventTape, read_events, write_events
from robo_trader.records import Event

GOOD: dict[str, Any] = {
    "kind": "news",
    "title": "Chip maker lifts its outlook",
    "published_at": "2024-09-18T14:00:00-04:00",
}
MINUTE = timedelta(seconds=60)


def lines(path: Path, *rows: Any) -> Path:
    """Write `rows` (objects, or text as it stands) as lines after a first good one."""
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_reads_required_fields_and_stamps_the_rest(tmp_path: Path) -> None:
    tape = read_events(lines(tmp_path / "week.jsonl", GOOD), assume_delay=timedelta(seconds=90))
    (event,) = tape.events
    assert event.published_at == datetime(2024, 9, 18, 18, tzinfo=UTC)
    assert event.known_at == datetime(2024, 9, 18, 18, 1, 30, tzinfo=UTC)
    assert event.source == "week"
    assert event.id is not None and len(event.id) == 24
    assert tape.assumed == 1
    assert "1 of 1 events carry no arrival time" in tape.notes[0]
    assert "90 s" in tape.notes[0]
    (origin,) = tape.origins
    assert (origin.rows, origin.assumed) == (1, 1)
    assert len(origin.sha256) == 64 and origin.source.endswith("week.jsonl")


def test_reads_every_optional_field(tmp_path: Path) -> None:
    full = {
        **GOOD,
        "symbols": ["NVDA", "AMD"],
        "body": "Said so.",
        "url": "https://example.org/a",
        "data": {"eps": 1.5, "deep": {"list": [1, None, True]}},
        "event_time": "2024-10-01T00:00:00Z",
        "id": "a-1",
        "source": "wire",
        "known_at": "2024-09-18T18:00:07Z",
        "revision_of": "a-0",
    }
    tape = read_events(lines(tmp_path / "e.jsonl", full))
    (event,) = tape.events
    assert event.symbols == ("NVDA", "AMD")
    assert event.data == {"eps": 1.5, "deep": {"list": [1, None, True]}}
    assert (event.id, event.source, event.revision_of) == ("a-1", "wire", "a-0")
    assert event.known_at == datetime(2024, 9, 18, 18, 0, 7, tzinfo=UTC)
    assert event.event_time == datetime(2024, 10, 1, tzinfo=UTC)
    assert tape.assumed == 0 and tape.notes == ()


def test_null_means_absent_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    row = json.dumps({**GOOD, "known_at": None, "symbols": None, "body": None})
    path.write_bytes(b"\xef\xbb\xbf\r\n  \r\n" + row.encode() + b"\r\n\r\n")
    tape = read_events(path)
    assert len(tape) == 1 and tape.assumed == 1
    assert tape.events[0].symbols == ()


def test_order_of_lines_means_nothing(tmp_path: Path) -> None:
    rows = [{**GOOD, "title": f"n{i}", "published_at": f"2024-09-{18 - i:02}T10:00:00Z"} for i in range(5)]
    one = read_events(lines(tmp_path / "a.jsonl", *rows))
    other = read_events(lines(tmp_path / "a.jsonl", *reversed(rows)))
    assert one.events == other.events
    assert [e.title for e in one.events] == ["n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize(
    ("row", "said", "hint"),
    [
        ("{broken", "is not JSON", "one whole JSON object"),
        ('[{"kind": "news"}]', "a list, not an object", "one JSON object a line"),
        ('"text"', "text, not an object", "one JSON object a line"),
        ('{"kind": "news"', "is not JSON", "JSON Lines"),
        ({k: v for k, v in GOOD.items() if k != "kind"}, "lacks the field 'kind'", "published_at"),
        ({k: v for k, v in GOOD.items() if k != "title"}, "lacks the field 'title'", "required"),
        (
            {k: v for k, v in GOOD.items() if k != "published_at"},
            "lacks the field 'published_at'",
            "required",
        ),
        ({**GOOD, "published_at": None}, "lacks the field 'published_at'", "required"),
        ({**GOOD, "published_at": "2024-09-18T14:00:00"}, "without a time zone", "offset"),
        ({**GOOD, "published_at": "2024-09-18"}, "without a time zone", "offset"),
        ({**GOOD, "published_at": "last Tuesday"}, "is no ISO-8601 time", "offset"),
        ({**GOOD, "published_at": 1726682400}, "a number, not text", "ISO-8601"),
        ({**GOOD, "published_at": "0001-01-01T00:00:00+05:00"}, "outside of the years", ""),
        ({**GOOD, "known_at": "2024-09-18T17:59:59Z"}, "before published_at", "leave known_at out"),
        ({**GOOD, "known_at": "2024-09-18T18:00:01"}, "known_at '2024-09-18T18:00:01' without", "offset"),
        ({**GOOD, "event_time": "2024-09-18T18:00:01"}, "event_time", "offset"),
        ({**GOOD, "kind": 7}, "has kind 7", ""),
        ({**GOOD, "kind": " "}, "an empty kind", ""),
        ({**GOOD, "title": ["a"]}, "title ['a'], which is a list", ""),
        ({**GOOD, "symbols": "AAPL"}, "symbols 'AAPL', which is text, not a list", 'write ["AAPL"]'),
        ({**GOOD, "symbols": {"AAPL": 1}}, "an object, not a list", ""),
        ({**GOOD, "symbols": ["AAPL", 3]}, "the symbol 3", ""),
        ({**GOOD, "symbols": [""]}, "the symbol ''", ""),
        ({**GOOD, "body": True}, "body True, which is true or false", ""),
        ({**GOOD, "url": 1.5}, "url 1.5, which is a number", ""),
        ({**GOOD, "data": [1]}, "data [1], which is a list, not an object", ""),
        ({**GOOD, "id": ""}, "an empty id", ""),
        ({**GOOD, "id": "x", "revision_of": "x"}, "revises itself", "an id of its own"),
        ({**GOOD, "symbol": ["AAPL"]}, "unknown field 'symbol'", "did you mean 'symbols'?"),
        ({**GOOD, "zzz": 1}, "unknown field 'zzz'", "under 'data'"),
        ('{"kind": "news", "title": "t", "data": {"a": NaN}}', "NaN, which is not JSON", "null"),
        ("[" * 100_000, "JSON", ""),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, row: Any, said: str, hint: str) -> None:
    path = lines(tmp_path / "bad.jsonl", GOOD, "", row)
    with pytest.raises(EventError) as caught:
        read_events(path)
    assert f"{path} line 3 " in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"kind": "caf\xe9"}\n')
    with pytest.raises(EventError, match=r"latin\.jsonl line 2 is not UTF-8 \(byte 14\)"):
        read_events(path)


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EventError, match="holds no events"):
        read_events(path)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    lines(tmp_path / "fomc.jsonl", GOOD)
    with pytest.raises(EventError) as caught:
        read_events(tmp_path / "fmoc.jsonl")
    assert "there is no events file" in caught.value.message
    assert caught.value.hint == "did you mean 'fomc.jsonl'?"
    with pytest.raises(EventError, match="there is no events file"):
        read_events(tmp_path / "no" / "such.jsonl")


def test_a_folder_is_not_an_events_file(tmp_path: Path) -> None:
    with pytest.raises(EventError, match="is a folder"):
        read_events(tmp_path)


def test_one_id_with_two_contents_names_both_lines(tmp_path: Path) -> None:
    rows = [{**GOOD, "id": "x"}, {**GOOD, "title": "Other"}, {**GOOD, "id": "x", "title": "Changed"}]
    path = lines(tmp_path / "e.jsonl", *rows)
    with pytest.raises(EventError) as caught:
        read_events(path)
    assert f"{path} line 3 ('Changed') has the id 'x' of {path} line 1" in caught.value.message
    assert "revision_of" in caught.value.hint


def test_an_event_that_came_twice_counts_once(tmp_path: Path) -> None:
    late = {**GOOD, "known_at": "2024-09-18T18:05:00Z"}
    early = {**GOOD, "known_at": "2024-09-18T18:02:00Z"}
    tape = read_events(lines(tmp_path / "e.jsonl", GOOD, late, early, GOOD))
    (event,) = tape.events
    assert event.known_at == datetime(2024, 9, 18, 18, 2, tzinfo=UTC), "the earliest recorded arrival"
    assert tape.assumed == 0
    assert "3 events came more than once" in tape.notes[-1]


def test_ids_come_from_content_alone(tmp_path: Path) -> None:
    row = {**GOOD, "data": {"b": 1, "a": 2}}
    turned = {"published_at": "2024-09-18T18:00:00Z", "data": {"a": 2, "b": 1}, "title": GOOD["title"]}
    one = read_events(lines(tmp_path / "one.jsonl", row)).events[0]
    other = read_events(lines(tmp_path / "two.jsonl", {**turned, "kind": "news"})).events[0]
    assert one.id == other.id
    changed = read_events(lines(tmp_path / "two.jsonl", {**row, "title": "x"})).events[0]
    assert changed.id != one.id


def test_the_id_of_an_event_never_changes() -> None:
    event = Event(kind="news", title="a – b", published_at=datetime(2024, 1, 1, tzinfo=UTC), symbols=("A",))
    assert EventTape.of([event]).events[0].id == "1a57a6b8aab8ff4bf36ceddf"


def test_assumed_arrivals_are_not_written_as_recorded(tmp_path: Path) -> None:
    known = {**GOOD, "title": "recorded", "known_at": "2024-09-18T18:00:07Z"}
    tape = read_events(lines(tmp_path / "a.jsonl", GOOD, known))
    again = read_events(write_events(tmp_path / "b.jsonl", tape), assume_delay=timedelta(hours=1))
    assert again.assumed == 1
    delays = {e.title: e.known_at - e.published_at for e in again.events if e.known_at}
    assert delays == {GOOD["title"]: timedelta(hours=1), "recorded": timedelta(seconds=7)}


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": {1}}, {1: "a"}, {"a": (1, 2)}, {"a": datetime}])
def test_data_that_json_would_lose_is_refused(tmp_path: Path, data: dict[Any, Any]) -> None:
    event = Event(kind="news", title="t", published_at=datetime(2024, 1, 1, tzinfo=UTC), data=data)
    with pytest.raises(EventError, match="event 't' of 2024-01-01T00:00:00Z"):
        write_events(tmp_path / "e.jsonl", [event])
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    event = Event(kind="news", title="t", published_at=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(EventError, match=r"cannot write .*e\.jsonl"):
        write_events(tmp_path / "no" / "such" / "e.jsonl", [event])


moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
words = st.text(max_size=12)
names = st.text(min_size=1, max_size=6).filter(lambda s: bool(s.strip()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    published = draw(moments)
    arrival = st.timedeltas(timedelta(0), timedelta(days=3))
    return Event(
        kind=draw(names),
        title=draw(words),
        published_at=published,
        symbols=tuple(draw(st.lists(names, max_size=2))),
        body=draw(words),
        url=draw(words),
        data=draw(st.dictionaries(words, json_values, max_size=2)),
        event_time=draw(st.none() | moments),
        revision_of=draw(st.none() | names),
        source=draw(st.none() | names),
        known_at=draw(st.none() | arrival.map(lambda d: published + d)),
    )


@given(st.lists(events(), min_size=1, max_size=6))
def test_a_tape_written_and_read_is_the_same_tape(
    tmp_path_factory: pytest.TempPathFactory, made: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    tape = EventTape.of(made, assume_delay=MINUTE)
    again = read_events(write_events(folder / "e.jsonl", tape), assume_delay=MINUTE)
    assert again.events == tape.events
    assert again.known_ns.tolist() == tape.known_ns.tolist()
    assert again.assumed == tape.assumed
    twice = write_events(folder / "f.jsonl", again)
    assert twice.read_bytes() == (folder / "e.jsonl").read_bytes()
