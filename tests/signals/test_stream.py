"""Signals over time: when one is made, what it says, and that no later view changes it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saying import NOON, event, opinion

from robo_trader.clock import to_ns
from robo_trader.records import Signal
from robo_trader.signals import RoleSignals, SignalTape
from robo_trader.signals.clamp import Opinion
from robo_trader.signals.stream import corrections, signals_of
from robo_trader.signals.tape import fade

HOUR = 3_600 * 1_000_000_000


def made(*opinions: Opinion, symbols: tuple[str, ...] = ("AAPL",), **more: object) -> list[Signal]:
    return list(signals_of(opinions, name="news", symbols=symbols, **more))  # type: ignore[arg-type]


def hours(signals: list[Signal]) -> list[float]:
    return [(s.at - NOON) / timedelta(hours=1) for s in signals]


def test_one_view_makes_one_signal_that_ends_with_its_horizon() -> None:
    (signal,) = made(opinion(0.5, event(0), confidence=0.5, hours=10))
    assert (signal.at, signal.expires_at) == (NOON, NOON + timedelta(hours=10))
    assert (signal.value, signal.confidence, signal.evidence) == (0.25, 0.5, ("e000",))
    assert fade(signal, to_ns(NOON) + 5 * HOUR) == pytest.approx(0.125)


def test_a_second_source_makes_a_stronger_one_and_its_end_a_weaker_one() -> None:
    said = [opinion(1.0, event(0, "a"), hours=10), opinion(1.0, event(1, "b", minutes=60), hours=2)]
    signals = made(*said)
    assert hours(signals) == [0, 1, 3]
    assert [s.value for s in signals] == pytest.approx([0.30, 0.30 * 0.9 + 0.30, 0.30 * 0.7])
    assert signals[2].evidence == ("e000",)


def test_a_recomputed_signal_lies_on_the_line_of_the_one_before() -> None:
    """The end of a view that moved nothing changes nothing."""
    one = opinion(1.0, event(0, "a"), hours=10)
    nothing = opinion(0.0, event(1, "b"), hours=4)
    first, second = made(one, nothing)
    assert second.value == pytest.approx(fade(first, to_ns(second.at)))


def test_everything_reaches_every_instrument_beside_what_is_its_own() -> None:
    said = [opinion(0.2, event(0, "fed"), symbol="*"), opinion(0.2, event(1, "b", minutes=60))]
    signals = made(*said, symbols=("AAPL", "SPY"))
    assert [(h, s.symbol, round(s.value, 2)) for h, s in zip(hours(signals), signals, strict=True)][:3] == [
        (0, "AAPL", 0.2), (0, "SPY", 0.2), (1, "AAPL", 0.39),
    ]  # fmt: skip


def test_a_correction_withdraws_what_was_said_of_the_text_it_corrects() -> None:
    wrong, right = event(0), event(1, minutes=60, revision_of="e000")
    over = corrections([wrong, right], {"e000": to_ns(NOON), "e001": to_ns(NOON) + HOUR})
    silent = made(opinion(1.0, wrong, hours=10), withdrawn=over)
    assert hours(silent) == [0, 1]
    assert silent[0].expires_at == NOON + timedelta(hours=10), "nobody knew of the correction then"
    assert silent[1].value == 0.0 and silent[1].expires_at == silent[1].at
    ends = np.array([to_ns(NOON) + 1 + k * HOUR // 2 for k in range(4)])
    tape = SignalTape(roles={"news": lambda: RoleSignals(tuple(silent), fading=True)})
    value = tape.columns("news", "AAPL", ends).value
    assert value[:2] == pytest.approx([0.30, 0.285]) and np.isnan(value[2:]).all()
    turned = made(opinion(1.0, wrong, hours=10), opinion(-1.0, right, hours=10), withdrawn=over)
    assert [s.value for s in turned] == pytest.approx([0.30, -0.30])


views = st.lists(
    st.builds(
        lambda n, s, score, minutes, h, symbol: opinion(
            score, event(n, f"s{s}", minutes=minutes), hours=h, symbol=symbol
        ),
        st.integers(0, 20), st.integers(0, 3), st.floats(-1, 1), st.integers(0, 3000), st.integers(1, 48),
        st.sampled_from(["AAPL", "SPY", "*"]),
    ),
    max_size=10,
)  # fmt: skip


@given(views, st.integers(0, 3000))
@settings(max_examples=150, deadline=None)
def test_a_signal_never_depends_on_a_later_view(said: list[Opinion], minute: int) -> None:
    cut = NOON + timedelta(minutes=minute)
    symbols = ("AAPL", "SPY")
    known = [o for o in said if o.at <= to_ns(cut)]
    whole = [s for s in made(*said, symbols=symbols) if s.at <= cut]
    assert whole == [s for s in made(*known, symbols=symbols) if s.at <= cut]
    assert whole == [s for s in made(*reversed(said), symbols=symbols) if s.at <= cut]


class TestTape:
    def test_a_fading_role_on_bar_ends(self) -> None:
        start = to_ns(NOON)
        signals = made(opinion(1.0, event(0), hours=4), opinion(-1.0, event(1, minutes=600), hours=2))
        tape = SignalTape(roles={"news": lambda: RoleSignals(tuple(signals), fading=True)})
        ends = np.array([start, start + 1, start + HOUR, start + 4 * HOUR, start + 11 * HOUR])
        columns = tape.columns("news", "AAPL", ends)
        assert np.isnan(columns.value[[0, 3]]).all(), "what is said at a bar's end is heard after it"
        assert columns.value[[1, 2, 4]] == pytest.approx([0.30, 0.225, -0.15])
        assert columns.age[[1, 2, 4]] == pytest.approx([0, 3600, 3600], abs=1e-6)
        assert columns.known.tolist() == [0, 1, 1, 0, 1]
        assert np.isnan(tape.columns("news", "MSFT", ends).value).all()

    def test_roles_are_made_once_and_only_when_asked(self) -> None:
        asked: list[str] = []

        def make() -> RoleSignals:
            asked.append("x")
            return RoleSignals((Signal(at=NOON, symbol="A", name="news", value=0.1),))

        tape = SignalTape(roles={"news": make}, spoken="news")
        assert len(tape) == 0 and tape.may_speak
        tape.columns("news", "A", np.array([0]))
        tape.speak()
        assert asked == ["x"] and len(tape) == 1

    def test_an_unknown_role_is_refused_with_the_nearest(self) -> None:
        from robo_trader.errors import UsageError

        tape = SignalTape(roles={"news": RoleSignals, "wsb": RoleSignals})
        with pytest.raises(UsageError, match=r"no signal 'nws' \(did you mean 'news'\?\)"):
            tape.columns("nws", "A", np.array([0]))

    def test_a_second_time_frame_of_an_instrument_hears_the_same(self) -> None:
        tape = SignalTape(roles={"news": lambda: RoleSignals(tuple(made(opinion(1.0, event(0)))), True)})
        ends = np.array([to_ns(NOON) + 1])
        assert tape.columns("news", "AAPL@1d", ends, "AAPL").value[0] == pytest.approx(0.30)
