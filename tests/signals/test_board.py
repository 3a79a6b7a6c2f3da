"""A board says one by one what the stream says at once, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from saying import event, opinion

from robo_trader.records import Signal
from robo_trader.signals.board import Board
from robo_trader.signals.clamp import Opinion
from robo_trader.signals.stream import signals_of

SYMBOLS = ("AAPL", "MSFT", "SPY")
MINUTE = 60 * 1_000_000_000

said = st.tuples(
    st.integers(0, 240),  # minutes
    st.sampled_from(("a", "b", "c", "d")),
    st.sampled_from((*SYMBOLS, "*", "TSLA")),
    st.sampled_from((-1.0, -0.2, 0.0, 0.3, 1.0)),
    st.integers(1, 180),  # minutes
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 300)),  # a correction, so many minutes later
)


def opinions(rows: list[tuple[int, str, str, float, int, bool, int | None]]) -> list[Opinion]:
    return [
        opinion(
            score, event(number, source, minutes=minutes), hours=length / 60, symbol=symbol, disputed=disputed
        )
        for number, (minutes, source, symbol, score, length, disputed, _) in enumerate(rows)
    ]


@given(st.lists(said, max_size=24), st.integers(1, 400))
def test_it_says_what_the_stream_says(
    rows: list[tuple[int, str, str, float, int, bool, int | None]], step: int
) -> None:
    every = opinions(rows)
    over = {
        o.event.id or "": o.at + row[6] * MINUTE
        for o, row in zip(every, rows, strict=True)
        if row[6] is not None
    }
    expected = signals_of(every, name="news", symbols=SYMBOLS, withdrawn=over)
    board = Board("news", SYMBOLS)
    waiting = sorted(every, key=lambda o: o.at)
    corrections = sorted((at, id) for id, at in over.items())
    got: list[Signal] = []
    now = waiting[0].at if waiting else 0
    for _ in range(700 // step + 2):
        while waiting and waiting[0].at <= now:
            board.add(waiting.pop(0))
        while corrections and corrections[0][0] <= now:
            board.withdraw(corrections[0][1], corrections.pop(0)[0])
        got += board.advance(now)
        now += step * MINUTE
    assert tuple(got) == expected
    assert board.next is None
    assert not board._of_event  # nothing that is over is kept


def test_what_a_correction_took_back_counts_no_more_however_late_it_comes() -> None:
    board = Board("news", SYMBOLS)
    one = opinion(1.0, event(0))
    board.withdraw("e000", one.at - 1)
    board.add(one)
    assert board.advance(one.until) == []
