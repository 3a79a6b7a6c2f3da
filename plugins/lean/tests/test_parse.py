"""Lean's lines and factor rows: what they mean, and what is refused with its row."""

from __future__ import annotations

import numpy as np
import pytest
from robo_lean.factors import Adjust, parse_factors
from robo_lean.parse import parse_dated, parse_minutes

from robo_trader import DataError

GOOD = b"20130603 00:00,1000000,1010000,990000,1005000,1000"


def test_dated_lines_are_dollars_at_a_wall_clock() -> None:
    rows = parse_dated(GOOD + b"\r\n20130604 09:00,1,2,1,2.5,7\n", "spy.csv")
    assert rows.local.astype("datetime64[m]").tolist() == [
        np.datetime64("2013-06-03T00:00").item(),
        np.datetime64("2013-06-04T09:00").item(),
    ]
    assert rows.prices[0].tolist() == [100.0, 101.0, 99.0, 100.5]
    assert rows.prices[1, 3] == 0.00025
    assert rows.volume.tolist() == [1000.0, 7.0]


def test_minute_lines_count_milliseconds_from_midnight() -> None:
    rows = parse_minutes(b"34200000,10000,10000,10000,10000,1", "20131007", "x.csv")
    assert str(rows.local.astype("datetime64[s]")[0]) == "2013-10-07T09:30:00"
    assert rows.dates.tolist() == [np.datetime64("2013-10-07").item()]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"20130604 00:00,1,2,x,2,7", "row 2, column low: 'x' is not a number"),
        (b"20130604 00:00,1,2,,2,7", "row 2, column low: '' is not a number"),
        (b"20130604 00:00,1,2,1,2", "row 2: '20130604,00,00,1,2,1,2' has 7 columns, not 8"),
        (b"20130604 00:00,1,2,1,2,7,9", "has 9 columns, not 8"),
        (b"20131304 00:00,1,2,1,2,7", "row 2: 20131304 is no date"),
        (b"20130230 00:00,1,2,1,2,7", "row 2: 20130230 is no date"),
        (b"20130200 00:00,1,2,1,2,7", "row 2: 20130200 is no date"),
        (b"20130604 00:00,1,nan,1,2,7", "holds a value that is no number"),
        (b"inf 00:00,1,2,1,2,7", "holds a value that is no number"),
        (b"20130604 24:00,1,2,1,2,7", "row 2: 1440 is no time of day"),
    ],
)
def test_a_bad_line_is_named_with_file_and_row(line: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_dated(GOOD + b"\n" + line, "spy.csv")
    assert caught.value.message.startswith("spy.csv, row 2")
    assert said in caught.value.message


def test_minutes_beyond_the_day_and_other_formats_are_refused() -> None:
    with pytest.raises(DataError, match="86400000 is no time of day in milliseconds"):
        parse_minutes(b"86400000,1,1,1,1,1", "20131007", "x.csv")
    with pytest.raises(DataError, match="has 8 columns, not 6"):
        parse_minutes(GOOD.replace(b" ", b",").replace(b":", b","), "20131007", "x.csv")
    with pytest.raises(DataError, match=r"x\.csv is empty"):
        parse_minutes(b" \n", "20131007", "x.csv")


FACTORS = b"20000101,0.5,0.25,1\n20050608,0.8,0.25,10\n20100101,0.8,1,12\n20501231,1,1,0"


@pytest.mark.parametrize(
    ("day", "splits", "total"),
    [
        ("1999-12-31", 0.25, 0.125),
        ("2000-01-01", 0.25, 0.125),
        ("2005-06-08", 0.25, 0.2),
        ("2005-06-09", 1.0, 0.8),
        ("2010-01-01", 1.0, 0.8),
        ("2010-01-02", 1.0, 1.0),
        ("2060-01-01", 1.0, 1.0),
    ],
)
def test_a_factor_row_reaches_up_to_its_own_date(day: str, splits: float, total: float) -> None:
    factors = parse_factors(FACTORS, "f.csv")
    dates = np.array([day], dtype="datetime64[D]")
    expected: dict[Adjust, float] = {"none": 1.0, "splits": splits, "total": total}
    for adjust, value in expected.items():
        assert factors.of(dates, adjust).tolist() == [pytest.approx(value, abs=1e-15)]
    assert factors.splits(dates).tolist() == [splits]


def test_old_factor_files_have_three_columns_and_may_be_unsorted_or_infinite() -> None:
    raw = b"20501231,1,1\r\n19980102,inf,1\n20000101,5e-1,1e+07\n"
    factors = parse_factors(raw, "f.csv")
    assert factors.dates.astype(str).tolist() == ["2000-01-01", "2050-12-31"]
    assert factors.split.tolist() == [1e7, 1.0]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "f.csv holds no factors"),
        (b"19980102,inf,1", "f.csv holds no factors"),
        (b"20000101,1,1\n20001", "f.csv, row 2: '20001' is no date with two factors"),
        (b"20001350,1,1", "row 1: '20001350,1,1' is no date"),
        (b"20000101,one,1", "row 1"),
        (b"20000101,0,1", "factors must be above 0, not 0 and 1"),
        (b"20000101,1,-2,9", "factors must be above 0, not 1 and -2"),
        (b"20000101,1,nan,9", "factors must be above 0"),
    ],
)
def test_bad_factor_files_are_refused(raw: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_factors(raw, "f.csv")
    assert said in caught.value.message
