"""Bad files: one clear error each, naming file, row, column and value, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from robo_trader.bars.check import check_folder
from robo_trader.bars.folder import load_folder, read_csv
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import DataError

HEAD = "date,open,high,low,close,volume\n"
GOOD = "2024-01-02,10,11,9,10,100\n2024-01-03,10,11,9,10,100\n"


def file(folder: Path, text: str | bytes, name: str = "SPY.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def row(line: str) -> str:
    """A file whose fourth line is `line`."""
    return HEAD + GOOD + line + "\n2024-01-05,10,11,9,10,100\n"


#: name → (text of the file, words of the message, word of the hint)
BAD = {
    "empty file": (
        "",
        "SPY.csv is empty",
        "download",
    ),
    "blank file": (
        "\n  \n\n",
        "SPY.csv is empty",
        "download",
    ),
    "header only": (
        HEAD,
        "SPY.csv: no bars",
        "header",
    ),
    "no header": (
        GOOD,
        "SPY.csv has no header: its first line is '2024-01-02",
        "date,open",
    ),
    "no header, epochs": (
        "1704153600,1,2,3,4,5\n",
        "has no header",
        "date,open",
    ),
    "no close column": (
        "date,open,high,low\n" + GOOD,
        "no column close among: date, open",
        "header",
    ),
    "no date column": (
        "open,high,low,close\n1,2,1,2\n",
        "no column date among: open, high",
        "header",
    ),
    "text for a price": (
        row("2024-01-04,10,abc,9,10,100"),
        r"SPY.csv, row 4, column high: not a number \('abc'\)",
        "correct",
    ),
    "underscored number": (
        row("2024-01-04,1_0,11,9,10,100"),
        r"row 4, column open: not a number \('1_0'\)",
        "correct",
    ),
    "text for a volume": (
        row("2024-01-04,10,11,9,10,1.2X"),
        r"row 4, column volume: not a number \('1.2X'\)",
        "correct",
    ),
    "no price": (
        row("2024-01-04,10,,9,10,100"),
        "row 4, column high: no price",
        "repair",
    ),
    "NaN price": (
        row("2024-01-04,10,11,9,NaN,100"),
        "row 4, column close: no price",
        "repair",
    ),
    "infinite price": (
        row("2024-01-04,10,inf,9,10,100"),
        r"row 4, column high: price is infinite \(inf\)",
        "correct",
    ),
    "negative price": (
        row("2024-01-04,10,11,-9,10,100"),
        r"row 4, column low: price is not above 0 \(-9\)",
        "correct",
    ),
    "zero price": (
        row("2024-01-04,0,11,9,10,100"),
        r"row 4, column open: price is not above 0 \(0\)",
        "correct",
    ),
    "all prices zero": (
        row("2024-01-04,0,0,0,0,0"),
        "row 4, column close: all four prices are 0",
        "repair",
    ),
    "high below low": (
        row("2024-01-04,10,9,11,10,100"),
        r"row 4, column high: high is below low \(9\)",
        "correct",
    ),
    "high below close": (
        row("2024-01-04,10,11,9,12,100"),
        r"row 4, column high: high is below open or close \(11\)",
        "repair",
    ),
    "low above open": (
        row("2024-01-04,8,11,9,10,100"),
        r"row 4, column low: low is above open or close \(9\)",
        "repair",
    ),
    "empty volume": (
        row("2024-01-04,10,11,9,10,"),
        "row 4, column volume: empty volume cell",
        "repair",
    ),
    "negative volume": (
        row("2024-01-04,10,11,9,10,-5"),
        r"row 4, column volume: volume is negative \(-5\)",
        "correct",
    ),
    "infinite volume": (
        row("2024-01-04,10,11,9,10,inf"),
        "row 4, column volume: volume is infinite",
        "correct",
    ),
    "no date": (
        row(",10,11,9,10,100"),
        "row 4, column date: no date",
        "write it as",
    ),
    "date that is none": (
        row("2024-02-30,10,11,9,10,100"),
        r"row 4, column date: not a date or time \('2024-02-30'\)",
        "write it as",
    ),
    "hour that is none": (
        row("2024-01-04 25:00,10,11,9,10,100"),
        "row 4, column date: not a date or time",
        "write it as",
    ),
    "short row": (
        row("2024-01-04,10,11"),
        r"row 4: row is too short \('3 cells'\)",
        "complete",
    ),
    "a comma too many": (
        row("2024-01-04,10,11,9,10,1,234"),
        r"row 4: row is too long \('7 cells'\)",
        "6 columns",
    ),
    "row of nothing": (
        row(",,,,,"),
        "row 4, column date: row is empty",
        "repair",
    ),
    "repeated row": (
        row("2024-01-03,10,11,9,10,100"),
        r"row 4, column stamp: stamp repeats that of row 3 \(2024-01-03\)",
        "repair",
    ),
    "two bars of a date": (
        row("2024-01-03,10,11,9,10,7"),
        "row 4, column stamp: stamp repeats that of row 3 with other values",
        "is wrong",
    ),
    "out of order": (
        row("2023-12-01,10,11,9,10,100"),
        r"row 4, column stamp: row is out of order \(2023-12-01\)",
        "sort",
    ),
    "offset and none": (
        row("2024-01-04T00:00:00Z,10,11,9,10,100"),
        "row 4: its stamp carries an offset, unlike those before it",
        "none of them",
    ),
    "none and offsets": (
        (HEAD + GOOD).replace("-03,", "-03T00:00:00-05:00,"),
        "row 3: its stamp carries an offset",
        "none of them",
    ),
    "epochs and dates": (
        row("1704326400,10,11,9,10,100"),
        "row 4: its stamp carries an offset",
        "none of them",
    ),
    "epochs and zulu": (
        HEAD + GOOD.replace("2024-01-02", "2024-01-02T00:00Z").replace("2024-01-03", "1704326400"),
        "row 3: epoch numbers and dates are mixed",
        "one way",
    ),
    "several symbols": (
        row("2024-01-03,10,12,9,11,5")
        .replace("volume\n", "volume,symbol\n")
        .replace("100\n", "100,A\n")
        .replace(",5\n", ",5,B\n"),
        r"holds several symbols \(A, B\)",
        "one file per symbol",
    ),
    "several symbols of yfinance": (
        "Price,Close,Close\nTicker,SPY,QQQ\nDate,,\n",
        r"holds several symbols \(QQQ, SPY\)",
        "one file per symbol",
    ),
    "binary file": (
        b"PAR1\x00\x00\x01" * 50,
        "SPY.csv is no text file",
        "CSV",
    ),
    "one intraday bar": (
        HEAD + "2024-01-02 09:30,10,11,9,10,100\n",
        "one bar alone does not tell its time frame",
        "timeframe",
    ),
    "ticks": (
        HEAD + "".join(f"2024-01-02 09:30:0{i}.{i * i:03},10,11,9,10,1\n" for i in range(9)),
        "stamps follow no time frame",
        "ticks",
    ),
    "odd days": (
        HEAD + "".join(f"2024-01-{d:02},10,11,9,10,1\n" for d in (1, 15, 29)),
        "14 days apart, which is no time frame",
        "timeframe",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, case: str) -> None:
    text, message, hint = BAD[case]
    path = file(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_csv(path)
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert "SPY.csv" in caught.value.message
    # `robo data check` says the same, and raises nothing.
    (first, *_) = check_folder(tmp_path)
    assert first.file == "SPY.csv"
    assert first.problem in caught.value.message
    assert first.fix


def test_an_error_counts_what_else_is_wrong(tmp_path: Path) -> None:
    path = file(tmp_path, HEAD + GOOD.replace(",100", ",") + "2024-01-04,-1,11,9,10,1\n")
    with pytest.raises(DataError, match="row 2, column volume: empty volume cell; 2 more") as caught:
        read_csv(path)
    assert "robo data check" in caught.value.hint


def test_bad_cells_far_down_are_found_with_their_row(tmp_path: Path) -> None:
    lines = [f"2024-01-02 {9 + m // 60:02}:{m % 60:02},10,11,9,10,1" for m in range(30, 400)]
    lines[300] = lines[300].replace(",9,", ",,")
    with pytest.raises(DataError, match="row 302, column low: no price"):
        read_csv(file(tmp_path, HEAD + "\n".join(lines)), settings=BarSettings(stamps="start"))


def test_rows_count_the_lines_above_the_header(tmp_path: Path) -> None:
    path = file(tmp_path, "# a comment\n\n" + row("2024-01-04,10,11,-9,10,100"))
    with pytest.raises(DataError, match="row 6, column low"):
        read_csv(path)


def test_dates_that_contradict_each_other_name_the_odd_one(tmp_path: Path) -> None:
    text = HEAD + "".join(f"01/{d}/2024,10,11,9,10,1\n" for d in (16, 17, 18)) + "19/01/2024,10,11,9,10,1\n"
    with pytest.raises(DataError, match=r"row 5, column date: not a date or time \('19/01/2024'\)"):
        read_csv(file(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*nothing\.csv"):
        read_csv(tmp_path / "nothing.csv")


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"SPY\.csv\.gz cannot be read"):
        read_csv(file(tmp_path, b"no zip", "SPY.csv.gz"))


def test_a_folder_that_is_missing_empty_or_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*bars") as caught:
        load_folder(tmp_path / "bars")
    assert "--bars" in caught.value.hint
    with pytest.raises(DataError, match=r"holds no SYMBOL\.csv"):
        load_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load_folder(file(tmp_path, HEAD + GOOD))


def test_a_symbol_without_a_file_brings_the_nearest(tmp_path: Path) -> None:
    file(tmp_path, HEAD + GOOD)
    with pytest.raises(DataError, match="no file for symbol SPPY") as caught:
        load_folder(tmp_path, ["SPPY"])
    assert caught.value.hint == "did you mean 'SPY'?"
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, ["ZZZZ"])
    assert "SPY" in caught.value.hint


def test_a_bad_adj_close_is_named_where_it_is_wanted(tmp_path: Path) -> None:
    path = file(tmp_path, "date,open,high,low,close,adj close\n2024-01-02,1,2,1,2,2\n2024-01-03,1,2,1,2,\n")
    assert len(read_csv(path)) == 2
    with pytest.raises(DataError, match="row 3, column adj close"):
        read_csv(path, settings=BarSettings(adjusted=True))
