"""Wall clocks to UTC and back, against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.clock import NS_PER_SECOND, iso, to_ns
from robo_trader.errors import ConfigError, DataError
from robo_trader.zones import to_utc, to_wall, zone

NEW_YORK = "America/New_York"
ZONES = st.sampled_from([NEW_YORK, "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe", "UTC"])


def wall(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]").astype(np.int64)


@given(name=ZONES, times=st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=30))
def test_what_clocks_show_is_what_the_standard_library_says(name: str, times: list[int]) -> None:
    utc = np.array(sorted(times), dtype=np.int64) * NS_PER_SECOND
    shown = to_wall(utc, name)
    for instant, seen in zip(utc.tolist(), shown.tolist(), strict=True):
        moment = datetime.fromtimestamp(instant // NS_PER_SECOND, ZoneInfo(name)).replace(tzinfo=UTC)
        assert to_ns(moment) == seen


@given(name=ZONES, first=st.integers(0, 2_000_000_000), step=st.sampled_from([60, 300, 900]))
def test_a_gapless_column_goes_to_wall_and_back(name: str, first: int, step: int) -> None:
    # Two days of bars: where clocks go back, the repeated hour is told by its order.
    utc = (first // step * step + np.arange(0, 2 * 86_400, step, dtype=np.int64)) * NS_PER_SECOND
    shown = to_wall(utc, name)
    steps_back = np.flatnonzero(np.diff(shown) <= 0)
    edge_inside = len(steps_back) == 0 and _touches_a_fold(utc, name)
    if not edge_inside:  # a column that begins or ends inside the repeated hour cannot be told
        assert to_utc(shown, name).tolist() == utc.tolist()


def _touches_a_fold(utc: np.ndarray, name: str) -> bool:
    moments = [datetime.fromtimestamp(int(t) // NS_PER_SECOND, ZoneInfo(name)) for t in utc]
    return any(m.replace(fold=0).utcoffset() != m.replace(fold=1).utcoffset() for m in moments)


def test_an_hour_that_occurs_once_in_the_file_but_twice_on_the_clock_is_refused() -> None:
    stamps = wall("2023-11-05T00:30", "2023-11-05T01:30", "2023-11-05T02:30")
    with pytest.raises(DataError, match="2023-11-05 01:30:00 occurs twice") as caught:
        to_utc(stamps, NEW_YORK)
    assert "offset" in caught.value.hint


def test_a_repeated_hour_is_told_by_its_order() -> None:
    stamps = wall("2023-11-05T01:00", "2023-11-05T01:30", "2023-11-05T01:00", "2023-11-05T01:30")
    assert [iso(t) for t in to_utc(stamps, NEW_YORK).tolist()] == [
        "2023-11-05T05:00:00Z",
        "2023-11-05T05:30:00Z",
        "2023-11-05T06:00:00Z",
        "2023-11-05T06:30:00Z",
    ]


def test_an_hour_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="2024-03-10 02:30:00 does not exist"):
        to_utc(wall("2024-03-10T02:30"), NEW_YORK)


def test_the_day_of_a_change_keeps_its_other_hours() -> None:
    stamps = wall("2024-03-10T01:59", "2024-03-10T03:00", "2024-03-10T16:00")
    assert [iso(t) for t in to_utc(stamps, NEW_YORK).tolist()] == [
        "2024-03-10T06:59:00Z",
        "2024-03-10T07:00:00Z",
        "2024-03-10T20:00:00Z",
    ]


def test_utc_is_itself() -> None:
    stamps = wall("2024-03-10T02:30")
    assert to_utc(stamps, "UTC").tolist() == to_wall(stamps, "utc").tolist() == stamps.tolist()
    assert zone("UTC").utcoffset(None) == timedelta(0)


@pytest.mark.parametrize("name", ["America/New_Yrok", "", "../etc/passwd"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown time zone"):
        zone(name)


def test_the_nearest_zone_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        zone("America/New_Yrok")
    assert "America/New_York" in caught.value.hint
