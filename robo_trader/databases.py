"""Engines for SQLite files and PostgreSQL servers, set up alike, and what their errors mean for a person.

What a caller says of itself is the name of its setting, for example ``journal.url``. Nothing is connected by
making an engine. Failure contract: a URL that names no server, and a missing driver, raise `ConfigError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_trader.errors import ConfigError
from robo_trader.masking import mask_url

#: What names PostgreSQL at the head of a URL; a driver may follow a ``+``.
POSTGRESQL = ("postgresql", "postgres")
_BUSY_SECONDS = 10
_CONNECT_SECONDS = 5
_STATEMENT_MS = 15_000
_HINTS = {
    "authentication failed": "check user and password in {setting}",
    "no password supplied": "give the password in {setting}, or by the environment: PGPASSWORD",
    'role "': "create the user, or correct it in {setting}",
    'database "': "create the database (createdb), or correct its name in {setting}",
    "permission denied": "let this user create and write tables in its schema",
    "Connection refused": "start the server, or correct host and port in {setting}",
    "could not translate host": "correct the host in {setting}",
    "failed to resolve host": "correct the host in {setting}",
    "timeout expired": "check host, port and firewall; the server does not answer",
    "No space left": "free some space on the server's disk",
    "disk is full": "free some space; nothing that was committed is lost",
    "disk I/O": "check the disk and its space; nothing that was committed is lost",
    "readonly": "make the file and its folder writable",
    "unable to open": "check that the folder exists and may be written",
}


def sqlite_engine(path: Path, *, application_id: int = 0) -> sa.Engine:
    """Return an engine for the file `path`; a file without an application id is given this one."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        try:
            # A committed row survives a power cut: WAL with a sync at every commit.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()
            if application_id and connection.execute("PRAGMA application_id").fetchone()[0] == 0:
                connection.execute(f"PRAGMA application_id={application_id}").close()
        except BaseException:
            # The pool does not know it yet, so nobody else would close it.
            connection.close()
            raise

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # At once, so that two writers wait for each other instead of failing in the middle.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def postgresql_engine(rest: str, setting: str) -> tuple[sa.Engine, str]:
    """Return an engine for ``postgresql://`` and `rest`, and its place in words, the password masked."""
    place = mask_url(f"postgresql://{rest}")
    try:
        engine = sa.create_engine(
            sa.make_url(f"postgresql+psycopg://{rest}"),
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "robo_trader",
                "options": f"-c timezone=UTC -c statement_timeout={_STATEMENT_MS} -c synchronous_commit=on",
                "tcp_user_timeout": _STATEMENT_MS,
            },
        )
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigError(
            f"{setting} {place!r}: {error}", hint="write postgresql://user:password@host:5432/database"
        ) from error
    except ImportError as error:
        raise ConfigError(
            f"{setting} names PostgreSQL, but the psycopg package is not installed",
            hint="pip install 'robo_trader[sql]'",
        ) from error
    return engine, place


def explain(error: sa.exc.SQLAlchemyError, setting: str, own: Mapping[str, str]) -> tuple[str, str]:
    """Return what `error` says, in one line, and what to do: `own` hints by a sign in it come first.

    The hint is empty where nothing is known of the error.
    """
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    hints = {**own, **_HINTS}
    return said, next((hint.format(setting=setting) for sign, hint in hints.items() if sign in said), "")
