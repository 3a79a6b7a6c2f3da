"""What `robo runs list` shows: run directories, and the sessions that only the journal holds.

Failure contract: a journal that cannot be read is told, and the run directories are listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.cli.keeping import journal_url
from robo_trader.cli.places import runs_folder
from robo_trader.errors import JournalError, RunError

if TYPE_CHECKING:
    from robo_trader.journal.reading import Reader
    from robo_trader.runs import RunRow


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A rehearsal, or a run on paper or live, that has no directory; `place` is the journal that holds it.

    `state` is how its newest session ended, `starts` counts its sessions, and `sends` says whether any of
    them sent orders.
    """

    id: str
    place: str
    mode: str
    state: str
    strategy: str
    started: datetime
    account: str | None
    starts: int
    sends: bool
    orders: int
    fills: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of a run directory's row, `path` being the journal, and those of a session."""
        return {
            "id": self.id, "path": self.place, "state": self.state, "strategy": self.strategy,
            "started": self.started.isoformat().replace("+00:00", "Z"), "first": None, "last": None,
            "metrics": {}, "problem": "", "mode": self.mode, "account": self.account,
            "sessions": self.starts, "sent": self.sends, "orders": self.orders, "fills": self.fills,
        }  # fmt: skip


def rows_of(folder: str | None, config_file: str | None, limit: int) -> list[RunRow | SessionRow]:
    """Return the last `limit` runs (0: all), oldest first; a `folder` that was named holds them alone.

    Raises `RunError` where there is neither a folder of runs nor a session.
    """
    from robo_trader.runs import list_runs

    rows: list[RunRow | SessionRow] = []
    problem: RunError | None = None
    try:
        rows += list_runs(runs_folder(folder, config_file))
    except RunError as error:
        problem = error
    if folder is None:  # A folder that was named is asked for alone.
        listed = {row.id for row in rows}
        rows += [row for row in _sessions(journal_url(config_file)) if row.id not in listed]
    if problem is not None and not rows:
        raise problem
    # What has no start is no run, and comes first.
    rows.sort(key=lambda row: (row.started is not None, row.started.timestamp() if row.started else 0.0))
    return rows[-limit:]


def show_sessions(rows: list[SessionRow]) -> None:
    """Print the sessions as a table of their own: what they did is no result over a period."""
    if not rows:
        return
    out.lines(f"sessions in the journal {rows[0].place}")
    out.table(_SESSIONS, [_cells(row) for row in rows], gap=1)


_SESSIONS = [
    out.Column("run"),
    out.Column("strategy", fold=True),
    out.Column("mode"),
    out.Column("begun (UTC)"),
    out.Column("starts", right=True),
    out.Column("orders", right=True),
    out.Column("fills", right=True),
    out.Column(""),
]


def _cells(row: SessionRow) -> list[str]:
    mode = row.mode if row.sends or row.mode == "rehearsal" else f"{row.mode} preview"
    counts = (f"{count:,}" for count in (row.starts, row.orders, row.fills))
    short = row.id.rpartition("-")[2]
    # Ctrl-C is how a session ends.
    ended = "" if row.state in ("finished", "interrupted") else row.state
    return [short, row.strategy, mode, f"{row.started:%y-%m-%d %H:%M}", *counts, ended]


def _sessions(url: str | None) -> Iterator[SessionRow]:
    """Yield what the journal at `url` holds but backtests."""
    if url is None and not (Path(".robo") / "journal.sqlite").is_file():
        return
    from robo_trader.journal.reading import read_journal

    try:
        with read_journal(url) as reader:
            yield from [_row(reader, run) for run in reader.runs() if run["mode"] != "backtest"]
    except JournalError as error:
        out.note(f"sessions are not listed: {error}", label="warning")


def _row(reader: Reader, run: dict[str, Any]) -> SessionRow:
    number = run["number"]
    starts = list(reader.rows("sessions", "run = :run", run=number))
    ends = {row["session"]: row["state"] for row in reader.rows("session_ends", "run = :run", run=number)}
    state = ends.get(starts[-1]["number"], "unfinished") if starts else run["state"]
    return SessionRow(
        id=run["id"], place=reader.place, mode=run["mode"], state=state, strategy=run["strategy"],
        started=run["started"], account=run["account"] or (starts[-1]["account"] if starts else None),
        starts=len(starts), sends=any(start["send"] for start in starts),
        orders=reader.last("orders", number), fills=reader.last("fills", number),
    )  # fmt: skip
