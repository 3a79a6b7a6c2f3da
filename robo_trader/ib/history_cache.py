"""Bars that were fetched before, a file for each period of each contract.

What cannot be read counts as absent, and what cannot be written is left out with a warning in the log: the
broker is asked again.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger("robo_trader.ib")

COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Bars as the broker gave them, whole periods only.

    `at` is each bar's start in ns UTC, or its session's day since 1970 for daily bars; `values` has a row a
    bar and a column for each of open, high, low, close and volume. `fetched` is when, in ns UTC.
    """

    at: NDArray[np.int64]
    values: NDArray[np.float64]
    fetched: int

    def __len__(self) -> int:
        return len(self.at)


class HistoryCache:
    """The pieces of one series below `folder`; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, first: date) -> Piece | None:
        """Return the piece that begins with the day `first`, or None."""
        if self._folder is None:
            return None
        try:
            with (
                (self._folder / f"{first}.npz").open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                piece = Piece(stored["at"], stored["values"], int(stored["fetched"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return piece if piece.values.shape == (len(piece.at), len(COLUMNS)) else None

    def put(self, first: date, piece: Piece) -> None:
        """Keep a piece; the file appears whole or not at all."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as out:
                    np.savez_compressed(
                        out, at=piece.at, values=piece.values, fetched=np.array(piece.fetched)
                    )
                os.replace(temporary, self._folder / f"{first}.npz")
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            log.warning("%s: bars cannot be kept: %s", self._folder, error.strerror or error)

    def clear(self) -> None:
        """Forget every piece of the series."""
        for file in self._folder.glob("*.npz") if self._folder is not None else ():
            file.unlink(missing_ok=True)
