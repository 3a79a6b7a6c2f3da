"""Rules that strangers wrote badly: nothing is opened on their word, and no exit is kept back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from accounts import Account
from guards import make_guard

from robo_trader.errors import StateError
from robo_trader.records import Answer, Decision, Intent
from robo_trader.risk.guard import Guard
from robo_trader.risk.halt import HaltStore
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.sectors import SectorMap
from robo_trader.state import open_state

PRICES = {"A": 100.0, "B": 50.0}


def guarded(*rules: Any, halts: Any = None) -> Guard:
    named = {f"mine{i}": rule for i, rule in enumerate(rules, 1)}
    return Guard(named, sectors=SectorMap({}), halts=halts)


def ask(guard: Guard, account: Account, side: str, size: float, symbol: str = "A") -> Decision:
    account.now += 1
    return guard.decide([account.intent(symbol, side, size)], account)[0]


def veto(intent: Intent, **more: Any) -> Decision:
    return Decision(intent=intent, action="veto", **more)


@pytest.mark.parametrize(
    "answer",
    [
        lambda i: True,
        lambda i: "veto",
        lambda i: object(),
        lambda i: Decision(intent=i, action="resize", size="5", reasons=("text",)),  # type: ignore[arg-type]
        lambda i: Decision(intent=i, action="resize", size=math.nan, reasons=("nan",)),
        lambda i: Decision(intent=i, action="resize", size=1e9, reasons=("more",)),
        lambda i: Decision(intent=i, action="resize", size=-5.0, reasons=("the other way",)),
        lambda i: Decision(intent=i, action="double", size=1e9),  # type: ignore[arg-type]
        lambda i: veto(i, reasons=None),
        lambda i: veto(i, reasons=(1, None)),
        lambda i: veto(i, reasons="told plainly"),
        lambda i: veto(i, answers=(Answer(rule="x", action="veto", limit="ten"),)),  # type: ignore[arg-type]
        lambda i: veto(i, answers=(Answer(rule="x", action="veto", numbers=5),)),  # type: ignore[arg-type]
        lambda i: veto(i, answers=("no answer",)),
    ],
)
def test_nonsense_opens_nothing_and_leaves_the_closing_part_alone(answer: Any) -> None:
    class Odd(RiskRule):
        def check(self, intent: Intent, book: Any) -> Any:
            return answer(intent)

    account = Account(dict(PRICES), positions={"A": 10.0})
    guard = guarded(Odd())
    refused = ask(guard, account, "BUY", 7)
    assert refused.action == "veto" and refused.reasons[0].startswith("mine1: ")
    assert ask(guard, account, "SELL", 10).action == "allow"
    reversal = ask(guard, account, "SELL", 25)
    assert (reversal.action, reversal.size) == ("resize", 10.0)
    assert [type(a.limit) for a in reversal.answers] == [type(None)]


def test_a_rule_that_cannot_hear_what_was_sent_opens_nothing_more() -> None:
    class Deaf(RiskRule):
        def check(self, intent: Intent, book: Any) -> Decision | None:
            return None

        def sent(self, intent: Intent, book: Any) -> None:
            raise ZeroDivisionError("no ears")

    account = Account(dict(PRICES), positions={"A": 10.0})
    guard = guarded(Deaf())
    assert ask(guard, account, "SELL", 4).action == "allow"
    assert ask(guard, account, "BUY", 1).reasons == ("mine1: the rule raised ZeroDivisionError: no ears",)
    assert ask(guard, account, "SELL", 10).action == "allow"
    assert ask(guard, account, "SELL", 25).size == 10.0


@pytest.mark.parametrize("given", ["raise", math.nan, None, "much"])
def test_a_rule_that_cannot_say_what_it_gives_away_is_asked(given: Any) -> None:
    class Unsure(RiskRule):
        def check(self, intent: Intent, book: Any) -> Decision | None:
            return self.veto(intent, "no") if intent.size > 5 else None

        def unasked(self, book: Any) -> Any:
            if given == "raise":
                raise ZeroDivisionError("no idea")
            return given

    class Generous(Unsure):
        def unasked(self, book: Any) -> Any:
            return math.inf

    account = Account(dict(PRICES), positions={"B": 10.0})
    guard = guarded(Generous(), Unsure())
    assert ask(guard, account, "BUY", 5).action == "allow"
    assert ask(guard, account, "BUY", 6).reasons == ("mine1: no", "mine2: no")
    assert ask(guard, account, "SELL", 10, "B").action == "allow"


class Stops(RiskRule):
    """A brake that stops everything."""

    brake = True

    def check(self, intent: Intent, book: Any) -> Decision | None:
        return self.veto(intent, "stop")

    def state(self, book: Any) -> str:
        return ""

    def reset(self, book: Any) -> None:
        raise ZeroDivisionError("never")


def test_a_brake_that_cannot_be_reset_lets_exits_pass(tmp_path: Path) -> None:
    halts = HaltStore(open_state(None, folder=tmp_path), tmp_path / "HALT")
    account = Account(dict(PRICES), positions={"A": 10.0})
    guard = guarded(Stops(), halts=halts)
    assert ask(guard, account, "SELL", 1).action == "allow"
    halts.set("ACTIVE", who="ann", why="go on")
    assert ask(guard, account, "SELL", 9).action == "allow"
    assert "mine1: the rule raised ZeroDivisionError: never" in ask(guard, account, "BUY", 1).reasons


def test_a_breach_that_cannot_be_written_keeps_no_exit_back(tmp_path: Path) -> None:
    class Full(HaltStore):
        def _write_store(self, halt: Any) -> None:
            raise StateError("the disk is full")

    halts = Full(open_state(None, folder=tmp_path), tmp_path / "HALT")
    account = Account(dict(PRICES), positions={"A": 10.0})
    decision = ask(guarded(Stops(), halts=halts), account, "SELL", 25)
    assert (decision.action, decision.size) == ("resize", 10.0)
    assert decision.reasons[0] == "mine1: stop; the halt state could not be set: the disk is full"


def test_exits_count_in_the_minute_that_openings_were_given() -> None:
    account = Account(dict(PRICES), positions={"A": 1_000.0}, counts=True)
    guard = make_guard(orders_per_minute=150)
    account.now += 1
    for side, n in (("BUY", 1), ("SELL", 149)):
        for _ in range(n):
            assert guard.decide([account.intent("A", side, 1)], account)[0].action == "allow"
    full = guard.decide([account.intent("A", "BUY", 1)], account)[0]
    assert full.reasons == ("orders_per_minute: 150 orders in the last 60 s, limit 150",)


def test_every_order_of_a_bracket_counts() -> None:
    account = Account(dict(PRICES))
    guard = make_guard(position=0.1, orders_per_minute=1_000)
    parent = account.intent("A", "BUY", 50.0)
    exits = [account.intent("A", "SELL", n, "Stop", stop=90.0, parent=parent.order_id) for n in (50.0, 80.0)]
    guard.decide([parent, *exits], account)
    assert guard.line() == "risk: 1 of 3 orders shrunk (bracket); compare with --risk off"
    rows = dict(guard.usage(account))
    assert rows["orders_per_minute"].used == 3


def test_the_line_names_rules_in_one_order() -> None:
    # Names came out of a set once, whose order another process does not repeat.
    account = Account(dict(PRICES))
    guard = make_guard(position=0.1, sector=0.1, gross=0.1, net=0.1, leverage=0.1)
    ask(guard, account, "BUY", 1_000)
    limits = ", ".join(f"{name} 10 %" for name in ("position", "sector", "gross", "net", "leverage"))
    assert guard.line() == f"risk: 1 of 1 orders shrunk ({limits}); compare with --risk off"


def test_a_rule_that_fails_when_all_is_over_costs_no_run() -> None:
    class Late(Stops):
        def label(self) -> str:
            raise ZeroDivisionError("no words")

        def settle(self, book: Any) -> None:
            raise ZeroDivisionError("no end")

    account = Account(dict(PRICES))
    guard = guarded(Late())
    assert ask(guard, account, "BUY", 1).action == "veto"
    assert guard.labels() == {"mine1": "the rule raised ZeroDivisionError: no words"}
    guard.close(account)
    assert "mine1 the rule raised ZeroDivisionError: no end" in guard.line()
