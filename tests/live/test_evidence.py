"""What counts as a session of paper trading, and every way to have thirty of them without trading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from paper_days import CODE, FIRST, PAPER, REAL, RISK, Diary, opening, weekdays

from robo_trader import clock
from robo_trader.errors import UsageError
from robo_trader.journal.live import Journal, open_journal
from robo_trader.live.gate.evidence import Evidence, is_paper, market_days, paper_evidence

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = weekdays(4)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(folder=tmp_path / ".robo") as opened:
        yield opened


def evidence(journal: Journal, **more: Any) -> Evidence:
    return paper_evidence(journal, **{"code_hash": CODE, "risk_hash": RISK, "now": NOW, **more})


def test_days_of_paper_trading_count(journal: Journal) -> None:
    diary = Diary(journal)
    diary.days(DAYS)
    diary.trade(opening(DAYS[3]) + timedelta(hours=1))
    found = evidence(journal)
    assert found.dates == tuple(DAYS)
    assert (found.sessions, found.orders, found.fills) == (4, 1, 1)
    assert (dict(found.left_out), found.too_short, found.other_parameters) == ({}, (), 0)


def test_an_empty_journal_holds_none(journal: Journal) -> None:
    assert evidence(journal).dates == ()
    with pytest.raises(UsageError, match="needs the hashes"):
        evidence(journal, code_hash="")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"simulated": True}, "ran on a simulated gateway"),
        ({"send": False}, "were previews and sent nothing"),
        ({"account": REAL}, "were not in a paper account"),
        ({"account": ""}, "were not in a paper account"),
        ({"code_hash": "0ff" * 21}, "ran other code"),
        ({"code_hash": ""}, "ran other code"),
        ({"risk_hash": "0ff" * 21}, "ran under other risk limits"),
        ({"skew": -86400.0 * 30}, "had a clock that was minutes away from the gateway's"),
        ({"skew": 301.0}, "had a clock that was minutes away from the gateway's"),
    ],
)
def test_sessions_of_another_kind_are_left_out_with_the_reason(
    journal: Journal, facts: dict[str, Any], why: str
) -> None:
    diary = Diary(journal)
    diary.day(opening(DAYS[0]))
    diary.days(DAYS[1:], **facts)
    found = evidence(journal)
    assert found.dates == (DAYS[0],) and found.sessions == 1
    assert dict(found.left_out) == {why: 3}


def test_thirty_sessions_on_one_day_are_one(journal: Journal) -> None:
    diary = Diary(journal)
    for i in range(30):
        diary.day(opening(FIRST) + timedelta(minutes=15 * i), minutes=10, every=2)
    assert evidence(journal).dates == (FIRST,)


def test_two_runs_of_one_day_are_one(journal: Journal) -> None:
    Diary(journal).day(opening(FIRST))
    Diary(journal, "20260907T153000Z-drift-bcdefa", account="DU2").day(
        opening(FIRST) + timedelta(hours=1), account="DU2"
    )
    found = evidence(journal)
    assert (found.dates, found.sessions) == ((FIRST,), 2)


def test_a_preview_of_a_live_run_is_none(journal: Journal) -> None:
    Diary(journal, mode="live", account=REAL).days(DAYS, account=REAL, send=False)
    Diary(journal, "20260907T143000Z-drift-fedcba", mode="live").days(DAYS, send=False)
    found = evidence(journal)
    assert found.dates == () and dict(found.left_out) == {"were previews and sent nothing": 8}


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"minutes": 29}, True),
        ({"minutes": 390, "every": 390}, False),  # started and ended, and no heartbeat in between
        ({"minutes": 390, "every": 3}, False),  # heartbeats too far apart to be one life
        ({"minutes": 390, "line": False}, False),
        ({"minutes": 0}, False),
    ],
)
def test_a_day_needs_half_an_hour_of_heartbeats(journal: Journal, facts: dict[str, Any], shown: bool) -> None:
    diary = Diary(journal)
    diary.days(DAYS, **facts)
    found = evidence(journal)
    assert found.dates == () and found.sessions == 0
    assert found.too_short == (tuple(DAYS) if shown else ())


def test_half_an_hour_may_come_in_parts(journal: Journal) -> None:
    diary = Diary(journal)
    diary.day(opening(FIRST), minutes=16)
    diary.day(opening(FIRST) + timedelta(hours=2), minutes=16)
    assert evidence(journal).dates == (FIRST,)


def test_closed_days_do_not_count(journal: Journal) -> None:
    saturday = date(2026, 9, 12)
    diary = Diary(journal)
    diary.day(opening(saturday))
    assert evidence(journal).dates == ()
    assert evidence(journal, is_session=lambda day: True).dates == (saturday,)
    diary.day(opening(date(2026, 9, 14)))
    monday = date(2026, 9, 14)
    assert evidence(journal).dates == (monday,)
    assert evidence(journal, is_session=lambda day: day.weekday() < 5 and day != monday).dates == ()


def test_holidays_are_those_of_the_exchanges(journal: Journal) -> None:
    labor_day, tuesday = FIRST, date(2026, 9, 8)
    Diary(journal).days([labor_day, tuesday, date(2026, 9, 12)])
    assert evidence(journal, is_session=market_days(["XNYS", "XCBO"])).dates == (tuesday,)
    assert len(evidence(journal, is_session=market_days(["XNYS", "24/7"])).dates) == 3
    assert evidence(journal, is_session=market_days([])).dates == ()


def test_a_session_over_midnight_counts_for_both_dates(journal: Journal) -> None:
    Diary(journal).day(datetime(2026, 9, 8, 23, 20, tzinfo=UTC), minutes=80)
    assert evidence(journal).dates == (date(2026, 9, 8), date(2026, 9, 9))


def test_sessions_in_the_future_do_not_count(journal: Journal) -> None:
    diary = Diary(journal)
    diary.day(opening(DAYS[0]))
    diary.days(weekdays(3, date(2026, 11, 23)))
    found = evidence(journal)
    assert found.dates == (DAYS[0],) and dict(found.left_out) == {"lie in the future": 3}


def test_a_clock_that_was_right_again_is_believed_again(journal: Journal) -> None:
    diary = Diary(journal)
    diary.day(opening(date(2027, 1, 4)))  # set wrong once
    diary.days(DAYS)
    found = evidence(journal)
    assert found.dates == tuple(DAYS) and dict(found.left_out) == {"lie in the future": 1}


def test_a_run_begun_under_a_wrong_clock_does_not_spoil_later_ones(journal: Journal) -> None:
    Diary(journal, started=opening(date(2027, 1, 4)))
    Diary(journal, "20260907T143000Z-drift-fedcba").days(DAYS)
    assert evidence(journal).dates == tuple(DAYS)


def test_a_clock_set_back_for_a_run_that_goes_on_gives_no_days(journal: Journal) -> None:
    diary = Diary(journal)
    diary.day(opening(DAYS[3]))
    diary.days(DAYS[:3])
    found = evidence(journal)
    assert found.dates == (DAYS[3],)
    assert dict(found.left_out) == {
        "began before what the journal had written earlier: the clock was set back": 3
    }


def test_a_clock_set_back_for_a_new_run_gives_no_days(journal: Journal) -> None:
    Diary(journal, started=opening(DAYS[3])).day(opening(DAYS[3]))
    Diary(journal, "20260907T143000Z-drift-fedcba", started=opening(DAYS[0])).days(DAYS[:3])
    found = evidence(journal)
    assert found.dates == (DAYS[3],) and sum(found.left_out.values()) == 3


def test_sessions_that_are_older_than_their_run_give_no_days(journal: Journal) -> None:
    Diary(journal, started=NOW).days(DAYS)
    assert evidence(journal).dates == ()


def test_heartbeats_out_of_order_spoil_their_session(journal: Journal, tmp_path: Path) -> None:
    Diary(journal).days(DAYS[:2])
    with closing(sqlite3.connect(tmp_path / ".robo" / "journal.sqlite")) as connection:
        connection.execute(
            "INSERT INTO heartbeats VALUES (1, 999, 1, '2026-09-07T14:31:30.000000Z', NULL, 1)"
        )
        connection.commit()
    found = evidence(journal)
    assert found.dates == (DAYS[1],) and sum(found.left_out.values()) == 1


def test_other_parameters_are_told(journal: Journal) -> None:
    Diary(journal).days(DAYS[:3])
    assert evidence(journal, params={"fast": 5}).other_parameters == 0
    Diary(journal, "20260907T143000Z-drift-fedcba", params={"a": (1, 2)}).day(opening(DAYS[3]))
    assert evidence(journal, params={"a": (1, 2)}).other_parameters == 3
    assert evidence(journal, params={"fast": 6}).other_parameters == 4
    assert evidence(journal).other_parameters == 0


def test_a_killed_session_counts_until_its_last_heartbeat(journal: Journal) -> None:
    diary = Diary(journal)
    run = diary.resume()
    with clock.fixed(opening(FIRST)):
        number = run.session(account=PAPER, code_hash=CODE, risk_hash=RISK, send=True)
    for minute in range(1, 31):
        with clock.fixed(opening(FIRST) + timedelta(minutes=minute)):
            run.beat(number, None, True)
    assert run.flush()
    assert evidence(journal).dates == (FIRST,)


@pytest.mark.parametrize(
    ("account", "paper"), [(PAPER, True), ("DF99", True), ("du1", True), (REAL, False), ("", False)]
)
def test_paper_accounts_are_known_by_their_id(account: str, paper: bool) -> None:
    assert is_paper(account) is paper
