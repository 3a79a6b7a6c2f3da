"""Sessions, half days, dates without a session, and the cache that must never matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from robo_trader.calendars import get_calendar
from robo_trader.clock import fixed, iso
from robo_trader.errors import ConfigError


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def close(code: str, date: str) -> str:
    return iso(int(get_calendar(code).session_bounds(dates(date))[1][0]))


@pytest.mark.parametrize(
    ("code", "date", "expected"),
    [
        ("XNYS", "2019-07-02", "2019-07-02T20:00:00Z"),  # summer: 16:00 is 20:00 UTC
        ("XNYS", "2019-12-02", "2019-12-02T21:00:00Z"),
        ("XNYS", "2019-07-03", "2019-07-03T17:00:00Z"),  # half days close at 13:00
        ("XNYS", "2019-11-29", "2019-11-29T18:00:00Z"),
        ("XCBO", "2019-12-02", "2019-12-02T21:15:00Z"),
        ("XCBO", "2019-11-29", "2019-11-29T18:15:00Z"),
        ("XETR", "2019-12-02", "2019-12-02T16:30:00Z"),
        ("24/7", "2019-12-25", "2019-12-26T00:00:00Z"),
    ],
)
def test_a_session_closes_when_its_exchange_does(code: str, date: str, expected: str) -> None:
    assert close(code, date) == expected


def test_a_date_without_a_session_gets_the_regular_hours_around_it() -> None:
    # Christmas 2019 follows a half day; the hours of a whole day are meant.
    opens, closes, known = get_calendar("XNYS").session_bounds(
        dates("2019-12-25", "2019-12-24", "2020-07-04")
    )
    assert known.tolist() == [False, True, False]
    assert [iso(int(t)) for t in closes] == [
        "2019-12-25T21:00:00Z",
        "2019-12-24T18:00:00Z",
        "2020-07-04T20:00:00Z",
    ]
    assert iso(int(opens[0])) == "2019-12-25T14:30:00Z"


def test_dates_before_the_usual_range_are_known_too() -> None:
    _, _, known = get_calendar("XNYS").session_bounds(dates("1972-07-03", "1972-07-04"))
    assert known.tolist() == [True, False]


def test_sessions_are_listed_without_holidays() -> None:
    listed = get_calendar("XNYS").sessions("2019-07-03", "2019-07-08")
    assert listed.tolist() == dates("2019-07-03", "2019-07-05", "2019-07-08").tolist()
    assert len(get_calendar("24/7").sessions("2019-07-03", "2019-07-08")) == 6


def test_an_evening_bar_of_a_futures_exchange_belongs_to_the_next_session() -> None:
    sunday_evening = np.array([np.datetime64("2024-01-07T23:30", "ns").astype(np.int64)])
    session = get_calendar("CMES").sessions_of(sunday_evening, sunday_evening + 60 * 10**9)
    assert session.tolist() == dates("2024-01-08").tolist()
    in_new_york = get_calendar("XNYS").sessions_of(sunday_evening, sunday_evening)
    assert in_new_york.tolist() == dates("2024-01-07").tolist()


def test_no_dates_make_no_bounds() -> None:
    opens, closes, known = get_calendar("XNYS").session_bounds(dates())
    assert len(opens) == len(closes) == len(known) == 0


@pytest.mark.parametrize("code", ["XNSY", "../XNYS", "xnys"])
def test_an_unknown_code_is_an_error_with_a_hint(code: str) -> None:
    with pytest.raises(ConfigError, match="unknown calendar"):
        get_calendar(code)


def test_the_nearest_code_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        get_calendar("XNSY")
    assert "XNYS" in caught.value.hint


@pytest.mark.parametrize("code", [None, 7, ""])
def test_a_code_must_be_text(code: object) -> None:
    with pytest.raises(ConfigError, match="must be a code"):
        get_calendar(code)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of this test's own, and calendars that nobody has loaded yet."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    get_calendar.cache_clear()
    yield tmp_path / "robo_trader" / "calendars"
    get_calendar.cache_clear()


def test_the_second_load_needs_no_library(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = close("XNYS", "2019-11-29")
    assert len(list(cache.iterdir())) == 1
    get_calendar.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "exchange_calendars", None)
    assert close("XNYS", "2019-11-29") == first


def test_a_torn_cache_file_is_built_anew(cache: Path) -> None:
    first = close("XNYS", "2019-11-29")
    (file,) = cache.iterdir()
    for rubbish in (b"", b"PK\x03\x04 torn", file.read_bytes()[:2000]):
        file.write_bytes(rubbish)
        get_calendar.cache_clear()
        assert close("XNYS", "2019-11-29") == first


def test_a_cache_of_another_shape_is_not_believed(cache: Path) -> None:
    first = close("XNYS", "2019-11-29")
    (file,) = cache.iterdir()
    np.savez(file, tz=np.array("UTC"), table=np.zeros((3, 2), dtype=np.int64))
    get_calendar.cache_clear()
    assert close("XNYS", "2019-11-29") == first


def test_an_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: blocked / name)
    get_calendar.cache_clear()
    assert close("XNYS", "2019-11-29") == "2019-11-29T18:00:00Z"
    get_calendar.cache_clear()


def test_a_cache_of_last_year_is_not_used(cache: Path) -> None:
    with fixed(datetime(2025, 12, 31, tzinfo=UTC)):
        get_calendar("XNYS")
    get_calendar.cache_clear()
    with fixed(datetime(2026, 1, 2, tzinfo=UTC)):
        get_calendar("XNYS")
    assert len(list(cache.iterdir())) == 2
