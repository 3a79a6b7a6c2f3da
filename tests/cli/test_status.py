"""`robo status`: what it tells of sessions, once, as JSON, and as a page that follows what goes on."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from robo_trader import clock
from robo_trader.cli.situation import Observer
from robo_trader.cli.watch import fitting
from robo_trader.config import load_config
from robo_trader.journal.live import open_journal
from robo_trader.records import Decision, Fill, Intent
from robo_trader.risk.usage import Usage, plain, publish
from robo_trader.state import State, open_state

pty = pytest.importorskip("pty")

RUN = "20261120T144500Z-news_momentum-a1b2c3"
NAME = f"session/{RUN}"
TOLD: dict[str, Any] = {
    "mode": "paper", "strategy": "news_momentum", "run": RUN, "session": 3, "account": "DU1234567",
    "ib": "127.0.0.1:4002", "client_id": 7, "send": True, "market_time": "2026-11-20T14:45:00Z",
    "halted_at": None, "phase": "trading", "line": "up", "positions": {"AAPL": 120, "MSFT": 0}, "orders": 1,
    "value": 101234.5, "cash": 45000.0, "last_bar": None, "trouble": ["quotes of NVDA are delayed"],
}  # fmt: skip


def beat(store: State, *, ago: float = 0.0, name: str = NAME, **other: Any) -> None:
    with clock.fixed(clock.now() - timedelta(seconds=ago)):
        store.heartbeat(name, **{**TOLD, **other})


def write_steps() -> None:
    """Journal a run: an order filled, one that was made smaller and works, and one refused."""
    with open_journal() as journal:
        run = journal.begin(RUN, mode="paper", strategy="news_momentum")
        at = datetime(2026, 11, 20, 14, 44, tzinfo=UTC)

        def decide(number: int, symbol: str, action: Any, size: float, *reasons: str) -> None:
            wanted = Intent(
                order_id=number, time=at, symbol=symbol, side="BUY", size=120, type="Market", because="news"
            )
            run.decide([Decision(intent=wanted, action=action, size=size, reasons=reasons)])

        decide(1, "AAPL", "allow", 120)
        fill = Fill(time=at, symbol="AAPL", side="BUY", size=120, price=187.4, commission=1.0, order_id=1)
        run.fill(fill, "e1")
        run.order_state(1, "Completed", filled=120)
        decide(2, "MSFT", "resize", 80, "position 10 %")
        run.order_state(2, "Accepted")
        decide(3, "NVDA", "veto", 0, "sector 30 %")
        run.finish("interrupted")


@pytest.fixture
def store(home: Path) -> State:
    return open_state()


@pytest.fixture
def still() -> Iterator[None]:
    """Stop the clock, so that a sign of life does not age while a slow machine looks at it."""
    with clock.fixed(datetime.now(UTC)):
        yield


def test_a_session_is_told_with_what_it_did(robo: Any, store: State, still: None) -> None:
    write_steps()
    beat(store)
    answer = json.loads(robo("status", "--json").out)
    (session,) = answer["sessions"]
    assert answer["problems"] == [] and session["account"] == "DU1234567" and not session["silent"]
    assert [(row["symbol"], row["price"]) for row in session["fills"]] == [("AAPL", "187.4")]
    assert [(row["symbol"], row["action"], float(row["decided"])) for row in session["decisions"]] == [
        ("NVDA", "veto", 0), ("MSFT", "resize", 80), ("AAPL", "allow", 120),
    ]  # fmt: skip
    (working,) = session["working"]
    assert (working["number"], working["status"]) == (2, "Accepted")
    shown = " ".join(robo("status").out.split())
    assert "SENDING to a paper account" in shown and "holds 120 AAPL" in shown and "MSFT" not in shown
    assert "trouble: quotes of NVDA are delayed" in shown


def test_a_changed_order_is_shown_as_it_is_now(robo: Any, store: State, still: None) -> None:
    at = datetime(2026, 11, 20, 14, 44, tzinfo=UTC)
    with open_journal() as journal:
        run = journal.begin(RUN, mode="paper", strategy="news_momentum")
        made = Intent(
            order_id=1, time=at, symbol="MSFT", side="BUY", size=10, type="Limit", limit=400.0, because="dip"
        )
        run.decide([Decision(intent=made)])
        run.order_state(1, "Accepted")
        for limit, size in ((405.0, 12.0), (410.0, 14.0)):
            change = replace(made, limit=limit, size=size, modifies=True, because="nearer")
            run.decide([Decision(intent=change)])
            if size == 12.0:
                run.modified(1, run.asked(1), size, limit, None)
        run.finish("interrupted")
    beat(store)
    (session,) = json.loads(robo("status", "--json").out)["sessions"]
    (working,) = session["working"]
    assert (float(working["size"]), float(working["limit_price"])) == (12, 405), "410 was not answered"
    assert [(row.get("changes"), row["because"]) for row in session["decisions"]] == [
        (1, "nearer"), (1, "nearer"), (None, "dip"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"send": False}, "PREVIEW: nothing is sent"),
        ({"send": False, "mode": "live"}, "PREVIEW: nothing is sent"),
        ({"mode": "live"}, "SENDING, REAL MONEY"),
        ({"rehearsal": True}, "REHEARSAL on a simulated gateway"),
    ],
)
def test_what_becomes_of_orders_is_said_plainly(
    robo: Any, store: State, told: dict[str, Any], says: str
) -> None:
    beat(store, **told)
    assert says in " ".join(robo("status").out.split())


def test_why_nothing_new_is_sent_is_said(robo: Any, store: State) -> None:
    beat(store, blocked="2 differences from the broker's books; see 'robo reconcile'")
    assert "no new orders: 2 differences" in " ".join(robo("status").out.split())


def test_a_session_that_stopped_giving_signs_of_life_is_silent(robo: Any, store: State, still: None) -> None:
    beat(store, ago=30)
    beat(store, ago=30, name="session/other", phase="stopped", line="up")
    beat(store, ago=100_000, name="session/older")
    rows = {row["name"]: row["silent"] for row in json.loads(robo("status", "--json").out)["sessions"]}
    assert rows == {NAME: True, "session/other": False, "session/older": True}
    text = " ".join(robo("status").out.split())
    assert f"{NAME}: silent for 30 s" in text
    assert "session/other: stopped, last sign of life 30 s ago" in text
    assert "line" not in text.split("session/other: ")[1].partition("earlier session")[0]
    assert "1 earlier session, 1 of which ended without a word; the last was session/older, 28 h ago" in text


def test_a_store_that_is_away_is_said(robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_trader.state.redis_store.PATIENCE", 0.0)
    (home / "robo.toml").write_text('[state]\nurl = "redis://:secret@127.0.0.1:1/0"\n')
    answer = robo("status")
    assert answer.code == 0 and answer.out.startswith("REDUCING")
    assert "who is running is not known" in answer.err and "secret" not in answer.out + answer.err


@pytest.mark.parametrize("url", ["", "elsewhere.sqlite", "env:NOT_SET_HERE"])
def test_a_journal_that_is_away_is_said(robo: Any, home: Path, store: State, url: str) -> None:
    if url:
        (home / "robo.toml").write_text(f'[journal]\nurl = "{url}"\n')
    beat(store)
    answer = robo("status")
    assert answer.code == 0 and "SENDING to a paper account" in " ".join(answer.out.split())
    assert "orders and fills are not shown" in answer.err


def test_what_a_session_wrote_cannot_act_on_the_terminal(robo: Any, store: State) -> None:
    beat(store, strategy="\x1b[2Jevil", trouble=["\x1b]0;title\x07"], positions={"\x1b[1m": 1}, value="lots")
    for words in (("status",), ("status", "--json")):
        answer = robo(*words)
        assert answer.code == 0 and "\x1b" not in answer.out


def test_without_a_terminal_watch_tells_once(robo: Any, store: State, still: None) -> None:
    beat(store)
    assert robo("status", "--watch").out == robo("status").out


def test_a_terminal_that_only_types_is_told_once(terminal: Any, store: State) -> None:
    beat(store)
    screen = terminal("status", "--watch", term="dumb")
    screen.until(r"SENDING\s+to\s+a\s+paper\s+account")
    assert screen.process.wait(60) == 0


# -- following --------------------------------------------------------------------------------------


class Terminal:
    """`robo` on a terminal of its own."""

    def __init__(self, folder: Path, *words: str, lines: int = 50, term: str = "xterm-256color") -> None:
        self._ours, theirs = pty.openpty()
        self._raw = b""
        env = {**os.environ, "TERM": term, "COLUMNS": "110", "LINES": str(lines)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "robo_trader", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    @property
    def text(self) -> str:
        """What came since `forget`, colours left out. A read may end within a letter or an escape."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._raw.decode("utf-8", "replace"))

    def until(self, words: str) -> None:
        """Read until `words`, a pattern, are on the screen; a page may come in several reads."""
        end = time.monotonic() + 60
        while not re.search(words, self.text):
            assert time.monotonic() < end, f"{words!r} never came: {self.text[-2000:]}"
            ready, _, _ = select.select([self._ours], [], [], 60)
            assert ready, f"{words!r} never came: {self.text[-2000:]}"
            self._raw += os.read(self._ours, 65_536)

    def forget(self) -> None:
        self._raw = b""

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            while os.read(self._ours, 65_536):
                pass
        except OSError:  # Linux ends a terminal without a program this way.
            pass
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(home: Path) -> Iterator[Any]:
    opened: list[Terminal] = []

    def open_terminal(*words: str, **more: Any) -> Terminal:
        opened.append(Terminal(home, *words, **more))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_the_page_follows_until_ctrl_c(terminal: Any, store: State) -> None:
    write_steps()
    beat(store)
    publish(store, [("position", Usage("AAPL", 0.09, 0.1))])
    screen = terminal("status", "--watch")
    for words in ("ACTIVE", "SENDING to a paper account", "127.0.0.1:4002, client 7", "101,234.50",
                  "quotes of NVDA are delayed", "Working orders", "187.40", "resize → 80", "sector 30 %",
                  "Limits", "used as of", "position", "████"):  # fmt: skip
        screen.until(re.escape(words))
    screen.forget()
    quotes = {"NVDA": {"bid": 900.125, "ask": None, "delayed": True, "halted": True}}
    beat(store, ago=30, line="down", quotes=quotes, blocked="books differ", broker={"BuyingPower": "500000"})
    screen.until("silent for")
    screen.until("● down")
    screen.until("buying power +500,000.00")
    screen.until("no new orders: books differ")
    screen.until(r"NVDA +– +900.125 +– +halted delayed")
    store.put("halt", {"state": "HALTED", "who": "me", "when": "2026-11-20T15:00:00Z", "why": "look at it"})
    screen.until("look at it")
    screen.until("HALTED not obeyed yet")
    beat(store, halted_at="2026-11-20T15:00:01Z")
    screen.forget()
    screen.until("(?<!not )obeyed")
    assert screen.interrupt() == 0


def test_the_page_fits_a_small_terminal_and_survives_a_journal_that_goes(
    terminal: Any, store: State, home: Path
) -> None:
    write_steps()
    beat(store)
    screen = terminal("status", "--watch", lines=20)
    screen.until("Last decisions")
    (home / ".robo" / "journal.sqlite").write_bytes(b"this is no database" * 100)
    screen.until("orders and fills are not shown")
    assert screen.interrupt() == 0


def screen_of(lines: int, columns: int) -> list[str]:
    """Return the page of what goes on now as a terminal of that size shows it."""
    console = Console(width=columns, height=lines, file=io.StringIO(), legacy_windows=False)
    console.print(fitting(Observer(load_config(None)).look(), console))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the StringIO of above


def test_what_has_stopped_sends_nothing(robo: Any, store: State) -> None:
    write_steps()
    beat(store, ago=60, phase="stopped")
    page = "\n".join(screen_of(50, 100))
    assert " STOPPED " in page and "was" in page and "● up" not in page
    assert page.count("SENDING to a paper account") == 1 and "Last fills" not in page
    # What it left behind is shown all the same.
    assert re.search(r"Positions +AAPL 120", page) and "Accepted" in page
    text = " ".join(robo("status").out.split())
    assert "stopped, " in text and "was SENDING to a paper account" in text


def test_the_line_of_a_silent_session_is_not_known(robo: Any, store: State) -> None:
    beat(store, ago=30)
    assert "● up" not in "\n".join(screen_of(50, 100)) and "line up" not in robo("status").out


def test_the_halt_is_told_once(robo: Any, store: State) -> None:
    store.put("halt", {"state": "HALTED", "who": "me", "when": "2026-11-20T15:00:00Z", "why": "look at it"})
    told = Observer(load_config(None)).look().halt.text()
    beat(store, trouble=[told, "quotes are late"])
    page = "\n".join(screen_of(50, 118))
    assert page.count("look at it") == 1 and "quotes are late" in page
    assert robo("status").out.count("look at it") == 1


def test_what_blocks_orders_is_told_once_and_troubles_end_with_the_session(robo: Any, store: State) -> None:
    beat(store, blocked="books differ", trouble=["no new orders: books differ", "quotes are late"])
    page = "\n".join(screen_of(50, 100))
    assert page.count("books differ") == robo("status").out.count("books differ") == 1
    assert "quotes are late" in page
    beat(store, phase="stopped", trouble=["quotes are late"])
    assert "quotes are late" not in "\n".join(screen_of(50, 100)) + robo("status").out


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
@pytest.mark.parametrize("lines", [4, 10, 24, 50, 200])
def test_the_page_fits_and_figures_are_whole(store: State, lines: int, columns: int) -> None:
    write_steps()
    for i in range(3):
        beat(store, name=f"session/{i}", strategy=f"strategy_{i}", value=101234.5 + i)
    shown = screen_of(lines, columns)
    page = "\n".join(shown)
    assert len(shown) <= lines and max(map(len, shown)) <= columns
    for i in range(3):
        told = f"101,23{4 + i}.50" in page
        assert told or re.search(r"and \d more: a taller terminal", page)
    if lines == 200:
        assert "11-20 14:44:00" in page and "187.40" in page and "Accepted" in page and "sector 30 %" in page


def test_each_of_several_sessions_has_limits_of_its_own(robo: Any, store: State) -> None:
    for name, used in (("one", 0.09), ("two", 0.05)):
        rows = [("position", Usage("AAPL", used, 0.1))]
        publish(store, rows)
        beat(store, name=f"session/{name}", strategy=name, used=plain(rows))
    found = json.loads(robo("status", "--json").out)["limits"]
    assert [(row["by"], row["used"]) for row in found if row["used"] is not None] == [
        ("one", 0.09),
        ("two", 0.05),
    ]
    page = "\n".join(screen_of(80, 100))
    assert "one: AAPL" in page and "two: AAPL" in page and "two: AAPL" in robo("status").out


def test_json_is_one_object_a_line(home: Path, store: State) -> None:
    beat(store)
    command = [sys.executable, "-m", "robo_trader", "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=home, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        beat(store, value=5.0)
        # It may have looked once more before that.
        told = (json.loads(line) for line in islice(process.stdout, 60))
        second = next(one for one in told if one["sessions"][0]["value"] != 101234.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert first["at"] < second["at"]
    assert first["sessions"][0]["value"] == 101234.5 and second["sessions"][0]["value"] == 5.0
