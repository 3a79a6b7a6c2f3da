"""The news beside a session: what was asked for is read, handed over in order, and stops nobody."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import backtrader as bt
import desk_parts
import numpy as np
import pytest

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns, to_ns
from robo_trader.config import Config, load_config
from robo_trader.engine.timeline import Phase
from robo_trader.errors import UsageError
from robo_trader.events.store import EventStore
from robo_trader.events.tape import EventTape
from robo_trader.feeds.bars import BarsFeed
from robo_trader.indicators import LLMSignal
from robo_trader.inputs import Inputs
from robo_trader.live.news.desk import NewsDesk
from robo_trader.live.news.hearing import Hearing, followed, played
from robo_trader.live.news.log import Numbered, ReadingLog, Row
from robo_trader.live.news.parts import make_analysts
from robo_trader.live.news.signals import LiveTape
from robo_trader.plugins import PluginHost, load_host
from robo_trader.records import Alert, Event, Signal
from robo_trader.roles import Roles
from robo_trader.signals.scoring import trial_bars
from robo_trader.strategy import Strategy, StrategyContext

PLUGIN = """
from robo_trader import hookimpl

@hookimpl
def robo_register(add):
    for name in ("Wire", "Dead", "Hangs"):
        add.event_source(name.lower(), f"desk_parts:{name}")
    for name in ("Hopeful", "Gloomy", "Wrong", "Looks"):
        add.analyst(name.lower(), f"desk_parts:{name}")
    add.signal("rising", "desk_parts:Rising")
"""
WORDS = (
    "alpha bravo charlie delta", "echo foxtrot golf hotel", "india juliett kilo lima",
    "mike november oscar papa",
)  # fmt: skip


def event(number: int, *, ago: timedelta = timedelta(0), **more: Any) -> Event:
    given = {"kind": "news", "title": WORDS[number % 4], "symbols": ("AAPL",), "source": f"s{number}", **more}
    return Event(id=f"e{number}", published_at=clock.now() - ago, **given)


class World:
    """A folder with a configuration and a plugin; makes desks and waits for what they bring."""

    def __init__(self, folder: Path) -> None:
        info = folder / "site" / "robo_desk-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robo-desk\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[robo_trader]\ndesk = zz_desk\n")
        (folder / "site" / "zz_desk.py").write_text(PLUGIN)
        self.folder = folder
        self.alerts: list[Alert] = []
        self.changed = threading.Event()
        self.conf, self.host = self.configured()

    def configured(self, *sources: str, analyst: str = "hopeful") -> tuple[Config, PluginHost]:
        flags = {
            "events.sources": list(sources or ("wire",)), "events.every": "5ms", "live.drain": "1s",
            "events.store": str(self.folder / "events.sqlite"), "intelligence.analyst": analyst,
        }  # fmt: skip
        self.conf = load_config(flags=flags, environ={})
        self.host = load_host(self.conf, environ={}, path=[str(self.folder / "site")])
        return self.conf, self.host

    def report(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self.changed.set()

    def desk(self, *roles: str, **more: Any) -> NewsDesk:
        return NewsDesk(
            self.conf,
            self.host,
            ["AAPL", "MSFT"],
            roles=roles,
            report=self.report,
            wake=self.changed.set,
            **more,
        )

    def until(self, there: Callable[[], Any], seconds: float = 60.0) -> None:
        """Wait for something that `report` or `wake` brings about."""
        end = clock.monotonic() + seconds
        while not there():
            left = end - clock.monotonic()
            assert left > 0, f"waited {seconds:g} s in vain; alerts: {[a.text for a in self.alerts]}"
            self.changed.wait(min(left, 0.5))
            self.changed.clear()

    def taken(self, desk: NewsDesk, events: int, signals: int) -> tuple[list[Event], list[Numbered]]:
        """Take until there are as many of both."""
        found: tuple[list[Event], list[Numbered]] = ([], [])

        def enough() -> bool:
            for mine, new in zip(found, desk.take(), strict=True):
                mine += new  # type: ignore[operator]
            return len(found[0]) >= events and len(found[1]) >= signals

        self.until(enough)
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    desk_parts.GATE.clear()
    yield World(tmp_path)
    desk_parts.GATE.set()
    for queue in (desk_parts.TOLD, desk_parts.LEFT):
        while not queue.empty():
            queue.get()


def test_an_event_is_there_before_its_signal_and_the_signal_knows_why(world: World) -> None:
    before = clock.now()
    with world.desk("news") as desk:
        desk_parts.TOLD.put(event(1, title="<b>Alpha</b> bravo"))
        (told,), (one,) = world.taken(desk, 1, 1)
        assert (told.id, told.source) == ("e1", "wire")
        assert told.known_at is not None and before < told.known_at <= clock.now()
        signal = one.signal
        assert (signal.name, signal.symbol, signal.value, signal.evidence) == ("news", "AAPL", 0.3, ("e1",))
        assert signal.at >= told.known_at
        (ground,) = desk.grounds(signal)
        assert ground.event == told
        (view,) = ground.views
        assert (view.analyst, view.event_id, view.score, view.because) == ("hopeful", "e1", 1.0, "hope")
        assert desk.take() == ([], [])
    assert not desk.alive and world.alerts == []


def test_only_what_was_asked_for_is_read(world: World) -> None:
    with world.desk(events=False) as desk:
        assert not desk.alive and desk.take() == ([], [])
    with world.desk() as desk:
        desk_parts.TOLD.put(event(1))
        told, signals = world.taken(desk, 1, 0)
    assert [one.id for one in told] == ["e1"] and signals == []
    with world.desk("gloomy", events=False) as desk:
        desk_parts.TOLD.put(event(2))
        told, signals = world.taken(desk, 0, 1)
    assert told == [] and [s.signal.name for s in signals] == ["gloomy"]


def test_an_analyst_that_is_asked_for_alone_is_no_part_of_the_consensus(world: World) -> None:
    with world.desk("news", "gloomy") as desk:
        desk_parts.TOLD.put(event(1))
        _, signals = world.taken(desk, 1, 2)
        by_role = {one.signal.name: one.signal.value for one in signals}
        assert by_role == {"news": 0.3, "gloomy": -0.3}
        grounds = {one.signal.name: desk.grounds(one.signal)[0].views for one in signals}
        assert [[v.analyst for v in grounds[role]] for role in ("news", "gloomy")] == [
            ["hopeful"],
            ["gloomy"],
        ]


def test_what_fails_stops_nobody_and_is_told_once(world: World) -> None:
    world.configured("dead", "wire", analyst="wrong,hopeful")
    with world.desk("news") as desk:
        for number in range(3):
            desk_parts.TOLD.put(event(number))
        told, signals = world.taken(desk, 3, 1)
        world.until(lambda: len(world.alerts) >= 2)
    assert len(told) == 3 and signals[-1].signal.value > 0
    texts = sorted(alert.text for alert in world.alerts)
    assert len(texts) == 2 and {alert.source for alert in world.alerts} == {"news"}
    assert "analyst wrong: ValueError: as planned" in texts[0] and "the line is dead" in texts[1]


def test_an_old_event_is_stored_and_not_told(world: World) -> None:
    with world.desk("news") as desk:
        desk_parts.TOLD.put(event(1, ago=timedelta(minutes=20)))
        world.until(lambda: desk.too_old)
        desk_parts.TOLD.put(event(2))
        told, signals = world.taken(desk, 1, 1)
    assert [one.id for one in told] == ["e2"] and signals[0].signal.evidence == ("e2",)
    with EventStore(world.folder / "events.sqlite") as store:
        assert store.get("e1") is not None


def test_a_session_goes_on_where_the_one_before_it_ended(world: World) -> None:
    with world.desk("news", "gloomy") as desk:
        desk_parts.TOLD.put(event(1))
        _, signals = world.taken(desk, 1, 2)
    desk_parts.TOLD.put(event(1))
    with world.desk("news") as desk:
        (one,) = desk.restored
        assert one in signals and one.signal.name == "news"
        assert [ground.event.id for ground in desk.grounds(one.signal)] == ["e1"]
        assert desk.grounds(one.signal)[0].views[0].analyst == "hopeful"
        assert desk.recent_signals == (one,) and [e.id for e in desk.recent_events] == ["e1"]
        desk_parts.TOLD.put(event(2))
        told, _ = world.taken(desk, 1, 1)
    assert [event.id for event in told] == ["e2"], "what was told is not told again"


def test_two_sessions_take_nothing_from_each_other(world: World) -> None:
    world.conf = load_config(
        flags={"events.sources": ["wire"], "events.every": "5ms", "intelligence.analyst": "hopeful"},
        environ={},
    )
    for name in ("paper sma DU1", "live sma U1"):
        desk_parts.TOLD.put(event(1))
        with world.desk("news", name=name) as desk:
            told, signals = world.taken(desk, 1, 1)
            assert [one.id for one in told] == ["e1"] and signals[0].number == 1
            assert desk.restored == ()
    with world.desk("news", name="live sma U1") as desk:
        assert [one.number for one in desk.restored] == [1]
    assert len(list((world.folder / ".robo" / "news").glob("*.sqlite"))) == 2


def test_closing_leaves_a_source_behind_that_hangs(world: World) -> None:
    world.configured("hangs", "wire")
    with world.desk("news") as desk:
        desk_parts.TOLD.put(event(1))
        world.taken(desk, 1, 1)
        desk.close()
        assert not desk.alive and desk_parts.LEFT.empty(), "it was waited for"
        desk.close()
    assert world.alerts == []


def test_what_the_configuration_gets_wrong_is_an_error_before_anything_starts(world: World) -> None:
    for analyst, said in (("hopefull", "there is no analyst 'hopefull'"), ("", "no analyst is named")):
        world.configured(analyst=analyst)
        with pytest.raises(UsageError, match=said), world.desk("news"):
            raise AssertionError("it started")
    assert [t.name for t in threading.enumerate() if t.name == "robo news"] == []


def test_no_source_or_a_file_is_told(world: World) -> None:
    file = world.folder / "events.jsonl"
    world.configured(str(file))
    with world.desk("news") as desk:
        assert not desk.alive
    files, none = world.alerts
    assert files.level == "info" and str(file) in files.text
    assert none.level == "warning" and "stay silent" in none.text


def test_another_reader_of_the_store_ends_the_news_and_not_the_session(world: World) -> None:
    with world.desk("news") as desk:
        with EventStore(world.folder / "events.sqlite") as store:
            desk_parts.TOLD.put(event(1))
            world.taken(desk, 1, 1)
            log = ReadingLog(store.url)
            log.write([Row(event="e2", analyst="hopeful", at=1, outcome="views")], [])
            log.close()
        # The row is there already, but the pipeline looked before it was: as two readers at once would.
        desk._pipeline._log.read_already = lambda events: set()  # type: ignore[union-attr,method-assign]
        desk_parts.TOLD.put(event(2))
        world.until(lambda: any(alert.level == "critical" for alert in world.alerts))
        assert "another process reads the events" in world.alerts[-1].text
        told, _ = desk.take()
        assert [one.id for one in told] == ["e2"]


def test_an_analyst_sees_the_bars_that_the_session_has(world: World) -> None:
    frame = _bars(3)
    with world.desk("looks", frames=lambda: [frame]) as desk:
        desk.take()
        desk_parts.TOLD.put(event(1))
        _, (one,) = world.taken(desk, 1, 1)
    assert one.signal.name == "looks"


def test_models_are_asked_anew_in_a_session(world: World) -> None:
    text = """
[intelligence.llm]
provider = "local"
model = "mine"
base_url = "http://127.0.0.1:9/v1"
[intelligence.ensemble]
analysts = ["offline", "llm"]
"""
    (world.folder / "robo.toml").write_text(text)
    host = load_host(load_config(world.folder / "robo.toml", environ={}), third_party=False)
    assert host.create("analyst", "llm").mode == "record"
    made = make_analysts(host, ["llm", "ensemble", "offline"], live=True)
    assert made["llm"].mode == "live" and made["ensemble"]._members["llm"].mode == "live"


# -- a session's hearing -----------------------------------------------------------------------------


def _bars(n: int) -> BarFrame:
    return trial_bars("AAPL", n)


class Listens(Strategy):
    def notify_event(self, event: Event) -> None:
        """Hear of it."""

    def notify_signal(self, signal: Signal) -> None:
        """Hear of it."""


def made(cls: type) -> Any:
    """Return something of a class that no Cerebro has made."""
    return object.__new__(cls)


def test_what_is_played_is_what_a_backtest_hears(world: World) -> None:
    frame = _bars(80)
    ends = frame.end.tolist()
    times = [from_ns(ends[10 * k] + k * 10**12) for k in range(1, 7)]
    events = EventTape.of(
        Event(id=f"p{k}", kind="news", title=WORDS[k % 4], symbols=("AAPL",), source=f"s{k}",
              published_at=at, known_at=at)
        for k, at in enumerate(times, 1)
    )  # fmt: skip

    def refuse(symbol: str) -> BarFrame:
        raise AssertionError(symbol)

    inputs = Inputs([frame], events, None, None, load=refuse)
    roles = Roles(world.conf, world.host, inputs, lambda what, done, total: None)
    backtest = roles.tape()
    backtest.ask("rising")
    backtest.speak()
    known = 30
    with played(world.conf, world.host, inputs, lambda: [frame.where(slice(0, known))]) as hearing:
        hearing.tape.ask("rising")
        hearing.open([made(Listens)])
        hearing.skip(ends[known - 1])
        heard = []
        for end in ends[known:]:
            while (coming := hearing.next()) is not None and coming < end:
                heard += hearing.take(coming)
            known += 1
            heard += hearing.take(end)
        for name in ("news", "rising"):
            mine = [hearing.tape.at(name, "AAPL", end).value[0] for end in ends]
            theirs = backtest.columns(name, "AAPL", frame.end).value
            assert np.array(mine).tobytes() == theirs.tobytes()
        signals = [one.what for one in heard if isinstance(one.what, Signal)]
        expected = [s for s in backtest.signals if to_ns(s.at) > ends[29]]
        assert [(s.at, s.name, s.symbol, s.value) for s in signals] == [
            (s.at, s.name, s.symbol, s.value) for s in expected
        ]
        assert [one.what.id for one in heard if one.phase is Phase.EVENT] == ["p3", "p4", "p5", "p6"]
        assert [one.time for one in heard] == sorted(one.time for one in heard)
        news = next(s for s in signals if s.name == "news")
        (ground,) = hearing.grounds(news)
        assert ground.event.id in news.evidence and ground.views[0].analyst == "hopeful"


def test_what_is_followed_reaches_the_tape_and_the_session_in_order(world: World) -> None:
    frame = _bars(40)
    known = [30]
    hearing = followed(
        world.conf, world.host, ["AAPL"], lambda: [frame.where(slice(0, known[0]))],
        report=world.report, wake=world.changed.set,
    )  # fmt: skip
    with hearing:
        hearing.tape.ask("rising")
        hearing.open([made(Listens)])
        desk_parts.TOLD.put(event(1))
        heard: list[Any] = []

        def enough() -> bool:
            heard.extend(hearing.take(to_ns(clock.now())))
            return len(heard) >= 2

        world.until(enough)
        known[0] = 40
        later = hearing.take(to_ns(clock.now()))
        assert [type(one.what) for one in heard] == [Event, Signal] and heard[0].what.id == "e1"
        at = to_ns(clock.now())
        assert hearing.tape.at("news", "AAPL", at).value[0] == pytest.approx(0.3, rel=1e-3)
        assert [g.event.id for g in hearing.grounds(heard[1].what)] == ["e1"]
        assert later and {one.what.name for one in later} == {"rising"}
        assert hearing.next() is None
    with hearing_again(world, frame) as again:
        again.tape.ask("news")
        again.open([])
        assert again.tape.at("news", "AAPL", to_ns(clock.now())).value[0] == pytest.approx(0.3, rel=1e-3)


def test_a_strategy_reads_at_once_what_was_still_in_force() -> None:
    """A session starts between two bars: indicators stand on the last bar of the history already."""
    frame = _bars(30)
    said = Signal(at=from_ns(int(frame.end[-1]) - 10**9), symbol="AAPL", name="news", value=0.2)
    tape = LiveTape(frames=lambda: [frame])
    seen: list[float] = []

    class Desk(contextlib.ExitStack):
        restored = (Numbered(7, said),)
        recent_events = recent_signals = ()

    class Waits(bt.Strategy):
        def __init__(self) -> None:
            self.news = LLMSignal(self.data, role="news")
            self.smooth = bt.ind.SMA(self.news.value, period=1)

        def next(self) -> None:
            if len(self.data) == len(frame):
                seen.append(self.news.value[0])
                Hearing(tape, desk=lambda roles, events: Desk()).open([self])  # type: ignore[arg-type,return-value]
                seen.extend([self.news.value[0], self.smooth[0], len(self.news)])

    cerebro = bt.Cerebro(runonce=False, stdstats=False)
    cerebro.adddata(BarsFeed(dataname=frame, guard=False), name="AAPL")  # type: ignore[call-arg]
    cerebro.robo = StrategyContext(tape=tape)
    cerebro.addstrategy(Waits)
    cerebro.run()
    assert np.isnan(seen[0]) and seen[1:] == [0.2, 0.2, len(frame)]


def hearing_again(world: World, frame: BarFrame) -> Hearing:
    return followed(world.conf, world.host, ["AAPL"], lambda: [frame], report=world.report)
