"""`BarFrame.from_pandas` and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robo_trader.bars.frame import COLUMNS, BarFrame
from robo_trader.clock import iso
from robo_trader.errors import DataError
from robo_trader.instruments import Instrument

Make = Callable[..., BarFrame]


def table(index: Any, **columns: Any) -> pd.DataFrame:
    base = {"Open": 10.0, "High": 11.0, "Low": 9.0, "Close": 10.5, "Volume": 5}
    return pd.DataFrame(base | columns, index=index)


DAYS = pd.date_range("2024-01-02", periods=4, freq="B")
MINUTES = pd.date_range("2024-01-02 09:30", "2024-01-02 15:59", freq="min")

INDEXES = {
    "dates": DAYS,
    "in seconds": DAYS.as_unit("s"),
    "aware midnights": DAYS.tz_localize("America/New_York"),
    "UTC midnights": DAYS.tz_localize("UTC"),
    "closes": (DAYS + pd.Timedelta(hours=16)).tz_localize("America/New_York"),
    "periods": DAYS.to_period("D"),
    "texts": DAYS.strftime("%Y-%m-%d"),
    "date objects": pd.Index(DAYS.date),
    "descending": DAYS[::-1],
}


@pytest.mark.parametrize("kind", INDEXES)
def test_dates_alone_are_recognised(kind: str) -> None:
    frame = BarFrame.from_pandas(table(INDEXES[kind]), symbol="SPY")
    assert frame.session.astype(str).tolist() == DAYS.strftime("%Y-%m-%d").tolist()
    assert iso(int(frame.end[0])) == "2024-01-02T21:00:00Z"
    assert (frame.symbol, frame.timeframe, frame.origin.stamps) == ("SPY", "1d", "date")
    assert frame.origin.rows == 4
    assert len(frame.origin.sha256) == 64


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("date", DAYS),
        ("Timestamp", DAYS.strftime("%m/%d/%Y")),
        ("epoch", DAYS.as_unit("s").astype("int64")),
        ("unix", DAYS.as_unit("ms").astype("int64").astype(float)),
    ],
)
def test_stamps_may_stand_in_a_column(name: str, values: Any) -> None:
    frame = BarFrame.from_pandas(table(range(4)).assign(**{name: values}), symbol="SPY")
    assert frame.session.astype(str).tolist() == DAYS.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("number", [int, float])
def test_epochs_may_be_the_index(unit: Any, number: type) -> None:
    index = pd.Index(DAYS.as_unit(unit).astype("int64").astype(number))
    frame = BarFrame.from_pandas(table(index), symbol="SPY")
    assert frame.session.astype(str).tolist() == DAYS.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("index", [[1.7e9, 1.7e9 + 0.5, 1.7e9 + 1, 1.7e9 + 2], [17e8, 17e11, 18e11, 19e11]])
def test_numbers_that_prove_no_unit_are_refused(index: list[float]) -> None:
    with pytest.raises(DataError, match="nor a column holds dates"):
        BarFrame.from_pandas(table(pd.Index(index)), symbol="SPY")


def test_intraday_stamps_are_proven_or_said() -> None:
    assert BarFrame.from_pandas(table(MINUTES)).origin.stamps == "start"
    assert BarFrame.from_pandas(table(MINUTES + pd.Timedelta("1min"))).origin.stamps == "end"
    with pytest.raises(DataError, match="prove neither start nor end"):
        BarFrame.from_pandas(table(MINUTES[60:120]), symbol="SPY")
    said = BarFrame.from_pandas(table(MINUTES[60:120]), symbol="SPY", stamps="end", timeframe="1m")
    assert iso(int(said.end[0])) == "2024-01-02T15:30:00Z"


def test_zone_session_and_instrument_are_used() -> None:
    utc = MINUTES + pd.Timedelta(hours=5)
    assert len(BarFrame.from_pandas(table(utc), tz="UTC")) == 390
    early = pd.date_range("2024-01-02 09:00", "2024-01-02 15:59", freq="min")
    assert len(BarFrame.from_pandas(table(early), stamps="start", session="all")) == 420
    thing = Instrument("SAP", calendar="XETR", currency="EUR")
    frame = BarFrame.from_pandas(table(DAYS), instrument=thing)
    assert (frame.symbol, frame.instrument) == ("SAP", thing)
    assert iso(int(frame.end[0])) == "2024-01-02T16:30:00Z"


def test_columns_of_yfinance_are_understood() -> None:
    prices = table(DAYS)
    prices.columns = pd.MultiIndex.from_product([prices.columns, ["SPY"]])
    assert BarFrame.from_pandas(prices, symbol="SPY").close.tolist() == [10.5] * 4
    both = pd.concat([prices, prices.rename(columns={"SPY": "QQQ"})], axis=1)
    with pytest.raises(DataError, match=r"holds several symbols \(QQQ, SPY\)"):
        BarFrame.from_pandas(both)


def test_volume_may_be_absent_but_not_empty() -> None:
    assert BarFrame.from_pandas(table(DAYS).drop(columns="Volume")).volume.tolist() == [0.0] * 4
    with pytest.raises(DataError, match="DataFrame SPY, row 1, column volume: empty volume cell"):
        BarFrame.from_pandas(table(DAYS, Volume=np.nan), symbol="SPY")


BAD = {
    "no close": (table(DAYS).drop(columns="Close"), "no column close among: open, high"),
    "no dates": (table(range(4)), "neither its index .* nor a column holds dates"),
    "text": (table(DAYS, High=["11", "x", "11", "11"]), "row 2, column high: not a number"),
    "NaN": (table(DAYS, Low=[9, 9, np.nan, 9]), "row 3, column low: no price"),
    "negative": (table(DAYS, Low=-1.0), "row 1, column low: price is not above 0"),
    "NaT": (table(pd.DatetimeIndex([DAYS[0], pd.NaT, DAYS[2], DAYS[3]])), r"row 2: no stamp \(NaT\)"),
    "repeats": (table(DAYS[[0, 1, 1, 2]]), "row 3, column stamp: stamp repeats that of row 2"),
    "no date": (table(["2024-01-02", "soon", "a", "b"]), "row 2: 'soon' is no date or time"),
    "mixed": (
        table([pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03", tz="UTC"), 1, 2]),
        "row 2: .* mixed",
    ),
    "nothing": (table(DAYS[:0]), "no bars"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_frames_are_refused_with_row_and_column(case: str) -> None:
    frame, words = BAD[case]
    with pytest.raises(DataError, match=words):
        BarFrame.from_pandas(frame)


def test_a_frame_survives_the_way_to_pandas_and_back(days: Make, minutes: Make) -> None:
    for frame in (days(), minutes(), minutes(step=60)):
        again = BarFrame.from_pandas(frame.to_pandas(), symbol="SPY", timeframe=frame.timeframe)
        assert again.start.tolist() == frame.start.tolist()
        assert again.end.tolist() == frame.end.tolist()
        assert again.session.tolist() == frame.session.tolist()
        for name in COLUMNS:
            assert getattr(again, name).tolist() == getattr(frame, name).tolist()


def test_the_frame_given_is_not_held() -> None:
    prices = table(DAYS)
    frame = BarFrame.from_pandas(prices)
    prices.loc[:, "Close"] = 99.0
    assert frame.close.tolist() == [10.5] * 4
    assert not frame.close.flags.writeable
