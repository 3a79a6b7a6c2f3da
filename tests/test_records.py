"""The records refuse what breaks the rules of time and bounds, and travel between processes."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.clock import fixed, from_ns, iso, now, to_ns
from robo_trader.errors import UsageError
from robo_trader.instruments import Instrument
from robo_trader.records import Event, View, as_dict

NOON = datetime(2024, 9, 18, 14, 0, tzinfo=timezone(timedelta(hours=-4)))


def event(**more: Any) -> Event:
    return Event(**{"kind": "news", "title": "A story", "published_at": NOON, **more})


def test_times_become_utc() -> None:
    assert event().published_at == datetime(2024, 9, 18, 18, 0, tzinfo=UTC)
    assert event().published_at.tzinfo is UTC


@pytest.mark.parametrize("name", ["published_at", "event_time", "known_at"])
def test_a_naive_time_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        event(**{name: datetime(2024, 9, 18, 14, 0)})  # noqa: DTZ001  # naive on purpose


@pytest.mark.parametrize("more", [{"kind": ""}, {"title": 7}, {"symbols": "AAPL"}, {"published_at": "now"}])
def test_wrong_fields_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        event(**more)


def test_an_event_cannot_be_changed() -> None:
    story = event(data={"a": 1})
    with pytest.raises(FrozenInstanceError):
        story.title = "another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        story.data["a"] = 2  # type: ignore[index]


def test_an_event_can_be_pickled() -> None:
    story = event(data={"a": [1, 2]}, symbols=["AAPL"])
    assert pickle.loads(pickle.dumps(story)) == story
    assert as_dict(story)["data"] == {"a": [1, 2]}


@pytest.mark.parametrize(("score", "confidence"), [(1.1, 0.5), (-1.1, 0.5), (0.0, 1.5), (float("nan"), 0.5)])
def test_a_view_is_bounded(score: float, confidence: float) -> None:
    with pytest.raises(UsageError):
        View(symbol="A", score=score, confidence=confidence, horizon=timedelta(days=1))


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_nanoseconds_and_datetimes_agree_exactly(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert from_ns(to_ns(moment)) == moment
    assert datetime.fromisoformat(iso(to_ns(moment))) == moment


def test_the_clock_can_be_fixed() -> None:
    with fixed(NOON):
        assert now() == NOON
    assert now() != NOON


def test_an_instrument_knows_its_notation_and_refuses_nonsense() -> None:
    assert Instrument("AAPL").notation == "AAPL-STK-SMART-USD"
    with pytest.raises(UsageError, match="tick"):
        Instrument("AAPL", tick=0)
