"""`RawColumns`: what a file or DataFrame said, before anybody decided what its stamps mean.

Reading (CSV, pandas) ends here and building (`bars/build.py`) starts here, so that every source
goes through the same proofs and checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import PRICES, Origin
from robo_trader.bars.settings import Stamps


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it stands, the value seen, what is wrong and the way out.

    `row` is the line in the file (1 is the first), or the row's position + 1 in a DataFrame; 0
    where the whole file is meant. `repairable` says whether ``--repair`` mends it.
    """

    file: str
    row: int
    column: str
    value: str
    problem: str
    fix: str
    repairable: bool = False

    def __str__(self) -> str:
        where = f"{self.file}" + (f", row {self.row}" if self.row else "")
        column = f", column {self.column}" if self.column else ""
        seen = f" ({self.value})" if self.value else ""
        return f"{where}{column}: {self.problem}{seen}"


@dataclass(frozen=True, slots=True)
class RawColumns:
    """Columns in the file's own order.

    `wall` is what the stamps say (int64 ns since 1970-01-01 as a clock on the wall shows it);
    `utc` the instants (int64 ns) where stamps carry an offset or are epochs, else None.
    `dates_only` is True where no stamp has a time of day. `rows` are line numbers. `stated` is
    what the header says that stamps mark. `volume` is None where the column is absent; `text`
    keeps the rows' cells for messages where somebody has them.
    """

    symbol: str
    wall: NDArray[np.int64]
    utc: NDArray[np.int64] | None
    dates_only: bool
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64] | None
    rows: NDArray[np.int64]
    origin: Origin
    adj_close: NDArray[np.float64] | None = None
    stated: Stamps | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.wall)

    @property
    def name(self) -> str:
        """The name for messages: the file, or the symbol where there is none."""
        return self.origin.source.rpartition("/")[2]

    def take(self, index: NDArray[Any] | slice) -> RawColumns:
        """Return the rows that a mask, an index array or a slice selects."""
        names = ["wall", "rows", *PRICES]
        names += [n for n in ("utc", "volume", "adj_close") if getattr(self, n) is not None]
        return replace(self, **{n: getattr(self, n)[index] for n in names})
