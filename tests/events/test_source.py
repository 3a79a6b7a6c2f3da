"""Event sources: the host stamps what they bring and survives what they do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from robo_trader.errors import EventError, UsageError
from robo_trader.events import EventSource, fetch_events
from robo_trader.records import Event

SINCE = datetime(2024, 3, 1, tzinfo=UTC)
UNTIL = datetime(2024, 4, 1, tzinfo=UTC)


class Canned(EventSource):
    """Returns what it was given, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: tuple[datetime, datetime] | None = None

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        self.asked = since, until
        if isinstance(self.answer, Exception):
            raise self.answer
        return iter(self.answer)


def event(day: int, month: int = 3, **more: Any) -> Event:
    return Event(
        kind="social", title=f"post {day}", published_at=datetime(2024, month, day, tzinfo=UTC), **more
    )


def test_the_host_stamps_source_id_and_arrival() -> None:
    source = Canned([event(5), event(2, source="forged", known_at=datetime(2024, 3, 2, 1, tzinfo=UTC))])
    tape = fetch_events(source, "wsb", SINCE, UNTIL, assume_delay=timedelta(seconds=30))
    assert source.asked == (SINCE, UNTIL)
    assert [e.source for e in tape] == ["wsb", "wsb"]
    assert [e.known_at for e in tape] == [
        datetime(2024, 3, 2, 1, tzinfo=UTC),
        datetime(2024, 3, 5, 0, 0, 30, tzinfo=UTC),
    ]
    assert all(e.id for e in tape)
    assert tape.assumed == 1


def test_events_outside_of_the_period_are_dropped_and_counted() -> None:
    tape = fetch_events(Canned([event(1), event(1, 4), event(28, 2)]), "wsb", SINCE, UNTIL)
    assert [e.title for e in tape] == ["post 1"]
    assert tape.notes[-1] == "wsb: 2 events lay outside of the period asked for and were dropped"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ValueError("no key"), "event source 'wsb' failed: ValueError: no key"),
        (UsageError("a bad thing", hint="mend it"), "event source 'wsb': a bad thing"),
        ([event(1), {"kind": "news"}], "returned dict as item 2, not an Event"),
        ([event(5, known_at=datetime(2024, 3, 4, tzinfo=UTC))], "before published_at"),
        (None, "event source 'wsb' failed: TypeError"),
    ],
)
def test_a_failing_source_is_one_line_that_names_it(answer: Any, said: str) -> None:
    with pytest.raises(EventError) as caught:
        fetch_events(Canned(answer), "wsb", SINCE, UNTIL)
    assert said in caught.value.message and "wsb" in caught.value.message


def test_a_source_without_fetch_is_named() -> None:
    with pytest.raises(EventError, match=r"EventSource has no fetch\(since, until\)"):
        fetch_events(EventSource(), "empty", SINCE, UNTIL)


def test_the_period_must_be_aware_and_in_order() -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        fetch_events(Canned([]), "wsb", datetime(2024, 3, 1), UNTIL)  # noqa: DTZ001
    with pytest.raises(UsageError, match="is after until"):
        fetch_events(Canned([]), "wsb", UNTIL, SINCE)
