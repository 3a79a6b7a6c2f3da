"""`robo live`: a preview unless told to send; what it asks before real money moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings

pytest.importorskip("ib_async")


@pytest.fixture
def gateway() -> Iterator[EmbeddedGateway]:
    settings = GatewaySettings(port=0, control_port=0)
    with EmbeddedGateway(lambda: demo_gateway(settings)) as running:
        yield running


def test_it_needs_a_gateway(robo: Any, turns: Path) -> None:
    answer = robo("live", "turns.py", "--symbols", "AAPL")
    assert answer.code == 2 and "'robo live' needs a gateway" in answer.err


def test_the_account_is_typed_in_full(robo: Any, turns: Path, gateway: EmbeddedGateway) -> None:
    words = ("live", "turns.py", "--ib", f"127.0.0.1:{gateway.port}", "--symbols", "AAPL", "--send")
    answer = robo(*words)
    assert answer.code == 3 and "typed in full" in answer.err
    # What a file says was not typed.
    Path("robo.toml").write_text('[live]\naccount = "DU1234567"\n')
    answer = robo(*words)
    assert answer.code == 3 and "typed in full" in answer.err
    assert gateway.control("state")["orders"] == []


class Verb:
    """Stands in for the verb and keeps what it was called with."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def __call__(self, strategy: Any, **given: Any) -> Any:
        from robo_trader.live.trading import Outcome

        self.given = {"strategy": strategy, **given}
        given["told"].progress("asking for contracts and bars", 0, 0)
        return Outcome(
            run_id="a-run-1", session=1, state="finished", journal="journal.sqlite", account="U7654321",
            sending=bool(given["send"]), bars=1, orders=2, fills=0, value=2000.0, cash=1500.0,
            positions={"AAPL": 3.0, "MSFT": 0.0},
        )  # fmt: skip


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Verb:
    import robo_trader.live.trading as trading

    found = Verb()
    monkeypatch.setattr(trading, "trade", found)
    return found


def test_a_preview_is_the_default(robo: Any, verb: Verb) -> None:
    answer = robo("live", "turns.py", "--ib", "127.0.0.1:4001", "--cash", "2000")
    assert answer.code == 0 and "PREVIEW: everything is computed" in answer.err
    assert "session 1, finished: 1 bar, 2 orders, 0 fills; PREVIEW: nothing was sent" in answer.out
    assert "value 2,000.00, cash 1,500.00, holds 3 AAPL" in answer.out
    assert (verb.given["mode"], verb.given["send"], verb.given["account"]) == ("live", None, None)
    assert verb.given["flags"]["live.ib"] == "127.0.0.1:4001" and verb.given["flags"]["run.cash"] == "2000"


def test_real_money_is_said_and_an_override_passed_on(robo: Any, verb: Verb) -> None:
    reason = "the thirty days were on another machine"
    answer = robo(
        "live", "turns.py", "--ib", "127.0.0.1:4001", "--send", "--account", "U7654321",
        "--override", reason, "--override-account", "U7654321", "--fresh", "--param", "hold=3",
    )  # fmt: skip
    assert (
        answer.code == 0
        and "SENDING orders, with REAL MONEY, to U7654321 through 127.0.0.1:4001" in answer.err
    )
    assert "sent to U7654321" in answer.out
    given = verb.given
    assert (given["override"], given["retyped"], given["fresh"]) == (reason, "U7654321", True)
    assert given["params"] == {"hold": "3"} and given["send"] is True


def test_the_id_is_asked_for_at_a_terminal(robo: Any, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Keyboard("U7654321\n"))
    words = (
        "live",
        "turns.py",
        "--ib",
        "127.0.0.1:4001",
        "--account",
        "U7654321",
        "--override",
        "because it is so",
    )
    answer = robo(*words, "--send")
    assert answer.code == 0, answer.err
    assert "type the account's id once more" in answer.err and verb.given["retyped"] == "U7654321"
    monkeypatch.setattr("sys.stdin", Keyboard(""))
    robo(*words)
    assert verb.given["retyped"] is None, "a preview asks for nothing"
