"""Kinds and impact: what a title says, with its parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.events.impact import classify, impact
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)


def news(title: str, **more: object) -> Event:
    return Event(**{"kind": "news", "title": title, "published_at": AT, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Federal Reserve issues FOMC statement", "fomc"),
        ("Fed holds rates steady", "fomc"),
        ("Apple reports second quarter results", "earnings"),
        ("Target cuts its full-year outlook", "earnings"),
        ("US consumer prices rise 0.3% in April", "macro"),
        ("Nonfarm payrolls rise by 175,000", "macro"),
        ("8-K - APPLE INC (0000320193) (Filer)", "filing"),
        ("Apple opens a store in Mumbai", "news"),
        ("FedEx opens a hub", "news"),
    ],
)
def test_kinds(title: str, kind: str) -> None:
    assert classify(news(title)) == kind


def test_an_event_that_says_its_kind_keeps_it() -> None:
    assert classify(news("Apple reports second quarter results", kind="block_trade")) == "block_trade"
    assert classify(news("Current report", source="edgar")) == "filing"
    assert classify(news("AAPL to the moon", source="reddit")) == "social"


def test_what_matters_more_scores_higher() -> None:
    ranked = [
        news("Fed unexpectedly cuts rates by 50 basis points in an emergency meeting"),
        news("Boeing files for Chapter 11 bankruptcy", symbols=("BA",)),
        news("Apple beats estimates in the second quarter", symbols=("AAPL",)),
        news("Apple names a new head of design", symbols=("AAPL",)),
        news("7 stocks to watch this week"),
    ]
    scores = [impact(event).score for event in ranked]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_the_parts_sum_to_the_score() -> None:
    found = impact(news("Apple beats estimates by 12% in the second quarter", symbols=("AAPL",)))
    assert found.score == pytest.approx(sum(found.parts.values()))
    assert set(found.parts) == {"kind earnings", "surprise", "figures", "named symbol"}


def test_suspicious_and_merely_announced_events_matter_less() -> None:
    plain = news("Boeing files for Chapter 11 bankruptcy")
    flagged = news(plain.title, data={"hygiene": ["instructions"]})
    harmless = news(plain.title, data={"hygiene": ["html"]})
    assert impact(flagged).score < impact(plain).score == impact(harmless).score
    announced = news("FOMC meeting", kind="fomc", event_time=AT + timedelta(days=3))
    assert impact(announced).score < impact(news("FOMC meeting", kind="fomc")).score


@given(st.text(max_size=200), st.lists(st.text(min_size=1), max_size=9))
def test_impact_lies_in_0_to_1(title: str, symbols: list[str]) -> None:
    assert 0 <= impact(news(title, symbols=tuple(symbols))).score <= 1
