"""What is written as CSV reads back as the same bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robo_trader.bars.bundled import bundled_bars
from robo_trader.bars.csv_write import write_csv
from robo_trader.bars.folder import load_folder
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.calendars import get_calendar
from robo_trader.errors import DataError

NAMES = ("start", "end", "session", "open", "high", "low", "close", "volume")


def hours() -> BarFrame:
    """Hours of two weeks, the last of each day cut by the close, prices of many digits."""
    days = get_calendar("XNYS").sessions("2020-11-16", "2020-11-30")
    opens, closes, _ = get_calendar("XNYS").session_bounds(days)
    hour = 3_600 * 10**9
    starts = np.concatenate([np.arange(a, b, hour) for a, b in zip(opens, closes, strict=True)])
    ends = np.minimum(starts + hour, closes[np.searchsorted(closes, starts, side="right")])
    price = 100 + np.random.default_rng(1).random(len(starts))
    return BarFrame(
        symbol="X",
        timeframe="1h",
        start=starts,
        end=ends,
        session=get_calendar("XNYS").sessions_of(starts, ends),
        open=price,
        high=price + 1 / 3,
        low=price - 1 / 7,
        close=price,
        volume=np.arange(len(starts)) * 1e10 + 0.5,
        instrument=BarSettings().instrument("X"),
    )


@pytest.mark.parametrize("frame", [hours(), bundled_bars(["SPY"])[0]], ids=["hours", "days"])
def test_it_reads_back(frame: BarFrame, tmp_path: Path) -> None:
    write_csv(frame, tmp_path / "deep" / f"{frame.symbol}.csv")
    (again,) = load_folder(tmp_path / "deep", None, BarSettings())
    assert again.timeframe == frame.timeframe
    assert all(np.array_equal(getattr(again, name), getattr(frame, name)) for name in NAMES)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == [f"{frame.symbol}.csv"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_csv(hours(), tmp_path / "file" / "X.csv")
