"""Exchange calendars: when each session opens and closes, half days and holidays included.

`get_calendar("XNYS")` answers for whole arrays of dates; all instants are int64 nanoseconds
since 1970-01-01 UTC. The tables come from exchange_calendars, which takes a second to import;
they are therefore kept in the user's cache folder, keyed by that library's version, and the
library is imported only when a table is missing. A cache that cannot be read or written costs
time and nothing else.

Two codes are our own: ``24/7`` (a session is a UTC day) and ``XCBO`` (Cboe index options and the
VIX: New York's sessions, each closing a quarter of an hour later, half days too).

Failure contract: an unknown code is a `ConfigError` with the nearest known one; a calendar that
the library itself cannot build is a `DataError`.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The year from which tables are built unless older dates are asked for.
FIRST_YEAR = 1990
ALWAYS_OPEN = "24/7"
#: Codes made from another calendar: (base, nanoseconds added to each close).
_DERIVED = {"XCBO": ("XNYS", 15 * 60 * NS_PER_SECOND)}
_AROUND = 5  # sessions on either side from which a date without a session takes regular hours


class Calendar:
    """The sessions of one exchange.

    `code` is the calendar's code, `tz` the exchange's IANA time zone, `always_open` True where
    trading never stops. Get one with `get_calendar`.
    """

    def __init__(self, code: str, tz: str, table: NDArray[np.int64] | None, first_year: int) -> None:
        self.code = code
        self.tz = tz
        self.always_open = table is None
        self._table = table  # rows of (day number, open, close), or None
        self._first_year = first_year
        self._usual: dict[int, tuple[int, int]] = {}

    def __repr__(self) -> str:
        return f"Calendar({self.code!r}, tz={self.tz!r})"

    def session_bounds(
        self, dates: NDArray[np.datetime64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return (open_ns, close_ns, is_session) for each of `dates` (datetime64[D]).

        A date without a session gets the regular hours of its neighbours and is_session False.
        """
        import numpy as np

        days = np.asarray(dates, dtype="datetime64[D]").astype(np.int64)
        if self._table is None:
            opens = days * NS_PER_DAY
            return opens, opens + NS_PER_DAY, np.ones(len(days), dtype=bool)
        if not len(days):
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty.copy(), np.zeros(0, dtype=bool)
        table = self._covering(int(days.min()))
        at = np.minimum(np.searchsorted(table[:, 0], days), len(table) - 1)
        known = table[at, 0] == days
        opens, closes = table[at, 1].copy(), table[at, 2].copy()
        for day in np.unique(days[~known]):
            where = days == day
            usual = self._usual.get(int(day))
            if usual is None:
                usual = self._usual[int(day)] = self._regular_hours(table, int(day))
            opens[where], closes[where] = usual
        return opens, closes, known

    def sessions(self, first: np.datetime64 | str, last: np.datetime64 | str) -> NDArray[np.datetime64]:
        """Return the session dates from `first` to `last`, both included."""
        import numpy as np

        low, high = np.array([first, last], dtype="datetime64[D]").astype(np.int64).tolist()
        if self._table is None:
            days: NDArray[np.int64] = np.arange(low, high + 1)
        else:
            days = self._covering(low)[:, 0]
            days = days[(days >= low) & (days <= high)]
        return days.astype("datetime64[D]")

    def sessions_of(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Return the session date to which each bar from `start` to `end` (UTC ns) belongs.

        Usually the local date of the bar's start; where sessions begin on the evening before
        (futures), the first session that closes at or after the bar's end.
        """
        import numpy as np

        if self._table is None:
            return (start // NS_PER_DAY).astype("datetime64[D]")
        from robo_trader.zones import to_wall

        local: NDArray[np.int64] = to_wall(start, self.tz) // NS_PER_DAY
        if not len(local):
            return local.astype("datetime64[D]")
        table = self._covering(int(local.min()))
        if self._overnight(table):
            at = np.searchsorted(table[:, 2], end)
            inside = at < len(table)
            local = np.where(inside, table[np.minimum(at, len(table) - 1), 0], local)
        return local.astype("datetime64[D]")

    def _overnight(self, table: NDArray[np.int64]) -> bool:
        from robo_trader.zones import to_wall

        tail = table[-_AROUND:]
        return bool((to_wall(tail[:, 1].copy(), self.tz) // NS_PER_DAY < tail[:, 0]).all())

    def _covering(self, day: int) -> NDArray[np.int64]:
        """Return the table, first extended to the past when `day` lies before it."""
        import numpy as np

        assert self._table is not None
        year = int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64)) + 1970
        if year < self._first_year:
            self._first_year = year // 10 * 10
            _, self._table = _table(self.code, self._first_year)
        return self._table

    def _regular_hours(self, table: NDArray[np.int64], day: int) -> tuple[int, int]:
        """Return open and close on `day` as the sessions around it have them, in local time."""
        import numpy as np

        from robo_trader.zones import to_utc, to_wall

        at = int(np.searchsorted(table[:, 0], day))
        near = table[max(0, at - _AROUND) : at + _AROUND]
        bounds = []
        for column in (1, 2):
            wall = to_wall(near[:, column].copy(), self.tz) - near[:, 0] * NS_PER_DAY
            usual = int(np.sort(wall)[len(wall) // 2])
            at_wall = np.array([day * NS_PER_DAY + usual], dtype=np.int64)
            bounds.append(int(to_utc(at_wall, self.tz)[0]))
        return bounds[0], bounds[1]


@cache
def get_calendar(code: str) -> Calendar:
    """Return the calendar of `code` (``XNYS``, ``24/7``, ``XCBO``, …); raise `ConfigError`."""
    if not isinstance(code, str) or not code:
        raise ConfigError(f"calendar must be a code such as 'XNYS', not {code!r}")
    if code == ALWAYS_OPEN:
        return Calendar(code, "UTC", None, FIRST_YEAR)
    tz, table = _table(code, FIRST_YEAR)
    return Calendar(code, tz, table, FIRST_YEAR)


def _table(code: str, first_year: int) -> tuple[str, NDArray[np.int64]]:
    """Return (tz, table) of `code` from `first_year` to the end of next year."""
    base, later = _DERIVED.get(code, (code, 0))
    tz, table = _cached(base, first_year) or _build(base, first_year)
    if later:
        table = table.copy()
        table[:, 2] += later
    return tz, table


def _cache_file(code: str, first_year: int) -> Path:
    from importlib.metadata import version

    from platformdirs import user_cache_path

    name = f"{code.replace('/', '-')}-{version('exchange_calendars')}-{first_year}-{clock.now().year + 1}.npz"
    return user_cache_path("robo_trader") / "calendars" / name


def _cached(code: str, first_year: int) -> tuple[str, NDArray[np.int64]] | None:
    from zipfile import BadZipFile

    import numpy as np

    if not code.replace("/", "").replace("_", "").isalnum():
        return None
    # Absent, torn or not ours: the table is built anew.
    try:
        with (
            _cache_file(code, first_year).open("rb") as file,
            np.load(file, allow_pickle=False) as stored,
        ):
            tz, table = str(stored["tz"]), stored["table"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    if table.ndim != 2 or table.shape[1] != 3 or table.dtype != np.int64 or not len(table):
        return None
    return tz, table


def _build(code: str, first_year: int) -> tuple[str, NDArray[np.int64]]:
    import exchange_calendars as xc
    import numpy as np

    names = xc.get_calendar_names(include_aliases=True)
    if code not in names:
        near = did_you_mean(code.upper(), [*names, *_DERIVED, ALWAYS_OPEN])
        raise ConfigError(f"unknown calendar {code!r}", hint=near or "for example XNYS, XETR, XLON or 24/7")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own use of pandas; nobody here can mend it
            made = _made(code, first_year)
            opens, closes = _ns(made.opens), _ns(made.closes)
    except ValueError as error:
        raise DataError(
            f"calendar {code} cannot be built by exchange_calendars: {str(error)[:120]}",
            hint="choose another with calendar = …",
        ) from error
    days = made.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    table: NDArray[np.int64] = np.column_stack([days, opens, closes])
    _store(_cache_file(code, first_year), str(made.tz), table)
    return str(made.tz), table


def _made(code: str, first_year: int) -> Any:
    """Return the library's calendar from `first_year` to the end of next year, as far as it goes."""
    import exchange_calendars as xc
    import pandas as pd

    kind: Any = type(xc.get_calendar(code))
    first, last = pd.Timestamp(first_year, 1, 1), pd.Timestamp(clock.now().year + 1, 12, 31)
    low, high = _bounds(kind)
    return kind(start=max(first, low) if low else first, end=min(last, high) if high else last)


def _bounds(kind: Any) -> tuple[Any, Any]:
    """Return the first and last date that a calendar class can answer for, None where unlimited."""
    try:
        return kind.bound_min(), kind.bound_max()
    except NotImplementedError:
        return None, None


def _ns(moments: Any) -> NDArray[np.int64]:
    out: NDArray[np.int64] = moments.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype("int64")
    return out


def _store(path: Path, tz: str, table: NDArray[np.int64]) -> None:
    """Keep a table for next time; atomic, and no error where the folder cannot be written."""
    import numpy as np

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as out:
                np.savez(out, tz=np.array(tz), table=table)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError:
        return
