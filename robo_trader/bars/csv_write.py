"""A `BarFrame` as a CSV file that the reader takes back unchanged.

Daily bars and longer carry their session's ``date``; shorter ones the ``start`` in UTC with ``Z``, so that
nothing has to be guessed. Numbers are written so that they read back exactly.

Failure contract: a folder that cannot be written is a `DataError`; a file appears whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from robo_trader.bars.frame import COLUMNS, BarFrame
from robo_trader.bars.timeframes import parse
from robo_trader.clock import iso
from robo_trader.errors import DataError


def write_csv(frame: BarFrame, path: Path) -> None:
    """Write `frame` to `path`, replacing what is there; makes the folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.writelines(_lines(frame))
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}", hint="name another folder"
        ) from error


def _lines(frame: BarFrame) -> Iterator[str]:
    daily = parse(frame.timeframe).is_daily_or_longer
    yield ",".join(["date" if daily else "start", *COLUMNS]) + "\n"
    stamps = frame.session.astype(str).tolist() if daily else [iso(ns) for ns in frame.start.tolist()]
    columns = [getattr(frame, name).tolist() for name in COLUMNS]
    for stamp, *values in zip(stamps, *columns, strict=True):
        yield (
            ",".join([stamp, *(f"{value:.0f}" if value == int(value) else repr(value) for value in values)])
            + "\n"
        )
