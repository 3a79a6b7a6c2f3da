"""What stays accepted, as the journal has it: the newest accepted row, and nothing that went away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_trader.errors import JournalError
from robo_trader.journal.live import Journal, RunJournal, open_journal
from robo_trader.journal.reading import read_database
from robo_trader.live.books.acceptance import Acceptance, accepted, record, write
from robo_trader.live.books.reconcile import Difference, Reconciliation

RUN = "20261120T150000Z-turns-abc123"


def difference(text: str) -> Difference:
    return Difference(kind="position", symbol="X", text=text, journal="1", broker="2", todo="look")


def found(*texts: str, known: tuple[str, ...] = (), lapsed: tuple[str, ...] = ()) -> Reconciliation:
    return Reconciliation(
        run_id=RUN,
        differences=tuple(map(difference, texts)),
        accepted=tuple(map(difference, known)),
        lapsed=lapsed,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(folder=tmp_path) as opened:
        yield opened


@pytest.fixture
def run(journal: Journal) -> Iterator[RunJournal]:
    begun = journal.begin(RUN, mode="paper", strategy="turns", account="DU1")
    yield begun
    begun.finish("interrupted")


def rows(journal: Journal) -> list[Any]:
    with read_database(journal.database) as reader:
        found = reader.rows("reconciliations", order="number")
        return [
            (row["number"], row["session"], row["differences"], row["accepted"], row["who"]) for row in found
        ]


def test_a_session_writes_what_is_open_and_what_is_accepted_no_more(
    journal: Journal, run: RunJournal
) -> None:
    session = run.session(account="DU1")
    record(run, found("a", "b"), session)
    run.reconciled(["a", "b"], session, accepted=True, who="me", why="mine")
    record(run, found(known=("a", "b")), session)
    assert run.flush() and accepted(journal, RUN) == ("a", "b")
    record(run, found("c", known=("b",), lapsed=("a",)), session)
    assert run.flush() and accepted(journal, RUN) == ("b",)
    record(run, found(lapsed=("b",)), session)
    assert run.flush() and accepted(journal, RUN) == ()
    assert rows(journal) == [
        (1, session, ["a", "b"], False, ""),
        (2, session, ["a", "b"], True, "me"),
        (3, session, [], False, ""),
        (4, session, ["b"], True, "robo"),
        (5, session, ["c"], False, ""),
        (6, session, [], True, "robo"),
        (7, session, [], False, ""),
    ]


def test_outside_of_a_session(journal: Journal, run: RunJournal) -> None:
    assert run.finish("interrupted")
    write(journal, RUN, found("a"))
    assert accepted(journal, RUN) == ()
    write(journal, RUN, found("a"), Acceptance(("a",), "me\0", "it is mine"))
    assert accepted(journal, RUN) == ("a",)
    write(journal, RUN, found(lapsed=("a",)))
    assert accepted(journal, RUN) == ()
    assert [row[0] for row in rows(journal)] == [1, 2, 3, 4]
    # The run goes on with numbers of its own.
    again = journal.resume(RUN)
    assert again.reconciled([]) == 5
    assert again.finish("interrupted")
    with pytest.raises(JournalError, match="there is no run 'other'"):
        write(journal, "other", found())
