"""A session at a gateway that hears the news, is killed at any moment, and is started again.

    python tests/live/killed_hearing.py --kills 50

Each session is a process of its own and writes a byte whenever its strategy has heard something; each
SIGKILL comes after a random number of these. Whatever was stored and said must then stand once in the
journal of the run; the strategy must have heard all of it, but for what it was about to hear when it was
killed, and must not have acted twice on anything.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.events.store import EventStore
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.journal.reading import read_file
from robo_trader.live.news.log import ReadingLog
from robo_trader.live.outcome import Told
from robo_trader.live.trading import trade
from robo_trader.records import Alert, Event, Signal, View
from robo_trader.strategy import Strategy

_PLUGIN = """
from robo_trader import hookimpl

@hookimpl
def robo_register(add):
    add.event_source("wire", "killed_hearing:Wire")
    add.analyst("reader", "killed_hearing:Reader")
"""
SYMBOLS = ("AAPL", "MSFT")


class Wire:
    """Publishes the events that `folder` asks for, one more at each request; never forgets any."""

    def __init__(self, folder: str, count: int) -> None:
        self._start = datetime.fromisoformat((Path(folder) / "start").read_text())
        self._count, self._shown = count, 0

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        self._shown = min(self._count, self._shown + 1)
        for number in range(self._shown):
            yield Event(
                kind="news", title=f"story {number}", id=f"e{number}", symbols=SYMBOLS,
                published_at=self._start + timedelta(milliseconds=number),
            )  # fmt: skip


class Reader:
    """Changes its mind with every event."""

    kinds = ("news",)

    def read(self, event: Event) -> Any:
        score = 0.2 + int(event.title.split()[1]) % 7 / 10
        return [
            View(symbol=symbol, score=score, confidence=0.9, horizon=timedelta(hours=2))
            for symbol in event.symbols
        ]


class Listens(Strategy):
    """Writes down what it hears, and orders something for each signal."""

    params = dict(file=None)

    def __init__(self) -> None:
        self.signal("news", self.data)

    def notify_event(self, event: Event) -> None:
        self._note(str(event.id))

    def notify_signal(self, signal: Signal) -> None:
        self.buy(self.getdatabyname(signal.symbol), size=1, because=signal)
        self._note(key(signal))

    def _note(self, text: str) -> None:
        os.write(self.p.file, f"{text}\n".encode())
        os.write(1, b".")


def key(signal: Signal) -> str:
    return f"{signal.name}/{signal.symbol}/{signal.at.isoformat()}"


def session(folder: Path, port: int, count: int) -> None:
    """Hear all that is told; end once the journal has the last event and what followed from it."""
    sys.path.insert(0, str(folder / "site"))
    os.chdir(folder)
    stop = threading.Event()
    file = os.open(folder / "heard", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def alert(one: Alert) -> None:
        with (folder / "alerts").open("a") as alerts:
            alerts.write(f"{one.level}: {one.title}: {one.text}\n")

    def watch() -> None:
        while not stop.wait(0.1):
            if sorted(journalled(folder)) == sorted(expected(folder, count)):
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    trade(
        Listens, ib=f"127.0.0.1:{port}", symbols=SYMBOLS, send=True, account="DU1234567", stop=stop,
        analyst="reader", risk="off", params={"file": file}, save=False, told=Told(alert=alert),
        config=folder / "robo.toml", flags={"live.history": 30},
    )  # fmt: skip


def expected(folder: Path, count: int) -> list[str]:
    """Return what is to be heard of all events; a part of it before the last one was read."""
    path = next((folder / ".robo" / "news").glob("*.sqlite"), None)
    if path is None:
        return ["more"]
    log = ReadingLog(path)
    read, signals = sum(log.counts().values()), log.signals()
    log.close()
    events = [f"e{number}" for number in range(count)]
    return [*events, *(key(one.signal) for one in signals), *(() if read == count else ("more",))]


def journalled(folder: Path) -> list[str]:
    """Return what the journal says was heard."""
    with read_file(folder / ".robo" / "journal.sqlite") as reader:
        signals = [f"{r['name']}/{r['symbol']}/{r['at'].isoformat()}" for r in reader.rows("signals")]
        return [*(row["event_id"] for row in reader.rows("events")), *signals]


def crash(folder: Path, count: int, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` sessions over `folder`, let the last one end by itself; return what was found."""
    dice = random.Random(seed)
    info = folder / "site" / "robo_killed-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robo-killed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[robo_trader]\nkilled = zz_killed\n")
    (folder / "site" / "zz_killed.py").write_text(_PLUGIN)
    (folder / "start").write_text(clock.now().isoformat())
    (folder / "alerts").touch()
    (folder / "robo.toml").write_text(
        f'[events]\nsources = ["wire"]\nevery = "20ms"\n[events.wire]\nfolder = "{folder}"\ncount = {count}\n'
    )
    found: Counter[str] = Counter()
    with EmbeddedGateway(lambda: demo_gateway(GatewaySettings(port=0, control_port=0))) as gateway:
        command = [sys.executable, __file__, "--session", str(folder), "--port", str(gateway.port)]
        for kill in range(kills + 1):
            with (
                (folder / "errors").open("wb") as errors,
                subprocess.Popen(
                    [*command, "--count", str(count)], stdout=subprocess.PIPE, stderr=errors
                ) as process,
            ):
                assert process.stdout is not None
                if kill == kills:
                    process.stdout.read()
                elif process.stdout.read(dice.randint(1, max(2, 3 * count // (kills + 1)))):
                    process.kill()
                    found["killed"] += 1
                process.stdout.close()
                code = process.wait()
            if code and (kill == kills or code > 0):
                raise AssertionError(
                    f"a session ended with {code}: {(folder / 'errors').read_text()[-3000:]}"
                )
    return found + judge(folder, count, found["killed"])


def judge(folder: Path, count: int, kills: int) -> Counter[str]:
    """Raise `AssertionError` unless the journal has all once, and the strategy heard it once."""
    wanted = expected(folder, count)
    assert len(wanted) == len(set(wanted)) and "more" not in wanted
    assert sorted(journalled(folder)) == sorted(wanted), "the journal lacks something, or has it twice"
    with read_file(folder / ".robo" / "journal.sqlite") as reader:
        assert len(list(reader.rows("runs"))) == 1
        lives = len(list(reader.rows("sessions")))
        acted = Counter(row["signal"] for row in reader.rows("decisions"))
        chained = {row["signal"] for row in reader.rows("signal_evidence") if row["view"] and row["event"]}
    alerts = (folder / "alerts").read_text()
    assert "journal" not in alerts and "critical" not in alerts, alerts
    assert len(chained) == len(wanted) - count, "a signal has lost what is behind it"
    assert None not in acted and max(acted.values()) == 1, f"it acted on nothing, or twice: {acted}"
    heard = Counter((folder / "heard").read_text().split())
    unheard = [what for what in wanted if what not in heard]
    assert set(heard) <= set(wanted) and len(unheard) <= kills, f"not heard: {unheard}"
    # It heard these again before the journal had them: nothing can have followed from the first time.
    again = [what for what in wanted if heard[what] > 1]
    path = next((folder / ".robo" / "news").glob("*.sqlite"))
    with EventStore(path) as store:
        stored = len(store.as_of(clock.now() + timedelta(hours=1), revisions=True))
    assert stored == count
    return Counter(
        lives=lives, events=count, signals=len(wanted) - count, unheard=len(unheard), again=len(again),
        orders=sum(acted.values()),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--count", type=int, default=200, help="events")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.session is not None:
        session(given.session, given.port, given.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = crash(Path(folder), given.count, given.kills, given.seed)
    sys.stdout.write(", ".join(f"{number:,} {name}" for name, number in found.items()) + "\n")


if __name__ == "__main__":
    main()
