"""What a run leaves behind when the strategy raises, when somebody presses Ctrl-C, or when it peeks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from test_honest_rules import Script, flat, once, play
from worlds import daily, intraday, ns, tape

from robo_trader.engine import EngineSettings, run
from robo_trader.strategy import Strategy

FRAME = daily("ACME", flat(6))


class Breaks(bt.Strategy):
    """Buys on the first bar and raises where it is told to."""

    params = (("where", ""), ("at", 3))

    def __init__(self) -> None:
        if self.p.where == "__init__":
            raise ValueError("broken at birth")

    def start(self) -> None:
        if self.p.where == "start":
            raise ValueError("broken at the start")

    def next(self) -> None:
        if len(self) == 1:
            self.buy(size=1)
        if self.p.where == "next" and len(self) == self.p.at:
            raise ZeroDivisionError("broken inside")
        if self.p.where == "Ctrl-C" and len(self) == self.p.at:
            raise KeyboardInterrupt

    def notify_order(self, order: Any) -> None:
        if self.p.where == "notify_order" and order.status == order.Completed:
            raise KeyError("broken answer")

    def notify_event(self, event: Any) -> None:
        if self.p.where == "notify_event":
            raise RuntimeError("broken listener")

    def stop(self) -> None:
        if self.p.where == "stop":
            raise ValueError("broken at the end")


def line_of(text: str) -> int:
    """Return the number of the line of this file that holds `text`."""
    lines = Path(__file__).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if f'"{text}"' in line)


@pytest.mark.parametrize(
    ("where", "error", "text", "bar", "fills"),
    [
        ("__init__", "ValueError", "broken at birth", None, 0),
        ("start", "ValueError", "broken at the start", None, 0),
        ("next", "ZeroDivisionError", "broken inside", "2024-01-10T21:00", 1),
        ("notify_order", "KeyError", "broken answer", "2024-01-09T21:00", 1),
        ("stop", "ValueError", "broken at the end", "2024-01-15T21:00", 1),
    ],
)
def test_a_strategy_that_raises(where: str, error: str, text: str, bar: str | None, fills: int) -> None:
    record = run([FRAME], Breaks, {"where": where})
    assert record.state == "failed"
    failure = record.failure
    assert failure is not None
    assert f"{error}: " in failure.message
    assert text in failure.message
    assert "\n" not in failure.message
    assert failure.where.startswith(f"{__file__}:{line_of(text)} in {where}: raise {error}")
    assert failure.bar_time == (ns(bar) if bar is not None else None)
    assert ("ACME" in failure.message) == (bar is not None)
    assert text in failure.traceback
    assert len(record.fills) == fills


def test_what_was_recorded_before_the_failure_is_kept() -> None:
    record = run([FRAME], Breaks, {"where": "next"})
    assert [str(date) for date in record.sessions.date] == ["2024-01-08", "2024-01-09"]
    assert [order.status for order in record.orders] == ["Completed"]
    assert record.bars_processed == 3
    assert record.failure.message.endswith("at the bar of ACME ending 2024-01-10T21:00:00Z")


def test_a_handler_that_raises_names_the_event() -> None:
    events = tape([ns("2024-01-09T19:00")])
    record = run([FRAME], Breaks, {"where": "notify_event"}, events=events)
    assert record.state == "failed"
    assert record.failure.message.endswith("at the event of 2024-01-09T19:00:00Z")
    assert record.failure.bar_time == ns("2024-01-09T19:00")


def test_an_answer_to_the_open_that_raises_names_the_bars_start() -> None:
    events = tape([ns("2024-01-08T22:00")])
    record = run([FRAME], Breaks, {"where": "notify_order"}, events=events)
    assert record.failure.message.endswith("at the bar of ACME starting 2024-01-09T14:30:00Z")
    assert len(record.fills) == 1


def test_an_error_inside_a_library_names_the_strategys_line() -> None:
    class Inverts(bt.Strategy):
        def next(self) -> None:
            np.linalg.inv(np.zeros((2, 2)))  # "a singular matrix"

    record = run([FRAME], Inverts)
    assert record.failure.where.startswith(f"{__file__}:{line_of('a singular matrix')} in next: np.linalg")


def test_an_error_inside_backtrader_names_the_strategys_line() -> None:
    class Indexes(bt.Strategy):
        def next(self) -> None:
            self.getdatabyname("NOPE")  # "no such feed"

    record = run([FRAME], Indexes)
    assert record.failure.where.startswith(f"{__file__}:{line_of('no such feed')} in next")


def test_a_strategy_in_a_folder_named_backtrader_is_not_taken_for_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backtrader" / "mine.py"
    path.parent.mkdir()
    path.write_text(
        "import backtrader as bt\nclass Mine(bt.Strategy):\n"
        "    def next(self):\n        self.getdatabyname('NOPE')\n"
    )
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mine", module)  # Backtrader looks strategies' modules up
    spec.loader.exec_module(module)
    assert run([FRAME], module.Mine).failure.where.startswith(f"{path}:4 in next")


def test_ctrl_c_leaves_a_partial_record() -> None:
    record = run([FRAME], Breaks, {"where": "Ctrl-C", "at": 4})
    assert record.state == "interrupted"
    assert record.failure is None
    assert [str(date) for date in record.sessions.date] == ["2024-01-08", "2024-01-09", "2024-01-10"]
    assert len(record.fills) == 1
    assert record.orders[0].status == "Completed"


class Peeks(Strategy):
    """Reads tomorrow in one of several ways."""

    params = (("how", None),)

    def next(self) -> None:
        if len(self) == 2:
            self.p.how(self.data)


PEEKS = {
    "price": lambda data: data.close[1],
    "far": lambda data: data.high[3],
    "time": lambda data: data.datetime[1],
    "date": lambda data: data.datetime.date(1),
    "moment": lambda data: data.datetime.datetime(1),
    "clock": lambda data: data.datetime.time(1),
}


@pytest.mark.parametrize("how", PEEKS.values(), ids=PEEKS.keys())
def test_audit_mode_catches_a_read_ahead(how: Any) -> None:
    record = run([FRAME], Peeks, {"how": how}, settings=EngineSettings(audit=True))
    assert record.state == "failed"
    assert "is not known yet" in record.failure.message
    assert record.failure.bar_time == ns("2024-01-09T21:00")
    assert run([FRAME], Peeks, {"how": how}).state == "finished"


def test_audit_mode_leaves_the_past_alone() -> None:
    def look_back(data: Any) -> None:
        assert data.close[0] == data.close[-1] == 100.0
        assert data.datetime.date(-1).day == 8
        assert len(data.close.get(size=2)) == 2

    record = run([FRAME], Peeks, {"how": look_back}, settings=EngineSettings(audit=True))
    assert record.state == "finished", record.failure


class Early(bt.Strategy):
    """Reads a feed before its first bar."""

    params = (("how", None),)

    def prenext(self) -> None:
        self.p.how(self.datas[1], self)


EARLY = {
    "price": lambda data, s: data.close[0],
    "yesterday": lambda data, s: data.close[-1],
    "date": lambda data, s: data.datetime.date(0),
    "order": lambda data, s: s.buy(data, size=1),
    "target": lambda data, s: s.order_target_percent(data, 0.5),
}


@pytest.mark.parametrize("how", EARLY.values(), ids=EARLY.keys())
@pytest.mark.parametrize("audit", [False, True])
def test_a_feed_without_a_bar_cannot_be_read(how: Any, audit: bool) -> None:
    """Python's ``array[-1]`` would be the last bar of all."""
    frames = [daily("A", flat(6)), daily("B", flat(3), first=np.datetime64("2024-01-11"))]
    record = run(frames, Early, {"how": how}, settings=EngineSettings(audit=audit))
    assert record.state == "failed"
    assert "IndexError: this data feed has no bar yet" in record.failure.message


def test_a_feed_can_be_read_from_its_first_bar_on() -> None:
    frames = [intraday("A", flat(14)), daily("B", flat(2))]
    seen = []

    def do(s: Any, name: str, _: Any) -> None:
        if name == "next" and len(s.datas[1]):
            seen.append(s.datas[1].close[0])

    play(frames, do)
    assert seen == [100.0] * 8


def test_a_stop_asked_for_by_the_strategy_ends_the_run_normally() -> None:
    record = run([FRAME], Script, {"do": lambda s, name, _: s.env.runstop() if len(s) == 3 else None})
    assert record.state == "finished"
    assert record.bars_processed == 3


def test_an_order_for_no_number_of_shares_ends_the_run() -> None:
    """In plain Backtrader its fill turns the cash into NaN for the rest of the run."""
    do = once("next", lambda s: s.buy(size=float("nan")), lambda s: len(s) == 2)
    record = run([FRAME], Script, {"do": do})
    assert record.state == "failed"
    assert "an order for ACME has the size nan" in record.failure.message
    assert not record.orders


def test_a_strategy_that_leaves_by_exit_has_failed() -> None:
    record = run([FRAME], Script, {"do": once("next", lambda s: sys.exit(4), lambda s: len(s) == 2)})
    assert record.state == "failed"
    assert "the strategy raised SystemExit: 4 at the bar of ACME ending" in record.failure.message
