"""Start, end and session of every bar: daily closes, proofs of what stamps mark, clipping, DST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robo_trader.bars.folder import read_csv
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.clock import iso
from robo_trader.errors import DataError

HEAD = "date,open,high,low,close,volume\n"


def load(folder: Path, written: list[str], name: str = "SPY.csv", /, **settings: object) -> BarFrame:
    path = folder / name
    path.write_text(HEAD + "".join(f"{s},10,11,9,10,100\n" for s in written))
    return read_csv(path, settings=BarSettings(**settings))  # type: ignore[arg-type]


def minutes(day: str, first: str, last: str, step: int = 1, zone: str = "") -> list[str]:
    a, b = np.datetime64(f"{day}T{first}", "m"), np.datetime64(f"{day}T{last}", "m")
    return [
        str(t).replace("T", " ") + zone
        for t in np.arange(a, b + np.timedelta64(1, "m"), np.timedelta64(step, "m"))
    ]


def times(column: np.ndarray) -> list[str]:
    return [iso(t) for t in column.tolist()]


def test_a_daily_bar_is_known_at_its_sessions_close(tmp_path: Path) -> None:
    frame = load(tmp_path, ["2019-07-02", "2019-07-03", "2019-11-29", "2019-12-02"], timeframe="1d")
    assert times(frame.end) == [
        "2019-07-02T20:00:00Z",
        "2019-07-03T17:00:00Z",  # half day
        "2019-11-29T18:00:00Z",  # half day
        "2019-12-02T21:00:00Z",
    ]
    assert times(frame.start)[0] == "2019-07-02T13:30:00Z"


@pytest.mark.parametrize(
    ("name", "calendar", "end"),
    [
        ("VIX.csv", None, "2019-12-02T21:15:00Z"),
        ("^VIX.csv", None, "2019-12-02T21:15:00Z"),
        ("BTC-USD.csv", None, "2019-12-03T00:00:00Z"),
        ("ETHUSDT.csv", None, "2019-12-03T00:00:00Z"),
        ("SAP.csv", "XETR", "2019-12-02T16:30:00Z"),
        ("VIX.csv", "XNYS", "2019-12-02T21:00:00Z"),
    ],
)
def test_each_instrument_has_its_own_close(tmp_path: Path, name: str, calendar: str | None, end: str) -> None:
    frame = load(tmp_path, ["2019-12-02", "2019-12-03"], name, calendar=calendar)
    assert iso(int(frame.end[0])) == end


def test_bars_on_dates_without_a_session_are_kept_and_counted(tmp_path: Path) -> None:
    frame = load(tmp_path, [f"2006-01-{d:02}" for d in range(2, 31) if d % 7 not in (0, 1)])
    assert str(frame.session[0]) == "2006-01-02"
    assert iso(int(frame.end[0])) == "2006-01-02T21:00:00Z"
    assert frame.notes == (
        "2 bars lie on dates without a session of XNYS (first 2006-01-02), kept with regular hours",
    )


def test_bars_of_every_day_raise_a_doubt_about_the_calendar(tmp_path: Path) -> None:
    frame = load(tmp_path, [f"2024-01-{d:02}" for d in range(1, 32)])
    assert "'24/7'" in frame.notes[0]


def test_daily_stamps_at_midnight_utc_name_the_date(tmp_path: Path) -> None:
    # As an instant, 2024-01-03T00:00Z is still January 2nd in New York.
    frame = load(tmp_path, ["2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"])
    assert frame.session.astype(str).tolist() == ["2024-01-03", "2024-01-04"]


def test_daily_stamps_at_midnight_of_new_york_in_utc_name_its_date(tmp_path: Path) -> None:
    frame = load(tmp_path, ["2024-03-08T05:00:00Z", "2024-03-11T04:00:00Z"])
    assert frame.session.astype(str).tolist() == ["2024-03-08", "2024-03-11"]


def test_daily_stamps_of_ends_around_the_clock_belong_to_the_day_before(tmp_path: Path) -> None:
    stamps = ["2024-01-03 00:00:00", "2024-01-04 00:00:00"]
    frame = load(tmp_path, stamps, "BTCUSD.csv", stamps="end")
    assert times(frame.end) == ["2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"]
    assert frame.session.astype(str).tolist() == ["2024-01-02", "2024-01-03"]
    dates = load(tmp_path, ["2024-01-03", "2024-01-04"], "BTCUSD.csv", stamps="end")
    assert dates.session.astype(str).tolist() == ["2024-01-03", "2024-01-04"]


def test_stamps_from_the_open_prove_the_start(tmp_path: Path) -> None:
    frame = load(tmp_path, minutes("2024-01-02", "09:30", "15:59"))
    assert (frame.timeframe, frame.origin.stamps, frame.origin.tz) == ("1m", "start", "America/New_York")
    assert times(frame.start[[0, -1]]) == ["2024-01-02T14:30:00Z", "2024-01-02T20:59:00Z"]
    assert times(frame.end[[0, -1]]) == ["2024-01-02T14:31:00Z", "2024-01-02T21:00:00Z"]
    assert any("mark the start" in n for n in frame.notes)
    assert any("no zone and were read as America/New_York" in n for n in frame.notes)


def test_stamps_to_the_close_prove_the_end(tmp_path: Path) -> None:
    frame = load(tmp_path, minutes("2024-01-02", "09:31", "16:00"))
    assert frame.origin.stamps == "end"
    assert times(frame.start[[0, -1]]) == ["2024-01-02T14:30:00Z", "2024-01-02T20:59:00Z"]
    assert any("mark the end" in n for n in frame.notes)


UNPROVEN = {
    "both": (minutes("2024-01-02", "09:30", "16:00"), "both 09:30 and 16:00 occur"),
    "neither": (minutes("2024-01-02", "10:00", "15:00"), "neither 09:30 nor 16:00 occurs"),
    "early bars": (minutes("2024-01-02", "04:00", "15:59"), "bars lie outside the session 09:30 to 16:00"),
    "late bars": (minutes("2024-01-02", "09:31", "19:59"), "bars lie outside the session 09:30 to 16:00"),
    "the close of one day only": (
        minutes("2024-01-02", "09:30", "15:59") + minutes("2024-01-03", "09:30", "16:00"),
        "both 09:30 and 16:00 occur",
    ),
    "the close of a half day": (
        minutes("2019-11-27", "09:30", "15:59") + minutes("2019-11-29", "09:30", "13:00"),
        "both 09:30 and 16:00 occur",
    ),
    "early bars on one day of two": (
        minutes("2024-01-02", "04:00", "15:59") + minutes("2024-01-03", "09:30", "15:59"),
        "bars lie outside",
    ),
    "late bars on one day of two": (
        minutes("2024-01-02", "09:31", "19:59") + minutes("2024-01-03", "09:31", "16:00"),
        "bars lie outside",
    ),
    "ends with bars before the open": (minutes("2024-01-02", "04:01", "16:00"), "bars lie outside"),
    "starts with bars after the close": (minutes("2024-01-02", "09:30", "19:59"), "bars lie outside"),
    "another zone": (minutes("2024-01-02", "14:30", "20:59"), "bars lie outside"),
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_stamps_that_prove_nothing_are_refused(tmp_path: Path, case: str) -> None:
    stamps, why = UNPROVEN[case]
    with pytest.raises(DataError, match=rf"SPY\.csv: {why}.*prove neither start nor end") as caught:
        load(tmp_path, stamps)
    assert "--stamps start" in caught.value.hint
    for said in ("start", "end"):
        assert load(tmp_path, stamps, stamps=said).origin.stamps == said


def test_stamps_around_the_clock_prove_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="never opens or closes"):
        load(tmp_path, minutes("2024-01-02", "00:00", "23:59"), "BTCUSDT.csv")


def test_prints_after_the_close_of_a_half_day_do_not_spoil_the_proof(tmp_path: Path) -> None:
    half = minutes("2019-11-29", "09:30", "15:59")
    frame = load(tmp_path, [*half, *minutes("2019-12-02", "09:30", "15:59")])
    assert frame.origin.stamps == "start"
    assert (frame.session == np.datetime64("2019-11-29")).sum() == 210
    assert "180 bars outside the regular session of XNYS dropped (session = 'all' keeps them)" in frame.notes
    assert len(load(tmp_path, half, session="all", stamps="start")) == 390


def test_stamps_said_to_be_dates_must_be_dates(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a date has several bars"):
        load(tmp_path, minutes("2024-01-02", "09:30", "15:59"), stamps="date")


def test_offsets_that_change_with_the_season_are_one_zone(tmp_path: Path) -> None:
    stamps = minutes("2024-03-08", "09:30", "15:30", 60, "-05:00")
    stamps += minutes("2024-03-11", "09:30", "15:30", 60, "-04:00")
    frame = load(tmp_path, stamps)
    assert (frame.timeframe, len(frame), frame.origin.tz) == ("1h", 14, "UTC")
    assert times(frame.start[[0, 7]]) == ["2024-03-08T14:30:00Z", "2024-03-11T13:30:00Z"]
    # The last hour of a day ends with it, not half an hour later.
    assert times(frame.end[[6, 13]]) == ["2024-03-08T21:00:00Z", "2024-03-11T20:00:00Z"]


def test_offsets_of_any_zones_are_instants(tmp_path: Path) -> None:
    stamps = minutes("2024-01-02", "09:30", "12:30", 60, "-05:00")
    stamps += minutes("2024-01-02", "12:30", "14:30", 60, "-06:00")
    frame = load(tmp_path, stamps)
    assert times(frame.start[[3, 4]]) == ["2024-01-02T17:30:00Z", "2024-01-02T18:30:00Z"]


def test_hours_across_the_close_end_with_it_on_half_days_too(tmp_path: Path) -> None:
    stamps = minutes("2024-07-02", "09:30", "15:30", 60) + minutes("2024-07-03", "09:30", "12:30", 60)
    frame = load(tmp_path, stamps)
    assert times(frame.end[[6, 10]]) == ["2024-07-02T20:00:00Z", "2024-07-03T17:00:00Z"]


def test_hours_across_the_close_of_a_half_day_stay_whole_where_prints_follow(tmp_path: Path) -> None:
    stamps = minutes("2024-07-02", "09:30", "15:30", 60) + minutes("2024-07-03", "09:30", "15:30", 60)
    frame = load(tmp_path, stamps)
    assert times(frame.end[[6, 10]]) == ["2024-07-02T20:00:00Z", "2024-07-03T17:30:00Z"]
    assert len(frame) == 11
    assert any(n.startswith("3 bars outside") for n in frame.notes)


def test_a_short_first_bar_ends_where_the_next_begins(tmp_path: Path) -> None:
    frame = load(tmp_path, ["2024-07-02 09:30", *minutes("2024-07-02", "10:00", "15:00", 60)])
    assert times(frame.end[:2]) == ["2024-07-02T14:00:00Z", "2024-07-02T15:00:00Z"]


def test_intraday_bars_of_a_saturday_are_outside_the_session(tmp_path: Path) -> None:
    stamps = [t for day in ("2024-01-05", "2024-01-06") for t in minutes(day, "09:30", "15:59")]
    frame = load(tmp_path, stamps)
    assert set(frame.session.astype(str).tolist()) == {"2024-01-05"}
    assert len(load(tmp_path, stamps, session="all")) == 780


def test_hours_counted_from_nine_start_with_the_session(tmp_path: Path) -> None:
    stamps = minutes("2024-07-01", "09:00", "15:00", 60) + minutes("2024-07-02", "09:00", "15:00", 60)
    frame = load(tmp_path, stamps, stamps="start")
    assert times(frame.start[:2]) == ["2024-07-01T13:30:00Z", "2024-07-01T14:00:00Z"]


def test_hours_stamped_at_their_ends_do_not_overlap(tmp_path: Path) -> None:
    stamps = [*minutes("2024-07-02", "10:30", "15:30", 60), "2024-07-02 16:00"]
    frame = load(tmp_path, stamps)
    assert frame.origin.stamps == "end"
    assert times(frame.start[[0, -1]]) == ["2024-07-02T13:30:00Z", "2024-07-02T19:30:00Z"]


def test_a_bar_across_the_close_stays_whole_where_trading_goes_on(tmp_path: Path) -> None:
    frame = load(tmp_path, minutes("2024-07-02", "08:30", "17:30", 60), stamps="start", session="all")
    assert "2024-07-02T20:30:00Z" in times(frame.end)
    assert "2024-07-02T20:00:00Z" not in times(frame.end)


def test_extended_hours_are_dropped_or_kept(tmp_path: Path) -> None:
    stamps = minutes("2024-01-02", "04:00", "19:59")
    regular = load(tmp_path, stamps, stamps="start")
    assert len(regular) == 390
    assert (
        "570 bars outside the regular session of XNYS dropped (session = 'all' keeps them)" in regular.notes
    )
    every = load(tmp_path, stamps, stamps="start", session="all")
    assert len(every) == 960
    assert set(every.session.astype(str).tolist()) == {"2024-01-02"}


def test_the_wrong_zone_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no bar lies inside the regular session of XNYS") as caught:
        load(tmp_path, minutes("2024-01-02", "20:00", "22:00"), stamps="start")
    assert "tz" in caught.value.hint


def test_the_zone_of_naive_stamps_can_be_said(tmp_path: Path) -> None:
    frame = load(tmp_path, minutes("2024-01-02", "14:30", "20:59"), tz="UTC")
    assert frame.origin.stamps == "start"
    assert frame.origin.tz == "UTC"
    assert iso(int(frame.start[0])) == "2024-01-02T14:30:00Z"


def test_descending_intraday_bars_are_turned_around(tmp_path: Path) -> None:
    frame = load(tmp_path, minutes("2024-01-02", "09:30", "15:59")[::-1])
    assert iso(int(frame.start[0])) == "2024-01-02T14:30:00Z"


def test_bitcoin_days_change_at_midnight_utc(tmp_path: Path) -> None:
    stamps = minutes("2024-01-02", "23:00", "23:59") + minutes("2024-01-03", "00:00", "01:00")
    frame = load(tmp_path, stamps, "BTCUSDT.csv", stamps="start")
    assert frame.notes == ("stamps carry no zone and were read as UTC (tz = … says otherwise)",)
    assert frame.session[[59, 60]].astype(str).tolist() == ["2024-01-02", "2024-01-03"]
    ends = load(tmp_path, stamps, "BTCUSDT.csv", stamps="end")
    assert ends.session[[60, 61]].astype(str).tolist() == ["2024-01-02", "2024-01-03"]


WEEKS = ("2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22")  # Mondays, two of them holidays


def test_weeks_stamped_on_mondays_are_known_on_fridays(tmp_path: Path) -> None:
    frame = load(tmp_path, list(WEEKS))
    assert (frame.timeframe, frame.origin.stamps) == ("1w", "start")
    assert times(frame.start)[0] == "2024-01-02T14:30:00Z"
    assert [t[:10] for t in times(frame.end)] == ["2024-01-05", "2024-01-12", "2024-01-19", "2024-01-26"]
    assert frame.session.astype(str).tolist()[-1] == "2024-01-26"


def test_weeks_stamped_on_their_last_session_are_known_then(tmp_path: Path) -> None:
    frame = load(tmp_path, ["2024-03-15", "2024-03-22", "2024-03-28", "2024-04-05"])  # Good Friday 29th
    assert frame.origin.stamps == "end"
    assert times(frame.end)[2] == "2024-03-28T20:00:00Z"
    assert times(frame.start)[2:] == ["2024-03-25T13:30:00Z", "2024-04-01T13:30:00Z"]


def test_weeks_stamped_on_their_first_session_end_before_the_next(tmp_path: Path) -> None:
    frame = load(tmp_path, ["2024-01-08", "2024-01-16", "2024-01-22", "2024-01-29"])  # a holiday Monday
    assert frame.origin.stamps == "start"
    assert [t[:10] for t in times(frame.end)] == ["2024-01-12", "2024-01-19", "2024-01-26", "2024-02-02"]


def test_a_header_may_state_what_weeks_are_stamped_by(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT.csv"
    rows = "".join(f"2024-01-{d:02},10,11,9,10,1\n" for d in (3, 10, 17))
    path.write_text(HEAD.replace("date", "open time") + rows)
    frame = read_csv(path)
    assert (frame.timeframe, frame.origin.stamps) == ("1w", "start")
    assert times(frame.end)[0] == "2024-01-10T00:00:00Z"


@pytest.mark.parametrize("weekday", [3, 7])  # Wednesdays; Sundays may open a week or end it
def test_weeks_on_other_days_must_be_said(tmp_path: Path, weekday: int) -> None:
    stamps = [f"2024-01-{d:02}" for d in range(weekday, 32, 7)]
    with pytest.raises(DataError, match="1w bars whose stamps prove neither"):
        load(tmp_path, stamps)
    early, late = load(tmp_path, stamps, stamps="start"), load(tmp_path, stamps, stamps="end")
    assert early.end[0] > late.end[0]
    assert (early.start >= np.roll(early.end, 1))[1:].all()
    assert (late.start >= np.roll(late.end, 1))[1:].all()


@pytest.mark.parametrize(
    ("stamps", "code", "side", "end"),
    [
        (["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "1mo", "start", "2024-01-31"),
        (["2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30"], "1mo", "end", "2024-01-31"),
        (["2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01"], "3mo", "start", "2023-03-31"),
        (["2020-01-01", "2021-01-01", "2022-01-01"], "1y", "start", "2020-12-31"),
    ],
)
def test_longer_bars_end_with_their_last_session(
    tmp_path: Path, stamps: list[str], code: str, side: str, end: str
) -> None:
    frame = load(tmp_path, stamps)
    assert (frame.timeframe, frame.origin.stamps) == (code, side)
    assert iso(int(frame.end[0]))[:10] == end
    assert (np.diff(frame.end) > 0).all()
    assert (frame.start[1:] >= frame.end[:-1]).all()
