"""The emergency stop from outside, on real processes that do not listen and a real gateway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.journal.reading import read_file
from robo_trader.journal.standing import standing
from robo_trader.live.halts import flattening, rescue, silent
from robo_trader.live.halts.choosing import mark_of
from robo_trader.live.halts.emergency import stop_sessions
from robo_trader.live.halts.order import Order, Outcome
from robo_trader.live.halts.processes import end, started
from robo_trader.live.halts.silent import BUSY, SilentSession
from robo_trader.risk.halt import HALTED, Halt, HaltStore
from robo_trader.state import open_state

PATIENT = Path(__file__).with_name("stubborn.py")
PATIENT_NAMES: dict[Any, tuple[str, ...]] = {
    flattening: ("JOURNALLED",), rescue: ("ACKNOWLEDGED", "GONE", "FILLED"),
    silent: ("DYING", "FREED", "READING", "_RIVALS"),
}  # fmt: skip
#: The same for a process of its own.
PATIENT_WORDS = "".join(
    f"{module.__name__.rpartition('.')[2]}.{name} = 60.0\n"
    for module, names in PATIENT_NAMES.items()
    for name in names
)
RUN = "20261120T100000Z-stubborn-ab12cd"


class Patient:
    """A session in a process of its own, and what is done to it."""

    def __init__(self, gateway: EmbeddedGateway, folder: Path, then: str, **more: Any) -> None:
        self.gateway, self.folder = gateway, folder
        told = {"port": gateway.port, "client": 7, "folder": str(folder / ".robo"), "then": then, **more}
        self.process = subprocess.Popen(
            [sys.executable, str(PATIENT), json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.refs = json.loads(self.process.stdout.readline())
        self.store = open_state(folder=folder / ".robo")
        self.said: list[str] = []

    def stop(self, patience: float = 0.15, **more: Any) -> Outcome:
        """Stop it as `robo halt` does, and return the one outcome."""
        (outcome,) = self.stop_all(patience, **more)
        assert outcome.steps[-1][1] == self.said[-1]
        return outcome

    def stop_all(self, patience: float = 0.15, **more: Any) -> list[Outcome]:
        """Stop every session."""
        halts = HaltStore(self.store, self.folder / ".robo" / "HALT")
        flags = {name: more.get(name, False) for name in ("flatten", "cancel_all")}
        now: Halt = halts.set(HALTED, who="ops@desk", why="look", **flags)
        assert now.when is not None
        order = Order(
            mark=mark_of(now), since=now.when, who="ops@desk", why="look",
            **{"folder": str(self.folder / ".robo"), **more},
        )  # fmt: skip
        return stop_sessions(
            self.store, order, lambda _, text: self.said.append(text), began=clock.monotonic(),
            patience=patience,
        )  # fmt: skip

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def orders(self) -> dict[str, str]:
        """Return reference → status, as the gateway has it."""
        return {o["ref"]: o["status"] for o in self.gateway.control("state")["orders"]}

    def alive(self) -> set[str]:
        names = {ref: name for name, ref in self.refs.items()}
        gone = ("Cancelled", "Filled")
        return {names.get(ref, ref) for ref, status in self.orders().items() if status not in gone}

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.store.close()


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """Wait a minute for what a broker, a process or a disk owes us: here it comes, be the machine busy."""
    with pytest.MonkeyPatch.context() as patch:  # Its own, for tests that undo theirs.
        for module, names in PATIENT_NAMES.items():
            for name in names:
                patch.setattr(module, name, 60.0)
        yield


@pytest.fixture
def gateway() -> Iterator[EmbeddedGateway]:
    settings = GatewaySettings(port=0, control_port=0)
    with EmbeddedGateway(lambda: demo_gateway(settings)) as running:
        yield running


@pytest.fixture
def patient(gateway: EmbeddedGateway, tmp_path: Path) -> Iterator[Callable[..., Patient]]:
    made: list[Patient] = []

    def begin(then: str, **more: Any) -> Patient:
        made.append(Patient(gateway, tmp_path, then, **more))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def test_a_session_that_holds_the_interpreter_s_lock_is_stopped(
    patient: Callable[..., Patient], tmp_path: Path
) -> None:
    """By the command, in a process of its own; `benchmarks/halt.py --most 2` measures how soon."""
    one = patient("regex")
    code = (
        f"from robo_trader.live.halts import flattening, rescue, silent\n{PATIENT_WORDS}"
        "import sys\nfrom robo_trader.cli.main import main\nsys.exit(main(['halt', '--json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert one.alive() == {"exit"}
    (told,) = json.loads(done.stdout)["sessions"]
    assert told["ended_pid"] == one.process.pid and told["stays"] == [one.refs["exit"]]
    assert f"did not answer, its process {one.process.pid} was ended" in done.stderr
    assert one.process.wait(60) == -signal.SIGKILL


def test_a_stopped_process_is_ended_too_and_its_positions_are_closed(
    patient: Callable[..., Patient], gateway: EmbeddedGateway, tmp_path: Path
) -> None:
    one = patient("stop")
    outcome = one.stop(flatten=True)
    assert (outcome.failed, outcome.flattened) == ("", {"AAPL": -100.0}), one.text
    assert one.alive() == set() and gateway.control("state")["pos"] == {}
    with read_file(tmp_path / ".robo" / "journal.sqlite") as reader:
        book = standing(reader, RUN)
        last = book.orders[-1]
        assert (last.side, last.type, last.status, last.filled) == ("SELL", "Market", "Completed", 100)
        assert last.because == "flattened by ops@desk: look" and one.orders()[last.ref] == "Filled"
        assert book.positions == {}
        ends = list(reader.rows("run_ends"))
        assert [row["state"] for row in ends] == ["interrupted"]


def test_a_process_that_is_gone_already_costs_no_waiting(patient: Callable[..., Patient]) -> None:
    one = patient("die", journalled=False)
    one.process.wait(60)
    outcome = one.stop(patience=30.0)
    assert (outcome.failed, outcome.ended_pid) == ("", None)
    assert "ended without saying so" in one.said[0]
    assert one.alive() == {"exit"}, "the fill was not journalled, and the broker told of it"
    assert stop_sessions(one.store, NOTHING, print, began=0.0) == [], "it is dealt with"
    assert one.stop(patience=30.0, flatten=True).flattened == {"AAPL": -100.0}, "and may still be flattened"
    assert "was ended by an earlier halt" in one.text and one.alive() == set()
    assert stop_sessions(one.store, replace(NOTHING, flatten=True), print, began=0.0) == []


def test_a_session_that_answers_is_left_alone(patient: Callable[..., Patient]) -> None:
    one = patient("obey")
    outcome = one.stop(patience=30.0)
    assert outcome.answered and one.said == [f"session {RUN} (stubborn) obeyed"]
    assert one.alive() == {"exit"}
    assert one.process.poll() is None
    one.store.heartbeat(f"session/{RUN}", phase="stopped")
    assert stop_sessions(one.store, NOTHING, print, began=0.0) == [], "and one that has stopped, too"


def test_sessions_that_hang_are_stopped_at_the_same_time(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reaches the broker before any of them goes on."""
    patient("wait")
    two = patient("wait", client=8, run="20261120T100001Z-stubborn-ef34ab")
    plain, together = SilentSession._deal, threading.Barrier(2)

    def deal(self: SilentSession, *where: Any) -> None:
        together.wait(60)
        plain(self, *where)

    monkeypatch.setattr(SilentSession, "_deal", deal)
    found = two.stop_all()
    assert [outcome.failed for outcome in found] == ["", ""], two.text
    assert sorted(two.orders().values()).count("PreSubmitted") == 2


def test_a_process_that_may_not_be_ended_is_told(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = patient("wait")

    def kill(pid: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("robo_trader.live.halts.processes.os.kill", kill)
    outcome = one.stop()
    monkeypatch.undo()
    assert "could not be ended: Operation not permitted" in one.text
    assert outcome.global_cancel and one.alive() == set()


@pytest.mark.parametrize(
    "about", [{"ib": "nowhere"}, {"client_id": None}, {"ib": ":x"}, {"pid": "x", "client_id": "7"}]
)
def test_a_heartbeat_that_nobody_understands_is_told(tmp_path: Path, about: dict[str, Any]) -> None:
    store = open_state(folder=tmp_path)
    store.heartbeat("session/x", **{"pid": 0, "ib": "127.0.0.1:1", "client_id": 7, **about})
    order = replace(NOTHING, mark="now", folder=str(tmp_path))
    (found,) = stop_sessions(store, order, lambda *_: None, began=0.0, patience=0.0)
    assert "its heartbeat names no line to the broker" in found.failed and "by hand" in found.failed


def test_a_busy_session_gets_more_time_than_one_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_state(folder=tmp_path)
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(clock, "monotonic", lambda: passed[0])
    monkeypatch.setattr("robo_trader.live.halts.emergency.time", SimpleNamespace(sleep=sleep))
    about = {"host": "elsewhere", "pid": 1}
    store.heartbeat("session/hangs", **about)
    since = clock.now()
    store.heartbeat("session/busy", **about)
    order = replace(NOTHING, mark="now", since=since, rescue=False, folder=str(tmp_path))
    found = stop_sessions(store, order, lambda *_: None, began=0.0, patience=0.1)
    busy, hangs = (outcome.steps[-1][0] for outcome in found)
    assert hangs < 0.1 + BUSY <= busy


def test_reducing_ends_nobody(patient: Callable[..., Patient]) -> None:
    one = patient("wait")
    outcome = one.stop(rescue=False)
    assert "did not answer; it reads the state before each order" in one.text
    assert outcome.ended_pid is None and one.process.poll() is None


def test_a_damaged_journal_lets_the_account_s_positions_speak(
    patient: Callable[..., Patient], tmp_path: Path
) -> None:
    one = patient("wait")
    one.process.kill()
    one.process.wait()
    for file in (tmp_path / ".robo").glob("journal.sqlite*"):
        file.unlink()
    (tmp_path / ".robo" / "journal.sqlite").write_bytes(b"no journal")
    outcome = one.stop(patience=30.0, flatten=True)
    assert "the account's positions stand in" in one.text
    assert (outcome.failed, outcome.flattened) == ("", {"AAPL": -100.0}), one.text
    assert "the journal does not have this" in one.text
    assert any(ref.startswith("ab12cd-halt-") for ref in one.orders())


def test_a_process_that_is_not_known_for_sure_is_not_ended(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    one = patient("wait", about={"started": ""})
    outcome = one.stop()
    assert one.process.poll() is None and "so it was not ended" in one.text
    assert outcome.global_cancel and outcome.failed == ""
    assert "client id 7 is in use" in one.text and "exits and orders of other" in one.text
    assert one.alive() == set()
    more = one.stop()
    assert (more.global_cancel, more.failed) == (False, ""), "nothing is left that it would be needed for"


def test_a_session_whose_client_id_another_one_has_now(
    patient: Callable[..., Patient], gateway: EmbeddedGateway, tmp_path: Path
) -> None:
    """The global cancel would take the exits of the one that obeys."""
    old = patient("die")
    old.process.wait(60)
    new = patient("wait", run="20261120T100001Z-stubborn-ef34ab", about={"started": ""})
    name = f"session/{RUN}"
    answers = threading.Event()

    def obey() -> None:
        beat = new.store.heartbeats()["session/20261120T100001Z-stubborn-ef34ab"]
        while not answers.wait(0.02):
            now = HaltStore(new.store, tmp_path / ".robo" / "HALT").read()
            if now.when is not None:
                new.store.heartbeat(beat.name, **{**beat.about, "halted_at": mark_of(now)})

    thread = threading.Thread(target=obey)
    thread.start()
    try:
        outcomes = {outcome.session: outcome for outcome in new.stop_all(patience=60.0)}
    finally:
        answers.set()
        thread.join()
    gone = outcomes.pop(name)
    (other,) = outcomes.values()
    assert other.answered and not gone.global_cancel
    assert "20261120T100001Z-stubborn-ef34ab (stubborn) has its client id now" in gone.failed
    assert old.refs["more"] in gone.failed and old.refs["exit"] not in gone.failed
    assert sum(status in ("Submitted", "PreSubmitted") for status in new.orders().values()) == 12


def test_a_session_whose_client_id_is_free_once_another_one_is_ended(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    old = patient("die")
    old.process.wait(60)
    new = patient("wait", run="20261120T100001Z-stubborn-ef34ab")
    outcomes = new.stop_all()
    assert [outcome.failed for outcome in outcomes] == ["", ""], new.text
    assert not any(outcome.global_cancel for outcome in outcomes)
    left = {ref for ref, status in new.orders().items() if status in ("Submitted", "PreSubmitted")}
    assert left == {old.refs["exit"], new.refs["exit"]}


def test_cancellations_that_nobody_acknowledges_end_in_the_global_cancel(
    patient: Callable[..., Patient], gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_trader.live.halts.rescue.ACKNOWLEDGED", 0.1)
    one = patient("die")
    gateway.server.gateway.desk.cancel = lambda client, order_id: None  # type: ignore[method-assign]
    outcome = one.stop(patience=30.0)
    assert "has not acknowledged 3 of 3 cancellations" in one.text
    assert outcome.global_cancel and outcome.failed == "" and one.alive() == set()


def test_a_gateway_that_takes_no_orders_is_told_and_fails(
    patient: Callable[..., Patient], gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = patient("die")
    gateway.control("set", readonly=True)
    with monkeypatch.context() as patch:
        patch.setattr("robo_trader.live.halts.rescue.GONE", 0.1)
        outcome = one.stop(patience=30.0)
    assert "its API is read-only" in one.text
    assert "orders are open after the global cancel" in outcome.failed
    gateway.control("set", readonly=False)
    assert one.stop(patience=30.0).failed == "", "what failed is tried again by the next halt"
    assert one.alive() == {"exit"}


def test_a_parent_filled_in_part_is_told_for_its_fill_has_no_exits_left(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    one = patient("wait")
    number = next(o for o in gateway.control("state")["orders"] if o["ref"] == one.refs["bracket"])["id"]
    gateway.control("fill", orderId=number, qty=5, price=200.0)
    one.process.kill()
    one.process.wait()
    outcome = one.stop(patience=30.0)
    assert "filled in part and left without their exits" in one.text
    assert outcome.failed == "" and one.alive() == {"exit"}


def test_a_session_elsewhere_is_not_ended_and_its_own_loopback_is_not_ours(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    one = patient("wait", about={"host": "elsewhere"})
    outcome = one.stop()
    assert "it runs on elsewhere and its gateway" in outcome.failed
    assert "run 'robo halt' on elsewhere" in outcome.failed
    assert one.process.poll() is None and len(one.alive()) == 6, "nothing was touched"


def test_a_gateway_that_is_away_is_told_and_fails(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    one = patient("die", simulated=False)
    gateway.close()
    outcome = one.stop(patience=30.0)
    assert "nothing listens at" in outcome.failed and "cancel the orders by hand" in outcome.failed


def test_a_simulated_gateway_that_is_away_took_its_orders_along(
    patient: Callable[..., Patient], gateway: EmbeddedGateway
) -> None:
    one = patient("die")
    gateway.close()
    assert one.stop(patience=30.0).failed == ""
    assert "its simulated gateway is gone, and its orders with it" in one.text


def test_a_session_that_lives_without_a_line_is_not_ended(
    patient: Callable[..., Patient], gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_trader.live.halts.silent.BUSY", 0.05)
    one = patient("wait")
    gateway.close()
    beat = one.store.heartbeats()[f"session/{RUN}"]
    # Given in a minute, this sign of life comes after the halt however slow the machine is.
    with clock.fixed(clock.now() + timedelta(minutes=1)):
        one.store.heartbeat(beat.name, **{**beat.about, "line": "down"})
    outcome = one.stop()
    assert "it cancels them when its line is back" in one.text and outcome.failed
    assert one.process.poll() is None


def test_a_session_whose_market_was_its_own_leaves_nothing(patient: Callable[..., Patient]) -> None:
    one = patient("wait", about={"ib": None})
    outcome = one.stop()
    assert outcome.ended_pid == one.process.pid and outcome.failed == ""
    assert "its own simulated one, which ended with it" in one.text


def test_a_process_is_known_by_when_it_began() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = started(child.pid)
    assert born and born == started(child.pid) and born != started(os.getpid())
    assert not end(child.pid, "another time"), "the number was used again"
    assert not end(child.pid, "")
    assert child.poll() is None
    assert end(child.pid, born)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == -signal.SIGKILL
    assert started(child.pid) is None and not end(child.pid, born)
    assert started(0) is None and started(-1) is None


def test_where_there_is_no_proc_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_trader.live.halts.processes._PROC", tmp_path)
    monkeypatch.setattr("robo_trader.live.halts.processes._ASKED", 60.0)
    told = [
        datetime.strptime(f"{born} +0000", "%a %b %d %H:%M:%S %Y %z")
        for born in (started(os.getpid()), started())
    ]
    # Linux's own 'ps' counts back from now, and may be a second off.
    assert abs(told[0] - told[1]) <= timedelta(seconds=1)
    assert started(2**22 + 1) is None, "Linux has no such number"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert started(os.getpid()) == "", "without 'ps' nobody can tell"
    assert not end(os.getpid(), ""), "and then nobody is ended"


NOTHING = Order(mark="", since=clock.from_ns(0), who="ops@desk", why="look")


def test_an_outcome_is_plain_data() -> None:
    outcome = replace(Outcome("session/x"), steps=[(0.5, "done")], flattened={"AAPL": -1.0})
    assert json.loads(json.dumps(outcome.as_dict()))["steps"] == [[0.5, "done"]]
