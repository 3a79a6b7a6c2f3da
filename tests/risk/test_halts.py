"""Halt states: the stricter of store and file holds, and only somebody's word eases it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from accounts import START, Account
from guards import make_guard

from robo_trader import clock
from robo_trader.errors import RunError, StateError, UsageError
from robo_trader.risk.halt import Halt, HaltStore
from robo_trader.state import open_state

PRICES = {"A": 100.0, "B": 50.0}


@pytest.fixture
def halts(tmp_path: Path) -> HaltStore:
    return HaltStore(open_state(None, folder=tmp_path), tmp_path / "HALT")


def test_nobody_has_said_anything(halts: HaltStore) -> None:
    assert halts.read() == Halt()
    assert halts.read().text() == "ACTIVE"


def test_a_change_has_who_when_and_why(halts: HaltStore, tmp_path: Path) -> None:
    told: list[Halt] = []
    halts._on_change = told.append
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    with clock.fixed(moment):
        halts.set("HALTED", who="ann@desk", why="data look wrong", flatten=True)
    found = halts.read()
    assert found == Halt("HALTED", "ann@desk", moment, "data look wrong", flatten=True)
    assert found.text() == "HALTED, set by ann@desk at 2024-05-06T07:08:09Z: data look wrong"
    assert "ann@desk" in (tmp_path / "HALT").read_text()
    halts.set("ACTIVE", who="bob", why="mended")
    assert halts.read().state == "ACTIVE"
    assert not (tmp_path / "HALT").exists()
    assert [(h.state, h.who) for h in halts.history()] == [("ACTIVE", "bob"), ("HALTED", "ann@desk")]
    assert [h.state for h in told] == ["HALTED", "ACTIVE"]
    for who, why in (("", "x"), ("x", " ")):
        with pytest.raises(UsageError, match="who and why"):
            halts.set("HALTED", who=who, why=why)


def test_a_file_that_cannot_be_changed_is_named(halts: HaltStore, tmp_path: Path) -> None:
    told: list[Halt] = []
    halts._on_change = told.append
    (tmp_path / "HALT" / "x").mkdir(parents=True)
    with pytest.raises(RunError, match="HALT cannot be written") as caught:
        halts.set("HALTED", who="ann@desk", why="look")
    assert "create it by hand" in caught.value.hint
    assert [halt.why for halt in told] == ["look"], "the store has it"
    with pytest.raises(RunError, match="HALT cannot be removed"):
        halts.set("ACTIVE", who="ann@desk", why="mended")
    assert halts.read().state == "REDUCING" and len(told) == 1


@pytest.mark.parametrize(
    ("text", "state", "why"),
    [
        ("", "HALTED", ""),
        ("stop, the broker called\n", "HALTED", "stop, the broker called"),
        ("REDUCING\nonly out\n", "REDUCING", "only out"),
        ("halted\nby hand", "HALTED", "by hand"),
    ],
)
def test_a_plain_file_halts(halts: HaltStore, tmp_path: Path, text: str, state: str, why: str) -> None:
    (tmp_path / "HALT").write_text(text)
    assert (halts.read().state, halts.read().why) == (state, why)


def test_the_guard_never_eases_an_operators_halt(halts: HaltStore) -> None:
    halts.set("HALTED", who="ann", why="stop")
    assert halts.set("REDUCING", who="the guard", why="daily loss").state == "HALTED"
    assert halts.read().who == "ann"
    assert [h.state for h in halts.history()] == ["REDUCING", "HALTED"]


class Broken:
    """A state store whose server is away."""

    away = True

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise StateError("redis://store: no answer")
        return getattr(self._store, name)


def test_a_store_that_cannot_be_read_counts_as_reducing(tmp_path: Path) -> None:
    halts = HaltStore(Broken(None), tmp_path / "HALT")  # type: ignore[arg-type]
    assert halts.read().state == "REDUCING"
    assert "no answer" in halts.read().why
    with pytest.raises(StateError):
        halts.set("HALTED", who="ann", why="stop")
    assert halts.read().state == "HALTED", "the file was written all the same"


def test_a_halt_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("")
    halts = HaltStore(None, tmp_path / "wall" / "HALT")
    with pytest.raises(RunError, match="cannot be written"):
        halts.set("HALTED", who="ann", why="stop")


def test_nonsense_in_the_store_counts_as_reducing(tmp_path: Path) -> None:
    store = open_state(None, folder=tmp_path)
    store.put("halt", {"state": "PAUSED"})
    halt = HaltStore(store, tmp_path / "HALT").read()
    assert halt.state == "REDUCING" and "'PAUSED'" in halt.why


def test_concurrent_changes_lose_none(tmp_path: Path) -> None:
    def change(name: str) -> None:
        for i in range(5):
            HaltStore(open_state(None, folder=tmp_path), tmp_path / "HALT").set(
                "REDUCING", who=name, why=f"{i}"
            )

    threads = [threading.Thread(target=change, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = HaltStore(open_state(None, folder=tmp_path), tmp_path / "HALT").history()
    assert sorted((h.who, h.why) for h in history) == sorted((n, str(i)) for n in "abcd" for i in range(5))


# -- what the guard makes of it --------------------------------------------------------------------


def test_what_passes_in_each_state(halts: HaltStore) -> None:
    account = Account(dict(PRICES), positions={"A": 10.0})
    guard = make_guard(halts=halts, position=0.5)

    def ask(side: str, size: float) -> tuple[str, float | None]:
        d = guard.decide([account.intent("A", side, size)], account)[0]
        return d.action, d.size

    assert ask("BUY", 5) == ("allow", None)
    halts.set("REDUCING", who="ann", why="careful")
    assert ask("BUY", 5) == ("veto", 0.0)
    account.now += 1
    assert ask("SELL", 10) == ("allow", None)
    account.now += 1
    assert ask("SELL", 25) == ("resize", 10.0)
    halts.set("HALTED", who="ann", why="stop")
    assert ask("SELL", 10) == ("veto", 0.0)
    operator = guard.decide([account.intent("A", "SELL", 10)], account, by_operator=True)
    assert operator[0].action == "allow"


def test_a_breach_sets_reducing_and_stays_until_somebody_resumes(halts: HaltStore) -> None:
    account = Account(dict(PRICES), cash=60_000.0, positions={"A": 400.0})
    guard = make_guard(halts=halts, daily_loss=0.03)

    def buys() -> str:
        account.now += 1
        return guard.decide([account.intent("B", "BUY", 1)], account)[0].action

    assert buys() == "allow"
    account.prices["A"] = 90.0
    assert buys() == "veto"
    halt = halts.read()
    assert (halt.state, halt.who) == ("REDUCING", "the guard (daily_loss)")
    assert "lost 4 % of its opening 100,000.00" in halt.why
    account.session_values.append(account.value)
    account.now = START + 10**15
    assert buys() == "veto", "live, nothing lifts by itself"
    halts.set("ACTIVE", who="ann", why="looked at it")
    assert buys() == "allow"


def test_a_store_away_for_a_moment_does_not_reset_the_brakes(tmp_path: Path) -> None:
    store = Broken(open_state(None, folder=tmp_path))
    store.away = False
    halts = HaltStore(store, tmp_path / "HALT")  # type: ignore[arg-type]
    halts.set("ACTIVE", who="ann", why="a new week")
    account = Account(dict(PRICES), cash=60_000.0, positions={"A": 400.0})
    guard = make_guard(halts=halts, drawdown=0.15)

    def buys() -> str:
        account.now += 1
        return guard.decide([account.intent("B", "BUY", 1)], account)[0].action

    account.prices["A"] = 110.0
    assert buys() == "allow"
    store.away = True
    assert buys() == "veto"
    store.away = False
    account.prices["A"] = 68.0
    assert buys() == "veto", "16 % below the peak of before"


def test_watching_finds_a_breach_without_an_order(halts: HaltStore) -> None:
    account = Account(dict(PRICES), cash=60_000.0, positions={"A": 400.0})
    guard = make_guard(halts=halts, drawdown=0.15)
    guard.watch(account)
    assert halts.read().state == "ACTIVE"
    account.prices["A"] = 50.0
    account.now += 1
    guard.watch(account)
    assert halts.read().who == "the guard (drawdown)"
