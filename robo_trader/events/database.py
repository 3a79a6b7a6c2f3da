"""The tables of the event store on SQLite and PostgreSQL, and errors for people.

Times are integer nanoseconds since 1970-01-01 UTC, lists and objects are JSON text, so that both databases
hold the same. Rows are only ever added: the database itself refuses to change or remove one.
Every failure of the database is a `StoreError` (an `EventError`) that names the place, passwords masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from robo_trader.databases import POSTGRESQL, explain, postgresql_engine, sqlite_engine
from robo_trader.errors import ConfigError, EventError, did_you_mean
from robo_trader.masking import mask_url

#: The version of these tables; a store with a later one is refused.
VERSION = 1
_METADATA = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: An event, once, under its id, as the first source told it: `known_ns` is when that was seen, and
#: `assumed` says that nobody recorded it.
EVENTS = sa.Table(
    "events",
    _METADATA,
    sa.Column("number", _BIG, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("published_ns", sa.BigInteger, nullable=False),
    sa.Column("known_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("assumed", sa.Boolean, nullable=False),
    sa.Column("event_ns", sa.BigInteger),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("symbols", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("revision_of", sa.Text, index=True),
    sa.Column("content", sa.Text, nullable=False),
)
#: The event told again: by another source, or with an arrival that holds instead of the first one
#: (`better`: recorded, and earlier than what was known before or instead of an assumed one).
SIGHTINGS = sa.Table(
    "sightings",
    _METADATA,
    sa.Column("number", _BIG, primary_key=True, autoincrement=True),
    sa.Column("event", sa.Text, sa.ForeignKey("events.id"), nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("known_ns", sa.BigInteger, nullable=False),
    sa.Column("assumed", sa.Boolean, nullable=False),
    sa.Column("better", sa.Boolean, nullable=False),
)
SYMBOLS = sa.Table(
    "symbols",
    _METADATA,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
)
_ABOUT = sa.Table("event_store", _METADATA, sa.Column("version", sa.Integer, nullable=False))
_REFUSE = "the event store is append-only: a correction is an event with revision_of"


class StoreError(EventError):
    """The database cannot be reached, read or written: nothing is wrong with the events."""


class Database:
    """An engine, and where it is in words for people. Tables are made when it is first used."""

    def __init__(self, url: str | Path) -> None:
        self.engine, self.place = _engine(url)
        self._ready = self._closed = False
        self._folder = Path(self.place).parent if self.engine.dialect.name == "sqlite" else None

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction, committed at the end; errors become `StoreError`."""
        if self._folder is not None and not self._ready:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"event store {self.place}: its folder cannot be made: {error.strerror or error}",
                    hint="name another place in events.store",
                ) from error
        try:
            with self.engine.begin() as connection:
                if not self._ready:
                    self._make(connection)
                yield connection
            self._ready = True
        except sa.exc.SQLAlchemyError as error:
            said, hint = explain(error, "events.store", _HINTS)
            raise StoreError(
                f"event store {self.place}: {said}", hint=hint or "check events.store"
            ) from error
        finally:
            if self._closed:
                self.engine.dispose()

    def close(self) -> None:
        """Close every connection; each later use opens one of its own and closes it."""
        self._closed = True
        self.engine.dispose()

    def _make(self, connection: sa.Connection) -> None:
        """Make what is missing; refuse a store of a later version."""
        if connection.dialect.name == "postgresql":  # two first users at once would make it twice
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7300251)"))
        if sa.inspect(connection).has_table(_ABOUT.name):
            found = connection.execute(sa.select(_ABOUT.c.version)).scalar_one()
            if found > VERSION:
                raise EventError(
                    f"event store {self.place} is of version {found}, and this program knows {VERSION}",
                    hint="update robo_trader, or name another store in events.store",
                )
            return
        _METADATA.create_all(connection)
        for statement in _append_only(connection.dialect.name):
            connection.execute(sa.text(statement))
        connection.execute(_ABOUT.insert().values(version=VERSION))


_HINTS = {
    "not a database": "move the file away; it is no SQLite database",
    "malformed": "move the file away and import a backup: robo events import FILE",
    "locked": "another process holds the store; end it, or use PostgreSQL",
    "append-only": "add an event whose revision_of names the other",
}


def _engine(url: str | Path) -> tuple[sa.Engine, str]:
    text = str(url)
    scheme, _, rest = text.partition("://")
    if isinstance(url, Path) or not rest:
        return sqlite_engine(Path(text)), text
    if scheme == "sqlite":
        return sqlite_engine(Path(rest.removeprefix("/"))), rest.removeprefix("/")
    if scheme.partition("+")[0] in POSTGRESQL:
        return postgresql_engine(rest, "events.store")
    raise ConfigError(
        f"events.store {mask_url(text)!r}: there is no event store of that kind",
        hint=did_you_mean(scheme, (*POSTGRESQL, "sqlite"))
        or "write postgresql://user@host/database or a path",
    )


def _append_only(dialect: str) -> Iterator[str]:
    names = (EVENTS.name, SIGHTINGS.name, SYMBOLS.name)
    if dialect == "postgresql":
        yield (
            "CREATE OR REPLACE FUNCTION robo_events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSE}'; END $$"
        )
        for name in names:
            yield (
                f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {name}"
                " FOR EACH ROW EXECUTE FUNCTION robo_events_append_only()"
            )
        return
    for name in names:
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name}"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
            )
