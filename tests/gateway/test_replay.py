"""Replays: nothing before its time, the backtest's fills in lockstep, sessions, events, books that go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gwbars import daily, minutely
from gwclient import AAPL, SPY, Client, Control, eventually

from robo_trader.errors import DataError, UsageError
from robo_trader.events.tape import EventTape
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.replay import replay_universe
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.records import Event

WAVE = [100, 101, 103, 102, 104, 107, 105, 103, 101, 99, 98, 100, 103, 106, 108, 110, 107, 104, 102, 105]


def _bars(
    client: Client, size: str = "1 day", span: str = "30 D", keep: int = 0, request: int = 8
) -> list[list[str]]:
    client.send(20, request, *SPY, 0, "", size, span, 1, "TRADES", 1, keep, "")
    values = client.expect(17, request)[5:]
    return [values[i : i + 8] for i in range(0, len(values), 8)]


def _advance(control: Control, phase: str) -> dict[str, Any]:
    """Advance to the next moment of a phase."""
    while True:
        answer = control("advance")
        if answer["phase"] in (phase, None):
            return answer


def test_nothing_is_told_before_its_time(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)], start="2024-01-05")
    client, control = connect(gateway), commands(gateway)
    assert [bar[0] for bar in _bars(client)] == ["20240102", "20240103", "20240104"]
    client.send(49, 1)
    assert int(client.expect(49)[2]) == int(datetime(2024, 1, 5, 14, 30, tzinfo=UTC).timestamp())
    assert control("advance") | {"ok": 1, "ns": 0} == {
        "ok": 1, "ns": 0, "time": "2024-01-05T14:30:00Z", "phase": "start", "over": False,
    }  # fmt: skip
    growing = _bars(client)[-1]
    assert growing[:5] == ["20240105", "103.0", "103.0", "103.0", "103.0"]
    assert control("advance")["phase"] == "end"
    assert _bars(client)[-1][:5] == ["20240105", "103.0", "103.5", "101.5", "102.0"]


def test_bars_are_kept_up_to_date_at_every_print(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)], start="2024-01-05")
    client, control = connect(gateway), commands(gateway)
    _bars(client, keep=1)
    client.send(50, 3, 9, *SPY, 5, "TRADES", 1, "")
    client.send(1, 11, 7, *SPY, 0, "", 0, 0, "")
    client.sync()
    control("advance", steps=2)
    client.sync()
    updates = [f[4:8] for f in client.take(90)]  # open, close, high, low
    assert updates[0] == ["103.0"] * 4 and updates[-1] == ["103.0", "102.0", "103.5", "101.5"]
    assert len(updates) == 4
    fives = client.take(50)
    assert [float(f[4]) for f in fives] == [103.0, 103.5, 101.5, 102.0]
    assert sum(float(f[8]) for f in fives) == 1e6
    lasts = [float(f[4]) for f in client.take(1) if f[3] == "4"]
    assert lasts[-4:] == [103.0, 103.5, 101.5, 102.0]


def test_coarser_bars_and_their_growing_end(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([minutely("SPY", [100.0 + i for i in range(30)])])
    client, control = connect(gateway), commands(gateway)
    for _ in range(8):
        _advance(control, "end")
    bars = _bars(client, "5 mins", "1 D")
    assert [bar[0][9:17] for bar in bars] == ["09:30:00", "09:35:00"]
    assert [float(bar[5]) for bar in bars] == [20_000, 12_000]
    assert float(bars[1][4]) == 107.0
    assert len(_bars(client, "1 min", "180 S")) == 3
    client.send(20, 4, *SPY, 0, "", "1 secs", "60 S", 1, "TRADES", 1, 0, "")
    assert client.error(4)[0] == 162


def test_no_warning_between_two_bars_of_a_session(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([minutely("SPY", [100.0, 101.0, 102.0])])
    client, control = connect(gateway), commands(gateway)
    assert control("advance", steps=2)["phase"] == "end"
    number = client.order(SPY)
    client.status(number, "PreSubmitted")
    control("advance")
    client.status(number, "Filled")
    assert not [f for f in client.take(4) if f[3] == "399"]


def test_the_day_in_progress_is_one_of_the_days(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", [100.0 + i for i in range(30)])])
    client, control = connect(gateway), commands(gateway)
    control("advance", steps=41)
    for number, (span, count) in enumerate([("10 D", 10), ("5 D", 5), ("1 D", 1)]):
        client.send(20, number, *SPY, 0, "", "1 day", span, 1, "TRADES", 1, 0, "")
        found = client.expect(17, number)
        assert int(found[4]) == count and found[-8] == "20240131"
    control("advance")  # the close
    client.send(20, 9, *SPY, 0, "", "1 day", "10 D", 1, "TRADES", 1, 0, "")
    assert client.expect(17, 9)[4] == "10"


def test_orders_outside_the_session_are_held_and_said_so(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)])
    client, control = connect(gateway), commands(gateway)
    _advance(control, "end")
    number = client.order(SPY)
    code, text = client.error(number)
    assert code == 399 and "20240103 09:30:00 US/Eastern" in text.encode().decode("unicode-escape")
    client.status(number, "PreSubmitted")
    control("advance")
    client.status(number, "Submitted")
    filled = client.status(number, "Filled")
    assert float(filled[5]) == 100.0
    assert client.expect(11)[15] == "20240103 09:30:00 US/Eastern"


def test_day_orders_end_with_their_session(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)])
    client, control = connect(gateway), commands(gateway)
    _advance(control, "end")
    day = client.order(SPY, orderType="LMT", lmtPrice=50.0)
    good = client.order(SPY, orderType="LMT", lmtPrice=50.0, tif="GTC")
    dated = client.order(
        SPY, orderType="LMT", lmtPrice=50.0, tif="GTD", goodTillDate="20240104 16:00:00 US/Eastern"
    )
    at_once = client.order(SPY, orderType="LMT", lmtPrice=50.0, tif="IOC")
    client.sync()
    control("advance")
    client.status(at_once, "Cancelled")
    control("advance")
    client.status(day, "Cancelled")
    _advance(control, "end")
    _advance(control, "start")
    client.status(dated, "Cancelled")
    client.sync()
    assert not [f for f in client.frames if f[:3] == ["3", str(good), "Cancelled"]]


def test_a_limit_on_close_looks_at_the_close(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)])
    client, control = connect(gateway), commands(gateway)
    control("advance")
    poor = client.order(SPY, orderType="LOC", lmtPrice=99.0)
    good = client.order(SPY, orderType="LOC", lmtPrice=101.0)
    client.sync()
    control("advance")
    assert float(client.status(good, "Filled")[5]) == 100.0
    client.status(poor, "Cancelled")


def test_a_trailing_stop_follows_the_closes(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)])
    client, control = connect(gateway), commands(gateway)
    _advance(control, "end")
    entry = client.order(SPY)
    stop = client.order(SPY, action="SELL", orderType="TRAIL", auxPrice=3.0, tif="GTC")
    client.sync()
    for _ in range(len(WAVE) - 1):
        _advance(control, "end")
    client.status(entry, "Filled")
    # The highest close before the fall is 107; three below it lies 104.
    assert float(client.status(stop, "Filled")[5]) == 104.0


def test_bracket_children_trade_on_a_later_bar(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)])
    client, control = connect(gateway), commands(gateway)
    _advance(control, "end")
    parent = client.order(SPY, transmit=0)
    profit = client.order(SPY, action="SELL", orderType="LMT", lmtPrice=100.4, parentId=parent, tif="GTC")
    client.sync()
    control("advance")
    client.status(parent, "Filled")
    control("advance")  # this bar reaches 101.5, but its parent was filled in it
    client.sync()
    assert not [f for f in client.frames if f[:3] == ["3", str(profit), "Filled"]]
    control("advance")
    assert float(client.status(profit, "Filled")[5]) == 101.0


def test_quotes_fill_a_replay_in_parts(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([minutely("SPY", [100.0] * 20)], matching="quotes")
    client, control = connect(gateway), commands(gateway)
    control("advance")
    number = client.order(SPY, totalQuantity=3000)
    client.sync()
    control("advance", steps=6)
    client.status(number, "Filled")
    fills = client.take(11)
    assert len(fills) > 1 and {f[19] for f in fills} != {"3000.0"}
    assert all(float(f[20]) > 99.75 for f in fills)
    close = client.order(SPY, action="SELL", orderType="MOC", totalQuantity=10)
    client.sync()
    control("advance", steps=100)
    assert float(client.status(close, "Filled")[5]) == 100.0


def test_events_become_headlines_when_they_are_known(replay: Any, connect: Any, commands: Any) -> None:
    noon = datetime(2024, 1, 3, 17, tzinfo=UTC)
    events = EventTape.of(
        [
            Event(kind="news", title="Early", published_at=noon - timedelta(days=20), symbols=("SPY",)),
            Event(kind="news", title="Größe", body="All of it", published_at=noon, symbols=("SPY",)),
            Event(kind="news", title="Other", published_at=noon, symbols=("QQQ",)),
            Event(kind="fomc", title="All", published_at=noon + timedelta(hours=1)),
        ]
    )
    gateway = replay([daily("SPY", WAVE)], events)
    client, control = connect(gateway), commands(gateway)
    client.send(1, 11, 7, *SPY, 0, "292", 0, 0, "")
    client.send(86, 1, 756733, "SIM", "", "", 10, "")
    client.expect(87, 1)
    assert [f[5] for f in client.take(86)] == ["Early"]
    answer = _advance(control, "event")
    assert answer["time"] == "2024-01-03T17:01:00Z"
    control("advance", steps=3)
    first, second = (client.expect(84, 7) for _ in range(2))
    assert first[5].encode().decode("unicode-escape") == "Größe" and second[5] == "All"
    client.send(84, 2, first[3], first[4], "")
    assert client.expect(83, 2)[3] == "All of it"
    client.sync()
    assert client.take(84) == []


def test_a_replay_runs_from_the_first_client_on(replay: Any, connect: Any) -> None:
    gateway = replay([daily("SPY", WAVE)], start="2024-01-24", speed="40d/s", matching="quotes")
    client = connect(gateway)
    assert len(_bars(client, keep=1)) <= 18
    number = client.order(SPY, totalQuantity=10, tif="GTC")
    client.expect(90, 8, where=lambda f: f[3] == "20240130")
    client.status(number, "Filled")


def test_a_replay_at_full_speed_comes_to_its_end(replay: Any, connect: Any) -> None:
    gateway = replay([minutely("SPY", WAVE * 10)], speed="max")
    client = connect(gateway)

    def over() -> None:
        assert len(_bars(client, "1 min", "1 D")) == 200

    eventually(over, AssertionError)


def test_prices_between_ticks_are_taken_where_asked(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)], ticks=False)
    client, control = connect(gateway), commands(gateway)
    number = client.order(SPY, orderType="LMT", lmtPrice=99.87654)
    client.sync()
    _advance(control, "end")
    assert float(client.status(number, "Filled")[5]) == 99.87654


def test_the_days_profit_starts_anew_each_day(replay: Any, connect: Any, commands: Any) -> None:
    gateway = replay([daily("SPY", WAVE)], commission=0.0)
    client, control = connect(gateway), commands(gateway)
    client.send(92, 3, "DU1234567", "")
    client.order(SPY)
    client.sync()
    days = []
    for _ in range(4):
        _advance(control, "end")
        client.sync()
        days.append(round(float(client.take(94)[-1][2])))
    assert days == [0, 100, 200, -100]


def test_halves_of_a_session_and_holidays_are_in_the_hours(replay: Any, connect: Any) -> None:
    client = connect(replay([daily("SPY", WAVE)], start="2024-01-12"))
    client.send(9, 8, 1, *SPY, 0, "", "", "")
    hours = client.expect(10)
    assert any(
        "20240112:0930-20240112:1600;20240113:CLOSED;20240114:CLOSED;20240115:CLOSED" in field
        for field in hours
    )


def test_contracts_of_a_replay(replay: Any, connect: Any) -> None:
    universe, chosen, notes = replay_universe([daily("SPY", WAVE), daily("VIX", WAVE), minutely("SPY", WAVE)])
    spy, vix = universe
    assert (spy.con_id, vix.sec_type, vix.contract.exchange) == (756733, "IND", "CBOE")
    assert chosen[spy.con_id].timeframe == "1m" and notes == []
    client = connect(replay([daily("VIX", WAVE)]))
    number = client.order((0, "VIX", "IND", "", 0.0, "", "", "CBOE", "", "USD", "", ""))
    assert client.error(number)[0] == 201
    client.send(1, 11, 3, *AAPL, 0, "", 0, 0, "")
    assert client.error(3)[0] == 200


def test_bad_replays_are_refused() -> None:
    settings = GatewaySettings(port=0, control_port=0)
    with pytest.raises(DataError, match="no bars to replay"):
        replay_gateway(settings, [])
    with pytest.raises(UsageError, match="no bars from 2030-01-01 on"):
        replay_gateway(settings, [daily("SPY", WAVE)], start="2030-01-01")
    with pytest.raises(UsageError, match="is no date"):
        replay_gateway(settings, [daily("SPY", WAVE)], start="soon")
    with pytest.raises(UsageError, match="unknown speed"):
        replay_gateway(GatewaySettings(speed="fast"), [daily("SPY", WAVE)])


def test_books_go_on_where_they_ended(replay: Any, connect: Any, commands: Any, tmp_path: Any) -> None:
    books = str(tmp_path / "books.sqlite")
    frame = daily("SPY", WAVE)
    gateway = replay([frame], books=books)
    client, control = connect(gateway), commands(gateway)
    _advance(control, "end")
    bought = client.order(SPY, orderRef="robo-1")
    resting = client.order(SPY, action="SELL", orderType="LMT", lmtPrice=103.4, tif="GTC", orderRef="robo-2")
    client.sync()
    _advance(control, "end")
    client.status(bought, "Filled")
    before = control("state")
    execution = client.expect(11)
    client.close()
    gateway.close()
    again = replay([frame], books=books)
    assert any("go on where they ended" in note for note in again.server.gateway.market.notes)
    control, client = commands(again), connect(again)
    assert control("state") | {"sessions": []} == before | {"sessions": []}
    assert client.next_id == resting + 1
    client.send(7, 3, 1, 0, "", "", "", "", "", "")
    assert client.expect(11)[14] == execution[14]
    client.send(5, 1)
    assert client.expect(5)[2:5] and client.expect(3)[2] in ("PreSubmitted", "Submitted")
    _advance(control, "end")
    assert float(client.status(resting, "Filled")[5]) == 103.4
    client.sync()
    assert control("state")["pos"] == {}
