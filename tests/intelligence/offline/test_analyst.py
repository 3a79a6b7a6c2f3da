"""The offline analyst as the host sees it: registered, deterministic, quick, and abstaining when unsure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.plugins import load_host
from robo_trader.records import Abstain, Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)
ANALYST = OfflineAnalyst()


def test_it_is_registered_and_was_never_in_sample() -> None:
    analyst = load_host(third_party=False).create("analyst", "offline")
    assert isinstance(analyst, OfflineAnalyst)
    assert analyst.clean_from is None


def test_a_view_for_each_symbol_of_the_event() -> None:
    event = Event(kind="news", title="Apple cuts its guidance", published_at=AT, symbols=("AAPL", "QQQ"))
    views = ANALYST.read(event)
    assert not isinstance(views, Abstain)
    assert [view.symbol for view in views] == ["AAPL", "QQQ"]
    assert all(view.score < -0.5 and "guidance" in view.because for view in views)
    assert views == ANALYST.read(event)


def test_an_event_without_symbols_reaches_every_instrument() -> None:
    views = ANALYST.read(Event(kind="news", title="Retail sales fell by 2.3 % in May", published_at=AT))
    assert not isinstance(views, Abstain)
    assert [view.symbol for view in views] == ["*"]


@pytest.mark.parametrize("kind", ["news", "earnings", "filing", "social"])
def test_what_somebody_else_earned_reaches_nobody(kind: str) -> None:
    for title in ("Thomas Cook's Polish business goes into insolvency", "Visa's earnings beat estimates"):
        answer = ANALYST.read(Event(kind=kind, title=title, published_at=AT))
        assert isinstance(answer, Abstain) and "names no instrument" in answer.reason


@pytest.mark.parametrize("text", ["", " ", "…", "The plant is in Ohio.", "\x00\x01", "apple pie"])
def test_it_abstains_where_nothing_is_said(text: str) -> None:
    answer = ANALYST.judge(text)
    assert isinstance(answer, Abstain) and answer.reason
