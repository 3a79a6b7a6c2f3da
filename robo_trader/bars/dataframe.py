"""From a pandas DataFrame to raw columns: names in any case, stamps in the index or a column.

Failure contract: a missing column, text for numbers, mixed naive and aware stamps and NaT are
`DataError`s naming row (position + 1) and column.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.csv_layout import ALIASES, TIMES, plain
from robo_trader.bars.frame import PRICES, Origin
from robo_trader.bars.raw import RawColumns
from robo_trader.bars.settings import Stamps
from robo_trader.bars.stamptext import Stamp, epoch_unit, parse_stamp
from robo_trader.clock import NS_PER_DAY
from robo_trader.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def raw_from_pandas(frame: pd.DataFrame, symbol: str = "") -> RawColumns:
    """Return the columns of `frame`; its stamps may be the index or a column named like one."""
    name = symbol or "DATA"
    where = f"DataFrame {symbol}".strip()
    labels = _labels(frame, where)
    columns: dict[str, NDArray[np.float64]] = {}
    for column, words in ALIASES.items():
        at = next((labels.index(w) for w in words if w in labels), None)
        if at is not None:
            columns[column] = _numbers(frame.iloc[:, at], where, column)
    missing = [c for c in PRICES if c not in columns]
    if missing:
        raise DataError(
            f"{where}: no column {' or '.join(missing)} among: {', '.join(labels)[:80]}",
            hint="name the columns open, high, low, close (volume may be absent)",
        )
    wall, utc, dates_only, stated = _stamps(frame, labels, where)
    digest = hashlib.sha256(wall.tobytes())
    for values in columns.values():
        digest.update(values.tobytes())
    return RawColumns(
        symbol=name,
        wall=wall,
        utc=utc,
        dates_only=dates_only,
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns.get("volume"),
        adj_close=columns.get("adj_close"),
        rows=np.arange(1, len(frame) + 1),
        origin=Origin(where, digest.hexdigest(), len(frame)),
        stated=stated,
    )


def _labels(frame: pd.DataFrame, where: str) -> list[str]:
    """Return the columns' plain names; yfinance's (price, ticker) pairs give the price."""
    if getattr(frame.columns, "nlevels", 1) == 1:
        return [plain(str(c)) for c in frame.columns]
    levels = [[plain(str(c[i])) for c in frame.columns] for i in range(frame.columns.nlevels)]
    ours = {w for words in ALIASES.values() for w in words}
    names = max(levels, key=lambda level: sum(w in ours for w in level))
    others = {w for level in levels if level is not names for w in level if w}
    if len(others) > 1:
        raise DataError(
            f"{where} holds several symbols ({', '.join(sorted(o.upper() for o in others)[:4])})",
            hint="pass a dict {symbol: frame}, for example {s: data.xs(s, axis=1, level=1) for s in …}",
        )
    return names


def _numbers(column: Any, where: str, name: str) -> NDArray[np.float64]:
    try:
        return np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))  # a copy: frames change
    except (ValueError, TypeError):
        for row, value in enumerate(column.tolist(), start=1):
            try:
                float(value)
            except (ValueError, TypeError):
                raise DataError(
                    f"{where}, row {row}, column {name}: not a number ({value!r})", hint="correct the cell"
                ) from None
        raise


def _stamps(
    frame: pd.DataFrame, labels: list[str], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, bool, Stamps | None]:
    import pandas as pd

    index: Any = frame.index
    stated: Stamps | None = None
    usable = (
        isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)
        or index.dtype == object
        or str(index.dtype) == "str"
    )
    if not usable:
        pick = next((t for t in TIMES if t in labels), None)
        if pick is None and _are_epochs(index):
            return (*_from_objects([int(value) for value in index], where), None)
        if pick is None:
            raise DataError(
                f"{where}: neither its index ({index.dtype}) nor a column holds dates",
                hint="set a DatetimeIndex, or name a column date",
            )
        index, stated = frame.iloc[:, labels.index(pick)], TIMES[pick]
    elif index.name is not None:
        stated = TIMES.get(plain(str(index.name)))
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp(how="start")
    if not pd.api.types.is_datetime64_any_dtype(index.dtype):
        return (*_from_objects(list(index), where), stated)
    stamps = pd.DatetimeIndex(index)
    if stamps.hasnans:
        row = int(np.argmax(stamps.isna())) + 1
        raise DataError(f"{where}, row {row}: no stamp (NaT)", hint="drop the row")
    wall = _ns(stamps.tz_localize(None))
    utc = _ns(stamps.tz_convert("UTC").tz_localize(None)) if stamps.tz is not None else None
    dates_only = utc is None and bool((wall % NS_PER_DAY == 0).all())
    return wall, utc, dates_only, stated


def _are_epochs(index: Any) -> bool:
    """Return whether an index holds numbers that can only be epochs (a plain count is far smaller).

    Their size proves the unit; a fraction of it, or a size that would be two units, proves nothing.
    """
    if index.dtype.kind not in "iuf" or not len(index) or not index.min() >= 10**8:
        return False
    whole = index.dtype.kind != "f" or bool((index == index // 1).all())
    return whole and epoch_unit(int(index.min())) == epoch_unit(int(index.max()))


def _ns(stamps: Any) -> NDArray[np.int64]:
    out: NDArray[np.int64] = stamps.to_numpy().astype("datetime64[ns]").astype(np.int64)
    return out


def _from_objects(values: list[Any], where: str) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, bool]:
    """Read texts, dates, datetimes and epochs one by one."""
    stamps: list[Stamp] = []
    for row, value in enumerate(values, start=1):
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        stamp = parse_stamp(text)
        if stamp is None:
            raise DataError(f"{where}, row {row}: {value!r} is no date or time", hint="use a DatetimeIndex")
        if stamps and (stamp.offset is None) != (stamps[0].offset is None):
            raise DataError(
                f"{where}, row {row}: stamps with and without a zone are mixed",
                hint="convert all with pandas.to_datetime(…, utc=True)",
            )
        stamps.append(stamp)
    wall = np.array([s.wall for s in stamps], dtype=np.int64)
    if stamps and stamps[0].offset is not None:
        return wall, wall - np.array([s.offset for s in stamps], dtype=np.int64), False
    return wall, None, bool((wall % NS_PER_DAY == 0).all())
