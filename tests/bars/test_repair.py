"""`--repair` mends what has one reading only, writes it down, and leaves the rest an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from robo_trader.bars.folder import read_csv
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import DataError

HEAD = "date,open,high,low,close,volume\n"
FIRST, LAST = "2024-01-08,10,11,9,10,100\n", "2024-01-12,10,11,9,10,100\n"


def repaired(folder: Path, *rows: str) -> BarFrame:
    path = folder / "SPY.csv"
    path.write_text(HEAD + FIRST + "".join(f"{r}\n" for r in rows) + LAST)
    with pytest.raises(DataError):
        read_csv(path)  # without repair it is refused
    return read_csv(path, settings=BarSettings(repair=True))


MENDED = {
    "an exact repeat": (
        ["2024-01-08,10,11,9,10,100"],
        2,
        "dropped 1 row repeating the row before exactly (row 3)",
    ),
    "a row without a price": (["2024-01-09,10,,9,10,5"], 2, "dropped 1 row without a price (row 3)"),
    "a row of zeros": (["2024-01-09,0,0,0,0,0"], 2, "dropped 1 row without a price (row 3)"),
    "a row of nothing": ([",,,,,"], 2, "dropped 1 row without any value (row 3)"),
    "rows out of order": (
        ["2024-01-11,10,11,9,10,1", "2024-01-09,10,11,9,10,1", "2024-01-10,10,11,9,10,1"],
        5,
        "sorted the file: 1 row stood out of order (row 4)",
    ),
    "an empty volume": (
        ["2024-01-09,10,11,9,10,"],
        3,
        "read as 0 the volume of 1 row with an empty cell (row 3)",
    ),
    "a narrow range": (
        ["2024-01-09,10,10.5,10.2,10.7,1", "2024-01-10,10,11,10.1,10.5,1"],
        4,
        "widened high or low of 2 rows to hold open and close (rows 3, 4)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MENDED)
def test_the_unambiguous_is_mended_and_noted(tmp_path: Path, case: str) -> None:
    rows, bars, note = MENDED[case]
    frame = repaired(tmp_path, *rows)
    assert len(frame) == bars
    assert frame.notes == (f"repaired: {note}",)


def test_a_widened_bar_holds_its_body_and_nothing_more(tmp_path: Path) -> None:
    frame = repaired(tmp_path, "2024-01-09,10,10.5,10.2,10.7,1")
    assert (frame.open[1], frame.high[1], frame.low[1], frame.close[1]) == (10, 10.7, 10, 10.7)


def test_many_rows_are_named_by_the_first_three(tmp_path: Path) -> None:
    frame = repaired(tmp_path, *(f"2024-01-{d:02},10,11,9,10," for d in (9, 10, 10, 11)))
    assert frame.volume.tolist() == [100, 0, 0, 0, 100]
    assert frame.notes == (
        "repaired: read as 0 the volume of 4 rows with an empty cell (rows 3, 4, 5, …)",
        "repaired: dropped 1 row repeating the row before exactly (row 5)",
    )


LEFT = {
    "two readings of one date": "2024-01-08,10,12,9,11,100",
    "high below low": "2024-01-09,10,9,11,10,100",
    "low above high alone": "2024-01-09,10,10,11,10,100",
    "a negative price": "2024-01-09,-10,11,9,10,100",
    "text": "2024-01-09,x,11,9,10,100",
    "text beside an empty cell": "2024-01-09,x,,9,10,100",
    "a negative volume": "2024-01-09,10,11,9,10,-1",
    "text for a volume": "2024-01-09,10,11,9,10,x",
    "a date that is none": "2024-13-03,10,11,9,10,1",
}


@pytest.mark.parametrize("case", LEFT)
def test_the_rest_stays_an_error(tmp_path: Path, case: str) -> None:
    with pytest.raises(DataError, match="row 3"):
        repaired(tmp_path, LEFT[case])


def test_a_file_of_zeros_holds_nothing_after_repair(tmp_path: Path) -> None:
    path = tmp_path / "SPY.csv"
    path.write_text(HEAD + "2024-01-08,0,0,0,0,0\n")
    with pytest.raises(DataError, match="no bars are left after repair"):
        read_csv(path, settings=BarSettings(repair=True))


def test_a_sound_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "SPY.csv"
    path.write_text(HEAD + FIRST + LAST)
    assert read_csv(path, settings=BarSettings(repair=True)).notes == ()


def test_rounding_errors_of_adjusted_prices_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "SPY.csv"
    path.write_text(HEAD + "2024-01-08,10,11.000000000000002,9,11.000000000000004,1\n")
    frame = read_csv(path)
    assert frame.high[0] == frame.close[0] == 11.000000000000004
    assert frame.notes == ()
