"""Keep a journal: copy it, hand out its tables, and remove runs that nobody needs any more.

A backup is always one SQLite file, whatever the database: `robo explain` and any SQLite program read
it. Failure contract: a backup appears whole or not at all and never over another file; runs are only
removed after a backup was written, and a run that has not ended is never removed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from robo_trader.errors import JournalError
from robo_trader.journal.bulk import write_journal
from robo_trader.journal.reading import Reader, Row, read_journal
from robo_trader.journal.standing import latest_run
from robo_trader.journal.tables import BY_NAME, TABLES


def back_up(target: str | Path, url: str | None = None, *, folder: str | Path = ".robo") -> Path:
    """Copy the journal at `url` to the new SQLite file `target` and return it.

    A journal that is being written may be copied: the copy is of one moment.
    """
    target = Path(target)
    if target.exists():
        raise JournalError(f"{target}: is there already", hint="name a new file")
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    with read_journal(url, folder=folder) as reader:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if (source := _file_of(url, folder)) is not None:
                with closing(sqlite3.connect(source)) as open_, closing(sqlite3.connect(partial)) as copy:
                    open_.backup(copy)
            else:
                write_journal(partial, {table.name: _stored(reader, table.name) for table in TABLES})
            partial.rename(target)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"{target}: the backup cannot be written: {error}",
                hint="free some space, or name another place",
            ) from error
        finally:
            partial.unlink(missing_ok=True)
    return target


def tables_of(reader: Reader, run: int) -> dict[str, list[Row]]:
    """Return every table of one run, for export."""
    out = {}
    for table in TABLES:
        column = "number" if table.name == "runs" else "run"
        out[table.name] = list(reader.rows(table.name, f"{column} = :run", run=run))
    return out


def old_runs(reader: Reader, before: datetime) -> list[Row]:
    """Return the runs that ended and were begun before `before`.

    An interrupted one has ended unless it is the one that its strategy's next session would go on with.
    """
    old = [row for row in reader.runs() if row["started"] < before and row["state"] != "unfinished"]
    return [row for row in old if row["state"] != "interrupted" or not _goes_on(reader, row)]


def _goes_on(reader: Reader, run: Row) -> bool:
    newest = latest_run(reader, mode=run["mode"], strategy=run["strategy"], account=run["account"])
    return newest == str(run["id"])


def remove_runs(numbers: list[int], url: str | None = None, *, folder: str | Path = ".robo") -> None:
    """Remove runs and everything that belongs to them from the journal; back it up first."""
    import sqlalchemy as sa

    from robo_trader.journal.database import open_database
    from robo_trader.journal.schema import METADATA

    database = open_database(url, folder=folder)
    try:
        with database.writing() as connection:
            there = set(sa.inspect(connection).get_table_names())
            for table in reversed(METADATA.sorted_tables):
                if table.name not in there:
                    continue  # the journal is older than the table
                column = table.c.number if table.name == "runs" else table.c.run
                connection.execute(sa.delete(table).where(column.in_(numbers)))
    finally:
        database.close()


def _file_of(url: str | None, folder: str | Path) -> Path | None:
    if not url:
        return Path(folder) / "journal.sqlite"
    from robo_trader.journal.database import open_database

    database = open_database(url, folder=folder)
    database.close()
    return database.path


def _stored(reader: Reader, name: str) -> Iterator[list[Any]]:
    """Yield the rows of a table as SQLite stores them."""
    for row in reader.rows(name):
        yield [_text(row[column.name], column.kind) for column in BY_NAME[name].columns]


def _text(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, date | Decimal):
        return str(value)
    return value
