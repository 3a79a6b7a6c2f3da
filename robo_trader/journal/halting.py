"""Changes of the halt state in the journal, whoever makes them: a session, or a command outside of any.

Failure contract: `note_halt` never keeps a halt from being set. Where the database cannot be written
the row waits in the spool of the project's folder, and the next session writes it.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from robo_trader.errors import RoboError
from robo_trader.journal.spool import Row, Spool


def halt_row(
    at: datetime, state: str, who: str, why: str, *, run: int | None = None, rule: str | None = None
) -> Row:
    """Return the row of a change; `at` is aware UTC."""
    values = {
        "halt_id": secrets.token_hex(16), "run": run, "at": at, "state": state,
        "who": _clean(who), "why": _clean(why), "rule": rule or None,
    }  # fmt: skip
    return "halts", values


def note_halt(
    at: datetime, state: str, who: str, why: str, url: str | None = None, *, folder: str | Path = ".robo"
) -> str:
    """Write a change that was made outside of any run; return what was in the way, or an empty text."""
    row = halt_row(at, state, who, why)
    try:
        # Only here, for the halt itself is set without a database.
        from robo_trader.journal.database import open_database
        from robo_trader.journal.migrating import prepare
        from robo_trader.journal.writer import insert_rows

        database = open_database(url, folder=folder)
        try:
            prepare(database)
            with database.writing() as connection:
                insert_rows(connection, [row])
        finally:
            database.close()
    except RoboError as error:
        try:
            Spool(Path(folder), "halts").add([row])
        except RoboError as full:
            return f"{error}; and {full}"
        return f"{error}; it waits for the next session to write it"
    return ""


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")
