"""`robo paper`: rehearsals here and sessions on a gateway elsewhere, as a person meets them."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_trader.bars.bundled import bundled_bars
from robo_trader.gateway.build import demo_gateway, replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.journal.reading import read_file

pytest.importorskip("ib_async")

REHEARSE = ("paper", "turns.py", "--bars", "data", "--symbols", "SPY", "--start", "2024-03-01", "--no-report")


def steps(text: str, word: str) -> list[str]:
    """Return what was told as `word`: decided, filled, warning and so on."""
    return [line.split(f"  {word}")[1].strip() for line in text.splitlines() if f"Z  {word}" in line]


def test_a_rehearsal_tells_each_step_and_ends_like_a_backtest(
    robo: Any, home: Path, data: Path, turns: Path
) -> None:
    answer = robo(*REHEARSE, "--speed", "max")
    assert answer.code == 0, answer.err
    assert "REHEARSAL on the simulated gateway: no money moves" in answer.err
    decided, filled = steps(answer.err, "decided"), steps(answer.err, "filled")
    assert decided[0] == "BUY 10 SPY Market" and len(decided) == len(filled) == 8
    assert filled[0] == "BUY 10 SPY @ 104.50, order 1"
    shown = " ".join(answer.out.split())
    assert "closed trades 4" in shown and "finished: 42 bars, 8 orders, 8 fills; a REHEARSAL" in shown
    assert "no position" in shown
    with read_file(home / ".robo" / "journal.sqlite") as journal:
        (run,) = journal.runs()
    assert (run["mode"], run["state"]) == ("rehearsal", "finished") and run["command"].startswith(
        "robo paper"
    )
    assert robo("explain", "last").code == 0


def test_it_is_the_same_every_time_and_json_stands_alone(
    robo: Any, home: Path, data: Path, turns: Path
) -> None:
    first, again = (robo(*REHEARSE, "--speed", "max", "--quiet", "--json") for _ in range(2))
    told = json.loads(first.out)
    assert told["state"] == "finished" and told["fills"] == 8 and told["sending"] is True
    assert steps(first.err, "filled") == []
    folders = [Path(json.loads(one.out)["run_dir"]) for one in (first, again)]
    for name in ("orders.csv", "fills.csv", "equity.csv"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_nothing_is_told_of_what_did_not_happen(
    robo: Any, home: Path, data: Path, turns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = threading.Event()
    pressed.set()  # Ctrl-C while it gets ready.
    monkeypatch.setattr("robo_trader.cli.trading.stopping", lambda place: contextlib.nullcontext(pressed))
    answer = robo(*REHEARSE, "--speed", "max")
    assert "interrupted: 0 bars" in answer.out and "REHEARSAL on" not in answer.err
    assert "next" not in answer.err


def test_robo_toml_says_the_rest(robo: Any, home: Path, data: Path, turns: Path) -> None:
    (home / "robo.toml").write_text(
        '[run]\nstrategy = "turns.py"\nsymbols = ["SPY"]\nstart = 2024-03-01\nreport = false\ncash = 5000\n'
        '[bars]\nsource = "data"\n[live]\nspeed = "max"\n[strategies.turns]\nhold = 7\n'
    )
    told = json.loads(robo("paper", "--json").out)
    assert told["bars"] == 42 and told["orders"] == 6 and told["cash"] < 5100


def test_what_the_guard_did_is_told(robo: Any, home: Path, data: Path, turns: Path) -> None:
    (home / "limits.toml").write_text("[position]\nlimit = 0.005\nindex_funds = 0.005\n")
    answer = robo(*REHEARSE, "--speed", "max", "--risk", "limits.toml")
    assert answer.code == 0, answer.err
    resized = steps(answer.err, "resized")
    assert resized and resized[0].startswith("BUY 10 SPY Market → ") and "limit 0.5 %" in resized[0]


def test_a_strategy_that_raises_is_one_line(robo: Any, home: Path, data: Path) -> None:
    (home / "turns.py").write_text(
        "import backtrader as bt\n\nclass Turns(bt.Strategy):\n    def next(self):\n        1 / 0\n"
    )
    answer = robo(*REHEARSE, "--speed", "max")
    assert answer.code == 1 and "ZeroDivisionError" in answer.err and "Traceback" not in answer.err
    with read_file(home / ".robo" / "journal.sqlite") as journal:
        assert [run["state"] for run in journal.runs()] == ["failed"]


FLOOD = """
import backtrader as bt

class Flood(bt.Strategy):
    def next(self):
        for _ in range(40):
            self.buy(size=3)
"""


def test_a_flood_of_vetoes_is_counted(robo: Any, home: Path, data: Path) -> None:
    (home / "flood.py").write_text(FLOOD)
    words = ("paper", "flood.py", "--bars", "data", "--symbols", "SPY", "--start", "2024-03-26")
    answer = robo(*words, "--speed", "max", "--no-report")
    assert answer.code == 0, answer.err
    vetoed = steps(answer.err, "vetoed")
    assert len(vetoed) == 5 * len(steps(answer.err, "decided")) > 0
    assert "and 34 more orders vetoed at that moment" in answer.err


# -- bad words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("paper", "nobody"), 1, "nobody"),
        (("paper",), 2, "nobody said which strategy"),
        (("paper", "turns.py", "--bars", "data", "--speed", "fast"), 2, "unknown speed 'fast'"),
        (("paper", "turns.py", "--ib", "nowhere", "--symbols", "SPY"), 2, "'nowhere' is no HOST:PORT"),
        (
            ("paper", "turns.py", "--start", "2024-03-02", "--end", "2024-03-01"),
            2,
            "lies after end 2024-03-01",
        ),
        (("paper", "turns.py", "--client-id", "one"), 2, "--client-id must be a whole number"),
        (("paper", "turns.py", "--bars", "nowhere"), 1, "no folder and no bar source 'nowhere'"),
        (("live", "turns.py", "--symbols", "SPY"), 2, "say where: --ib 127.0.0.1:4001"),
        (
            ("paper", "turns.py", "--ib", "127.0.0.1:1", "--bars", "data", "--speed", "max"),
            2,
            "--bars, --speed: for rehearsals only",
        ),
    ],
)
def test_wrong_words_are_one_line(
    robo: Any, data: Path, turns: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    answer = robo(*words)
    assert answer.code == code and says in answer.err and "Traceback" not in answer.err
    assert answer.err.startswith("error: ") and len(answer.err.splitlines()) == 1


def test_no_gateway_there(robo: Any, turns: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        answer = robo("paper", "turns.py", "--ib", f"127.0.0.1:{port}", "--symbols", "AAPL")
    assert answer.code == 1 and f"nothing listens at 127.0.0.1:{port}" in answer.err


# -- a gateway elsewhere ----------------------------------------------------------------------------


@pytest.fixture
def gateway() -> Iterator[EmbeddedGateway]:
    """The demo universe: always open, in real time."""
    settings = GatewaySettings(port=0, control_port=0)
    with EmbeddedGateway(lambda: demo_gateway(settings)) as running:
        yield running


class Running:
    """A command in a process of its own, its stderr read as it comes."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "robo_trader", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        self.err = ""

    def until(self, words: str) -> None:
        """Read stderr until a line holds `words`; one that does not in two minutes is ended."""
        assert self.process.stderr is not None
        watch = threading.Timer(120, self.process.kill)
        watch.start()
        try:
            for line in self.process.stderr:
                self.err += line
                if words in line:
                    return
        finally:
            watch.cancel()
        raise AssertionError(f"{words!r} never came: {self.err}")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and stdout."""
        told, rest = self.process.communicate(timeout=120)
        self.err += rest
        return self.process.returncode, told


@pytest.fixture
def running(home: Path) -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def begin(*words: object) -> Running:
        begun.append(Running(home, *words))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture
def replay() -> Iterator[EmbeddedGateway]:
    """A gateway that plays daily bars of SPY, twenty days a second, from the first client on."""
    settings = GatewaySettings(port=0, control_port=0, matching="bars", speed="20d/s")
    (frame,) = bundled_bars(["SPY"])
    with EmbeddedGateway(lambda: replay_gateway(settings, [frame], start="2013-01-02")) as running:
        yield running


#: Buys once, as soon as it may.
EAGER = """
import backtrader as bt

class Eager(bt.Strategy):
    def next(self):
        if not self.position and not getattr(self, "asked", None):
            self.asked = self.buy(size=3)
"""


def eager(home: Path, port: int, *more: object) -> tuple[object, ...]:
    (home / "eager.py").write_text(EAGER)
    return ("paper", "eager.py", "--ib", f"127.0.0.1:{port}", "--symbols", "SPY", *more)


def test_a_preview_sends_nothing_and_ends_by_ctrl_c(
    running: Callable[..., Running], home: Path, replay: EmbeddedGateway
) -> None:
    one = running(*eager(home, replay.port))
    one.until("PREVIEW: everything is computed and journalled, nothing is sent")
    one.until("status --watch' shows what goes on")
    one.until("decided   BUY 3 SPY Market")
    one.interrupt()
    code, told = one.end()
    assert code == 0, one.err
    assert "PREVIEW: nothing was sent" in told
    assert "stopping; orders and positions stay at 127.0.0.1" in one.err
    assert replay.control("state")["orders"] == []


def test_a_session_whose_lines_nobody_reads_goes_on(home: Path, data: Path, turns: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_trader", *REHEARSE, "--speed", "max"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=home,
    )  # fmt: skip
    assert process.stderr is not None and "REHEARSAL" in process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    with read_file(home / ".robo" / "journal.sqlite") as journal:
        assert [run["state"] for run in journal.runs()] == ["finished"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal hangs up here")
def test_a_terminal_that_goes_away_ends_a_session_gracefully(
    running: Callable[..., Running], home: Path, replay: EmbeddedGateway
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Under nohup programs inherit that it is ignored.
    try:
        one = running(*eager(home, replay.port))
    finally:
        signal.signal(signal.SIGHUP, before)
    one.until("status --watch' shows what goes on")
    one.process.send_signal(signal.SIGHUP)
    code, told = one.end()
    assert code == 0 and "PREVIEW: nothing was sent" in told and "stopping" in one.err


def test_sending_fills_and_the_next_start_goes_on(
    running: Callable[..., Running], home: Path, replay: EmbeddedGateway
) -> None:
    words = eager(home, replay.port, "--send", "--account", "DU1234567")
    one = running(*words)
    one.until("SENDING orders to DU1234567")
    one.until("filled    BUY 3 SPY @ ")
    one.interrupt()
    code, told = one.end()
    assert code == 0 and "holds 3 SPY" in told, one.err
    again = running(*words, "--json")
    again.until("going on with the run")
    again.interrupt()
    code, text = again.end()
    found = json.loads(text)
    assert code == 0 and found["positions"] == {"SPY": 3.0} and found["session"] == 2, again.err
    assert found["differences"] == []
    assert [order["filled"] for order in replay.control("state")["orders"]] == [3]


def test_symbols_are_named(robo: Any, turns: Path, gateway: EmbeddedGateway) -> None:
    answer = robo("paper", "turns.py", "--ib", f"127.0.0.1:{gateway.port}")
    assert "nobody said what to trade" in answer.err and answer.code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--send",), 3, "add --account DU1234567"),
        (("--send", "--account", "DU1234576"), 1, "account 'DU1234576' does not belong to this login"),
        (("--symbols", "NOPE"), 1, "the broker knows no contract NOPE"),
        (("--timeframe", "7m"), 2, "live bars of 7m are not built"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    robo: Any, home: Path, gateway: EmbeddedGateway, words: tuple[str, ...], code: int, says: str
) -> None:
    answer = robo(*eager(home, gateway.port), *words)
    assert answer.code == code and says in answer.err and "Traceback" not in answer.err, answer
    assert gateway.control("state")["orders"] == []


# -- Ctrl-C -----------------------------------------------------------------------------------------


def test_a_rehearsal_stops_after_the_bar_and_keeps_its_part(
    running: Callable[..., Running], data: Path, turns: Path
) -> None:
    # Twenty seconds are left after the first fill: a slow machine still finds it running.
    one = running(*REHEARSE, "--speed", "2d/s")
    one.until("filled")
    one.process.send_signal(signal.SIGTERM)
    code, told = one.end()
    assert code == 130 and "interrupted" in told and "a REHEARSAL" in told, one.err


def test_a_second_ctrl_c_ends_a_strategy_that_hangs(
    running: Callable[..., Running], home: Path, data: Path
) -> None:
    (home / "turns.py").write_text(
        "import sys\nimport backtrader as bt\n\nclass Turns(bt.Strategy):\n    def next(self):\n"
        "        print('hanging', file=sys.stderr, flush=True)\n        while True:\n            pass\n"
    )
    one = running(*REHEARSE, "--speed", "max")
    one.until("hanging")
    one.interrupt()
    one.until("Ctrl-C again ends it at once")
    one.interrupt()
    code, _ = one.end()
    assert code == 130 and "Traceback" not in one.err
