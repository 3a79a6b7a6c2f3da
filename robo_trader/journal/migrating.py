"""Bring a database to the schema of this version: make it, check it, or back it up and migrate it.

Failure contract: a journal of a newer version is refused and not touched; so is a file that is no
journal. An older one is copied before its first change, and where a step fails the database rolls
back to what it was. Two processes that come at once wait for each other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal.database import Database
from robo_trader.journal.schema import METADATA, append_only_statements
from robo_trader.journal.tables import BY_NAME, HEAD, REVISIONS

# Any number, the same in every process: who holds it may change the schema.
_LOCK = 0x526F626F


def prepare(database: Database) -> Path | str | None:
    """Make sure that `database` has this version's tables; return where an older one was backed up.

    A database that cannot be used is closed.
    """
    try:
        return _prepare(database)
    except BaseException:
        database.close()
        raise


def _prepare(database: Database) -> Path | str | None:
    if database.path is not None:
        try:
            database.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(
                f"{database.path.parent}: cannot be made: {error.strerror}", hint="name another place"
            ) from error
    with database.reading() as connection:
        revision = revision_of(connection, database.place)
    if revision == HEAD:
        return None
    backup = None
    with database.writing() as connection:
        if database.kind == "postgresql":
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        # Somebody else may have done it while this process waited.
        revision = revision_of(connection, database.place)
        if revision is None:
            _create(connection)
        elif revision != HEAD:
            backup = _back_up(connection, database, revision)
            _migrate(connection)
    return backup


def revision_of(connection: sa.Connection, place: str) -> str | None:
    """Return the revision of the journal's schema, None where there is none yet.

    Raises `JournalError` for one that this version does not know, and for what is no journal.
    """
    there = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in there:
        foreign = there if connection.dialect.name == "sqlite" else there & set(BY_NAME)
        if foreign:
            raise JournalError(
                f"{place}: is no journal of robo_trader: it holds {', '.join(sorted(foreign)[:3])}",
                hint="name another database or file in journal.url",
            )
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if revision not in REVISIONS:
        raise newer(place, revision)
    return revision


def newer(place: str, revision: object) -> JournalError:
    """Return the refusal of a journal whose schema this version does not know."""
    return JournalError(
        f"{place}: the journal has schema {revision}, this version knows up to {HEAD}",
        hint="upgrade robo_trader, or name another journal",
    )


def _create(connection: sa.Connection) -> None:
    METADATA.create_all(connection)
    for statement in append_only_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    _context(connection).stamp(_script(), HEAD)


def _migrate(connection: sa.Connection) -> None:
    script = _script()
    context = _context(connection, lambda revision, _: script._upgrade_revs(HEAD, revision))
    from alembic.operations import Operations

    with Operations.context(context):
        context.run_migrations()


def _script() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


def _context(connection: sa.Connection, steps: Any = None) -> Any:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"fn": steps} if steps else {})


def _back_up(connection: sa.Connection, database: Database, revision: str) -> Path | str:
    """Copy what there is: a SQLite file beside itself, a PostgreSQL journal into a schema beside it."""
    stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
    if database.path is not None:
        target = database.path.with_name(f"{database.path.name}.schema-{revision}-{stamp}")
        try:
            with (
                closing(sqlite3.connect(f"file:{database.path}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
        except sqlite3.Error as error:
            target.unlink(missing_ok=True)
            raise JournalError(
                f"{target}: the backup before migrating cannot be written: {error}",
                hint="free some space; the journal was not changed",
            ) from error
        return target
    schema = f"robo_backup_{revision}_{stamp}".lower()
    connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    for name in sa.inspect(connection).get_table_names():
        if name in BY_NAME or name == "alembic_version":
            connection.exec_driver_sql(f"CREATE TABLE {schema}.{name} AS TABLE {name}")
    return f"schema {schema}"
