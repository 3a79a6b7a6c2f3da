"""The gate in front of real money: each condition alone, all at once, and what it takes to override them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from paper_days import CODE, PAPER, REAL, RISK, Diary, opening, weekdays

from robo_trader import clock
from robo_trader.errors import RefusedError, UsageError
from robo_trader.journal import writer
from robo_trader.journal.live import Journal, RunJournal, open_journal
from robo_trader.journal.reading import read_journal
from robo_trader.live.gate.conditions import (
    Condition,
    GateError,
    conditions,
    demand,
    needs_gate,
    override,
)
from robo_trader.plugin_rows import PluginRow

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WHY = "thirty days were seen on another machine"


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with thirty days of paper trading, as a file to copy."""
    folder = tmp_path_factory.mktemp("rehearsed")
    with open_journal(folder=folder) as journal:
        Diary(journal).days(weekdays(30))
    return folder / "journal.sqlite"


@pytest.fixture
def journal(tmp_path: Path, rehearsed: Path) -> Iterator[Journal]:
    """A journal with thirty days of paper trading, and nothing else."""
    folder = tmp_path / ".robo"
    folder.mkdir()
    (folder / "journal.sqlite").write_bytes(rehearsed.read_bytes())
    with open_journal(folder=folder) as opened:
        yield opened


@pytest.fixture
def run(journal: Journal) -> Iterator[RunJournal]:
    """A run in the real account, in the session that is about to send; not reconciled yet."""
    with clock.fixed(NOW - timedelta(minutes=1)):
        begun = journal.begin("20261120T115900Z-drift-0a1b2c", mode="live", strategy="drift", account=REAL)
        begun.session(account=REAL, code_hash=CODE, risk_hash=RISK, send=True)
    yield begun
    begun.finish("interrupted")


def reconcile(run: RunJournal, *differences: str, at: datetime = NOW, **more: Any) -> None:
    with clock.fixed(at):
        run.reconciled(differences, session=more.pop("session", 1), **more)
    assert run.flush()


def ask(journal: Journal, **more: Any) -> dict[str, Condition]:
    given: dict[str, Any] = {
        "account": REAL, "typed": REAL, "code_hash": CODE, "risk_hash": RISK, "capital": 5000.0,
        "sectors": {"SPY": "Broad index"}, "quarantined": [], "now": NOW + timedelta(seconds=1),
    }  # fmt: skip
    found = conditions(journal, **{**given, **more})
    assert [one.name for one in found] == [
        "evidence", "capital", "reconcile", "plugins", "sectors", "account",
    ]  # fmt: skip
    return {one.name: one for one in found}


def unmet(found: dict[str, Condition]) -> list[str]:
    return [name for name, one in found.items() if not one.met]


@pytest.mark.parametrize(
    ("account", "simulated", "needed"),
    [
        (PAPER, False, False),
        ("DF1", False, False),
        (REAL, True, False),
        (REAL, False, True),
        ("", False, True),
    ],
)
def test_only_real_money_needs_the_gate(account: str, simulated: bool, needed: bool) -> None:
    assert needs_gate(account, simulated=simulated) is needed


def test_everything_met_opens_the_gate(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    found = ask(journal)
    assert unmet(found) == []
    demand(REAL, list(found.values()))
    assert found["evidence"].text.startswith("30 of 30 sessions of paper trading")
    assert "2026-09-07 to 2026-10-16" in found["evidence"].text
    assert found["reconcile"].text == "2026-11-20 12:00 UTC: agrees"


def test_each_unmet_condition_is_listed_with_what_was_found_and_what_to_do(
    journal: Journal, run: RunJournal
) -> None:
    broken = PluginRow("wsb", "1.0", "quarantined", error="ImportError: x", fix="reinstall it")
    found = ask(
        journal, code_hash="other", capital=12345.0, sectors={"SPY": "Broad index", "ZZZ": None},
        quarantined=[broken], typed="U765432",
    )  # fmt: skip
    assert unmet(found) == ["evidence", "capital", "reconcile", "plugins", "sectors", "account"]
    with pytest.raises(GateError) as caught:
        demand(REAL, list(found.values()))
    assert caught.value.exit_code == 3
    assert [one.name for one in caught.value.conditions] == unmet(found)
    said = str(caught.value)
    for words in (
        f"nothing is sent to {REAL}: 6 of 6 conditions are not met",
        "(1) evidence: 0 of 30 sessions", "30 sessions not counted: they ran other code",
        "go on with 'robo paper",
        "(2) capital: 12,345.00 does not lie within 1,000 to 10,000", "raise [live] capital_most",
        "(3) reconcile: none of this account", "run 'robo reconcile'",
        "(4) plugins: wsb is broken: ImportError: x (reinstall it)", '[plugins] disabled = ["wsb"]',
        "(5) sectors: nobody told the sector of ZZZ", "[bars.symbols.ZZZ] sector",
        "(6) account: 'U765432' was typed; type it in full: --account U7654321",
    ):  # fmt: skip
        assert words in said
    assert "\n" not in said


def test_only_what_is_unmet_is_listed(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    with pytest.raises(GateError, match="1 of 6 conditions are not met: \\(1\\) account: its id was not"):
        demand(REAL, list(ask(journal, typed=None).values()))


def test_twenty_nine_days_are_not_thirty_and_no_setting_makes_them_so(
    journal: Journal, run: RunJournal
) -> None:
    reconcile(run)
    assert unmet(ask(journal, now=opening(weekdays(30)[-1]), evidence_sessions=1)) == [
        "evidence",
        "reconcile",
    ]
    assert unmet(ask(journal, evidence_sessions=1)) == []
    found = ask(journal, evidence_sessions=31)
    assert unmet(found) == ["evidence"] and "30 of 31" in found["evidence"].text


@pytest.mark.parametrize("capital", [999.99, 10000.01, 0.0, -5000.0, float("nan"), float("inf")])
def test_capital_lies_within_its_bounds(journal: Journal, run: RunJournal, capital: float) -> None:
    reconcile(run)
    assert unmet(ask(journal, capital=capital)) == ["capital"]


def test_capital_may_be_raised_by_the_configuration(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    assert unmet(ask(journal, capital=25000.0, capital_most=30000.0)) == []
    assert unmet(ask(journal, capital=1000.0)) == [] and unmet(ask(journal, capital=10000.0)) == []


def test_an_old_reconcile_does_not_do(journal: Journal, run: RunJournal) -> None:
    reconcile(run, at=NOW)
    assert unmet(ask(journal, now=NOW + timedelta(hours=24))) == []
    found = ask(journal, now=NOW + timedelta(hours=24, minutes=6))
    assert (
        unmet(found) == ["reconcile"] and "24.1 h old, and may be 24 h old at most" in found["reconcile"].text
    )
    assert unmet(ask(journal, now=NOW + timedelta(hours=25), reconcile_age=timedelta(hours=26))) == []


def test_differences_block_until_they_are_accepted(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    reconcile(run, "SPY: 5 there, 4 here", at=NOW + timedelta(seconds=1))
    found = ask(journal)
    assert unmet(found) == ["reconcile"] and "1 difference at" in found["reconcile"].text
    assert "SPY: 5 there, 4 here" in found["reconcile"].text
    at = NOW + timedelta(seconds=2)
    reconcile(run, "SPY: 5 there, 4 here", at=at, session=None, accepted=True, who="ann@desk", why="a gift")
    found = ask(journal, now=at)
    assert unmet(found) == [] and "1 difference, accepted by ann@desk" in found["reconcile"].text
    reconcile(run, at=at + timedelta(seconds=1))  # a session leaves out what was accepted
    assert unmet(ask(journal, now=at + timedelta(seconds=1))) == []
    reconcile(run, "SPY: 6 there, 4 here", at=at + timedelta(seconds=2))
    assert unmet(ask(journal, now=at + timedelta(seconds=2))) == ["reconcile"]


def test_a_clean_reconcile_under_a_wrong_clock_hides_no_later_difference(
    journal: Journal, run: RunJournal
) -> None:
    reconcile(run, at=NOW + timedelta(minutes=3))
    assert run.finish("interrupted")
    again = journal.resume(run.id)
    reconcile(again, "SPY: 5 there, 4 here", at=NOW)  # the clock was put right in between
    assert unmet(ask(journal, now=NOW + timedelta(minutes=1))) == ["reconcile"]
    again.finish("interrupted")


def test_a_reconcile_in_the_future_is_none(journal: Journal, run: RunJournal) -> None:
    reconcile(run, at=NOW + timedelta(days=30))
    found = ask(journal)
    assert unmet(found) == ["reconcile"] and "1 from the future" in found["reconcile"].text


def test_reconciles_of_a_simulated_gateway_or_another_account_are_none(journal: Journal) -> None:
    with clock.fixed(NOW - timedelta(minutes=1)):
        pretend = journal.begin("20261120T115900Z-drift-aaaaaa", mode="live", strategy="drift", account=REAL)
        other = journal.begin("20261120T115900Z-drift-bbbbbb", mode="live", strategy="drift", account="U1")
        pretend.session(account=REAL, simulated=True, send=True)
        other.session(account="U1", send=True)
    for one in (pretend, other):
        reconcile(one)
        reconcile(one, session=None)
    assert unmet(ask(journal)) == ["reconcile"]
    for one in (pretend, other):
        assert one.finish()


def test_evidence_of_other_limits_is_told(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    found = ask(journal, risk_hash="other", params={"fast": 9})
    assert unmet(found) == ["evidence"]
    assert "30 sessions not counted: they ran under other risk limits" in found["evidence"].text
    assert "30 of them ran with other parameters" in ask(journal, params={"fast": 9})["evidence"].text


# -- overrides -----------------------------------------------------------------------------------


def sign(run: RunJournal, found: Sequence[Condition], **more: Any) -> tuple[Condition, ...]:
    given: dict[str, Any] = {"account": REAL, "retyped": REAL, "who": "ann@desk", "reason": WHY}
    return override(run, found, **{**given, **more})


def overrides_in(journal: Journal) -> list[dict[str, Any]]:
    with read_journal(folder=journal.folder) as reader:
        return list(reader.rows("overrides"))


def test_an_override_is_signed_into_the_journal(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    found = list(ask(journal, code_hash="other").values())
    assert [one.name for one in sign(run, found, reason=f"  {WHY}\n")] == ["evidence"]
    (row,) = overrides_in(journal)
    assert (row["who"], row["reason"], row["run"]) == ("ann@desk", WHY, 2)
    assert row["conditions"] == [{"name": "evidence", "met": False, "text": found[0].text}]


def test_where_nothing_is_unmet_nothing_is_signed(journal: Journal, run: RunJournal) -> None:
    reconcile(run)
    assert sign(run, list(ask(journal).values()), reason="", retyped=None) == ()
    assert overrides_in(journal) == []


@pytest.mark.parametrize("reason", ["", "because", "          x          ", "a" * 19])
def test_an_override_needs_a_reason(journal: Journal, run: RunJournal, reason: str) -> None:
    with pytest.raises(UsageError, match="needs 20 at least"):
        sign(run, list(ask(journal).values()), reason=reason)
    assert overrides_in(journal) == []


@pytest.mark.parametrize("retyped", [None, "", "U765432", "u7654321", f" {REAL}"])
def test_an_override_needs_the_account_once_more(
    journal: Journal, run: RunJournal, retyped: str | None
) -> None:
    with pytest.raises(RefusedError, match="not signed") as caught:
        sign(run, list(ask(journal).values()), retyped=retyped)
    assert caught.value.exit_code == 3 and overrides_in(journal) == []


def test_no_override_stands_for_the_account_itself(journal: Journal, run: RunJournal) -> None:
    with pytest.raises(GateError, match="account: its id was not typed"):
        sign(run, list(ask(journal, typed=None).values()))
    assert overrides_in(journal) == []


def test_an_override_that_cannot_be_written_is_none(
    journal: Journal, run: RunJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(ask(journal).values())
    assert run.flush()
    monkeypatch.setattr(writer, "FIRST_PAUSE", 0.001)
    away = [True]

    @sa.event.listens_for(journal.database.engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if away[0]:
            raise sa.exc.OperationalError("BEGIN", None, OSError("database or disk is full"))

    with pytest.raises(RefusedError, match="could not be signed"):
        sign(run, found, timeout=0.05)
    while not run.trouble:  # The first try may take longer than that on a busy machine.
        run.flush(0.05)
    with pytest.raises(RefusedError, match="could not be signed.*disk is full"):
        sign(run, found, timeout=0.05)
    away[0] = False
    assert run.flush(60)
