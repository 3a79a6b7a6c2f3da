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
from typing import Literal

import sqlalchemy as sa

from robo_trader.databases import POSTGRESQL, explain, postgresql_engine, sqlite_engine
from robo_trader.errors import ConfigError, JournalError, did_you_mean
from robo_trader.journal.bulk import APPLICATION_ID
from robo_trader.masking import mask_url

#: The file of the default journal, in the project's own folder.
FILE_NAME = "journal.sqlite"


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
        text, hint = explain(error, "journal.url", _HINTS)
        if not hint and self.path is None:
            hint = "check journal.url, that the server runs, and its log"
        return JournalError(f"{self.place}: {text}", hint=hint or "check the file and its folder")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


_HINTS = {
    "not a database": "move the file away, and restore a backup if it was a journal",
    "malformed": "move the file away and restore a backup (see docs/journal.md)",
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
    if scheme.partition("+")[0] in POSTGRESQL:
        engine, place = postgresql_engine(rest, "journal.url")
        return Database(engine, "postgresql", place)
    raise _no_url(url, scheme)


def _no_url(url: str, scheme: str) -> ConfigError:
    return ConfigError(
        f"journal.url {mask_url(url)!r}: there is no journal of that kind",
        hint=did_you_mean(scheme, (*POSTGRESQL, "sqlite"))
        or "write postgresql://user@host/database or sqlite:///path",
    )


def _sqlite(path: Path) -> Database:
    return Database(sqlite_engine(path, application_id=APPLICATION_ID), "sqlite", str(path), path)
