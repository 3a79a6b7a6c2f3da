"""Every accepted way of writing a CSV file gives the same bars."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.csv_fast import read_fast
from robo_trader.bars.csv_layout import layout_of
from robo_trader.bars.csv_slow import read_slow
from robo_trader.bars.folder import read_csv
from robo_trader.bars.frame import COLUMNS, BarFrame, Origin
from robo_trader.bars.settings import BarSettings
from robo_trader.clock import iso

DAYS = ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-16")
ROWS = ((10.5, 11, 10, 10.75, 100), (10.75, 12, 10.5, 11.5, 200), (11.5, 11.5, 11, 11.25, 300))
ROWS += ((11.25, 11.5, 11, 11.5, 0), (11.5, 13, 11.25, 12.25, 1234567))


def write(folder: Path, text: str | bytes, name: str = "SPY.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def plain(
    days: tuple[str, ...] = DAYS, header: str = "date,open,high,low,close,volume", sep: str = ","
) -> str:
    lines = [
        header,
        *(
            sep.join([d, *(f"{v:g}" if v < 1e6 else str(v) for v in r)])
            for d, r in zip(days, ROWS, strict=True)
        ),
    ]
    return "\n".join(lines) + "\n"


def extra(name: str, value: str) -> str:
    first, *rows = plain().splitlines()
    return "\n".join([f"{first},{name}", *(f"{row},{value}" for row in rows)])


GERMAN = tuple(f"{d[8:]}.{d[5:7]}.{d[:4]}" for d in DAYS)


def german() -> str:
    rows = [[f"{v:g}".replace(".", ",") for v in row[:4]] + [str(row[4])] for row in ROWS]
    lines = [";".join([d, *row]) for d, row in zip(GERMAN, rows, strict=True)]
    return "\n".join(["date;open;high;low;close;volume", *lines])


def us(pad: bool, year: int = 4) -> tuple[str, ...]:
    parts = [d.split("-") for d in DAYS]
    return tuple(f"{m if pad else int(m)}/{d if pad else int(d)}/{y[-year:]}" for y, m, d in parts)


def epoch(unit: int) -> tuple[str, ...]:
    return tuple(str(int(np.datetime64(d, "s").astype(int)) * unit) for d in DAYS)


def expect_same(frame: BarFrame) -> None:
    assert frame.session.astype(str).tolist() == list(DAYS)
    for i, name in enumerate(COLUMNS):
        assert getattr(frame, name).tolist() == [float(r[i]) for r in ROWS], name
    assert frame.timeframe == "1d"
    assert iso(int(frame.start[0])) == "2024-01-02T14:30:00Z"
    assert iso(int(frame.end[-1])) == "2024-01-16T21:00:00Z"
    assert frame.origin.rows == 5
    assert len(frame.origin.sha256) == 64
    assert frame.origin.stamps == "date"


FORMS: dict[str, str | bytes] = {
    "iso": plain(),
    "no newline at the end": plain().rstrip("\n"),
    "windows line ends": plain().replace("\n", "\r\n"),
    "old mac line ends": plain().replace("\n", "\r"),
    "byte order mark": b"\xef\xbb\xbf" + plain().encode(),
    "utf-16": plain().encode("utf-16"),
    "latin-1 header": extra("größe", "1").encode("latin-1"),
    "upper case": plain(header="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME"),
    "short names": plain(header="t,o,h,l,c,v"),
    "angle brackets": plain(header="<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>"),
    "spaces around names": plain(header=" Date , Open,High ,Low, Close,Volume"),
    "nameless stamp column": plain(header=",open,high,low,close,volume"),
    "midnight times": plain(tuple(f"{d} 00:00:00" for d in DAYS)),
    "midnights of New York": plain(tuple(f"{d} 00:00:00-05:00" for d in DAYS)),
    "compact": plain(tuple(d.replace("-", "") for d in DAYS)),
    "slashes, year first": plain(tuple(d.replace("-", "/") for d in DAYS)),
    "us": plain(us(pad=True)),
    "us without zeros": plain(us(pad=False)),
    "us with two digits of the year": plain(us(pad=True, year=2)),
    "us times": plain(tuple(f"{d} 12:00 AM" for d in us(pad=False))),
    "german dates": plain(GERMAN),
    "spelt months": plain(tuple(f"{int(d[8:])}-Jan-2024" for d in DAYS)),
    "months first": plain(tuple(f'"Jan {d[8:]}, 2024"' for d in DAYS)),
    "epoch seconds": plain(epoch(1)),
    "epoch milliseconds": plain(epoch(10**3), header="timestamp,open,high,low,close,volume"),
    "epoch microseconds": plain(epoch(10**6)),
    "epoch nanoseconds": plain(epoch(10**9)),
    "epoch with a fraction": plain(tuple(f"{e}.0" for e in epoch(1))),
    "daily bars stamped at the close": plain(tuple(f"{d} 16:00" for d in DAYS)),
    "daily bars stamped at the open, in UTC": plain(tuple(f"{d}T14:30:00Z" for d in DAYS)),
    "semicolons": plain(sep=";", header="date;open;high;low;close;volume"),
    "decimal commas": plain(sep=";", header="date;open;high;low;close;volume").replace(".", ","),
    "german dates and decimal commas": german(),
    "german thousands": german().replace("1234567", "1.234.567"),
    "tabs": plain(sep="\t", header="date\topen\thigh\tlow\tclose\tvolume"),
    "quoted": "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in plain().splitlines()),
    "thousands": plain().replace("1234567", '"1,234,567"'),
    "dollar signs": plain().replace(",10.5,", ",$10.5,"),
    "units of volume": plain().replace(",100\n", ",0.1K\n").replace("1234567", "1.234567M"),
    "commas behind each row": plain().replace("\n2", ",\n2"),
    "an address above": "https://www.example.com\n" + plain(header="date,open,high,low,close,Volume BTC"),
    "unix beside dates": "\n".join(
        [f"unix,{plain().splitlines()[0]}"]
        + [f"{e},{line}" for e, line in zip(epoch(1), plain().splitlines()[1:], strict=True)]
    ),
    "blank lines": plain().replace("\n2024-01-04", "\n\n2024-01-04") + "\n\n",
    "a comment above": "# from somewhere\n" + plain(),
    "Excel's first line": "sep=,\n" + plain(),
    "descending": "\n".join([plain().splitlines()[0], *plain().splitlines()[:0:-1]]) + "\n",
    "open interest": extra("OpenInterest", "0"),
    "a symbol column": extra("symbol", "SPY"),
    "an index column": "\n".join(f"{i or ''},{line}" for i, line in enumerate(plain().splitlines())),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_bars(tmp_path: Path, form: str) -> None:
    expect_same(read_csv(write(tmp_path, FORMS[form])))


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path, gzip.compress(plain().encode()), "SPY.csv.gz"))
    assert frame.symbol == "SPY"
    expect_same(frame)


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    lines = [line.split(",") for line in plain().splitlines()]
    shuffled = "\n".join(",".join(line[i] for i in (5, 2, 4, 0, 3, 1)) for line in lines)
    expect_same(read_csv(write(tmp_path, shuffled)))


YFINANCE = {
    "price, ticker, date": "Price,Close,High,Low,Open,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,\n",
    "ticker, price, date": "Ticker,SPY,SPY,SPY,SPY,SPY\nPrice,Close,High,Low,Open,Volume\nDate,,,,,\n",
    "two rows": ",Close,High,Low,Open,Volume\nDate,,,,,\n",
}


@pytest.mark.parametrize("form", YFINANCE)
def test_the_headers_of_yfinance_are_understood(tmp_path: Path, form: str) -> None:
    rows = "".join(f"{d},{c},{h},{lo},{o},{v}\n" for d, (o, h, lo, c, v) in zip(DAYS, ROWS, strict=True))
    expect_same(read_csv(write(tmp_path, YFINANCE[form] + rows)))


def test_an_absent_volume_column_reads_as_zeros_without_a_word(tmp_path: Path) -> None:
    text = "\n".join(line.rsplit(",", 1)[0] for line in plain().splitlines())
    frame = read_csv(write(tmp_path, text))
    assert frame.volume.tolist() == [0.0] * 5
    assert frame.notes == ()


def test_days_above_twelve_in_front_make_dates_day_first(tmp_path: Path) -> None:
    days = tuple(f"{d[8:]}/{d[5:7]}/{d[:4]}" for d in DAYS)
    frame = read_csv(write(tmp_path, plain(days)))
    expect_same(frame)
    assert "day first" in frame.notes[0]


def test_an_adj_close_column_is_noted_and_not_used(tmp_path: Path) -> None:
    path = write(tmp_path, _with_adj_close())
    frame = read_csv(path)
    expect_same(frame)
    assert not frame.adjusted
    assert "Adj Close column is not used" in frame.notes[0]


def test_adjusted_prices_are_scaled_and_marked(tmp_path: Path) -> None:
    path = write(tmp_path, _with_adj_close())
    frame = read_csv(path, settings=BarSettings(adjusted=True))
    assert frame.adjusted
    assert frame.close.tolist() == [r[3] / 2 for r in ROWS]
    assert frame.high.tolist() == [r[1] / 2 for r in ROWS]
    assert "Adj Close / Close" in frame.notes[0]


def _with_adj_close() -> str:
    lines = plain().splitlines()
    head = lines[0].replace("close,", "Close,Adj Close,")
    rows = [line.split(",") for line in lines[1:]]
    return "\n".join([head, *(",".join([*r[:5], str(float(r[4]) / 2), r[5]]) for r in rows)])


def test_separate_date_and_time_columns_are_joined(tmp_path: Path) -> None:
    times = [f"{9 + (30 + i) // 60:02}:{(30 + i) % 60:02}:00" for i in range(40)]
    fast = "Date,Time,Open,High,Low,Close,Volume,OpenInterest\n"
    fast += "".join(f"2024-01-02,{t},10,11,9,10,5,0\n" for t in times)
    apart = "Date,Open,High,Low,Close,Time\n" + "".join(f"2024-01-02,10,11,9,10,{t}\n" for t in times)
    for text in (fast, apart):
        frame = read_csv(write(tmp_path, text))
        assert (frame.timeframe, len(frame)) == ("1m", 40)
        assert iso(int(frame.start[0])) == "2024-01-02T14:30:00Z"


@pytest.mark.parametrize(
    ("head", "side"), [("Open time", "start"), ("close_time", "end"), ("start", "start")]
)
def test_a_header_may_state_what_stamps_mark(tmp_path: Path, head: str, side: str) -> None:
    first = 1_704_153_600_000  # 2024-01-02 00:00 UTC
    rows = "".join(f"{first + 60_000 * i},10,11,9,10,5\n" for i in range(5))
    frame = read_csv(write(tmp_path, f"{head},open,high,low,close,volume\n{rows}", "BTCUSDT.csv"))
    assert frame.origin.stamps == side
    edge = frame.start if side == "start" else frame.end
    assert iso(int(edge[0])) == "2024-01-02T00:00:00Z"
    assert any("header" in note for note in frame.notes)


CELL = st.floats(0.01, 1e6, allow_nan=False).map(lambda x: max(round(x, 4), 0.01))


@given(
    prices=st.lists(st.tuples(CELL, CELL), min_size=2, max_size=8),
    style=st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%dT00:00:00Z", "%d-%b-%Y"]),
    volumes=st.integers(0, 10**12),
)
def test_the_fast_and_the_slow_road_agree_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, prices: list[tuple[float, float]], style: str, volumes: int
) -> None:
    days = [
        (np.datetime64("2024-01-01") + np.timedelta64(9 * i, "D")).astype(object).strftime(style)
        for i in range(len(prices))
    ]
    rows = [
        f"{d},{a!r},{max(a, b)!r},{min(a, b)!r},{b!r},{volumes}"
        for d, (a, b) in zip(days, prices, strict=True)
    ]
    data = ("date,open,high,low,close,volume\n" + "\n".join(rows)).encode()
    path = tmp_path_factory.getbasetemp() / "X.csv"
    layout, origin = layout_of(path, data), Origin("X.csv")
    slow = read_slow(path, "X", data, layout, origin)
    fast = read_fast("X", data, layout, origin)
    if style == "%d-%b-%Y":
        assert fast is None
        return
    assert fast is not None
    assert slow.problems == ()
    for name in ("wall", "open", "high", "low", "close", "volume", "rows"):
        assert getattr(fast, name).tolist() == getattr(slow, name).tolist(), name
    assert (fast.utc is None) == (slow.utc is None)
    assert fast.dates_only == slow.dates_only
    assert fast.notes == slow.notes
    assert slow.close.tolist() == [b for _, b in prices]
