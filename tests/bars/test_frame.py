"""What a `BarFrame` promises: validated once, read-only afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robo_trader.bars.frame import BarFrame
from robo_trader.errors import DataError

Make = Callable[..., BarFrame]


def changed(frame: BarFrame, name: str, at: int, value: float) -> BarFrame:
    column = getattr(frame, name).copy()
    column[at] = value
    return replace(frame, **{name: column})


BAD: list[tuple[str, int, Any, str]] = [
    ("close", 1, np.nan, r"has no usable close \(close = nan\)"),
    ("open", 1, np.inf, "has no usable open"),
    ("low", 2, 0.0, "has a low that is not above 0"),
    ("high", 2, 1.0, "has high < low"),
    ("high", 2, 101.5, "has a high below its open or close"),
    ("low", 2, 102.5, "has a low above its open or close"),
    ("volume", 0, -1.0, "has a volume that is not a number of 0 or more"),
    ("volume", 0, np.nan, "has a volume that is not"),
    ("end", 0, 2**62, "is not after the bar before it"),
    ("start", 3, 0, "starts before the bar before it"),
    ("start", -1, 2**62, "ends before it starts"),
]


@pytest.mark.parametrize(("column", "at", "value", "words"), BAD)
def test_no_frame_holds_a_bad_bar(days: Make, column: str, at: int, value: float, words: str) -> None:
    with pytest.raises(DataError, match=rf"SPY: the bar ending \S+Z {words}"):
        changed(days(), column, at, value)


def test_columns_are_of_one_length_and_not_empty(days: Make) -> None:
    with pytest.raises(DataError, match=r"column close has shape \(3,\), not \(21,\)"):
        replace(days(), close=np.ones(3))
    with pytest.raises(DataError, match="SPY: no bars"):
        days().where(np.zeros(21, dtype=bool))


def test_columns_cannot_be_written_and_hold_no_callers_array(days: Make) -> None:
    close = days().close.copy()
    frame = replace(days(), close=close)
    close[0] = 0.5
    assert frame.close[0] == 101.0
    with pytest.raises(ValueError, match="read-only"):
        frame.close[0] = 1.0


def test_parts_are_taken_by_mask_slice_or_index(days: Make) -> None:
    frame = days()
    assert len(frame.where(slice(2, 5))) == 3
    assert frame.where(np.array([0, 2])).close.tolist() == [101.0, 103.0]
    assert repr(frame.where(slice(0, 2))) == (
        "BarFrame(SPY 1d, 2 bars, 2024-01-02T14:30:00Z to 2024-01-03T21:00:00Z)"
    )


def test_a_frame_is_not_iterated_by_accident(days: Make) -> None:
    with pytest.raises(TypeError, match="use its columns or to_pandas"):
        list(days())


def test_pandas_sees_ends_in_utc(days: Make) -> None:
    table = days().to_pandas()
    assert str(table.index[0]) == "2024-01-02 21:00:00+00:00"
    assert list(table.columns) == ["open", "high", "low", "close", "volume", "session", "start"]
    assert str(table["session"].iloc[0])[:10] == "2024-01-02"
