"""Where a run stands, and which run goes on: orders, executions, commissions, positions, resuming."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from journal_pages import (
    NOON,
    RUN,
    check_a_standing,
    check_what_was_heard,
    fill,
    intent,
    live,
    write_a_standing,
)

from robo_trader.errors import JournalError
from robo_trader.journal import bulk
from robo_trader.journal.keeping import old_runs
from robo_trader.journal.live import Journal
from robo_trader.journal.reading import read_file, read_journal
from robo_trader.journal.schema import moment_text
from robo_trader.journal.standing import latest_run, standing
from robo_trader.records import Decision


def test_a_run_stands_where_its_executions_left_it(journal: Journal) -> None:
    run = write_a_standing(journal)
    check_a_standing(journal)
    assert run.finish()


def test_what_a_run_has_heard_is_not_written_again(journal: Journal) -> None:
    check_what_was_heard(journal)


def test_every_reader_takes_the_newest_commission(journal: Journal) -> None:
    run = write_a_standing(journal)
    run.commission("e1.02", Decimal("0.30"), "USD")
    assert not run.commission("e1.02", 0.30, "USD"), "the same again is no news"
    run.commission("e1.01", 9.0, "USD")  # of an execution that no longer counts
    assert run.finish()
    with read_journal(folder=journal.folder) as reader:
        assert [str(row["commission"]) for row in reader.fills(1)] == ["0.0", "0.30", "0.75"]
        assert [str(row["commission"]) for row in reader.fills_of(1, 1)] == ["0.0", "0.30"]
        chain = reader.chain(1, 3)
        assert chain is not None and [str(row["commission"]) for row in chain["fills"]] == ["0.75"]
        assert reader.commissions(1) == {
            "e1.01": Decimal("9.0"), "e1.02": Decimal("0.30"), "e3.01": Decimal("0.75"),
        }  # fmt: skip
        assert reader.count("commissions", 1) == 5


def test_a_position_that_was_closed_is_none(journal: Journal) -> None:
    run = journal.begin(RUN, mode="paper", strategy="drift")
    run.decide([Decision(intent=intent(1, 0.3)), Decision(intent=intent(2, 0.3, "SELL"))])
    for i in range(3):
        run.fill(fill(1, 0.1), f"b{i}")
    run.fill(fill(2, 0.3, "SELL"), "s")
    assert run.finish()
    assert standing(journal, RUN).positions == {}


def test_a_run_that_is_not_there(journal: Journal) -> None:
    with pytest.raises(JournalError, match="no run 'other'"):
        standing(journal, "other")
    assert latest_run(journal, mode="paper", strategy="drift", account=None) is None


def test_the_newest_run_that_can_go_on_is_the_one(journal: Journal) -> None:
    def begin(name: str, *, mode: str = "paper", strategy: str = "drift", account: str | None = "DU1") -> str:
        journal.begin(name, mode=mode, strategy=strategy, account=account).finish("interrupted")
        return name

    first = begin("r-1")
    begin("r-2", mode="live")
    begin("r-3", strategy="other")
    begin("r-4", account="DU2")
    begin("r-5", account=None)
    which = {"mode": "paper", "strategy": "drift", "account": "DU1"}
    assert latest_run(journal, **which) == first
    assert latest_run(journal, **{**which, "account": None}) == "r-5"
    killed = journal.begin("r-6", **which)
    assert killed.flush() and latest_run(journal, **which) == "r-6", "it has not ended at all"
    killed.finish("failed")
    assert latest_run(journal, **which) == first
    again = journal.resume(first)
    again.finish("finished")
    assert latest_run(journal, **which) is None, "an end for good counts, whatever was said before"


def test_an_interrupted_run_goes_on_in_another_session(journal: Journal) -> None:
    run = write_a_standing(journal)
    live(run, NOON, 2)
    assert run.finish("interrupted", "stopped by Ctrl-C")
    with read_journal(folder=journal.folder) as reader:
        assert reader.state(1) == "interrupted"
        assert old_runs(reader, NOON + timedelta(days=9999)) == [], "it may still go on"
    again = journal.resume(RUN)
    assert live(again, NOON + timedelta(hours=1), 1) == 2
    assert again.next_order_id == 5
    assert not again.fill(fill(1, 3.0), "e1.02"), "what was executed is not counted twice"
    assert not again.commission("e3.01", 0.75, "USD"), "nor is what it cost"
    assert again.decide([Decision(intent=intent(5))]) == ["abcdef-5"]
    assert again.fill(fill(5, 10.0), "e5.01") and again.flush()
    with read_journal(folder=journal.folder) as reader:
        assert reader.state(1) == "unfinished", "the second session lives"
        assert [row["position"] for row in reader.rows("fills")][-1] == 14
    assert standing(journal, RUN).positions == {"SPY": 14}
    assert again.finish()
    with read_journal(folder=journal.folder) as reader:
        assert reader.state(1) == "finished"
        assert [(row["state"], row["note"]) for row in reader.rows("session_ends")] == [
            ("interrupted", "stopped by Ctrl-C"),
            ("finished", ""),
        ]


def test_an_interrupted_run_is_kept_as_long_as_it_may_go_on(journal: Journal) -> None:
    names = ["r-1", "r-2", "r-3"]
    for name in names:
        begun = journal.begin(name, mode="paper", strategy="drift", account="DU1")
        assert begun.finish("failed" if name == "r-1" else "interrupted")
    with read_journal(folder=journal.folder) as reader:
        later = reader.runs()[-1]["started"] + timedelta(days=1)
        assert [row["id"] for row in old_runs(reader, later)] == ["r-1", "r-2"]
        assert old_runs(reader, later - timedelta(days=2)) == []


def test_a_journal_of_an_older_version_reads_as_without_sessions(tmp_path: Path) -> None:
    from test_schema import make_older

    path = tmp_path / "older.sqlite"
    make_older(path, "0002")
    with read_file(path) as reader:
        assert not reader.has("sessions") and reader.has("fills")
        assert list(reader.rows("sessions")) == [] and reader.last("commissions", 1) == 0
        assert reader.count("heartbeats", 1) == 0 and list(reader.fills(1)) == []
        assert reader.fills_of(1, 1) == [] and reader.runs() == []


def test_a_long_run_is_read_at_once(tmp_path: Path) -> None:
    """A hundred thousand fills: work that grew with their square would not end while anybody waits."""
    n, at = 100_000, moment_text(NOON)
    path = tmp_path / "long.sqlite"
    run = [1, RUN, "paper", "drift", "", at, "1000", "DU1", "{}", "{}", "{}"]
    bulk.write_journal(
        path,
        {
            "runs": [run],
            "orders": (
                [1, i, f"abcdef-{i}", None, at, "SPY", "BUY", "Market", "1", None, None, None, None, ""]
                for i in range(1, n + 1)
            ),
            "order_states": ([1, i, i, at, "Completed", "1", ""] for i in range(1, n + 1)),
            "fills": (
                [1, i, i, f"e{i}", at, "SPY", "BUY", "1", "100.5", "0", str(i), None] for i in range(1, n + 1)
            ),
            "commissions": ([1, i, f"e{i}", at, "0.35", "USD"] for i in range(1, n + 1)),
        },
    )
    with read_file(path) as reader:
        found = standing(reader, RUN)
    assert found.positions == {"SPY": n} and found.fills[-1].commission == Decimal("0.35")
