"""Connections to the configured database of the journal, and what its errors mean.

Failure contract: a URL that names no database raises `ConfigError`; a server that cannot be reached,
refuses the credentials or has no such database, a file that is damaged, and a full disk raise `JournalError`
with the place (passwords masked) and the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from robo_trader.errors import ConfigError, JournalError, did_you_mean
from robo_trader.journal.bulk import APPLICATION_ID
from robo_trader.masking import mask_url

#: The file of the default journal, in the project's own folder.
FILE_NAME = "journal.sqlite"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
_CONNECT_SECONDS = 5
_STATEMENT_MS = 15_000
_BUSY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Database:
    """An engine, its kind, where it is in words for people, and its file where it is one."""

    engine: sa.Engine
    kind: Literal["sqlite", "postgresql"]
    place: str
    path: Path | None = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection whose questions all see one state; errors become `JournalError`."""
        with self.errors(), self.engine.connect() as connection:
            if self.kind == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection inside a transaction that is committed at the end of the block."""
        with self.errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the database's errors inside the block into `JournalError`."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise self.said(error) from error

    def said(self, error: sa.exc.SQLAlchemyError) -> JournalError:
        """Return what `error` means for a person."""
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split())
        for sign, hint in _HINTS.items():
            if sign in text:
                return JournalError(f"{self.place}: {text}", hint=hint)
        hint = "check journal.url, that the server runs, and its log" if self.path is None else ""
        return JournalError(f"{self.place}: {text}", hint=hint or "check the file and its folder")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


_HINTS = {
    "authentication failed": "check user and password in journal.url",
    "no password supplied": "give the password in journal.url, or by the environment: PGPASSWORD",
    'role "': "create the user, or correct it in journal.url",
    'database "': "create the database (createdb), or correct its name in journal.url",
    "permission denied": "let this user create and write tables in its schema",
    "Connection refused": "start the server, or correct host and port in journal.url",
    "could not translate host": "correct the host in journal.url",
    "failed to resolve host": "correct the host in journal.url",
    "timeout expired": "check host, port and firewall; the server does not answer",
    "No space left": "free some space on the server's disk",
    "database or disk is full": "free some space; nothing that was committed is lost",
    "disk I/O error": "check the disk and its space; nothing that was committed is lost",
    "not a database": "move the file away, and restore a backup if it was a journal",
    "malformed": "move the file away and restore a backup (see docs/journal.md)",
    "readonly": "make the file and its folder writable",
    "unable to open": "check that the folder exists and may be written",
    "locked": "another process holds the journal; end it, or use PostgreSQL",
    "append-only": "add a row that corrects the other",
}


def open_database(url: str | None, *, folder: str | Path = ".robo") -> Database:
    """Return the database that `url` names: ``postgresql://…``, ``sqlite:///PATH`` or a path.

    None means `journal.sqlite` in `folder`. Nothing is connected yet.
    """
    if not url:
        return _sqlite(Path(folder) / FILE_NAME)
    scheme, _, rest = url.partition("://")
    if not rest:
        if Path(url).suffix in (".sqlite", ".db", ".sqlite3"):
            return _sqlite(Path(url))
        raise _no_url(url, "")
    if scheme == "sqlite":
        return _sqlite(Path(rest.removeprefix("/")))
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return _postgresql(url)
    raise _no_url(url, scheme)


def _no_url(url: str, scheme: str) -> ConfigError:
    return ConfigError(
        f"journal.url {mask_url(url)!r}: there is no journal of that kind",
        hint=did_you_mean(scheme, _DRIVERS) or "write postgresql://user@host/database or sqlite:///path",
    )


def _sqlite(path: Path) -> Database:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_MS / 1000}
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        try:
            # A committed row survives a power cut: WAL with a sync at every commit.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()
            if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}").close()
        except BaseException:
            # The pool does not know it yet, so nobody else would close it.
            connection.close()
            raise

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # At once, so that two writers wait for each other instead of failing in the middle.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return Database(engine, "sqlite", str(path), path)


def _postgresql(url: str) -> Database:
    _, _, rest = url.partition("://")
    place = mask_url(f"postgresql://{rest}")
    try:
        target = sa.make_url(f"postgresql+psycopg://{rest}")
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigError(
            f"journal.url {place!r}: {error}", hint="write postgresql://user:password@host:5432/database"
        ) from error
    try:
        engine = sa.create_engine(
            target,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "robo_trader",
                "options": f"-c timezone=UTC -c statement_timeout={_STATEMENT_MS} -c synchronous_commit=on",
                "tcp_user_timeout": _STATEMENT_MS,
            },
        )
    except ImportError as error:
        raise ConfigError(
            "journal.url names PostgreSQL, but the psycopg package is not installed",
            hint="pip install 'robo_trader[sql]'",
        ) from error
    return Database(engine, "postgresql", place)
