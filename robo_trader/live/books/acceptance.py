"""Differences that somebody has accepted: what the journal says of them, and how an acceptance gets there.

A run's journal has one writer. While a session lives, an acceptance waits in the state store until the
session takes it and writes it; otherwise it is written here. The newest accepted row holds: what it does
not list is accepted no more, so that a difference that went away has to be accepted anew when it returns.

Failure contract: a journal or state store that cannot be used raises `JournalError` or `StateError`. A value
in the store that is no acceptance is removed and counts as none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.journal.schema import SA_TABLES
from robo_trader.journal.standing import reading
from robo_trader.journal.values import clean, plain
from robo_trader.journal.writer import insert_rows
from robo_trader.live.books.reconcile import Reconciliation
from robo_trader.state import StateConflict

if TYPE_CHECKING:
    from robo_trader.journal.reading import Reader
    from robo_trader.state import State


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Sentences of differences that `who` accepted, because of `why`."""

    differences: tuple[str, ...]
    who: str
    why: str


def accepted(journal: Journal | Reader, run_id: str) -> tuple[str, ...]:
    """Return the sentences of the differences that hold as accepted in a run."""
    with reading(journal) as reader:
        run = reader.run(run_id)
        if run is None:
            return ()
        rows = [
            row
            for row in reader.rows("reconciliations", "run = :run", order="number", run=run["number"])
            if row["accepted"]
        ]
    return tuple(str(text) for text in rows[-1]["differences"]) if rows else ()


def record(run: RunJournal, found: Reconciliation, session: int | None = None) -> None:
    """Write a comparison by the run's own session: what is left open, and what is accepted no more."""
    for differences, still in _rows(found):
        run.reconciled(differences, session, still, *(_LAPSED if still else ("", "")))


def write(journal: Journal, run_id: str, found: Reconciliation, acceptance: Acceptance | None = None) -> None:
    """Write a comparison from outside into a run that no process is writing; `acceptance` comes first."""
    rows = [(acceptance.differences, True, acceptance.who, acceptance.why)] if acceptance else []
    if acceptance is None:
        for differences, still in _rows(found):
            rows.append((differences, still, *(_LAPSED if still else ("", ""))))
    runs, table = SA_TABLES["runs"].c, SA_TABLES["reconciliations"].c
    with journal.database.writing() as connection:
        run = connection.scalar(sa.select(runs.number).where(runs.id == run_id))
        if run is None:
            raise JournalError(f"{journal.place}: there is no run {run_id!r}", hint="see 'robo runs list'")
        last = connection.scalar(sa.select(sa.func.max(table.number)).where(table.run == run)) or 0
        insert_rows(
            connection,
            [
                (
                    "reconciliations",
                    {
                        "run": run, "number": last + i, "session": None, "at": clock.now(),
                        "differences": plain(list(differences)), "accepted": yes, "who": clean(who),
                        "why": clean(why),
                    },
                )
                for i, (differences, yes, who, why) in enumerate(rows, 1)
            ],
        )  # fmt: skip


def leave(state: State, run_id: str, acceptance: Acceptance) -> None:
    """Leave an acceptance for the session that runs; a later one takes the place of one that still waits."""
    about = {"differences": list(acceptance.differences), "who": acceptance.who, "why": acceptance.why}
    state.put(_key(run_id), {**about, "at": clock.now().isoformat()})


def take(state: State, run_id: str) -> Acceptance | None:
    """Return the acceptance that waits for this run's session, once; None where none does."""
    found = state.get(_key(run_id))
    if found is None:
        return None
    try:
        state.delete(_key(run_id), expected=found.version)
    except StateConflict:
        return None  # A newer one took its place meanwhile; the next call finds it.
    value = found.value if isinstance(found.value, dict) else {}
    differences = value.get("differences")
    if not isinstance(differences, list):
        return None
    who, why = str(value.get("who") or "somebody"), str(value.get("why") or "")
    return Acceptance(tuple(str(text) for text in differences), who, why)


_LAPSED = ("robo", "the others of those accepted before are no more")


def _rows(found: Reconciliation) -> list[tuple[tuple[str, ...], bool]]:
    """Return the rows of a comparison: sentences, and whether they stay accepted."""
    left = tuple(difference.text for difference in found.differences)
    if not found.lapsed:
        return [(left, False)]
    return [(tuple(difference.text for difference in found.accepted), True), (left, False)]


def _key(run_id: str) -> str:
    return f"reconcile/{run_id}"
