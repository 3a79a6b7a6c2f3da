"""Write a whole journal at once into a new SQLite file: what a backtest does after its run.

Without SQLAlchemy and without a sync, for the file is part of a run directory that appears whole or
not at all. Indexes come after the rows, which halves the time. The content is that of any
other journal, schema and revision included.

Failure contract: a disk that is full or a folder that cannot be written raises `JournalError` with the
path and the reason; the file is then worth nothing and is the caller's to remove.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from robo_trader.errors import JournalError
from robo_trader.journal.sqlite_statements import AFTER, BEFORE
from robo_trader.journal.tables import BY_NAME, HEAD, TABLES

#: Marks an SQLite file as a journal of robo_trader ("Robo").
APPLICATION_ID = 0x526F626F

_FAST = (
    "PRAGMA page_size=8192",
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA cache_size=-65536",
    f"PRAGMA application_id={APPLICATION_ID}",
)

Rows = Iterable[Sequence[Any]]


def write_journal(path: Path, rows: Mapping[str, Rows]) -> None:
    """Write a journal of `rows` by table to the new file `path`.

    A row has the values of `Table.names` as SQLite stores them: times and decimals as text
    (`moment_text`, ``str(Decimal)``), JSON as text, None where there is nothing.
    """
    if path.exists():
        raise JournalError(f"{path}: is there already", hint="a journal is written once")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in _FAST:
                connection.execute(statement)
            connection.execute("BEGIN")
            for statement in BEFORE:
                connection.execute(statement)
            connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
            for table in TABLES:
                if table.name in rows:
                    connection.executemany(insert_statement(table.name), rows[table.name])
            for statement in AFTER:
                connection.execute(statement)
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise JournalError(
            f"{path.name}: cannot be written: {error}",
            hint="free some space, or name another folder with --out",
        ) from error


def insert_statement(name: str) -> str:
    """Return the statement that inserts a row into table `name`."""
    names = BY_NAME[name].names
    return f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
